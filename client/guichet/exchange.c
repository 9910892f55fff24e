/* SPDX-License-Identifier: ISC */
/*
 * exchange.c - an input and an output joined to a connected socket
 *
 * Two buffers, one each way. Each is filled only when it is empty enough and
 * drained only when the other end takes more, and neither ever waits for the
 * other: a peer that stops reading until we read cannot stall us.
 *
 * The socket is non-blocking; the standard descriptors are not, and must not
 * be made so, for others share them. Reading one that poll(2) calls readable
 * does not block. Writing to a pipe may, when it has less room than we write:
 * so it is opened a second time, non-blocking, and where that cannot be, at
 * most PIPE_BUF bytes go out at a time, which always fit.
 */
#include "client/guichet/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base.h"
#include "common/clock.h"
#include "common/units.h"

#define BUFFER_BYTES ((size_t)256 << 10)

/* One read of input is one datagram; below the 65507 that UDP over IPv4 has. */
#define DATAGRAM_BYTES 64000

/* No answer is larger, so one that fits is never cut. */
#define ANSWER_BYTES 65536

/* Filled at the end, drained at the start, and begun anew when empty. */
struct buffer {
	size_t start;
	size_t end;
	char *bytes;
};

enum {
	POLL_IN,
	POLL_SOCKET,
	POLL_OUT,
	POLLS
};

struct sides {
	struct exchange *x;
	struct buffer to_peer;
	struct buffer to_out;
	int out_fd;           /* ours, non-blocking, or x->out_fd */
	bool out_is_socket;   /* send(2) need not wait where write(2) would */
	size_t out_max_bytes; /* of one write */
	bool is_input_over;
	bool is_deaf; /* the peer takes no more */
	bool is_half_closed;
	bool is_peer_over; /* it sends no more */
	uint64_t heard_ns; /* when it last spoke, or when we fell silent */
	struct pollfd polls[POLLS];
};

static bool is_empty(const struct buffer *b)
{
	return b->start == b->end;
}

static size_t room(const struct buffer *b)
{
	return BUFFER_BYTES - b->end;
}

static void drained(struct buffer *b, size_t n)
{
	b->start += n;
	if (is_empty(b))
		b->start = b->end = 0;
}

static bool is_passing(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

/* --- the input ------------------------------------------------------------- */

static bool wants_input(const struct sides *s)
{
	if (s->is_input_over || s->is_deaf || s->is_peer_over)
		return false;
	return s->x->is_datagram ? is_empty(&s->to_peer) : room(&s->to_peer);
}

static void read_input(struct sides *s)
{
	struct buffer *b = &s->to_peer;
	size_t most = s->x->is_datagram ? DATAGRAM_BYTES : room(b);
	ssize_t n = read(s->x->in_fd, b->bytes + b->end, most);

	if (n > 0) {
		b->end += (size_t)n;
		return;
	}
	if (n < 0 && is_passing(errno))
		return;
	if (n < 0)
		s->x->in_err = -errno;
	s->is_input_over = true;
}

/* --- the socket ------------------------------------------------------------ */

static void socket_failed(struct sides *s, int err)
{
	if (!s->x->socket_err)
		s->x->socket_err = -err;
}

/*
 * What the peer will not take is dropped; what it had said before, and why it
 * went, is still to be read.
 */
static void become_deaf(struct sides *s, int err)
{
	socket_failed(s, err);
	s->is_deaf = true;
	s->to_peer.start = s->to_peer.end = 0;
}

static void send_to_peer(struct sides *s)
{
	struct buffer *b = &s->to_peer;
	ssize_t n = send(s->x->socket, b->bytes + b->start, b->end - b->start,
			 MSG_NOSIGNAL);

	if (n < 0) {
		if (!is_passing(errno))
			become_deaf(s, errno);
		return;
	}
	drained(b, (size_t)n);
	s->heard_ns = clock_mono_ns(); /* not silent yet: we were talking */
}

static bool wants_answer(const struct sides *s)
{
	if (s->is_peer_over)
		return false;
	return room(&s->to_out) >= (s->x->is_datagram ? ANSWER_BYTES : 1);
}

static void answered(struct sides *s, size_t n)
{
	struct buffer *b = &s->to_out;
	struct exchange *x = s->x;

	b->end += n;
	x->n_answer_bytes += n;
	x->n_answers++;
	if (n)
		x->last_byte = b->bytes[b->end - 1];
	s->heard_ns = clock_mono_ns();
	if (x->is_datagram && x->n_answers == x->max_answers)
		s->is_peer_over = true;
}

static void receive_answer(struct sides *s)
{
	struct buffer *b = &s->to_out;
	ssize_t n = recv(s->x->socket, b->bytes + b->end, room(b), 0);

	if (n > 0 || (!n && s->x->is_datagram)) {
		answered(s, (size_t)n);
		return;
	}
	if (n < 0 && is_passing(errno))
		return;
	if (n < 0)
		socket_failed(s, errno);
	s->is_peer_over = true;
}

static void half_close(struct sides *s)
{
	s->is_half_closed = true;
	s->heard_ns = clock_mono_ns();
	if (!s->x->is_datagram)
		/* of a connection that has failed, recv tells why */
		(void)shutdown(s->x->socket, SHUT_WR);
}

/* --- the output ------------------------------------------------------------ */

static ssize_t put(const struct sides *s, const char *bytes, size_t n)
{
	if (s->out_is_socket)
		return send(s->out_fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(s->out_fd, bytes, n);
}

static void write_output(struct sides *s)
{
	struct buffer *b = &s->to_out;
	size_t n = min_u64(b->end - b->start, s->out_max_bytes);
	ssize_t put_n = put(s, b->bytes + b->start, n);

	if (put_n >= 0)
		drained(b, (size_t)put_n);
	else if (!is_passing(errno))
		s->x->out_err = -errno;
}

static void open_output(struct sides *s)
{
	int fd = s->x->out_fd;
	char path[32];
	struct stat st;

	s->out_fd = fd;
	s->out_max_bytes = BUFFER_BYTES;
	if (fstat(fd, &st) < 0)
		return; /* the first write says what is wrong */
	s->out_is_socket = S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode))
		return;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	s->out_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (s->out_fd >= 0)
		return;
	s->out_fd = fd;
	s->out_max_bytes = PIPE_BUF;
}

