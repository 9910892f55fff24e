/* SPDX-License-Identifier: ISC */
/*
 * becoming.h - a keeper becomes a program: the first time, and again
 */
#ifndef GUICHET_BECOMING_H
#define GUICHET_BECOMING_H

#include <stdbool.h>
#include <stddef.h>

#include "server/control.h"
#include "server/guard.h"

struct keeper;

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
 * Forks a process that becomes the keeper, but does nothing before the master
 * says GO at *@control_fd, the master's end of their socket. Returns its pid,
 * or -errno, and *@control_fd is -1. @birth->control_fd is filled in here.
 */
pid_t becoming_fork(const struct keeper_plan *plan, struct keeper_birth *birth,
		    int *control_fd);

/* The master wants it to become another program: messages of control.h. */
void becoming_on_renew(struct keeper *k,
		       const struct control_received *received);
void becoming_on_plan(struct keeper *k,
		      const struct control_received *received);

/* Keeps the descriptors of a plan, which may come in several messages. Returns
   false, and has closed them, when there is no memory. */
bool becoming_add_fds(struct keeper *k, struct control_received *received);

/* All stays as it was: a worker goes on with what there is. */
void becoming_give_up(struct keeper *k);

#endif
