/* SPDX-License-Identifier: ISC */
/*
 * recycling.c - tests of when a worker is due, and of how busy it is
 */
#include <unistd.h>

#include "common/base.h"
#include "common/units.h"
#include "server/load.h"
#include "server/recycling.h"
#include "tests/unit/check.h"

#define ENTRY 1U

static struct ledger_totals totals[ENTRY + 1];
static struct part part = { .totals = totals };
static struct listen_config listen_config = { .entry = { ENTRY },
					      .n_entries = 1 };

static struct config make_config(void)
{
	return (struct config){
		.listeners = &listen_config,
		.n_listeners = 1,
		.max_worker_age_ns = UNITS_OFF,
		.max_worker_memory_bytes = UNITS_OFF,
		.max_worker_connections = UNITS_OFF,
	};
}

static void set_accepted(uint64_t n)
{
	ledger_set(totals[ENTRY].counter[COUNTER_ACCEPTED], n);
}

static void never_without_limits(void)
{
	struct config config = make_config();
	struct recycling r;

	set_accepted(5);
	recycling_begin(&r, &config, &part, NS_PER_S);
	set_accepted(UINT64_MAX / 2);
	CHECK(!recycling_is_due(&r, &config, &part, getpid(), UINT64_MAX / 2));
}

static void by_age_with_jitter(void)
{
	const uint64_t age_ns = 1000 * NS_PER_S;
	struct config config = make_config();
	uint64_t least = UINT64_MAX, most = 0;
	struct recycling r;

	config.max_worker_age_ns = age_ns;
	for (int i = 0; i < 1000; i++) {
		recycling_begin(&r, &config, &part, NS_PER_S);
		least = min_u64(least, r.due_ns - NS_PER_S);
		most = max_u64(most, r.due_ns - NS_PER_S);
		CHECK(!recycling_is_due(&r, &config, &part, 0, r.due_ns - 1));
		CHECK(recycling_is_due(&r, &config, &part, 0,
				       r.due_ns + NS_PER_S));
	}
	CHECK(least > age_ns * 9 / 10 && least < age_ns * 92 / 100);
	CHECK(most <= age_ns && most > age_ns * 98 / 100);
}

static void by_connections_of_its_own(void)
{
	struct config config = make_config();
	struct recycling r;

	config.max_worker_connections = 1000;
	set_accepted(7000);
	recycling_begin(&r, &config, &part, 0);
	CHECK(r.max_accepted > 900 && r.max_accepted <= 1000);
	set_accepted(7000 + r.max_accepted - 1);
	CHECK(!recycling_is_due(&r, &config, &part, 0, NS_PER_S));
	set_accepted(7000 + r.max_accepted);
	CHECK(recycling_is_due(&r, &config, &part, 0, 2 * NS_PER_S));
	CHECK_TEXT(r.why, "max-worker-connections");
	/* a limit without a tenth has no jitter, and is never 0 */
	config.max_worker_connections = 1;
	recycling_begin(&r, &config, &part, 0);
	CHECK_NUMBER(r.max_accepted, 1);
}

static void by_memory_of_its_own(void)
{
	struct config config = make_config();
	struct recycling r;

	config.max_worker_memory_bytes = 1ULL << 40;
	recycling_begin(&r, &config, &part, 0);
	CHECK(!recycling_is_due(&r, &config, &part, getpid(), NS_PER_S));
	config.max_worker_memory_bytes = 1;
	CHECK(recycling_is_due(&r, &config, &part, getpid(), 2 * NS_PER_S));
	CHECK_TEXT(r.why, "max-worker-memory");
	/* who is gone uses none */
	recycling_begin(&r, &config, &part, 0);
	CHECK(!recycling_is_due(&r, &config, &part, 0, NS_PER_S));
}

/* However soon it is due: not in its first second, and once. */
static void once_and_not_at_once(void)
{
	struct config config = make_config();
	struct recycling r;

	config.max_worker_connections = 1;
	set_accepted(0);
	recycling_begin(&r, &config, &part, 5 * NS_PER_S);
	set_accepted(10);
	CHECK(!recycling_is_due(&r, &config, &part, 0, 5 * NS_PER_S));
	CHECK(!recycling_is_due(&r, &config, &part, 0, 6 * NS_PER_S - 1));
	CHECK(recycling_is_due(&r, &config, &part, 0, 6 * NS_PER_S));
	CHECK(!recycling_is_due(&r, &config, &part, 0, 60 * NS_PER_S));
	recycling_take_back(&r);
	CHECK(recycling_is_due(&r, &config, &part, 0, 61 * NS_PER_S));
}

/* ---- load.h ---- */

/* Looks @n times, 100 ms apart, at a clock that stands still. */
static uint32_t look(struct load *load, unsigned n, bool is_handling,
		     uint64_t *now_ns)
{
	uint32_t busy = 0;

	while (n--) {
		*now_ns += 100 * NS_PER_MS;
		busy = load_measure(load, is_handling, *now_ns);
	}
	return busy;
}

static void a_handler_that_waits_is_busy(void)
{
	uint64_t now_ns = NS_PER_S;
	struct load load;

	load_begin(&load, getpid(), now_ns);
	(void)look(&load, 1, false, &now_ns); /* what it used until now */
	CHECK(look(&load, 50, false, &now_ns) < 20);
	CHECK(look(&load, 3, true, &now_ns) < 400); /* not by one look */
	CHECK(look(&load, 7, true, &now_ns) > 700);
	CHECK_NUMBER(look(&load, 100, true, &now_ns), 1000);
	CHECK_NUMBER(look(&load, 100, false, &now_ns), 0);
}

static void a_processor_in_use_is_busy(void)
{
	uint64_t now_ns = NS_PER_S, used_ns;
	struct timespec t;
	struct load load;

	load_begin(&load, getpid(), now_ns);
	do
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	while ((used_ns = (uint64_t)t.tv_nsec + t.tv_sec * NS_PER_S) <
	       40 * NS_PER_MS);
	/* as if that was all within the last of its time */
	now_ns += used_ns;
	CHECK(load_measure(&load, false, now_ns) >= 490);
	/* too soon after it to tell */
	CHECK(load_measure(&load, false, now_ns + NS_PER_MS) >= 490);
	CHECK_NUMBER(look(&load, 100, false, &now_ns) > 10, 0);
}

int main(void)
{
	never_without_limits();
	by_age_with_jitter();
	by_connections_of_its_own();
	by_memory_of_its_own();
	once_and_not_at_once();
	a_handler_that_waits_is_busy();
	a_processor_in_use_is_busy();
	return check_result();
}
