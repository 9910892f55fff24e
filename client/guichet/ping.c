/* SPDX-License-Identifier: ISC */
/*
 * ping.c - connect and echo round trips, once a second
 *
 * One connection carries all messages, so that ping shows whether it lives
 * on; when it fails, the next round makes a new one. Each message begins with
 * its number: an answer that comes after its time is known for what it is.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/guichet/commands.h"
#include "client/guichet/dial.h"
#include "client/guichet/output.h"
#include "common/base.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/options.h"
#include "common/units.h"

#define PING_WAIT_NS     NS_PER_S
#define PING_INTERVAL_NS NS_PER_S
#define PING_BYTES       56
#define NUMBER_BYTES     sizeof(uint64_t)
#define PING_MAX_BYTES   65507 /* what UDP over IPv4 carries */

struct ping {
	struct dial_options dial; /* first: DIAL_ROW_* set it */
	uint64_t count;           /* 0: until interrupted */
	uint64_t interval_ns;
	uint64_t bytes;

	struct addr addr;
	struct addr_socket peer;
	int fd;           /* -1: not connected */
	size_t n_partial; /* bytes of an answer that is not all here yet */
	uint64_t number;  /* of the message in hand */
	uint64_t started_ns;
	char out[PING_MAX_BYTES];
	char in[PING_MAX_BYTES + 1]; /* so that one too long shows */

	uint64_t n_sent;
	uint64_t n_received;
	uint64_t min_ns;
	uint64_t max_ns;
	double sum_ms;
	double sum_squares_ms2;
};

static volatile sig_atomic_t is_interrupted;
static sigset_t waiting_mask; /* lets the interruption in */

/* --- options --------------------------------------------------------------- */

static const char *set_count(void *into, const char *value)
{
	struct ping *ping = into;

	if (units_parse_number(value, 1, UINT32_MAX, &ping->count))
		return "no number above zero";
	return NULL;
}

/* As ping does, a bare number is seconds. */
static const char *set_interval(void *into, const char *value)
{
	struct ping *ping = into;
	char *end;
	double seconds = strtod(value, &end);

	if (!*end && end != value && seconds >= 0.001 && seconds <= 86400) {
		ping->interval_ns = (uint64_t)(seconds * (double)NS_PER_S);
		return NULL;
	}
	return dial_parse_duration(value, &ping->interval_ns);
}

static const char *set_bytes(void *into, const char *value)
{
	struct ping *ping = into;

	if (units_parse_size(value, false, &ping->bytes) ||
	    ping->bytes < NUMBER_BYTES || ping->bytes > PING_MAX_BYTES)
		return "no size from 8 to 65507";
	return NULL;
}

static const struct option_row rows[] = {
	{ 'c', "count", "COUNT", "stop after so many (default: interrupted)",
	  set_count },
	{ 'i', "interval", "DURATION", "from one to the next (default 1s)",
	  set_interval },
	{ 's', "size", "SIZE", "bytes of a message (default 56)", set_bytes },
	DIAL_ROW_WAIT("for connecting and for each answer (default 1s)"),
	DIAL_ROW_IPV4,
	DIAL_ROW_IPV6,
	DIAL_ROW_VERBOSE,
};

static const struct options options = {
	.program = "guichet ping",
	.synopsis = "ADDRESS | HOST PORT [OPTION]...",
	.about = "Connects to an echo server and measures round trips.",
	.details = "Fails when nothing came back.",
	.rows = rows,
	.n_rows = ARRAY_LEN(rows),
};

/* --- one message ----------------------------------------------------------- */

static double to_ms(uint64_t ns)
{
	return (double)ns / (double)NS_PER_MS;
}

/* Every message differs from the others, so that a stale answer shows. */
static void compose(struct ping *ping)
{
	uint64_t number = htobe64(ping->number);

	memcpy(ping->out, &number, NUMBER_BYTES);
	for (size_t i = NUMBER_BYTES; i < ping->bytes; i++)
		ping->out[i] = (char)(i + ping->number);
}

