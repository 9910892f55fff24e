/* SPDX-License-Identifier: ISC */
/*
 * check.h - assertions that print both sides of what differs
 *
 * A failed check prints one line and is counted; the program goes on, and
 * main() ends with `return check_result();`.
 */
#ifndef GUICHET_CHECK_H
#define GUICHET_CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static unsigned check_n_failed;

static inline void check_true(const char *file, int line, bool is_true,
			      const char *text)
{
	if (is_true)
		return;
	check_n_failed++;
	(void)printf("%s:%d: not so: %s\n", file, line, text);
}

static inline void check_number(const char *file, int line, const char *text,
				int64_t is, int64_t should_be)
{
	if (is == should_be)
		return;
	check_n_failed++;
	(void)printf("%s:%d: %s is %" PRId64 ", should be %" PRId64 "\n", file,
		     line, text, is, should_be);
}

static inline void check_text(const char *file, int line, const char *text,
			      const char *is, const char *should_be)
{
	if (is && !strcmp(is, should_be))
		return;
	check_n_failed++;
	(void)printf("%s:%d: %s is \"%s\", should be \"%s\"\n", file, line,
		     text, is ? is : "(null)", should_be);
}

static inline int check_result(void)
{
	return check_n_failed ? 1 : 0;
}

#define CHECK(so) check_true(__FILE__, __LINE__, (so), #so)
#define CHECK_NUMBER(is, should_be)                          \
	check_number(__FILE__, __LINE__, #is, (int64_t)(is), \
		     (int64_t)(should_be))
#define CHECK_TEXT(is, should_be) \
	check_text(__FILE__, __LINE__, #is, (is), (should_be))

#endif
