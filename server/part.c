/* SPDX-License-Identifier: ISC */
/*
 * part.c - a slot's own part of the ledger, mapped writable, and the rest
 */
#include "server/part.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void part_point(uint8_t *base, const struct ledger_header *shape,
		struct part *part)
{
	part->head = (void *)base;
	part->totals = (void *)(base + shape->totals_offset);
	part->turns = (void *)(base + shape->turns_offset);
	part->closed = (void *)(base + shape->closed_offset);
	part->rows = (void *)(base + shape->rows_offset);
}

int part_map(int fd, const struct ledger_header *shape, unsigned slot,
	     bool is_copy, struct part *part)
{
	off_t at = (off_t)(shape->parts_offset + slot * shape->part_bytes);
	void *base = mmap(NULL, shape->part_bytes, PROT_READ | PROT_WRITE,
			  is_copy ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED,
			  fd, at);

	if (base == MAP_FAILED)
		return -errno;
	part_point(base, shape, part);
	return 0;
}

/* All that ledger_lay_out() fills is integers between these two members. */
static bool is_same_layout(const struct ledger_header *a,
			   const struct ledger_header *b)
{
	const size_t from = offsetof(struct ledger_header, header_bytes);
	const size_t to = offsetof(struct ledger_header, instance);

	return memcmp((const uint8_t *)a + from, (const uint8_t *)b + from,
		      to - from) == 0;
}

int ledger_read_shape(int fd, struct ledger_header *shape)
{
	struct ledger_shape counts;
	struct ledger_header ours;
	ssize_t n = pread(fd, shape, sizeof(*shape), 0);

	if (n < 0)
		return -errno;
	if (n != sizeof(*shape) || shape->version != LEDGER_VERSION ||
	    memcmp(shape->magic, LEDGER_MAGIC, sizeof(shape->magic)) != 0)
		return -EPROTO;
	if (shape->n_listeners > LEDGER_MAX_LISTENERS ||
	    shape->n_slots > LEDGER_MAX_SLOTS ||
	    shape->n_rows > LEDGER_MAX_ROWS)
		return -EPROTO;
	counts = (struct ledger_shape){
		.n_listeners = shape->n_listeners,
		.n_slots = shape->n_slots,
		.n_rows = shape->n_rows,
		.n_closed = shape->n_closed,
	};
	ours = *shape;
	ledger_lay_out(&ours, &counts);
	return is_same_layout(&ours, shape) ? 0 : -EPROTO;
}

int ledger_view_open(int fd, struct ledger_view *view)
{
	int err = ledger_read_shape(fd, &view->shape);
	void *base;

	if (err)
		return err;
	base = mmap(NULL, view->shape.file_bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	view->base = base;
	return 0;
}

const struct ledger_listener *
ledger_view_listeners(const struct ledger_view *view)
{
	return (const void *)(view->base + view->shape.listeners_offset);
}

unsigned ledger_view_n_used(const struct ledger_view *view)
{
	const struct ledger_slot *slots =
		(const void *)(view->base + view->shape.slots_offset);
	unsigned n = 0;

	while (n < view->shape.n_slots && ledger_get(slots[n].is_used))
		n++;
	return n;
}

uint64_t ledger_view_n_open(const struct ledger_view *view, unsigned slot,
			    uint32_t listener)
{
	const uint8_t *part = (const void *)ledger_view_head(view, slot);
	const struct ledger_totals *totals =
		(const void *)(part + view->shape.totals_offset);
	uint64_t closed = ledger_get(totals[listener].counter[COUNTER_CLOSED]);
	uint64_t accepted =
		ledger_get(totals[listener].counter[COUNTER_ACCEPTED]);

	return accepted > closed ? accepted - closed : 0;
}

bool part_is_handler_in_hand(const struct ledger_head *head)
{
	return (ledger_get(head->turn_row) &&
		ledger_get(head->turn_step) == STEP_HANDLER) ||
	       (ledger_get(head->datagram_listener) &&
		ledger_get(head->datagram_step) == STEP_HANDLER);
}
