/* SPDX-License-Identifier: ISC */
/*
 * tally.c - counting, exact over a death between any two instructions
 */
#include "server/tally.h"

static uint64_t total(struct worker *w, uint32_t listener, unsigned counter)
{
	return ledger_get(*tally_counter(w, listener, counter));
}

static void set_total(struct worker *w, uint32_t listener, unsigned counter,
		      uint64_t value)
{
	ledger_set(*tally_counter(w, listener, counter), value);
}

void tally_own_journal(struct worker *w, uint32_t row,
		       const struct service *service)
{
	const struct ledger_totals *totals = &w->totals[w->conns[row].listener];
	const uint64_t *own = tally_row_own(w, row, service);

	for (size_t i = 0; i < service->n_counters; i++)
		ledger_set(w->head->base_own[i],
			   ledger_get(totals->own[i]) - own[i]);
}

void tally_own_settle(struct worker *w, uint32_t row,
		      const struct service *service)
{
	struct ledger_totals *totals = &w->totals[w->conns[row].listener];
	const uint64_t *own = tally_row_own(w, row, service);

	for (size_t i = 0; i < service->n_counters; i++)
		ledger_set(totals->own[i],
			   ledger_get(w->head->base_own[i]) + own[i]);
}

void tally_close_journal(struct worker *w, uint32_t listener,
			 enum close_reason reason)
{
	struct ledger_head *head = w->head;

	ledger_set(head->close_closed, total(w, listener, COUNTER_CLOSED));
	ledger_set(head->close_reason,
		   total(w, listener, COUNTER_CLOSED_BY + reason));
	ledger_set(head->close_ring, ledger_get(head->ring_next));
	CRASH_POINT(CLOSE_JOURNALED);
}

struct ledger_closed *tally_close_entry(struct worker *w)
{
	uint64_t at = ledger_get(w->head->close_ring);

	return &w->post->part.closed[at % w->post->view.shape.n_closed];
}

void tally_close_apply(struct worker *w, uint32_t listener,
		       enum close_reason reason)
{
	struct ledger_head *head = w->head;

	/* release: the entry is whole before the ring says it is there */
	atomic_store_explicit(&head->ring_next,
			      ledger_get(head->close_ring) + 1,
			      memory_order_release);
	set_total(w, listener, COUNTER_CLOSED,
		  ledger_get(head->close_closed) + 1);
	CRASH_POINT(CLOSE_COUNTED);
	set_total(w, listener, COUNTER_CLOSED_BY + reason,
		  ledger_get(head->close_reason) + 1);
}

void tally_accept_begin(struct worker *w, uint32_t listener)
{
	struct ledger_head *head = w->head;

	ledger_set(head->accept_accepted, total(w, listener, COUNTER_ACCEPTED));
	ledger_set(head->accept_refused,
		   total(w, listener, COUNTER_REFUSED_BY + REFUSE_FULL));
	ledger_set(head->accept_row, 0);
	/* release: the journal is whole before the accept is in hand */
	atomic_store_explicit(&head->accept_listener, listener,
			      memory_order_release);
	CRASH_POINT(ACCEPT_BEGUN);
}

void tally_accept_taken(struct worker *w, uint32_t listener)
{
	set_total(w, listener, COUNTER_ACCEPTED,
		  ledger_get(w->head->accept_accepted) + 1);
	CRASH_POINT(ACCEPT_COUNTED);
}

void tally_accept_refused(struct worker *w, uint32_t listener)
{
	set_total(w, listener, COUNTER_REFUSED_BY + REFUSE_FULL,
		  ledger_get(w->head->accept_refused) + 1);
	CRASH_POINT(REFUSE_COUNTED);
}

void tally_accept_done(struct worker *w)
{
	/* release: all of it is counted before the journal is dropped */
	atomic_store_explicit(&w->head->accept_listener, 0,
			      memory_order_release);
	CRASH_POINT(ACCEPT_DONE);
}

void tally_datagram_begin(struct worker *w, uint32_t listener)
{
	struct ledger_head *head = w->head;

	ledger_set(head->datagram_in, total(w, listener, COUNTER_DATAGRAMS_IN));
	ledger_set(head->datagram_out,
		   total(w, listener, COUNTER_DATAGRAMS_OUT));
	ledger_set(head->datagram_bytes_in,
		   total(w, listener, COUNTER_BYTES_IN));
	ledger_set(head->datagram_bytes_out,
		   total(w, listener, COUNTER_BYTES_OUT));
	ledger_set(head->datagram_messages,
		   total(w, listener, COUNTER_MESSAGES));
	ledger_set(head->datagram_refused,
		   total(w, listener, COUNTER_DATAGRAMS_REFUSED));
	for (size_t i = 0; i < tally_service(w, listener)->n_counters; i++)
		ledger_set(head->base_own[i],
			   ledger_get(w->totals[listener].own[i]));
	ledger_set(head->datagram_step, STEP_RECEIVE);
	/* release: the journal is whole before the datagram is in hand */
	atomic_store_explicit(&head->datagram_listener, listener,
			      memory_order_release);
	CRASH_POINT(DATAGRAM_BEGUN);
}

void tally_datagram_settle(struct worker *w, uint32_t listener,
			   const struct datagram_tally *t)
{
	const struct ledger_head *head = w->head;

	set_total(w, listener, COUNTER_DATAGRAMS_IN,
		  ledger_get(head->datagram_in) + t->n_in);
	set_total(w, listener, COUNTER_DATAGRAMS_OUT,
		  ledger_get(head->datagram_out) + t->n_out);
	set_total(w, listener, COUNTER_BYTES_IN,
		  ledger_get(head->datagram_bytes_in) + t->bytes_in);
	set_total(w, listener, COUNTER_BYTES_OUT,
		  ledger_get(head->datagram_bytes_out) + t->bytes_out);
	set_total(w, listener, COUNTER_MESSAGES,
		  ledger_get(head->datagram_messages) + t->n_messages);
	set_total(w, listener, COUNTER_DATAGRAMS_REFUSED,
		  ledger_get(head->datagram_refused) + t->n_refused);
	for (size_t i = 0; i < tally_service(w, listener)->n_counters; i++)
		ledger_set(w->totals[listener].own[i],
			   ledger_get(head->base_own[i]) + t->own[i]);
	CRASH_POINT(DATAGRAM_SETTLED);
}

void tally_datagram_done(struct worker *w)
{
	/* release: all of it is counted before the journal is dropped */
	atomic_store_explicit(&w->head->datagram_listener, 0,
			      memory_order_release);
}
