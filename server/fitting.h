/* SPDX-License-Identifier: ISC */
/*
 * fitting.h - a copy of the keeper tries the program that it is to become
 *
 * A rehearsal shows that a keeper can begin with a program; that this one can
 * go on in it, with its own connections, programs and memory, only trying
 * shows. The copy has a table of its own, and writes into copies: it takes over
 * all there is, and ends. What is wrong costs nothing then.
 */
#ifndef GUICHET_FITTING_H
#define GUICHET_FITTING_H

#include <sys/types.h>

/*
 * Waits for the copy @pid of the keeper of @slot. Returns 0 if all went well;
 * else, and that has been logged, -errno.
 */
int fitting_wait(unsigned slot, pid_t pid);

#endif
