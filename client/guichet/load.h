/* SPDX-License-Identifier: ISC */
/*
 * load.h - a load: what carries requests, and the loop that drives it
 *
 * Requests travel on lines. What a line is, the carrier knows: a lasting
 * stream, a stream for one request, or a datagram socket. The loop knows when
 * requests are due and when all is over.
 */
#ifndef GUICHET_LOAD_H
#define GUICHET_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "client/guichet/bench.h"
#include "client/guichet/pattern.h"
#include "client/guichet/schedule.h"
#include "client/guichet/source.h"
#include "client/guichet/tally.h"

struct load;

struct carrier {
	/* Makes all lines, before the clock starts. False without memory. */
	bool (*open)(struct load *load);
	/* Line @index is ready for @events of epoll(7). */
	void (*on_event)(struct load *load, uint32_t index, uint32_t events);
	/* Line @index may have a request that is due: sends what it can. */
	void (*offer)(struct load *load, uint32_t index, uint64_t now_ns);
	/* After a turn of the loop; true when it wants another one at once. */
	bool (*after_turn)(struct load *load, uint64_t now_ns);
	/* Fails what has taken longer than the plan's wait. */
	void (*sweep)(struct load *load, uint64_t now_ns);
	/* All is answered: ends every line; n_open tells when that is done. */
	void (*finish)(struct load *load);
	/* Frees what open() made. */
	void (*close)(struct load *load);
};

extern const struct carrier stream_carrier;
extern const struct carrier churn_carrier;
extern const struct carrier datagram_carrier;

struct load {
	const struct bench_plan *plan;
	const struct carrier *carrier;
	struct tally tally;
	struct schedule schedule;
	struct pattern pattern;
	struct source source;
	int epoll_fd;
	unsigned char *scratch; /* PATTERN_PIECE_BYTES, where answers arrive */
	void *lines;            /* the carrier's */
	uint64_t n_in_flight;   /* requests sent or being sent */
	uint64_t n_open;        /* lines that can carry requests */
	uint64_t n_connecting;
	uint64_t next_sweep_ns;
	uint64_t answered_ns; /* when the latest answer came */
};

/* Everything up to the clock's start. False after an error, which is logged. */
bool load_open(struct load *load, const struct bench_plan *plan);

/* The load itself; results are in @load->tally. */
void load_run(struct load *load);

void load_close(struct load *load);

/*
 * For carriers: one turn of the loop, waiting for events until @until_ns at
 * the latest.
 */
void load_turn(struct load *load, uint64_t until_ns);

/* Tells epoll about @fd of line @index. The reason when it cannot: -errno. */
int load_watch(struct load *load, int op, int fd, uint32_t index,
	       uint32_t events);

/* The size of a next message; @random is the line's generator. */
static inline uint64_t load_choose_bytes(const struct load *load,
					 uint64_t *random)
{
	const struct bench_plan *plan = load->plan;

	if (plan->min_bytes == plan->max_bytes)
		return plan->min_bytes;
	return plan->min_bytes +
	       random_next(random) % (plan->max_bytes - plan->min_bytes + 1);
}

/* A state of random_next() for line @index: any but 0. */
static inline uint64_t load_seed(uint32_t index)
{
	return (index + 1) * 0x9e3779b97f4a7c15ULL;
}

#endif
