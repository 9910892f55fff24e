/* SPDX-License-Identifier: ISC */
/*
 * config_own.c - settings of a service's own, which stand with its listener
 *
 * Each is set once, in the order of the service's table and not of the file,
 * so that a service need not care in which order it is told. Beside what the
 * service makes of it, its text is kept, for -T.
 */
#include "server/config_own.h"

#include <stdlib.h>
#include <string.h>

#include "server/config_directive.h"
#include "server/service_table.h"

const struct service_setting *config_own_find(const struct service *service,
					      const char *name)
{
	for (size_t i = 0; i < service->n_settings; i++)
		if (!strcmp(service->settings[i].name, name))
			return &service->settings[i];
	return NULL;
}

const struct service *config_own_owner(const char *name)
{
	const struct service *service;

	for (size_t i = 0; (service = service_at(i)); i++)
		if (config_own_find(service, name))
			return service;
	return NULL;
}

/* What is being made, of what, and who is to blame. */
struct making {
	struct listen_config *listen;
	const struct config_section *section;
	struct config_place header;
	struct config_problems *problems;
};

static bool set(struct making *m, size_t i, const char *value,
		struct config_place place)
{
	const struct service_setting *setting =
		&m->listen->service->settings[i];
	const char *wrong;

	m->listen->setting_text[i] = strdup(value);
	if (!m->listen->setting_text[i]) {
		config_problem_add(m->problems, place, "out of memory");
		return false;
	}
	wrong = setting->set(m->listen->settings, value);
	if (wrong)
		config_problem_add(m->problems, place, "%s: \"%s\" %s",
				   setting->name, value, wrong);
	return !wrong;
}

/* Whether the i-th setting has a value that is right, or needs none. */
static bool take(struct making *m, size_t i)
{
	const struct service_setting *setting =
		&m->listen->service->settings[i];
	const struct config_setting *given = NULL;
	struct config_place place = m->header;

	if (m->section)
		given = config_section_find(m->section, setting->name);
	if (given) {
		place.line = given->line;
		/* that it has no value was reported with the syntax */
		return given->value && set(m, i, given->value, place);
	}
	return !setting->fallback || set(m, i, setting->fallback, place);
}

static void check(struct making *m)
{
	const struct service *service = m->listen->service;
	bool is_datagram = m->listen->addr.transport == TRANSPORT_UDP;
	const char *wrong = NULL;

	if (service->check)
		wrong = service->check(m->listen->settings,
				       is_datagram ? SERVICE_DATAGRAM :
						     SERVICE_STREAM);
	if (!wrong)
		return;
	if (m->section)
		config_problem_add(m->problems, m->header, "[listen %s]: %s",
				   m->section->argument, wrong);
	else
		config_problem_add(m->problems, m->header, "%s", wrong);
}

void config_own_take(struct listen_config *listen,
		     const struct config_section *section,
		     struct config_place header,
		     struct config_problems *problems)
{
	const struct service *service = listen->service;
	struct making m = { listen, section, header, problems };
	bool is_right = true;

	/* one byte: NULL would be no memory where there is nothing to set */
	listen->settings = calloc(1, service->settings_bytes + 1);
	listen->setting_text =
		calloc(service->n_settings + 1, sizeof(*listen->setting_text));
	if (!listen->settings || !listen->setting_text) {
		config_problem_add(problems, header, "out of memory");
		return;
	}
	for (size_t i = 0; i < service->n_settings; i++)
		is_right &= take(&m, i);
	if (is_right)
		check(&m);
}

void config_own_free(struct listen_config *listen)
{
	const struct service *service = listen->service;

	if (listen->settings && service->release)
		service->release(listen->settings);
	if (listen->setting_text)
		for (size_t i = 0; i < service->n_settings; i++)
			free(listen->setting_text[i]);
	free(listen->setting_text);
	free(listen->settings);
	listen->setting_text = NULL;
	listen->settings = NULL;
}

void config_own_print(const struct listen_config *listen, FILE *out)
{
	const struct service *service = listen->service;

	for (size_t i = 0; i < service->n_settings; i++) {
		if (!listen->setting_text[i])
			continue;
		fprintf(out, "%s = ", service->settings[i].name);
		config_text_print_value(listen->setting_text[i], out);
		putc('\n', out);
	}
}

void config_own_describe(FILE *out)
{
	const struct service *service;

	for (size_t i = 0; (service = service_at(i)); i++) {
		if (!service->n_settings)
			continue;
		fprintf(out, "\nBeside service = %s:\n", service->name);
		for (size_t s = 0; s < service->n_settings; s++) {
			const struct service_setting *setting =
				&service->settings[s];

			directive_describe(setting->name, setting->argument,
					   setting->help, setting->fallback,
					   out);
		}
	}
}
