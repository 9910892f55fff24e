/* SPDX-License-Identifier: ISC */
/*
 * process.h - what /proc tells of a process
 */
#ifndef GUICHET_PROCESS_H
#define GUICHET_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Some of proc_pid_stat(5). */
struct process_stat {
	char name[17];
	char state; /* 'Z', 'X': it has ended */
	pid_t parent;
	uint64_t born_ticks; /* after the machine's start: tells two processes
				of one pid apart */
};

/* Whether there is such a process, and we may see it. */
bool process_read_stat(pid_t pid, struct process_stat *stat);

#endif
