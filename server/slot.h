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
#include "server/control.h"
#include "server/keeper.h"

enum slot_state {
	SLOT_EMPTY,   /* not in use */
	SLOT_RUNNING, /* has a keeper */
	SLOT_LOST,    /* the keeper died; its worker may still be dying */
	SLOT_BACKOFF, /* all gone; a new keeper is due at fork_at_ns */
	SLOT_STATES
};

struct slot {
	enum slot_state state;
	unsigned number;
	pid_t keeper;        /* 0: none */
	int control_fd;      /* our end; -1: closed, all of the slot is gone */
	bool is_serving;     /* its worker has said so */
	bool has_served;     /* one of its workers has, ever */
	bool is_retiring;    /* it was told to leave */
	unsigned n_failures; /* deaths before any of its workers served */
	int last_status;     /* of the latest death, as waitpid(2) tells */
	uint64_t born_ns;
	uint64_t fork_at_ns;
	struct backoff backoff;
};

/*
 * Forks a keeper for @slot by @plan (slot, control_fd and master are filled
 * in here). Returns 0 or -errno. Does not return in the keeper.
 */
int slot_fork(struct slot *slot, struct keeper_plan plan);

/* Tells the keeper; an order to drain or stop makes the slot retire. */
void slot_order(struct slot *slot, enum order order, uint64_t deadline_mono_ns);

/* The keeper died with @status: what becomes of the slot. */
void slot_keeper_died(struct slot *slot, int status);

/* Reads the slot's reports; moves on when the last process is gone. */
void slot_read_reports(struct slot *slot);

/* What the latest death was, for a log: "SIGABRT", "exit status 1". */
const char *slot_last_death(const struct slot *slot, char *text, size_t bytes);

static inline bool slot_is_in_use(const struct slot *slot)
{
	return slot->state != SLOT_EMPTY;
}

#endif
