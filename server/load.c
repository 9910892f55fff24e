/* SPDX-License-Identifier: ISC */
/*
 * load.c - how busy a worker is
 */
#include "server/load.h"

#include "common/base.h"

/* Shorter spans say more of the scheduler than of the worker. */
#define SPAN_MIN_NS (20 * NS_PER_MS)

/*
 * How much the latest look is worth, one part of so many. A measured share
 * that stays is believed at the second look; of what is only there or not,
 * it takes more of them to tell a share.
 */
#define FADE_WORKING  2U
#define FADE_HANDLING 8U

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

/* @mean with one look more; it comes to 0 and to 1000 as well. */
static uint32_t fade(uint32_t mean, uint32_t look, uint32_t parts)
{
	uint32_t rest = look > mean ? parts - 1 : 0; /* round towards @look */

	return (mean * (parts - 1) + look + rest) / parts;
}

uint32_t load_measure(struct load *load, bool is_handling, uint64_t now_ns)
{
	uint64_t span_ns = now_ns - load->at_ns;
	uint64_t used_ns, share;

	if (span_ns >= SPAN_MIN_NS) {
		used_ns = cpu_ns(load);
		share = (used_ns - load->cpu_ns) * 1000 / span_ns;
		load->working = fade(load->working,
				     (uint32_t)min_u64(1000, share),
				     FADE_WORKING);
		load->handling = fade(load->handling, is_handling ? 1000 : 0,
				      FADE_HANDLING);
		load->cpu_ns = used_ns;
		load->at_ns = now_ns;
	}
	return (uint32_t)max_u64(load->working, load->handling);
}
