/* SPDX-License-Identifier: ISC */
/*
 * stream.c - requests on TCP and unix connections
 *
 * A request is so many bytes of the pattern, and the stream has no frames:
 * request k is answered when as many bytes have come back as were to be sent
 * up to its end. Sending and receiving are independent, as each is ready; a
 * server that stops reading until we read is never waited for.
 *
 * Lasting connections (stream_carrier) are all made first, and each is ended
 * in order: our FIN after the last answer, and the server's FIN after that.
 * Churn (churn_carrier) makes one for every request.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/guichet/load.h"
#include "common/clock.h"

/*
 * So many connections are made at once, and then the server gets time to
 * accept them: 20,000 a second do not fill its queue.
 */
#define CONNECTS_AT_ONCE  64
#define CONNECTS_PAUSE_NS (3 * NS_PER_MS)

enum stream_state {
	STREAM_CLOSED,
	STREAM_CONNECTING,
	STREAM_OPEN,
	STREAM_HALF_CLOSED, /* our FIN is out */
};

struct request {
	uint64_t end; /* of its bytes, in the whole stream */
	uint64_t due_ns;
	uint64_t issued_ns;
};

struct stream {
	int fd;
	enum stream_state state;
	uint32_t index;
	bool is_blocked; /* the kernel took less than it was given */
	uint32_t head;   /* the oldest of the requests in flight */
	uint32_t n_in_flight;
	uint64_t n_taken;
	uint64_t since_ns; /* connecting, or half-closed */
	uint64_t issued;   /* bytes that requests so far have */
	uint64_t sent;     /* of those, what the kernel took */
	uint64_t received;
	size_t send_at; /* in the pattern */
	size_t receive_at;
	uint64_t random;
	struct request *requests; /* a ring of the plan's pipeline */
};

struct streams {
	struct stream *all;
	struct request *requests;
	uint32_t *idle; /* churn: a stack of those with no connection */
	uint64_t n_idle;
};

static struct stream *stream_at(const struct load *load, uint32_t index)
{
	const struct streams *streams = load->lines;

	return &streams->all[index];
}

/* --- ends ------------------------------------------------------------------ */

static void become_idle(struct load *load, const struct stream *s)
{
	struct streams *streams = load->lines;

	if (load->plan->is_churn)
		streams->idle[streams->n_idle++] = s->index;
	else
		load->n_open--;
}

static void stream_close(struct load *load, struct stream *s)
{
	if (s->state == STREAM_CONNECTING)
		load->n_connecting--;
	load->n_in_flight -= s->n_in_flight;
	(void)close(s->fd); /* all that matters is known by now */
	s->fd = -1;
	s->n_in_flight = 0;
	s->state = STREAM_CLOSED;
	become_idle(load, s);
}

/* Its tally was told why; what is outstanding is lost. */
static void stream_abandon(struct load *load, struct stream *s)
{
	load->tally.n_lost_requests += s->n_in_flight;
	load->tally.n_lost_bytes += s->sent - s->received;
	stream_close(load, s);
}

static void stream_fail(struct load *load, struct stream *s, enum failure kind)
{
	tally_failure(&load->tally, kind);
	stream_abandon(load, s);
}

static void stream_fail_errno(struct load *load, struct stream *s, int err)
{
	tally_errno(&load->tally, err);
	stream_abandon(load, s);
}

/* --- sending --------------------------------------------------------------- */

/*
 * Edge-triggered, which saves epoll(7) a second look at each connection, 3 % of
 * all. EPOLLOUT is asked for only while the kernel has no room.
 */
static uint32_t wanted_events(const struct stream *s)
{
	if (s->is_blocked)
		return EPOLLIN | EPOLLRDHUP | EPOLLOUT;
	return EPOLLIN | EPOLLRDHUP | EPOLLET;
}

static void stream_update_watch(struct load *load, struct stream *s)
{
	bool is_blocked = s->sent < s->issued;
	int err;

	if (is_blocked == s->is_blocked)
		return;
	s->is_blocked = is_blocked;
	err = load_watch(load, EPOLL_CTL_MOD, s->fd, s->index,
			 wanted_events(s));
	if (err)
		stream_fail_errno(load, s, -err);
}

