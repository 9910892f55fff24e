/* SPDX-License-Identifier: ISC */
/*
 * rehearsal.h - a keeper and a worker, tried before any connection is theirs
 *
 * They do all that a new keeper and its worker do but accept, on a ledger that
 * is nobody's: become their user, read NAME.config, map their memory, load
 * modules, take over (nothing), and leave.
 */
#ifndef GUICHET_REHEARSAL_H
#define GUICHET_REHEARSAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/instance.h"

struct rehearsal {
	pid_t pid;      /* 0: none is under way */
	int control_fd; /* nobody reads it; its end ends the keeper */
};

void rehearsal_init(struct rehearsal *rehearsal);

/* Begins one of @instance. Returns 0 or -errno. */
int rehearsal_begin(struct rehearsal *rehearsal,
		    const struct instance *instance);

/* It has ended with @status: whether well; else that has been logged. */
bool rehearsal_end(struct rehearsal *rehearsal, int status);

/* As trial_abandon(). */
void rehearsal_abandon(struct rehearsal *rehearsal);

#endif
