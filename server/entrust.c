/* SPDX-License-Identifier: ISC */
/*
 * entrust.c - the worker's part of programs: entrusts connections to them
 */
#include "server/entrust.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/units.h"
#include "server/conn.h"
#include "server/crash.h"
#include "server/fds.h"
#include "server/service_table.h"

/* How long a program may take to end when it was asked to. */
#define GRACE_NS (5 * NS_PER_S)

/* A start that took longer, from the accept, is slow. */
#define SLOW_NS NS_PER_S

/* A tick is a quarter of a second; so each gets its numbers once in one. */
#define PHASES 4

static const struct program *program_at(const struct worker *w,
					uint32_t listener)
{
	return program_of(worker_listen(w, listener));
}

int entrust_watch(struct worker *w)
{
	struct epoll_event ev = {
		.events = EPOLLIN,
		.data.u64 = watch_data(WATCH_PROGRAMS, 0, 0),
	};

	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->post->ended_fd, &ev) < 0)
		return -errno;
	return 0;
}

int entrust_accept_flags(const struct worker *w, uint32_t listener)
{
	return SOCK_CLOEXEC | (program_at(w, listener) ? 0 : SOCK_NONBLOCK);
}

bool entrust_is_socket(const struct worker *w, uint32_t listener)
{
	const struct program *program = program_at(w, listener);

	return program && program->is_wait;
}

/* ---- max-processes ---- */

bool entrust_is_full(const struct worker *w, uint32_t listener)
{
	const struct program *program = program_at(w, listener);
	const struct ledger_view *view = &w->post->view;
	unsigned n_slots;
	uint64_t n = 0;

	if (!program || program->max_processes == UNITS_OFF)
		return false;
	n_slots = ledger_view_n_used(view);
	for (unsigned s = 0; s < n_slots; s++)
		n += ledger_view_n_open(view, s, listener);
	return n >= program->max_processes;
}

/* ---- to the keeper ---- */

void entrust_start(struct worker *w, uint32_t row)
{
	handover_put(&w->post->order->programs.to_keeper, row);
	CRASH_POINT(PROGRAM_POSTED);
	fds_poke(w->post->starting_fd);
	CRASH_POINT(PROGRAM_POKED);
}

void entrust_end(struct worker *w, uint32_t row, enum close_reason reason)
{
	struct ledger_row *r = &w->rows[row];
	uint32_t ending = ledger_get(r->ending);

	if (ending)
		ledger_set(r->ending, ending | ROW_END_NOW);
	else
		ledger_set(r->ending, (uint32_t)reason + 1);
	handover_put(&w->post->order->programs.to_keeper, row);
	fds_poke(w->post->starting_fd);
	wheel_set(&w->wheel, row, w->now_ns + GRACE_NS);
}

/* ---- what became of it ---- */

static bool is_failure(const struct ledger_row *row)
{
	int status = ledger_get(row->status);

	if (ledger_get(row->ending))
		return false; /* it was we who ended it */
	if (status < 0 || (WIFSIGNALED(status) && WTERMSIG(status) != SIGPIPE))
		return true;
	return WIFEXITED(status) && WEXITSTATUS(status) != 0;
}

enum close_reason entrust_reason(const struct ledger_row *row)
{
	uint32_t ending = ledger_get(row->ending) & (ROW_END_NOW - 1);
	int status = ledger_get(row->status);

	if (ending && ending <= CLOSE_REASONS_N)
		return (enum close_reason)(ending - 1);
	if (status < 0)
		return CLOSE_ERROR;
	if (WIFEXITED(status))
		return CLOSE_EOF;
	/* it wrote to a peer that was gone */
	return WTERMSIG(status) == SIGPIPE ? CLOSE_RESET : CLOSE_CRASH;
}

void entrust_count(struct worker *w, uint32_t row, void *copy)
{
	const struct ledger_row *r = &w->rows[row];
	uint64_t began_ns = ledger_get(r->began_mono_ns);
	bool is_over = ledger_get(r->state) == ROW_ENDED;
	uint64_t *counts =
		(void *)((uint8_t *)copy + service_counts_at(&service_exec));

	counts[EXEC_STARTED] = ledger_get(r->pid) != 0;
	counts[EXEC_FAILED] = is_over && is_failure(r);
	counts[EXEC_SLOW] = began_ns && began_ns > r->opened_mono_ns + SLOW_NS;
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

void entrust_event(struct worker *w, uint32_t index, uint32_t serial)
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

void entrust_tick(struct worker *w)
{
	uint32_t high = ledger_get(w->head->rows_high);

	if (!w->n_programs)
		return;
	w->programs_phase = (w->programs_phase + 1) % PHASES;
	for (uint32_t row = w->programs_phase; row < high; row += PHASES)
		if (is_of_program(w, row))
			conn_note_program(w, row);
}

void entrust_resume(struct worker *w)
{
	uint32_t high = ledger_get(w->head->rows_high);

	if (!w->n_programs)
		return;
	for (uint32_t row = 0; row < high; row++) {
		if (!is_of_program(w, row))
			continue;
		if (ledger_get(w->rows[row].ending))
			wheel_set(&w->wheel, row, w->now_ns + GRACE_NS);
		close_if_ended(w, row);
	}
	handover_put_all(&w->post->order->programs.to_keeper);
	fds_poke(w->post->starting_fd);
}
