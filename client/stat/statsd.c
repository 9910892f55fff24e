/* SPDX-License-Identifier: ISC */
/*
 * statsd.c - the totals as statsd lines: guichet.INSTANCE.METRIC:VALUE|TYPE
 *
 * A statsd server adds up what it is told of a counter. So repeated outputs
 * tell what was added since the one before; the first one, and a single one,
 * tells all that was counted so far.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "client/stat/totals.h"

/* @text as one word of a dotted name, which ends at a colon. */
static void print_word(FILE *file, const char *text)
{
	for (; *text; text++) {
		const unsigned char c = (unsigned char)*text;

		(void)fputc(isalnum(c) || c == '-' || c == '_' ? c : '_', file);
	}
}

static void print_line(const struct readout *readout, const struct scope *scope,
		       const char *name, uint64_t value, char kind, FILE *file)
{
	(void)fputs("guichet.", file);
	print_word(file, readout->instance);
	if (scope->name[0]) {
		(void)fputs(".listener.", file);
		print_word(file, scope->name);
	}
	(void)fprintf(file, ".%s:%" PRIu64 "|%c\n", name, value, kind);
}

static void print_scope(const struct readout *readout,
			const struct scope *scope, FILE *file)
{
	const struct metric *metric;
	size_t v, i;

	for (v = 0; v < VALUES_N; v++) {
		if (!scope->has[v])
			continue;
		metric = totals_metric(v);
		print_line(readout, scope, metric->name,
			   metric->kind == 'c' ? scope->delta[v] :
						 scope->value[v],
			   metric->kind, file);
	}
	for (i = 0; i < OWN_VALUES; i++) {
		const struct own_value *own = &scope->own[i];

		if (own->name[0])
			print_line(readout, scope, own->name, own->delta, 'c',
				   file);
	}
}

int statsd_print(const struct view *view, const struct readout *readout,
		 struct output *output)
{
	const struct totals *totals = totals_update(readout, output);
	size_t i;

	(void)view;
	if (!totals)
		return -ENOMEM;
	print_scope(readout, &totals->scope[SCOPE_INSTANCE], output->file);
	for (i = SCOPE_FIRST; i < totals->n; i++)
		print_scope(readout, &totals->scope[i], output->file);
	return 0;
}
