/* SPDX-License-Identifier: ISC */
/*
 * master_state.h - what a master knows, for its rooms
 *
 *     master.c       waits, answers signals and operators, begins and ends
 *     crew.c         the slots, and how many are kept
 *     renewal.c      reload and upgrade
 *     succession.c   it becomes another program
 *     adoption.c     it takes over from one that died
 *     scaling.c      it follows the load
 */
#ifndef GUICHET_MASTER_STATE_H
#define GUICHET_MASTER_STATE_H

#include "server/config.h"
#include "server/instance.h"
#include "server/operator.h"
#include "server/renewal.h"
#include "server/scaling.h"
#include "server/slot.h"

enum phase {
	PHASE_STARTING,
	PHASE_SERVING,
	PHASE_DRAINING,
	PHASE_STOPPING,
};

struct master {
	/* how it was called, to be called so again */
	char **argv;
	const struct config_command *command;
	char program_path[4096]; /* where its binary lies, or lay */

	struct config config;
	struct instance instance;
	struct slot slots[LEDGER_MAX_SLOTS];
	unsigned n_slots;
	unsigned n_wanted; /* of them are to be kept */
	unsigned n_short;  /* and so many more, when slots get free */
	/* of a ledger of another layout: they only drain */
	int strangers[LEDGER_MAX_SLOTS]; /* control sockets */
	unsigned n_strangers;
	bool is_anew; /* began on a ledger of its own, in an upgrade */

	struct operators operators;
	struct renewal renewal;
	struct scaling scaling;
	int signal_fd;
	enum phase phase;
	uint64_t kill_at_ns; /* when draining or stopping */
	uint64_t term_at_ns;
	uint64_t watchdog_at_ns;
	uint64_t status_at_ns;
	bool has_failed;
};

/* It ends or drains: nothing is to begin any more. */
static inline bool master_is_ending(const struct master *m)
{
	return m->phase == PHASE_DRAINING || m->phase == PHASE_STOPPING;
}

#endif
