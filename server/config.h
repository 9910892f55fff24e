/* SPDX-License-Identifier: ISC */
/*
 * config.h - what the operator asked for: file and command line as one value
 *
 * Parsing touches nothing but the file it reads. Every problem is found and
 * reported, not only the first, as "FILE:LINE: what is wrong".
 */
#ifndef GUICHET_CONFIG_H
#define GUICHET_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/addr.h"
#include "common/ledger.h"
#include "common/log.h"
#include "server/service.h"

#define CONFIG_DEFAULT_FILE "/etc/guichet/guichetd.conf"

/* One [listen ADDRESS] section, or one -l. */
struct listen_config {
	struct addr addr;
	const struct service *service;
	char name[LEDGER_NAME_BYTES]; /* in metrics; unique */
	uint64_t idle_timeout_ns;     /* UNITS_OFF: never */
	uint64_t lifetime_ns;         /* UNITS_OFF: for ever */
	unsigned backlog;
	mode_t mode;         /* unix sockets: of the socket file */
	const char *file;    /* where it was written: "FILE" or "-l" */
	unsigned line;       /* of -l: which of them, from 1 */
	void *settings;      /* the service's own: settings_bytes */
	char **setting_text; /* what was said for each; NULL: nothing */
};

struct config {
	char name[LEDGER_NAME_BYTES]; /* of the instance */
	char runtime_dir[256];        /* where NAME.ledger lives */
	unsigned workers;             /* 0: auto */
	unsigned worker_connections;
	char user[64]; /* "": stay who we are */
	uint64_t drain_timeout_ns;
	uint64_t hang_timeout_ns; /* UNITS_OFF: never */
	enum log_level log_level;
	struct listen_config *listeners;
	size_t n_listeners;
};

/* What the command line says; it wins over the file. */
struct config_command {
	const char *file; /* -c; NULL: not given */
	const char *name; /* -n, -r, -w: NULL: not given */
	const char *runtime_dir;
	const char *workers;
	const char **listen; /* -l "ADDRESS=SERVICE" ... */
	size_t n_listen;
	/*
	 * For -s: only what tells the instance matters. The default file need
	 * not be there, listeners and the machine's limits are not looked at.
	 */
	bool is_instance_only;
};

/*
 * Reads the file (the default one unless @command names one or has -l) and
 * the command line into @config, defaults included. Returns the number of
 * problems, each of which was printed on @errors; 0 means @config is whole.
 * config_free() releases it in any case.
 */
unsigned config_read(struct config *config,
		     const struct config_command *command, FILE *errors);
void config_free(struct config *config);

/* Room each worker needs for descriptors beside those of connections. */
#define CONFIG_SPARE_DESCRIPTORS 64

/* Prints the sections' directives, for --help. */
void config_describe(FILE *out);

/* Prints @config in the file's own syntax, defaults included. */
void config_dump(const struct config *config, FILE *out);

/* The number of workers asked for, "auto" resolved (sched_getaffinity). */
unsigned config_n_workers(const struct config *config);

#endif
