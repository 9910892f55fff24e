/* SPDX-License-Identifier: ISC */
/*
 * snapshot.c - a private, checked copy of a ledger
 *
 * What workers wrote is only ever copied, and compared with bounds.
 */
#include "common/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/scan.h"

#define CHANGED "changed its layout while it was read"

static bool row_is_there(const void *record)
{
	const struct ledger_row *row = record;

	return ledger_get(row->state) != ROW_FREE;
}

static int rows_take(const struct ledger_file *file, uint64_t part_offset,
		     struct snapshot_part *part, const char **why)
{
	struct scan scan = {
		.file = file,
		.offset = part_offset + file->header.rows_offset,
		.n = (uint32_t)min_u64(ledger_get(part->head.rows_high),
				       file->header.n_rows),
		.record_bytes = sizeof(struct ledger_row),
		.is_there = row_is_there,
	};
	const int err = scan_run(&scan, why);

	if (err)
		return err;
	part->rows = (struct ledger_row *)(void *)scan.kept;
	part->n_rows = scan.n_kept;
	part->n_rows_busy = scan.n_busy;
	return 0;
}

static bool closed_is_there(const void *record)
{
	const struct ledger_closed *closed = record;

	return closed->id || closed->closed_real_ns;
}

static void closed_reverse(struct ledger_closed *closed, size_t n)
{
	struct ledger_closed swapped;
	size_t i;

	for (i = 0; i < n / 2; i++) {
		swapped = closed[i];
		closed[i] = closed[n - 1 - i];
		closed[n - 1 - i] = swapped;
	}
}

/*
 * The ring was last written just before ring_next: what lies there and before
 * is the newer half, what lies after it the older one.
 */
static int closed_take(const struct ledger_file *file, uint64_t part_offset,
		       struct snapshot_part *part, const char **why)
{
	const uint64_t n_ever = ledger_get(part->head.ring_next);
	const uint32_t n_ring = file->header.n_closed;
	struct scan scan = {
		.file = file,
		.offset = part_offset + file->header.closed_offset,
		.n = (uint32_t)min_u64(n_ever, n_ring),
		.split = n_ring ? (uint32_t)(n_ever % n_ring) : 0,
		.record_bytes = sizeof(struct ledger_closed),
		.is_there = closed_is_there,
	};
	const int err = scan_run(&scan, why);

	if (err)
		return err;
	part->closed = (struct ledger_closed *)(void *)scan.kept;
	part->n_closed = scan.n_kept;
	if (!part->closed)
		return 0;
	closed_reverse(part->closed, scan.n_before_split);
	closed_reverse(part->closed + scan.n_before_split,
		       scan.n_kept - scan.n_before_split);
	return 0;
}

static int part_take(const struct ledger_file *file, unsigned wants,
		     struct snapshot *snapshot, size_t s, const char **why)
{
	const struct ledger_header *header = &file->header;
	const uint64_t offset =
		header->parts_offset + (uint64_t)s * header->part_bytes;
	struct snapshot_part *part = &snapshot->parts[s];
	int err;

	if (!ledger_get(snapshot->slots[s].is_used))
		return 0;
	err = ledger_file_read(file, &part->head, sizeof(part->head), offset,
			       why);
	part->head.program[sizeof(part->head.program) - 1] = '\0';
	if (!err)
		err = ledger_file_read(file, part->totals,
				       header->n_listeners *
					       sizeof(*part->totals),
				       offset + header->totals_offset, why);
	if (!err)
		err = ledger_file_read(file, part->turns,
				       HISTOGRAM_BUCKETS * sizeof(*part->turns),
				       offset + header->turns_offset, why);
	if (!err && (wants & SNAPSHOT_ROWS))
		err = rows_take(file, offset, part, why);
	if (!err && (wants & SNAPSHOT_CLOSED))
		err = closed_take(file, offset, part, why);
	return err;
}

/* The tables that the counts of a checked header call for, all zero. */
static int snapshot_allocate(struct snapshot *snapshot)
{
	const size_t n_listeners = snapshot->header.n_listeners;
	const size_t n_slots = snapshot->header.n_slots;
	struct ledger_totals *totals;
	uint64_t *turns;
	size_t s;

	snapshot->listeners = calloc(n_listeners, sizeof(*snapshot->listeners));
	snapshot->own = calloc(n_listeners * LEDGER_OWN_COUNTERS,
			       sizeof(*snapshot->own));
	snapshot->slots = calloc(n_slots, sizeof(*snapshot->slots));
	snapshot->parts = calloc(n_slots, sizeof(*snapshot->parts));
	if (!snapshot->listeners || !snapshot->own || !snapshot->slots ||
	    !snapshot->parts)
		return -ENOMEM;
	/* The first part owns all of these; see snapshot_free(). */
	totals = calloc(n_slots * n_listeners, sizeof(*totals));
	snapshot->parts[0].totals = totals;
	turns = calloc(n_slots * HISTOGRAM_BUCKETS, sizeof(*turns));
	snapshot->parts[0].turns = turns;
	if (!totals || !turns)
		return -ENOMEM;
	for (s = 0; s < n_slots; s++) {
		snapshot->parts[s].totals = totals + s * n_listeners;
		snapshot->parts[s].turns = turns + s * HISTOGRAM_BUCKETS;
	}
	return 0;
}

