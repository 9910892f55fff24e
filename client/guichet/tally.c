/* SPDX-License-Identifier: ISC */
/*
 * tally.c - what came of a load: counts, latencies and failures by kind
 */
#include "client/guichet/tally.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/addr.h"
#include "common/units.h"

static const char *const failure_names[] = {
	[FAILURE_REFUSED] = "refused",      [FAILURE_RESET] = "reset",
	[FAILURE_TIMEOUT] = "timeout",      [FAILURE_EOF] = "eof",
	[FAILURE_WRONG] = "wrong",          [FAILURE_UNANSWERED] = "unanswered",
	[FAILURE_OTHER] = "other:unlisted",
};
_Static_assert(ARRAY_LEN(failure_names) == FAILURES, "every kind has a name");

/* The points of the distribution that are told. */
static const struct {
	const char *key;
	const char *title;
	double fraction;
} percentiles[] = {
	{ "p50", "p50", 0.5 },
	{ "p90", "p90", 0.9 },
	{ "p99", "p99", 0.99 },
	{ "p999", "p99.9", 0.999 },
};

void tally_failure(struct tally *tally, enum failure kind)
{
	tally->failures[kind]++;
}

static void count_other(struct tally *tally, int err)
{
	for (size_t i = 0; i < TALLY_ERRNOS; i++) {
		if (tally->others[i].n && tally->others[i].err != err)
			continue;
		tally->others[i].err = err;
		tally->others[i].n++;
		return;
	}
	tally->failures[FAILURE_OTHER]++;
}

void tally_errno(struct tally *tally, int err)
{
	switch (err) {
	case ECONNREFUSED:
		tally_failure(tally, FAILURE_REFUSED);
		break;
	case ECONNRESET:
	case EPIPE:
		tally_failure(tally, FAILURE_RESET);
		break;
	case ETIMEDOUT:
		tally_failure(tally, FAILURE_TIMEOUT);
		break;
	default:
		count_other(tally, err);
	}
}

uint64_t tally_n_failed(const struct tally *tally)
{
	uint64_t n = 0;

	for (size_t i = 0; i < FAILURES; i++)
		n += tally->failures[i];
	for (size_t i = 0; i < TALLY_ERRNOS; i++)
		n += tally->others[i].n;
	return n;
}

static double to_s(uint64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

static double to_us(uint64_t ns)
{
	return (double)ns / (double)NS_PER_US;
}

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

/* No bucket's end lies above the longest that was seen. */
static double percentile_us(const struct tally *tally, double fraction)
{
	uint64_t ns = histogram_percentile_ns(tally->latencies, fraction);

	return to_us(min_u64(ns, tally->latency_max_ns));
}

static double mean_us(const struct tally *tally)
{
	return ratio(to_us(tally->latency_sum_ns), (double)tally->n_requests);
}

/*
 * Calls @print for every kind of failure that occurred, or in every case when
 * @is_all, with the number of those before it.
 */
static void each_failure(const struct tally *tally,
			 void (*print)(unsigned n_before, const char *kind,
				       uint64_t n))
{
	unsigned n_before = 0;
	char name[40];

	for (size_t i = 0; i < FAILURES; i++)
		if (tally->failures[i])
			print(n_before++, failure_names[i], tally->failures[i]);
	for (size_t i = 0; i < TALLY_ERRNOS; i++) {
		const char *errno_name = strerrorname_np(tally->others[i].err);

		if (!tally->others[i].n)
			continue;
		(void)snprintf(name, sizeof(name), "other:%s",
			       errno_name ? errno_name : "?");
		print(n_before++, name, tally->others[i].n);
	}
}

/* --- JSON ------------------------------------------------------------------ */

static void print_json_string(const char *text)
{
	(void)putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			(void)printf("\\%c", c);
		else if (c < 0x20)
			(void)printf("\\u%04x", c);
		else
			(void)putchar(c);
	}
	(void)putchar('"');
}

static void print_json_failure(unsigned n_before, const char *kind, uint64_t n)
{
	(void)printf("%s\"%s\": %" PRIu64, n_before ? ", " : "", kind, n);
}

static void print_json_count(const char *key, uint64_t n)
{
	(void)printf("  \"%s\": %" PRIu64 ",\n", key, n);
}

static void print_json_latency(const struct tally *tally)
{
	(void)printf("  \"latency_us\": {");
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
		(void)printf("\"%s\": %.3f, ", percentiles[i].key,
			     percentile_us(tally, percentiles[i].fraction));
	(void)printf("\"max\": %.3f, \"mean\": %.3f},\n",
		     to_us(tally->latency_max_ns), mean_us(tally));
}

