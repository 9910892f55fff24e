/* SPDX-License-Identifier: ISC */
/*
 * accept.h - connections from the shared listening sockets
 */
#ifndef GUICHET_ACCEPT_H
#define GUICHET_ACCEPT_H

#include "server/worker.h"

/* How soon a worker looks again that rests, or refuses. */
#define ACCEPT_LOOK_NS (50 * NS_PER_MS)

/* A listener's rest: out of descriptors or memory, we do not ask again yet. */
struct rest {
	uint64_t until_ns; /* 0: it does not rest */
	bool is_logged;    /* said once, until an accept works again */
};

/*
 * Watches every listener, TCP, unix and UDP; a worker that is full, datagrams
 * only. Returns 0, or -errno if that failed.
 */
int accept_watch(struct worker *w);

/* Epoll says that a connection waits at @listener: takes one. */
void accept_event(struct worker *w, uint32_t listener);

/*
 * Each tick: tries every listener once. A connection whose wake-up went to a
 * worker that died, or was stopped, before its accept would wait for ever
 * otherwise. Ends the rests that are over.
 */
void accept_tick(struct worker *w);

/* A worker that stands aside: if it has room again, it takes its place. */
void accept_look(struct worker *w);

/* Whether it is full, and refuses what comes, for all others are full, too. */
bool accept_refuses(const struct worker *w);

/*
 * Watches no listener any more, and takes all that wait, so that none waits
 * for whom this worker was woken.
 */
void accept_stop(struct worker *w);

/*
 * For a successor: an accept was in hand. @fd: the descriptor it gave that
 * has no row, or -1. Gives it its row and completes the count.
 */
void accept_resume(struct worker *w, int fd);

#endif
