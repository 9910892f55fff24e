/* SPDX-License-Identifier: ISC */
/*
 * prometheus.c - the totals in the text format that Prometheus scrapes
 *
 * What is counted for each listener is told for each listener only, as
 * sum() makes the instance of that; listener="" is what listeners of former
 * configurations counted, without which a sum could go back. Closed and
 * refused connections carry a reason, and their sum is all of them:
 *
 *     guichet_connections_closed_total{instance,listener,reason}
 *     guichet_connections_refused_total{instance,listener,reason}
 *
 * A service's own counters are named after it and their unit:
 *
 *     guichet_SERVICE_COUNTER[_UNIT]_total{instance,listener}
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/stat/totals.h"

/* Where all of it is from, and goes to. */
struct page {
	const struct readout *readout;
	const struct totals *totals;
	FILE *file;
};

/* --- the format ----------------------------------------------------------- */

/* "bytes.in" is guichet_bytes_in_total. */
static void print_name(FILE *file, const char *name, const char *tail)
{
	(void)fputs("guichet_", file);
	for (; *name; name++)
		(void)fputc(*name == '.' ? '_' : *name, file);
	(void)fputs(tail, file);
}

static void print_family(FILE *file, const char *name, const char *tail,
			 const char *type, const char *help)
{
	(void)fputs("# HELP ", file);
	print_name(file, name, tail);
	(void)fprintf(file, " %s\n# TYPE ", help);
	print_name(file, name, tail);
	(void)fprintf(file, " %s\n", type);
}

static void print_label(FILE *file, const char *before, const char *name,
			const char *value)
{
	(void)fprintf(file, "%s%s=\"", before, name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			(void)fputc('\\', file);
		(void)fputc(*value, file);
	}
	(void)fputc('"', file);
}

/* One sample up to its labels, of which more may follow. */
static void print_sample(const struct page *page, const char *name,
			 const char *tail)
{
	print_name(page->file, name, tail);
	print_label(page->file, "{", "instance", page->readout->instance);
}

static void print_value(FILE *file, uint64_t value)
{
	(void)fprintf(file, "} %" PRIu64 "\n", value);
}

/* --- of each listener ----------------------------------------------------- */

static void print_of_listeners(const struct page *page, size_t value)
{
	const struct metric *metric = totals_metric(value);
	const bool is_counter = metric->kind == 'c';
	const char *tail = is_counter ? "_total" : "";
	/* Former listeners count, but hold and queue nothing; of retired
	   ones, which have connections, the queue is not there. */
	size_t i = is_counter ? SCOPE_FORMER : SCOPE_FIRST;

	print_family(page->file, metric->name, tail,
		     is_counter ? "counter" : "gauge", metric->help);
	for (; i < page->totals->n; i++) {
		const struct scope *scope = &page->totals->scope[i];

		if (!scope->has[value])
			continue;
		print_sample(page, metric->name, tail);
		print_label(page->file, ",", "listener", scope->name);
		print_value(page->file, scope->value[value]);
	}
}

static void print_by_reason(const struct page *page, const char *name,
			    const char *help, size_t first,
			    const char *const *reasons, size_t n)
{
	size_t i, r;

	print_family(page->file, name, "_total", "counter", help);
	for (i = SCOPE_FORMER; i < page->totals->n; i++) {
		const struct scope *scope = &page->totals->scope[i];

		for (r = 0; r < n; r++) {
			print_sample(page, name, "_total");
			print_label(page->file, ",", "listener", scope->name);
			print_label(page->file, ",", "reason", reasons[r]);
			print_value(page->file, scope->value[first + r]);
		}
	}
}

static void print_listeners(const struct page *page)
{
	size_t v;

	for (v = 0; v < COUNTERS_N; v++) {
		if (v != COUNTER_CLOSED) /* it is told by reason */
			print_of_listeners(page, v);
	}
	print_by_reason(page, "connections.closed", "Connections closed",
			COUNTER_CLOSED_BY, close_reason_names, CLOSE_REASONS_N);
	print_by_reason(page, "connections.refused", "Connections not taken",
			COUNTER_REFUSED_BY, refuse_reason_names,
			REFUSE_REASONS_N);
	for (v = COUNTERS_ALL_N; v < VALUES_N; v++) {
		if (totals_metric(v)->scope == 'l')
			print_of_listeners(page, v);
	}
}

