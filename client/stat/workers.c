/* SPDX-License-Identifier: ISC */
/*
 * workers.c - the view of the workers: a row for each slot that has one
 */
#include "client/stat/render.h"
#include "client/stat/view.h"

static const struct snapshot_part *part_of(const struct cursor *at)
{
	return at->item;
}

static void get_slot(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, at->slot);
}

static void set_pid(struct cell *cell, int32_t pid)
{
	if (pid > 0)
		cell_set(cell, (uint64_t)pid);
}

static void get_pid(const struct cursor *at, struct cell *cell)
{
	set_pid(cell, ledger_get(part_of(at)->head.pid));
}

static void get_keeper(const struct cursor *at, struct cell *cell)
{
	set_pid(cell,
		ledger_get(at->readout->snapshot->slots[at->slot].keeper_pid));
}

static void get_state(const struct cursor *at, struct cell *cell)
{
	cell_set_name(cell, worker_state_names, WORKER_STATES,
		      ledger_get(part_of(at)->head.state));
}

static void get_generation(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, ledger_get(part_of(at)->head.generation));
}

static void get_open(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, ledger_get(part_of(at)->head.n_open));
}

static void get_deaths(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, ledger_get(part_of(at)->head.deaths));
}

/* Of all its listeners; the argument is the enum counter. */
static void get_counter(const struct cursor *at, struct cell *cell)
{
	const struct ledger_totals *totals = part_of(at)->totals;
	uint64_t sum = 0;
	size_t l;

	for (l = 0; l < at->readout->snapshot->header.n_listeners; l++)
		sum += ledger_get(totals[l].counter[at->argument]);
	cell_set(cell, sum);
}

/* The age says something of a worker that should be beating now. */
static void get_heartbeat(const struct cursor *at, struct cell *cell)
{
	const struct ledger_head *head = &part_of(at)->head;

	if (at->readout->is_served && ledger_get(head->pid) > 0 &&
	    ledger_get(head->heartbeat_mono_ns))
		cell_set_since(cell, at->readout,
			       ledger_get(head->heartbeat_mono_ns));
}

/* Of its keeper's program, as the worker's part says. */
static void get_version(const struct cursor *at, struct cell *cell)
{
	cell_set_text(cell, part_of(at)->head.program);
}

static const struct column columns[] = {
	{ "slot", COLUMN_COUNT, get_slot, 0 },
	{ "pid", COLUMN_COUNT, get_pid, 0 },
	{ "keeper", COLUMN_COUNT, get_keeper, 0 },
	{ "state", COLUMN_TEXT, get_state, 0 },
	{ "generation", COLUMN_COUNT, get_generation, 0 },
	{ "open", COLUMN_COUNT, get_open, 0 },
	{ "accepted", COLUMN_COUNT, get_counter, COUNTER_ACCEPTED },
	{ "resumed", COLUMN_COUNT, get_counter, COUNTER_RESUMED },
	{ "deaths", COLUMN_COUNT, get_deaths, 0 },
	{ "bytes_in", COLUMN_BYTES, get_counter, COUNTER_BYTES_IN },
	{ "bytes_out", COLUMN_BYTES, get_counter, COUNTER_BYTES_OUT },
	{ "heartbeat_ms", COLUMN_MS, get_heartbeat, 0 },
	{ "version", COLUMN_TEXT, get_version, 0 },
};

bool worker_is_there(const struct readout *readout, size_t slot)
{
	const struct snapshot *snapshot = readout->snapshot;
	const struct ledger_slot *entry = &snapshot->slots[slot];

	if (!ledger_get(entry->is_used))
		return false;
	return ledger_get(entry->keeper_pid) ||
	       ledger_get(snapshot->parts[slot].head.state) != WORKER_ABSENT ||
	       ledger_get(snapshot->header.state) == LEDGER_STOPPED;
}

static int workers_collect(const struct readout *readout,
			   struct view_rows *rows)
{
	const struct snapshot *snapshot = readout->snapshot;
	const int err = view_rows_allocate(rows, snapshot->header.n_slots);
	size_t s;

	for (s = 0; !err && s < snapshot->header.n_slots; s++) {
		if (worker_is_there(readout, s))
			view_rows_add(rows, &snapshot->parts[s], s);
	}
	return err;
}

const struct view view_workers = {
	.name = "workers",
	.wants = SNAPSHOT_TOTALS,
	.formats = render_formats,
	.n_formats = RENDER_FORMATS,
	.columns = columns,
	.n_columns = ARRAY_LEN(columns),
	.collect = workers_collect,
};
