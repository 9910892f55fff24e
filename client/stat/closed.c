/* SPDX-License-Identifier: ISC */
/*
 * closed.c - the view of the latest closed connections, the latest first
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "client/stat/render.h"
#include "client/stat/view.h"

static const struct ledger_closed *closed_of(const struct cursor *at)
{
	return at->item;
}

static void get_time(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, closed_of(at)->closed_real_ns);
}

static void get_id(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, closed_of(at)->id);
}

static void get_worker(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, at->slot);
}

static void get_listener(const struct cursor *at, struct cell *cell)
{
	cell_set_listener(cell, at->readout, closed_of(at)->listener);
}

static void get_peer(const struct cursor *at, struct cell *cell)
{
	cell_set_address(cell, &closed_of(at)->peer);
}

static void get_duration(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, closed_of(at)->duration_ns);
}

static void get_bytes_in(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, closed_of(at)->bytes_in);
}

static void get_bytes_out(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, closed_of(at)->bytes_out);
}

static void get_reason(const struct cursor *at, struct cell *cell)
{
	cell_set_name(cell, close_reason_names, CLOSE_REASONS_N,
		      closed_of(at)->reason);
}

static void get_pid(const struct cursor *at, struct cell *cell)
{
	if (closed_of(at)->pid > 0)
		cell_set(cell, (uint64_t)closed_of(at)->pid);
}

/* How its program ended; or why there was none. */
static void get_status(const struct cursor *at, struct cell *cell)
{
	const int status = closed_of(at)->status;
	const char *name;
	char text[32];

	if (status < 0 && status > -4096) {
		name = strerrorname_np(-status);
		(void)snprintf(text, sizeof(text), "error:%s",
			       name ? name : "unknown");
	} else if (closed_of(at)->pid <= 0) {
		return;
	} else if (WIFSIGNALED(status)) {
		(void)snprintf(text, sizeof(text), "signal:%d",
			       WTERMSIG(status));
	} else {
		(void)snprintf(text, sizeof(text), "exit:%d",
			       WEXITSTATUS(status));
	}
	cell_set_text(cell, text);
}

static const struct column columns[] = {
	{ "time", COLUMN_TIME, get_time, 0 },
	{ "id", COLUMN_COUNT, get_id, 0 },
	{ "worker", COLUMN_COUNT, get_worker, 0 },
	{ "listener", COLUMN_TEXT, get_listener, 0 },
	{ "peer", COLUMN_TEXT, get_peer, 0 },
	{ "duration_s", COLUMN_SECONDS, get_duration, 0 },
	{ "bytes_in", COLUMN_BYTES, get_bytes_in, 0 },
	{ "bytes_out", COLUMN_BYTES, get_bytes_out, 0 },
	{ "reason", COLUMN_TEXT, get_reason, 0 },
	{ "pid", COLUMN_COUNT, get_pid, 0 },
	{ "status", COLUMN_TEXT, get_status, 0 },
};

/* The latest first; at the same moment, as the parts and rings have them. */
static int compare_times(const void *a, const void *b)
{
	const struct view_row *first = a, *second = b;
	const struct ledger_closed *x = first->item, *y = second->item;

	if (x->closed_real_ns != y->closed_real_ns)
		return x->closed_real_ns > y->closed_real_ns ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int closed_collect(const struct readout *readout, struct view_rows *rows)
{
	const struct snapshot *snapshot = readout->snapshot;
	size_t n = 0, s, c;
	int err;

	for (s = 0; s < snapshot->header.n_slots; s++)
		n += snapshot->parts[s].n_closed;
	err = view_rows_allocate(rows, n);
	if (err)
		return err;
	for (s = 0; s < snapshot->header.n_slots; s++) {
		const struct snapshot_part *part = &snapshot->parts[s];

		for (c = 0; c < part->n_closed; c++)
			view_rows_add(rows, &part->closed[c], s);
	}
	qsort(rows->row, rows->n, sizeof(*rows->row), compare_times);
	return 0;
}

const struct view view_closed = {
	.name = "closed",
	.wants = SNAPSHOT_CLOSED,
	.formats = render_formats,
	.n_formats = RENDER_FORMATS,
	.columns = columns,
	.n_columns = ARRAY_LEN(columns),
	.collect = closed_collect,
};
