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

#define CONFIG_WORKERS_MAX 128

/* One [listen ADDRESS] section, or one -l. */
struct listen_config {
	struct addr addr;
	const struct service *service;
	char name[LEDGER_NAME_BYTES]; /* in metrics; unique */
	uint64_t idle_timeout_ns;     /* UNITS_OFF: never */
	uint64_t lifetime_ns;         /* UNITS_OFF: for ever */
	unsigned backlog;
	mode_t mode; /* unix sockets: of the socket file */
	/*
	 * In a configuration in force (config_read_running): its entries in
	 * the ledger, one for each socket; and whether it is no longer
	 * configured, and only has connections that are to end by themselves.
	 */
	uint32_t entry[ADDR_LIST_MAX];
	unsigned n_entries;
	bool is_retired;
	const char *file;    /* where it was written: "FILE" or "-l" */
	unsigned line;       /* of -l: which of them, from 1 */
	void *settings;      /* the service's own: settings_bytes */
	char **setting_text; /* what was said for each; NULL: nothing */
};

struct config {
	char name[LEDGER_NAME_BYTES]; /* of the instance */
	char runtime_dir[256];        /* where NAME.ledger lives */
	unsigned workers;             /* the fewest; 0: auto */
	unsigned workers_max;         /* 0: as many, whatever the load */
	unsigned min_spare;           /* idle workers, at least, */
	unsigned max_spare;           /* and at most, with workers = MIN-MAX */
	unsigned worker_connections;
	char user[64]; /* "": stay who we are */
	uint64_t drain_timeout_ns;
	uint64_t hang_timeout_ns;         /* UNITS_OFF: never */
	uint64_t orphan_timeout_ns;       /* how long without a master */
	uint64_t max_worker_age_ns;       /* UNITS_OFF: no limit, as below */
	uint64_t max_worker_memory_bytes; /* resident, its own */
	uint64_t max_worker_connections;  /* accepted by one process */
	enum log_level log_level;
	/* in the file's order, then those that are retired */
	struct listen_config *listeners;
	size_t n_listeners;
	bool is_running; /* that of a server: config_read_running() */
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

/*
 * The configuration in force is kept in a file of the running instance's, in
 * the file's own syntax, with what the master knows of each listener (its
 * entries; those that are retired). Its processes begin with that.
 *
 * write: all of @config, in that form. Returns 0 or -errno.
 *
 * read: the same from @fd, from its begin; @fd stays open, and its offset where
 * it is. Nothing else is read: no command line, no environment. Returns the
 * number of problems, as config_read(). What was right once and depends on the
 * machine is not checked again (a user's name, the limit of descriptors), or,
 * where it is a service's own setting, told on @errors and not counted. Nor is
 * it counted when the service of a retired listener is gone; such a listener
 * is left out.
 *
 * read_running_server: only what is in [server]; no module is loaded.
 */
int config_write_running(const struct config *config, FILE *out);
unsigned config_read_running(struct config *config, int fd, FILE *errors);
unsigned config_read_running_server(struct config *config, int fd,
				    FILE *errors);

/*
 * What @config has of @former: a listener of the same typed address, service
 * and name keeps its entries. Those of @former that @config has not are
 * appended to it as retired; they move there, and @former is to be freed all
 * the same. One that was retired and is configured again has its entries back.
 * Those without an entry are left behind. Returns 0 or -ENOMEM; then nothing
 * has changed.
 */
int config_succeed(struct config *config, struct config *former);

/*
 * After that: @listen of @config, which has taken its entries, is not to have
 * all of them after all. What @former had in its place is appended to @config
 * as retired and without entries, the caller's to fill in. NULL: there is none.
 */
struct listen_config *config_retire(struct config *config,
				    struct config *former,
				    const struct listen_config *listen);

/* For another ledger: nobody has an entry any more, and who is retired is
   gone. */
void config_forget_entries(struct config *config);

/* Room each worker needs for descriptors beside those of connections and
   listeners. */
#define CONFIG_SPARE_DESCRIPTORS 64

/* Prints the sections' directives, for --help. */
void config_describe(FILE *out);

/* Prints what is configured in the file's own syntax, defaults included. */
void config_dump(const struct config *config, FILE *out);

/*
 * The number of workers asked for, "auto" resolved (sched_getaffinity): the
 * fewest, and the most; the same unless a range was asked for.
 */
unsigned config_n_workers(const struct config *config);
unsigned config_n_workers_max(const struct config *config);

#endif
