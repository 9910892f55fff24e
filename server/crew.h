/* SPDX-License-Identifier: ISC */
/*
 * crew.h - the slots: how many are kept, and who is in them
 */
#ifndef GUICHET_CREW_H
#define GUICHET_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "server/slot.h"

struct master;

unsigned crew_count(const struct master *m,
		    bool (*is_such)(const struct slot *));

/* For crew_count(). */
bool crew_is_serving(const struct slot *slot);
/* One that retires serves on, but is not one of those that were wanted. */
bool crew_is_kept_and_serving(const struct slot *slot);
bool crew_has_served(const struct slot *slot);

/* Connections, as the keepers last said. */
uint64_t crew_n_open(const struct master *m);

/*
 * Keeps @n of them from now on. More: those that retire are taken back first,
 * then empty slots get a keeper. Fewer: the last ones retire, and serve what
 * they have until it ends. Says how many are kept, when slots run out.
 */
unsigned crew_keep(struct master *m, unsigned n);

/*
 * One fewer, where it costs least: an idle one, which is gone at once, or else
 * the last one.
 */
void crew_spare_one(struct master *m);

/* As instance_plan(); while the new program is tried, of the former one. */
int crew_plan(const struct master *m, struct keeper_plan *plan);

/* Forks a keeper for @slot, now or, when that fails, later. */
void crew_fork(struct master *m, struct slot *slot);

/* When process @pid began, as proc_pid_stat(5) tells; 0: it is gone, or we
   may not know. */
uint64_t crew_start_time(pid_t pid);

/* Tells the ledger's readers who is in @slot. */
void crew_publish(struct master *m, const struct slot *slot);

/* Forks what is due at @now_ns; when the next one is, or UINT64_MAX. */
void crew_fork_due(struct master *m, uint64_t now_ns);
uint64_t crew_next_ns(const struct master *m);

/* The same order to everybody, also to strangers. */
void crew_order(struct master *m, enum order order, uint64_t deadline_mono_ns);

/* Nobody new is forked any more. */
void crew_drop_waiting(struct master *m);

/* Whether anybody is left. */
bool crew_is_there(const struct master *m);

/* A child of ours, or a keeper that is not, has died: see slot.h. */
void crew_on_death(struct master *m, struct slot *slot, int status);

/*
 * @slot may have become empty. What a retiring keeper held that died instead
 * of leaving is still open in the ledger: then one is born that closes it
 * there, and leaves. Else one may be born that found no slot before.
 */
void crew_settle(struct master *m, struct slot *slot);
struct slot *crew_find(struct master *m, pid_t keeper);

#endif
