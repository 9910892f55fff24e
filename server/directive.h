/* SPDX-License-Identifier: ISC */
/*
 * directive.h - directives, as rows of tables
 *
 * What a section may hold is one table of rows: reading the file, the
 * defaults, what -T prints and what --help tells all follow from it. A section
 * may have more than one table: a service's own settings stand with the
 * listener, and their table follows the listener's own.
 */
#ifndef GUICHET_DIRECTIVE_H
#define GUICHET_DIRECTIVE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/addr.h"
#include "common/base.h"

/* Room for the text of any value that a formatter makes. */
#define DIRECTIVE_TEXT_BYTES 512

struct directive;

/* A kind of value: how it is read, and written so that it is read again. */
struct directive_kind {
	/*
	 * Takes @value into its @field. Returns NULL, or what is wrong with it,
	 * to be read after the value: "is not ..."; good until the next call.
	 */
	const char *(*parse)(const struct directive *directive, void *field,
			     const char *value);
	/* Returns the text, in @out (DIRECTIVE_TEXT_BYTES) or elsewhere. */
	const char *(*format)(const struct directive *directive,
			      const void *field, char *out);
	/*
	 * As parse, for a value that was taken before: this machine, and who we
	 * are on it, are not asked again. NULL: they never are.
	 */
	const char *(*parse_again)(const struct directive *directive,
				   void *field, const char *value);
};

struct directive {
	const char *name;
	const char *argument; /* what its value looks like: "N|auto" */
	const char *fallback; /* the default, as one would write it, or NULL */
	const char *help;     /* one line */
	unsigned transports;  /* ON_TCP | ...: where it means something */
	const struct directive_kind *kind;
	size_t offset;     /* of its field in the section's struct */
	uint64_t min, max; /* of a number, a size, or of a duration in ns */
};

#define ON_TCP    (1U << TRANSPORT_TCP)
#define ON_UDP    (1U << TRANSPORT_UDP)
#define ON_UNIX   (1U << TRANSPORT_UNIX)
#define ON_STREAM (ON_TCP | ON_UNIX)
#define ON_ALL    (ON_TCP | ON_UDP | ON_UNIX)

struct directive_table {
	const struct directive *row;
	size_t n_rows;
};

/* NULL when there is none of that name. */
const struct directive *directive_find(const struct directive_table *table,
				       const char *name);
const char *directive_nearest(const struct directive_table *table,
			      const char *word);

/* Parses @value into the directive's field of @base; returns as kind->parse. */
const char *directive_parse(const struct directive *directive, void *base,
			    const char *value);
const char *directive_parse_again(const struct directive *directive, void *base,
				  const char *value);

/* Gives each field of @base that has a default its default. */
void directives_set_defaults(const struct directive_table *table, void *base);

/* A line "name = value" for each that means something on @transports. */
void directives_print(const struct directive_table *table, const void *base,
		      unsigned transports, FILE *out);

/* For --help: name, what its value looks like, help and default. */
void directives_describe(const struct directive_table *table, FILE *out);
void directive_describe(const char *name, const char *argument,
			const char *help, const char *fallback, FILE *out);

#endif
