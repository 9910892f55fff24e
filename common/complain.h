/* SPDX-License-Identifier: ISC */
/*
 * complain.h - what is wrong, in words, for a caller that knows where
 */
#ifndef GUICHET_COMPLAIN_H
#define GUICHET_COMPLAIN_H

#include "common/base.h"

/*
 * Formats one complaint, cut at 511 bytes. The text is good until the next
 * call, whose argument it may be. It is meant to be returned at once, by
 * functions that say NULL when nothing is wrong.
 */
const char *complain(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
