/* SPDX-License-Identifier: ISC */
/*
 * closing.h - the end of a connection, counted once
 */
#ifndef GUICHET_CLOSING_H
#define GUICHET_CLOSING_H

#include "server/worker.h"

/* Ends the connection whose row is in hand for @reason, and the turn. */
void closing_begin(struct worker *w, uint32_t row, enum close_reason reason);

/*
 * The second half: from the mark in the row to the free row. It may be done
 * again from its start, by a successor too, and comes to the same.
 */
void closing_go_on(struct worker *w, uint32_t row);

#endif
