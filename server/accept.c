/* SPDX-License-Identifier: ISC */
/*
 * accept.c - connections from the shared listening sockets
 *
 * All workers wait on the same sockets, with EPOLLEXCLUSIVE, so that one
 * connection wakes one of them. Linux tends to wake the first waiter over and
 * over: a worker that holds more than its share, as the ledger shows, takes
 * itself out of the queue of waiters and stands in line again at its end.
 *
 * One that is full stands aside, so that others get what comes, or those that
 * the load brings (scaling.h); but when none has room, and there are as many
 * workers as may be, those that are full last refuse. With one connection a
 * worker nobody does: clients wait in the kernel's queue until one is free.
 */
#include "server/accept.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "server/conn.h"
#include "server/crash.h"
#include "server/entrust.h"
#include "server/fds.h"
#include "server/tally.h"

/* How many more than the least loaded worker is more than one's share. */
#define BALANCE_SLACK 4U

/*
 * Who refuses looks soon whether another has room again; until then it may be
 * woken in that one's place, who therefore looks after that.
 */
#define STEP_IN_NS (ACCEPT_LOOK_NS + 25 * NS_PER_MS)

/* An accept that failed for want of something is not tried again at once. */
#define REST_NS (100 * NS_PER_MS)

static enum transport transport_of(const struct worker *w, uint32_t listener)
{
	return w->listeners[listener - 1].addr.transport;
}

static int watch_listener(struct worker *w, uint32_t listener)
{
	bool is_udp = transport_of(w, listener) == TRANSPORT_UDP;
	enum watch_kind kind = is_udp ? WATCH_DATAGRAM : WATCH_LISTENER;
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLEXCLUSIVE,
		.data.u64 = watch_data(kind, listener, 0),
	};

	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->listeners[listener - 1].fd,
		      &ev) < 0)
		return -errno;
	return 0;
}

static void unwatch_listener(struct worker *w, uint32_t listener)
{
	/* it may rest, and be out of the set already */
	(void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL,
			w->listeners[listener - 1].fd, NULL);
}

/* An entry may be unused, or have connections and no socket any more. */
static bool is_ours(const struct worker *w, uint32_t listener)
{
	return listener_accepts(&w->listeners[listener - 1]) &&
	       !entrust_is_socket(w, listener);
}

static bool is_stream(const struct worker *w, uint32_t listener)
{
	return is_ours(w, listener) &&
	       transport_of(w, listener) != TRANSPORT_UDP;
}

/* The connection waits in the queue meanwhile; nothing is lost, nobody spins */
static void begin_rest(struct worker *w, uint32_t listener)
{
	uint64_t until_ns = w->now_ns + REST_NS;

	w->rests[listener].until_ns = until_ns;
	w->next_tick_ns = min_u64(w->next_tick_ns, until_ns);
	w->n_resting++;
}

/* ---- a full worker ---- */

static bool is_full(const struct worker *w)
{
	return w->n_rows - w->n_free >= w->n_max;
}

static bool have_others_room(const struct worker *w)
{
	const struct ledger_view *view = &w->post->view;
	unsigned n_slots = ledger_view_n_used(view), n_serving = 0;

	for (unsigned s = 0; s < n_slots; s++) {
		const struct ledger_head *head = ledger_view_head(view, s);

		if (ledger_get(head->state) != WORKER_SERVING)
			continue;
		n_serving++;
		if (s != w->post->slot && ledger_get(head->n_open) < w->n_max)
			return true;
	}
	return n_serving < w->post->config->workers_max;
}

/* Whether what comes is for others: those who have room, or will have. */
static bool leaves_it(const struct worker *w)
{
	return is_full(w) && (w->n_max == 1 || have_others_room(w));
}

bool accept_refuses(const struct worker *w)
{
	return is_full(w) && !w->is_aside;
}

