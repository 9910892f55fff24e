/* SPDX-License-Identifier: ISC */
/*
 * metrics.c - the tables that follow from the lists in metrics.h
 */
#include "common/metrics.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define COUNTER(at, name, unit, help) [at] = { name, 'c', 'l', unit, help },
#define M(tail, name, unit, help)     COUNTER(COUNTER_##tail, name, unit, help)
#define C(tail, word, help)                                                   \
	COUNTER(COUNTER_CLOSED_BY + CLOSE_##tail, "connections.closed." word, \
		"", "Connections closed: " help)
#define R(tail, word, help)                         \
	COUNTER(COUNTER_REFUSED_BY + REFUSE_##tail, \
		"connections.refused." word, "", "Connections refused: " help)

/* One list a line, which the formatter would not have. */
/* clang-format off */
const struct metric metric_counters[] = {
	COUNTERS(M)
	CLOSE_REASONS(C) /* named after their reasons */
	REFUSE_REASONS(R)
};
/* clang-format on */
#undef M
#undef C
#undef R

const struct metric metric_derived[] = {
#define G(tail, name, kind, unit, scope, help) \
	[DERIVED_##tail] = { name, kind, scope, unit, help },
	DERIVED(G)
#undef G
};

const char *const close_reason_names[] = {
#define C(tail, word, help) [CLOSE_##tail] = word,
	CLOSE_REASONS(C)
#undef C
};

const char *const refuse_reason_names[] = {
#define R(tail, word, help) [REFUSE_##tail] = word,
	REFUSE_REASONS(R)
#undef R
};

_Static_assert(ARRAY_LEN(metric_counters) == COUNTERS_ALL_N, "all counters");
_Static_assert(ARRAY_LEN(metric_derived) == DERIVED_N, "all that is derived");
_Static_assert(ARRAY_LEN(close_reason_names) == CLOSE_REASONS_N, "all reasons");
_Static_assert(ARRAY_LEN(refuse_reason_names) == REFUSE_REASONS_N,
	       "all reasons");

/* Whether @unit is one of the words of @name. */
static bool has_word(const char *name, const char *unit)
{
	const size_t n = strlen(unit);
	const char *at = name;

	while ((at = strstr(at, unit))) {
		if ((at == name || at[-1] == '.' || at[-1] == '_') &&
		    (!at[n] || at[n] == '.' || at[n] == '_'))
			return true;
		at += n;
	}
	return false;
}

const char *metric_own_name(const char *name, const char *unit, char *out)
{
	const bool is_named = !*unit || has_word(name, unit);

	(void)snprintf(out, METRIC_OWN_BYTES, "%s%s%s", name,
		       is_named ? "" : "_", is_named ? "" : unit);
	return out;
}
