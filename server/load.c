/* SPDX-License-Identifier: ISC */
/*
 * load.c - how busy a worker is, as the kernel's clock of it tells
 */
#include "server/load.h"

#include "common/base.h"

/* Shorter spans say more of the scheduler than of the worker. */
#define SPAN_MIN_NS (20 * NS_PER_MS)

static uint64_t cpu_ns(const struct load *load)
{
	struct timespec t;

	if (clock_gettime(load->clock, &t) < 0)
		return load->cpu_ns; /* it is gone */
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void load_begin(struct load *load, pid_t pid, uint64_t now_ns)
{
	*load = (struct load){ .at_ns = now_ns };
	if (clock_getcpuclockid(pid, &load->clock))
		load->clock = CLOCK_PROCESS_CPUTIME_ID; /* ours: idle */
}

uint32_t load_measure(struct load *load, uint64_t now_ns)
{
	uint64_t span_ns = now_ns - load->at_ns;
	uint64_t used_ns = cpu_ns(load);

	if (span_ns < SPAN_MIN_NS)
		return load->busy;
	load->busy = (uint32_t)min_u64(1000, (used_ns - load->cpu_ns) * 1000 /
						     span_ns);
	load->cpu_ns = used_ns;
	load->at_ns = now_ns;
	return load->busy;
}
