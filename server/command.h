/* SPDX-License-Identifier: ISC */
/*
 * command.h - what a keeper tells its worker
 */
#ifndef GUICHET_COMMAND_H
#define GUICHET_COMMAND_H

#include <stdint.h>

#include "server/control.h"

struct keeper;

/* Asks the worker to leave, between two turns, for a successor. */
void command_leave(struct keeper *k);

/* What it is to do from now on. */
void command_order(struct keeper *k, enum order order, uint64_t deadline_ns);

/* Ends itself, and its worker with it. */
_Noreturn void command_end_all(struct keeper *k);

#endif