/* 0 when @fd is ready, -EINTR, or -ETIMEDOUT at @deadline_ns. */
static int wait_ready(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd pollfd = { .fd = fd, .events = events };
	uint64_t now = clock_mono_ns();
	uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
	struct timespec ts = { .tv_sec = (time_t)(left / NS_PER_S),
			       .tv_nsec = (long)(left % NS_PER_S) };
	int n;

	if (is_interrupted)
		return -EINTR;
	n = ppoll(&pollfd, 1, &ts, &waiting_mask);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

static int send_message(struct ping *ping, uint64_t deadline_ns)
{
	size_t done = 0;

	while (done < ping->bytes) {
		ssize_t n = send(ping->fd, ping->out + done, ping->bytes - done,
				 MSG_NOSIGNAL);
		int err;

		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		err = wait_ready(ping->fd, POLLOUT, deadline_ns);
		if (err) /* half a message out: nothing can follow it */
			return err == -ETIMEDOUT ? -ENOBUFS : err;
	}
	return 0;
}

/* One whole answer into @in: 0, -errno, or -EPIPE for the end of the stream. */
static int receive_message(struct ping *ping, uint64_t deadline_ns)
{
	bool is_datagram = ping->addr.transport == TRANSPORT_UDP;
	size_t most = is_datagram ? sizeof(ping->in) : ping->bytes;

	for (;;) {
		ssize_t n = recv(ping->fd, ping->in + ping->n_partial,
				 most - ping->n_partial, 0);
		int err;

		if (n > 0 || (!n && is_datagram)) {
			ping->n_partial += (size_t)n;
			if (is_datagram || ping->n_partial == most)
				return 0;
			continue;
		}
		if (!n)
			return -EPIPE;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		err = wait_ready(ping->fd, POLLIN, deadline_ns);
		if (err)
			return err;
	}
}

enum verdict {
	ANSWER_RIGHT,
	ANSWER_LATE,
	ANSWER_WRONG
};

static enum verdict judge(const struct ping *ping, size_t bytes)
{
	uint64_t number;

	if (bytes == ping->bytes && !memcmp(ping->in, ping->out, bytes))
		return ANSWER_RIGHT;
	if (bytes < NUMBER_BYTES)
		return ANSWER_WRONG;
	memcpy(&number, ping->in, NUMBER_BYTES);
	return be64toh(number) < ping->number ? ANSWER_LATE : ANSWER_WRONG;
}

/* The answer to the message in hand: 0, -EBADMSG, -ETIMEDOUT or -errno. */
static int receive_answer(struct ping *ping, uint64_t deadline_ns)
{
	for (;;) {
		int err = receive_message(ping, deadline_ns);
		size_t bytes = ping->n_partial;

		if (err)
			return err;
		ping->n_partial = 0;
		switch (judge(ping, bytes)) {
		case ANSWER_RIGHT:
			return 0;
		case ANSWER_WRONG:
			return -EBADMSG;
		case ANSWER_LATE:
			(void)printf("late answer from before seq=%" PRIu64
				     "\n",
				     ping->number);
			break;
		}
	}
}

/* --- one round ------------------------------------------------------------- */

static void hang_up(struct ping *ping)
{
	if (ping->fd >= 0)
		(void)close(ping->fd); /* what is unsent is lost anyway */
	ping->fd = -1;
	ping->n_partial = 0;
}

static int connect_round(struct ping *ping)
{
	char local[ADDR_TEXT_BYTES], peer[ADDR_TEXT_BYTES];
	uint64_t began_ns = clock_mono_ns();
	struct addr_list list;
	int fd = -EADDRNOTAVAIL;

	if (!dial_resolve(&ping->addr, &ping->dial, &list))
		return fd;
	for (size_t i = 0; i < list.n && fd < 0; i++) {
		ping->peer = list.socket[i];
		fd = dial_connect_one(&ping->peer, ping->dial.wait_ns);
	}
	if (fd < 0)
		return fd;
	ping->fd = fd;
	if (ping->dial.is_verbose)
		dial_print(fd, &ping->peer);
	if (ping->addr.transport == TRANSPORT_UDP)
		return 0; /* that was no round trip */
	(void)printf("connected to %s from %s: time=%.3f ms\n",
		     addr_format_bare(&ping->peer, peer),
		     dial_format_local(fd, ping->addr.transport, local),
		     to_ms(clock_mono_ns() - began_ns));
	return 0;
}

static void count_round_trip(struct ping *ping, uint64_t took_ns)
{
	char peer[ADDR_TEXT_BYTES];
	double ms = to_ms(took_ns);

	ping->n_received++;
	ping->min_ns = min_u64(ping->min_ns, took_ns);
	ping->max_ns = max_u64(ping->max_ns, took_ns);
	ping->sum_ms += ms;
	ping->sum_squares_ms2 += ms * ms;
	(void)printf("%" PRIu64 " bytes from %s: seq=%" PRIu64
		     " time=%.3f ms\n",
		     ping->bytes, addr_format_bare(&ping->peer, peer),
		     ping->number, ms);
}

static void report_failure(struct ping *ping, int err)
{
	const char *what = strerror(-err);

	if (err == -ETIMEDOUT && ping->fd >= 0)
		what = "no answer in time";
	else if (err == -EPIPE)
		what = "connection closed by the server";
	else if (err == -EBADMSG)
		what = "wrong answer";
	else if (err == -ENOBUFS)
		what = "the server takes no more";
	(void)printf("seq=%" PRIu64 " %s\n", ping->number, what);
	/* only silence leaves a connection as it was */
	if (err != -ETIMEDOUT)
		hang_up(ping);
}

static void play_round(struct ping *ping)
{
	uint64_t sent_ns;
	int err = 0;

	ping->number++;
	ping->n_sent++;
	compose(ping);
	if (ping->fd < 0)
		err = connect_round(ping);
	sent_ns = clock_mono_ns();
	if (!err)
		err = send_message(ping, sent_ns + ping->dial.wait_ns);
	if (!err)
		err = receive_answer(ping, sent_ns + ping->dial.wait_ns);
	if (err == -EINTR)
		ping->n_sent--; /* nobody waited for this one */
	else if (err)
		report_failure(ping, err);
	else
		count_round_trip(ping, clock_mono_ns() - sent_ns);
}

/* --- all rounds ------------------------------------------------------------ */

static void on_interrupt(int signo)
{
	(void)signo;
	is_interrupted = 1;
}

/* Interruptions are let in only while we wait, so none is missed. */
static void catch_interrupts(void)
{
	struct sigaction action = { .sa_handler = on_interrupt };
	sigset_t blocked;

	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGINT);
	(void)sigaddset(&blocked, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &blocked, &waiting_mask);
	(void)sigdelset(&waiting_mask, SIGINT);
	(void)sigdelset(&waiting_mask, SIGTERM);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

/* Heron's way, so that nothing needs libm; to a millionth, and 0 for dust. */
static double square_root(double x)
{
	double root = x > 1 ? x : 1;

	if (x <= 0)
		return 0;
	for (int i = 0; i < 60; i++)
		root = (root + x / root) / 2;
	return root;
}

static void print_summary(const struct ping *ping)
{
	char text[ADDR_TYPED_BYTES];
	uint64_t n_lost = ping->n_sent - ping->n_received;
	double n = (double)ping->n_received;
	double mean = ping->sum_ms / n;
	double variance = ping->sum_squares_ms2 / n - mean * mean;

	(void)printf("\n--- %s ping statistics ---\n",
		     addr_format_typed(&ping->addr, text));
	(void)printf(
		"%" PRIu64 " messages transmitted, %" PRIu64
		" received, %.4g%% loss, time %" PRIu64 "ms\n",
		ping->n_sent, ping->n_received,
		ping->n_sent ? 100.0 * (double)n_lost / (double)ping->n_sent :
			       0.0,
		(uint64_t)((clock_mono_ns() - ping->started_ns) / NS_PER_MS));
	if (ping->n_received)
		(void)printf("rtt min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms\n",
			     to_ms(ping->min_ns), mean, to_ms(ping->max_ns),
			     square_root(variance));
}

/* False when there is no next round. */
static bool wait_next_round(struct ping *ping, uint64_t next_ns)
{
	if (!output_flush() || is_interrupted)
		return false;
	if (ping->count && ping->number >= ping->count)
		return false;
	while (clock_mono_ns() < next_ns)
		if (wait_ready(-1, 0, next_ns) == -EINTR && is_interrupted)
			return false;
	return true;
}

static void play(struct ping *ping)
{
	char text[ADDR_TYPED_BYTES];
	uint64_t next_ns = clock_mono_ns();

	ping->started_ns = next_ns;
	(void)printf("PING %s: %" PRIu64 " bytes\n",
		     addr_format_typed(&ping->addr, text), ping->bytes);
	do {
		play_round(ping);
		next_ns = max_u64(next_ns + ping->interval_ns, clock_mono_ns());
	} while (wait_next_round(ping, next_ns));
	print_summary(ping);
	hang_up(ping);
}

int ping_main(int argc, char **argv)
{
	static struct ping ping = {
		.dial.wait_ns = PING_WAIT_NS,
		.interval_ns = PING_INTERVAL_NS,
		.bytes = PING_BYTES,
		.fd = -1,
		.min_ns = UINT64_MAX,
	};
	int n_operands;

	options_parse(&options, argc, argv, &ping, &n_operands);
	if (n_operands < 1 || n_operands > 2)
		dial_refuse_operands(&options);
	dial_parse_address(options.program, argv + 1, n_operands, &ping.addr);

	catch_interrupts();
	play(&ping);
	return output_finish(ping.n_received ? EXIT_DONE : EXIT_FAILED);
}
