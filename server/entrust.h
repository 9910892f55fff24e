/* SPDX-License-Identifier: ISC */
/*
 * entrust.h - the worker gives connections to programs, which the keeper runs
 */
#ifndef GUICHET_ENTRUST_H
#define GUICHET_ENTRUST_H

#include "common/units.h"
#include "server/program.h"
#include "server/worker.h"

/* How long a program may take to end when it was asked to. */
#define ENTRUST_GRACE_NS (5 * NS_PER_S)

/* What accept4() of @listener is told: a program's socket blocks. */
int entrust_accept_flags(const struct worker *w, uint32_t listener);

/* Whether a program takes the whole socket: it is the keeper's then. */
bool entrust_is_socket(const struct worker *w, uint32_t listener);

/* Whether @listener has as many programs as it may have. */
bool entrust_is_full(const struct worker *w, uint32_t listener);

/* Tells the keeper to start @row's program. */
void entrust_start(struct worker *w, uint32_t row);

/*
 * Asks for the end of @row's program, for @reason; the second time, without
 * asking. The connection is closed when it has ended.
 */
void entrust_end(struct worker *w, uint32_t row, enum close_reason reason);

/* Why a connection ends whose program has. */
enum close_reason entrust_reason(const struct ledger_row *row);

/* Sets the row's counts of exec's own counters, which lie in @copy. */
void entrust_count(struct worker *w, uint32_t row, void *copy);

#endif
