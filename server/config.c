/* SPDX-License-Identifier: ISC */
/*
 * config.c - what the operator asked for: file and command line as one value
 *
 * In this order: every field gets its default; the file's sections are taken
 * directive by directive; the command line replaces what it names; and then
 * comes what only the whole can tell (names used twice, no listener, too few
 * descriptors). A listener is a draft until all of that was right.
 *
 * The configuration in force is read by the same steps, but for those that
 * look at the machine.
 */
#include "server/config.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/runtime.h"
#include "common/words.h"
#include "server/config_directive.h"
#include "server/config_own.h"
#include "server/config_text.h"
#include "server/module.h"
#include "server/program.h"

struct draft {
	struct listen_config listen;
	struct config_place place;
	unsigned name_line; /* where its name was given; 0: it was not */
	bool has_address, has_service;
	bool is_replaced; /* -l has another one of that address */
};

struct reading {
	struct config *config;
	const struct config_command *command;
	struct config_problems problems;
	struct config_text text;
	const struct config_section *server; /* the first one, or NULL */
	struct draft *draft;
	size_t n_drafts;
	bool has_unknown;  /* a section, which may have been a listener */
	bool is_running;   /* the configuration in force is read again */
	size_t n_forgiven; /* problems that are told and do not count */
};

static struct config_place place_of(const struct reading *r, unsigned line)
{
	return (struct config_place){ .file = r->text.file, .line = line };
}

/* --- sections ------------------------------------------------------------- */

/* Words that may be meant in one section; words beyond are not suggested. */
#define WORDS_MAX 64

/* The nearest of @table and of @service's own (NULL: it has none). */
static const char *nearest_of(const struct directive_table *table,
			      const struct service *service, const char *word)
{
	const char *names[WORDS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < table->n_rows && n < WORDS_MAX; i++)
		names[n++] = table->row[i].name;
	for (size_t i = 0; service && i < service->n_settings && n < WORDS_MAX;
	     i++)
		names[n++] = service->settings[i].name;
	return words_nearest(word, names, n);
}

/*
 * Says of a setting that neither @table nor @service has where it belongs, or
 * what was meant.
 */
static void report_unknown(struct reading *r,
			   const struct directive_table *table,
			   const struct service *service, const char *section,
			   const struct config_setting *setting)
{
	bool is_server = table == &server_directives;
	const struct directive_table *other = is_server ? &listen_directives :
							  &server_directives;
	struct config_place place = place_of(r, setting->line);
	const char *nearest;

	if (directive_find(other, setting->name) ||
	    (is_server && config_own_owner(setting->name))) {
		config_problem_add(&r->problems, place,
				   "\"%s\" belongs into [%s], not [%s]",
				   setting->name,
				   is_server ? "listen ADDRESS" : "server",
				   section);
		return;
	}
	nearest = nearest_of(table, service, setting->name);
	if (nearest)
		config_problem_add(&r->problems, place,
				   "unknown directive \"%s\"; did you mean "
				   "\"%s\"?",
				   setting->name, nearest);
	else
		config_problem_add(&r->problems, place,
				   "unknown directive \"%s\" in [%s]",
				   setting->name, section);
}

static bool is_first(struct reading *r, const struct config_section *section,
		     const struct config_setting *setting)
{
	const struct config_setting *first;

	first = config_section_find(section, setting->name);
	if (first == setting)
		return true;
	config_problem_add(&r->problems, place_of(r, setting->line),
			   "\"%s\" twice; the first is on line %u",
			   setting->name, first->line);
	return false;
}

/*
 * Takes one setting of @section into @base. @transports: where the section's
 * listener listens, ON_ALL for none.
 */
