/* SPDX-License-Identifier: ISC */
/*
 * config_section.c - takes what file and command line say
 */
#include <stdlib.h>
#include <string.h>

#include "common/words.h"
#include "server/config_directive.h"
#include "server/config_draft.h"
#include "server/config_own.h"
#include "server/module.h"

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

void config_take_section(struct reading *r,
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

void config_take_command(struct reading *r)
{
	const struct config_command *command = r->command;

	take_option(r, "-n", "name", command->name);
	take_option(r, "-r", "runtime-dir", command->runtime_dir);
	take_option(r, "-w", "workers", command->workers);
	for (size_t i = 0; i < command->n_listen; i++)
		take_listen_option(r, command->listen[i], (unsigned)i + 1);
}