/* --- of a service ---------------------------------------------------------- */

/* A service's counter, of one scope. */
struct sample {
	char family[LEDGER_NAME_BYTES + METRIC_OWN_BYTES]; /* kv_stored_bytes */
	const struct scope *scope;
	const struct own_value *own;
};

static void name_family(struct sample *sample)
{
	const struct own_value *own = sample->own;
	char name[METRIC_OWN_BYTES];
	char *c;

	(void)snprintf(sample->family, sizeof(sample->family), "%s_%s",
		       own->service,
		       metric_own_name(own->name, own->unit, name));
	for (c = sample->family; *c; c++) {
		if (*c == '.')
			*c = '_';
	}
}

/* A forged ledger may have two of one name, which would be one series twice. */
static bool is_there_twice(const struct sample *samples, size_t n)
{
	size_t i = n;

	while (i-- > 0 && samples[i].scope == samples[n].scope) {
		if (!strcmp(samples[i].family, samples[n].family))
			return true;
	}
	return false;
}

/* By family; within one, in the order of listeners, each at its own place. */
static int compare_samples(const void *left, const void *right)
{
	const struct sample *a = left, *b = right;
	const int order = strcmp(a->family, b->family);

	if (order)
		return order;
	return (a->own > b->own) - (a->own < b->own);
}

static size_t find_samples(const struct page *page, struct sample *samples)
{
	size_t n = 0, i, o;

	for (i = SCOPE_FIRST; i < page->totals->n; i++) {
		const struct scope *scope = &page->totals->scope[i];

		for (o = 0; o < OWN_VALUES; o++) {
			if (!scope->own[o].name[0])
				continue;
			samples[n].scope = scope;
			samples[n].own = &scope->own[o];
			name_family(&samples[n]);
			n += !is_there_twice(samples, n);
		}
	}
	qsort(samples, n, sizeof(*samples), compare_samples);
	return n;
}

/* A backslash would begin an escape. */
static void print_own_family(FILE *file, const struct sample *sample)
{
	char help[2 * LEDGER_HELP_BYTES];
	const char *from = sample->own->help;
	size_t n = 0;

	for (; *from; from++) {
		if (*from == '\\')
			help[n++] = '\\';
		help[n++] = *from;
	}
	help[n] = '\0';
	print_family(file, sample->family, "_total", "counter", help);
}

static int print_own(const struct page *page)
{
	struct sample *samples =
		calloc(page->totals->n * OWN_VALUES, sizeof(*samples));
	size_t n, i;

	if (!samples)
		return -ENOMEM;
	n = find_samples(page, samples);
	for (i = 0; i < n; i++) {
		if (!i || strcmp(samples[i - 1].family, samples[i].family) != 0)
			print_own_family(page->file, &samples[i]);
		print_sample(page, samples[i].family, "_total");
		print_label(page->file, ",", "listener",
			    samples[i].scope->name);
		print_value(page->file, samples[i].own->value);
	}
	free(samples);
	return 0;
}

/* --- of the instance ------------------------------------------------------ */

/* The percentiles are left out: the histogram tells more. */
static void print_instance(const struct page *page)
{
	const struct scope *instance = &page->totals->scope[SCOPE_INSTANCE];
	const struct metric *metric;
	const char *tail;
	size_t v;

	print_family(page->file, "up", "", "gauge",
		     "Whether the server's master lives");
	print_sample(page, "up", "");
	print_value(page->file, page->readout->is_alive);
	for (v = COUNTERS_ALL_N; v < VALUES_N; v++) {
		metric = totals_metric(v);
		tail = metric->kind == 'c' ? "_total" : "";
		if (metric->scope != 'i' || metric->unit[0] == 'u')
			continue;
		print_family(page->file, metric->name, tail,
			     metric->kind == 'c' ? "counter" : "gauge",
			     metric->help);
		print_sample(page, metric->name, tail);
		print_value(page->file, instance->value[v]);
	}
}

/*
 * Bounds at powers of two, 1 us to 8.6 s: there our own buckets end, too, so
 * what is told of each bound is exact. The sum takes every turn to have
 * lasted as long as the middle of its bucket, which is off by 1/32 at most.
 */
#define LEAST_BOUND 10 /* 2^10 ns */
#define LAST_BOUND  33

