/* SPDX-License-Identifier: ISC */
/*
 * keeper_state.h - what a keeper knows, for the rooms of its life
 *
 *     keeper.c      clones workers and buries them
 *     command.c     tells the worker what to do
 *     health.c      sees whether the worker is well, how busy, how old
 *     becoming.c    the keeper becomes another program, with all connections
 *     orphan.c      it is without a master, and waits for another
 */
#ifndef GUICHET_KEEPER_STATE_H
#define GUICHET_KEEPER_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/backoff.h"
#include "server/control.h"
#include "server/load.h"
#include "server/post.h"
#include "server/recycling.h"

struct keeper {
	struct posting p;
	int signal_fd;

	pid_t worker;     /* 0: none lives */
	bool is_stopped;  /* by SIGSTOP: it does not hang */
	bool was_retired; /* told to, and then to serve: it may leave yet */
	bool was_asked;   /* to leave for a successor: the same */
	bool was_shot;
	uint64_t born_ns;
	uint64_t clone_at_ns; /* when the next one is due */
	struct recycling recycling;
	struct load load;
	uint64_t load_at_ns; /* when it is measured next */
	struct keeper_told {
		uint64_t at_ns;
		uint32_t busy;
		uint64_t n_open;
	} told; /* what the master knows */

	/* what goes over to the program that this one becomes */
	struct keeper_past {
		enum legacy legacy; /* for the next worker */
		struct backoff backoff;
		unsigned n_unlucky;
		uint32_t fault_row; /* in hand when the last one died by its
				       own fault */
		enum order order;
		bool are_listeners_closed;
	} past;

	/* renewal: the worker is to leave, and then we ask for the plan */
	bool is_renewing;
	bool is_bare; /* it has left; we wait for the plan */
	int *plan_fd;
	size_t n_plan_fds;

	/* without a master */
	bool is_orphan;
	uint64_t drain_at_ns;
	int suitor_fd; /* who came to the rendezvous; -1: nobody */
	uint64_t suitor_until_ns;
};

/* Whether @fd is the keeper's own; else, and open, it is a connection. */
static inline void keeper_set_base(struct keeper *k, int fd, bool is_base)
{
	if (fd >= 0 && fd < k->p.post.n_fds)
		k->p.post.is_base[fd] = is_base;
}

#endif
