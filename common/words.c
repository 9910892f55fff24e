/* SPDX-License-Identifier: ISC */
/*
 * words.c - the nearest known word for a misspelt one
 *
 * The optimal string alignment distance, row by row: how many letters must be
 * inserted, dropped, changed, or swapped with their neighbour. Upper and
 * lower case are one.
 */
#include "common/words.h"

#include <ctype.h>
#include <string.h>

#include "common/base.h"

/* Longer words are not guessed at: nobody mistypes those by hand. */
#define WORD_MAX_BYTES 63

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int letter(const char *word, size_t at)
{
	return tolower((unsigned char)word[at]);
}

static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MAX_BYTES + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2], *spare;

	for (size_t j = 0; j <= b_len; j++)
		above[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t same = letter(a, i - 1) == letter(b, j - 1);

			row[j] = min_size(above[j], row[j - 1]) + 1;
			row[j] = min_size(row[j], above[j - 1] + !same);
			if (i > 1 && j > 1 &&
			    letter(a, i - 1) == letter(b, j - 2) &&
			    letter(a, i - 2) == letter(b, j - 1))
				row[j] = min_size(row[j], before[j - 2] + 1);
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[b_len];
}

const char *words_nearest(const char *word, const char *const *words, size_t n)
{
	size_t len = strlen(word), d;
	/* one more than the most edits that are still a slip */
	size_t best = (len < 6 ? 1 : len / 3) + 1;
	const char *nearest = NULL;

	if (len > WORD_MAX_BYTES)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other_len = strlen(words[i]);

		if (other_len > WORD_MAX_BYTES)
			continue;
		d = distance(word, len, words[i], other_len);
		if (d < best && d < len) { /* something must be left of it */
			best = d;
			nearest = words[i];
		}
	}
	return nearest;
}
