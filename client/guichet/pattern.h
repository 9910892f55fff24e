/* SPDX-License-Identifier: ISC */
/*
 * pattern.h - the bytes that a load consists of
 *
 * One endless stream of random bytes, in which every connection starts
 * somewhere else: what a connection sends is a piece of it, and what comes
 * back must be the same piece, so nothing is stored for each message. The
 * stream repeats after PATTERN_BYTES, and is in memory PATTERN_PIECE_BYTES
 * longer, so that every piece up to that size lies in a row.
 */
#ifndef GUICHET_PATTERN_H
#define GUICHET_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A prime: a lost or doubled piece of any round size shifts the rest by what
 * is no multiple of it, and so shows.
 */
#define PATTERN_BYTES       ((size_t)1048573)
#define PATTERN_PIECE_BYTES ((size_t)256 << 10)

struct pattern {
	unsigned char *bytes;
};

/* False without memory. */
bool pattern_open(struct pattern *pattern);
void pattern_close(struct pattern *pattern);

/* A start in the stream for the @number-th that asks. */
static inline size_t pattern_start(uint64_t number)
{
	return (size_t)(number * 514229 % PATTERN_BYTES); /* far apart */
}

/* @n bytes, at most PATTERN_BYTES, after @at. */
static inline size_t pattern_advance(size_t at, size_t n)
{
	at += n;
	return at < PATTERN_BYTES ? at : at - PATTERN_BYTES;
}

/*
 * Says on standard error where @got (@n bytes of connection @connection, of
 * which @before were right) differs from the stream at @at, and where in the
 * stream those bytes would belong. Only the first few times.
 */
void pattern_explain(const struct pattern *pattern, uint32_t connection,
		     uint64_t before, size_t at, const unsigned char *got,
		     size_t n);

/* A small generator for sizes: xorshift64*. */
static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

#endif
