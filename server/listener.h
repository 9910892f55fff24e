/* SPDX-License-Identifier: ISC */
/*
 * listener.h - the sockets that clients come to, bound once by the master
 */
#ifndef GUICHET_LISTENER_H
#define GUICHET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/addr.h"
#include "server/config.h"
#include "server/inherit.h"

/*
 * One entry of the ledger: entry l is [l - 1] of an array. An entry that is
 * not in use has no config; one that was removed from the configuration, and
 * still has connections, has no socket (fd -1).
 */
struct listener {
	int fd;
	struct addr_socket addr; /* the real one, its port filled in */
	const struct listen_config *config;
	unsigned backlog; /* 0: datagrams do not queue to be accepted */
	uint64_t inode;   /* of the socket, as /proc/net shows it */
	/* another one opened it: who connected before we had it lacks what we
	   set on it (see accept.c) */
	bool is_given;
	/* unix: the socket's file, to remove that one and no other */
	dev_t file_dev;
	ino_t file_ino; /* 0: there is none */
	bool is_new;    /* made by this program, not given to it */
};

/*
 * Finds the sockets of a configuration in force: for each entry that @config
 * names, @listeners[entry - 1] of @n, with the socket of the inode that stands
 * in @entries (of the ledger), which it takes from @inherited. A retired
 * listener has no socket, and neither has one that is not found.
 */
void listeners_find(const struct config *config,
		    const struct ledger_listener *entries,
		    struct inherited *inherited, struct listener *listeners,
		    size_t n);

/*
 * Opens every socket of every listener of @config that has no entry yet,
 * ready to accept or receive: CLOEXEC, non-blocking. A name may give several.
 * One of @inherited that fits is taken before one is made. Logs each address
 * that fails; returns 0, or -errno of one of them, and then nothing stays
 * open. The caller releases *@out with listeners_close(). Blocks: names are
 * resolved, and an address in use is tried again for up to two seconds.
 */
int listeners_open(const struct config *config, struct inherited *inherited,
		   struct listener **out, size_t *n);

/*
 * What the ledger's @entry of the same socket tells: whether another program
 * gave it, and whether the file of a unix socket is ours to remove.
 */
void listener_know(struct listener *listener,
		   const struct ledger_listener *entry);

/*
 * One that accepts gets the backlog, and the mode of its own file, that its
 * configuration says now.
 */
void listener_tune(struct listener *listener);

/* Closes it, and removes the file of a unix socket that is its own. */
void listener_close(struct listener *listener);

/* It is not to be after all: what was given to us is @inherited again. */
void listener_give_back(struct listener *listener, struct inherited *inherited);

/* All of them, and frees @listeners: for the master's end. */
void listeners_close(struct listener *listeners, size_t n);

static inline bool listener_is_used(const struct listener *listener)
{
	return listener->config;
}

static inline bool listener_accepts(const struct listener *listener)
{
	return listener->config && listener->fd >= 0;
}

#endif
