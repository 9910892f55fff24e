/* SPDX-License-Identifier: ISC */
/*
 * table.c - the totals for eyes: a title, and a row for each listener
 */
#include <errno.h>
#include <inttypes.h>

#include "client/stat/render.h"
#include "client/stat/totals.h"
#include "common/units.h"

static const struct scope *scope_of(const struct cursor *at)
{
	return at->item;
}

static void get_name(const struct cursor *at, struct cell *cell)
{
	cell_set_text(cell, at->slot == SCOPE_INSTANCE ? "(all)" :
			    at->slot == SCOPE_FORMER   ? "(former)" :
							 scope_of(at)->name);
}

/* The argument is the place among the values. */
static void get_value(const struct cursor *at, struct cell *cell)
{
	if (scope_of(at)->has[at->argument])
		cell_set(cell, scope_of(at)->value[at->argument]);
}

static void get_refused(const struct cursor *at, struct cell *cell)
{
	uint64_t sum = 0;
	size_t r;

	for (r = 0; r < REFUSE_REASONS_N; r++)
		sum += scope_of(at)->value[COUNTER_REFUSED_BY + r];
	cell_set(cell, sum);
}

/* The argument is the place among the values. */
static void get_rate(const struct cursor *at, struct cell *cell)
{
	const double delta = (double)scope_of(at)->delta[at->argument];
	const uint64_t elapsed_ns = at->readout->totals->elapsed_ns;

	if (elapsed_ns)
		cell_set(cell, (uint64_t)(delta * (double)NS_PER_S /
						  (double)elapsed_ns +
					  0.5));
}

#define OPEN         VALUE_DERIVED(DERIVED_OPEN)
#define QUEUE_LENGTH VALUE_DERIVED(DERIVED_QUEUE_LENGTH)

static const struct column columns[] = {
	{ "listener", COLUMN_TEXT, get_name, 0 },
	{ "open", COLUMN_COUNT, get_value, OPEN },
	{ "queue", COLUMN_COUNT, get_value, QUEUE_LENGTH },
	{ "accepted", COLUMN_COUNT, get_value, COUNTER_ACCEPTED },
	{ "closed", COLUMN_COUNT, get_value, COUNTER_CLOSED },
	{ "refused", COLUMN_COUNT, get_refused, 0 },
	{ "resumed", COLUMN_COUNT, get_value, COUNTER_RESUMED },
	{ "messages", COLUMN_COUNT, get_value, COUNTER_MESSAGES },
	{ "datagrams", COLUMN_COUNT, get_value, COUNTER_DATAGRAMS_IN },
	{ "bytes_in", COLUMN_BYTES, get_value, COUNTER_BYTES_IN },
	{ "bytes_out", COLUMN_BYTES, get_value, COUNTER_BYTES_OUT },
	/* from here on only where outputs are repeated: see N_RATES */
	{ "accepted/s", COLUMN_COUNT, get_rate, COUNTER_ACCEPTED },
	{ "messages/s", COLUMN_COUNT, get_rate, COUNTER_MESSAGES },
	{ "datagrams/s", COLUMN_COUNT, get_rate, COUNTER_DATAGRAMS_IN },
	{ "in/s", COLUMN_BYTES, get_rate, COUNTER_BYTES_IN },
	{ "out/s", COLUMN_BYTES, get_rate, COUNTER_BYTES_OUT },
};
#define N_RATES 5

static int rows_collect(const struct readout *readout, struct view_rows *rows)
{
	const struct totals *totals = readout->totals;
	const int err = view_rows_allocate(rows, totals->n);
	const struct scope *scope;
	size_t i;

	for (i = 0; !err && i < totals->n; i++) {
		scope = &totals->scope[i];
		/* Most servers never had another configuration. */
		if (i != SCOPE_FORMER || scope->value[COUNTER_ACCEPTED] ||
		    scope->value[COUNTER_DATAGRAMS_IN])
			view_rows_add(rows, scope, i);
	}
	return err;
}

static const struct view view_once = {
	.columns = columns,
	.n_columns = ARRAY_LEN(columns) - N_RATES,
	.collect = rows_collect,
};

static const struct view view_repeated = {
	.columns = columns,
	.n_columns = ARRAY_LEN(columns),
	.collect = rows_collect,
};

