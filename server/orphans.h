/* SPDX-License-Identifier: ISC */
/*
 * orphans.h - keepers whose master is dead, told what to do by somebody who
 * does not take them over
 */
#ifndef GUICHET_ORPHANS_H
#define GUICHET_ORPHANS_H

#include "server/control.h"

/* Whether anybody could be called: keepers, or the master that they have. */
bool orphans_can_be_called(const char *dir, const char *name);

/* Whether keepers serve there whose master is dead. */
bool orphans_are_there(const char *dir, const char *name);

/*
 * Calls those that answer at the rendezvous of instance @name in @dir, until
 * nobody does any more, and gives each the order. Their control sockets go
 * into @fd, which has room for @max, and are the caller's: the end of one
 * tells that its keeper and worker are gone. What descriptors they offer @take
 * takes out of the message (has_rendezvous: that is the first), or they are
 * closed; NULL: all are. Returns how many there are.
 */
typedef void orphans_take_fn(void *context, struct control_received *received,
			     bool has_rendezvous);

unsigned orphans_order(const char *dir, const char *name, enum order order,
		       uint64_t deadline_mono_ns, int *fd, unsigned max,
		       orphans_take_fn *take, void *context);

#endif
