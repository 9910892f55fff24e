/* SPDX-License-Identifier: ISC */
/*
 * config_directive.c - every directive, declared once
 *
 * First the kinds of value, each a parser and a formatter that mirror each
 * other; then the tables.
 */
#include "server/config_directive.h"

#include <assert.h>
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>

#include "common/log.h"
#include "common/runtime.h"
#include "common/units.h"
#include "common/words.h"
#include "server/config.h"
#include "server/config_text.h"
#include "server/module.h"
#include "server/service_table.h"

/* What a parser answers; there is one configuration at a time. */
static const char *complain(const char *fmt, ...) PRINTF_LIKE(1, 2);

static const char *complain(const char *fmt, ...)
{
	static char text[DIRECTIVE_TEXT_BYTES];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args); /* cut is fine */
	va_end(args);
	return text;
}

/* --- numbers -------------------------------------------------------------- */

static const char *parse_number(const struct directive *directive, void *field,
				const char *value)
{
	uint64_t number;

	if (units_parse_number(value, directive->min, directive->max, &number))
		return complain("is not a number from %llu to %llu",
				(unsigned long long)directive->min,
				(unsigned long long)directive->max);
	*(unsigned *)field = (unsigned)number;
	return NULL;
}

static const char *format_number(const struct directive *directive,
				 const void *field, char *out)
{
	(void)directive;
	snprintf(out, DIRECTIVE_TEXT_BYTES, "%u", *(const unsigned *)field);
	return out;
}

/* --- workers: "auto", a number, or MIN-MAX -------------------------------- */

/* Takes "MIN-MAX"; false when it is none. The second may be the smaller. */
static bool parse_range(const struct directive *directive, const char *value,
			uint64_t *min, uint64_t *max)
{
	const char *dash = strchr(value, '-');
	char text[32];

	if (!dash || (size_t)(dash - value) >= sizeof(text))
		return false;
	memcpy(text, value, (size_t)(dash - value));
	text[dash - value] = 0;
	return !units_parse_number(text, directive->min, directive->max, min) &&
	       !units_parse_number(dash + 1, directive->min, directive->max,
				   max);
}

/* Their field is the whole configuration, for they are two of it. */
static const char *parse_workers(const struct directive *directive, void *field,
				 const char *value)
{
	struct config *config = field;
	uint64_t min = 0, max = 0;

	if (strcmp(value, "auto") != 0 &&
	    units_parse_number(value, directive->min, directive->max, &min) &&
	    !parse_range(directive, value, &min, &max))
		return complain("is not \"auto\", a number from %llu to %llu "
				"or a range of these like 2-8",
				(unsigned long long)directive->min,
				(unsigned long long)directive->max);
	if (max && max < min)
		return complain("is no range; did you mean \"%llu-%llu\"?",
				(unsigned long long)max,
				(unsigned long long)min);
	config->workers = (unsigned)min;
	config->workers_max = (unsigned)max;
	return NULL;
}

static const char *format_workers(const struct directive *directive,
				  const void *field, char *out)
{
	const struct config *config = field;

	(void)directive;
	if (!config->workers)
		return "auto";
	if (config->workers_max)
		snprintf(out, DIRECTIVE_TEXT_BYTES, "%u-%u", config->workers,
			 config->workers_max);
	else
		snprintf(out, DIRECTIVE_TEXT_BYTES, "%u", config->workers);
	return out;
}

/* --- limits of other things than time ------------------------------------- */

static const char *parse_count_limit(const struct directive *directive,
				     void *field, const char *value)
{
	uint64_t count = UNITS_OFF;

	if (strcmp(value, "off") != 0 &&
	    units_parse_number(value, directive->min, directive->max, &count))
		return complain("is not \"off\" or a number from %llu to %llu",
				(unsigned long long)directive->min,
				(unsigned long long)directive->max);
	*(uint64_t *)field = count;
	return NULL;
}

static const char *format_count_limit(const struct directive *directive,
				      const void *field, char *out)
{
	uint64_t count = *(const uint64_t *)field;

	(void)directive;
	if (count == UNITS_OFF)
		return "off";
	snprintf(out, DIRECTIVE_TEXT_BYTES, "%llu", (unsigned long long)count);
	return out;
}

