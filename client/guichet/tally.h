/* SPDX-License-Identifier: ISC */
/*
 * tally.h - what came of a load: counts, latencies and failures by kind
 */
#ifndef GUICHET_TALLY_H
#define GUICHET_TALLY_H

#include <stdint.h>

#include "client/guichet/bench.h"
#include "common/base.h"
#include "common/histogram.h"

enum failure {
	FAILURE_REFUSED,    /* nobody listens */
	FAILURE_RESET,      /* the connection was reset */
	FAILURE_TIMEOUT,    /* an answer, or connecting, took too long */
	FAILURE_EOF,        /* closed by the server before its time */
	FAILURE_WRONG,      /* other bytes than were sent */
	FAILURE_UNANSWERED, /* a datagram */
	FAILURE_OTHER,      /* by errno */
	FAILURES
};

/* Other errors than these many stand together as the last of them. */
#define TALLY_ERRNOS 8

struct tally {
	uint64_t n_requests; /* answered, and right */
	uint64_t bytes_sent;
	uint64_t bytes_received;
	uint64_t n_connects;
	uint64_t n_late;   /* datagrams answered after they were given up */
	uint64_t n_unsent; /* due, but no connection was free in time */
	uint64_t n_lost_requests; /* sent at least in part, and not answered */
	uint64_t n_lost_bytes;

	uint64_t latency_sum_ns;
	uint64_t latency_max_ns;
	uint64_t latencies[HISTOGRAM_BUCKETS];

	uint64_t failures[FAILURES];
	struct {
		int err; /* errno */
		uint64_t n;
	} others[TALLY_ERRNOS];

	uint64_t duration_ns; /* first request to last answer */
	double user_cpu_s;    /* our own, meanwhile */
	double sys_cpu_s;
};

static inline void tally_answer(struct tally *tally, uint64_t latency_ns)
{
	tally->n_requests++;
	tally->latency_sum_ns += latency_ns;
	tally->latency_max_ns = max_u64(tally->latency_max_ns, latency_ns);
	tally->latencies[histogram_bucket(latency_ns)]++;
}

void tally_failure(struct tally *tally, enum failure kind);

/* The failure that @err, an errno, is. */
void tally_errno(struct tally *tally, int err);

/* All failures of all kinds. */
uint64_t tally_n_failed(const struct tally *tally);

/* Standard output gets what @plan asked for: the text or the JSON. */
void tally_print(const struct tally *tally, const struct bench_plan *plan);

#endif
