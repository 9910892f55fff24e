/* SPDX-License-Identifier: ISC */
/*
 * backoff.h - how long to wait before trying again what fails again and again
 */
#ifndef GUICHET_BACKOFF_H
#define GUICHET_BACKOFF_H

#include <stdint.h>

#include "common/base.h"

#define BACKOFF_FIRST_NS (100 * NS_PER_MS)
#define BACKOFF_MAX_NS   (10 * NS_PER_S)

/* A child that lived so long has made up for the failures before it. */
#define BACKOFF_FORGIVEN_NS (10 * NS_PER_S)

struct backoff {
	unsigned n_strikes;
};

/*
 * One more failure of a child that lived for @lived_ns: how long to wait:
 * 100 ms, doubling to 10 s.
 */
static inline uint64_t backoff_strike(struct backoff *backoff,
				      uint64_t lived_ns)
{
	unsigned doublings;

	if (lived_ns >= BACKOFF_FORGIVEN_NS)
		backoff->n_strikes = 0;
	doublings = backoff->n_strikes < 10 ? backoff->n_strikes : 10;
	backoff->n_strikes++;
	return min_u64(BACKOFF_FIRST_NS << doublings, BACKOFF_MAX_NS);
}

#endif
