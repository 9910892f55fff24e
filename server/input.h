/* SPDX-License-Identifier: ISC */
/*
 * input.h - input that the service has not consumed, and room for more
 */
#ifndef GUICHET_INPUT_H
#define GUICHET_INPUT_H

#include "server/record.h"

/* Where the next input goes: behind what was kept, or to the scratch. */
struct input_room {
	uint32_t offset;
	size_t bytes;
};

/*
 * Finds it, and makes a larger buffer if that is needed: @record follows.
 * Returns false when a connection may not have more, or there is no more.
 */
bool input_find_room(struct worker *w, uint32_t row, struct record *record,
		     struct input_room *room);

/*
 * Keeps the @left bytes at @from that the service has not consumed: from the
 * scratch they are copied to a buffer, in a buffer they stay where they are.
 * Says so in @record, which is to be committed. Returns false when there is no
 * buffer.
 */
bool input_stash(struct worker *w, uint32_t row, uint32_t from, uint32_t left,
		 struct record *record);

/*
 * Frees the pages that the commit of @now has left behind: all of the old
 * input buffer, in which @had_bytes lay, or those of it that lie wholly before
 * what is left.
 */
void input_give_back(struct worker *w, uint32_t row, const struct record *old,
		     const struct record *now, uint32_t had_bytes);

#endif
