/* SPDX-License-Identifier: ISC */
/*
 * load.h - how busy a worker is, as the kernel's clock of it tells
 */
#ifndef GUICHET_LOAD_H
#define GUICHET_LOAD_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct load {
	clockid_t clock;        /* of its processor time */
	uint64_t cpu_ns, at_ns; /* when it was measured last */
	uint32_t busy;          /* then, in 1/1000 */
};

/* Begins with worker @pid, at @now_ns. */
void load_begin(struct load *load, pid_t pid, uint64_t now_ns);

/* The share of the time since the last call that it was busy, in 1/1000. */
uint32_t load_measure(struct load *load, uint64_t now_ns);

#endif
