/* SPDX-License-Identifier: ISC */
/*
 * input.c - input that the service has not consumed, and room for more
 *
 * It is read into the scratch, which all connections share. What is not
 * consumed at once moves to a buffer of the connection's own, and the next
 * input is read right behind it.
 */
#include "server/input.h"

#include <string.h>

#include "server/crash.h"

/* The smallest buffer: a page. */
#define INPUT_ROOM_MIN 4096U

/* A larger buffer for the input that was kept; the old one is given back. */
static bool grow_input(struct worker *w, uint32_t row, struct record *record)
{
	struct conn *c = &w->conns[row];
	struct record old = *record;
	uint32_t room = (uint32_t)round_up(2ULL * old.in_bytes, INPUT_ROOM_MIN);
	uint32_t to;

	room = (uint32_t)min_u64(room, SERVICE_INPUT_MAX_BYTES);
	if (room <= old.in_bytes)
		return false;
	to = vault_alloc(w->vault, room);
	if (to == VAULT_NONE)
		return false;
	memcpy(vault_at(w->vault, to), vault_at(w->vault, old.in_offset),
	       old.in_bytes);
	record->in_offset = to;
	record_move(w, row, record);
	CRASH_POINT(INPUT_MOVED);
	vault_free(w->vault, old.in_offset, max_u64(c->in_room, old.in_bytes));
	c->in_room = room;
	return true;
}

bool input_find_room(struct worker *w, uint32_t row, struct record *record,
		     struct input_room *room)
{
	struct conn *c = &w->conns[row];

	if (!record->in_bytes) {
		room->offset = w->vault->scratch_in;
		room->bytes = VAULT_SCRATCH_IN_BYTES;
		return true;
	}
	if (c->in_room <= record->in_bytes && !grow_input(w, row, record))
		return false;
	room->offset = record->in_offset + record->in_bytes;
	room->bytes = c->in_room - record->in_bytes;
	return true;
}

bool input_stash(struct worker *w, uint32_t row, uint32_t from, uint32_t left,
		 struct record *record)
{
	struct conn *c = &w->conns[row];
	uint32_t to = from;

	if (left && !vault_is_buffer(w->vault, from, left)) {
		c->in_room = (uint32_t)round_up(left + 1, INPUT_ROOM_MIN);
		to = vault_alloc(w->vault, c->in_room);
		if (to == VAULT_NONE)
			return false;
		memcpy(vault_at(w->vault, to), vault_at(w->vault, from), left);
		CRASH_POINT(INPUT_STASHED);
	}
	record->in_offset = left ? to : VAULT_NONE;
	record->in_bytes = left;
	return true;
}

void input_give_back(struct worker *w, uint32_t row, const struct record *old,
		     const struct record *now, uint32_t had_bytes)
{
	struct conn *c = &w->conns[row];
	uint32_t gone, first;

	if (!old->in_bytes)
		return;
	if (!now->in_bytes) {
		vault_free(w->vault, old->in_offset,
			   max_u64(c->in_room, had_bytes));
		c->in_room = 0;
		return;
	}
	gone = now->in_offset - old->in_offset;
	c->in_room = gone < c->in_room ? c->in_room - gone : 0;
	first = now->in_offset / VAULT_PAGE_BYTES * VAULT_PAGE_BYTES;
	if (first > old->in_offset)
		vault_free(w->vault, old->in_offset, first - old->in_offset);
}
