/* SPDX-License-Identifier: ISC */
/*
 * totals.h - every metric, of the instance and of each listener
 */
#ifndef GUICHET_STAT_TOTALS_H
#define GUICHET_STAT_TOTALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/stat/view.h"
#include "common/histogram.h"
#include "common/metrics.h"

/* All metrics in one row: those by enum counter, then by enum derived. */
#define VALUE_DERIVED(derived) ((size_t)COUNTERS_ALL_N + (derived))
#define VALUES_N               (COUNTERS_ALL_N + DERIVED_N)

/* A counter of the service's own. */
struct own_value {
	char name[LEDGER_NAME_BYTES];    /* clean, as a metric's; "": none */
	char service[LEDGER_NAME_BYTES]; /* clean, as a metric's */
	char unit[LEDGER_UNIT_BYTES];
	char help[LEDGER_HELP_BYTES];
	uint64_t value;
	uint64_t delta; /* as those of a scope */
};

/* A retired listener of the same name may have had another service. */
#define OWN_VALUES (2 * LEDGER_OWN_COUNTERS)

/* What is counted together: the instance, or the listeners of one name. */
struct scope {
	char name[LEDGER_NAME_BYTES]; /* clean; "": the instance, or FORMER */
	bool has[VALUES_N];
	uint64_t value[VALUES_N];
	uint64_t delta[VALUES_N]; /* since the output before; or all of it */
	struct own_value own[OWN_VALUES]; /* each name once */
};

struct totals {
	uint64_t created_real_ns; /* since when all this counts */
	uint64_t taken_mono_ns;
	uint64_t elapsed_ns; /* since the output before; 0: there was none */
	uint64_t turns[HISTOGRAM_BUCKETS];
	uint64_t turns_delta[HISTOGRAM_BUCKETS];
	size_t n;
	struct scope *scope; /* the instance, FORMER, and each name once */
};

#define SCOPE_INSTANCE 0
#define SCOPE_FORMER   1
#define SCOPE_FIRST    2

const struct metric *totals_metric(size_t value);

/* Sums up @readout; @previous (or NULL) is what deltas are since. */
struct totals *totals_new(const struct readout *readout,
			  const struct totals *previous);
void totals_free(struct totals *totals);

/* The formats of the totals view that are no tables; see struct format. */
int statsd_print(const struct view *view, const struct readout *readout,
		 struct output *output);
int prometheus_print(const struct view *view, const struct readout *readout,
		     struct output *output);
int totals_table_print(const struct view *view, const struct readout *readout,
		       struct output *output);

/*
 * Sums up @readout against the output's previous totals, and puts the new
 * ones in their place; NULL when there is no memory. They are the output's.
 */
const struct totals *totals_update(const struct readout *readout,
				   struct output *output);

#endif
