/* SPDX-License-Identifier: ISC */
/*
 * conn.c - one stream connection: its turns, from accept to close
 *
 * A turn, and what a successor finds if we die in it:
 *
 *     tally_turn_begin    the row is in hand
 *     receive             the kernel knows how much we took; it lies in the
 *                         scratch or behind the input that was kept
 *     handler             works on spare copies; runs again
 *     commit              one store: consumed, produced, state, places
 *     send                the kernel knows how much it took
 *     tally_turn_end      totals are right, no row in hand
 *
 * A handler runs only when all earlier output was taken by the kernel. So at
 * any time a connection has either output to write or input to read, and
 * backpressure needs no rule of its own.
 */
#include "server/conn.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "server/closing.h"
#include "server/crash.h"
#include "server/entrust.h"
#include "server/identity.h"
#include "server/input.h"
#include "server/record.h"
#include "server/transport.h"

/* How long a connection that we ended may take to end its own side. */
#define LINGER_NS (5 * NS_PER_S)

/* Rounds of output that one turn may make before others have theirs. */
#define ROUNDS_MAX 8

static void set_state(struct worker *w, uint32_t row, enum row_state state)
{
	ledger_set(w->rows[row].state, state);
}

/* Watches for @events; a system call only when that is a change. */
static void watch(struct worker *w, uint32_t row, uint32_t events)
{
	struct conn *c = &w->conns[row];
	struct epoll_event ev;

	if (c->events == events)
		return;
	ev = (struct epoll_event){
		.events = events,
		.data.u64 = watch_data(WATCH_CONN, row, c->serial),
	};
	/* cannot fail: the descriptor is in the set, the memory is there */
	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev) == 0)
		c->events = events;
}

/* ---- deadlines ---- */

static uint64_t later(uint64_t from_ns, uint64_t after_ns)
{
	return after_ns > UINT64_MAX - from_ns ? UINT64_MAX :
						 from_ns + after_ns;
}

/* When it must be looked at, and why it would end then. */
static uint64_t deadline_of(struct worker *w, uint32_t row,
			    enum close_reason *reason)
{
	const struct listen_config *lc =
		worker_listen(w, w->conns[row].listener);
	struct ledger_row *r = &w->rows[row];
	uint64_t active = ledger_get(r->active_mono_ns);
	uint64_t idle = later(active, lc->idle_timeout_ns);
	uint64_t end = later(r->opened_mono_ns, lc->lifetime_ns);

	if (w->conns[row].is_program && r->peer.family == AF_UNIX)
		idle = UINT64_MAX; /* nobody tells when it was active */
	if (ledger_get(r->state) == ROW_LINGERING)
		idle = min_u64(idle, later(active, LINGER_NS));
	*reason = end < idle ? CLOSE_LIFETIME : CLOSE_IDLE;
	return min_u64(idle, end);
}

static void set_deadline(struct worker *w, uint32_t row)
{
	enum close_reason reason;
	uint64_t deadline_ns = deadline_of(w, row, &reason);

	if (deadline_ns != UINT64_MAX)
		wheel_set(&w->wheel, row, deadline_ns);
}

void conn_look(struct worker *w, uint32_t row)
{
	enum close_reason reason;
	uint64_t deadline_ns;

	if (w->conns[row].is_program) {
		conn_note_program(w, row); /* when was it active? */
		if (w->conns[row].serial == UINT32_MAX)
			return;
	}
	deadline_ns = deadline_of(w, row, &reason);

	if (deadline_ns > w->now_ns)
		wheel_set(&w->wheel, row, deadline_ns);
	else if (w->conns[row].is_program)
		entrust_end(w, row, reason);
	else
		conn_end(w, row, reason);
}

/* ---- opening ---- */

