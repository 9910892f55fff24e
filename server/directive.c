/* SPDX-License-Identifier: ISC */
/*
 * directive.c - what is done with any table of directives
 */
#include "server/directive.h"

#include <assert.h>
#include <string.h>

#include "common/words.h"
#include "server/config_text.h"

const struct directive *directive_find(const struct directive_table *table,
				       const char *name)
{
	for (size_t i = 0; i < table->n_rows; i++)
		if (!strcmp(table->row[i].name, name))
			return &table->row[i];
	return NULL;
}

const char *directive_nearest(const struct directive_table *table,
			      const char *word)
{
	const char *names[32];
	size_t n = 0;

	for (; n < table->n_rows && n < ARRAY_LEN(names); n++)
		names[n] = table->row[n].name;
	return words_nearest(word, names, n);
}

const char *directive_parse(const struct directive *directive, void *base,
			    const char *value)
{
	return directive->kind->parse(directive,
				      (char *)base + directive->offset, value);
}

const char *directive_parse_again(const struct directive *directive, void *base,
				  const char *value)
{
	void *field = (char *)base + directive->offset;

	if (!directive->kind->parse_again)
		return directive_parse(directive, base, value);
	return directive->kind->parse_again(directive, field, value);
}

void directives_set_defaults(const struct directive_table *table, void *base)
{
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct directive *directive = &table->row[i];
		const char *wrong = NULL;

		if (directive->fallback)
			wrong = directive_parse(directive, base,
						directive->fallback);
		assert(!wrong); /* our own word for it */
		(void)wrong;
	}
}

void directives_print(const struct directive_table *table, const void *base,
		      unsigned transports, FILE *out)
{
	char text[DIRECTIVE_TEXT_BYTES];

	for (size_t i = 0; i < table->n_rows; i++) {
		const struct directive *directive = &table->row[i];
		const void *field = (const char *)base + directive->offset;

		if (!(directive->transports & transports))
			continue;
		fprintf(out, "%s = ", directive->name);
		config_text_print_value(
			directive->kind->format(directive, field, text), out);
		putc('\n', out);
	}
}

void directive_describe(const char *name, const char *argument,
			const char *help, const char *fallback, FILE *out)
{
	int n = fprintf(out, "  %s = %s", name, argument);

	fprintf(out, "%*s%s", n < 33 ? 33 - n : 1, "", help);
	if (fallback && *fallback)
		fprintf(out, " (%s)", fallback);
	putc('\n', out);
}

void directives_describe(const struct directive_table *table, FILE *out)
{
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct directive *directive = &table->row[i];

		directive_describe(directive->name, directive->argument,
				   directive->help, directive->fallback, out);
	}
}