/* default: serving, pid 4711, up 3m05s, counting since 2026-... */
static void print_title(const struct readout *readout,
			const struct output *output)
{
	const struct ledger_header *header = &readout->snapshot->header;
	const struct scope *instance = &readout->totals->scope[SCOPE_INSTANCE];
	const uint32_t state = ledger_get(header->state);
	char since[TEXT_BYTES], uptime[UNITS_TEXT_BYTES];

	render_bold_begin(output);
	(void)fprintf(output->file,
		      "%s: %s%s, pid %d, up %s, counting since %s",
		      readout->instance,
		      readout->is_alive  ? "" :
		      readout->is_served ? "without its master, " :
					   "not alive, was ",
		      state < LEDGER_STATES ? ledger_state_names[state] :
					      "in no known state",
		      (int)(readout->is_alive ? readout->snapshot->alive_pid :
						header->master_pid),
		      units_human_duration(
			      instance->value[VALUE_DERIVED(DERIVED_UPTIME)] *
				      NS_PER_S,
			      uptime),
		      text_time(header->created_real_ns, since));
	render_bold_end(output);
	(void)fputc('\n', output->file);
}

/* "closed: eof 10, reset 2"; nothing when nothing was counted. */
static void print_reasons(const struct readout *readout, const char *title,
			  size_t first, const char *const *names, size_t n,
			  FILE *file)
{
	const struct scope *instance = &readout->totals->scope[SCOPE_INSTANCE];
	const char *before = title;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!instance->value[first + i])
			continue;
		(void)fprintf(file, "%s%s %" PRIu64, before, names[i],
			      instance->value[first + i]);
		before = ", ";
	}
	if (before != title)
		(void)fputc('\n', file);
}

/* "kv: sets 10, misses 2", for each service that has counters of its own. */
static void print_own(const struct readout *readout,
		      const struct output *output)
{
	const struct totals *totals = readout->totals;
	size_t i, o;

	for (i = SCOPE_FIRST; i < totals->n; i++) {
		const struct scope *scope = &totals->scope[i];
		const char *before = ":";

		for (o = 0; o < OWN_VALUES; o++) {
			const struct own_value *own = &scope->own[o];

			if (!own->name[0])
				continue;
			(void)fprintf(output->file, "%s%s %s %" PRIu64,
				      before[0] == ':' ? scope->name : "",
				      before, own->name, own->value);
			before = ",";
		}
		if (before[0] == ',')
			(void)fputc('\n', output->file);
	}
}

static void print_workers(const struct readout *readout, FILE *file)
{
	const uint64_t *value = readout->totals->scope[SCOPE_INSTANCE].value;

	(void)fprintf(file,
		      "workers: running %" PRIu64 ", deaths %" PRIu64
		      ", successions %" PRIu64 "\n"
		      "turns: p50 %" PRIu64 "us, p99 %" PRIu64
		      "us, p99.9 %" PRIu64 "us\n",
		      value[VALUE_DERIVED(DERIVED_WORKERS_RUNNING)],
		      value[VALUE_DERIVED(DERIVED_DEATHS)],
		      value[VALUE_DERIVED(DERIVED_SUCCESSIONS)],
		      value[VALUE_DERIVED(DERIVED_TURN_P50)],
		      value[VALUE_DERIVED(DERIVED_TURN_P99)],
		      value[VALUE_DERIVED(DERIVED_TURN_P999)]);
}

int totals_table_print(const struct view *view, const struct readout *readout,
		       struct output *output)
{
	struct readout full = *readout;
	int err;

	(void)view; /* its table has columns of its own */
	full.totals = totals_update(readout, output);
	if (!full.totals)
		return -ENOMEM;
	print_title(&full, output);
	err = render_table(output->is_repeated ? &view_repeated : &view_once,
			   &full, output);
	print_workers(&full, output->file);
	print_reasons(&full, "closed: ", COUNTER_CLOSED_BY, close_reason_names,
		      CLOSE_REASONS_N, output->file);
	print_reasons(&full, "refused: ", COUNTER_REFUSED_BY,
		      refuse_reason_names, REFUSE_REASONS_N, output->file);
	print_own(&full, output);
	return err;
}
