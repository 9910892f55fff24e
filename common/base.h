/* SPDX-License-Identifier: ISC */
/*
 * base.h - the few words that every file of guichet uses
 */
#ifndef GUICHET_BASE_H
#define GUICHET_BASE_H

#include <stddef.h>
#include <stdint.h>

#define GUICHET_VERSION "0.1.0"

/* What the three programs answer their caller with. */
enum exit_code {
	EXIT_DONE = 0,   /* it worked */
	EXIT_FAILED = 1, /* it failed at run time */
	EXIT_USAGE = 2,  /* wrong usage or configuration */
};

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define CACHE_LINE_BYTES 64
#define CACHE_ALIGNED    __attribute__((aligned(CACHE_LINE_BYTES)))
#define PRINTF_LIKE(fmt_at, args_at) \
	__attribute__((format(printf, fmt_at, args_at)))

#define NS_PER_US 1000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* @n rounded up to a multiple of @unit, a power of two. */
static inline uint64_t round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) & ~(unit - 1);
}

#endif
