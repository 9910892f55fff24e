/* SPDX-License-Identifier: ISC */
/*
 * totals.c - every metric, of the instance and of each listener
 *
 * A listener may be several sockets (one for each address its name has):
 * users know it by its name, so entries of the same name are summed, a retired
 * listener and its successor too. What listeners of former configurations
 * counted stands in FORMER and is in the instance's totals only; so those never
 * go back. Entries that are no listener's count as FORMER does, if at all.
 */
#include "client/stat/totals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/stat/render.h"

const struct metric *totals_metric(size_t value)
{
	return value < COUNTERS_ALL_N ? &metric_counters[value] :
					&metric_derived[value - COUNTERS_ALL_N];
}

/* --- summing up ----------------------------------------------------------- */

static void scope_add(struct scope *scope, size_t value, uint64_t n)
{
	scope->has[value] = true;
	scope->value[value] += n;
}

static struct scope *scope_find(const struct totals *totals, const char *name)
{
	size_t i;

	for (i = SCOPE_FORMER; i < totals->n; i++) {
		if (!strcmp(totals->scope[i].name, name))
			return &totals->scope[i];
	}
	return NULL;
}

/* The scope of the ledger's entry @l; FORMER, which has no name, is there. */
static struct scope *scope_of_entry(struct totals *totals,
				    const struct snapshot *snapshot, size_t l)
{
	char name[LEDGER_NAME_BYTES];
	struct scope *scope;

	if (!snapshot_is_listener(snapshot, l))
		return &totals->scope[SCOPE_FORMER];
	(void)text_clean(snapshot->listeners[l].name, name, sizeof(name));
	scope = scope_find(totals, name);
	if (!scope) {
		scope = &totals->scope[totals->n++];
		memcpy(scope->name, name, sizeof(name));
	}
	return scope;
}

static void listener_count(const struct readout *readout, size_t l,
			   struct scope *scope)
{
	const struct kernel_socket *socket = &readout->sockets[l];
	size_t c;

	for (c = 0; c < COUNTERS_ALL_N; c++)
		scope_add(scope, c,
			  snapshot_counter(readout->snapshot, l,
					   (enum counter)c));
	if (socket->has_queue) {
		scope_add(scope, VALUE_DERIVED(DERIVED_QUEUE_LENGTH),
			  socket->queue);
		scope_add(scope, VALUE_DERIVED(DERIVED_QUEUE_LIMIT),
			  socket->queue_limit);
	}
}

/*
 * Names of services and their counters become names of metrics: letters,
 * digits, _ and the dots between words.
 */
static void clean_word(const char *in, char *out, size_t out_bytes)
{
	size_t i;

	for (i = 0; in[i] && i < out_bytes - 1; i++) {
		const unsigned char c = (unsigned char)in[i];
		const bool is_word = (c >= 'a' && c <= 'z') ||
				     (c >= 'A' && c <= 'Z') ||
				     (c >= '0' && c <= '9') || c == '.';

		out[i] = is_word ? (char)c : '_';
	}
	out[i] = '\0';
}

/* The counter called @name, or a free place for it; NULL: there is no room. */
static struct own_value *own_find(struct scope *scope, const char *name)
{
	size_t i;

	for (i = 0; i < OWN_VALUES; i++) {
		if (!scope->own[i].name[0] || !strcmp(scope->own[i].name, name))
			return &scope->own[i];
	}
	return NULL;
}

/* As over a restart, a counter goes on under its name, whoever counts it. */
static void own_count(const struct readout *readout, size_t l,
		      struct scope *scope)
{
	const struct snapshot *snapshot = readout->snapshot;
	char name[LEDGER_NAME_BYTES];
	struct own_value *own;
	size_t i;

	for (i = 0; i < LEDGER_OWN_COUNTERS; i++) {
		const struct ledger_own *from =
			snapshot_own_name(snapshot, l, i);

		clean_word(from->name, name, sizeof(name));
		own = name[0] ? own_find(scope, name) : NULL;
		if (!own)
			continue;
		own->value += snapshot_own(snapshot, l, i);
		if (own->name[0])
			continue; /* named by the first one */
		memcpy(own->name, name, sizeof(name));
		clean_word(snapshot->listeners[l].service, own->service,
			   sizeof(own->service));
		clean_word(from->unit, own->unit, sizeof(own->unit));
		(void)text_clean(from->help, own->help, sizeof(own->help));
	}
}

/* Those that listen first: it is them whom a name means now. */
static void listeners_count(const struct readout *readout,
			    struct totals *totals, bool are_listening)
{
	const struct snapshot *snapshot = readout->snapshot;
	struct scope *scope;
	size_t l;