void conn_open(struct worker *w, uint32_t row, uint32_t listener, int fd,
	       const struct sockaddr_storage *peer, socklen_t peer_len)
{
	const struct listen_config *listen = worker_listen(w, listener);
	uint32_t state = program_of(listen) ? ROW_STARTING : ROW_READING;
	struct ledger_row *r = &w->rows[row];

	if (ledger_get(w->head->rows_high) <= row)
		ledger_set(w->head->rows_high, row + 1);
	identity_fill(w, r, listener, fd, peer, peer_len);
	record_clear(w, row, service_copy_bytes(listen->service));
	CRASH_POINT(ROW_FILLED);
	/* release: from here on it is a connection, whole in all its parts */
	atomic_store_explicit(&r->state, state, memory_order_release);
	CRASH_POINT(ROW_OPEN);
	conn_attach(w, row);
}

void conn_attach(struct worker *w, uint32_t row)
{
	struct ledger_row *r = &w->rows[row];
	struct record record = record_load(r);
	struct conn *c = &w->conns[row];

	c->fd = r->fd;
	c->serial = (uint32_t)(r->id / LEDGER_MAX_SLOTS) & 0xfffffff;
	c->events = 0;
	c->listener = (uint16_t)r->listener;
	/* as configured: it may have no socket any more */
	c->is_tcp = worker_listen(w, r->listener)->addr.transport ==
		    TRANSPORT_TCP;
	c->in_room = record.in_bytes; /* no more than is certain */
	c->is_program = program_of(worker_listen(w, r->listener)) != NULL;
	w->n_programs += c->is_program;
	ledger_set(w->head->n_open, ledger_get(w->head->n_open) + 1);
}

/* ---- turns ---- */

static void turn_begin(struct worker *w, uint32_t row)
{
	transport_turn_begin(w, row);
	tally_turn_begin(w, row);
}

static void turn_end(struct worker *w, uint32_t row)
{
	tally_settle(w, row);
	CRASH_POINT(SETTLED);
	tally_turn_end(w);
}

/* What the next steps of a turn answer. */
enum progress {
	GONE,    /* it was closed, and the turn ended with it */
	BLOCKED, /* it waits for the kernel to take output */
	CLEAR,   /* all output was taken */
};

/* ---- with a program ---- */

/*
 * Its numbers, which are the kernel's: it reads and writes, we do not. They
 * are absolute, so that it does not matter how often this is done.
 */
static void note_program(struct worker *w, uint32_t row)
{
	struct ledger_row *r = &w->rows[row];
	struct record record = record_load(r);
	uint32_t state = ledger_get(r->state);
	uint64_t before = record.consumed + ledger_get(r->sent);
	struct position position;

	entrust_count(w, row, record_spare_state(w, row));
	if (w->conns[row].fd >= 0 &&
	    transport_position_of_other(w, row, state == ROW_ENDED,
					&position) == 0) {
		record.consumed = max_u64(record.consumed, position.received);
		record.produced = max_u64(record.produced, position.given);
	}
	record_commit(w, row, &record);
	ledger_set(r->sent, record.produced);
	CRASH_POINT(PROGRAM_NOTED);
	if (record.consumed + record.produced != before)
		ledger_set(r->active_mono_ns, w->now_ns);
}

static enum progress turn_program(struct worker *w, uint32_t row)
{
	struct ledger_row *r = &w->rows[row];
	/* acquire: pairs with the keeper's release; the status is there */
	bool is_over = atomic_load_explicit(&r->state, memory_order_acquire) ==
		       ROW_ENDED;

	note_program(w, row);
	if (!is_over)
		return CLEAR;
	closing_begin(w, row, entrust_reason(r));
	return GONE;
}

void conn_note_program(struct worker *w, uint32_t row)
{
	turn_begin(w, row);
	if (turn_program(w, row) != GONE)
		turn_end(w, row);
}

void conn_end(struct worker *w, uint32_t row, enum close_reason reason)
{
	turn_begin(w, row);
	if (w->conns[row].is_program)
		note_program(w, row);
	closing_begin(w, row, reason);
}

