/* SPDX-License-Identifier: ISC */
/*
 * inherit.h - sockets that we did not open ourselves
 *
 * From a service manager (sd_listen_fds(3): those of a .socket unit, and those
 * that it stored for us), from the program we were before an upgrade, or from
 * keepers whose master died. Each is taken once, by a listener that fits; what
 * nobody takes is closed.
 */
#ifndef GUICHET_INHERIT_H
#define GUICHET_INHERIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define INHERIT_NAME_BYTES 64

struct inherited_socket {
	int fd;                        /* -1: taken */
	char name[INHERIT_NAME_BYTES]; /* LISTEN_FDNAMES; "": it has none */
	struct addr_socket addr;       /* its own, as getsockname(2) tells */
	bool is_listening; /* a stream's, and listen(2) was called */
	uint64_t inode;    /* as fstat(2) and /proc/net show it */
	const void *owner; /* who alone may have it by its name; NULL: all */
};

struct inherited {
	struct inherited_socket *socket;
	size_t n;
};

/*
 * Adds @fd, which it takes: close-on-exec from now on, and a stream's
 * nonblocking. One that is no socket of ours (TCP or unix stream, UDP) or whose
 * inode is there already is closed; one that was taken may be given back.
 * Returns 0 or -errno (-EEXIST: it was there already).
 */
int inherited_add(struct inherited *inherited, int fd, const char *name);

/*
 * Adds what LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES tell of, and takes
 * these out of the environment. What is wrong with them is logged.
 */
void inherited_take_environment(struct inherited *inherited);

/*
 * Takes one out: that of this inode; that of this very address (and transport),
 * or the first of this name and transport. Returns the descriptor, now the
 * caller's, or -1. The address of a socket that was found by name may differ
 * from the one configured: port 0, another interface. So may that of one that
 * was found by address, in one way: [::] for both families fits 0.0.0.0, when
 * nothing fits better. *@taken is what was found.
 */
int inherited_take_inode(struct inherited *inherited, uint64_t inode);
int inherited_take_address(struct inherited *inherited,
			   const struct addr_socket *addr,
			   struct inherited_socket *taken);
int inherited_take_name(struct inherited *inherited, const char *name,
			enum transport transport, const void *owner,
			struct inherited_socket *taken);

/*
 * The socket of this address is @owner's: nobody else gets it by its name, for
 * all sockets of a .socket unit have one. inherited_disown() forgets all that.
 */
void inherited_own(struct inherited *inherited, const struct addr_socket *addr,
		   const void *owner);
void inherited_disown(struct inherited *inherited);

/*
 * What a socket of @listener is called in the service manager's store
 * (store.h): its name behind a "@", which no name in a configuration has. So
 * one that comes back is never taken for one that a .socket unit gives by that
 * name. Returns @out (INHERIT_NAME_BYTES).
 */
const char *inherited_stored_name(const char *listener, char *out);

/* Whether it is one of those. */
bool inherited_is_stored(const struct inherited_socket *socket);

/* Closes what is left, with a warning for each that has a name; frees all. */
void inherited_close(struct inherited *inherited);

#endif
