/* SPDX-License-Identifier: ISC */
/*
 * post.h - what a keeper prepares once, for each of its workers
 */
#ifndef GUICHET_POST_H
#define GUICHET_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "server/bag.h"
#include "server/guard.h"
#include "server/inherit.h"
#include "server/runner.h"
#include "server/worker.h"

/* Descriptors a slot needs beside those of connections and listeners. */
#define KEEPER_SPARE_FDS 64

/* What goes over, as it is, from one program of a keeper to the next. */
struct post_memory {
	uint32_t slot;
	uint32_t is_rehearsal;
	uint32_t is_renewed; /* connections may be there */
	uint32_t is_fitting; /* it only tries: see fitting.h */
	uint32_t vault_state_bytes;
	struct guard_user user;
};

struct post_fds {
	int control, rendezvous, config, ledger, view;
	int vault; /* -1: there is none yet */
};

/* All of it, while it is being made. */
struct posting {
	struct post post;
	struct post_memory memory;
	struct post_fds fds;
	struct config config;
	struct inherited sockets;
	struct listener *listeners; /* post.listeners, writable */
	struct runner runner;
};

/*
 * pack: what a keeper takes along. unpack, prepare: the other side; what is
 * wrong ends the process, and is said. prepare() makes the post, gives up
 * privileges and the ledger's descriptor, and grows the table.
 */
void post_pack(const struct post_memory *memory, const struct post_fds *fds,
	       const int *sockets, size_t n_sockets, struct bag *bag);
void post_unpack(struct posting *p, struct bag *bag);
void post_prepare(struct posting *p, struct bag *bag);

#endif
