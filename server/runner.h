/* SPDX-License-Identifier: ISC */
/*
 * runner.h - the keeper's part of programs: starts them, waits for them
 */
#ifndef GUICHET_RUNNER_H
#define GUICHET_RUNNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/spawn.h"
#include "server/voice.h"
#include "server/waiter.h"
#include "server/worker.h"

#define RUNNER_BUCKETS 1024U

/* One that runs; links are indexes + 1. */
struct running {
	pid_t pid;
	uint32_t row;
	uint64_t id;     /* of the connection */
	uint32_t source; /* index of its address' count, + 1; 0: none */
	uint32_t next;   /* of its bucket, or free */
};

/* How many connections one address has. */
struct source {
	uint8_t ip[16];
	uint16_t family;
	uint32_t n;
	uint32_t next;
};

struct runner {
	struct post *post;
	bool is_used; /* a listener has a program, or one runs still */
	struct spawner spawner;
	struct voices voices;
	struct waiters waiters;
	struct running *running;
	struct source *sources;
	uint32_t n_room;
	uint32_t free_running, free_source;
	uint32_t by_pid[RUNNER_BUCKETS];
	uint32_t by_source[RUNNER_BUCKETS];
	uint32_t n_running;
};

/*
 * Opens its descriptors, of which the worker must know (is_base); before the
 * table grows. Returns 0 or -errno. One without programs needs little.
 */
int runner_open(struct runner *r, struct post *post);

/* Room for descriptors of its own, beside those of connections. */
int runner_n_fds(const struct config *config);

/* A datagram has come for a program; @may_start: it is served. */
void runner_look_at_waiters(struct runner *r, bool may_start);

/* The worker has told of rows: starts and ends programs. */
void runner_look(struct runner *r);

/* A child, not the worker, ended with @status. */
void runner_reap(struct runner *r, pid_t pid, int status);

/*
 * The programs that run go over to the program that this keeper becomes, with
 * what they have said and not ended, and the descriptors for it. unpack: after
 * runner_open() with the new configuration, and when is_base is there, in the
 * post and in voices; nothing is reaped before that. Errors are the bag's.
 */
struct bag;
void runner_pack(struct runner *r, struct bag *bag);
void runner_unpack(struct runner *r, struct bag *bag);

/* Sends @sig to all of them. */
void runner_kill_all(struct runner *r, int sig);

#endif
