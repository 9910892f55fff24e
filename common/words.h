/* SPDX-License-Identifier: ISC */
/*
 * words.h - the nearest known word for a misspelt one
 */
#ifndef GUICHET_WORDS_H
#define GUICHET_WORDS_H

#include <stddef.h>

/*
 * The one of @n @words that is fewest edits (insert, drop, change, swap
 * neighbours) away from @word, or NULL when none is near enough to be meant
 * (at most a third of the word's length, and at least one edit).
 */
const char *words_nearest(const char *word, const char *const *words, size_t n);

#endif
