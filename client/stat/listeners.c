/* SPDX-License-Identifier: ISC */
/*
 * listeners.c - the view of the listeners: a row for each socket
 *
 * One that was removed from the configuration is shown for as long as it has
 * connections.
 */
#include "client/stat/render.h"
#include "client/stat/view.h"

static const struct ledger_listener *listener_of(const struct cursor *at)
{
	return at->item;
}

/* A listener's place in the ledger, and so among the kernel's answers. */
static size_t index_of(const struct cursor *at)
{
	return (size_t)(listener_of(at) - at->readout->snapshot->listeners);
}

static const struct kernel_socket *socket_of(const struct cursor *at)
{
	return &at->readout->sockets[index_of(at)];
}

static void get_name(const struct cursor *at, struct cell *cell)
{
	cell_set_text(cell, listener_of(at)->name);
}

static void get_address(const struct cursor *at, struct cell *cell)
{
	cell_set_text(cell, listener_of(at)->address);
}

static void get_service(const struct cursor *at, struct cell *cell)
{
	cell_set_text(cell, listener_of(at)->service);
}

static void get_open(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, snapshot_n_open(at->readout->snapshot, index_of(at)));
}

static void get_accepted(const struct cursor *at, struct cell *cell)
{
	cell_set(cell, snapshot_counter(at->readout->snapshot, index_of(at),
					COUNTER_ACCEPTED));
}

static void get_queue(const struct cursor *at, struct cell *cell)
{
	if (socket_of(at)->has_queue)
		cell_set(cell, socket_of(at)->queue);
}

static void get_queue_limit(const struct cursor *at, struct cell *cell)
{
	if (socket_of(at)->has_queue)
		cell_set(cell, socket_of(at)->queue_limit);
}

static void get_time_wait(const struct cursor *at, struct cell *cell)
{
	if (socket_of(at)->has_time_wait)
		cell_set(cell, socket_of(at)->n_time_wait);
}

static void get_state(const struct cursor *at, struct cell *cell)
{
	cell_set_text(cell, snapshot_is_listening(at->readout->snapshot,
						  index_of(at)) ?
				    "listening" :
				    "retired");
}

static const struct column columns[] = {
	{ "name", COLUMN_TEXT, get_name, 0 },
	{ "address", COLUMN_TEXT, get_address, 0 },
	{ "service", COLUMN_TEXT, get_service, 0 },
	{ "open", COLUMN_COUNT, get_open, 0 },
	{ "accepted", COLUMN_COUNT, get_accepted, 0 },
	{ "queue", COLUMN_COUNT, get_queue, 0 },
	{ "queue_limit", COLUMN_COUNT, get_queue_limit, 0 },
	{ "time_wait", COLUMN_COUNT, get_time_wait, 0 },
	{ "state", COLUMN_TEXT, get_state, 0 },
};

static bool is_shown(const struct snapshot *snapshot, size_t l)
{
	return snapshot_is_listening(snapshot, l) ||
	       (snapshot_is_listener(snapshot, l) &&
		snapshot_n_open(snapshot, l));
}

static int listeners_collect(const struct readout *readout,
			     struct view_rows *rows)
{
	const struct snapshot *snapshot = readout->snapshot;
	const int err = view_rows_allocate(rows, snapshot->header.n_listeners);
	size_t l;

	for (l = 0; !err && l < snapshot->header.n_listeners; l++) {
		if (is_shown(snapshot, l))
			view_rows_add(rows, &snapshot->listeners[l], 0);
	}
	return err;
}

const struct view view_listeners = {
	.name = "listeners",
	.wants = SNAPSHOT_TOTALS,
	.asks = KERNEL_QUEUES | KERNEL_TIME_WAIT,
	.formats = render_formats,
	.n_formats = RENDER_FORMATS,
	.columns = columns,
	.n_columns = ARRAY_LEN(columns),
	.collect = listeners_collect,
};
