/* SPDX-License-Identifier: ISC */
/*
 * options.h - command lines from one table
 *
 * GNU long options with short twins (--name VALUE, --name=VALUE, -nVALUE,
 * -n VALUE, bundled flags), "--" ends them, and operands may stand between
 * them. --help and --version are in every program and need no row.
 */
#ifndef GUICHET_OPTIONS_H
#define GUICHET_OPTIONS_H

#include <stddef.h>

struct option_row {
	char letter;          /* its short twin; 0: none */
	const char *name;     /* "config" */
	const char *argument; /* "FILE"; NULL: a flag */
	const char *help;     /* one line */
	/*
	 * Takes @value (NULL for a flag) into @into. Returns NULL, or what is
	 * wrong with it: a string that lives until the next call.
	 */
	const char *(*set)(void *into, const char *value);
};

struct options {
	const char *program;  /* "guichetd" */
	const char *synopsis; /* "[-c FILE] [-t] ..." */
	const char *about;    /* one line: what the program is */
	const char *details;  /* more lines after the rows, or NULL */
	const struct option_row *rows;
	size_t n_rows;
};

/*
 * Parses @argv[1..], calling each row's set(). Operands are left, in order,
 * in @argv[1..*n_operands]. --help and --version print on standard output
 * and end the process with EXIT_DONE; anything wrong prints one line
 * "PROGRAM: OPTION: what is wrong" (with the nearest known option) on standard
 * error, and ends the process with EXIT_USAGE.
 */
void options_parse(const struct options *options, int argc, char **argv,
		   void *into, int *n_operands);

/* Prints the usage text that --help prints, on standard output. */
void options_print_help(const struct options *options);

#endif
