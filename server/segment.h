/* SPDX-License-Identifier: ISC */
/*
 * segment.h - the ledger's file: claimed, made, carried over, given up
 *
 * Only the master has one. It writes the header, the listeners and the slots;
 * it maps no part, and reads nothing that a worker writes, but once: what a
 * dead server's totals were, as plain numbers, before it forks anything.
 */
#ifndef GUICHET_SEGMENT_H
#define GUICHET_SEGMENT_H

#include <stddef.h>

#include "common/ledger.h"
#include "server/config.h"
#include "server/listener.h"

/* More slots than workers, for TTIN. */
#define SEGMENT_SPARE_SLOTS 16

/* More entries than sockets, for listeners that a reload brings. */
#define SEGMENT_SPARE_ENTRIES 64

struct segment {
	char path[512];
	int fd; /* holds the lock: no other descriptor of it may be closed */
	int view_fd;                /* read-only; so this one stays open, too */
	struct ledger_header shape; /* a private copy */
	struct ledger_header *header; /* in the file; with what follows it */
	struct ledger_listener *listeners;
	struct ledger_own *own; /* LEDGER_OWN_COUNTERS of each listener */
	struct ledger_slot *slots;
};

/*
 * Claims NAME.ledger: the right to be the server of that name. Makes the
 * runtime directory if it is missing. Returns the locked descriptor of the
 * ledger that is there, to be kept open for good, -ENOENT when there is none,
 * or another -errno, which was logged: -EBUSY when a server of that name runs.
 */
int segment_claim(const struct config *config, char *path, size_t path_bytes);

/*
 * Makes the ledger beside its place and renames it into place, complete, with
 * the totals of the old one (@old_fd, as from segment_claim(), or < 0).
 * Returns 0 or -errno, which was logged.
 */
int segment_create(struct segment *segment, const struct config *config,
		   const char *path, int old_fd,
		   const struct listener *listeners, size_t n_listeners,
		   unsigned n_workers);

/*
 * Goes on with the ledger @fd at @path, which the caller has locked: that of
 * the program we were, or of a master whose keepers live. Takes @fd, and
 * @view_fd (-1: opens one). Returns 0 or -errno: -EPROTO when it is none of
 * our layout.
 */
int segment_attach(struct segment *segment, int fd, int view_fd,
		   const char *path);

/* Whether it was made since this machine was started, as far as is known. */
bool segment_is_of_this_boot(const struct segment *segment);

/* Lets go of it, but for the lock: another one is to take its place. */
void segment_detach(struct segment *segment);

/*
 * An entry for @listener: that of a former one of the same name, address and
 * service, or a free one; not one that @is_taken (by entry) says is in use.
 * Returns it, or 0 when there is none.
 */
uint32_t segment_find_entry(const struct segment *segment,
			    const struct listener *listener,
			    const bool *is_taken);

/*
 * Whether connections of @entry can go on with @service as it is now: their
 * states have its size, and its own counters the names, that they had.
 */
bool segment_is_fit(const struct segment *segment, uint32_t entry,
		    const struct service *service);

/*
 * Whether a worker says that it has connections of @entry. It is only asked
 * about a retired one, to forget it when it has none: who lies about that
 * gives up its own.
 */
bool segment_has_open(const struct segment *segment, uint32_t entry);

/* The same of a slot and all entries: for the log. */
bool segment_holds_any(const struct segment *segment, unsigned slot);

/* Writes the entry @from a listener, or only whether it is retired. */
void segment_put_listener(struct segment *segment, uint32_t entry,
			  const struct listener *from);
void segment_retire_listener(struct segment *segment, uint32_t entry,
			     bool is_retired);

/* Reserves the memory of part @slot. Returns 0 or -errno. */
int segment_open_slot(struct segment *segment, unsigned slot);

void segment_set_state(struct segment *segment, enum ledger_state state);

#endif