static void take_setting(struct reading *r, const struct directive *directive,
			 const struct config_section *section,
			 const struct config_setting *setting,
			 unsigned transports, void *base)
{
	struct config_place place = place_of(r, setting->line);
	const char *wrong;

	if (!is_first(r, section, setting))
		return;
	if (!(directive->transports & transports)) {
		config_problem_add(&r->problems, place,
				   "\"%s\" means nothing for [listen %s]",
				   setting->name, section->argument);
		return;
	}
	if (!setting->value)
		return; /* was reported with the syntax */
	wrong = r->is_running ?
			directive_parse_again(directive, base, setting->value) :
			directive_parse(directive, base, setting->value);
	if (wrong)
		config_problem_add(&r->problems, place, "%s: \"%s\" %s",
				   setting->name, setting->value, wrong);
}

typedef void other_fn(struct reading *r, const struct config_section *section,
		      const struct config_setting *setting, void *base);

/* Takes what @table has; what it has not is for @other. */
static void take_settings(struct reading *r,
			  const struct directive_table *table,
			  const struct config_section *section,
			  unsigned transports, void *base, other_fn *other)
{
	for (size_t i = 0; i < section->n_settings; i++) {
		const struct config_setting *setting = &section->setting[i];
		const struct directive *directive;

		directive = directive_find(table, setting->name);
		if (directive)
			take_setting(r, directive, section, setting, transports,
				     base);
		else
			other(r, section, setting, base);
	}
}

static void take_server_other(struct reading *r,
			      const struct config_section *section,
			      const struct config_setting *setting, void *base)
{
	(void)base;
	report_unknown(r, &server_directives, NULL, section->word, setting);
}

static void take_server(struct reading *r, const struct config_section *section)
{
	if (section->argument)
		config_problem_add(&r->problems, place_of(r, section->line),
				   "[server] takes no \"%s\"",
				   section->argument);
	if (r->server) {
		config_problem_add(&r->problems, place_of(r, section->line),
				   "[server] twice; the first is on line %u",
				   r->server->line);
		return;
	}
	r->server = section;
	take_settings(r, &server_directives, section, ON_ALL, r->config,
		      take_server_other);
}

/* --- listeners ------------------------------------------------------------ */

static struct draft *add_draft(struct reading *r, struct config_place place)
{
	struct draft *draft;

	draft = reallocarray(r->draft, r->n_drafts + 1, sizeof(*draft));
	if (!draft) {
		config_problem_add(&r->problems, place, "out of memory");
		return NULL;
	}
	r->draft = draft;
	draft += r->n_drafts++;
	memset(draft, 0, sizeof(*draft));
	draft->place = place;
	directives_set_defaults(&listen_directives, &draft->listen);
	return draft;
}

static void check_transport(struct reading *r, const struct draft *draft,
			    struct config_place place)
{
	bool is_datagram = draft->listen.addr.transport == TRANSPORT_UDP;
	const struct service *service = draft->listen.service;
	unsigned needed = is_datagram ? SERVICE_DATAGRAM : SERVICE_STREAM;

	if (!draft->has_address || !service || service->transports & needed)
		return;
	config_problem_add(&r->problems, place,
			   "service \"%s\" serves %s only, not %s",
			   service->name, is_datagram ? "streams" : "datagrams",
			   transport_names[draft->listen.addr.transport]);
}

static void take_address(struct reading *r, struct draft *draft,
			 const struct config_section *section)
{
	const char *why;

	if (!section->argument) {
		config_problem_add(&r->problems, draft->place,
				   "[listen] without an address: [listen "
				   "tcp:HOST:PORT], udp:HOST:PORT or "
				   "unix:PATH");
		return;
	}
	if (!addr_parse(section->argument, false, &draft->listen.addr, &why))
		draft->has_address = true;
	else
		config_problem_add(&r->problems, draft->place,
				   "[listen %s]: %s", section->argument, why);
}

/* One of those that only a configuration in force has; NULL: it is none. */
static const struct directive *find_running(const struct reading *r,
					    const char *name)
{
	return r->is_running ? directive_find(&running_directives, name) : NULL;
}

