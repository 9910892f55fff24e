/* SPDX-License-Identifier: ISC */
/*
 * keeper.h - the process that holds the descriptors of a slot
 *
 * A keeper clones its worker with CLONE_FILES: both share one table of
 * descriptors, and no memory. When the worker dies, however it dies, its
 * sockets stay open; the keeper notes the death and clones a successor into
 * the same table.
 *
 * It always begins as a program: the master forks and that child executes it;
 * and to be renewed (with another configuration, or as another binary) it
 * executes that itself, with every connection, when its worker has left. It
 * does not die with the master: it serves on, and waits for another one.
 */
#ifndef GUICHET_KEEPER_H
#define GUICHET_KEEPER_H

#include "server/bag.h"

/* main() of such a program; @bag is at what becoming_fork() packed. */
_Noreturn void keeper_run(struct bag *bag);

#endif
