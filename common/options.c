/* SPDX-License-Identifier: ISC */
/*
 * options.c - command lines from one table
 */
#include "common/options.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base.h"
#include "common/words.h"

/* More than any program has; the names are gathered on the stack. */
#define ROWS_MAX 62

/* What every program has, after its own rows (which may take the letters). */
enum common_row {
	ROW_HELP,
	ROW_VERSION,
	COMMON_ROWS
};

static const struct option_row common_rows[] = {
	[ROW_HELP] = { 'h', "help", NULL, "print this help", NULL },
	[ROW_VERSION] = { 'V', "version", NULL, "print the version", NULL },
};
_Static_assert(ARRAY_LEN(common_rows) == COMMON_ROWS, "all common rows");

/* One walk over a command line. */
struct walk {
	const struct options *options;
	void *into;
	char **next; /* the next word; NULL ends them */
	char **operands;
	int n_operands;
};

static size_t n_all_rows(const struct options *options)
{
	return options->n_rows + COMMON_ROWS;
}

static const struct option_row *row_at(const struct options *options, size_t i)
{
	return i < options->n_rows ? &options->rows[i] :
				     &common_rows[i - options->n_rows];
}

/* --- help ------------------------------------------------------------------ */

/* "  -c, --config FILE" into @out; returns its length. */
static int format_row(const struct option_row *row, char letter, char *out,
		      size_t out_bytes)
{
	char twin[5] = "    ";

	if (letter)
		(void)snprintf(twin, sizeof(twin), "-%c, ", letter);
	return snprintf(out, out_bytes, "  %s--%s%s%s", twin, row->name,
			row->argument ? " " : "",
			row->argument ? row->argument : "");
}

/* The row's letter, unless an earlier row has taken it. */
static char row_letter(const struct options *options, size_t i)
{
	char letter = row_at(options, i)->letter;

	for (size_t j = 0; j < i; j++)
		if (row_at(options, j)->letter == letter)
			return 0;
	return letter;
}

void options_print_help(const struct options *options)
{
	char text[80];
	int width = 0, len;
	size_t i;

	for (i = 0; i < n_all_rows(options); i++) {
		len = format_row(row_at(options, i), 0, text, sizeof(text));
		width = len > width ? len : width;
	}
	(void)printf("Usage: %s %s\n", options->program, options->synopsis);
	(void)printf("%s\n\n", options->about);
	for (i = 0; i < n_all_rows(options); i++) {
		(void)format_row(row_at(options, i), row_letter(options, i),
				 text, sizeof(text));
		(void)printf("%-*s  %s\n", width, text,
			     row_at(options, i)->help);
	}
	if (options->details)
		(void)printf("\n%s\n", options->details);
}

/* --- parsing --------------------------------------------------------------- */

/*
 * What is wrong with @name (its length @len), in the words the user typed:
 * "-c" or "--config".
 */
static _Noreturn void refuse(const struct walk *walk, const char *name,
			     size_t len, const char *what)
{
	(void)fprintf(stderr, "%s: %.*s: %s\n", walk->options->program,
		      (int)len, name, what);
	exit(EXIT_USAGE);
}

static _Noreturn void refuse_unknown(const struct walk *walk, const char *name,
				     size_t len)
{
	const char *names[ROWS_MAX + COMMON_ROWS], *nearest;
	char word[64], what[128];
	size_t i;

	assert(walk->options->n_rows <= ROWS_MAX);
	for (i = 0; i < n_all_rows(walk->options); i++)
		names[i] = row_at(walk->options, i)->name;
	(void)snprintf(word, sizeof(word), "%.*s", (int)len, name);
	nearest = word[0] == '-' && word[1] == '-' ?
			  words_nearest(word + 2, names, i) :
			  NULL;
	if (nearest)
		(void)snprintf(what, sizeof(what),
			       "unknown option; did you mean --%s?", nearest);
	else
		(void)snprintf(what, sizeof(what),
			       "unknown option; see %.64s --help",
			       walk->options->program);
	refuse(walk, name, len, what);
}

/* What a reader of --help has read counts, not whether it could be written. */
static _Noreturn void print_common(const struct options *options,
				   const struct option_row *row)
{
	if (row == &common_rows[ROW_HELP])
		options_print_help(options);
	else if (row == &common_rows[ROW_VERSION])
		(void)printf("%s %s\n", options->program, GUICHET_VERSION);
	else
		abort(); /* a row of the program without set */
	(void)fflush(stdout);
	exit(EXIT_DONE);
}

static void take_option(const struct walk *walk, const struct option_row *row,
			const char *value, const char *name, size_t len)
{
	const char *wrong;

	if (!row->set)
		print_common(walk->options, row);
	wrong = row->set(walk->into, value);
	if (wrong)
		refuse(walk, name, len, wrong);
}

/* The word after an option that needs one. */
static const char *take_value(struct walk *walk, const struct option_row *row,
			      const char *name, size_t len)
{
	char what[64];

	if (*walk->next)
		return *walk->next++;
	(void)snprintf(what, sizeof(what), "needs %s after it", row->argument);
	refuse(walk, name, len, what);
}

/* --name, --name=VALUE, --name VALUE */
static void take_long(struct walk *walk, const char *word)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] ? word + len + 1 : NULL;
	const struct option_row *row = NULL;

	for (size_t i = 0; i < n_all_rows(walk->options) && !row; i++) {
		const char *name = row_at(walk->options, i)->name;

		if (strlen(name) == len - 2 && !memcmp(name, word + 2, len - 2))
			row = row_at(walk->options, i);
	}
	if (!row)
		refuse_unknown(walk, word, len);
	if (value && !row->argument)
		refuse(walk, word, len, "takes no value");
	if (!value && row->argument)
		value = take_value(walk, row, word, len);
	take_option(walk, row, value, word, len);
}

static const struct option_row *find_letter(const struct options *options,
					    char letter)
{
	for (size_t i = 0; i < n_all_rows(options); i++)
		if (row_at(options, i)->letter == letter)
			return row_at(options, i);
	return NULL;
}

/* -n, -nVALUE, -n VALUE, and flags bundled: -tT */
static void take_short(struct walk *walk, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		const struct option_row *row = find_letter(walk->options, *c);
		const char name[3] = { '-', *c, 0 };
		const char *value = NULL;

		if (!row)
			refuse_unknown(walk, name, 2);
		if (row->argument)
			value = c[1] ? c + 1 : take_value(walk, row, name, 2);
		take_option(walk, row, value, name, 2);
		if (row->argument)
			return;
	}
}

static void take_operand(struct walk *walk, char *word)
{
	walk->operands[walk->n_operands++] = word;
}

void options_parse(const struct options *options, int argc, char **argv,
		   void *into, int *n_operands)
{
	struct walk walk = {
		.options = options,
		.into = into,
		.next = argv + 1,
		.operands = argv + 1, /* never overtakes next */
	};

	*n_operands = 0;
	if (argc < 1)
		return; /* execve(2) may be given no name at all */
	while (*walk.next) {
		char *word = *walk.next++;

		if (!strcmp(word, "--"))
			break;
		if (word[0] != '-' || !word[1])
			take_operand(&walk, word);
		else if (word[1] == '-')
			take_long(&walk, word);
		else
			take_short(&walk, word);
	}
	while (*walk.next)
		take_operand(&walk, *walk.next++);
	*n_operands = walk.n_operands;
}
