/* SPDX-License-Identifier: ISC */
/*
 * histogram.c - tests of the buckets of durations
 */
#include "common/histogram.h"

#include "tests/unit/check.h"

/* Every bucket begins where the one before it ends. */
static void test_buckets_join(void)
{
	for (size_t b = 0; b < HISTOGRAM_BUCKETS; b++) {
		uint64_t upper = histogram_upper_ns(b);

		CHECK_NUMBER(histogram_bucket(upper - 1), b);
		if (b + 1 < HISTOGRAM_BUCKETS)
			CHECK_NUMBER(histogram_bucket(upper), b + 1);
	}
	CHECK_NUMBER(histogram_upper_ns(HISTOGRAM_BUCKETS - 1), 1LL << 40);
	CHECK_NUMBER(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
	CHECK_NUMBER(histogram_bucket(0), 0);
}

static void test_percentiles(void)
{
	static uint64_t counts[HISTOGRAM_BUCKETS];

	CHECK_NUMBER(histogram_percentile_ns(counts, 0.5), 0);
	counts[histogram_bucket(10)] = 1;
	CHECK_NUMBER(histogram_percentile_ns(counts, 0), 11);
	CHECK_NUMBER(histogram_percentile_ns(counts, 0.5), 11);
	CHECK_NUMBER(histogram_percentile_ns(counts, 1), 11);
	counts[histogram_bucket(10)] = 99;
	counts[histogram_bucket(1000000)] = 1;
	CHECK_NUMBER(histogram_percentile_ns(counts, 0.99), 11);
	CHECK(histogram_percentile_ns(counts, 0.995) > 1000000);
	CHECK(histogram_percentile_ns(counts, 0.995) <= 1000000 * 17 / 16 + 1);
	counts[HISTOGRAM_BUCKETS - 1] = 1000;
	CHECK_NUMBER(histogram_percentile_ns(counts, 1), 1LL << 40);
	CHECK_NUMBER(histogram_percentile_ns(counts, 2), 1LL << 40);
}

int main(void)
{
	test_buckets_join();
	test_percentiles();
	return check_result();
}