/* What the kernel has for us, and we have not seen, is under way, too. */
static bool is_idle(struct worker *w, uint32_t row)
{
	struct ledger_row *r = &w->rows[row];
	struct record record = record_load(r);
	int queued = 0;

	return ledger_get(r->state) == ROW_READING && !record.in_bytes &&
	       record.produced == ledger_get(r->sent) &&
	       ioctl(w->conns[row].fd, FIONREAD, &queued) == 0 && !queued;
}

void conn_end_idle(struct worker *w, uint32_t row)
{
	if (worker_service(w, row)->closes_idle && is_idle(w, row))
		conn_end(w, row, CLOSE_DRAIN);
}

static enum close_reason reason_of_errno(ssize_t err)
{
	return err == -ENOBUFS || err == -ENOMEM ? CLOSE_ERROR : CLOSE_RESET;
}

/* ---- output ---- */

/* Keeps the last @pending bytes of the output, which lie in the scratch. */
static bool stash_output(struct worker *w, uint32_t row, uint64_t pending)
{
	struct record record = record_load(&w->rows[row]);
	uint32_t from =
		record.out_offset + record.out_bytes - (uint32_t)pending;
	uint32_t to = vault_alloc(w->vault, pending);

	if (to == VAULT_NONE)
		return false;
	memcpy(vault_at(w->vault, to), vault_at(w->vault, from), pending);
	CRASH_POINT(OUTPUT_STASHED);
	record.out_offset = to;
	record.out_bytes = (uint32_t)pending;
	record_move(w, row, &record);
	CRASH_POINT(OUTPUT_MOVED);
	return true;
}

static enum progress wait_writable(struct worker *w, uint32_t row)
{
	set_state(w, row, ROW_WRITING);
	watch(w, row, EPOLLOUT);
	return BLOCKED;
}

/* Gives the kernel what it takes of the output that waits. */
static enum progress send_pending(struct worker *w, uint32_t row)
{
	struct ledger_row *r = &w->rows[row];
	const struct ledger_record *record = row_record(r);
	uint64_t sent = ledger_get(r->sent);
	uint64_t pending = ledger_get(record->produced) - sent;
	uint32_t out_offset, out_bytes;
	bool is_buffer;
	ssize_t n;

	if (!pending)
		return CLEAR;
	out_offset = ledger_get(record->out_offset);
	out_bytes = ledger_get(record->out_bytes);
	is_buffer = vault_is_buffer(w->vault, out_offset, out_bytes);
	n = transport_send(w, row,
			   vault_at(w->vault,
				    out_offset + out_bytes - (uint32_t)pending),
			   pending);
	CRASH_POINT(SENT);
	if (n < 0 && n != -EAGAIN && n != -EINTR) {
		closing_begin(w, row, reason_of_errno(n));
		return GONE;
	}
	if (n > 0) {
		ledger_set(r->sent, sent + (uint64_t)n);
		ledger_set(r->active_mono_ns, w->now_ns);
		CRASH_POINT(SENT_NOTED);
		pending -= (uint64_t)n;
	}
	if (!pending && is_buffer) {
		vault_free(w->vault, out_offset, out_bytes);
		CRASH_POINT(OUTPUT_DONE);
	}
	if (!pending)
		return CLEAR;
	if (!is_buffer && !stash_output(w, row, pending)) {
		closing_begin(w, row, CLOSE_LIMIT);
		return GONE;
	}
	return wait_writable(w, row);
}

/* All is said: our FIN, and then the peer's, unless that is in already. */
static enum progress finish(struct worker *w, uint32_t row, uint32_t flags)
{
	if (flags & RECORD_EOF) {
		closing_begin(w, row, CLOSE_EOF);
		return GONE;
	}
	/* not close(): input that is unread, or still to come, would make
	   the kernel reset the connection, and lose the end of our answer */
	(void)shutdown(w->conns[row].fd, SHUT_WR); /* dead: recv will say so */
	set_state(w, row, ROW_LINGERING);
	CRASH_POINT(FIN_SENT);
	set_deadline(w, row);
	watch(w, row, EPOLLIN);
	return CLEAR;
}

