/* SPDX-License-Identifier: ISC */
/*
 * histogram.c - durations in buckets of at most 1/16 of their own size
 */
#include "common/histogram.h"

_Static_assert(HISTOGRAM_BUCKETS == (40 - HISTOGRAM_SUB_BITS + 1)
					    << HISTOGRAM_SUB_BITS,
	       "the last bucket ends at 2^40 ns");

uint64_t histogram_upper_ns(size_t bucket)
{
	size_t e = bucket >> HISTOGRAM_SUB_BITS;
	uint64_t m = bucket & ((1U << HISTOGRAM_SUB_BITS) - 1);

	if (!e)
		return m + 1;
	return ((1U << HISTOGRAM_SUB_BITS) + m + 1) << (e - 1);
}

uint64_t histogram_percentile_ns(const uint64_t counts[HISTOGRAM_BUCKETS],
				 double fraction)
{
	uint64_t total = 0, wanted, seen = 0;
	double exact;
	size_t i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += counts[i];
	if (!total)
		return 0;
	exact = fraction * (double)total;
	wanted = fraction > 0 ? (uint64_t)exact : 0;
	if ((double)wanted < exact || !wanted)
		wanted++; /* rounded up, and one at least */
	for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += counts[i];
		if (seen >= wanted)
			break;
	}
	return histogram_upper_ns(i);
}
