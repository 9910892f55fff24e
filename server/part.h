/* SPDX-License-Identifier: ISC */
/*
 * part.h - a slot's own part of the ledger, mapped writable, and the rest
 *
 * A keeper maps its slot's part through the master's descriptor, before it
 * drops its privileges, and closes that descriptor: nothing else of the file
 * can ever be written by it or its worker. The rest is mapped through a
 * descriptor that was opened read-only, which mprotect(2) cannot turn back.
 */
#ifndef GUICHET_PART_H
#define GUICHET_PART_H

#include <stdbool.h>

#include "common/ledger.h"

/* Pointers into the writable mapping of one part. */
struct part {
	struct ledger_head *head;
	struct ledger_totals *totals; /* by ledger listener */
	ledger_count_t *turns;        /* HISTOGRAM_BUCKETS */
	struct ledger_closed *closed; /* ring of n_closed */
	struct ledger_row *rows;      /* n_rows */
};

/* The whole file, read-only. */
struct ledger_view {
	const uint8_t *base;
	struct ledger_header shape; /* a private copy: sizes and offsets */
};

/*
 * Maps part @slot of the ledger @fd, laid out as @shape says; @is_copy: what
 * is written there is not seen by anybody. Returns 0 or -errno. The mapping
 * lives as long as the process.
 */
int part_map(int fd, const struct ledger_header *shape, unsigned slot,
	     bool is_copy, struct part *part);

/* The same for @bytes of memory that is there already, at @base. */
void part_point(uint8_t *base, const struct ledger_header *shape,
		struct part *part);

/*
 * Maps the whole file read-only; @fd was opened so, and may be closed then.
 * Its shape is what its header says, which only a master writes, and has been
 * compared with what it must be. Returns 0 or -errno: -EPROTO for a layout of
 * another version.
 */
int ledger_view_open(int fd, struct ledger_view *view);

/* Its listeners: shape.n_listeners entries, the first is LEDGER_FORMER. */
const struct ledger_listener *
ledger_view_listeners(const struct ledger_view *view);

/*
 * The header of the ledger @fd, as it stands there now. Returns 0, or -EPROTO
 * when it is none of our version and layout, or another -errno.
 */
int ledger_read_shape(int fd, struct ledger_header *shape);

/* Whether a service is looking at input: its fault, if the worker dies now. */
bool part_is_handler_in_hand(const struct ledger_head *head);

/* How many slots are in use; they are taken in order, from 0. */
unsigned ledger_view_n_used(const struct ledger_view *view);

/* A slot's own count of connections of @listener that are open. */
uint64_t ledger_view_n_open(const struct ledger_view *view, unsigned slot,
			    uint32_t listener);

/* What another slot's worker says of itself: for balance only. */
static inline const struct ledger_head *
ledger_view_head(const struct ledger_view *view, unsigned slot)
{
	const void *head = view->base + view->shape.parts_offset +
			   (uint64_t)slot * view->shape.part_bytes;

	return head;
}

#endif
