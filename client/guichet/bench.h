/* SPDX-License-Identifier: ISC */
/*
 * bench.h - what a load is to be
 */
#ifndef GUICHET_BENCH_H
#define GUICHET_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "client/guichet/dial.h"
#include "common/addr.h"

struct bench_plan {
	struct dial_options dial; /* first: DIAL_ROW_* set it */
	struct addr addr;
	uint64_t n_connections;
	uint64_t duration_ns; /* UNITS_OFF: until n_requests are done */
	uint64_t n_requests;  /* UINT64_MAX: until the time is up */
	uint64_t min_bytes;   /* of a message */
	uint64_t max_bytes;
	uint64_t pipeline; /* messages in flight on a connection, at most */
	uint64_t rate;     /* requests a second, all together; 0: no limit */
	bool is_churn;     /* a connection for every request */
	bool is_holding;   /* connect, then wait for a line on standard input */
	bool is_unchecked; /* do not compare what comes back */
	bool is_json;
};

#endif
