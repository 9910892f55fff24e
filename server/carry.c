/* SPDX-License-Identifier: ISC */
/*
 * carry.c - what a dead server has counted goes on counting
 *
 * The old file was written by workers that may have been anybody's, so it is
 * read as a stranger's: through the checked copy of snapshot.c, every number
 * a number and nothing else.
 */
#include "server/carry.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "common/snapshot.h"
#include "server/part.h"

struct carry {
	const struct ledger_file *file;
	const struct snapshot *old;
	const struct segment *segment;
	uint32_t *target; /* new listener of each old one */
};

static bool is_same_listener(const struct ledger_listener *a,
			     const struct ledger_listener *b, bool by_address)
{
	return strcmp(a->name, b->name) == 0 &&
	       (!by_address || strcmp(a->address, b->address) == 0);
}

/* By name and address, else by name, else the former ones' common entry. */
static uint32_t find_target(const struct carry *c, uint32_t old)
{
	const struct ledger_listener *from = &c->old->listeners[old];
	uint32_t n = c->segment->shape.n_listeners;

	for (int by_address = 1; by_address >= 0; by_address--)
		for (uint32_t l = 1; old && l < n; l++)
			if (is_same_listener(from, &c->segment->listeners[l],
					     by_address))
				return l;
	return LEDGER_FORMER;
}

static ledger_count_t *counter_of(struct ledger_totals *totals, uint32_t l,
				  unsigned counter)
{
	return &totals[l].counter[counter];
}

static uint32_t target_of(const struct carry *c, uint32_t listener)
{
	return listener < c->old->header.n_listeners ? c->target[listener] :
						       LEDGER_FORMER;
}

/*
 * Rows that were open: their server's death closed them. The one that was
 * being closed has its own reason: see settle_close().
 */
static void count_killed(const struct carry *c,
			 const struct snapshot_part *from,
			 struct ledger_totals *to)
{
	for (size_t i = 0; i < from->n_rows; i++) {
		uint32_t l = target_of(c, from->rows[i].listener);

		if (ledger_get(from->rows[i].state) == ROW_CLOSING)
			continue;
		ledger_add(*counter_of(to, l, COUNTER_CLOSED), 1);
		ledger_add(*counter_of(to, l, COUNTER_CLOSED_BY + CLOSE_KILLED),
			   1);
	}
}

/* ---- the step in hand, which the journal in the head tells of ---- */

/* The totals of a listener before and after: by part and listener. */
struct settlement {
	const struct ledger_totals *old;
	struct ledger_totals *now;
};

/*
 * The old total was to become @value: adds what was missing. No step misses
 * more than this, so a number out of a broken journal does no harm.
 */
static void raise_to(const struct settlement *s, unsigned counter,
		     uint64_t value)
{
	uint64_t missing = value - ledger_get(s->old->counter[counter]);

	if (missing <= (1ULL << 30))
		ledger_add(s->now->counter[counter], missing);
}

static struct settlement settlement_of(const struct carry *c,
				       const struct snapshot_part *from,
				       struct ledger_totals *to,
				       uint32_t listener)
{
	return (struct settlement){ &from->totals[listener],
				    &to[c->target[listener]] };
}

static bool read_row(const struct carry *c, uint32_t slot, uint32_t row,
		     struct ledger_row *out)
{
	const struct ledger_header *h = &c->old->header;
	uint64_t at = h->parts_offset + slot * h->part_bytes + h->rows_offset +
		      (uint64_t)row * h->row_bytes;

	return row < h->n_rows &&
	       pread(c->file->fd, out, sizeof(*out), (off_t)at) ==
		       sizeof(*out) &&
	       ledger_get(out->state) != ROW_FREE &&
	       out->listener < h->n_listeners;
}

static void settle_close(const struct settlement *s,
			 const struct ledger_head *head,
			 const struct ledger_row *row)
{
	uint32_t reason = ledger_get(row->reason);

	if (reason >= CLOSE_REASONS_N)
		return;
	raise_to(s, COUNTER_CLOSED, ledger_get(head->close_closed) + 1);
	raise_to(s, COUNTER_CLOSED_BY + reason,
		 ledger_get(head->close_reason) + 1);
}

static void settle_turn(const struct carry *c, uint32_t slot,
			const struct snapshot_part *from,
			struct ledger_totals *to)
{
	const struct ledger_head *head = &from->head;
	uint32_t in_hand = ledger_get(head->turn_row);
	const struct ledger_record *record;
	struct settlement s;
	struct ledger_row row;

	if (!in_hand || !read_row(c, slot, in_hand - 1, &row))
		return;
	s = settlement_of(c, from, to, row.listener);
	record = &row.record[ledger_get(row.valid) & 1];
	raise_to(&s, COUNTER_BYTES_IN,
		 ledger_get(head->base_in) + ledger_get(record->consumed));
	raise_to(&s, COUNTER_BYTES_OUT,
		 ledger_get(head->base_out) + ledger_get(row.sent));
	raise_to(&s, COUNTER_MESSAGES,
		 ledger_get(head->base_messages) +
			 ledger_get(record->messages));
	if (ledger_get(row.state) == ROW_CLOSING)
		settle_close(&s, head, &row);
}

