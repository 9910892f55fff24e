/* SPDX-License-Identifier: ISC */
/*
 * keeper.h - the process that holds the descriptors of a slot
 *
 * A keeper clones its worker with CLONE_FILES: both share one table of
 * descriptors, and no memory. When the worker dies, however it dies, its
 * sockets stay open; the keeper notes the death and clones a successor into
 * the same table.
 *
 * It always begins as a program: the master forks and that child executes it;
 * and to be renewed (with another configuration, or as another binary) it
 * executes that itself, with every connection, when its worker has left. It
 * does not die with the master: it serves on, and waits for another one.
 */
#ifndef GUICHET_KEEPER_H
#define GUICHET_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "server/bag.h"
#include "server/guard.h"

/*
 * What the master gives a keeper to begin with, and to be renewed with. All
 * are descriptors, borrowed: the rest stands in the files that they name.
 */
enum plan_fd {
	PLAN_PROGRAM,    /* the binary that it is to be */
	PLAN_CONFIG,     /* NAME.config: config_read_running() */
	PLAN_LEDGER,     /* writable: closed when its part is mapped */
	PLAN_VIEW,       /* read-only */
	PLAN_RENDEZVOUS, /* rendezvous.h */
	PLAN_SOCKETS,    /* from here on: those of the listeners */
};

struct keeper_plan {
	int *fd; /* by enum plan_fd */
	size_t n_fds;
};

/* What only the first program needs to be told. */
struct keeper_birth {
	unsigned slot;
	int control_fd;
	struct guard_user user;
	/* it tries all there is to try on a ledger of its own, and leaves: 0
	   says that a keeper can begin with this plan */
	bool is_rehearsal;
};

/*
 * In a process that was forked for it: waits until the master says GO at
 * control_fd, and becomes the keeper. Does not return.
 */
_Noreturn void keeper_begin(const struct keeper_plan *plan,
			    const struct keeper_birth *birth);

/* main() of such a program; @bag is at what keeper_begin() packed. */
_Noreturn void keeper_run(struct bag *bag);

/* Descriptors a slot needs beside one for each connection and listener. */
#define KEEPER_SPARE_FDS 64

#endif