static const char *parse_size_limit(const struct directive *directive,
				    void *field, const char *value)
{
	char min[UNITS_TEXT_BYTES], max[UNITS_TEXT_BYTES];
	uint64_t bytes;
	int err = units_parse_size(value, true, &bytes);

	if (err == -EINVAL)
		return "is not a size like 64k, 512m, 2g or \"off\"";
	if (err || (bytes != UNITS_OFF &&
		    (bytes < directive->min || bytes > directive->max)))
		return complain("is not from %s to %s, or \"off\"",
				units_format_size(directive->min, min),
				units_format_size(directive->max, max));
	*(uint64_t *)field = bytes;
	return NULL;
}

static const char *format_size_limit(const struct directive *directive,
				     const void *field, char *out)
{
	(void)directive;
	return units_format_size(*(const uint64_t *)field, out);
}

/* --- durations ------------------------------------------------------------ */

static const char *parse_some_duration(const struct directive *directive,
				       bool may_be_off, void *field,
				       const char *value)
{
	char min[UNITS_TEXT_BYTES], max[UNITS_TEXT_BYTES];
	uint64_t duration_ns;
	int err;

	err = units_parse_duration(value, may_be_off, &duration_ns);
	if (err == -EINVAL)
		return complain("is not a duration like 500ms, 10s, 5m, 1h%s",
				may_be_off ? " or \"off\"" : "");
	if (err || (duration_ns != UNITS_OFF && (duration_ns < directive->min ||
						 duration_ns > directive->max)))
		return complain("is not from %s to %s%s",
				units_format_duration(directive->min, min),
				units_format_duration(directive->max, max),
				may_be_off ? ", or \"off\"" : "");
	*(uint64_t *)field = duration_ns;
	return NULL;
}

static const char *parse_duration(const struct directive *directive,
				  void *field, const char *value)
{
	return parse_some_duration(directive, false, field, value);
}

static const char *parse_limit(const struct directive *directive, void *field,
			       const char *value)
{
	return parse_some_duration(directive, true, field, value);
}

static const char *format_duration(const struct directive *directive,
				   const void *field, char *out)
{
	uint64_t duration_ns = *(const uint64_t *)field;

	(void)directive;
	if (duration_ns == UNITS_OFF)
		return "off";
	return units_format_duration(duration_ns, out);
}

/* --- words ---------------------------------------------------------------- */

static const char *format_text(const struct directive *directive,
			       const void *field, char *out)
{
	(void)directive;
	(void)out;
	return field;
}

static const char *parse_name(const struct directive *directive, void *field,
			      const char *value)
{
	(void)directive;
	if (strlen(value) >= LEDGER_NAME_BYTES)
		return complain("is longer than %d characters",
				LEDGER_NAME_BYTES - 1);
	if (!runtime_name_is_valid(value))
		return "is not a name (letters, digits, \"-\" and \"_\")";
	strcpy(field, value);
	return NULL;
}

/* A listener's name may have dots as well: it is a label in metrics. */
static const char *parse_label(const struct directive *directive, void *field,
			       const char *value)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	(void)directive;
	if (strlen(value) >= LEDGER_NAME_BYTES)
		return complain("is longer than %d characters",
				LEDGER_NAME_BYTES - 1);
	if (!*value || value[strspn(value, letters)])
		return "is not a name (letters, digits, \"-\", \"_\" and "
		       "\".\")";
	strcpy(field, value);
	return NULL;
}

static const char *parse_runtime_dir(const struct directive *directive,
				     void *field, const char *value)
{
	size_t room = sizeof(((struct config *)NULL)->runtime_dir);

	(void)directive;
	if (!*value)
		return "is not a directory's name";
	if (strlen(value) >= room)
		return complain("is longer than %zu characters", room - 1);
	strcpy(field, value);
	return NULL;
}

