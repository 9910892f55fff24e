/* SPDX-License-Identifier: ISC */
/*
 * scaling.h - as many workers as the load wants, of workers = MIN-MAX
 *
 * Up as soon as clients wait to be accepted, workers are busy, or too few are
 * idle (min-spare); down, one at a time, when it was long too many (max-spare).
 * Nobody is closed for it: a worker that retires serves what it has, and is
 * taken back when the load returns before that has ended.
 *
 * What an operator does by hand (TTIN, TTOU) stands until the load wants
 * something else: it may be more than MAX or fewer than MIN until then, but
 * the load never adds beyond MAX, nor takes away below MIN.
 */
#ifndef GUICHET_SCALING_H
#define GUICHET_SCALING_H

#include <stdbool.h>
#include <stdint.h>

struct master;

/* No pointer: it goes over, as it is, when the master becomes a program. */
struct scaling {
	uint64_t look_at_ns;
	uint64_t idle_since_ns; /* 0: they are not too many */
	unsigned step;          /* how many more, next time: it doubles */
	bool had_queue;         /* when it looked last */
};

/* What time brings; and when, UINT64_MAX: never. */
void scaling_look(struct master *m, uint64_t now_ns);
uint64_t scaling_next_ns(const struct master *m);

#endif
