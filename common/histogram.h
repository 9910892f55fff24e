/* SPDX-License-Identifier: ISC */
/*
 * histogram.h - durations in buckets of at most 1/16 of their own size
 *
 * Sixteen buckets for each power of two of nanoseconds, from 0 to 2^40 ns
 * (18 minutes; longer ones go to the last bucket). Bucket b < 16 holds
 * exactly b ns; after that, bucket 16 * e + m (e >= 1, m < 16) holds
 * (16 + m) << (e - 1) up to, not including, (17 + m) << (e - 1).
 */
#ifndef GUICHET_HISTOGRAM_H
#define GUICHET_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS 4
#define HISTOGRAM_BUCKETS  592 /* (40 - 4 + 1) * 16 */

static inline size_t histogram_bucket(uint64_t ns)
{
	unsigned e;
	size_t bucket;

	if (ns < (1U << HISTOGRAM_SUB_BITS))
		return (size_t)ns;
	e = 63U - (unsigned)__builtin_clzll(ns) - HISTOGRAM_SUB_BITS;
	bucket = ((size_t)(e + 1) << HISTOGRAM_SUB_BITS) +
		 (size_t)((ns >> e) & ((1U << HISTOGRAM_SUB_BITS) - 1));
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The first value, in ns, that lies above @bucket. */
uint64_t histogram_upper_ns(size_t bucket);

/*
 * The value below which @fraction (0 to 1) of all in @counts lie, as the
 * upper end of its bucket; 0 when nothing was counted.
 */
uint64_t histogram_percentile_ns(const uint64_t counts[HISTOGRAM_BUCKETS],
				 double fraction);

#endif