/* Looked up for every operator: the file is checked before root runs it. */
static const char *parse_user(const struct directive *directive, void *field,
			      const char *value)
{
	size_t room = sizeof(((struct config *)NULL)->user);

	(void)directive;
	if (*value && (strlen(value) >= room || !getpwnam(value)))
		return "is not a user of this machine";
	strcpy(field, value);
	return NULL;
}

/* An unprivileged keeper need not be able to look it up. */
static const char *parse_user_again(const struct directive *directive,
				    void *field, const char *value)
{
	(void)directive;
	if (strlen(value) >= sizeof(((struct config *)NULL)->user))
		return "is too long";
	strcpy(field, value);
	return NULL;
}

static const char *parse_log_level(const struct directive *directive,
				   void *field, const char *value)
{
	const char *nearest;
	size_t n = 0;

	(void)directive;
	if (!log_level_parse(value, field))
		return NULL;
	while (log_level_names[n])
		n++;
	nearest = words_nearest(value, log_level_names, n);
	if (nearest)
		return complain("is not a log level; did you mean \"%s\"?",
				nearest);
	return "is not a log level (error, warning, notice, info or debug)";
}

static const char *format_log_level(const struct directive *directive,
				    const void *field, char *out)
{
	(void)directive;
	(void)out;
	return log_level_name(*(const enum log_level *)field);
}

/* " (echo, discard, ...)" */
static const char *list_services(char *out, size_t room)
{
	const struct service *service;
	size_t n = 0;

	out[0] = 0;
	for (size_t i = 0; (service = service_at(i)) && n < room; i++)
		n += (size_t)snprintf(out + n, room - n, "%s%s", i ? ", " : "",
				      service->name);
	return out;
}

static const char *parse_service(const struct directive *directive, void *field,
				 const char *value)
{
	const struct service *service;
	const char *nearest, *wrong = NULL;
	char list[DIRECTIVE_TEXT_BYTES / 2];

	(void)directive;
	service = module_is_path(value) ? module_load(value, &wrong) :
					  service_find(value);
	if (wrong)
		return wrong;
	if (service) {
		*(const struct service **)field = service;
		return NULL;
	}
	nearest = service_nearest(value);
	if (nearest)
		return complain("is not a service; did you mean \"%s\"?",
				nearest);
	return complain("is not a service (there are: %s) nor a module's path",
			list_services(list, sizeof(list)));
}

static const char *format_service(const struct directive *directive,
				  const void *field, char *out)
{
	const struct service *service = *(const struct service *const *)field;
	const char *path = module_path(service);

	(void)directive;
	(void)out;
	return path ? path : service->name;
}

static const char *parse_mode(const struct directive *directive, void *field,
			      const char *value)
{
	size_t n = strlen(value);
	mode_t mode = 0;

	if (!n || n > 5 || value[strspn(value, "01234567")])
		goto out_bad;
	for (; *value; value++)
		mode = mode << 3 | (mode_t)(*value - '0');
	if (mode > directive->max)
		goto out_bad;
	*(mode_t *)field = mode;
	return NULL;

out_bad:
	return "is not a file mode in octal, 0000 to 0777";
}

static const char *format_mode(const struct directive *directive,
			       const void *field, char *out)
{
	(void)directive;
	snprintf(out, DIRECTIVE_TEXT_BYTES, "%04o",
		 (unsigned)*(const mode_t *)field);
	return out;
}

/* --- what the master knows of a listener ---------------------------------- */

/* "3 4"; its field is the whole listener, for they are counted. */
static const char *parse_entries(const struct directive *directive, void *field,
				 const char *value)
{
	struct listen_config *listen = field;
	char word[16];
	uint64_t entry;
	unsigned n = 0;

	for (size_t bytes; *value; value += bytes, value += *value == ' ') {
		bytes = strcspn(value, " ");
		if (n == ADDR_LIST_MAX || bytes >= sizeof(word))
			return "is not a list of entries";
		memcpy(word, value, bytes);
		word[bytes] = 0;
		if (units_parse_number(word, directive->min, directive->max,
				       &entry))
			return "is not a list of entries";
		listen->entry[n++] = (uint32_t)entry;
	}
	listen->n_entries = n;
	return NULL;
}

