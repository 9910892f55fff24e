/* SPDX-License-Identifier: ISC */
/*
 * complain.c - what is wrong, in words, for a caller that knows where
 */
#include "common/complain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *complain(const char *fmt, ...)
{
	static char text[512];
	char next[sizeof(text)];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(next, sizeof(next), fmt, args); /* cut is fine */
	va_end(args);
	memcpy(text, next, sizeof(text));
	return text;
}
