/* SPDX-License-Identifier: ISC */
/*
 * succession.h - the master becomes another program, under the same pid
 *
 * The lock on the ledger stays its own over execve(2), its children stay its
 * children, and signals that come meanwhile wait. All that it knows of slots
 * and operators, and every descriptor that counts, goes along in a bag; what
 * the configuration says is read anew.
 */
#ifndef GUICHET_SUCCESSION_H
#define GUICHET_SUCCESSION_H

#include "server/bag.h"

struct master;

/*
 * Becomes @program_fd. Returns only when it cannot, with -errno, and nothing
 * has changed.
 */
int succession_exec(struct master *m, int program_fd);

/* What came along, into @m. Returns 0 or -errno. */
int succession_unpack(struct master *m, struct bag *bag);

#endif
