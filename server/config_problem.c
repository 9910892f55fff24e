/* SPDX-License-Identifier: ISC */
/*
 * config_problem.c - all that is wrong with a configuration, told in order
 *
 * Some problems show only when everything was read (a name used twice), so
 * they are kept until then and printed in the order of the lines.
 */
#include "server/config_problem.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>

struct config_problem {
	struct config_place place;
	size_t order; /* of those of one line, the first found comes first */
	char *text;
};

void config_problem_add(struct config_problems *problems,
			struct config_place place, const char *fmt, ...)
{
	struct config_problem *larger;
	va_list args;
	char *text;
	int bytes;

	va_start(args, fmt);
	bytes = vasprintf(&text, fmt, args);
	va_end(args);
	if (bytes < 0) {
		problems->n_untold++;
		return;
	}
	larger = reallocarray(problems->problem, problems->n + 1,
			      sizeof(*larger));
	if (!larger) {
		free(text);
		problems->n_untold++;
		return;
	}
	larger[problems->n] = (struct config_problem){
		.place = place,
		.order = problems->n,
		.text = text,
	};
	problems->problem = larger;
	problems->n++;
}

/* Lines first, then what is said of the file, then the command line. */
static unsigned rank(const struct config_place *place)
{
	if (place->argument)
		return UINT_MAX;
	return place->line ? place->line : UINT_MAX - 1;
}

static int compare(const void *a_ptr, const void *b_ptr)
{
	const struct config_problem *a = a_ptr, *b = b_ptr;
	unsigned a_rank = rank(&a->place), b_rank = rank(&b->place);

	if (a_rank != b_rank)
		return a_rank < b_rank ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static void print(const struct config_problem *problem, FILE *out)
{
	const struct config_place *place = &problem->place;

	fputs(place->file, out);
	if (place->argument)
		fprintf(out, " %s", place->argument);
	else if (place->line)
		fprintf(out, ":%u", place->line);
	fprintf(out, ": %s\n", problem->text);
}

unsigned config_problems_print(struct config_problems *problems, FILE *out)
{
	size_t n = problems->n + problems->n_untold;

	if (problems->n)
		qsort(problems->problem, problems->n,
		      sizeof(*problems->problem), compare);
	for (size_t i = 0; i < problems->n; i++) {
		print(&problems->problem[i], out);
		free(problems->problem[i].text);
	}
	if (problems->n_untold)
		fprintf(out, "configuration: out of memory\n");
	free(problems->problem);
	*problems = (struct config_problems){ 0 };
	return n > UINT_MAX ? UINT_MAX : (unsigned)n;
}