/*
 * Settings of the service's own. Which one that is may stand further down in
 * the section, so it is not told yet.
 */
static void take_listen_other(struct reading *r,
			      const struct config_section *section,
			      const struct config_setting *setting, void *base)
{
	const struct directive *directive = find_running(r, setting->name);

	if (directive)
		take_setting(r, directive, section, setting, ON_ALL, base);
}

/* One that is not of @service, which is NULL where that is unknown. */
static void report_foreign(struct reading *r, const struct service *service,
			   const struct config_section *section,
			   const struct config_setting *setting)
{
	const struct service *owner = config_own_owner(setting->name);

	if (!owner || directive_find(&server_directives, setting->name))
		report_unknown(r, &listen_directives, service, section->word,
			       setting);
	else if (service)
		config_problem_add(&r->problems, place_of(r, setting->line),
				   "%s: is a setting of service %s, not of %s",
				   setting->name, owner->name, service->name);
}

/* What there is of a problem since the first @n_before is told, no more. */
static void forgive(struct reading *r, size_t n_before)
{
	r->n_forgiven += r->problems.n - n_before;
}

/*
 * They were right once. A file that has gone since must not keep a keeper from
 * coming back, and with it all other listeners' connections.
 */
static void make_own(struct reading *r, struct draft *draft,
		     const struct config_section *section)
{
	size_t n_before = r->problems.n;

	config_own_take(&draft->listen, section, draft->place, &r->problems);
	if (r->is_running && config_own_is_made(&draft->listen))
		forgive(r, n_before);
}

static void take_own(struct reading *r, struct draft *draft,
		     const struct config_section *section)
{
	const struct service *service = draft->listen.service;
	const struct config_setting *named;

	named = config_section_find(section, "service");
	if (!service && named && named->value && module_is_path(named->value))
		return; /* what it could not load may know them all */
	for (size_t i = 0; i < section->n_settings; i++) {
		const struct config_setting *setting = &section->setting[i];

		if (directive_find(&listen_directives, setting->name) ||
		    find_running(r, setting->name))
			continue;
		if (service && config_own_find(service, setting->name))
			(void)is_first(r, section, setting);
		else
			report_foreign(r, service, section, setting);
	}
	if (service && draft->has_address)
		make_own(r, draft, section);
}

static void take_listen(struct reading *r, const struct config_section *section)
{
	struct draft *draft = add_draft(r, place_of(r, section->line));
	const struct config_setting *service, *name;
	unsigned transports = ON_ALL;

	if (!draft)
		return;
	draft->listen.file = r->text.file;
	draft->listen.line = section->line;
	take_address(r, draft, section);
	if (draft->has_address)
		transports = 1U << draft->listen.addr.transport;
	take_settings(r, &listen_directives, section, transports,
		      &draft->listen, take_listen_other);
	take_own(r, draft, section);
	name = config_section_find(section, "name");
	if (name && draft->listen.name[0])
		draft->name_line = name->line;
	service = config_section_find(section, "service");
	draft->has_service = service;
	if (service)
		check_transport(r, draft, place_of(r, service->line));
	else
		config_problem_add(&r->problems, draft->place,
				   "[listen%s%s] without a service: add "
				   "\"service = echo\", or another",
				   section->argument ? " " : "",
				   section->argument ? section->argument : "");
}

static bool is_retired_section(const struct reading *r,
			       const struct config_section *section)
{
	const struct config_setting *retired;

	retired = config_section_find(section, "retired");
	return r->is_running && retired && retired->value &&
	       !strcmp(retired->value, "yes");
}

/*
 * What a retired one cannot have any more, say its module, is its own loss and
 * not that of all others.
 */
static void take_any_listen(struct reading *r,
			    const struct config_section *section)
{
	size_t n_before = r->problems.n, n_forgiven = r->n_forgiven;

	take_listen(r, section);
	if (!is_retired_section(r, section))
		return;
	r->n_forgiven = n_forgiven;
	forgive(r, n_before);
}

