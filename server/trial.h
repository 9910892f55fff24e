/* SPDX-License-Identifier: ISC */
/*
 * trial.h - a binary, tried before it is relied on
 *
 * It is run as a program by itself, as we were called but with --test: it
 * reads the configuration, and says what is wrong with that. Its lines go to
 * our log. That it ends with success is not enough, for so do other programs:
 * it must have said that it understands what it would be given.
 */
#ifndef GUICHET_TRIAL_H
#define GUICHET_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base.h"

/* What diagnostics begin with, but for the places of a configuration. */
#define TRIAL_PROGRAM_PREFIX "guichetd: "

struct trial {
	pid_t pid;      /* 0: none is under way */
	int report_fd;  /* what it says; -1: it is done */
	int program_fd; /* that is tried */
	char line[1024];
	size_t bytes; /* of a line that has no end yet */
	/* the line that is being logged begins with its own place: FILE:LINE */
	bool is_placed;
	bool is_understood; /* it said BAG_UNDERSTOOD */
};

void trial_init(struct trial *trial);

/*
 * Begins one of @program_fd, which it takes, to be called as @argv was;
 * @path is what it is called in the log. Returns 0 or -errno.
 */
int trial_begin(struct trial *trial, int program_fd, const char *path,
		char *const argv[]);

/* Its report_fd is readable: logs what it says, line by line. */
void trial_read(struct trial *trial);

/*
 * It has ended with @status. Returns EXIT_DONE when it is good; else what is
 * wrong has been logged: EXIT_USAGE, with the configuration.
 */
enum exit_code trial_end(struct trial *trial, const char *path, int status);

/* Gives it up, or kills one that takes too long: then it ends as any other. */
void trial_abandon(struct trial *trial);

#endif
