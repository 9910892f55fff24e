/* SPDX-License-Identifier: ISC */
/*
 * service_table.c - the table of services, who is meant by a word, and what is wrong
 * with one that somebody else wrote
 */
#include "server/service_table.h"

#include <stdio.h>
#include <string.h>

#include "common/base.h"
#include "common/complain.h"
#include "common/ledger.h"
#include "common/words.h"
#include "server/config_directive.h"
#include "server/services/builtin.h"

const struct service *const services[] = {
	&service_echo,    &service_exec, &service_discard, &service_chargen,
	&service_daytime, &service_time, &service_qotd,    NULL,
};

/* More than there will ever be; words beyond are not suggested. */
#define NEAREST_MAX 64

const struct service *service_at(size_t i)
{
	size_t n_builtin = ARRAY_LEN(services) - 1;

	if (i < n_builtin)
		return services[i];
#ifdef GUICHET_TEST
	for (size_t t = 0; test_services[t]; t++)
		if (t == i - n_builtin)
			return test_services[t];
#endif
	return NULL;
}

const struct service *service_find(const char *name)
{
	const struct service *service;

	for (size_t i = 0; (service = service_at(i)); i++)
		if (!strcmp(service->name, name))
			return service;
	return NULL;
}

const char *service_nearest(const char *word)
{
	const char *names[NEAREST_MAX];
	const struct service *service;
	size_t n = 0;

	for (; n < NEAREST_MAX && (service = service_at(n)); n++)
		names[n] = service->name;
	return words_nearest(word, names, n);
}

/* ---- one that somebody else wrote ---- */

/* A listener's settings are a few words and paths, not a data base. */
#define SETTINGS_MAX_BYTES (1U << 20)
#define SETTINGS_MAX       256

_Static_assert(SERVICE_COUNTERS_MAX == LEDGER_OWN_COUNTERS, "room for all");

#define SMALL  "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* @name: a small letter, then any of @letters, and room for its end. */
static bool is_word(const char *name, const char *letters, size_t room)
{
	return name && strspn(name, SMALL) && strlen(name) < room &&
	       !name[strspn(name, letters)];
}

static const char *fault_of_handlers(const struct service *s)
{
	const unsigned all = SERVICE_STREAM | SERVICE_DATAGRAM;

	if (!s->transports || s->transports & ~all)
		return "has transports that are none";
	if (s->transports & SERVICE_STREAM && !s->input)
		return "is for streams, and has no input handler";
	if (s->transports & SERVICE_DATAGRAM && !s->datagram)
		return "is for datagrams, and has no datagram handler";
	if (s->state_bytes > SERVICE_STATE_MAX_BYTES)
		return complain("wants %zu bytes of state; %d is the most",
				s->state_bytes, SERVICE_STATE_MAX_BYTES);
	return NULL;
}

static const char *fault_of_setting(const struct service *s, size_t i)
{
	const char *name = s->settings[i].name;

	if (!is_word(name, SMALL DIGITS "-", LEDGER_NAME_BYTES))
		return complain("has a setting (number %zu) with a bad name "
				"(small letters, digits and \"-\")",
				i);
	if (!s->settings[i].argument || !s->settings[i].help ||
	    !s->settings[i].set)
		return complain("has a setting \"%s\" without argument, help "
				"or set",
				name);
	if (directive_find(&listen_directives, name) ||
	    directive_find(&running_directives, name))
		return complain("has a setting \"%s\", which every listener "
				"has",
				name);
	for (size_t j = 0; j < i; j++)
		if (!strcmp(s->settings[j].name, name))
			return complain("has two settings \"%s\"", name);
	return NULL;
}

static const char *fault_of_settings(const struct service *s)
{
	const char *wrong = NULL;

	if (s->settings_bytes > SETTINGS_MAX_BYTES)
		return complain("wants %zu bytes for its settings; %u is the "
				"most",
				s->settings_bytes, SETTINGS_MAX_BYTES);
	if (s->n_settings > SETTINGS_MAX)
		return complain("has %zu settings; %d is the most",
				s->n_settings, SETTINGS_MAX);
	if (s->n_settings && !s->settings)
		return "counts settings, and has no table of them";
	for (size_t i = 0; !wrong && i < s->n_settings; i++)
		wrong = fault_of_setting(s, i);
	return wrong;
}

/* Prometheus tells "a.b" and "a_b" no more apart than a file's reader may. */
static bool is_same_name(const char *a, const char *b)
{
	while (*a && (*a == *b || (*a == '.' && *b == '_') ||
		      (*a == '_' && *b == '.')))
		a++, b++;
	return !*a && !*b;
}

static bool is_metric(const char *name)
{
	for (size_t i = 0; i < COUNTERS_ALL_N; i++)
		if (is_same_name(metric_counters[i].name, name))
			return true;
	for (size_t i = 0; i < DERIVED_N; i++)
		if (is_same_name(metric_derived[i].name, name))
			return true;
	return false;
}

static bool is_same_counter(const struct service_counter *a,
			    const struct service_counter *b)
{
	char x[METRIC_OWN_BYTES], y[METRIC_OWN_BYTES];

	return is_same_name(metric_own_name(a->name, a->unit, x),
			    metric_own_name(b->name, b->unit, y));
}

static const char *fault_of_counter(const struct service *s, size_t i)
{
	const struct service_counter *c = &s->counters[i];
	char own[METRIC_OWN_BYTES], whole[2 * METRIC_OWN_BYTES];

	if (!is_word(c->name, SMALL DIGITS "_.", LEDGER_NAME_BYTES))
		return complain("has a counter (number %zu) with a bad name "
				"(small letters, digits, \"_\" and \".\")",
				i);
	if (!c->unit ||
	    (*c->unit && !is_word(c->unit, SMALL, LEDGER_UNIT_BYTES)))
		return complain("has a counter \"%s\" with a bad unit (small "
				"letters, or \"\")",
				c->name);
	if (!c->help || !*c->help || strlen(c->help) >= LEDGER_HELP_BYTES)
		return complain("has a counter \"%s\" without help, or with "
				"more than %d bytes of it",
				c->name, LEDGER_HELP_BYTES - 1);
	/* in statsd after the listener, in Prometheus after the service */
	(void)snprintf(whole, sizeof(whole), "%s.%s", s->name,
		       metric_own_name(c->name, c->unit, own));
	if (is_metric(c->name) || is_metric(whole))
		return complain("has a counter \"%s\", which every listener "
				"has",
				c->name);
	for (size_t j = 0; j < i; j++)
		if (is_same_counter(&s->counters[j], c))
			return complain("has two counters \"%s\"", c->name);
	return NULL;
}

static const char *fault_of_counters(const struct service *s)
{
	const char *wrong = NULL;

	if (s->n_counters > SERVICE_COUNTERS_MAX)
		return complain("has %zu counters; %d is the most",
				s->n_counters, SERVICE_COUNTERS_MAX);
	if (s->n_counters && !s->counters)
		return "counts counters, and has no table of them";
	for (size_t i = 0; !wrong && i < s->n_counters; i++)
		wrong = fault_of_counter(s, i);
	return wrong;
}

const char *service_fault(const struct service *service)
{
	const char *wrong;

	if (!is_word(service->name, SMALL DIGITS "-_", LEDGER_NAME_BYTES))
		return "has no name, or a bad one (small letters, digits, "
		       "\"-\" and \"_\")";
	if (!service->help)
		return "has no help";
	wrong = fault_of_handlers(service);
	if (!wrong)
		wrong = fault_of_settings(service);
	return wrong ? wrong : fault_of_counters(service);
}