static void stand_aside(struct worker *w)
{
	if (w->is_aside)
		return;
	w->is_aside = true;
	for (uint32_t l = 1; l <= w->post->n_listeners; l++) {
		if (!is_stream(w, l))
			continue;
		unwatch_listener(w, l);
		w->rests[l].until_ns = 0;
	}
	w->n_resting = 0;
}

/* What waits already wakes it: to begin to watch is to look. */
static void step_in(struct worker *w)
{
	w->is_aside = false;
	for (uint32_t l = 1; l <= w->post->n_listeners; l++)
		if (is_stream(w, l) && watch_listener(w, l) < 0)
			begin_rest(w, l);
	w->next_tick_ns = min_u64(w->next_tick_ns, w->now_ns + STEP_IN_NS);
}

void accept_look(struct worker *w)
{
	if (!is_full(w))
		step_in(w);
}

int accept_watch(struct worker *w)
{
	int err = 0;

	w->is_aside = leaves_it(w);
	for (uint32_t l = 1; !err && l <= w->post->n_listeners; l++)
		if (is_ours(w, l) && !(w->is_aside && is_stream(w, l)))
			err = watch_listener(w, l);
	return err;
}

/* ---- balance ---- */

static uint32_t least_open(const struct worker *w)
{
	const struct ledger_view *view = &w->post->view;
	unsigned n_slots = ledger_view_n_used(view);
	uint32_t least = UINT32_MAX;

	for (unsigned s = 0; s < n_slots; s++) {
		const struct ledger_head *head = ledger_view_head(view, s);

		if (ledger_get(head->state) == WORKER_SERVING)
			least = (uint32_t)min_u64(least,
						  ledger_get(head->n_open));
	}
	return least;
}

static void balance(struct worker *w, uint32_t listener)
{
	uint32_t least = least_open(w);

	if (least == UINT32_MAX ||
	    ledger_get(w->head->n_open) <= least + BALANCE_SLACK)
		return;
	unwatch_listener(w, listener);
	if (watch_listener(w, listener) < 0)
		begin_rest(w, listener);
}

/* ---- one accept ---- */

static void refuse(struct worker *w, uint32_t listener, int fd)
{
	tally_accept_refused(w, listener);
	fds_close_abortive(fd);
	CRASH_POINT(REFUSE_CLOSED);
}

/* Gives @fd its row; returns it, or -1 when the ledger is full. */
static int64_t take(struct worker *w, uint32_t listener, int fd,
		    const struct sockaddr_storage *peer, socklen_t peer_len)
{
	uint32_t row;

	if (is_full(w) || entrust_is_full(w, listener)) {
		refuse(w, listener, fd);
		return -1;
	}
	row = w->free_rows[w->n_free - 1];
	ledger_set(w->head->accept_row, row + 1);
	CRASH_POINT(ROW_CHOSEN);
	conn_open(w, row, listener, fd, peer, peer_len);
	w->n_free--;
	tally_accept_taken(w, listener);
	return row;
}

static bool is_shortage(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS ||
	       err == ENOMEM;
}

static void rest(struct worker *w, uint32_t listener, int err)
{
	struct rest *rest = &w->rests[listener];
	ledger_count_t *errors =
		tally_counter(w, listener, COUNTER_ACCEPT_ERRORS);

	ledger_add(*errors, 1);
	ledger_add(w->head->n_rests, 1);
	unwatch_listener(w, listener);
	begin_rest(w, listener);
	if (rest->is_logged)
		return;
	rest->is_logged = true;
	log_warning("worker %u: accept on %s: %s; trying again every 100 ms",
		    w->post->slot, worker_listen(w, listener)->name,
		    strerror(err));
}

/*
 * It may have come before the socket was ours, and then has not inherited what
 * we set there: urgent data in the stream (see listener.c), and no delay.
 */
