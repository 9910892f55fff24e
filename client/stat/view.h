/* SPDX-License-Identifier: ISC */
/*
 * view.h - a view of the ledger: its columns, its rows, its formats
 *
 * A view declares each column once; render.h makes a table, TSV and JSON of
 * that. To add a column, append a line to a view's table; to add a view, add
 * it to the list in main.c.
 */
#ifndef GUICHET_STAT_VIEW_H
#define GUICHET_STAT_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "client/stat/kernel.h"
#include "client/stat/text.h"
#include "common/snapshot.h"

struct totals;

/* What is shown: a copy of the ledger, and what goes with it. */
struct readout {
	const struct snapshot *snapshot;
	const struct kernel_socket *sockets; /* one for each listener */
	char instance[64];                   /* its name, clean */
	bool is_alive;        /* the master lives, on this boot */
	bool is_served;       /* it does, or keepers that outlived it */
	uint64_t now_mono_ns; /* when it was taken; or when the server died */
	const struct totals *totals; /* of the totals view: summed up */
};

/* Where it is shown. */
struct output {
	FILE *file;
	bool is_terminal;
	bool has_colour;
	bool is_repeated;        /* -i: differences and rates are wanted */
	unsigned n_printed;      /* outputs before this one */
	struct totals *previous; /* what the output before this one told */
};

enum column_kind {
	COLUMN_TEXT,
	COLUMN_COUNT,
	COLUMN_BYTES,
	COLUMN_SECONDS, /* of ns, with three decimals */
	COLUMN_MS,      /* of ns, whole ones */
	COLUMN_TIME,    /* of real-time ns */
	COLUMN_KINDS
};

/* A value; a getter that leaves it alone says that it is absent. */
struct cell {
	bool is_there;
	uint64_t number; /* in the column kind's unit */
	char text[TEXT_BYTES];
};

struct view_row {
	const void *item; /* what it is, the view knows */
	unsigned slot;    /* of the worker it is of */
};

/* What a getter looks at. */
struct cursor {
	const struct readout *readout;
	const void *item;
	unsigned slot;
	unsigned argument; /* of the column */
};

struct column {
	const char *name; /* in TSV and JSON; in a table, without its unit */
	enum column_kind kind;
	void (*get)(const struct cursor *at, struct cell *cell);
	unsigned argument; /* the getter knows */
};

struct view_rows {
	struct view_row *row;
	size_t n;
};

struct view;

struct format {
	const char *name;
	/* Returns 0 or -errno. Does not look for errors of the file. */
	int (*print)(const struct view *view, const struct readout *readout,
		     struct output *output);
};

struct view {
	const char *name;
	unsigned wants; /* SNAPSHOT_* */
	unsigned asks;  /* KERNEL_* */
	bool is_screen; /* redrawn in place on a terminal, once a second */
	const struct format *formats; /* the first one is the default */
	size_t n_formats;
	const struct column *columns;
	size_t n_columns;
	/* Allocates and fills @rows; 0 or -ENOMEM. */
	int (*collect)(const struct readout *readout, struct view_rows *rows);
};

extern const struct view view_totals;
extern const struct view view_workers;
extern const struct view view_listeners;
extern const struct view view_connections;
extern const struct view view_closed;
extern const struct view view_top;

static inline void cell_set(struct cell *cell, uint64_t number)
{
	cell->is_there = true;
	cell->number = number;
}

/* Ledger text; an empty one is absent. */
void cell_set_text(struct cell *cell, const char *text);
/* names[@i], absent when there is none. */
void cell_set_name(struct cell *cell, const char *const *names, size_t n_names,
		   uint64_t i);
/* The time from @then to the readout, not below 0. */
void cell_set_since(struct cell *cell, const struct readout *readout,
		    uint64_t then_mono_ns);
/* The name of @listener, a number that a worker wrote. */
void cell_set_listener(struct cell *cell, const struct readout *readout,
		       uint32_t listener);
void cell_set_address(struct cell *cell, const struct ledger_addr *addr);
/* The server's end: as the socket had it, or a unix listener's path. */
void cell_set_local(struct cell *cell, const struct readout *readout,
		    const struct ledger_addr *addr, uint32_t listener);

/*
 * Whether there is a worker in @slot, or one to come: a slot that was retired
 * has none, and counts in the totals only. Of a stopped server, which has
 * none any more: whether there ever was one.
 */
bool worker_is_there(const struct readout *readout, size_t slot);

int view_rows_allocate(struct view_rows *rows, size_t n);
void view_rows_add(struct view_rows *rows, const void *item, size_t slot);

#endif