	for (l = 0; l < snapshot->header.n_listeners; l++) {
		if (snapshot_is_listening(snapshot, l) != are_listening)
			continue;
		scope = scope_of_entry(totals, snapshot, l);
		listener_count(readout, l, scope);
		if (snapshot_is_listener(snapshot, l))
			own_count(readout, l, scope);
	}
}

static void scope_count_open(struct scope *scope)
{
	const uint64_t n_accepted = scope->value[COUNTER_ACCEPTED];
	const uint64_t n_closed = scope->value[COUNTER_CLOSED];

	scope_add(scope, VALUE_DERIVED(DERIVED_OPEN),
		  n_accepted > n_closed ? n_accepted - n_closed : 0);
}

static void workers_count(const struct readout *readout, struct totals *totals)
{
	const struct snapshot *snapshot = readout->snapshot;
	struct scope *instance = &totals->scope[SCOPE_INSTANCE];
	bool is_running;
	size_t s, b;

	for (s = 0; s < snapshot->header.n_slots; s++) {
		const struct ledger_head *head = &snapshot->parts[s].head;

		is_running = readout->is_served && ledger_get(head->pid) > 0 &&
			     ledger_get(head->state) == WORKER_SERVING;
		scope_add(instance, VALUE_DERIVED(DERIVED_WORKERS_RUNNING),
			  is_running);
		scope_add(instance, VALUE_DERIVED(DERIVED_SUCCESSIONS),
			  ledger_get(head->successions));
		scope_add(instance, VALUE_DERIVED(DERIVED_DEATHS),
			  ledger_get(head->deaths));
		for (b = 0; b < HISTOGRAM_BUCKETS; b++)
			totals->turns[b] += snapshot->parts[s].turns[b];
	}
}

static uint64_t uptime_ns(const struct readout *readout)
{
	const struct ledger_header *header = &readout->snapshot->header;

	return readout->now_mono_ns > header->started_mono_ns ?
		       readout->now_mono_ns - header->started_mono_ns :
		       0;
}

static void instance_count(const struct readout *readout, struct totals *totals)
{
	struct scope *instance = &totals->scope[SCOPE_INSTANCE];
	size_t i, v;

	for (i = SCOPE_FORMER; i < totals->n; i++) {
		const struct scope *scope = &totals->scope[i];

		for (v = 0; v < VALUES_N; v++) {
			if (scope->has[v])
				scope_add(instance, v, scope->value[v]);
		}
	}
	for (i = SCOPE_INSTANCE; i < totals->n; i++)
		scope_count_open(&totals->scope[i]);
	workers_count(readout, totals);
	scope_add(instance, VALUE_DERIVED(DERIVED_UPTIME),
		  uptime_ns(readout) / NS_PER_S);
}

/* --- differences ---------------------------------------------------------- */

/*
 * What was added since @then. A total that went back is another ledger's,
 * which began anew: then all of it was added.
 */
static uint64_t added_since(uint64_t then, uint64_t now)
{
	return now >= then ? now - then : now;
}

static uint64_t own_before(const struct scope *previous, const char *name)
{
	size_t i;

	for (i = 0; previous && i < OWN_VALUES; i++) {
		if (!strcmp(previous->own[i].name, name))
			return previous->own[i].value;
	}
	return 0;
}

static void scope_subtract(struct scope *scope, const struct scope *previous)
{
	size_t v, i;

	for (v = 0; v < VALUES_N; v++)
		scope->delta[v] = added_since(previous ? previous->value[v] : 0,
					      scope->value[v]);
	for (i = 0; i < OWN_VALUES; i++)
		scope->own[i].delta =
			added_since(own_before(previous, scope->own[i].name),
				    scope->own[i].value);
}

static void totals_subtract(struct totals *totals,
			    const struct totals *previous)
{
	const struct scope *before;
	size_t i;

	if (previous && totals->taken_mono_ns > previous->taken_mono_ns)
		totals->elapsed_ns =
			totals->taken_mono_ns - previous->taken_mono_ns;
	/* Of a ledger that was made anew, everything is new. */
	if (previous && previous->created_real_ns != totals->created_real_ns)
		previous = NULL;
	for (i = 0; i < totals->n; i++) {
		before = NULL;
		if (previous && i == SCOPE_INSTANCE)
			before = &previous->scope[i];
		else if (previous)
			before = scope_find(previous, totals->scope[i].name);
		scope_subtract(&totals->scope[i], before);
	}
	for (i = 0; i < HISTOGRAM_BUCKETS; i++)
		totals->turns_delta[i] = added_since(
			previous ? previous->turns[i] : 0, totals->turns[i]);
}

