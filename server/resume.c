/* SPDX-License-Identifier: ISC */
/*
 * resume.c - a successor takes over what its predecessor left
 *
 * In this order, for the steps build on each other, and each may be the one
 * in which the successor dies too:
 *
 *     rows        which of them still have their socket
 *     sweep       descriptors that belong to no row: one of them may be the
 *                 connection that was just being accepted; the rest (the
 *                 dead worker's epoll set) are closed
 *     accept      the accept in hand gets its row and is counted
 *     watch       a new epoll set
 *     turn        the turn in hand is finished, and the datagram in hand
 *     lost        rows without a socket (their keeper died) are closed
 *     count       they are resumed
 *
 * Nothing else is needed: timers follow from the rows.
 */
#include "server/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/seqlock.h"
#include "server/accept.h"
#include "server/conn.h"
#include "server/crash.h"
#include "server/datagram.h"
#include "server/fds.h"
#include "server/program.h"
#include "server/tally.h"

/* What a resume finds out on its way. */
struct resume {
	uint8_t *is_known; /* by descriptor: the keeper's, or a row's */
	int orphan;        /* the accepted descriptor without a row, or -1 */
	uint32_t *lost;    /* rows without a socket */
	uint32_t n_lost;
	uint32_t n_broken; /* rows that no worker can have written */
	int64_t n_resumed;
};

static bool has_cookie(int fd, uint64_t cookie)
{
	uint64_t real = 0;
	socklen_t len = sizeof(real);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &real, &len) == 0 &&
	       real == cookie;
}

/* A row that is a connection: its socket is there, or it is lost. */
static void find_socket(struct worker *w, struct resume *resume, uint32_t row)
{
	struct ledger_row *r = &w->rows[row];
	int fd = r->fd;
	bool is_there = fd >= 0 && fd < w->post->n_fds &&
			!resume->is_known[fd] && has_cookie(fd, r->cookie);

	conn_attach(w, row);
	if (is_there) {
		resume->is_known[fd] = 1;
		conn_take_pages(w, row);
	} else {
		w->conns[row].fd = -1;
		resume->lost[resume->n_lost++] = row;
	}
}

/*
 * Whether the row can be what a worker wrote. One that cannot (a handler's
 * stray store hit it) is given up, and its socket swept: it costs itself, and
 * not every successor from here on.
 */
static bool is_sane(const struct worker *w, struct ledger_row *r)
{
	const struct ledger_record *record = row_record(r);
	uint64_t end_in = (uint64_t)ledger_get(record->in_offset) +
			  ledger_get(record->in_bytes);
	uint64_t end_out = (uint64_t)ledger_get(record->out_offset) +
			   ledger_get(record->out_bytes);
	uint64_t pending = ledger_get(record->produced) - ledger_get(r->sent);

	return ledger_get(r->state) < ROW_STATES && r->listener >= 1 &&
	       r->listener <= w->post->n_listeners &&
	       listener_is_used(&w->listeners[r->listener - 1]) &&
	       ledger_get(r->reason) < CLOSE_REASONS_N &&
	       end_in <= w->vault->states && end_out <= w->vault->states &&
	       (pending <= ledger_get(record->out_bytes) ||
		/* noted, of a program, but for `sent` */
		program_of(worker_listen(w, r->listener)));
}

static bool is_connection(const struct worker *w, struct resume *resume,
			  struct ledger_row *r)
{
	if (ledger_get(r->state) == ROW_FREE)
		return false;
	if (is_sane(w, r))
		return true;
	resume->n_broken++;
	ledger_set(r->state, ROW_FREE);
	return false;
}

static void find_rows(struct worker *w, struct resume *resume)
{
	uint32_t high =
		(uint32_t)min_u64(ledger_get(w->head->rows_high), w->n_rows);

	ledger_set(w->head->rows_high, high);
	w->n_free = 0;
	ledger_set(w->head->n_open, 0);
	for (uint32_t row = w->n_rows; row-- > 0;) {
		struct ledger_row *r = &w->rows[row];

		if (row < high) {
			seq_repair(&r->seq);
			if (is_connection(w, resume, r)) {
				find_socket(w, resume, row);
				continue;
			}
		}
		w->conns[row].serial = UINT32_MAX;
		w->free_rows[w->n_free++] = row;
	}
	if (resume->n_broken)
		log_error("worker %u: %u rows of the ledger are broken; what "
			  "connections they were is not known any more",
			  w->post->slot, resume->n_broken);
	CRASH_POINT(RESUME_ROWS);
}

static bool is_socket(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
}

/* There is at most one: a worker accepts one at a time. */
static void find_orphan(struct worker *w, struct resume *resume)
{
	resume->orphan = -1;
	if (!ledger_get(w->head->accept_listener))
		return;
	for (int fd = 0; fd < w->post->n_fds; fd++) {
		if (resume->is_known[fd] || !is_socket(fd))
			continue;
		resume->orphan = fd;
		resume->is_known[fd] = 1;
		return;
	}
}