/* One send(2): 0, or errno; EAGAIN when there is no room for more. */
static int send_piece(struct load *load, struct stream *s)
{
	size_t bytes = min_u64(s->issued - s->sent, PATTERN_PIECE_BYTES);
	ssize_t n = send(s->fd, load->pattern.bytes + s->send_at, bytes,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno;
	s->sent += (size_t)n;
	s->send_at = pattern_advance(s->send_at, (size_t)n);
	load->tally.bytes_sent += (size_t)n;
	return (size_t)n < bytes ? EAGAIN : 0;
}

/* Gives the kernel what it takes: 0 or errno. */
static int stream_push(struct load *load, struct stream *s)
{
	int err = 0;

	while (s->sent < s->issued && !err)
		err = send_piece(load, s);
	return err == EAGAIN || err == EINTR ? 0 : err;
}

static void stream_send(struct load *load, struct stream *s)
{
	int err = stream_push(load, s);

	if (err)
		stream_fail_errno(load, s, err);
	else
		stream_update_watch(load, s);
}

static void stream_issue(struct load *load, struct stream *s, uint64_t due_ns,
			 uint64_t now_ns)
{
	uint64_t n = load->plan->pipeline;
	uint64_t at = s->head + s->n_in_flight;

	s->issued += load_choose_bytes(load, &s->random);
	s->requests[at < n ? at : at - n] = (struct request){
		.end = s->issued,
		.due_ns = due_ns,
		.issued_ns = now_ns,
	};
	s->n_taken++;
	s->n_in_flight++;
	load->n_in_flight++;
}

/* Issues all that is due and fits, and sends it together. */
static void stream_offer(struct load *load, struct stream *s, uint64_t now_ns)
{
	uint64_t due_ns;

	while (s->n_in_flight < load->plan->pipeline &&
	       schedule_take_share(&load->schedule, s->index, s->n_taken,
				   now_ns, &due_ns))
		stream_issue(load, s, due_ns, now_ns);
	if (s->sent < s->issued && !s->is_blocked)
		stream_send(load, s);
}

/* --- receiving ------------------------------------------------------------- */

/* Counts the requests that the answer is now complete of. */
static void stream_settle(struct load *load, struct stream *s, uint64_t now_ns)
{
	load->answered_ns = now_ns;
	while (s->n_in_flight && s->requests[s->head].end <= s->received) {
		tally_answer(&load->tally,
			     now_ns - s->requests[s->head].due_ns);
		if (++s->head == load->plan->pipeline)
			s->head = 0;
		s->n_in_flight--;
		load->n_in_flight--;
	}
}

static bool is_right(const struct load *load, const struct stream *s, size_t n)
{
	const unsigned char *expected = load->pattern.bytes + s->receive_at;

	if (n > s->sent - s->received)
		return false; /* more than was sent */
	if (load->plan->is_unchecked || !memcmp(load->scratch, expected, n))
		return true;
	pattern_explain(&load->pattern, s->index, s->received, s->receive_at,
			load->scratch, n);
	return false;
}

static void stream_answered(struct load *load, struct stream *s, size_t n)
{
	uint64_t now_ns = clock_mono_ns();

	load->tally.bytes_received += n;
	if (!is_right(load, s, n)) {
		stream_fail(load, s, FAILURE_WRONG);
		return;
	}
	s->received += n;
	s->receive_at = pattern_advance(s->receive_at, n);
	stream_settle(load, s, now_ns);
	if (!load->plan->is_churn)
		stream_offer(load, s, now_ns);
	else if (!s->n_in_flight)
		stream_close(load, s);
}

/* One recv(2): true when there may be more to read. */
static bool receive_piece(struct load *load, struct stream *s, bool has_ended)
{
	ssize_t n =
		recv(s->fd, load->scratch, PATTERN_PIECE_BYTES, MSG_DONTWAIT);

	if (n > 0)
		stream_answered(load, s, (size_t)n);
	else if (!n && s->state == STREAM_HALF_CLOSED)
		stream_close(load, s); /* as it should be */
	else if (!n)
		stream_fail(load, s, FAILURE_EOF);
	else if (errno != EAGAIN && errno != EINTR)
		stream_fail_errno(load, s, errno);
	return s->fd >= 0 && n > 0 &&
	       (has_ended || (size_t)n == PATTERN_PIECE_BYTES);
}

/*
 * We hear of each arrival once, so all must be read. A piece that is not full
 * was the last; what comes after it is another arrival. Only the end of the
 * stream may have come together with the bytes before it.
 */
static void stream_receive(struct load *load, struct stream *s, bool has_ended)
{
	while (receive_piece(load, s, has_ended))
		continue;
}

/* --- connecting ------------------------------------------------------------ */

static void stream_connected(struct load *load, struct stream *s)
{
	s->state = STREAM_OPEN;
	load->tally.n_connects++;
	if (load->plan->dial.is_verbose)
		dial_print(s->fd, &load->source.peer);
}

/* A connection that was under way has come about, or has failed. */
static void stream_settle_connect(struct load *load, struct stream *s)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err) {
		stream_fail_errno(load, s, err);
		return;
	}
	load->n_connecting--;
	stream_connected(load, s);
	err = stream_push(load, s); /* churn has a request waiting */
	s->is_blocked = true;       /* as connecting was watched */
	if (err)
		stream_fail_errno(load, s, err);
	else
		stream_update_watch(load, s);
}

