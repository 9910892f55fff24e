/* SPDX-License-Identifier: ISC */
/*
 * wheel.h - deadlines of a worker's connections, looked at when they may be due
 *
 * A connection stands in the spoke of its deadline. Activity does not touch
 * the wheel: when the spoke comes round, the owner looks at the connection
 * and either ends it or puts it to its new deadline. So a deadline costs
 * nothing in a turn, and one look for each time it passes.
 */
#ifndef GUICHET_WHEEL_H
#define GUICHET_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base.h"

#define WHEEL_SPOKES  512U
#define WHEEL_IN_HAND WHEEL_SPOKES /* one more: what is being looked at */
#define WHEEL_TICK_NS (50 * NS_PER_MS)

/* In each connection: its neighbours in the spoke. Indexes; 0 is none. */
struct wheel_link {
	uint32_t next, prev; /* link + 1 */
	uint32_t spoke;      /* spoke + 1; 0: not in the wheel */
};

struct wheel {
	uint32_t head[WHEEL_SPOKES + 1]; /* link + 1 */
	uint64_t turned_ns;              /* all before this was looked at */
	uint32_t n;                      /* links in the wheel */
	/* where link i is: base + i * stride bytes, borrowed */
	uint8_t *base;
	uint32_t stride;
};

/* @base, @stride: where the link of connection i lies. */
void wheel_open(struct wheel *wheel, void *base, uint32_t stride,
		uint64_t now_ns);

/* Puts link @i to @deadline_ns, wherever it was. */
void wheel_set(struct wheel *wheel, uint32_t i, uint64_t deadline_ns);
void wheel_clear(struct wheel *wheel, uint32_t i);

/*
 * Calls @look for each link whose spoke has come round by @now_ns; it was
 * taken out before, and @look may set it again. Links beyond one turn of the
 * wheel (25.6 s) come by more than once.
 */
void wheel_turn(struct wheel *wheel, uint64_t now_ns,
		void (*look)(void *context, uint32_t i), void *context);

#endif
