/* SPDX-License-Identifier: ISC */
/*
 * waiter.h - programs that take a datagram socket over (inetd's "wait")
 *
 * When a datagram comes, the program is started with the socket itself as its
 * standard input and output, reads it and as many more as it likes, and is
 * waited for: until it ends, nobody else looks at the socket. All that is the
 * first slot's keeper's; workers leave such a listener alone.
 */
#ifndef GUICHET_WAITER_H
#define GUICHET_WAITER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/spawn.h"
#include "server/voice.h"
#include "server/worker.h"

struct bag;
struct waiter;

struct waiters {
	int epoll_fd; /* -1: there are none here */
	struct waiter *waiter;
	size_t n;
};

/* Opens its descriptor, if this keeper has any. Returns 0 or -errno. */
int waiters_open(struct waiters *waiters, const struct post *post);

/* Starts programs whose sockets have something, if @may_start. */
void waiters_look(struct waiters *waiters, const struct spawner *spawner,
		  struct voices *voices, bool may_start);

/* Watches the sockets again of which the program is gone, and it is time. */
void waiters_rearm(struct waiters *waiters, uint64_t now_ns);

/* In how many ns that is to be called, at most; UINT64_MAX: need not be. */
uint64_t waiters_wait_ns(const struct waiters *waiters, uint64_t now_ns);

/* A child ended with @status; false when it was none of them. */
bool waiters_reap(struct waiters *waiters, pid_t pid, int status);

/*
 * They go over to the program that this process becomes. unpack: after
 * waiters_open(). One whose listener is no more is only waited for; errors
 * are the bag's.
 */
void waiters_pack(const struct waiters *waiters, const struct post *post,
		  struct bag *bag);
void waiters_unpack(struct waiters *waiters, const struct post *post,
		    struct bag *bag);

/* Sends @sig to all that run. */
void waiters_kill_all(struct waiters *waiters, int sig);

#endif