static const char *format_entries(const struct directive *directive,
				  const void *field, char *out)
{
	const struct listen_config *listen = field;
	size_t n = 0;

	(void)directive;
	out[0] = 0;
	/* 16 of 10 digits, and what parts them: they always fit */
	for (unsigned i = 0; i < listen->n_entries; i++)
		n += (size_t)snprintf(out + n, DIRECTIVE_TEXT_BYTES - n, "%s%u",
				      i ? " " : "", listen->entry[i]);
	return out;
}

static const char *parse_yes(const struct directive *directive, void *field,
			     const char *value)
{
	(void)directive;
	*(bool *)field = !strcmp(value, "yes");
	return *(bool *)field || !strcmp(value, "no") ?
		       NULL :
		       "is neither \"yes\" nor \"no\"";
}

static const char *format_yes(const struct directive *directive,
			      const void *field, char *out)
{
	(void)directive;
	(void)out;
	return *(const bool *)field ? "yes" : "no";
}

/* --- the tables ----------------------------------------------------------- */

#define DAY_NS  (24 * 3600 * NS_PER_S)
#define YEAR_NS (365 * DAY_NS)

/* A kind is named for its parser. */
static const struct directive_kind kind_name = { parse_name, format_text };
static const struct directive_kind kind_workers = { parse_workers,
						    format_workers };
static const struct directive_kind kind_number = { parse_number,
						   format_number };
static const struct directive_kind kind_user = { parse_user, format_text };
static const struct directive_kind kind_duration = { parse_duration,
						     format_duration };
static const struct directive_kind kind_limit = { parse_limit,
						  format_duration };
static const struct directive_kind kind_log_level = { parse_log_level,
						      format_log_level };
static const struct directive_kind kind_runtime_dir = { parse_runtime_dir,
							format_text };
static const struct directive_kind kind_service = { parse_service,
						    format_service };
static const struct directive_kind kind_label = { parse_label, format_text };
static const struct directive_kind kind_mode = { parse_mode, format_mode };
static const struct directive_kind kind_count_limit = { parse_count_limit,
							format_count_limit };
static const struct directive_kind kind_size_limit = { parse_size_limit,
						       format_size_limit };
static const struct directive_kind kind_entries = { parse_entries,
						    format_entries };
static const struct directive_kind kind_yes = { parse_yes, format_yes };

