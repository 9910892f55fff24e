/* SPDX-License-Identifier: ISC */
/*
 * voice.h - what programs say on their standard error, as lines of our log
 *
 * Each has a pipe of its own. Its read end is in the table that keeper and
 * worker share, so it is marked as the keeper's (is_base): a successor does
 * not close it.
 */
#ifndef GUICHET_VOICE_H
#define GUICHET_VOICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/program.h"

struct bag;
struct voice;

struct voices {
	int epoll_fd; /* -1: no program was configured, and none speaks */
	struct voice *first;
	uint8_t *is_base; /* by descriptor, below n_fds */
	int n_fds;
};

/* Opens the epoll set. Returns 0 or -errno. */
int voices_open(struct voices *voices);

/*
 * What a program that is to be started gets as its standard error, in *@fd:
 * the end of a new pipe where it is logged, else @null_fd. Returns the voice,
 * or NULL where there is none. voice_settle() follows, with what the start
 * gave: its pid, or -errno.
 */
struct voice *voice_of_program(struct voices *voices,
			       const struct listen_config *listen,
			       const struct program *program, int null_fd,
			       int *fd);
void voice_settle(struct voices *voices, struct voice *voice, int fd,
		  pid_t pid);

/* Reads what there is and logs it. */
void voices_listen(struct voices *voices);

/*
 * They go over to the program that this process becomes: their pipes, and the
 * lines that have no end yet. unpack: when is_base is there; errors are the
 * bag's.
 */
void voices_pack(const struct voices *voices, struct bag *bag);
void voices_unpack(struct voices *voices, struct bag *bag);

#endif
