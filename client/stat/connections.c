/* SPDX-License-Identifier: ISC */
/*
 * connections.c - the view of the connections: a row for each open one
 */
#include "client/stat/render.h"
#include "client/stat/view.h"

static const struct ledger_row *row_of(const struct cursor *at)
{
	return at->item;
}

/* The copy in force of how far the two streams have come. */
static const struct ledger_record *record_of(const struct cursor *at)
{
	return &row_of(at)->record[ledger_get(row_of(at)->valid) & 1];
}

static void get_id(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, row_of(at)->id);
}

static void get_worker(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, at->slot);
}

static void get_listener(const struct cursor *at, struct cell *cell)
{
	cell_set_listener(cell, at->readout, row_of(at)->listener);
}

static void get_peer(const struct cursor *at, struct cell *cell)
{
	cell_set_address(cell, &row_of(at)->peer);
}

static void get_local(const struct cursor *at, struct cell *cell)
{
	cell_set_local(cell, at->readout, &row_of(at)->local,
		       row_of(at)->listener);
}

static void get_state(const struct cursor *at, struct cell *cell)
{
	cell_set_name(cell, row_state_names, ROW_STATES,
		      ledger_get(row_of(at)->state));
}

static void get_age(const struct cursor *at, struct cell *cell)
{
	cell_set_since(cell, at->readout, row_of(at)->opened_mono_ns);
}

static void get_idle(const struct cursor *at, struct cell *cell)
{
	/* One that has said nothing yet has been idle since it was opened. */
	cell_set_since(cell, at->readout,
		       max_u64(ledger_get(row_of(at)->active_mono_ns),
			       row_of(at)->opened_mono_ns));
}

static void get_bytes_in(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, ledger_get(record_of(at)->consumed));
}

static void get_bytes_out(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, ledger_get(row_of(at)->sent));
}

static void get_messages(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, ledger_get(record_of(at)->messages));
}

/* Read after what was produced, so it may be ahead of that by a turn. */
static void get_pending_out(const struct cursor *at, struct cell *cell)
{
	const uint64_t produced = ledger_get(record_of(at)->produced);
	const uint64_t sent = ledger_get(row_of(at)->sent);

	cell_set(cell, produced > sent ? produced - sent : 0);
}

static void get_pid(const struct cursor *at, struct cell *cell)
{
	const int32_t pid = ledger_get(row_of(at)->pid);

	if (pid > 0)
		cell_set(cell, (uint64_t)pid);
}

static const struct column columns[] = {
	{ "id", COLUMN_COUNT, get_id, 0 },
	{ "worker", COLUMN_COUNT, get_worker, 0 },
	{ "listener", COLUMN_TEXT, get_listener, 0 },
	{ "peer", COLUMN_TEXT, get_peer, 0 },
	{ "local", COLUMN_TEXT, get_local, 0 },
	{ "state", COLUMN_TEXT, get_state, 0 },
	{ "age_s", COLUMN_SECONDS, get_age, 0 },
	{ "idle_s", COLUMN_SECONDS, get_idle, 0 },
	{ "bytes_in", COLUMN_BYTES, get_bytes_in, 0 },
	{ "bytes_out", COLUMN_BYTES, get_bytes_out, 0 },
	{ "messages", COLUMN_COUNT, get_messages, 0 },
	{ "pending_out", COLUMN_BYTES, get_pending_out, 0 },
	{ "pid", COLUMN_COUNT, get_pid, 0 },
};

static int connections_collect(const struct readout *readout,
			       struct view_rows *rows)
{
	const struct snapshot *snapshot = readout->snapshot;
	size_t n = 0, s, r;
	int err;

	for (s = 0; s < snapshot->header.n_slots; s++)
		n += snapshot->parts[s].n_rows;
	err = view_rows_allocate(rows, n);
	for (s = 0; !err && s < snapshot->header.n_slots; s++) {
		const struct snapshot_part *part = &snapshot->parts[s];

		for (r = 0; r < part->n_rows; r++)
			view_rows_add(rows, &part->rows[r], s);
	}
	return err;
}

const struct view view_connections = {
	.name = "connections",
	.wants = SNAPSHOT_ROWS,
	.formats = render_formats,
	.n_formats = RENDER_FORMATS,
	.columns = columns,
	.n_columns = ARRAY_LEN(columns),
	.collect = connections_collect,
};