static const struct directive server_rows[] = {
	{
		.name = "name",
		.argument = "NAME",
		.fallback = RUNTIME_DEFAULT_NAME,
		.help = "the instance's name, and of its ledger",
		.transports = ON_ALL,
		.kind = &kind_name,
		.offset = offsetof(struct config, name),
	},
	{
		.name = "workers",
		.argument = "N|auto|MIN-MAX",
		.fallback = "auto",
		.help = "workers; auto: the processors it may run on",
		.transports = ON_ALL,
		.kind = &kind_workers,
		.offset = 0,
		.min = 1,
		.max = CONFIG_WORKERS_MAX,
	},
	{
		.name = "min-spare",
		.argument = "N",
		.fallback = "1",
		.help = "idle workers to keep, at least, of MIN-MAX",
		.transports = ON_ALL,
		.kind = &kind_number,
		.offset = offsetof(struct config, min_spare),
		.min = 1,
		.max = CONFIG_WORKERS_MAX,
	},
	{
		.name = "max-spare",
		.argument = "N",
		.fallback = "4",
		.help = "idle workers to keep, at most, of MIN-MAX",
		.transports = ON_ALL,
		.kind = &kind_number,
		.offset = offsetof(struct config, max_spare),
		.min = 1,
		.max = CONFIG_WORKERS_MAX,
	},
	{
		.name = "worker-connections",
		.argument = "N",
		.fallback = "16384",
		.help = "connections that each worker may have",
		.transports = ON_ALL,
		.kind = &kind_number,
		.offset = offsetof(struct config, worker_connections),
		.min = 1,
		.max = LEDGER_MAX_ROWS,
	},
	{
		.name = "max-worker-age",
		.argument = "DURATION|off",
		.fallback = "off",
		.help = "how old a worker may get before it is replaced",
		.transports = ON_ALL,
		.kind = &kind_limit,
		.offset = offsetof(struct config, max_worker_age_ns),
		.min = NS_PER_S,
		.max = YEAR_NS,
	},
	{
		.name = "max-worker-memory",
		.argument = "SIZE|off",
		.fallback = "off",
		.help = "how much memory it may use before it is replaced",
		.transports = ON_ALL,
		.kind = &kind_size_limit,
		.offset = offsetof(struct config, max_worker_memory_bytes),
		.min = 1ULL << 20,
		.max = 1ULL << 40,
	},
	{
		.name = "max-worker-connections",
		.argument = "N|off",
		.fallback = "off",
		.help = "how many it may accept before it is replaced",
		.transports = ON_ALL,
		.kind = &kind_count_limit,
		.offset = offsetof(struct config, max_worker_connections),
		.min = 1,
		.max = UINT32_MAX,
	},
	{
		.name = "user",
		.argument = "USER",
		.fallback = "",
		.help = "whom to become when started as root; \"\": nobody else",
		.transports = ON_ALL,
		.kind = &kind_user,
		.parse_again = parse_user_again,
		.offset = offsetof(struct config, user),
	},
	{
		.name = "drain-timeout",
		.argument = "DURATION",
		.fallback = "30s",
		.help = "how long connections may take to end at a stop",
		.transports = ON_ALL,
		.kind = &kind_duration,
		.offset = offsetof(struct config, drain_timeout_ns),
		.min = 0,
		.max = DAY_NS,
	},
	{
		.name = "hang-timeout",
		.argument = "DURATION|off",
		.fallback = "10s",
		.help = "how long a worker may be busy with one connection",
		.transports = ON_ALL,
		.kind = &kind_limit,
		.offset = offsetof(struct config, hang_timeout_ns),
		.min = 10 * NS_PER_MS,
		.max = DAY_NS,
	},
	{
		.name = "orphan-timeout",
		.argument = "DURATION",
		.fallback = "10s",
		.help = "how long workers serve on without a master",
		.transports = ON_ALL,
		.kind = &kind_duration,
		.offset = offsetof(struct config, orphan_timeout_ns),
		.min = 100 * NS_PER_MS,
		.max = DAY_NS,
	},
	{
		.name = "log-level",
		.argument = "LEVEL",
		.fallback = "info",
		.help = "what is logged: error, warning, notice, info or debug",
		.transports = ON_ALL,
		.kind = &kind_log_level,
		.offset = offsetof(struct config, log_level),
	},
	{
		.name = "runtime-dir",
		.argument = "DIR",
		.help = "where NAME.ledger lives",
		.transports = ON_ALL,
		.kind = &kind_runtime_dir,
		.offset = offsetof(struct config, runtime_dir),
	},
};

static const struct directive listen_rows[] = {
	{
		.name = "service",
		.argument = "SERVICE|PATH",
		.help = "what is said to those who connect; PATH: a module",
		.transports = ON_ALL,
		.kind = &kind_service,
		.offset = offsetof(struct listen_config, service),
	},
	{
		.name = "name",
		.argument = "NAME",
		.help = "its name in metrics; else the service's, with -2, -3, ...",
		.transports = ON_ALL,
		.kind = &kind_label,
		.offset = offsetof(struct listen_config, name),
	},
	{
		.name = "idle-timeout",
		.argument = "DURATION|off",
		.fallback = "off",
		.help = "how long a connection may be silent",
		.transports = ON_STREAM,
		.kind = &kind_limit,
		.offset = offsetof(struct listen_config, idle_timeout_ns),
		.min = NS_PER_MS,
		.max = YEAR_NS,
	},
	{
		.name = "lifetime",
		.argument = "DURATION|off",
		.fallback = "off",
		.help = "how long a connection may be open",
		.transports = ON_STREAM,
		.kind = &kind_limit,
		.offset = offsetof(struct listen_config, lifetime_ns),
		.min = NS_PER_MS,
		.max = YEAR_NS,
	},
	/* 4096: net.core.somaxconn since 5.4; more would be cut to it */
	{
		.name = "backlog",
		.argument = "N",
		.fallback = "4096",
		.help = "connections that may wait to be accepted",
		.transports = ON_STREAM,
		.kind = &kind_number,
		.offset = offsetof(struct listen_config, backlog),
		.min = 1,
		.max = 65535,
	},
	{
		.name = "mode",
		.argument = "MODE",
		.fallback = "0666",
		.help = "mode of a unix socket's file, in octal",
		.transports = ON_UNIX,
		.kind = &kind_mode,
		.offset = offsetof(struct listen_config, mode),
		.max = 0777,
	},
};