/* ---- input ---- */

static uint32_t flags_of(enum verdict verdict, const struct turn *turn,
			 uint32_t old_flags)
{
	uint32_t flags = old_flags & ~(uint32_t)RECORD_AGAIN;

	flags |= RECORD_OPENED;
	if (turn->is_eof)
		flags |= RECORD_EOF;
	if (verdict == VERDICT_AGAIN)
		flags |= RECORD_AGAIN;
	/* nothing more can come, so a service that waits for it is done */
	else if (verdict == VERDICT_CLOSE || turn->is_eof)
		flags |= RECORD_CLOSE;
	return flags;
}

typedef enum verdict handler_fn(struct turn *turn);

/*
 * In place, the output is the input as it lies in the scratch. Input that lies
 * in a buffer will be given back, so its echo is copied.
 */
static void place_output(struct worker *w, struct turn *turn, uint32_t in_at,
			 struct record *record)
{
	record->out_offset = w->vault->scratch_out;
	record->out_bytes = (uint32_t)turn->out_bytes;
	record->produced += turn->out_bytes;
	if (!turn->is_in_place)
		return;
	if (in_at == w->vault->scratch_in)
		record->out_offset = in_at;
	else
		memcpy(turn->out, turn->in, turn->out_bytes);
}

/* A service that goes on with its input in the same way needs no ready. */
static handler_fn *ready_of(const struct service *service)
{
	return service->ready ? service->ready : service->input;
}

/* Makes what the handler has said the connection's new record. */
static bool commit_turn(struct worker *w, uint32_t row,
			const struct record *old, struct turn *turn,
			uint32_t in_at, enum verdict verdict)
{
	struct record now = *old;
	uint32_t left = (uint32_t)(turn->in_bytes - turn->consumed);

	now.consumed += turn->consumed;
	now.messages += turn->consumed > 0;
	now.flags = flags_of(verdict, turn, old->flags);
	place_output(w, turn, in_at, &now);
	if (!input_stash(w, row, in_at + (uint32_t)turn->consumed, left, &now))
		return false;
	record_commit(w, row, &now);
	input_give_back(w, row, old, &now, (uint32_t)turn->in_bytes);
	return true;
}

/*
 * Lets the service look at the input, of which @fresh bytes are new, and
 * commits what it says. GONE if that ended the connection.
 */
static enum progress handle(struct worker *w, uint32_t row, handler_fn *handler,
			    size_t fresh, bool is_eof)
{
	const struct service *service = worker_service(w, row);
	struct record old = record_load(&w->rows[row]);
	uint32_t in_at = old.in_bytes ? old.in_offset : w->vault->scratch_in;
	uint8_t *copy = record_spare_state(w, row);
	struct turn turn = {
		.in = vault_at(w->vault, in_at),
		.in_bytes = old.in_bytes + fresh,
		.is_eof = is_eof || old.flags & RECORD_EOF,
		.state = copy,
		.settings = worker_listen(w, w->conns[row].listener)->settings,
		.produced = old.produced,
		.out = vault_at(w->vault, w->vault->scratch_out),
		.out_room = VAULT_SCRATCH_OUT_BYTES,
		.counts = (void *)(copy + service_counts_at(service)),
		.n_counts = service->n_counters,
	};
	enum verdict verdict;

	tally_step(w, STEP_HANDLER);
	verdict = handler(&turn);
	assert(turn.consumed <= turn.in_bytes);
	assert(!turn.is_in_place || turn.out_bytes <= turn.in_bytes);
	tally_step(w, STEP_SEND);
	CRASH_POINT(HANDLED);
	w->n_turns++;
	if (verdict == VERDICT_RESET) {
		closing_begin(w, row, CLOSE_PROTOCOL);
		return GONE;
	}
	if (!commit_turn(w, row, &old, &turn, in_at, verdict)) {
		closing_begin(w, row, CLOSE_LIMIT);
		return GONE;
	}
	return CLEAR;
}