/* Where this connection begins in the pattern, and that nothing has flown. */
static void stream_reset(struct load *load, struct stream *s, uint64_t now_ns)
{
	s->is_blocked = false;
	s->head = 0;
	s->n_in_flight = 0;
	s->issued = s->sent = s->received = 0;
	s->send_at = s->receive_at =
		pattern_start(load->source.n_dialled + s->index);
	s->since_ns = now_ns;
}

/* Dials; -errno when that fails at once. */
static int stream_dial(struct load *load, struct stream *s, uint64_t now_ns)
{
	bool is_connected;

	stream_reset(load, s, now_ns);
	s->fd = source_dial(&load->source, &is_connected);
	if (s->fd < 0)
		return s->fd;
	if (is_connected) {
		stream_connected(load, s);
	} else {
		s->state = STREAM_CONNECTING;
		load->n_connecting++;
	}
	return 0;
}

/* The first time that epoll hears of a new connection. */
static void stream_watch_new(struct load *load, struct stream *s)
{
	int err;

	s->is_blocked = s->state == STREAM_CONNECTING || s->sent < s->issued;
	err = load_watch(load, EPOLL_CTL_ADD, s->fd, s->index,
			 wanted_events(s));
	if (err)
		stream_fail_errno(load, s, -err);
}

/* --- the carriers ---------------------------------------------------------- */

static void streams_on_event(struct load *load, uint32_t index, uint32_t events)
{
	struct stream *s = stream_at(load, index);

	if (s->state == STREAM_CONNECTING) {
		stream_settle_connect(load, s);
		return;
	}
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		stream_receive(load, s, events & EPOLLRDHUP);
	if (events & EPOLLOUT && s->is_blocked && s->state == STREAM_OPEN)
		stream_send(load, s);
}

static void streams_offer(struct load *load, uint32_t index, uint64_t now_ns)
{
	struct stream *s = stream_at(load, index);

	if (s->state == STREAM_OPEN)
		stream_offer(load, s, now_ns);
}

static uint64_t stream_waits_since(const struct stream *s)
{
	switch (s->state) {
	case STREAM_CONNECTING:
	case STREAM_HALF_CLOSED:
		return s->since_ns;
	case STREAM_OPEN:
		if (s->n_in_flight)
			return s->requests[s->head].issued_ns;
		break;
	case STREAM_CLOSED:
		break;
	}
	return UINT64_MAX;
}

static void streams_sweep(struct load *load, uint64_t now_ns)
{
	uint64_t wait_ns = load->plan->dial.wait_ns;

	for (uint64_t i = 0; i < load->plan->n_connections; i++) {
		struct stream *s = stream_at(load, (uint32_t)i);
		uint64_t since_ns = stream_waits_since(s);

		if (since_ns < now_ns && now_ns - since_ns > wait_ns)
			stream_fail(load, s, FAILURE_TIMEOUT);
	}
}

static void streams_close(struct load *load)
{
	struct streams *streams = load->lines;
	uint64_t n = streams->all ? load->plan->n_connections : 0;

	for (uint64_t i = 0; i < n; i++)
		if (streams->all[i].fd >= 0)
			(void)close(streams->all[i].fd); /* was given up */
	free(streams->idle);
	free(streams->requests);
	free(streams->all);
	free(streams);
	load->lines = NULL;
}

