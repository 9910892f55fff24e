/* SPDX-License-Identifier: ISC */
/*
 * config_draft.h - a configuration while it is being read
 *
 *     config.c          reads it, in order
 *     config_section.c  takes what file and command line say
 *     config_check.c    what only the whole can tell
 */
#ifndef GUICHET_CONFIG_DRAFT_H
#define GUICHET_CONFIG_DRAFT_H

#include <stdbool.h>
#include <stddef.h>

#include "server/config.h"
#include "server/config_text.h"

/* A listener, until all of the configuration was right. */
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

/* Where line @line of the file is; 0: the file as a whole. */
static inline struct config_place place_of(const struct reading *r,
					   unsigned line)
{
	return (struct config_place){ .file = r->text.file, .line = line };
}

/* A section of the file; all that the command line says. */
void config_take_section(struct reading *r,
			 const struct config_section *section);
void config_take_command(struct reading *r);

/*
 * Names used twice, no listener, ...; @is_read: what is missing is missing.
 * server: what can be told of [server] alone. machine: what this machine, and
 * who we are on it, has to say.
 */
void config_check_server(struct reading *r);
void config_check_listeners(struct reading *r, bool is_read);
void config_check_machine(struct reading *r);

#endif