static void close_output(struct sides *s)
{
	if (s->out_fd != s->x->out_fd)
		(void)close(s->out_fd); /* a pipe has nothing left to say */
}

/* --- both ways at once ----------------------------------------------------- */

static short socket_events(const struct sides *s)
{
	short events = 0;

	if (wants_answer(s))
		events |= POLLIN;
	if (!is_empty(&s->to_peer))
		events |= POLLOUT;
	return events;
}

/* A descriptor that we want nothing of is left out: it might be ready. */
static void prepare(struct sides *s)
{
	short events = socket_events(s);

	s->polls[POLL_IN] = (struct pollfd){
		.fd = wants_input(s) ? s->x->in_fd : -1,
		.events = POLLIN,
	};
	s->polls[POLL_SOCKET] = (struct pollfd){
		.fd = events ? s->x->socket : -1,
		.events = events,
	};
	/* with no events it still tells when its reader goes */
	s->polls[POLL_OUT] = (struct pollfd){
		.fd = s->out_fd,
		.events = is_empty(&s->to_out) ? 0 : POLLOUT,
	};
}

static bool may_be_silent(const struct sides *s)
{
	return !s->is_half_closed || s->x->silence_ns == UNITS_OFF;
}

/* Up to the end of the peer's time, or NULL when it has all the time. */
static const struct timespec *time_left(const struct sides *s,
					struct timespec *ts)
{
	uint64_t silent_ns = clock_mono_ns() - s->heard_ns, left_ns;

	if (may_be_silent(s))
		return NULL;
	left_ns = s->x->silence_ns - min_u64(silent_ns, s->x->silence_ns);
	ts->tv_sec = (time_t)(left_ns / NS_PER_S);
	ts->tv_nsec = (long)(left_ns % NS_PER_S);
	return ts;
}

static void note_silence(struct sides *s)
{
	if (may_be_silent(s) || s->is_peer_over)
		return;
	if (clock_mono_ns() - s->heard_ns < s->x->silence_ns)
		return;
	s->x->is_silent = true;
	s->is_peer_over = true;
}

static void serve_ready(struct sides *s)
{
	const struct pollfd *p = s->polls;
	short socket_ready = p[POLL_SOCKET].revents;

	if (p[POLL_OUT].revents) {
		if (is_empty(&s->to_out))
			s->x->out_err = -EPIPE;
		else
			write_output(s);
	}
	if (p[POLL_IN].revents)
		read_input(s);
	/* errors are told by the calls themselves, to whichever we make */
	if (socket_ready & (POLLIN | POLLERR | POLLHUP) && wants_answer(s))
		receive_answer(s);
	if (socket_ready & (POLLOUT | POLLERR | POLLHUP) &&
	    !is_empty(&s->to_peer))
		send_to_peer(s);
}

static bool is_over(const struct sides *s)
{
	if (s->x->out_err)
		return true;
	return s->is_peer_over && is_empty(&s->to_out) &&
	       (is_empty(&s->to_peer) || s->x->socket_err);
}

static void exchange_loop(struct sides *s)
{
	struct timespec ts;

	if (s->x->message && s->x->is_datagram && is_empty(&s->to_peer))
		send_to_peer(s); /* a datagram may be empty */
	while (!is_over(s)) {
		if (s->is_input_over && is_empty(&s->to_peer) &&
		    !s->is_half_closed)
			half_close(s);
		prepare(s);
		if (ppoll(s->polls, POLLS, time_left(s, &ts), NULL) < 0)
			continue; /* EINTR: a signal that we ignore */
		serve_ready(s);
		note_silence(s);
	}
}

static bool load_message(struct sides *s)
{
	const struct exchange *x = s->x;
	size_t bytes = x->message && x->message_bytes > BUFFER_BYTES ?
			       x->message_bytes :
			       BUFFER_BYTES;

	s->to_peer.bytes = malloc(bytes);
	s->to_out.bytes = malloc(BUFFER_BYTES);
	if (!s->to_peer.bytes || !s->to_out.bytes)
		return false;
	if (!x->message)
		return true;
	memcpy(s->to_peer.bytes, x->message, x->message_bytes);
	s->to_peer.end = x->message_bytes;
	s->is_input_over = true;
	return true;
}

bool exchange_run(struct exchange *x)
{
	struct sides s = { .x = x };
	bool has_memory = load_message(&s);

	if (has_memory) {
		open_output(&s);
		exchange_loop(&s);
		close_output(&s);
	}
	free(s.to_out.bytes);
	free(s.to_peer.bytes);
	return has_memory;
}
