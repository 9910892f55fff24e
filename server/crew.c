/* SPDX-License-Identifier: ISC */
/*
 * crew.c - the slots: how many are kept, and who is in them
 */
#include "server/crew.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/process.h"
#include "server/crash.h"
#include "server/master_state.h"

unsigned crew_count(const struct master *m,
		    bool (*is_such)(const struct slot *))
{
	unsigned n = 0;

	for (unsigned s = 0; s < m->n_slots; s++)
		n += is_such(&m->slots[s]);
	return n;
}

bool crew_is_serving(const struct slot *slot)
{
	return slot->is_serving;
}

bool crew_is_kept_and_serving(const struct slot *slot)
{
	return slot_is_kept(slot) && crew_is_serving(slot);
}

bool crew_has_served(const struct slot *slot)
{
	return slot->has_served;
}

bool crew_is_there(const struct master *m)
{
	return crew_count(m, slot_is_in_use);
}

uint64_t crew_n_open(const struct master *m)
{
	uint64_t n = 0;

	for (unsigned s = 0; s < m->n_slots; s++)
		n += m->slots[s].n_open;
	return n;
}

/* ---- who is in a slot ---- */

uint64_t crew_start_time(pid_t pid)
{
	struct process_stat stat;

	return process_read_stat(pid, &stat) ? stat.born_ticks : 0;
}

void crew_publish(struct master *m, const struct slot *slot)
{
	struct ledger_slot *entry = &m->instance.segment.slots[slot->number];
	uint64_t born = slot->keeper ? crew_start_time(slot->keeper) : 0;

	/* an adopted one that we may not look at: it is what it was */
	if (born || ledger_get(entry->keeper_pid) != slot->keeper)
		ledger_set(entry->keeper_born, born);
	ledger_set(entry->keeper_pid, slot->keeper);
}

int crew_plan(const struct master *m, struct keeper_plan *plan)
{
	int err = instance_plan(&m->instance, plan);

	if (!err && m->renewal.step == RENEWAL_REHEARSAL)
		plan->fd[PLAN_PROGRAM] = m->renewal.former_program_fd;
	return err;
}

static int fork_by_plan(struct master *m, struct slot *slot)
{
	struct keeper_plan plan;
	int err = crew_plan(m, &plan);

	if (err)
		return err;
	err = slot_fork(slot, &plan, &m->instance.user);
	free(plan.fd);
	return err;
}

void crew_fork(struct master *m, struct slot *slot)
{
	struct ledger_slot *entry = &m->instance.segment.slots[slot->number];
	int err = fork_by_plan(m, slot);

	if (err) {
		log_error("keeper %u: cannot fork: %s", slot->number,
			  strerror(-err));
		slot->state = SLOT_BACKOFF;
		slot->fork_at_ns =
			clock_mono_ns() + backoff_strike(&slot->backoff, 0);
		return;
	}
	CRASH_POINT(KEEPER_FORKED);
	ledger_add(entry->n_keepers, 1);
	/* known to a master that comes after us, before it does anything */
	crew_publish(m, slot);
	CRASH_POINT(KEEPER_PUBLISHED);
	slot_go(slot);
	if (slot_is_retiring(slot))
		slot_order(slot, ORDER_RETIRE, UINT64_MAX); /* to settle */
}

struct slot *crew_find(struct master *m, pid_t keeper)
{
	for (unsigned s = 0; s < m->n_slots; s++)
		if (m->slots[s].keeper == keeper)
			return &m->slots[s];
	return NULL;
}

void crew_on_death(struct master *m, struct slot *slot, int status)
{
	struct ledger_slot *entry = &m->instance.segment.slots[slot->number];

	slot_keeper_died(slot, status);
	if (!slot_is_retiring(slot) && !slot->has_left)
		ledger_add(entry->keeper_deaths, 1);
	crew_publish(m, slot);
}

static void settle(struct master *m, struct slot *slot)
{
	if (slot->state != SLOT_EMPTY || !slot->is_lost || master_is_ending(m))
		return;
	slot->is_lost = false;
	if (!segment_holds_any(&m->instance.segment, slot->number))
		return;
	slot->state = SLOT_BACKOFF;
	slot->order = ORDER_RETIRE;
	slot->fork_at_ns = clock_mono_ns();
}

/* ---- how many are kept ---- */

static struct slot *find_slot(struct master *m,
			      bool (*is_such)(const struct slot *))
{
	for (unsigned s = 0; s < m->n_slots; s++)
		if (is_such(&m->slots[s]))
			return &m->slots[s];
	return NULL;
}