static void take_unknown(struct reading *r,
			 const struct config_section *section)
{
	static const char *const words[] = { "server", "listen" };
	struct config_place place = place_of(r, section->line);
	const char *nearest;

	r->has_unknown = true;
	if (!section->word[0])
		return; /* was reported with the syntax */
	nearest = words_nearest(section->word, words, ARRAY_LEN(words));
	if (nearest)
		config_problem_add(&r->problems, place,
				   "unknown section [%s]; did you mean [%s]?",
				   section->word, nearest);
	else
		config_problem_add(&r->problems, place,
				   "unknown section [%s] (there are [server] "
				   "and [listen ADDRESS])",
				   section->word);
}

static void take_section(struct reading *r,
			 const struct config_section *section)
{
	if (!strcmp(section->word, "server"))
		take_server(r, section);
	else if (strcmp(section->word, "listen") != 0)
		take_unknown(r, section);
	else if (!r->command->is_instance_only)
		take_any_listen(r, section);
}

/* --- the command line ----------------------------------------------------- */

/* What cannot stand in a file cannot come back from -T either. */
static bool is_text(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

static void take_option(struct reading *r, const char *option, const char *name,
			const char *value)
{
	const struct directive *directive;
	const char *wrong = "is not text";

	if (!value)
		return;
	directive = directive_find(&server_directives, name);
	if (directive && is_text(value))
		wrong = directive_parse(directive, r->config, value);
	if (wrong)
		config_problem_add(&r->problems,
				   (struct config_place){ option, value, 0 },
				   "%s", wrong);
}

static void take_listen_option(struct reading *r, const char *text,
			       unsigned number)
{
	struct config_place place = { "-l", text, 0 };
	struct draft *draft = add_draft(r, place);
	const char *equals = strrchr(text, '=');
	const char *why;
	char *address;

	if (!draft)
		return;
	draft->listen.file = "-l";
	draft->listen.line = number;
	draft->has_service = true; /* or it is said below what is wrong */
	if (!is_text(text)) {
		config_problem_add(&r->problems, place, "is not text");
		return;
	}
	if (!equals) {
		config_problem_add(&r->problems, place,
				   "no service: add \"=echo\", or another");
		return;
	}
	address = strndup(text, (size_t)(equals - text));
	if (!address) {
		config_problem_add(&r->problems, place, "out of memory");
		return;
	}
	if (!addr_parse(address, false, &draft->listen.addr, &why))
		draft->has_address = true;
	else
		config_problem_add(&r->problems, place, "%s", why);
	free(address);
	why = directive_parse(directive_find(&listen_directives, "service"),
			      &draft->listen, equals + 1);
	if (why)
		config_problem_add(&r->problems, place, "\"%s\" %s", equals + 1,
				   why);
	check_transport(r, draft, place);
	if (draft->listen.service && draft->has_address)
		config_own_take(&draft->listen, NULL, place, &r->problems);
}

static void take_command(struct reading *r)
{
	const struct config_command *command = r->command;

	take_option(r, "-n", "name", command->name);
	take_option(r, "-r", "runtime-dir", command->runtime_dir);
	take_option(r, "-w", "workers", command->workers);
	for (size_t i = 0; i < command->n_listen; i++)
		take_listen_option(r, command->listen[i], (unsigned)i + 1);
}

/* --- what only the whole can tell ----------------------------------------- */

static bool is_same_address(const struct draft *a, const struct draft *b)
{
	const struct addr *x = &a->listen.addr, *y = &b->listen.addr;

	if (!a->has_address || !b->has_address)
		return false;
	/* one that is retired listens no more; port 0 is another each time */
	if (a->listen.is_retired || b->listen.is_retired ||
	    (x->transport != TRANSPORT_UNIX && !x->port))
		return false;
	return addr_is_same_typed(x, y);
}

static void check_address(struct reading *r, const struct draft *first,
			  struct draft *second)
{
	char typed[ADDR_TYPED_BYTES];

	if (!is_same_address(first, second))
		return;
	addr_format_typed(&first->listen.addr, typed);
	if (second->place.argument)
		config_problem_add(&r->problems, second->place,
				   "%s twice on the command line", typed);
	else
		config_problem_add(&r->problems, second->place,
				   "[listen %s] twice; the first is on line %u",
				   typed, first->place.line);
}

static void check_addresses(struct reading *r)
{
	for (size_t i = 0; i < r->n_drafts; i++) {
		struct draft *draft = &r->draft[i];

		for (size_t j = 0; j < i; j++) {
			struct draft *former = &r->draft[j];
			bool is_other_source = !former->place.argument !=
					       !draft->place.argument;

			if (former->is_replaced)
				continue;
			if (!is_other_source)
				check_address(r, former, draft);
			else if (is_same_address(former, draft))
				former->is_replaced = true;
		}
	}
}

static const struct draft *find_name(const struct reading *r, const char *name,
				     size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!r->draft[i].is_replaced &&
		    !r->draft[i].listen.is_retired &&
		    !strcmp(r->draft[i].listen.name, name))
			return &r->draft[i];
	return NULL;
}

