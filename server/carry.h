/* SPDX-License-Identifier: ISC */
/*
 * carry.h - what a dead server has counted goes on counting
 */
#ifndef GUICHET_CARRY_H
#define GUICHET_CARRY_H

#include "server/segment.h"

/*
 * Reads the ledger that a former server left at @segment->path and adds its
 * totals to the new one, which is not in place yet. Connections that it still
 * had open are counted as killed. What cannot be read is said in the log, and
 * then the totals begin anew.
 */
void carry_over(struct segment *segment);

#endif
