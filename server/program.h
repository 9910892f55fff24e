/* SPDX-License-Identifier: ISC */
/*
 * program.h - what is run for each connection of a listener, and how
 */
#ifndef GUICHET_PROGRAM_H
#define GUICHET_PROGRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/config.h"
#include "server/services/builtin.h"

#define PROGRAM_WORDS_MAX  256
#define PROGRAM_TEXT_BYTES 4097 /* a line of the configuration, and its end */
#define PROGRAM_GROUPS_MAX 64

/* Where its standard error goes. */
enum program_stderr {
	PROGRAM_STDERR_LOG,
	PROGRAM_STDERR_SOCKET,
	PROGRAM_STDERR_NULL,
};

enum program_limit {
	PROGRAM_NOFILE,
	PROGRAM_AS,
	PROGRAM_CPU,
	PROGRAM_CORE,
	PROGRAM_FSIZE,
	PROGRAM_NPROC,
	PROGRAM_LIMITS
};

/* Words cut out of one text, ended by NULL. */
struct program_words {
	char *word[PROGRAM_WORDS_MAX + 1];
	char text[PROGRAM_TEXT_BYTES];
};

/* The settings of service exec: no pointer but into itself. */
struct program {
	char path[PATH_MAX]; /* of command's first word, absolute */
	struct program_words command;
	struct program_words environment; /* NAME=VALUE */
	char directory[PATH_MAX];         /* "": the server's */
	enum program_stderr stderr_to;
	bool has_nice;
	int nice;
	bool has_limit[PROGRAM_LIMITS];
	uint64_t limit[PROGRAM_LIMITS];
	bool has_user;
	uid_t uid;
	gid_t gid;
	gid_t groups[PROGRAM_GROUPS_MAX];
	int n_groups;
	uint64_t max_processes; /* UNITS_OFF: no limit */
	bool wants_names;       /* lookup */
	bool is_wait;           /* it takes the datagram socket over */
};

/* The service's own counters. */
enum exec_counter {
	EXEC_STARTED,
	EXEC_FAILED,
	EXEC_SLOW,
	EXEC_COUNTERS
};

/* By enum program_limit: RLIMIT_NOFILE, ... */
extern const int program_limit_resource[PROGRAM_LIMITS];

/* NULL: no program is run there; its connections are served by the worker. */
static inline const struct program *
program_of(const struct listen_config *listen)
{
	return listen->service == &service_exec ? listen->settings : NULL;
}

#endif
