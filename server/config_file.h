/* SPDX-License-Identifier: ISC */
/*
 * config_file.h - NAME.config: the configuration in force, for who begins later
 *
 * Keepers begin with it, and so does a master that takes over. It stands in the
 * runtime directory, in the file's own syntax; see config_running.c.
 */
#ifndef GUICHET_CONFIG_FILE_H
#define GUICHET_CONFIG_FILE_H

#include "server/config.h"

/*
 * prepare: writes it, beside its place; all that may fail for want of room
 * does so here. put: what was prepared is in force; returns a descriptor of it,
 * to read, the caller's. drop: what was prepared never will be. -errno of what
 * was logged.
 */
int config_file_prepare(const struct config *config);
int config_file_put(const struct config *config);
void config_file_drop(const struct config *config);

/* A descriptor of the one that is there, to read, or -errno. */
int config_file_open(const struct config *config);

/* In the end: nobody is to begin with it any more. */
void config_file_remove(const struct config *config);

/*
 * Reads the one that a server that runs, or one that died, has left in @dir:
 * all of it, or only what is in [server]. Returns 0 or -errno; @config is to be
 * freed in any case.
 */
int config_file_read(const char *dir, const char *name, struct config *config);
int config_file_read_server(const char *dir, const char *name,
			    struct config *config);

#endif
