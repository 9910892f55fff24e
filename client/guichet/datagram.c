/* SPDX-License-Identifier: ISC */
/*
 * datagram.c - requests on UDP sockets
 *
 * A request is one datagram: a head that says which it is, and then a piece
 * of the pattern. An answer is matched by its head, whatever the order. A
 * request that has had no answer in time is given up and counted, and its
 * place in the window is free again; the answer may still come late, which is
 * counted too. A second answer to the same request is wrong.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "client/guichet/load.h"
#include "common/clock.h"

/* A doubled answer is known for one this many requests later. */
#define HISTORY 1024

/* Answers read before the others get their turn. */
#define RECEIVE_BURST 64

#define NO_PLACE UINT32_MAX

struct head {
	uint32_t number;
	uint16_t place;
	uint16_t line;
};
_Static_assert(sizeof(struct head) == 8, "the least size of a datagram");

/* A place in the window of a line. */
struct place {
	uint64_t due_ns;
	uint64_t issued_ns;
	uint32_t number;
	uint32_t bytes; /* with the head; 0: free */
};

struct line {
	int fd; /* -1: failed */
	uint32_t index;
	uint32_t number;  /* of the next request */
	uint32_t blocked; /* the place whose datagram found no room */
	uint64_t n_taken;
	uint64_t random;
	struct place *places;
	uint32_t *free; /* a stack of free places */
	uint32_t n_free;
	uint64_t answered[HISTORY / 64]; /* bits, by number */
};

struct lines {
	struct line *all;
	struct place *places;
	uint32_t *free;
};

static struct line *line_at(const struct load *load, uint32_t index)
{
	const struct lines *lines = load->lines;

	return &lines->all[index];
}

/* --- which were answered --------------------------------------------------- */

static uint64_t answered_bit(uint32_t number)
{
	return 1ULL << (number % 64);
}

static uint64_t *answered_word(struct line *line, uint32_t number)
{
	return &line->answered[number % HISTORY / 64];
}

/* --- one line -------------------------------------------------------------- */

static void release_place(struct load *load, struct line *line, uint32_t place)
{
	line->places[place].bytes = 0;
	line->free[line->n_free++] = place;
	load->n_in_flight--;
}

/* Counts the request as lost. */
static void give_up(struct load *load, struct line *line, uint32_t place)
{
	load->tally.n_lost_requests++;
	load->tally.n_lost_bytes += line->places[place].bytes;
	release_place(load, line, place);
}

static void line_fail(struct load *load, struct line *line, int err)
{
	tally_errno(&load->tally, err);
	for (uint32_t i = 0; i < load->plan->pipeline; i++)
		if (line->places[i].bytes)
			give_up(load, line, i);
	(void)close(line->fd); /* its error is known */
	line->fd = -1;
	load->n_open--;
}

static size_t piece_at(const struct line *line, uint32_t number)
{
	return pattern_start((uint64_t)line->index * HISTORY + number);
}