static bool may_return(const struct slot *slot)
{
	return slot->state == SLOT_RUNNING && slot->order == ORDER_RETIRE;
}

static bool is_empty(const struct slot *slot)
{
	return !slot_is_in_use(slot) && !slot->is_barred;
}

static bool add_in(struct master *m, struct slot *slot)
{
	int err = segment_open_slot(&m->instance.segment, slot->number);

	if (err) {
		log_error("no memory for one more worker: %s", strerror(-err));
		return false;
	}
	slot_init(slot, slot->number);
	if (m->phase != PHASE_STARTING)
		log_info("worker %u: added", slot->number);
	crew_fork(m, slot);
	return true;
}

static bool add_one(struct master *m)
{
	struct slot *slot = find_slot(m, may_return);

	if (slot) {
		log_info("worker %u: returns", slot->number);
		slot_order(slot, ORDER_SERVE, 0);
		return true;
	}
	slot = find_slot(m, is_empty);
	if (slot)
		return add_in(m, slot);
	log_warning("no slot is free for one more worker");
	return false;
}

/* The last one that @is_such; returns whether there was one. */
static bool retire_last(struct master *m, bool (*is_such)(const struct slot *))
{
	unsigned s = m->n_slots;

	while (s > 0 && !is_such(&m->slots[s - 1]))
		s--;
	if (!s--)
		return false;
	log_info("worker %u: retires", s);
	slot_order(&m->slots[s], ORDER_RETIRE, UINT64_MAX);
	if (m->slots[s].state == SLOT_BACKOFF) {
		slot_init(&m->slots[s], s);
		m->slots[s].is_lost = true;
		settle(m, &m->slots[s]);
	}
	return true;
}

/*
 * Never the first, be it idle: programs that wait for datagrams are its
 * keeper's, and nobody else's (waiter.h).
 */
static bool is_spare(const struct slot *slot)
{
	return slot_is_kept(slot) && !slot->n_open && slot->number > 0;
}

static void spare_one(struct master *m)
{
	if (!retire_last(m, is_spare))
		(void)retire_last(m, slot_is_kept);
}

void crew_spare_one(struct master *m)
{
	spare_one(m);
	m->n_wanted = crew_count(m, slot_is_kept);
	m->n_short = 0;
}

unsigned crew_keep(struct master *m, unsigned n)
{
	unsigned n_kept = crew_count(m, slot_is_kept);

	while (n_kept < n && add_one(m))
		n_kept++;
	while (n_kept > n && retire_last(m, slot_is_kept))
		n_kept--;
	m->n_wanted = n_kept;
	m->n_short = n > n_kept ? n - n_kept : 0;
	return n_kept;
}

/* If nobody is in @slot any more: one may have been wanting for want of it. */
static void refill(struct master *m, struct slot *slot)
{
	if (m->phase != PHASE_SERVING || !is_empty(slot))
		return;
	if (m->n_short) {
		m->n_short--;
		m->n_wanted += add_in(m, slot);
	} else if (slot->number == 0 && add_in(m, slot)) {
		spare_one(m); /* in its place: see is_spare() */
	}
}

void crew_settle(struct master *m, struct slot *slot)
{
	settle(m, slot);
	refill(m, slot);
}

/* ---- later ---- */

void crew_fork_due(struct master *m, uint64_t now_ns)
{
	for (unsigned s = 0; s < m->n_slots; s++) {
		struct slot *slot = &m->slots[s];

		if (slot->state == SLOT_BACKOFF && slot->fork_at_ns <= now_ns)
			crew_fork(m, slot);
	}
}

uint64_t crew_next_ns(const struct master *m)
{
	uint64_t at_ns = UINT64_MAX;

	for (unsigned s = 0; s < m->n_slots; s++)
		if (m->slots[s].state == SLOT_BACKOFF)
			at_ns = min_u64(at_ns, m->slots[s].fork_at_ns);
	return at_ns;
}

void crew_order(struct master *m, enum order order, uint64_t deadline_mono_ns)
{
	for (unsigned s = 0; s < m->n_slots; s++)
		slot_order(&m->slots[s], order, deadline_mono_ns);
	for (unsigned i = 0; i < m->n_strangers; i++)
		control_say(m->strangers[i], CONTROL_ORDER, (int32_t)order,
			    deadline_mono_ns);
}

void crew_drop_waiting(struct master *m)
{
	for (unsigned s = 0; s < m->n_slots; s++)
		if (m->slots[s].state == SLOT_BACKOFF)
			slot_init(&m->slots[s], s);
}
