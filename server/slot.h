/* SPDX-License-Identifier: ISC */
/*
 * slot.h - the master's side of a keeper and its worker
 *
 * All that the master knows of them stands here, in its own memory. It takes
 * nothing from memory that they can write.
 */
#ifndef GUICHET_SLOT_H
#define GUICHET_SLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/backoff.h"
#include "server/becoming.h"
#include "server/control.h"
#include "server/guard.h"

enum slot_state {
	SLOT_EMPTY,   /* not in use */
	SLOT_RUNNING, /* has a keeper */
	SLOT_LOST,    /* the keeper died; its worker may still be dying */
	SLOT_BACKOFF, /* all gone; a new keeper is due at fork_at_ns */
	SLOT_STATES
};

/* How far a keeper has come in becoming another program. */
enum slot_renewal {
	RENEWAL_STALE,   /* it is what it was */
	RENEWAL_ASKED,   /* its worker is to leave */
	RENEWAL_PLANNED, /* it has the plan */
	RENEWAL_FAILED,  /* it could not follow it, and is what it was */
	RENEWAL_FRESH,   /* its new worker serves; or it was born so */
};

/* No pointer: it goes over, as it is, when the master becomes a program. */
struct slot {
	enum slot_state state;
	unsigned number;
	pid_t keeper;        /* 0: none */
	int keeper_pidfd;    /* of one that is not our child; -1: it is */
	int control_fd;      /* our end; -1: closed, all of the slot is gone */
	bool is_serving;     /* its worker has said so */
	bool has_served;     /* one of its workers has, ever */
	bool is_lost;        /* its last keeper did not leave, but died */
	enum order order;    /* the last that it was given */
	unsigned n_failures; /* deaths before any of its workers served */
	int last_status;     /* of the latest death, as waitpid(2) tells */
	bool has_left;       /* the keeper did, as it was told */
	uint64_t born_ns;
	uint64_t fork_at_ns;
	struct backoff backoff;

	enum slot_renewal renewal;
	unsigned n_deaths;   /* by its worker's own fault, since renewed */
	unsigned n_unserved; /* the same, without having served in between */

	/* gossip: for decisions that can be wrong, and for texts */
	uint32_t busy;     /* its worker's share of a processor, in 1/1000 */
	uint64_t n_open;   /* connections */
	uint64_t heard_ns; /* when it said so */
	uint64_t woken_ns; /* when it was told to, after a silence */
	/* one that we cannot see, and that does not answer, may be in there:
	   two would write one part */
	bool is_barred;
};

/* An empty one. */
void slot_init(struct slot *slot, unsigned number);

/*
 * Forks a keeper for @slot by @plan. It does nothing before slot_go(), when
 * everybody may know of it. Returns 0 or -errno. Does not return in the keeper.
 */
int slot_fork(struct slot *slot, const struct keeper_plan *plan,
	      const struct guard_user *user);
void slot_go(const struct slot *slot);

/* Tells the keeper what to do from now on. */
void slot_order(struct slot *slot, enum order order, uint64_t deadline_mono_ns);

/* Asks it to become what the next plan says; gives it that plan. */
void slot_renew(struct slot *slot);
int slot_send_plan(struct slot *slot, const struct keeper_plan *plan);

/* The keeper died with @status (-1: unknown): what becomes of the slot. */
void slot_keeper_died(struct slot *slot, int status);

/*
 * Reads one thing that the slot has said into @kind: 1, or 0 when there is
 * nothing. At the end, when the last process is gone, moves on. What only a
 * keeper may say is passed over when another one says it.
 */
int slot_read(struct slot *slot, enum control_kind *kind);

/* Ends it at once, whatever it is doing; lets it go on if it was stopped. */
void slot_kill(const struct slot *slot);
void slot_wake(const struct slot *slot);

static inline bool slot_is_in_use(const struct slot *slot)
{
	return slot->state != SLOT_EMPTY;
}

/* It was told to leave, one day or soon. */
static inline bool slot_is_retiring(const struct slot *slot)
{
	return slot->order != ORDER_SERVE;
}

static inline bool slot_is_kept(const struct slot *slot)
{
	return slot_is_in_use(slot) && !slot_is_retiring(slot);
}

#endif