/* 0 or errno. */
static int send_place(struct load *load, const struct line *line,
		      uint32_t place)
{
	const struct place *p = &line->places[place];
	struct head head = {
		.number = p->number,
		.place = (uint16_t)place,
		.line = (uint16_t)line->index,
	};
	struct iovec iov[] = {
		{ &head, sizeof(head) },
		{ load->pattern.bytes + piece_at(line, p->number),
		  p->bytes - sizeof(head) },
	};
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };

	if (sendmsg(line->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return errno;
	load->tally.bytes_sent += p->bytes;
	return 0;
}

/* False when the line has failed, or has no room for more. */
static bool line_send(struct load *load, struct line *line, uint32_t place)
{
	int err = send_place(load, line, place);

	if (!err)
		return true;
	if (err == EAGAIN) {
		line->blocked = place;
		err = -load_watch(load, EPOLL_CTL_MOD, line->fd, line->index,
				  EPOLLIN | EPOLLOUT);
	}
	if (err)
		line_fail(load, line, err);
	return false;
}

static uint32_t line_issue(struct load *load, struct line *line,
			   uint64_t due_ns, uint64_t now_ns)
{
	uint32_t place = line->free[--line->n_free];
	uint32_t number = line->number++;

	*answered_word(line, number) &= ~answered_bit(number);
	line->places[place] = (struct place){
		.due_ns = due_ns,
		.issued_ns = now_ns,
		.number = number,
		.bytes = (uint32_t)load_choose_bytes(load, &line->random),
	};
	line->n_taken++;
	load->n_in_flight++;
	return place;
}

static void line_offer(struct load *load, struct line *line, uint64_t now_ns)
{
	uint64_t due_ns;

	while (line->n_free && line->blocked == NO_PLACE &&
	       schedule_take_share(&load->schedule, line->index, line->n_taken,
				   now_ns, &due_ns))
		if (!line_send(load, line,
			       line_issue(load, line, due_ns, now_ns)))
			return;
}

/* There is room again. */
static void line_unblock(struct load *load, struct line *line)
{
	uint32_t place = line->blocked;
	int err;

	line->blocked = NO_PLACE;
	/* it may have been given up meanwhile */
	if (line->places[place].bytes && !line_send(load, line, place))
		return;
	err = load_watch(load, EPOLL_CTL_MOD, line->fd, line->index, EPOLLIN);
	if (err)
		line_fail(load, line, -err);
	else
		line_offer(load, line, clock_mono_ns());
}

/* --- answers --------------------------------------------------------------- */

static bool is_right(const struct load *load, const struct line *line,
		     const struct place *place, size_t n)
{
	size_t at = piece_at(line, place->number);
	const unsigned char *got = load->scratch + sizeof(struct head);

	if (n != place->bytes)
		return false;
	n -= sizeof(struct head);
	if (load->plan->is_unchecked ||
	    !memcmp(got, load->pattern.bytes + at, n))
		return true;
	pattern_explain(&load->pattern, line->index, 0, at, got, n);
	return false;
}

/* An answer that nobody waits for: late, or one too many. */
static void judge_stray(struct load *load, struct line *line, uint32_t number)
{
	uint32_t age = line->number - number;
	uint64_t *word = answered_word(line, number);

	if (age > 0 && age <= HISTORY && *word & answered_bit(number)) {
		tally_failure(&load->tally, FAILURE_WRONG);
		return;
	}
	load->tally.n_late++;
	if (age > 0 && age <= HISTORY)
		*word |= answered_bit(number);
}

static void line_answered(struct load *load, struct line *line, size_t n,
			  uint64_t now_ns)
{
	struct head head;
	struct place *place;

	load->answered_ns = now_ns;
	memcpy(&head, load->scratch, sizeof(head));
	if (n < sizeof(head) || head.line != (uint16_t)line->index ||
	    head.place >= load->plan->pipeline) {
		tally_failure(&load->tally, FAILURE_WRONG);
		return;
	}
	place = &line->places[head.place];
	if (!place->bytes || place->number != head.number) {
		judge_stray(load, line, head.number);
		return;
	}
	*answered_word(line, head.number) |= answered_bit(head.number);
	if (is_right(load, line, place, n))
		tally_answer(&load->tally, now_ns - place->due_ns);
	else
		tally_failure(&load->tally, FAILURE_WRONG);
	release_place(load, line, head.place);
}

static void line_receive(struct load *load, struct line *line)
{
	uint64_t now_ns = 0;

	for (int i = 0; i < RECEIVE_BURST; i++) {
		ssize_t n = recv(line->fd, load->scratch, PATTERN_PIECE_BYTES,
				 MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			line_fail(load, line, errno);
			return;
		}
		now_ns = clock_mono_ns();
		load->tally.bytes_received += (size_t)n;
		line_answered(load, line, (size_t)n, now_ns);
		if (line->n_free == load->plan->pipeline)
			break; /* no other answer is due */
	}
	if (now_ns)
		line_offer(load, line, now_ns);
}

/* --- the carrier ----------------------------------------------------------- */

static void lines_on_event(struct load *load, uint32_t index, uint32_t events)
{
	struct line *line = line_at(load, index);

	if (events & (EPOLLIN | EPOLLERR))
		line_receive(load, line);
	if (events & EPOLLOUT && line->fd >= 0 && line->blocked != NO_PLACE)
		line_unblock(load, line);
}

static void lines_offer(struct load *load, uint32_t index, uint64_t now_ns)
{
	struct line *line = line_at(load, index);

	if (line->fd >= 0)
		line_offer(load, line, now_ns);
}

static void line_sweep(struct load *load, struct line *line, uint64_t now_ns)
{
	uint64_t wait_ns = load->plan->dial.wait_ns;

	for (uint32_t i = 0; i < load->plan->pipeline; i++) {
		const struct place *place = &line->places[i];

		if (!place->bytes || now_ns < place->issued_ns + wait_ns)
			continue;
		tally_failure(&load->tally, FAILURE_UNANSWERED);
		give_up(load, line, i);
	}
	line_offer(load, line, now_ns);
}

static void lines_sweep(struct load *load, uint64_t now_ns)
{
	for (uint64_t i = 0; i < load->plan->n_connections; i++) {
		struct line *line = line_at(load, (uint32_t)i);

		if (line->fd >= 0)
			line_sweep(load, line, now_ns);
	}
}

static bool lines_allocate(struct load *load)
{
	const struct bench_plan *plan = load->plan;
	struct lines *lines = calloc(1, sizeof(*lines));

	load->lines = lines;
	if (!lines)
		return false;
	lines->all = calloc(plan->n_connections, sizeof(*lines->all));
	lines->places = calloc(plan->n_connections * plan->pipeline,
			       sizeof(*lines->places));
	lines->free = calloc(plan->n_connections * plan->pipeline,
			     sizeof(*lines->free));
	for (uint64_t i = 0; lines->all && i < plan->n_connections; i++)
		lines->all[i].fd = -1;
	return lines->all && lines->places && lines->free;
}

/*
 * Room for a whole window of answers, or what the kernel allows; it counts
 * each with its overhead, up to twice the size.
 */
static void make_room(const struct load *load, int fd)
{
	const struct bench_plan *plan = load->plan;
	uint64_t bytes = plan->pipeline * (plan->max_bytes + 1024) * 2;
	int room = (int)min_u64(bytes, INT32_MAX / 2);

	/* with less, answers may be dropped, and that is counted */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
}

static void line_open(struct load *load, struct line *line)
{
	bool is_connected; /* always: that is no round trip */
	int fd = source_dial(&load->source, &is_connected);
	int err = fd < 0 ? fd :
			   load_watch(load, EPOLL_CTL_ADD, fd, line->index,
				      EPOLLIN);

	if (err) {
		tally_errno(&load->tally, -err);
		if (fd >= 0)
			(void)close(fd); /* it has carried nothing */
		return;
	}
	make_room(load, fd);
	line->fd = fd;
	load->n_open++;
	load->tally.n_connects++;
	if (load->plan->dial.is_verbose)
		dial_print(fd, &load->source.peer);
}

static bool lines_open(struct load *load)
{
	uint64_t pipeline = load->plan->pipeline;
	struct lines *lines;

	if (!lines_allocate(load))
		return false;
	lines = load->lines;
	for (uint64_t i = 0; i < load->plan->n_connections; i++) {
		struct line *line = &lines->all[i];

		line->index = (uint32_t)i;
		line->blocked = NO_PLACE;
		line->random = load_seed(line->index);
		line->places = lines->places + i * pipeline;
		line->free = lines->free + i * pipeline;
		while (line->n_free < pipeline) {
			line->free[line->n_free] = line->n_free;
			line->n_free++;
		}
		line_open(load, line);
	}
	return true;
}

static void lines_finish(struct load *load)
{
	load->n_open = 0; /* a datagram socket has no end to wait for */
}

static void lines_close(struct load *load)
{
	struct lines *lines = load->lines;
	uint64_t n = lines->all ? load->plan->n_connections : 0;

	for (uint64_t i = 0; i < n; i++)
		if (lines->all[i].fd >= 0)
			(void)close(lines->all[i].fd); /* all is answered */
	free(lines->free);
	free(lines->places);
	free(lines->all);
	free(lines);
	load->lines = NULL;
}

const struct carrier datagram_carrier = {
	.open = lines_open,
	.on_event = lines_on_event,
	.offer = lines_offer,
	.sweep = lines_sweep,
	.finish = lines_finish,
	.close = lines_close,
};
