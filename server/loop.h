/* SPDX-License-Identifier: ISC */
/*
 * loop.h - the life of a worker: takes over, waits, serves, leaves
 */
#ifndef GUICHET_LOOP_H
#define GUICHET_LOOP_H

#include "server/worker.h"

/*
 * Runs a worker in the calling process, which was cloned for it. @legacy: how
 * its predecessor ended. Does not return.
 */
_Noreturn void loop_run(struct post *post, enum legacy legacy);

#endif
