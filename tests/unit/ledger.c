/* SPDX-License-Identifier: ISC */
/*
 * ledger.c - tests of the arithmetic and the names of the ledger
 */
#include "common/ledger.h"

#include "tests/unit/check.h"

static const struct ledger_shape shapes[] = {
	{ .n_listeners = 1, .n_slots = 1, .n_rows = 1, .n_closed = 1 },
	{ .n_listeners = 3, .n_slots = 2, .n_rows = 16384, .n_closed = 256 },
	{ .n_listeners = 17, .n_slots = 5, .n_rows = 77, .n_closed = 3 },
	{ .n_listeners = LEDGER_MAX_LISTENERS,
	  .n_slots = LEDGER_MAX_SLOTS,
	  .n_rows = LEDGER_MAX_ROWS,
	  .n_closed = LEDGER_MAX_ROWS },
};

/* One array: it begins on a cache line, behind what stands before it. */
static uint64_t follow(uint64_t end, uint64_t offset, uint64_t bytes)
{
	CHECK_NUMBER(offset % CACHE_LINE_BYTES, 0);
	CHECK(offset >= end);
	CHECK(offset < end + LEDGER_PAGE_BYTES);
	return offset + bytes;
}

static void test_layout(const struct ledger_shape *shape)
{
	struct ledger_header h = { .version = 77, .master_pid = 4711 };
	uint64_t end;

	ledger_lay_out(&h, shape);
	CHECK_NUMBER(h.version, 77); /* the rest is left alone */
	CHECK_NUMBER(h.master_pid, 4711);
	CHECK_NUMBER(h.header_bytes, sizeof(h));
	CHECK_NUMBER(h.n_listeners, shape->n_listeners);
	CHECK_NUMBER(h.n_slots, shape->n_slots);
	CHECK_NUMBER(h.n_rows, shape->n_rows);
	CHECK_NUMBER(h.n_closed, shape->n_closed);
	CHECK_NUMBER(h.n_counters, COUNTERS_ALL_N);
	CHECK_NUMBER(h.n_turns, HISTOGRAM_BUCKETS);

	end = follow(sizeof(h), h.listeners_offset,
		     h.n_listeners * sizeof(struct ledger_listener));
	end = follow(end, h.own_offset,
		     h.n_listeners * LEDGER_OWN_COUNTERS *
			     sizeof(struct ledger_own));
	end = follow(end, h.slots_offset,
		     h.n_slots * sizeof(struct ledger_slot));
	end = follow(end, h.parts_offset, h.n_slots * h.part_bytes);
	CHECK_NUMBER(h.file_bytes, end);
	CHECK_NUMBER(h.parts_offset % LEDGER_PAGE_BYTES, 0);
	CHECK_NUMBER(h.part_bytes % LEDGER_PAGE_BYTES, 0);

	end = follow(sizeof(struct ledger_head), h.totals_offset,
		     h.n_listeners * sizeof(struct ledger_totals));
	end = follow(end, h.turns_offset, HISTOGRAM_BUCKETS * 8);
	end = follow(end, h.closed_offset,
		     h.n_closed * sizeof(struct ledger_closed));
	end = follow(end, h.rows_offset, h.n_rows * sizeof(struct ledger_row));
	CHECK(h.part_bytes >= end);
	CHECK(h.part_bytes < end + LEDGER_PAGE_BYTES);
}

/* Every state and metric has a name, and no two metrics have the same. */
static void test_names(void)
{
	for (size_t i = 0; i < LEDGER_STATES; i++)
		CHECK(ledger_state_names[i]);
	for (size_t i = 0; i < WORKER_STATES; i++)
		CHECK(worker_state_names[i]);
	for (size_t i = 0; i < ROW_STATES; i++)
		CHECK(row_state_names[i]);
	for (size_t i = 0; i < COUNTERS_ALL_N; i++) {
		CHECK(metric_counters[i].name);
		CHECK_NUMBER(metric_counters[i].kind, 'c');
		for (size_t j = 0; j < i; j++)
			CHECK(strcmp(metric_counters[i].name,
				     metric_counters[j].name));
	}
	for (size_t i = 0; i < DERIVED_N; i++)
		CHECK(metric_derived[i].name);
	CHECK_TEXT(metric_counters[COUNTER_CLOSED_BY + CLOSE_EOF].name,
		   "connections.closed.eof");
	CHECK_TEXT(metric_counters[COUNTER_CLOSED_BY + CLOSE_ERROR].name,
		   "connections.closed.error");
	CHECK_TEXT(metric_counters[COUNTER_REFUSED_BY + REFUSE_ACL].name,
		   "connections.refused.acl");
	CHECK_TEXT(metric_counters[COUNTER_MESSAGES].name, "messages");
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		test_layout(&shapes[i]);
	test_names();
	return check_result();
}
