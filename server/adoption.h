/* SPDX-License-Identifier: ISC */
/*
 * adoption.h - a new master takes over from one that died
 *
 * Its keepers serve on, and answer at the rendezvous. Who they are the ledger
 * tells, whose slots only a master writes; that it is they who answer, the
 * kernel vouches for.
 */
#ifndef GUICHET_ADOPTION_H
#define GUICHET_ADOPTION_H

#include <stdint.h>

struct master;

/*
 * Meets the keepers of the ledger that m->instance.segment has attached:
 * fills m->slots, and the sockets that they have into m->instance.inherited.
 * One that does not answer is ended: two would write into one slot. Returns
 * how many there are; 0: nobody is there, or -errno.
 */
int adoption_meet(struct master *m);

/*
 * The same where the ledger is of another layout: takes their sockets, has
 * them drain by @deadline_mono_ns, and keeps their control sockets in
 * m->strangers. Returns how many those are.
 */
unsigned adoption_dismiss(struct master *m, uint64_t deadline_mono_ns);

#endif
