/* SPDX-License-Identifier: ISC */
/*
 * wheel.c - deadlines of a worker's connections, looked at when they may be due
 */
#include "server/wheel.h"

#include <string.h>

static struct wheel_link *link_at(const struct wheel *wheel, uint32_t i)
{
	void *at = wheel->base + (size_t)i * wheel->stride;

	return at;
}

static uint32_t spoke_of(uint64_t tick)
{
	return (uint32_t)(tick % WHEEL_SPOKES);
}

void wheel_open(struct wheel *wheel, void *base, uint32_t stride,
		uint64_t now_ns)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->base = base;
	wheel->stride = stride;
	wheel->turned_ns = now_ns;
}

void wheel_clear(struct wheel *wheel, uint32_t i)
{
	struct wheel_link *link = link_at(wheel, i);

	if (!link->spoke)
		return;
	if (link->prev)
		link_at(wheel, link->prev - 1)->next = link->next;
	else
		wheel->head[link->spoke - 1] = link->next;
	if (link->next)
		link_at(wheel, link->next - 1)->prev = link->prev;
	*link = (struct wheel_link){ 0 };
	wheel->n--;
}

/*
 * Always a spoke that is still to come: the next one for what is already due,
 * the last one for what lies beyond a whole turn.
 */
void wheel_set(struct wheel *wheel, uint32_t i, uint64_t deadline_ns)
{
	struct wheel_link *link = link_at(wheel, i);
	uint64_t now_tick = wheel->turned_ns / WHEEL_TICK_NS;
	uint64_t tick = deadline_ns / WHEEL_TICK_NS + 1;
	uint32_t spoke;

	tick = max_u64(tick, now_tick + 1);
	tick = min_u64(tick, now_tick + WHEEL_SPOKES - 1);
	wheel_clear(wheel, i);
	spoke = spoke_of(tick);
	link->spoke = spoke + 1;
	link->next = wheel->head[spoke];
	if (link->next)
		link_at(wheel, link->next - 1)->prev = i + 1;
	wheel->head[spoke] = i + 1;
	wheel->n++;
}

/*
 * The spoke's links are moved to the one in hand first, for look() may set a
 * link to this very spoke again, a whole turn ahead.
 */
static void take_in_hand(struct wheel *wheel, uint32_t spoke)
{
	uint32_t i = wheel->head[spoke];

	wheel->head[spoke] = 0;
	wheel->head[WHEEL_IN_HAND] = i;
	for (; i; i = link_at(wheel, i - 1)->next)
		link_at(wheel, i - 1)->spoke = WHEEL_IN_HAND + 1;
}

static void look_at_spoke(struct wheel *wheel, uint32_t spoke,
			  void (*look)(void *context, uint32_t i),
			  void *context)
{
	uint32_t i;

	take_in_hand(wheel, spoke);
	while ((i = wheel->head[WHEEL_IN_HAND])) {
		wheel_clear(wheel, i - 1);
		look(context, i - 1);
	}
}

void wheel_turn(struct wheel *wheel, uint64_t now_ns,
		void (*look)(void *context, uint32_t i), void *context)
{
	uint64_t from = wheel->turned_ns / WHEEL_TICK_NS + 1;
	uint64_t to = now_ns / WHEEL_TICK_NS;

	if (to < from)
		return;
	if (to - from >= WHEEL_SPOKES)
		from = to - WHEEL_SPOKES + 1;
	/* first the time: what look() sets again must lie ahead of it */
	wheel->turned_ns = now_ns;
	for (uint64_t tick = from; wheel->n && tick <= to; tick++)
		look_at_spoke(wheel, spoke_of(tick), look, context);
}
