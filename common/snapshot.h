/* SPDX-License-Identifier: ISC */
/*
 * snapshot.h - a private, checked copy of a ledger
 *
 * Reading never blocks or slows the server.
 */
#ifndef GUICHET_SNAPSHOT_H
#define GUICHET_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/ledger_file.h"

/* What of each part a reader wants; the rest is not read. */
#define SNAPSHOT_TOTALS 1U /* heads, totals, histograms: always read */
#define SNAPSHOT_ROWS   2U
#define SNAPSHOT_CLOSED 4U

struct snapshot_part {
	struct ledger_head head;      /* its text ended */
	struct ledger_totals *totals; /* n_listeners */
	uint64_t *turns;              /* HISTOGRAM_BUCKETS */
	struct ledger_row *rows;      /* n_rows: the open ones only */
	size_t n_rows;
	size_t n_rows_busy;           /* changed at each try: left out */
	struct ledger_closed *closed; /* n_closed, the latest first */
	size_t n_closed;
};

struct snapshot {
	struct ledger_header header;
	struct ledger_listener *listeners; /* header.n_listeners; strings ended */
	struct ledger_own *own;            /* LEDGER_OWN_COUNTERS of each */
	struct ledger_slot *slots;         /* header.n_slots */
	struct snapshot_part *parts;       /* header.n_slots */
	uint64_t taken_mono_ns, taken_real_ns;
	pid_t alive_pid; /* of the master that holds the lock; 0: dead */
};

/*
 * Copies what @wants asks for. Returns 0, or -errno and @why as
 * ledger_file_open() does.
 */
int snapshot_take(const struct ledger_file *file, unsigned wants,
		  struct snapshot *snapshot, const char **why);
void snapshot_free(struct snapshot *snapshot);

/* Whether there is a listener: FORMER is none, and entries may be unused. */
bool snapshot_is_listener(const struct snapshot *snapshot, size_t listener);
/* The same, and it is not retired: it has a socket. */
bool snapshot_is_listening(const struct snapshot *snapshot, size_t listener);

/* Sums over all slots: of listener @listener, of counter @counter. */
uint64_t snapshot_counter(const struct snapshot *snapshot, size_t listener,
			  enum counter counter);
/* Its connections that are open. */
uint64_t snapshot_n_open(const struct snapshot *snapshot, size_t listener);
/* The same of counter @i of its service's own, and what it is called. */
uint64_t snapshot_own(const struct snapshot *snapshot, size_t listener,
		      size_t i);
static inline const struct ledger_own *
snapshot_own_name(const struct snapshot *snapshot, size_t listener, size_t i)
{
	return &snapshot->own[listener * LEDGER_OWN_COUNTERS + i];
}

/* The same over all listeners, LEDGER_FORMER included. */
uint64_t snapshot_total(const struct snapshot *snapshot, enum counter counter);

#endif
