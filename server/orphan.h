/* SPDX-License-Identifier: ISC */
/*
 * orphan.h - a keeper without a master
 */
#ifndef GUICHET_ORPHAN_H
#define GUICHET_ORPHAN_H

#include <stdint.h>

struct keeper;

/* The master is gone: it serves on, and waits for another one. */
void orphan_begin(struct keeper *k);

/* What to wait for, or -1; and what to do then, and when time passes. */
int orphan_rendezvous_fd(const struct keeper *k);
void orphan_on_rendezvous(struct keeper *k);
void orphan_on_suitor(struct keeper *k);
void orphan_look(struct keeper *k, uint64_t now_ns);

/* In how many ns orphan_look() is to be called, at most. */
uint64_t orphan_wait_ns(const struct keeper *k);

#endif
