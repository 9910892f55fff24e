/* SPDX-License-Identifier: ISC */
/*
 * instance.h - what a server has, whoever runs it at the moment
 *
 * Its configuration in force (NAME.config), its ledger, and the sockets of its
 * listeners. A keeper begins with that; and so does the master, when it has
 * become another program, or has taken over from one that died.
 */
#ifndef GUICHET_INSTANCE_H
#define GUICHET_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "server/becoming.h"
#include "server/config.h"
#include "server/guard.h"
#include "server/inherit.h"
#include "server/listener.h"
#include "server/segment.h"

struct instance {
	struct config *config;
	struct segment segment;
	struct listener *listeners; /* entry l of the ledger is [l - 1] */
	size_t n_listeners;         /* entries that there are */
	struct inherited inherited; /* sockets that no listener has taken */
	struct guard_user user;     /* whom its keepers are to become */
	int rendezvous_fd;
	int config_fd;  /* of NAME.config, to read */
	int program_fd; /* the binary that we are */
};

/* Nothing yet, but for the binary, and sockets that a service manager gives.
   Returns 0 or -errno. */
int instance_open(struct instance *instance, struct config *config);

/*
 * Begins: opens the sockets, makes the ledger at @path over the one that
 * @old_fd claims (see segment.h), and writes NAME.config. Returns 0, or -errno
 * of what was logged; when there is no ledger, what was inherited still is.
 */
int instance_begin(struct instance *instance, const char *path, int old_fd);

/*
 * Goes on with the segment, which is attached, after a configuration @former
 * (NULL: it is this one; else config_free() it afterwards): listeners keep
 * their sockets, new ones are opened, those that are gone have none any more.
 * Nothing that a keeper uses changes before instance_commit(). Returns 0, or
 * -errno of what was logged: -EINVAL for what takes a restart.
 */
int instance_go_on(struct instance *instance, struct config *former);
int instance_commit(struct instance *instance);

/*
 * When each keeper is what it is to be: closes the sockets of listeners that
 * are gone, and removes their files. Until then they could be back.
 */
void instance_settle(struct instance *instance);

/* Closes the listeners that this program has opened: it will not serve them. */
void instance_drop_new(struct instance *instance);

/*
 * What a keeper of it begins with, or becomes; the numbers are borrowed.
 * Returns 0 or -ENOMEM; @plan->fd is to be freed.
 */
int instance_plan(const struct instance *instance, struct keeper_plan *plan);

/*
 * The same with a ledger that is nobody's (its descriptors are to be closed
 * after use: PLAN_LEDGER and PLAN_VIEW), for a keeper that only rehearses.
 */
int instance_plan_rehearsal(const struct instance *instance,
			    struct keeper_plan *plan);

/* Accepts no more: closes the listeners, removing what files they have. */
void instance_close_listeners(struct instance *instance);

/* In the end: removes what only a running server has. */
void instance_end(struct instance *instance);

#endif
