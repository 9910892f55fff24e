/* SPDX-License-Identifier: ISC */
/*
 * complain.c - what is wrong, in words, for a caller that knows where
 */
#include "common/complain.h"

#include <stdarg.h>
#include <stdio.h>

const char *complain(const char *fmt, ...)
{
	static char text[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args); /* cut is fine */
	va_end(args);
	return text;
}
