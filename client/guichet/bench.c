/* SPDX-License-Identifier: ISC */
/*
 * bench.c - load an echo server, and check what it answers
 */
#include "client/guichet/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/guichet/commands.h"
#include "client/guichet/load.h"
#include "client/guichet/output.h"
#include "common/base.h"
#include "common/log.h"
#include "common/options.h"
#include "common/units.h"

#define BENCH_CONNECTIONS 64
#define BENCH_DURATION_NS (10 * NS_PER_S)
#define BENCH_BYTES       64

#define CONNECTIONS_MAX    1000000
#define PIPELINE_MAX       65536 /* a datagram's head numbers its place so */
#define RATE_MAX           1000000000
#define MESSAGE_MAX_BYTES  (1ULL << 30)
#define DATAGRAM_MIN_BYTES 8 /* its head */
#define DATAGRAM_MAX_BYTES 65507

/* --- options --------------------------------------------------------------- */

static const char *parse_count(const char *value, uint64_t max,
			       uint64_t *number)
{
	static char why[64];

	if (!units_parse_number(value, 1, max, number))
		return NULL;
	(void)snprintf(why, sizeof(why), "no number from 1 to %" PRIu64, max);
	return why;
}

static const char *set_connections(void *into, const char *value)
{
	struct bench_plan *plan = into;

	return parse_count(value, CONNECTIONS_MAX, &plan->n_connections);
}

static const char *set_duration(void *into, const char *value)
{
	struct bench_plan *plan = into;

	return dial_parse_duration(value, &plan->duration_ns);
}

static const char *set_requests(void *into, const char *value)
{
	struct bench_plan *plan = into;

	return parse_count(value, UINT64_MAX - 1, &plan->n_requests);
}

/* "200k" is the least and the most; "1-200k" is one and the other. */
static const char *set_bytes(void *into, const char *value)
{
	struct bench_plan *plan = into;
	const char *dash = strchr(value, '-');
	const char *most = dash ? dash + 1 : value;
	char least[UNITS_TEXT_BYTES];

	(void)snprintf(least, sizeof(least), "%.*s",
		       (int)(dash ? dash - value : (ptrdiff_t)strlen(value)),
		       value);
	if (units_parse_size(least, false, &plan->min_bytes) ||
	    units_parse_size(most, false, &plan->max_bytes) ||
	    !plan->min_bytes || plan->min_bytes > plan->max_bytes ||
	    plan->max_bytes > MESSAGE_MAX_BYTES)
		return "no size or range of sizes from 1 to 1g, such as 64, "
		       "16k or 1-200k";
	return NULL;
}

static const char *set_pipeline(void *into, const char *value)
{
	struct bench_plan *plan = into;

	return parse_count(value, PIPELINE_MAX, &plan->pipeline);
}

static const char *set_rate(void *into, const char *value)
{
	struct bench_plan *plan = into;

	return parse_count(value, RATE_MAX, &plan->rate);
}

static const char *set_churn(void *into, const char *value)
{
	struct bench_plan *plan = into;

	(void)value; /* a flag has none */
	plan->is_churn = true;
	return NULL;
}

static const char *set_hold(void *into, const char *value)
{
	struct bench_plan *plan = into;

	(void)value; /* a flag has none */
	plan->is_holding = true;
	return NULL;
}

static const char *set_unchecked(void *into, const char *value)
{
	struct bench_plan *plan = into;

	(void)value; /* a flag has none */
	plan->is_unchecked = true;
	return NULL;
}

static const char *set_output(void *into, const char *value)
{
	struct bench_plan *plan = into;

	plan->is_json = !strcmp(value, "json");
	if (!plan->is_json && strcmp(value, "text"))
		return "no such format; it is text or json";
	return NULL;
}

static const struct option_row rows[] = {
	{ 'c', "connections", "CONNECTIONS",
	  "connections at a time (default 64)", set_connections },
	{ 'd', "duration", "DURATION", "how long (default 10s)", set_duration },
	{ 'N', "requests", "REQUESTS", "how many, instead or at most",
	  set_requests },
	{ 's', "size", "SIZE", "bytes of a message, or MIN-MAX (default 64)",
	  set_bytes },
	{ 'P', "pipeline", "PIPELINE",
	  "messages in flight on each connection (default 1)", set_pipeline },
	{ 'R', "rate", "RATE", "requests a second, all together", set_rate },
	{ 0, "churn", NULL, "a new connection for every request", set_churn },
	{ 0, "hold", NULL,
	  "when connected print \"holding N\"; load after a line of input",
	  set_hold },
	{ 0, "no-check", NULL, "do not compare what comes back",
	  set_unchecked },
	{ 'o', "output", "FORMAT", "text (default) or json", set_output },
	DIAL_ROW_WAIT("for connecting and for each answer (default 10s)"),
	DIAL_ROW_IPV4,
	DIAL_ROW_IPV6,
	DIAL_ROW_VERBOSE,
};

