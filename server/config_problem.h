/* SPDX-License-Identifier: ISC */
/*
 * config_problem.h - all that is wrong with a configuration, told in order
 */
#ifndef GUICHET_CONFIG_PROBLEM_H
#define GUICHET_CONFIG_PROBLEM_H

#include <stddef.h>
#include <stdio.h>

#include "common/base.h"

/*
 * Where something was written: line @line of @file, or, on the command line,
 * the option @file ("-l") and its @argument. Neither: the file as a whole.
 */
struct config_place {
	const char *file;
	const char *argument;
	unsigned line;
};

struct config_problem;

struct config_problems {
	struct config_problem *problem;
	size_t n;
	size_t n_untold; /* there was no memory to keep these */
};

void config_problem_add(struct config_problems *problems,
			struct config_place place, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/*
 * Prints a line for each, those of the file first and in its order, and
 * forgets them. Returns how many there were.
 */
unsigned config_problems_print(struct config_problems *problems, FILE *out);

#endif
