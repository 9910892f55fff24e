/* SPDX-License-Identifier: ISC */
/*
 * ledger.c - the names in the shared-memory segment, and its arithmetic
 */
#include "common/ledger.h"

const char *const ledger_state_names[] = {
	[LEDGER_STARTING] = "starting",
	[LEDGER_SERVING] = "serving",
	[LEDGER_DRAINING] = "draining",
	[LEDGER_STOPPED] = "stopped",
};

const char *const worker_state_names[] = {
	[WORKER_ABSENT] = "absent",   [WORKER_STARTING] = "starting",
	[WORKER_SERVING] = "serving", [WORKER_DRAINING] = "draining",
	[WORKER_BACKOFF] = "backoff",
};

const char *const row_state_names[] = {
	[ROW_FREE] = "free",       [ROW_READING] = "reading",
	[ROW_WRITING] = "writing", [ROW_LINGERING] = "lingering",
	[ROW_CLOSING] = "closing", [ROW_STARTING] = "starting",
	[ROW_RUNNING] = "running", [ROW_ENDED] = "ended",
};

_Static_assert(ARRAY_LEN(ledger_state_names) == LEDGER_STATES, "all states");
_Static_assert(ARRAY_LEN(worker_state_names) == WORKER_STATES, "all states");
_Static_assert(ARRAY_LEN(row_state_names) == ROW_STATES, "all states");

/*
 * The largest ledger that anybody may lay out or claim to have: no product or
 * sum below comes near the end of 64 bits, and off_t holds the file's size.
 */
_Static_assert(sizeof(struct ledger_row) + sizeof(struct ledger_closed) <
		       (1ULL << 62) / LEDGER_MAX_ROWS / LEDGER_MAX_SLOTS,
	       "the arithmetic cannot overflow");

/* Where @n things of @bytes each may begin, at or after *@end; moves @end. */
static uint64_t place(uint64_t *end, uint64_t n, size_t bytes)
{
	uint64_t offset = round_up(*end, CACHE_LINE_BYTES);

	*end = offset + n * bytes;
	return offset;
}

static void lay_out_part(struct ledger_header *h)
{
	uint64_t end = sizeof(struct ledger_head);

	h->totals_offset = place(&end, h->n_listeners, h->totals_bytes);
	h->turns_offset = place(&end, h->n_turns, sizeof(uint64_t));
	h->closed_offset = place(&end, h->n_closed, h->closed_bytes);
	h->rows_offset = place(&end, h->n_rows, h->row_bytes);
	/* whole pages: a worker maps its own part writable, and no more */
	h->part_bytes = round_up(end, LEDGER_PAGE_BYTES);
}

void ledger_lay_out(struct ledger_header *header,
		    const struct ledger_shape *shape)
{
	struct ledger_header *h = header;
	uint64_t end = sizeof(*h);

	h->header_bytes = sizeof(*h);
	h->n_listeners = shape->n_listeners;
	h->n_slots = shape->n_slots;
	h->n_rows = shape->n_rows;
	h->n_closed = shape->n_closed;
	h->n_counters = COUNTERS_ALL_N;
	h->n_turns = HISTOGRAM_BUCKETS;
	h->listener_bytes = sizeof(struct ledger_listener);
	h->slot_bytes = sizeof(struct ledger_slot);
	h->totals_bytes = sizeof(struct ledger_totals);
	h->closed_bytes = sizeof(struct ledger_closed);
	h->row_bytes = sizeof(struct ledger_row);
	h->own_bytes = sizeof(struct ledger_own);

	h->listeners_offset = place(&end, h->n_listeners, h->listener_bytes);
	h->own_offset = place(&end,
			      (uint64_t)h->n_listeners * LEDGER_OWN_COUNTERS,
			      h->own_bytes);
	h->slots_offset = place(&end, h->n_slots, h->slot_bytes);
	h->parts_offset = round_up(end, LEDGER_PAGE_BYTES);
	lay_out_part(h);
	h->file_bytes = h->parts_offset + h->n_slots * h->part_bytes;
}
