/* SPDX-License-Identifier: ISC */
/*
 * closing.c - the end of a connection, counted once
 *
 * A mark in the row, then the ring's entry, the totals, the socket, the row:
 * in that order, for it is counted before the socket is closed, so that who
 * sees the end finds it in the totals.
 */
#include "server/closing.h"

#include <unistd.h>

#include "common/clock.h"
#include "common/seqlock.h"
#include "server/crash.h"
#include "server/fds.h"
#include "server/record.h"
#include "server/tally.h"

/* Ends that the peer must not take for an orderly one. */
static bool is_abortive(enum close_reason reason)
{
	return reason == CLOSE_KILLED || reason == CLOSE_LIMIT ||
	       reason == CLOSE_PROTOCOL || reason == CLOSE_CRASH ||
	       reason == CLOSE_ERROR;
}

static void list_closed(struct worker *w, struct ledger_row *r,
			enum close_reason reason)
{
	struct ledger_closed *entry = tally_close_entry(w);
	struct record record = record_load(r);
	uint64_t real_ns = clock_real_ns();

	seq_write_begin(&entry->seq);
	entry->reason = reason;
	entry->id = r->id;
	entry->closed_real_ns = real_ns;
	entry->duration_ns = w->now_ns - r->opened_mono_ns;
	entry->bytes_in = record.consumed;
	entry->bytes_out = ledger_get(r->sent);
	entry->messages = record.messages;
	entry->listener = r->listener;
	entry->peer = r->peer;
	entry->local = r->local;
	entry->pid = ledger_get(r->pid);
	entry->status = ledger_get(r->status);
	seq_write_end(&entry->seq);
	CRASH_POINT(CLOSE_LISTED);
}

static void give_back_pages(struct worker *w, struct ledger_row *r)
{
	struct record record = record_load(r);

	vault_free(w->vault, record.in_offset, record.in_bytes);
	if (record.produced != ledger_get(r->sent))
		vault_free(w->vault, record.out_offset, record.out_bytes);
}

static void close_socket(int fd, enum close_reason reason)
{
	if (fd < 0)
		return;
	if (is_abortive(reason))
		fds_close_abortive(fd);
	else
		close(fd);
}

void closing_go_on(struct worker *w, uint32_t row)
{
	struct ledger_row *r = &w->rows[row];
	struct conn *c = &w->conns[row];
	enum close_reason reason = ledger_get(r->reason);

	list_closed(w, r, reason);
	tally_close_apply(w, c->listener, reason);
	give_back_pages(w, r);
	wheel_clear(&w->wheel, row);
	close_socket(c->fd, reason);
	CRASH_POINT(CLOSE_CLOSED);
	/* release: nothing of it is left but the row itself */
	atomic_store_explicit(&r->state, ROW_FREE, memory_order_release);
	CRASH_POINT(CLOSE_FREED);
	c->serial = UINT32_MAX; /* no event of it is taken any more */
	w->n_programs -= c->is_program;
	w->free_rows[w->n_free++] = row;
	ledger_set(w->head->n_open, ledger_get(w->head->n_open) - 1);
	tally_turn_end(w);
}

void closing_begin(struct worker *w, uint32_t row, enum close_reason reason)
{
	struct ledger_row *r = &w->rows[row];

	tally_step(w, STEP_CLOSE);
	tally_settle(w, row);
	tally_close_journal(w, w->conns[row].listener, reason);
	ledger_set(r->reason, reason);
	/* release: the mark; a successor goes on from here */
	atomic_store_explicit(&r->state, ROW_CLOSING, memory_order_release);
	CRASH_POINT(CLOSE_MARKED);
	closing_go_on(w, row);
}
