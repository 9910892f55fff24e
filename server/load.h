/* SPDX-License-Identifier: ISC */
/*
 * load.h - how busy a worker is
 *
 * Two ways to be busy: to use a processor, as the kernel's clock of it tells,
 * and to sit in a handler, which may as well wait for something. The first is
 * measured, the second is looked at whenever the first is; either is a mean
 * of late, the rest of what was before fading away.
 */
#ifndef GUICHET_LOAD_H
#define GUICHET_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct load {
	clockid_t clock;            /* of its processor time */
	uint64_t cpu_ns, at_ns;     /* when it was measured last */
	uint32_t working, handling; /* shares of its time, in 1/1000 */
};

/* Begins with worker @pid, at @now_ns. */
void load_begin(struct load *load, pid_t pid, uint64_t now_ns);

/*
 * The share of its time, of late, that it was busy, in 1/1000; @is_handling:
 * a handler of it is at work now. To be called a few times a second.
 */
uint32_t load_measure(struct load *load, bool is_handling, uint64_t now_ns);

#endif
