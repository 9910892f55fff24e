/* SPDX-License-Identifier: ISC */
/*
 * config_own.h - settings of a service's own, which stand with its listener
 */
#ifndef GUICHET_CONFIG_OWN_H
#define GUICHET_CONFIG_OWN_H

#include "server/config.h"
#include "server/config_problem.h"
#include "server/config_text.h"

const struct service_setting *config_own_find(const struct service *service,
					      const char *name);

/* The first service that has a setting of that name; NULL: none has. */
const struct service *config_own_owner(const char *name);

/*
 * Makes @listen->settings: what stands in @section (NULL: nothing does), and
 * the fallback of what does not; then lets the service check them together.
 * @header: the section's line, or the -l. config_own_free() frees them.
 */
void config_own_take(struct listen_config *listen,
		     const struct config_section *section,
		     struct config_place header,
		     struct config_problems *problems);
void config_own_free(struct listen_config *listen);

/* Whether it has a service and settings, right or not. */
static inline bool config_own_is_made(const struct listen_config *listen)
{
	return listen->service && listen->settings && listen->setting_text;
}

/* A line "name = value" for each that has a value. */
void config_own_print(const struct listen_config *listen, FILE *out);

/* For --help: the settings of each service that has any. */
void config_own_describe(FILE *out);

#endif