static void check_names(struct reading *r)
{
	for (size_t i = 0; i < r->n_drafts; i++) {
		const struct draft *draft = &r->draft[i], *first;

		if (!draft->name_line || draft->is_replaced ||
		    draft->listen.is_retired)
			continue;
		first = find_name(r, draft->listen.name, i);
		if (first)
			config_problem_add(&r->problems,
					   place_of(r, draft->name_line),
					   "name \"%s\" twice; the first is on "
					   "line %u",
					   draft->listen.name,
					   first->name_line);
	}
}

/*
 * echo, echo-2, echo-3, ...: the first that no other listener has. @n_before:
 * how many listeners of that service have one of these already.
 */
static void choose_name(const struct reading *r, struct draft *draft,
			size_t n_before)
{
	const char *service = draft->listen.service->name;
	char name[LEDGER_NAME_BYTES];

	for (size_t i = n_before + 1;; i++) {
		if (i == 1)
			snprintf(name, sizeof(name), "%s", service);
		else
			snprintf(name, sizeof(name), "%.*s-%zu",
				 LEDGER_NAME_BYTES - 8, service, i);
		if (!find_name(r, name, r->n_drafts))
			break;
	}
	strcpy(draft->listen.name, name);
}

/* Listeners before @draft that have the same service, and no name given. */
static size_t count_like(const struct reading *r, const struct draft *draft)
{
	size_t n = 0;

	for (const struct draft *other = r->draft; other < draft; other++)
		n += !other->is_replaced && !other->name_line &&
		     other->listen.service == draft->listen.service;
	return n;
}

static void choose_names(struct reading *r)
{
	for (size_t i = 0; i < r->n_drafts; i++) {
		struct draft *draft = &r->draft[i];

		if (!draft->is_replaced && draft->listen.service &&
		    !draft->listen.name[0])
			choose_name(r, draft, count_like(r, draft));
	}
}

static void check_listeners(struct reading *r, bool is_read)
{
	struct config_place place = { .file = r->text.file };

	if (!r->n_drafts && is_read && !r->has_unknown)
		config_problem_add(&r->problems, place,
				   "no listener: add a section [listen "
				   "ADDRESS], or -l ADDRESS=SERVICE");
	if (r->n_drafts > LEDGER_MAX_LISTENERS - 1)
		config_problem_add(&r->problems, place,
				   "%zu listeners are more than %d",
				   r->n_drafts, LEDGER_MAX_LISTENERS - 1);
	check_addresses(r);
	check_names(r);
	choose_names(r);
}