static const struct directive running_rows[] = {
	{
		.name = "entries",
		.argument = "N...",
		.help = "its entries in the ledger, one for each socket",
		.transports = ON_ALL,
		.kind = &kind_entries,
		.offset = 0,
		.min = LEDGER_FORMER + 1,
		.max = LEDGER_MAX_LISTENERS - 1,
	},
	{
		.name = "retired",
		.argument = "yes|no",
		.fallback = "no",
		.help = "whether it is no longer configured",
		.transports = ON_ALL,
		.kind = &kind_yes,
		.offset = offsetof(struct listen_config, is_retired),
	},
};

const struct directive_table server_directives = {
	.row = server_rows,
	.n_rows = ARRAY_LEN(server_rows),
};
const struct directive_table listen_directives = {
	.row = listen_rows,
	.n_rows = ARRAY_LEN(listen_rows),
};
const struct directive_table running_directives = {
	.row = running_rows,
	.n_rows = ARRAY_LEN(running_rows),
};

/* --- what is done with any table ------------------------------------------ */

const struct directive *directive_find(const struct directive_table *table,
				       const char *name)
{
	for (size_t i = 0; i < table->n_rows; i++)
		if (!strcmp(table->row[i].name, name))
			return &table->row[i];
	return NULL;
}

const char *directive_nearest(const struct directive_table *table,
			      const char *word)
{
	const char *names[32];
	size_t n = 0;

	for (; n < table->n_rows && n < ARRAY_LEN(names); n++)
		names[n] = table->row[n].name;
	return words_nearest(word, names, n);
}

const char *directive_parse(const struct directive *directive, void *base,
			    const char *value)
{
	return directive->kind->parse(directive,
				      (char *)base + directive->offset, value);
}

const char *directive_parse_again(const struct directive *directive, void *base,
				  const char *value)
{
	void *field = (char *)base + directive->offset;

	if (!directive->parse_again)
		return directive_parse(directive, base, value);
	return directive->parse_again(directive, field, value);
}

void directives_set_defaults(const struct directive_table *table, void *base)
{
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct directive *directive = &table->row[i];
		const char *wrong = NULL;

		if (directive->fallback)
			wrong = directive_parse(directive, base,
						directive->fallback);
		assert(!wrong); /* our own word for it */
		(void)wrong;
	}
}

void directives_print(const struct directive_table *table, const void *base,
		      unsigned transports, FILE *out)
{
	char text[DIRECTIVE_TEXT_BYTES];

	for (size_t i = 0; i < table->n_rows; i++) {
		const struct directive *directive = &table->row[i];
		const void *field = (const char *)base + directive->offset;

		if (!(directive->transports & transports))
			continue;
		fprintf(out, "%s = ", directive->name);
		config_text_print_value(
			directive->kind->format(directive, field, text), out);
		putc('\n', out);
	}
}

void directive_describe(const char *name, const char *argument,
			const char *help, const char *fallback, FILE *out)
{
	int n = fprintf(out, "  %s = %s", name, argument);

	fprintf(out, "%*s%s", n < 33 ? 33 - n : 1, "", help);
	if (fallback && *fallback)
		fprintf(out, " (%s)", fallback);
	putc('\n', out);
}

void directives_describe(const struct directive_table *table, FILE *out)
{
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct directive *directive = &table->row[i];

		directive_describe(directive->name, directive->argument,
				   directive->help, directive->fallback, out);
	}
}
