/* SPDX-License-Identifier: ISC */
/*
 * clock.h - the two clocks: one that never jumps, one that people read
 *
 * Durations and deadlines use the monotonic clock; it is the same for every
 * process of one boot, so it may stand in the ledger. Times shown to people
 * use the real-time clock.
 */
#ifndef GUICHET_CLOCK_H
#define GUICHET_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "common/base.h"

static inline uint64_t clock_read_ns(clockid_t which)
{
	struct timespec ts;

	(void)clock_gettime(which, &ts); /* cannot fail for these two */
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static inline uint64_t clock_mono_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

static inline uint64_t clock_real_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

#endif