/* Keepers start programs, and one that became a user can become no other. */
static void check_program_users(struct reading *r)
{
	for (size_t i = 0; i < r->n_drafts; i++) {
		const struct draft *draft = &r->draft[i];
		const struct program *program = NULL;

		if (draft->listen.service && draft->listen.settings)
			program = program_of(&draft->listen);
		if (program && program->has_user && r->config->user[0])
			config_problem_add(&r->problems, draft->place,
					   "a program's user needs a server "
					   "that stays root, not user = %s",
					   r->config->user);
	}
}

/*
 * Each worker has a descriptor table of its own, that is as large as the hard
 * limit allows. Our own default makes do with less than it would like.
 */
static void check_descriptors(struct reading *r)
{
	struct config *config = r->config;
	const struct config_setting *setting = NULL;
	rlim_t spare = CONFIG_SPARE_DESCRIPTORS + r->n_drafts;
	struct rlimit limit;
	rlim_t room;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_max == RLIM_INFINITY)
		return;
	room = limit.rlim_max > spare ? limit.rlim_max - spare : 0;
	if (config->worker_connections <= room)
		return;
	if (r->server)
		setting = config_section_find(r->server, "worker-connections");
	if (!setting && room) {
		config->worker_connections = (unsigned)room;
		return;
	}
	config_problem_add(&r->problems,
			   place_of(r, setting ? setting->line : 0),
			   "worker-connections: %u do not fit the hard limit "
			   "of %llu descriptors (at most %llu do)",
			   config->worker_connections,
			   (unsigned long long)limit.rlim_max,
			   (unsigned long long)room);
}

/*
 * Idle workers to keep, from some to some. Our own default makes do with what
 * was set for the other.
 */
static void check_spare(struct reading *r)
{
	struct config *config = r->config;
	const struct config_setting *setting = NULL;

	if (config->max_spare >= config->min_spare)
		return;
	if (r->server)
		setting = config_section_find(r->server, "max-spare");
	if (!setting) {
		config->max_spare = config->min_spare;
		return;
	}
	config_problem_add(&r->problems, place_of(r, setting->line),
			   "max-spare: %u is less than min-spare, which is %u",
			   config->max_spare, config->min_spare);
}

/* --- the whole ------------------------------------------------------------ */

static void set_defaults(struct config *config)
{
	*config = (struct config){ 0 };
	directives_set_defaults(&server_directives, config);
}

static void report_unreadable(struct reading *r, int err)
{
	bool is_default = !r->command->file && err == -ENOENT;

	config_problem_add(&r->problems, place_of(r, 0), "%s%s", strerror(-err),
			   is_default ? " (name another with -c, or a "
					"listener with -l)" :
					"");
}

/* The file to read; NULL: none is needed. */
static const char *choose_file(const struct config_command *command)
{
	const char *file = CONFIG_DEFAULT_FILE;

	if (command->file)
		return command->file;
	if (command->n_listen)
		return NULL;
	if (command->is_instance_only && access(file, F_OK) < 0 &&
	    errno == ENOENT)
		return NULL;
	return file;
}

static void take_sections(struct reading *r)
{
	for (size_t i = 0; i < r->text.n_sections; i++)
		take_section(r, &r->text.section[i]);
}

/* Whether the file was read, so that what is missing in it is missing. */
static bool read_file(struct reading *r)
{
	const char *file = choose_file(r->command);
	int err;

	r->text.file = "command line"; /* who is to blame without a file */
	if (!file)
		return true;
	err = config_text_read(&r->text, file, &r->problems);
	if (err)
		report_unreadable(r, err);
	take_sections(r);
	return !err && !r->text.is_cut;
}