static const struct options options = {
	.program = "guichet bench",
	.synopsis = "ADDRESS | HOST PORT [-c CONNECTIONS] [-d DURATION | "
		    "-N REQUESTS]\n        [-s SIZE] [-P PIPELINE] [-R RATE] "
		    "[--churn] [--hold] [-o text|json]",
	.about = "Loads an echo server, and checks every byte that comes back.",
	.details =
		"All connections are made first; then the clock starts. At the "
		"end what is\noutstanding is waited for, and every connection "
		"is closed in order.\nWith a rate, latency counts from when a "
		"request was due, not from when it\ncould be sent.\n"
		"\n"
		"Failures are counted by kind:\n"
		"  refused     nobody listens\n"
		"  reset       the connection was reset\n"
		"  timeout     connecting or an answer took longer than --wait\n"
		"  eof         the server closed before its time\n"
		"  wrong       other bytes came back than were sent\n"
		"  unanswered  a datagram had no answer within --wait\n"
		"  other:NAME  another error, by its name in errno(3)\n"
		"A connection that fails stays closed, and what it had "
		"outstanding is lost.\nThe exit status is 1 when anything "
		"failed or was lost.",
	.rows = rows,
	.n_rows = ARRAY_LEN(rows),
};

/* --- the run --------------------------------------------------------------- */

static const char *find_contradiction(const struct bench_plan *plan)
{
	bool is_udp = plan->addr.transport == TRANSPORT_UDP;

	if (is_udp && (plan->min_bytes < DATAGRAM_MIN_BYTES ||
		       plan->max_bytes > DATAGRAM_MAX_BYTES))
		return "--size: a datagram has from 8 to 65507 bytes";
	if (is_udp && plan->is_churn)
		return "--churn: there are no connections over UDP";
	if (plan->is_churn && plan->is_holding)
		return "--hold: there is nothing to hold with --churn";
	if (plan->is_churn && plan->pipeline > 1)
		return "--pipeline: each connection of --churn has one message";
	return NULL;
}

static void parse_plan(int argc, char **argv, struct bench_plan *plan)
{
	const char *wrong;
	int n_operands;

	options_parse(&options, argc, argv, plan, &n_operands);
	if (n_operands < 1 || n_operands > 2)
		dial_refuse_operands(&options);
	dial_parse_address(options.program, argv + 1, n_operands, &plan->addr);
	if (!plan->dial.wait_ns)
		plan->dial.wait_ns = DIAL_WAIT_NS;
	if (!plan->duration_ns)
		plan->duration_ns = plan->n_requests == UINT64_MAX ?
					    BENCH_DURATION_NS :
					    UNITS_OFF;
	wrong = find_contradiction(plan);
	if (!wrong)
		return;
	(void)fprintf(stderr, "%s: %s\n", options.program, wrong);
	exit(EXIT_USAGE);
}

/* Says that all connections are made, and waits for a line. */
static void hold(const struct load *load)
{
	char c = 0;

	(void)printf("holding %" PRIu64 "\n", load->n_open);
	if (!output_flush())
		return;
	while (c != '\n' && read(STDIN_FILENO, &c, 1) > 0)
		continue;
}

static int bench_result(const struct tally *tally)
{
	if (tally_n_failed(tally) || tally->n_lost_requests ||
	    tally->n_lost_bytes)
		return EXIT_FAILED;
	return EXIT_DONE;
}

int bench_main(int argc, char **argv)
{
	struct bench_plan plan = {
		.n_connections = BENCH_CONNECTIONS,
		.n_requests = UINT64_MAX,
		.min_bytes = BENCH_BYTES,
		.max_bytes = BENCH_BYTES,
		.pipeline = 1,
	};
	struct load load;
	int code = EXIT_FAILED;

	parse_plan(argc, argv, &plan);
	if (load_open(&load, &plan)) {
		if (plan.is_holding)
			hold(&load);
		load_run(&load);
		tally_print(&load.tally, &plan);
		code = output_finish(bench_result(&load.tally));
	}
	load_close(&load);
	return code;
}