/*
 * Sends what there is, and lets a service that wants it make more, until the
 * kernel takes no more, all is said, or others must have their turn.
 */
static enum progress flush(struct worker *w, uint32_t row)
{
	enum progress progress;
	uint32_t flags;

	for (int round = 0;; round++) {
		progress = send_pending(w, row);
		if (progress != CLEAR)
			return progress;
		flags = ledger_get(row_record(&w->rows[row])->flags);
		if (flags & RECORD_CLOSE)
			return finish(w, row, flags);
		if (!(flags & RECORD_AGAIN))
			break;
		if (round == ROUNDS_MAX)
			return wait_writable(w, row);
		progress = handle(w, row, ready_of(worker_service(w, row)), 0,
				  false);
		if (progress == GONE)
			return GONE;
	}
	set_state(w, row, ROW_READING);
	watch(w, row, EPOLLIN);
	return CLEAR;
}

static enum progress serve(struct worker *w, uint32_t row, size_t fresh,
			   bool is_eof)
{
	const struct service *service = worker_service(w, row);

	if (handle(w, row, service->input, fresh, is_eof) == GONE)
		return GONE;
	return flush(w, row);
}

/* ---- turns, by what the connection is doing ---- */

/* The common turn: flattened, for it is where the time goes. */
__attribute__((flatten)) static enum progress turn_reading(struct worker *w,
							   uint32_t row)
{
	struct record record = record_load(&w->rows[row]);
	struct input_room room;
	ssize_t n;

	if (!input_find_room(w, row, &record, &room)) {
		closing_begin(w, row, CLOSE_LIMIT);
		return GONE;
	}
	n = transport_receive(w, row, vault_at(w->vault, room.offset),
			      room.bytes);
	CRASH_POINT(RECEIVED);
	if (n == -EAGAIN || n == -EINTR)
		return CLEAR;
	if (n < 0) {
		closing_begin(w, row, reason_of_errno(n));
		return GONE;
	}
	ledger_set(w->rows[row].active_mono_ns, w->now_ns);
	return serve(w, row, (size_t)n, n == 0);
}

static enum progress turn_writing(struct worker *w, uint32_t row)
{
	return flush(w, row);
}

/* What comes after our FIN is not for the service; we wait for the end. */
static enum progress turn_lingering(struct worker *w, uint32_t row)
{
	ssize_t n = transport_receive(w, row,
				      vault_at(w->vault, w->vault->scratch_in),
				      VAULT_SCRATCH_IN_BYTES);

	if (n > 0 || n == -EAGAIN || n == -EINTR)
		return CLEAR;
	closing_begin(w, row, n == 0 ? CLOSE_EOF : CLOSE_RESET);
	return GONE;
}

typedef enum progress turn_fn(struct worker *w, uint32_t row);

static turn_fn *const turns[ROW_STATES] = {
	[ROW_READING] = turn_reading,
	[ROW_WRITING] = turn_writing,
	[ROW_LINGERING] = turn_lingering,
};

void conn_event(struct worker *w, uint32_t row, uint32_t serial)
{
	turn_fn *turn;

	if (w->conns[row].serial != serial)
		return; /* of a connection that an earlier event ended */
	turn = turns[ledger_get(w->rows[row].state)];
	turn_begin(w, row);
	if (turn(w, row) != GONE)
		turn_end(w, row);
}

/* ---- starting and resuming ---- */

static uint32_t events_of(enum row_state state)
{
	return state == ROW_WRITING ? EPOLLOUT : EPOLLIN;
}

