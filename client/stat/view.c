/* SPDX-License-Identifier: ISC */
/*
 * view.c - what the getters of several views have in common
 */
#include "client/stat/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void cell_set_text(struct cell *cell, const char *text)
{
	(void)text_clean(text, cell->text, sizeof(cell->text));
	cell->is_there = cell->text[0] != '\0';
}

void cell_set_name(struct cell *cell, const char *const *names, size_t n_names,
		   uint64_t i)
{
	if (i < n_names)
		cell_set_text(cell, names[i]);
}

void cell_set_since(struct cell *cell, const struct readout *readout,
		    uint64_t then_mono_ns)
{
	cell_set(cell, readout->now_mono_ns > then_mono_ns ?
			       readout->now_mono_ns - then_mono_ns :
			       0);
}

void cell_set_listener(struct cell *cell, const struct readout *readout,
		       uint32_t listener)
{
	if (listener < readout->snapshot->header.n_listeners)
		cell_set_text(cell,
			      readout->snapshot->listeners[listener].name);
}

void cell_set_address(struct cell *cell, const struct ledger_addr *addr)
{
	cell->is_there = text_address(addr, cell->text) != NULL;
}

void cell_set_local(struct cell *cell, const struct readout *readout,
		    const struct ledger_addr *addr, uint32_t listener)
{
	const char *path;

	if (addr->family != AF_UNIX) {
		cell_set_address(cell, addr);
	} else if (listener < readout->snapshot->header.n_listeners) {
		path = strchr(readout->snapshot->listeners[listener].address,
			      ':');
		cell_set_text(cell, path ? path + 1 : "");
	}
}

int view_rows_allocate(struct view_rows *rows, size_t n)
{
	rows->n = 0;
	/* One at least: no rows are no failure. */
	rows->row = calloc(n + 1, sizeof(*rows->row));
	return rows->row ? 0 : -ENOMEM;
}

void view_rows_add(struct view_rows *rows, const void *item, size_t slot)
{
	rows->row[rows->n].item = item;
	rows->row[rows->n].slot = (unsigned)slot;
	rows->n++;
}