static void print_bucket(const struct page *page, const char *bound, uint64_t n)
{
	print_sample(page, "turn", "_seconds_bucket");
	print_label(page->file, ",", "le", bound);
	print_value(page->file, n);
}

static void print_turns(const struct page *page)
{
	const uint64_t *turns = page->totals->turns;
	uint64_t n = 0, lower_ns = 0, upper_ns;
	unsigned bound = LEAST_BOUND;
	double sum_ns = 0;
	char text[32];
	size_t b;

	print_family(page->file, "turn", "_seconds", "histogram",
		     "Time of a turn, from readable to answered");
	for (b = 0; b < HISTOGRAM_BUCKETS; b++) {
		upper_ns = histogram_upper_ns(b);
		n += turns[b];
		sum_ns += (double)turns[b] * (double)(lower_ns + upper_ns - 1) /
			  2;
		if (bound <= LAST_BOUND && upper_ns == 1ULL << bound) {
			(void)snprintf(text, sizeof(text), "%.9f",
				       (double)upper_ns / (double)NS_PER_S);
			print_bucket(page, text, n);
			bound++;
		}
		lower_ns = upper_ns;
	}
	print_bucket(page, "+Inf", n);
	print_sample(page, "turn", "_seconds_sum");
	(void)fprintf(page->file, "} %.9f\n", sum_ns / (double)NS_PER_S);
	print_sample(page, "turn", "_seconds_count");
	print_value(page->file, n);
}

/* --- of each worker ------------------------------------------------------- */

static uint64_t worker_up(const struct readout *readout,
			  const struct ledger_head *head)
{
	return readout->is_served && ledger_get(head->pid) > 0 &&
	       ledger_get(head->state) == WORKER_SERVING;
}

static uint64_t worker_open(const struct readout *readout,
			    const struct ledger_head *head)
{
	(void)readout;
	return ledger_get(head->n_open);
}

static uint64_t worker_generation(const struct readout *readout,
				  const struct ledger_head *head)
{
	(void)readout;
	return ledger_get(head->generation);
}

static uint64_t worker_deaths(const struct readout *readout,
			      const struct ledger_head *head)
{
	(void)readout;
	return ledger_get(head->deaths);
}

static uint64_t worker_successions(const struct readout *readout,
				   const struct ledger_head *head)
{
	(void)readout;
	return ledger_get(head->successions);
}

static const struct {
	const char *name, *tail, *type, *help;
	uint64_t (*get)(const struct readout *readout,
			const struct ledger_head *head);
} worker_metrics[] = {
	{ "worker.up", "", "gauge", "Whether the worker serves", worker_up },
	{ "worker.connections.open", "", "gauge",
	  "Connections the worker has open", worker_open },
	{ "worker.generation", "", "gauge",
	  "Which worker of its slot it is, from 1", worker_generation },
	{ "worker.deaths", "_total", "counter",
	  "Workers of the slot that died without having been asked to leave",
	  worker_deaths },
	{ "worker.successions", "_total", "counter",
	  "Workers of the slot that took over from another",
	  worker_successions },
};

static void print_workers(const struct page *page)
{
	const struct snapshot *snapshot = page->readout->snapshot;
	char slot[16];
	size_t m, s;

	for (m = 0; m < ARRAY_LEN(worker_metrics); m++) {
		print_family(page->file, worker_metrics[m].name,
			     worker_metrics[m].tail, worker_metrics[m].type,
			     worker_metrics[m].help);
		for (s = 0; s < snapshot->header.n_slots; s++) {
			if (!worker_is_there(page->readout, s))
				continue;
			(void)snprintf(slot, sizeof(slot), "%zu", s);
			print_sample(page, worker_metrics[m].name,
				     worker_metrics[m].tail);
			print_label(page->file, ",", "worker", slot);
			print_value(page->file,
				    worker_metrics[m].get(
					    page->readout,
					    &snapshot->parts[s].head));
		}
	}
}

int prometheus_print(const struct view *view, const struct readout *readout,
		     struct output *output)
{
	const struct page page = {
		.readout = readout,
		.totals = totals_update(readout, output),
		.file = output->file,
	};

	(void)view;
	if (!page.totals)
		return -ENOMEM;
	print_instance(&page);
	print_listeners(&page);
	print_turns(&page);
	print_workers(&page);
	return print_own(&page);
}