/* All of them closed. False without memory. */
static bool streams_allocate(struct load *load)
{
	const struct bench_plan *plan = load->plan;
	struct streams *streams = calloc(1, sizeof(*streams));

	load->lines = streams;
	if (!streams)
		return false;
	streams->all = calloc(plan->n_connections, sizeof(*streams->all));
	streams->requests = calloc(plan->n_connections * plan->pipeline,
				   sizeof(*streams->requests));
	streams->idle = calloc(plan->n_connections, sizeof(*streams->idle));
	for (uint64_t i = 0; streams->all && i < plan->n_connections; i++)
		streams->all[i] = (struct stream){
			.fd = -1,
			.index = (uint32_t)i,
			.random = load_seed((uint32_t)i),
			.requests = streams->requests + i * plan->pipeline,
		};
	return streams->all && streams->requests && streams->idle;
}

/* --- lasting connections --------------------------------------------------- */

static void stream_open(struct load *load, struct stream *s)
{
	int err = stream_dial(load, s, clock_mono_ns());

	if (err) {
		tally_errno(&load->tally, -err);
		return;
	}
	load->n_open++;
	stream_watch_new(load, s);
}

static bool streams_open(struct load *load)
{
	if (!streams_allocate(load))
		return false;
	for (uint64_t i = 0; i < load->plan->n_connections; i++) {
		stream_open(load, stream_at(load, (uint32_t)i));
		while (load->n_connecting >= CONNECTS_AT_ONCE)
			load_turn(load, UINT64_MAX);
		if (i % CONNECTS_AT_ONCE == CONNECTS_AT_ONCE - 1)
			load_turn(load, clock_mono_ns() + CONNECTS_PAUSE_NS);
	}
	while (load->n_connecting)
		load_turn(load, UINT64_MAX);
	return true;
}

static void streams_finish(struct load *load)
{
	uint64_t now_ns = clock_mono_ns();

	for (uint64_t i = 0; i < load->plan->n_connections; i++) {
		struct stream *s = stream_at(load, (uint32_t)i);

		if (s->state != STREAM_OPEN)
			continue;
		s->state = STREAM_HALF_CLOSED;
		s->since_ns = now_ns;
		/* of a connection that has failed, recv tells why */
		(void)shutdown(s->fd, SHUT_WR);
	}
}

const struct carrier stream_carrier = {
	.open = streams_open,
	.on_event = streams_on_event,
	.offer = streams_offer,
	.sweep = streams_sweep,
	.finish = streams_finish,
	.close = streams_close,
};

/* --- a connection for every request ---------------------------------------- */

/* The request that was due at @due_ns, on a connection of its own. */
static void churn_start(struct load *load, struct stream *s, uint64_t due_ns,
			uint64_t now_ns)
{
	int err = stream_dial(load, s, now_ns);

	if (err) {
		tally_errno(&load->tally, -err);
		become_idle(load, s);
		return;
	}
	stream_issue(load, s, due_ns, now_ns);
	if (s->state == STREAM_OPEN)
		err = stream_push(load, s);
	if (err)
		stream_fail_errno(load, s, err);
	else
		stream_watch_new(load, s);
}

/*
 * Each that is idle now gets one chance, so that dialling in vain never keeps
 * us from the events of the others.
 */
static bool churn_after_turn(struct load *load, uint64_t now_ns)
{
	struct streams *streams = load->lines;
	uint64_t due_ns;

	for (uint64_t n = streams->n_idle; n > 0; n--) {
		if (!schedule_take_next(&load->schedule, now_ns, &due_ns))
			return false;
		churn_start(load,
			    stream_at(load, streams->idle[--streams->n_idle]),
			    due_ns, clock_mono_ns());
	}
	return streams->n_idle > 0;
}

/* What is due goes to whoever is idle: after the turn. */
static void churn_offer(struct load *load, uint32_t index, uint64_t now_ns)
{
	(void)load;
	(void)index;
	(void)now_ns;
}

static bool churn_open(struct load *load)
{
	if (!streams_allocate(load))
		return false;
	load->n_open = load->plan->n_connections;
	for (uint64_t i = load->n_open; i > 0; i--)
		become_idle(load, stream_at(load, (uint32_t)(i - 1)));
	return true;
}

static void churn_finish(struct load *load)
{
	load->n_open = 0; /* each has closed its own */
}

const struct carrier churn_carrier = {
	.open = churn_open,
	.on_event = streams_on_event,
	.offer = churn_offer,
	.after_turn = churn_after_turn,
	.sweep = streams_sweep,
	.finish = churn_finish,
	.close = streams_close,
};
