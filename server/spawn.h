/* SPDX-License-Identifier: ISC */
/*
 * spawn.h - starts a program, at a cost that no table of descriptors changes
 */
#ifndef GUICHET_SPAWN_H
#define GUICHET_SPAWN_H

#include <sys/resource.h>

#include "common/ledger.h"
#include "server/program.h"

/* What a keeper needs to start programs; made once. */
struct spawner {
	int null_fd;
	int socket_fd, stderr_fd; /* low numbers, kept free: /dev/null rests */
	rlim_t n_files; /* the limit of descriptors that the server came with */
	void *stack_top;
};

/*
 * Opens what it needs; before the table grows, so that the numbers are low.
 * Returns 0 or -errno.
 */
int spawner_open(struct spawner *spawner);

/*
 * The program that this process becomes begins with connections on most low
 * numbers, and with another limit: so it takes these over. unpack closes what
 * spawner_open() gave, and notes all that in @is_base; errors are the bag's.
 */
struct bag;
void spawner_pack(const struct spawner *spawner, struct bag *bag);
void spawner_unpack(struct spawner *spawner, struct bag *bag, uint8_t *is_base,
		    int n_fds);

/* One start. */
struct spawn {
	const struct program *program;
	int socket_fd;
	int stderr_fd; /* the program's standard error */
	const struct ledger_addr *peer, *local;
	const char *local_path; /* of a unix socket */
	unsigned n_of_source;   /* connections of that address, this one too */
	const char *step;       /* out: what failed */
};

/* Returns the program's pid, or -errno: then *step says what failed. */
pid_t spawn_program(const struct spawner *spawner, struct spawn *spawn);

#endif