static void print_json(const struct tally *tally, const struct bench_plan *plan)
{
	char address[ADDR_TYPED_BYTES];
	double duration_s = to_s(tally->duration_ns);

	(void)printf("{\n  \"schema\": 1,\n  \"address\": ");
	print_json_string(addr_format_typed(&plan->addr, address));
	(void)printf(",\n");
	print_json_count("connections", plan->n_connections);
	(void)printf("  \"duration_s\": %.6f,\n", duration_s);
	print_json_count("requests", tally->n_requests);
	(void)printf("  \"requests_per_s\": %.1f,\n",
		     ratio((double)tally->n_requests, duration_s));
	print_json_count("bytes_sent", tally->bytes_sent);
	print_json_count("bytes_received", tally->bytes_received);
	print_json_count("connects", tally->n_connects);
	print_json_latency(tally);
	(void)printf("  \"failures\": {");
	each_failure(tally, print_json_failure);
	(void)printf("},\n");
	print_json_count("failed", tally_n_failed(tally));
	print_json_count("lost_requests", tally->n_lost_requests);
	print_json_count("lost_bytes", tally->n_lost_bytes);
	print_json_count("late", tally->n_late);
	print_json_count("unsent", tally->n_unsent);
	(void)printf("  \"user_cpu_s\": %.6f,\n", tally->user_cpu_s);
	(void)printf("  \"sys_cpu_s\": %.6f\n}\n", tally->sys_cpu_s);
}

/* --- text ------------------------------------------------------------------ */

static void print_text_failure(unsigned n_before, const char *kind, uint64_t n)
{
	(void)printf("%s%s %" PRIu64, n_before ? ", " : "", kind, n);
}

static void print_text_head(const struct bench_plan *plan)
{
	char address[ADDR_TYPED_BYTES], least[UNITS_TEXT_BYTES],
		most[UNITS_TEXT_BYTES];

	(void)printf("%s: %" PRIu64 " connections%s, messages of %s%s%s bytes",
		     addr_format_typed(&plan->addr, address),
		     plan->n_connections, plan->is_churn ? " at a time" : "",
		     units_format_size(plan->min_bytes, least),
		     plan->min_bytes < plan->max_bytes ? " to " : "",
		     plan->min_bytes < plan->max_bytes ?
			     units_format_size(plan->max_bytes, most) :
			     "");
	if (plan->pipeline > 1)
		(void)printf(", %" PRIu64 " in flight each", plan->pipeline);
	if (plan->rate)
		(void)printf(", %" PRIu64 " a second", plan->rate);
	(void)printf("%s\n", plan->is_unchecked ? ", not checked" : "");
}

/* "sent     12345678 bytes      1.23 MB/s" */
static void print_text_bytes(const char *title, uint64_t bytes,
			     double duration_s)
{
	(void)printf("%-10s %14" PRIu64 " bytes     %14.3f MB/s\n", title,
		     bytes, ratio((double)bytes, duration_s) / 1e6);
}

static void print_text_latency(const struct tally *tally)
{
	(void)printf("latency   ");
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
		(void)printf(" %10s", percentiles[i].title);
	(void)printf(" %10s %10s\n       us ", "max", "mean");
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
		(void)printf(" %10.1f",
			     percentile_us(tally, percentiles[i].fraction));
	(void)printf(" %10.1f %10.1f\n", to_us(tally->latency_max_ns),
		     mean_us(tally));
}

static void print_text_losses(const struct tally *tally)
{
	uint64_t n_failed = tally_n_failed(tally);

	(void)printf("failures   %14" PRIu64, n_failed);
	if (n_failed) {
		(void)printf("   ");
		each_failure(tally, print_text_failure);
	}
	(void)printf("\n");
	if (tally->n_lost_requests)
		(void)printf("lost       %14" PRIu64 " requests  %14" PRIu64
			     " bytes\n",
			     tally->n_lost_requests, tally->n_lost_bytes);
	if (tally->n_late)
		(void)printf("late       %14" PRIu64
			     " answers to datagrams given up\n",
			     tally->n_late);
	if (tally->n_unsent)
		(void)printf("unsent     %14" PRIu64
			     " requests due that found no connection free\n",
			     tally->n_unsent);
}

static void print_text(const struct tally *tally, const struct bench_plan *plan)
{
	double duration_s = to_s(tally->duration_ns);
	double cpu_s = tally->user_cpu_s + tally->sys_cpu_s;

	print_text_head(plan);
	(void)printf("requests   %14" PRIu64 " in %8.3f s %12.0f /s\n",
		     tally->n_requests, duration_s,
		     ratio((double)tally->n_requests, duration_s));
	print_text_bytes("sent", tally->bytes_sent, duration_s);
	print_text_bytes("received", tally->bytes_received, duration_s);
	(void)printf("connects   %14" PRIu64 "\n", tally->n_connects);
	print_text_latency(tally);
	(void)printf("own cpu    %14.3f s user    %14.3f s system  "
		     "%.2f us a request\n",
		     tally->user_cpu_s, tally->sys_cpu_s,
		     ratio(cpu_s * 1e6, (double)tally->n_requests));
	print_text_losses(tally);
}

void tally_print(const struct tally *tally, const struct bench_plan *plan)
{
	if (plan->is_json)
		print_json(tally, plan);
	else
		print_text(tally, plan);
}
