/* SPDX-License-Identifier: ISC */
/*
 * health.c - whether the worker is well, how busy, and how old
 */
#include "server/health.h"

#include <signal.h>

#include "common/log.h"
#include "common/units.h"
#include "server/command.h"
#include "server/keeper_state.h"

/* A worker that hangs is dead so long after its time, or never will be. */
#define HANG_GRACE_NS (2 * NS_PER_S)

/*
 * How often the master hears how busy the worker is: while it follows the load
 * as soon as that changes, else (and when it does not) now and then, as a sign
 * of life. See SILENCE_NS in master.c.
 */
#define LOAD_EACH_NS   (100 * NS_PER_MS)
#define LOAD_ANYWAY_NS NS_PER_S

/* Less of a change, in 1/1000, is none. */
#define BUSY_STEP 20U

static void watch_heartbeat(struct keeper *k, uint64_t now_ns)
{
	uint64_t limit_ns = k->p.config.hang_timeout_ns;
	uint64_t beat_ns = ledger_get(k->p.post.part.head->heartbeat_mono_ns);

	if (!k->worker || k->is_stopped || k->was_shot)
		return;
	if (now_ns < beat_ns || now_ns - beat_ns < limit_ns)
		return;
	k->was_shot = true;
	(void)kill(k->worker, SIGKILL);
}

static bool may_recycle(const struct keeper *k)
{
	uint32_t state = ledger_get(k->p.post.part.head->state);

	return k->worker && !k->is_renewing &&
	       (k->past.order == ORDER_SERVE ||
		k->past.order == ORDER_RETIRE) &&
	       (state == WORKER_SERVING || state == WORKER_DRAINING);
}

/*
 * Old, large or long in use: a successor costs its connections nothing. Asked
 * once: a worker that does not leave hangs, or its handler waits for something.
 */
static void recycle(struct keeper *k, uint64_t now_ns)
{
	if (!may_recycle(k) ||
	    !recycling_is_due(&k->recycling, &k->p.config, &k->p.post.part,
			      k->worker, now_ns))
		return;
	log_info("worker %u (pid %d): is replaced: %s", k->p.post.slot,
		 (int)k->worker, k->recycling.why);
	command_leave(k);
}

/* We should have shot it by now: so we are not well ourselves. */
static bool hangs_for_long(const struct keeper *k, uint64_t now_ns)
{
	uint64_t limit_ns = k->p.config.hang_timeout_ns;
	uint64_t beat_ns = ledger_get(k->p.post.part.head->heartbeat_mono_ns);

	return k->worker && !k->is_stopped && limit_ns != UNITS_OFF &&
	       now_ns > beat_ns + limit_ns + HANG_GRACE_NS;
}

/* The master does as the load wants, and we are one of those that it counts */
static bool is_followed(const struct keeper *k)
{
	return k->p.config.workers_max && k->past.order == ORDER_SERVE;
}

static uint32_t measure(struct keeper *k, uint64_t now_ns)
{
	if (!k->worker)
		return 0;
	return load_measure(
		&k->load, part_is_handler_in_hand(k->p.post.part.head), now_ns);
}

static bool is_news(const struct keeper_told *told, uint32_t busy,
		    uint64_t n_open, uint64_t now_ns)
{
	uint32_t change = busy > told->busy ? busy - told->busy :
					      told->busy - busy;

	return now_ns - told->at_ns >= LOAD_ANYWAY_NS || change >= BUSY_STEP ||
	       n_open != told->n_open;
}

static void tell_load(struct keeper *k, uint64_t now_ns)
{
	uint64_t n_open = ledger_get(k->p.post.part.head->n_open);
	uint32_t busy;

	if (k->is_orphan || now_ns < k->load_at_ns)
		return;
	k->load_at_ns =
		now_ns + (is_followed(k) ? LOAD_EACH_NS : LOAD_ANYWAY_NS);
	if (hangs_for_long(k, now_ns))
		return;
	busy = measure(k, now_ns);
	if (!is_news(&k->told, busy, n_open, now_ns))
		return;
	k->told = (struct keeper_told){ now_ns, busy, n_open };
	control_say(k->p.post.control_fd, CONTROL_LOAD, (int32_t)busy, n_open);
}

void health_look(struct keeper *k, uint64_t now_ns)
{
	watch_heartbeat(k, now_ns);
	recycle(k, now_ns);
	tell_load(k, now_ns);
}
