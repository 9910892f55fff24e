/* SPDX-License-Identifier: ISC */
/*
 * value.c - the kinds of value that a directive may have
 *
 * Each is a parser and a formatter that mirror each other.
 */
#include "server/value.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "common/complain.h"
#include "common/log.h"
#include "common/runtime.h"
#include "common/units.h"
#include "common/words.h"
#include "server/config.h"
#include "server/module.h"
#include "server/service_table.h"

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

/* --- the kinds: each is named for its parser ------------------------------ */

const struct directive_kind value_name = {
	.parse = parse_name,
	.format = format_text,
};
const struct directive_kind value_workers = {
	.parse = parse_workers,
	.format = format_workers,
};
const struct directive_kind value_number = {
	.parse = parse_number,
	.format = format_number,
};
const struct directive_kind value_user = {
	.parse = parse_user,
	.format = format_text,
	.parse_again = parse_user_again,
};
const struct directive_kind value_duration = {
	.parse = parse_duration,
	.format = format_duration,
};
const struct directive_kind value_limit = {
	.parse = parse_limit,
	.format = format_duration,
};
const struct directive_kind value_log_level = {
	.parse = parse_log_level,
	.format = format_log_level,
};
const struct directive_kind value_runtime_dir = {
	.parse = parse_runtime_dir,
	.format = format_text,
};
const struct directive_kind value_service = {
	.parse = parse_service,
	.format = format_service,
};
const struct directive_kind value_label = {
	.parse = parse_label,
	.format = format_text,
};
const struct directive_kind value_mode = {
	.parse = parse_mode,
	.format = format_mode,
};
const struct directive_kind value_count_limit = {
	.parse = parse_count_limit,
	.format = format_count_limit,
};
const struct directive_kind value_size_limit = {
	.parse = parse_size_limit,
	.format = format_size_limit,
};
const struct directive_kind value_entries = {
	.parse = parse_entries,
	.format = format_entries,
};
const struct directive_kind value_yes = {
	.parse = parse_yes,
	.format = format_yes,
};