/* Of the turns since the output before: what is slow now is what matters. */
static void turns_count(struct totals *totals)
{
	static const struct {
		enum derived derived;
		double fraction;
	} percentiles[] = {
		{ DERIVED_TURN_P50, 0.5 },
		{ DERIVED_TURN_P99, 0.99 },
		{ DERIVED_TURN_P999, 0.999 },
	};
	uint64_t ns;
	size_t i;

	for (i = 0; i < ARRAY_LEN(percentiles); i++) {
		ns = histogram_percentile_ns(totals->turns_delta,
					     percentiles[i].fraction);
		scope_add(&totals->scope[SCOPE_INSTANCE],
			  VALUE_DERIVED(percentiles[i].derived),
			  (ns + NS_PER_US - 1) / NS_PER_US);
	}
}

struct totals *totals_new(const struct readout *readout,
			  const struct totals *previous)
{
	const struct snapshot *snapshot = readout->snapshot;
	const size_t n_listeners = snapshot->header.n_listeners;
	struct totals *totals = calloc(1, sizeof(*totals));

	if (!totals)
		return NULL;
	/* One more than the listeners: the instance. */
	totals->scope = calloc(n_listeners + 1, sizeof(*totals->scope));
	if (!totals->scope) {
		free(totals);
		return NULL;
	}
	totals->created_real_ns = snapshot->header.created_real_ns;
	totals->taken_mono_ns = snapshot->taken_mono_ns;
	totals->n = SCOPE_FIRST;
	listeners_count(readout, totals, true);
	listeners_count(readout, totals, false);
	instance_count(readout, totals);
	totals_subtract(totals, previous);
	turns_count(totals);
	return totals;
}

void totals_free(struct totals *totals)
{
	if (totals)
		free(totals->scope);
	free(totals);
}

const struct totals *totals_update(const struct readout *readout,
				   struct output *output)
{
	struct totals *totals = totals_new(readout, output->previous);

	if (totals) {
		totals_free(output->previous);
		output->previous = totals;
	}
	return totals;
}

/* --- JSON ----------------------------------------------------------------- */

/* "connections.closed.eof" is "connections_closed_eof". */
static void json_print_key(FILE *file, const char *name)
{
	(void)fputc('"', file);
	for (; *name; name++)
		(void)fputc(*name == '.' ? '_' : *name, file);
	(void)fputs("\":", file);
}

static void json_print_scope(FILE *file, const struct scope *scope,
			     char least_scope, bool is_first)
{
	const struct metric *metric;
	size_t v;

	for (v = 0; v < VALUES_N; v++) {
		metric = totals_metric(v);
		if (least_scope == 'l' && metric->scope != 'l')
			continue;
		if (!is_first)
			(void)fputc(',', file);
		is_first = false;
		json_print_key(file, metric->name);
		if (scope->has[v])
			(void)fprintf(file, "%llu",
				      (unsigned long long)scope->value[v]);
		else
			(void)fputs("null", file);
	}
}

/* In an object of their own: a service may call them as it likes. */
static void json_print_own(FILE *file, const struct scope *scope)
{
	const char *before = "";
	size_t i;

	(void)fputs(",\"own_counters\":{", file);
	for (i = 0; i < OWN_VALUES; i++) {
		if (!scope->own[i].name[0])
			continue;
		(void)fputs(before, file);
		json_print_key(file, scope->own[i].name);
		(void)fprintf(file, "%llu",
			      (unsigned long long)scope->own[i].value);
		before = ",";
	}
	(void)fputc('}', file);
}

static int totals_json_print(const struct view *view,
			     const struct readout *readout,
			     struct output *output)
{
	const struct totals *totals = totals_update(readout, output);
	FILE *file = output->file;
	size_t i;

	if (!totals)
		return -ENOMEM;
	render_json_begin(file, readout, view->name);
	(void)fputs(",\"totals\":{", file);
	json_print_scope(file, &totals->scope[SCOPE_INSTANCE], 'i', true);
	(void)fputs("},\"listeners\":[", file);
	for (i = SCOPE_FIRST; i < totals->n; i++) {
		(void)fputs(i > SCOPE_FIRST ? ",{\"name\":" : "{\"name\":",
			    file);
		render_json_text(file, totals->scope[i].name);
		json_print_scope(file, &totals->scope[i], 'l', false);
		json_print_own(file, &totals->scope[i]);
		(void)fputc('}', file);
	}
	(void)fputc(']', file);
	render_json_end(file);
	return 0;
}

static const struct format formats[] = {
	{ "statsd", statsd_print },
	{ "table", totals_table_print },
	{ "json", totals_json_print },
	{ "prometheus", prometheus_print },
};

const struct view view_totals = {
	.name = "totals",
	.wants = SNAPSHOT_TOTALS,
	.asks = KERNEL_QUEUES,
	.formats = formats,
	.n_formats = ARRAY_LEN(formats),
};
