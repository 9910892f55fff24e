/* SPDX-License-Identifier: ISC */
/*
 * pattern.c - the bytes that a load consists of
 */
#include "client/guichet/pattern.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base.h"
#include "common/log.h"

/* So many bytes in a row stand in only one place of the stream. */
#define NEEDLE_BYTES 16

/* After so many explanations the rest is only counted. */
#define EXPLAIN_MAX 5

#define SEED 0x9e3779b97f4a7c15ULL /* any but 0; the same in every run */

bool pattern_open(struct pattern *pattern)
{
	uint64_t state = SEED;

	pattern->bytes = malloc(PATTERN_BYTES + PATTERN_PIECE_BYTES);
	if (!pattern->bytes)
		return false;
	for (size_t i = 0; i < PATTERN_BYTES; i++)
		pattern->bytes[i] = (unsigned char)(random_next(&state) >> 56);
	memcpy(pattern->bytes + PATTERN_BYTES, pattern->bytes,
	       PATTERN_PIECE_BYTES);
	return true;
}

void pattern_close(struct pattern *pattern)
{
	free(pattern->bytes);
	pattern->bytes = NULL;
}

/* How far after @at the bytes at @got belong; negative: they were there. */
static bool find_shift(const struct pattern *pattern, size_t at,
		       const unsigned char *got, int64_t *shift)
{
	const unsigned char *found = memmem(pattern->bytes,
					    PATTERN_BYTES + NEEDLE_BYTES, got,
					    NEEDLE_BYTES);

	if (!found)
		return false;
	*shift = (int64_t)(found - pattern->bytes) - (int64_t)at;
	if (*shift > (int64_t)PATTERN_BYTES / 2)
		*shift -= (int64_t)PATTERN_BYTES;
	if (*shift < -(int64_t)PATTERN_BYTES / 2)
		*shift += (int64_t)PATTERN_BYTES;
	return true;
}

void pattern_explain(const struct pattern *pattern, uint32_t connection,
		     uint64_t before, size_t at, const unsigned char *got,
		     size_t n)
{
	static unsigned n_explained;
	int64_t shift;
	size_t i = 0;

	if (n_explained++ >= EXPLAIN_MAX)
		return;
	while (i < n && got[i] == pattern->bytes[at + i])
		i++;
	if (n - i >= NEEDLE_BYTES &&
	    find_shift(pattern, pattern_advance(at, i), got + i, &shift))
		log_error("connection %" PRIu32 ": byte %" PRIu64 " is wrong; "
			  "what came belongs %" PRIu64 " bytes %s",
			  connection, before + i,
			  (uint64_t)(shift < 0 ? -shift : shift),
			  shift < 0 ? "before" : "after");
	else
		log_error("connection %" PRIu32 ": byte %" PRIu64 " is wrong",
			  connection, before + i);
}
