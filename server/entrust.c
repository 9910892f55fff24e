/* SPDX-License-Identifier: ISC */
/*
 * entrust.c - the worker gives connections to programs, which the keeper runs
 */
#include "server/entrust.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/units.h"
#include "server/crash.h"
#include "server/fds.h"
#include "server/service_table.h"

/* A start that took longer, from the accept, is slow. */
#define SLOW_NS NS_PER_S

static const struct program *program_at(const struct worker *w,
					uint32_t listener)
{
	return program_of(worker_listen(w, listener));
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
	wheel_set(&w->wheel, row, w->now_ns + ENTRUST_GRACE_NS);
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