static void sweep(struct worker *w, struct resume *resume)
{
	find_orphan(w, resume);
	fds_close_others(resume->is_known, w->post->n_fds);
	/* release: what is opened from now on, is opened after that */
	atomic_store_explicit(&w->post->order->is_swept, 1,
			      memory_order_release);
	CRASH_POINT(RESUME_SWEPT);
}

/* Every connection, the one that was just accepted included. */
static void watch_all(struct worker *w, struct resume *resume)
{
	uint32_t high = ledger_get(w->head->rows_high);

	for (uint32_t row = 0; row < high; row++) {
		struct conn *c = &w->conns[row];

		if (c->serial == UINT32_MAX || c->fd < 0)
			continue;
		if (ledger_get(w->rows[row].state) == ROW_CLOSING)
			continue; /* the turn in hand ends it */
		if (!conn_watch(w, row))
			resume->lost[resume->n_lost++] = row;
	}
	CRASH_POINT(RESUME_WATCHED);
}

/*
 * Why the connection in hand may not have its turn again, or -1: its handler
 * was running, or the turn as a whole has now killed two workers.
 */
static int suspect_of(uint32_t step, enum legacy legacy)
{
	if (legacy == LEGACY_STUCK)
		return CLOSE_CRASH;
	if (step != STEP_HANDLER)
		return -1;
	if (legacy == LEGACY_FAULT)
		return CLOSE_CRASH;
	return legacy == LEGACY_HUNG ? CLOSE_KILLED : -1;
}

static void finish_turn(struct worker *w, enum legacy legacy)
{
	uint32_t row = ledger_get(w->head->turn_row);
	uint32_t step = ledger_get(w->head->turn_step);
	int suspect = suspect_of(step, legacy);

	if (!row || row > w->n_rows)
		return;
	row--;
	if (w->conns[row].serial == UINT32_MAX) {
		tally_turn_end(w); /* it was closed, all but this */
		return;
	}
	if (w->conns[row].fd < 0 &&
	    ledger_get(w->rows[row].state) != ROW_CLOSING)
		suspect = CLOSE_KILLED;
	conn_resume_turn(w, row, suspect);
}

static void finish_datagram(struct worker *w, enum legacy legacy)
{
	uint32_t step = ledger_get(w->head->datagram_step);

	datagram_resume(w, suspect_of(step, legacy) >= 0);
}

static void end_lost(struct worker *w, struct resume *resume)
{
	for (uint32_t i = 0; i < resume->n_lost; i++) {
		uint32_t row = resume->lost[i];

		if (w->conns[row].serial != UINT32_MAX)
			conn_end(w, row,
				 w->conns[row].fd < 0 ? CLOSE_KILLED :
							CLOSE_ERROR);
	}
}

/* Counted together at the end: a successor that dies before has none. */
static int count(struct worker *w, struct resume *resume)
{
	uint32_t high = ledger_get(w->head->rows_high);
	uint64_t *n = calloc(w->post->n_listeners + 1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	for (uint32_t row = 0; row < high; row++) {
		if (w->conns[row].serial == UINT32_MAX)
			continue;
		n[w->conns[row].listener]++;
		resume->n_resumed++;
	}
	for (uint32_t l = 1; l <= w->post->n_listeners; l++)
		if (n[l])
			ledger_add(*tally_counter(w, l, COUNTER_RESUMED), n[l]);
	free(n);
	CRASH_POINT(RESUME_COUNTED);
	return 0;
}

/* Services that speak first, and had not yet. */
static void greet_all(struct worker *w)
{
	uint32_t high = ledger_get(w->head->rows_high);

	for (uint32_t row = 0; row < high; row++)
		if (w->conns[row].serial != UINT32_MAX)
			conn_greet(w, row);
}

static int resume_open(struct worker *w, struct resume *resume)
{
	*resume = (struct resume){ .orphan = -1 };
	resume->is_known = malloc((size_t)w->post->n_fds);
	resume->lost = calloc(w->n_rows, sizeof(*resume->lost));
	if (!resume->is_known || !resume->lost)
		return -ENOMEM;
	for (int fd = 0; fd < w->post->n_fds; fd++)
		resume->is_known[fd] = w->post->is_base[fd];
	return vault_open_pages(w->vault);
}

static int open_epoll(struct worker *w)
{
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return w->epoll_fd < 0 ? -errno : 0;
}

int64_t resume_all(struct worker *w, enum legacy legacy)
{
	struct resume resume;
	int err;

	CRASH_POINT(RESUME_BEGUN);
	err = resume_open(w, &resume);
	if (err)
		goto out;
	find_rows(w, &resume);
	sweep(w, &resume);
	err = open_epoll(w);
	if (err)
		goto out;
	accept_resume(w, resume.orphan);
	CRASH_POINT(RESUME_ACCEPT);
	watch_all(w, &resume);
	finish_turn(w, legacy);
	finish_datagram(w, legacy);
	CRASH_POINT(RESUME_TURN);
	end_lost(w, &resume);
	err = count(w, &resume);
	if (err)
		goto out;
	greet_all(w);
out:
	free(resume.is_known);
	free(resume.lost);
	return err ? err : resume.n_resumed;
}