static void listeners_end_strings(struct snapshot *snapshot)
{
	struct ledger_listener *listener;
	struct ledger_own *own;
	size_t l, i;

	for (l = 0; l < snapshot->header.n_listeners; l++) {
		listener = &snapshot->listeners[l];
		listener->name[sizeof(listener->name) - 1] = '\0';
		listener->address[sizeof(listener->address) - 1] = '\0';
		listener->service[sizeof(listener->service) - 1] = '\0';
	}
	for (i = 0; i < l * LEDGER_OWN_COUNTERS; i++) {
		own = &snapshot->own[i];
		own->name[sizeof(own->name) - 1] = '\0';
		own->unit[sizeof(own->unit) - 1] = '\0';
		own->help[sizeof(own->help) - 1] = '\0';
	}
}

static bool shape_is_same(const struct ledger_header *a,
			  const struct ledger_header *b)
{
	return a->n_listeners == b->n_listeners && a->n_slots == b->n_slots &&
	       a->n_rows == b->n_rows && a->n_closed == b->n_closed;
}

static int tables_take(const struct ledger_file *file, unsigned wants,
		       struct snapshot *snapshot, const char **why)
{
	const struct ledger_header *header = &snapshot->header;
	size_t s;
	int err;

	err = snapshot_allocate(snapshot);
	if (!err)
		err = ledger_file_read(file, snapshot->listeners,
				       header->n_listeners *
					       sizeof(*snapshot->listeners),
				       header->listeners_offset, why);
	if (!err)
		err = ledger_file_read(file, snapshot->own,
				       header->n_listeners *
					       LEDGER_OWN_COUNTERS *
					       sizeof(*snapshot->own),
				       header->own_offset, why);
	if (!err)
		err = ledger_file_read(file, snapshot->slots,
				       header->n_slots *
					       sizeof(*snapshot->slots),
				       header->slots_offset, why);
	if (err)
		return err;
	listeners_end_strings(snapshot);
	for (s = 0; !err && s < header->n_slots; s++)
		err = part_take(file, wants, snapshot, s, why);
	return err;
}

int snapshot_take(const struct ledger_file *file, unsigned wants,
		  struct snapshot *snapshot, const char **why)
{
	int err;

	memset(snapshot, 0, sizeof(*snapshot));
	*why = NULL;
	snapshot->taken_mono_ns = clock_mono_ns();
	snapshot->taken_real_ns = clock_real_ns();
	snapshot->alive_pid = ledger_file_owner(file);
	err = ledger_file_read_header(file, &snapshot->header, why);
	if (err)
		return err;
	if (!shape_is_same(&snapshot->header, &file->header)) {
		*why = CHANGED;
		return -EBADMSG;
	}
	err = tables_take(file, wants, snapshot, why);
	if (err) {
		if (!*why)
			*why = ledger_file_fault(-err);
		snapshot_free(snapshot);
	}
	return err;
}

void snapshot_free(struct snapshot *snapshot)
{
	size_t s;

	if (snapshot->parts) {
		free(snapshot->parts[0].totals);
		free(snapshot->parts[0].turns);
		for (s = 0; s < snapshot->header.n_slots; s++) {
			free(snapshot->parts[s].rows);
			free(snapshot->parts[s].closed);
		}
	}
	free(snapshot->parts);
	free(snapshot->slots);
	free(snapshot->own);
	free(snapshot->listeners);
	memset(snapshot, 0, sizeof(*snapshot));
}

bool snapshot_is_listener(const struct snapshot *snapshot, size_t listener)
{
	return listener != LEDGER_FORMER &&
	       listener < snapshot->header.n_listeners &&
	       snapshot->listeners[listener].address[0];
}

bool snapshot_is_listening(const struct snapshot *snapshot, size_t listener)
{
	return snapshot_is_listener(snapshot, listener) &&
	       !(ledger_get(snapshot->listeners[listener].flags) &
		 LISTENER_RETIRED);
}

uint64_t snapshot_counter(const struct snapshot *snapshot, size_t listener,
			  enum counter counter)
{
	uint64_t sum = 0;
	size_t s;

	for (s = 0; s < snapshot->header.n_slots; s++)
		sum += ledger_get(
			snapshot->parts[s].totals[listener].counter[counter]);
	return sum;
}

uint64_t snapshot_n_open(const struct snapshot *snapshot, size_t listener)
{
	const uint64_t n_accepted =
		snapshot_counter(snapshot, listener, COUNTER_ACCEPTED);
	const uint64_t n_closed =
		snapshot_counter(snapshot, listener, COUNTER_CLOSED);

	/* The two are not read at the same moment. */
	return n_accepted > n_closed ? n_accepted - n_closed : 0;
}

uint64_t snapshot_own(const struct snapshot *snapshot, size_t listener,
		      size_t i)
{
	uint64_t sum = 0;
	size_t s;

	for (s = 0; s < snapshot->header.n_slots; s++)
		sum += ledger_get(snapshot->parts[s].totals[listener].own[i]);
	return sum;
}

uint64_t snapshot_total(const struct snapshot *snapshot, enum counter counter)
{
	uint64_t sum = 0;
	size_t l;

	for (l = 0; l < snapshot->header.n_listeners; l++)
		sum += snapshot_counter(snapshot, l, counter);
	return sum;
}
