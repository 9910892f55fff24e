/* SPDX-License-Identifier: ISC */
/*
 * keeper.h - the process that holds the descriptors of a slot
 *
 * A keeper clones its worker with CLONE_FILES: both share one table of
 * descriptors, and no memory. When the worker dies, however it dies, its
 * sockets stay open; the keeper notes the death and clones a successor into
 * the same table.
 */
#ifndef GUICHET_KEEPER_H
#define GUICHET_KEEPER_H

#include <stddef.h>

#include "server/config.h"
#include "server/guard.h"
#include "server/listener.h"
#include "server/segment.h"

/* What a master hands to a keeper; all of it is borrowed. */
struct keeper_plan {
	unsigned slot;
	const struct config *config;
	const struct listener *listeners;
	size_t n_listeners;
	const struct segment *segment;
	const struct guard_user *user;
	int control_fd; /* the keeper's end */
	pid_t master;
};

/* Runs a keeper in the calling process, which was forked for it. */
_Noreturn void keeper_run(const struct keeper_plan *plan);

/* Descriptors a slot needs beside one for each connection and listener. */
#define KEEPER_SPARE_FDS 64

#endif