static bool wants_open(struct worker *w, uint32_t row)
{
	return worker_service(w, row)->open &&
	       !(ledger_get(row_record(&w->rows[row])->flags) & RECORD_OPENED);
}

bool conn_watch(struct worker *w, uint32_t row)
{
	struct conn *c = &w->conns[row];
	uint32_t events = events_of(ledger_get(w->rows[row].state));
	struct epoll_event ev = {
		.events = events,
		.data.u64 = watch_data(WATCH_CONN, row, c->serial),
	};

	/* a program's: what comes is not for us; and while it has the socket
	   open too, a close would not take it out of the set */
	if (!c->is_program &&
	    epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		return false;
	c->events = events;
	CRASH_POINT(WATCHED);
	set_deadline(w, row);
	return true;
}

void conn_greet(struct worker *w, uint32_t row)
{
	if (!wants_open(w, row))
		return;
	turn_begin(w, row);
	if (handle(w, row, worker_service(w, row)->open, 0, false) != GONE &&
	    flush(w, row) != GONE)
		turn_end(w, row);
}

void conn_start(struct worker *w, uint32_t row)
{
	if (!conn_watch(w, row))
		conn_end(w, row, CLOSE_ERROR); /* no memory to watch it */
	else if (w->conns[row].is_program)
		entrust_start(w, row);
	else
		conn_greet(w, row);
}

void conn_take_pages(struct worker *w, uint32_t row)
{
	struct ledger_row *r = &w->rows[row];
	struct record record = record_load(r);

	vault_take_pages(w->vault, record.in_offset, record.in_bytes);
	if (record.produced != ledger_get(r->sent))
		vault_take_pages(w->vault, record.out_offset, record.out_bytes);
}

/* Fresh input behind kept input lies in pages that no record tells of yet. */
static void take_fresh(struct worker *w, uint32_t row,
		       const struct record *record, uint32_t fresh)
{
	if (!record->in_bytes)
		return;
	w->conns[row].in_room = record->in_bytes + fresh;
	vault_take_pages(w->vault, record->in_offset, record->in_bytes + fresh);
}

/*
 * Which step was reached follows from the record and the two positions: input
 * that the kernel gave and the record does not know is handled now; output
 * that the record knows and the kernel has not got is sent now.
 */
static enum progress go_on(struct worker *w, uint32_t row)
{
	struct ledger_row *r = &w->rows[row];
	struct record record = record_load(r);
	struct position position;
	uint64_t known = record.consumed + record.in_bytes;
	int err = transport_position(w, row, &position);
	uint32_t fresh;

	if (err) {
		closing_begin(w, row,
			      err == -ENOTCONN ? CLOSE_RESET : CLOSE_ERROR);
		return GONE;
	}
	/* our FIN counts as a byte once it is sent, and is none */
	ledger_set(r->sent, min_u64(position.given, record.produced));
	if (position.received > known) {
		fresh = (uint32_t)(position.received - known);
		take_fresh(w, row, &record, fresh);
		return serve(w, row, fresh, false);
	}
	if (wants_open(w, row)) {
		if (handle(w, row, worker_service(w, row)->open, 0, false) ==
		    GONE)
			return GONE;
	}
	return flush(w, row);
}

void conn_resume_turn(struct worker *w, uint32_t row, int suspect)
{
	enum row_state state = ledger_get(w->rows[row].state);

	if (state == ROW_CLOSING) {
		closing_go_on(w, row);
		return;
	}
	if (w->conns[row].is_program && w->conns[row].fd >= 0) {
		if (turn_program(w, row) != GONE) /* no handler to suspect */
			turn_end(w, row);
		return;
	}
	if (suspect >= 0) {
		closing_begin(w, row, (enum close_reason)suspect);
		return;
	}
	if (state == ROW_LINGERING || go_on(w, row) != GONE)
		turn_end(w, row);
}
