/* SPDX-License-Identifier: ISC */
/*
 * follow.c - what becomes of the programs that have connections
 */
#include "server/follow.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "server/conn.h"
#include "server/crash.h"
#include "server/entrust.h"
#include "server/fds.h"

/* A tick is a quarter of a second; so each gets its numbers once in one. */
#define PHASES 4

int follow_watch(struct worker *w)
{
	struct epoll_event ev = {
		.events = EPOLLIN,
		.data.u64 = watch_data(WATCH_PROGRAMS, 0, 0),
	};

	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->post->ended_fd, &ev) < 0)
		return -errno;
	return 0;
}

static bool is_of_program(const struct worker *w, uint32_t row)
{
	return w->conns[row].serial != UINT32_MAX && w->conns[row].is_program;
}

static void close_if_ended(struct worker *w, uint32_t row)
{
	/* acquire: pairs with the keeper's release; the status is there */
	if (row < w->n_rows && is_of_program(w, row) &&
	    atomic_load_explicit(&w->rows[row].state, memory_order_acquire) ==
		    ROW_ENDED)
		conn_note_program(w, row);
}

void follow_event(struct worker *w, uint32_t index, uint32_t serial)
{
	struct handover_ring *ring = &w->post->order->programs.to_worker;
	uint32_t row, high = ledger_get(w->head->rows_high);
	uint64_t n;

	(void)index;
	(void)serial;
	(void)!read(w->post->ended_fd, &n, sizeof(n)); /* only to silence it */
	while (handover_take(ring, &row)) {
		CRASH_POINT(PROGRAM_ENDED);
		close_if_ended(w, row);
	}
	if (!handover_takes_all(ring))
		return;
	for (row = 0; row < high; row++)
		close_if_ended(w, row);
}

void follow_tick(struct worker *w)
{
	uint32_t high = ledger_get(w->head->rows_high);

	if (!w->n_programs)
		return;
	w->programs_phase = (w->programs_phase + 1) % PHASES;
	for (uint32_t row = w->programs_phase; row < high; row += PHASES)
		if (is_of_program(w, row))
			conn_note_program(w, row);
}

void follow_resume(struct worker *w)
{
	uint32_t high = ledger_get(w->head->rows_high);

	if (!w->n_programs)
		return;
	for (uint32_t row = 0; row < high; row++) {
		if (!is_of_program(w, row))
			continue;
		if (ledger_get(w->rows[row].ending))
			wheel_set(&w->wheel, row, w->now_ns + ENTRUST_GRACE_NS);
		close_if_ended(w, row);
	}
	handover_put_all(&w->post->order->programs.to_keeper);
	fds_poke(w->post->starting_fd);
}