static void settle_given(int fd)
{
	const int on = 1;

	/* a unix stream has neither */
	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Takes one connection; returns whether there was one. */
static bool accept_one(struct worker *w, uint32_t listener)
{
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer);
	int64_t row = -1;
	int fd, err;

	tally_accept_begin(w, listener);
	fd = accept4(w->listeners[listener - 1].fd, (struct sockaddr *)&peer,
		     &peer_len, entrust_accept_flags(w, listener));
	err = fd < 0 ? errno : 0;
	CRASH_POINT(ACCEPTED);
	if (!err && w->listeners[listener - 1].is_given)
		settle_given(fd);
	if (!err)
		row = take(w, listener, fd, &peer, peer_len);
	tally_accept_done(w);
	if (is_shortage(err))
		rest(w, listener, err);
	if (err)
		return false;
	w->rests[listener].is_logged = false;
	if (row >= 0)
		conn_start(w, (uint32_t)row);
	return true;
}

/* Among all who wait for connections, now that it has one more. */
static void find_place(struct worker *w, uint32_t listener)
{
	if (!is_full(w))
		balance(w, listener);
	else if (leaves_it(w))
		stand_aside(w);
	else
		w->next_tick_ns =
			min_u64(w->next_tick_ns, w->now_ns + ACCEPT_LOOK_NS);
}

void accept_event(struct worker *w, uint32_t listener)
{
	if (leaves_it(w)) {
		stand_aside(w);
		return;
	}
	if (!accept_one(w, listener)) {
		ledger_add(w->head->empty_wakeups, 1);
		return;
	}
	find_place(w, listener);
}

static void end_rest(struct worker *w, uint32_t listener)
{
	struct rest *rest = &w->rests[listener];

	if (watch_listener(w, listener) < 0) {
		rest->until_ns = w->now_ns + REST_NS;
		return;
	}
	rest->until_ns = 0;
	w->n_resting--;
}

static void try_listener(struct worker *w, uint32_t listener)
{
	const struct rest *rest = &w->rests[listener];

	if (!rest->until_ns)
		(void)accept_one(w, listener);
	else if (rest->until_ns <= w->now_ns)
		end_rest(w, listener);
}

void accept_tick(struct worker *w)
{
	if (w->is_aside && !leaves_it(w))
		step_in(w);
	for (uint32_t l = 1; l <= w->post->n_listeners && !leaves_it(w); l++)
		if (is_stream(w, l))
			try_listener(w, l);
	if (leaves_it(w))
		stand_aside(w);
}

static void take_waiting(struct worker *w, uint32_t listener)
{
	while (!leaves_it(w) && accept_one(w, listener))
		continue;
}

void accept_stop(struct worker *w)
{
	for (uint32_t l = 1; l <= w->post->n_listeners; l++) {
		if (!is_ours(w, l))
			continue;
		/* first, so that nobody is woken here who comes later */
		unwatch_listener(w, l);
		if (is_stream(w, l))
			take_waiting(w, l);
		w->rests[l] = (struct rest){ 0 };
	}
	w->n_resting = 0;
	w->is_aside = false;
}

/* ---- after a death ---- */

static void adopt(struct worker *w, uint32_t listener, int fd)
{
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer);

	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0)
		peer_len = 0; /* it has gone already: the row will show - */
	(void)take(w, listener, fd, &peer, peer_len);
}

void accept_resume(struct worker *w, int fd)
{
	uint32_t listener = ledger_get(w->head->accept_listener);
	uint32_t row = ledger_get(w->head->accept_row);

	if (!listener)
		return;
	if (listener > w->post->n_listeners || row > w->n_rows ||
	    !listener_is_used(&w->listeners[listener - 1])) {
		tally_accept_done(w); /* the journal is broken */
		return;
	}
	if (fd >= 0)
		adopt(w, listener, fd);
	else if (row && ledger_get(w->rows[row - 1].state) != ROW_FREE)
		tally_accept_taken(w, listener);
	tally_accept_done(w);
}
