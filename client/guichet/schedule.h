/* SPDX-License-Identifier: ISC */
/*
 * schedule.h - when the requests of a load are due
 *
 * Without a rate a request is due as soon as something is free to carry it.
 * With one, request k is due at k / rate, whatever the server does: a request
 * that has to wait is late, and its latency counts from when it was due. On
 * lasting connections request k belongs to connection k modulo their number,
 * so that one that stalls cannot hand its share to the others and hide it.
 */
#ifndef GUICHET_SCHEDULE_H
#define GUICHET_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/guichet/bench.h"
#include "common/base.h"

struct schedule {
	uint64_t start_ns;
	uint64_t stop_ns;    /* nothing is due any more; 0: not begun */
	uint64_t n_requests; /* at most */
	uint64_t rate;       /* 0: none */
	uint64_t n_shares;
	bool is_shared; /* each connection has its share */
	uint64_t n_taken;
	uint64_t n_called; /* with a rate: those whose time has come */
};

/* The clock starts at @now. */
void schedule_start(struct schedule *s, const struct bench_plan *plan,
		    uint64_t now_ns);

/* With a rate: when request @k is due. */
uint64_t schedule_due_ns(const struct schedule *s, uint64_t k);

/*
 * Whether a request may go out now on connection @index, which had @n_before;
 * *@due_ns is when it was due.
 */
bool schedule_take_share(struct schedule *s, uint64_t index, uint64_t n_before,
			 uint64_t now_ns, uint64_t *due_ns);

/* The same for whoever comes first. */
bool schedule_take_next(struct schedule *s, uint64_t now_ns, uint64_t *due_ns);

/*
 * With a rate: whether the time of another request has come, and the share it
 * belongs to. Each is told once.
 */
bool schedule_call(struct schedule *s, uint64_t now_ns, uint64_t *index);

/* Whether nothing will be due any more. */
bool schedule_is_over(const struct schedule *s, uint64_t now_ns);

/* When the next request is due or the time is up; UINT64_MAX: unknown. */
uint64_t schedule_next_ns(const struct schedule *s);

/* With a rate: how many should have gone out by the end and did not. */
uint64_t schedule_n_unsent(const struct schedule *s);

#endif