static void settle_accept(const struct carry *c, uint32_t slot,
			  const struct snapshot_part *from,
			  struct ledger_totals *to)
{
	uint32_t listener = ledger_get(from->head.accept_listener);
	uint32_t chosen = ledger_get(from->head.accept_row);
	struct settlement s;
	struct ledger_row row;

	if (!listener || listener >= c->old->header.n_listeners || !chosen ||
	    !read_row(c, slot, chosen - 1, &row))
		return;
	s = settlement_of(c, from, to, listener);
	raise_to(&s, COUNTER_ACCEPTED,
		 ledger_get(from->head.accept_accepted) + 1);
}

static void add_totals(const struct carry *c, const struct snapshot_part *from,
		       struct ledger_totals *to)
{
	for (uint32_t l = 0; l < c->old->header.n_listeners; l++)
		for (unsigned n = 0; n < COUNTERS_ALL_N; n++)
			ledger_add(*counter_of(to, c->target[l], n),
				   ledger_get(from->totals[l].counter[n]));
}

/* By name: a service may have got others, or in another order. */
static void add_own(const struct carry *c, const struct snapshot_part *from,
		    struct ledger_totals *to, uint32_t l, size_t i)
{
	const char *name = snapshot_own_name(c->old, l, i)->name;
	const struct ledger_own *own =
		&c->segment->own[c->target[l] * LEDGER_OWN_COUNTERS];

	for (size_t j = 0; *name && j < LEDGER_OWN_COUNTERS; j++)
		if (!strcmp(own[j].name, name))
			ledger_add(to[c->target[l]].own[j],
				   ledger_get(from->totals[l].own[i]));
}

static void add_all_own(const struct carry *c, const struct snapshot_part *from,
			struct ledger_totals *to)
{
	for (uint32_t l = 0; l < c->old->header.n_listeners; l++)
		for (size_t i = 0; i < LEDGER_OWN_COUNTERS; i++)
			add_own(c, from, to, l, i);
}

static uint64_t serial_of(uint64_t id)
{
	return id / LEDGER_MAX_SLOTS;
}

static void carry_head(const struct ledger_head *from, struct ledger_head *to,
		       unsigned slot)
{
	uint64_t serial = max_u64(serial_of(ledger_get(from->next_id)),
				  serial_of(ledger_get(to->next_id)));

	ledger_set(to->next_id, serial * LEDGER_MAX_SLOTS + slot);
	ledger_set(to->generation, max_u64(ledger_get(to->generation),
					   ledger_get(from->generation)));
	ledger_add(to->deaths, ledger_get(from->deaths));
	ledger_add(to->successions, ledger_get(from->successions));
	ledger_add(to->empty_wakeups, ledger_get(from->empty_wakeups));
	ledger_add(to->n_rests, ledger_get(from->n_rests));
}

static bool was_used(const struct snapshot *old, uint32_t slot)
{
	return ledger_get(old->slots[slot].is_used) && old->parts[slot].totals;
}

static int carry_part(const struct carry *c, uint32_t slot)
{
	const struct snapshot_part *from = &c->old->parts[slot];
	const struct ledger_header *shape = &c->segment->shape;
	unsigned to_slot = slot;
	struct part part;
	int err;

	/* a slot that is no longer there: to the first, which always is */
	if (slot >= shape->n_slots ||
	    !ledger_get(c->segment->slots[slot].is_used))
		to_slot = 0;
	err = part_map(c->segment->fd, shape, to_slot, false, &part);
	if (err)
		return err;
	carry_head(&from->head, part.head, to_slot);
	add_totals(c, from, part.totals);
	add_all_own(c, from, part.totals);
	count_killed(c, from, part.totals);
	settle_turn(c, slot, from, part.totals);
	settle_accept(c, slot, from, part.totals);
	for (size_t b = 0; b < HISTOGRAM_BUCKETS; b++)
		ledger_add(part.turns[b], from->turns[b]);
	(void)munmap(part.head, shape->part_bytes);
	return 0;
}

static int carry_parts(struct carry *c)
{
	int err = 0;

	c->target = calloc(c->old->header.n_listeners, sizeof(*c->target));
	if (!c->target)
		return -ENOMEM;
	for (uint32_t l = 0; l < c->old->header.n_listeners; l++)
		c->target[l] = find_target(c, l);
	for (uint32_t s = 0; !err && s < c->old->header.n_slots; s++)
		if (was_used(c->old, s))
			err = carry_part(c, s);
	free(c->target);
	return err;
}

void carry_over(struct segment *segment)
{
	/* never closed: that would drop the lock that we hold on this file */
	static struct ledger_file file;
	struct snapshot old;
	struct carry carry = { .file = &file, .old = &old, .segment = segment };
	const char *why = "cannot be read";
	int err = ledger_file_open(&file, segment->path, &why);

	if (!err)
		err = snapshot_take(&file, SNAPSHOT_ROWS, &old, &why);
	if (err) {
		log_warning("%s: %s; the totals begin anew", segment->path,
			    why);
		return;
	}
	err = carry_parts(&carry);
	if (err)
		log_warning("%s: %s; some totals begin anew", segment->path,
			    strerror(-err));
	segment->header->created_real_ns = old.header.created_real_ns;
	snapshot_free(&old);
}