/* Moves the drafts that stand into the configuration. */
static void keep_listeners(struct reading *r)
{
	struct config *config = r->config;
	struct listen_config *listeners;

	if (!r->n_drafts)
		return;
	listeners = calloc(r->n_drafts, sizeof(*listeners));
	if (!listeners) {
		config_problem_add(&r->problems, place_of(r, 0),
				   "out of memory");
		return;
	}
	config->listeners = listeners;
	for (size_t i = 0; i < r->n_drafts; i++) {
		struct draft *draft = &r->draft[i];

		if (!draft->has_address || draft->is_replaced ||
		    !config_own_is_made(&draft->listen))
			continue;
		listeners[config->n_listeners++] = draft->listen;
		draft->listen = (struct listen_config){ 0 }; /* not ours */
	}
}

static void free_drafts(struct reading *r)
{
	for (size_t i = 0; i < r->n_drafts; i++)
		config_own_free(&r->draft[i].listen);
	free(r->draft);
}

/* Releases what was only for reading; returns how many problems count. */
static unsigned end_reading(struct reading *r, FILE *errors)
{
	free_drafts(r);
	config_text_free(&r->text);
	return config_problems_print(&r->problems, errors) -
	       (unsigned)r->n_forgiven;
}

unsigned config_read(struct config *config,
		     const struct config_command *command, FILE *errors)
{
	struct reading r = { .config = config, .command = command };
	bool is_read;

	set_defaults(config);
	runtime_dir(config->runtime_dir, sizeof(config->runtime_dir));
	is_read = read_file(&r);
	take_command(&r);
	check_spare(&r);
	if (!command->is_instance_only) {
		check_listeners(&r, is_read);
		check_program_users(&r);
		check_descriptors(&r);
		keep_listeners(&r);
	}
	return end_reading(&r, errors);
}

static unsigned read_running(struct config *config, int fd,
			     const struct config_command *command, FILE *errors)
{
	struct reading r = { .config = config,
			     .command = command,
			     .is_running = true };
	int err;

	set_defaults(config);
	err = config_text_read_fd(&r.text, "configuration in force", fd,
				  &r.problems);
	if (err)
		config_problem_add(&r.problems, place_of(&r, 0), "%s",
				   strerror(-err));
	take_sections(&r);
	if (!err && !config->runtime_dir[0])
		config_problem_add(&r.problems, place_of(&r, 0),
				   "no runtime-dir");
	if (!command->is_instance_only) {
		check_listeners(&r, !err && !r.text.is_cut);
		keep_listeners(&r);
	}
	config->is_running = true;
	return end_reading(&r, errors);
}

unsigned config_read_running(struct config *config, int fd, FILE *errors)
{
	static const struct config_command whole;

	return read_running(config, fd, &whole, errors);
}

unsigned config_read_running_server(struct config *config, int fd, FILE *errors)
{
	static const struct config_command server = { .is_instance_only =
							      true };

	return read_running(config, fd, &server, errors);
}

void config_free(struct config *config)
{
	for (size_t i = 0; i < config->n_listeners; i++)
		config_own_free(&config->listeners[i]);
	free(config->listeners);
	config->listeners = NULL;
	config->n_listeners = 0;
}

unsigned config_n_workers(const struct config *config)
{
	cpu_set_t processors;
	int n;

	if (config->workers)
		return config->workers;
	/* fails where there are more processors than a cpu_set_t has bits */
	if (sched_getaffinity(0, sizeof(processors), &processors) < 0)
		return CONFIG_WORKERS_MAX;
	n = CPU_COUNT(&processors);
	return n > CONFIG_WORKERS_MAX ? CONFIG_WORKERS_MAX : (unsigned)n;
}

unsigned config_n_workers_max(const struct config *config)
{
	return config->workers_max ? config->workers_max :
				     config_n_workers(config);
}

void config_describe(FILE *out)
{
	fputs("In the configuration file, [server]:\n", out);
	directives_describe(&server_directives, out);
	fputs("\nIn each [listen ADDRESS]:\n", out);
	directives_describe(&listen_directives, out);
	config_own_describe(out);
}
