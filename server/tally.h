/* SPDX-License-Identifier: ISC */
/*
 * tally.h - counting, exact over a death between any two instructions
 *
 * Before a step that changes totals, the head notes what they are without it;
 * when the step is done, totals are computed from that and from absolute
 * numbers (a row's own, or "one more"), never added to. So a successor that
 * finds the step half done does the same computation and gets the same sum.
 */
#ifndef GUICHET_TALLY_H
#define GUICHET_TALLY_H

#include "server/crash.h"
#include "server/service_table.h"
#include "server/worker.h"

static inline ledger_count_t *tally_counter(struct worker *w, uint32_t listener,
					    unsigned counter)
{
	return &w->totals[listener].counter[counter];
}

static inline void tally_step(struct worker *w, enum turn_step step)
{
	/* release: what the step relies on is there before its name */
	atomic_store_explicit(&w->head->turn_step, step, memory_order_release);
}

/*
 * The counts of the service's own that the row's turns have made: they lie
 * behind its state, and go over with it at the commit.
 */
static inline uint64_t *tally_row_own(const struct worker *w, uint32_t row,
				      const struct service *service)
{
	uint32_t copy = ledger_get(w->rows[row].valid) & 1;

	return (void *)(vault_state(w->vault, row, copy) +
			service_counts_at(service));
}

static inline const struct service *tally_service(const struct worker *w,
						  uint32_t listener)
{
	return worker_listen(w, listener)->service;
}

/* journal: totals without the row's; settle: totals with them. */
void tally_own_journal(struct worker *w, uint32_t row,
		       const struct service *service);
void tally_own_settle(struct worker *w, uint32_t row,
		      const struct service *service);

/* Takes @row in hand: the first thing in a turn. */
static inline void tally_turn_begin(struct worker *w, uint32_t row)
{
	struct ledger_head *head = w->head;
	struct ledger_row *r = &w->rows[row];
	const struct ledger_record *record = row_record(r);
	uint32_t l = w->conns[row].listener;

	ledger_set(head->base_in,
		   ledger_get(*tally_counter(w, l, COUNTER_BYTES_IN)) -
			   ledger_get(record->consumed));
	ledger_set(head->base_out,
		   ledger_get(*tally_counter(w, l, COUNTER_BYTES_OUT)) -
			   ledger_get(r->sent));
	ledger_set(head->base_messages,
		   ledger_get(*tally_counter(w, l, COUNTER_MESSAGES)) -
			   ledger_get(record->messages));
	if (tally_service(w, l)->n_counters)
		tally_own_journal(w, row, tally_service(w, l));
	tally_step(w, STEP_RECEIVE);
	/* release: the journal is whole before the row is in hand */
	atomic_store_explicit(&head->turn_row, row + 1, memory_order_release);
	CRASH_POINT(TURN_BEGUN);
}

/* Brings the totals up to the numbers of the row in hand. */
static inline void tally_settle(struct worker *w, uint32_t row)
{
	const struct ledger_head *head = w->head;
	struct ledger_row *r = &w->rows[row];
	const struct ledger_record *record = row_record(r);
	uint32_t l = w->conns[row].listener;

	ledger_set(*tally_counter(w, l, COUNTER_BYTES_IN),
		   ledger_get(head->base_in) + ledger_get(record->consumed));
	CRASH_POINT(SETTLED_HALF);
	ledger_set(*tally_counter(w, l, COUNTER_BYTES_OUT),
		   ledger_get(head->base_out) + ledger_get(r->sent));
	ledger_set(*tally_counter(w, l, COUNTER_MESSAGES),
		   ledger_get(head->base_messages) +
			   ledger_get(record->messages));
	if (tally_service(w, l)->n_counters)
		tally_own_settle(w, row, tally_service(w, l));
}

/* Puts the row out of hand again: the last thing in a turn. */
static inline void tally_turn_end(struct worker *w)
{
	/* release: the totals are right before the journal is dropped */
	atomic_store_explicit(&w->head->turn_row, 0, memory_order_release);
	tally_step(w, STEP_NONE);
	CRASH_POINT(TURN_DONE);
}

/*
 * A close, within a turn. journal: before the row is marked as closing;
 * apply: counts it, as often as it is called; the ring's entry is written in
 * between, at tally_close_entry().
 */
void tally_close_journal(struct worker *w, uint32_t listener,
			 enum close_reason reason);
struct ledger_closed *tally_close_entry(struct worker *w);
void tally_close_apply(struct worker *w, uint32_t listener,
		       enum close_reason reason);

/*
 * An accept: begin before accept4(), then taken or refused (for want of a row
 * or a program: the one reason that the journal knows), then done.
 */
void tally_accept_begin(struct worker *w, uint32_t listener);
void tally_accept_taken(struct worker *w, uint32_t listener);
void tally_accept_refused(struct worker *w, uint32_t listener);
void tally_accept_done(struct worker *w);

/*
 * A datagram: begin before it is received; settle counts what came of it.
 */
struct datagram_tally {
	uint32_t n_in, n_out, n_refused, n_messages; /* 0 or 1 */
	uint64_t bytes_in, bytes_out;
	uint64_t own[LEDGER_OWN_COUNTERS];
};

void tally_datagram_begin(struct worker *w, uint32_t listener);
void tally_datagram_settle(struct worker *w, uint32_t listener,
			   const struct datagram_tally *t);
void tally_datagram_done(struct worker *w);

#endif
