/* SPDX-License-Identifier: ISC */
/*
 * scaling.c - as many workers as the load wants, of workers = MIN-MAX
 */
#include "server/scaling.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "server/crew.h"
#include "server/master_state.h"

/* Keepers tell what their load has become ten times a second, at most. */
#define LOOK_EACH_NS (100 * NS_PER_MS)

/* So busy on average, in 1/1000, that one more is of use; and so idle that one
   less would still not be that busy. */
#define BUSY_UP   700U
#define BUSY_DOWN 400U

/* Too many for so long: a load that comes and goes finds them still there. */
#define IDLE_NS   (10 * NS_PER_S)
#define SHRINK_NS NS_PER_S

/* So many are forked at a time, before it is seen what they are good for. */
#define STEP_MAX 16U

/* Who does not serve after so long is not waited for. */
#define COMING_NS (5 * NS_PER_S)

/* What is known of those that are kept. */
struct sum {
	unsigned n, n_idle, n_coming;
	uint64_t busy;
	uint64_t queue; /* clients who wait to be accepted */
};

/* While all are being renewed, they say little of the load. */
static bool is_active(const struct master *m)
{
	return m->config.workers_max > m->config.workers &&
	       m->phase == PHASE_SERVING &&
	       (m->renewal.step == RENEWAL_NONE ||
		m->renewal.step == RENEWAL_PROBATION);
}

/* ---- looking ---- */

/* Connections that wait in the kernel: tcp_info of a listener tells. */
static uint64_t tcp_queue(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return info.tcpi_unacked;
}

/* Of a unix socket only sock_diag(7) knows how many, anyone whether any. */
static uint64_t unix_queue(int fd)
{
	struct pollfd listener = { .fd = fd, .events = POLLIN };

	return poll(&listener, 1, 0) > 0;
}

static uint64_t queue_of(const struct listener *listener)
{
	if (!listener_accepts(listener))
		return 0;
	switch (listener->addr.transport) {
	case TRANSPORT_TCP:
		return tcp_queue(listener->fd);
	case TRANSPORT_UNIX:
		return unix_queue(listener->fd);
	default:
		return 0;
	}
}

/* One without room for connections is as busy as one without time for them. */
static uint64_t busy_of(const struct slot *slot, uint64_t n_max)
{
	return max_u64(slot->busy, min_u64(slot->n_open, n_max) * 1000 / n_max);
}

static void add_slot(struct sum *sum, const struct slot *slot, uint64_t n_max,
		     uint64_t now_ns)
{
	sum->n++;
	sum->busy += busy_of(slot, n_max);
	if (slot->is_serving)
		sum->n_idle += !slot->n_open;
	else
		sum->n_coming += now_ns < slot->born_ns + COMING_NS;
}

static struct sum sum_up(const struct master *m, uint64_t now_ns)
{
	struct sum sum = { 0 };

	for (unsigned s = 0; s < m->n_slots; s++)
		if (slot_is_kept(&m->slots[s]))
			add_slot(&sum, &m->slots[s],
				 m->config.worker_connections, now_ns);
	for (size_t i = 0; i < m->instance.n_listeners; i++)
		sum.queue += queue_of(&m->instance.listeners[i]);
	return sum;
}

/* ---- one connection a worker ---- */

/* Then idle ones are what is kept ready. */
static bool is_by_spares(const struct master *m)
{
	return m->config.worker_connections == 1;
}

/* One for each client that is there, or waits, and some to spare. */
static uint64_t n_for_spares(const struct master *m, const struct sum *sum)
{
	return sum->n - sum->n_idle + sum->queue + m->config.min_spare;
}

/* ---- many connections a worker ---- */

/*
 * A queue that is only seen once is one that is being accepted. One that lasts
 * is for workers that do something else; which need not cost a processor.
 */
static bool is_under_pressure(const struct master *m, const struct sum *sum)
{
	return sum->busy >= (uint64_t)BUSY_UP * sum->n ||
	       (sum->queue && m->scaling.had_queue);
}

static uint64_t n_for_load(const struct master *m, const struct sum *sum)
{
	return sum->n + (is_under_pressure(m, sum) ? m->scaling.step + 1 : 0);
}

/* ---- more and fewer ---- */

static unsigned n_wanted(const struct master *m, const struct sum *sum)
{
	uint64_t n = is_by_spares(m) ? n_for_spares(m, sum) :
				       n_for_load(m, sum);

	n = min_u64(n, sum->n + STEP_MAX);
	return (unsigned)min_u64(n, m->config.workers_max);
}

static bool are_too_many(const struct master *m, const struct sum *sum)
{
	if (sum->queue || sum->n <= m->config.workers)
		return false;
	if (is_by_spares(m))
		return sum->n_idle > m->config.max_spare;
	return sum->busy < (uint64_t)BUSY_DOWN * (sum->n - 1);
}

static void grow(struct master *m, unsigned n)
{
	struct scaling *scaling = &m->scaling;

	scaling->step = (unsigned)min_u64(2 * scaling->step + 1, STEP_MAX - 1);
	(void)crew_keep(m, n);
}

static void shrink(struct master *m, uint64_t now_ns)
{
	struct scaling *scaling = &m->scaling;

	if (!scaling->idle_since_ns)
		scaling->idle_since_ns = now_ns;
	if (now_ns - scaling->idle_since_ns < IDLE_NS)
		return;
	scaling->idle_since_ns += SHRINK_NS;
	crew_spare_one(m);
}

static void follow(struct master *m, const struct sum *sum, uint64_t now_ns)
{
	struct scaling *scaling = &m->scaling;
	unsigned n = n_wanted(m, sum);

	if (are_too_many(m, sum)) {
		shrink(m, now_ns);
		return;
	}
	scaling->idle_since_ns = 0;
	if (n > sum->n)
		grow(m, n);
	else
		scaling->step = 0;
}

void scaling_look(struct master *m, uint64_t now_ns)
{
	struct scaling *scaling = &m->scaling;
	struct sum sum;

	if (!is_active(m) || now_ns < scaling->look_at_ns)
		return;
	scaling->look_at_ns = now_ns + LOOK_EACH_NS;
	sum = sum_up(m, now_ns);
	if (!sum.n_coming)
		follow(m, &sum, now_ns);
	scaling->had_queue = sum.queue;
}

uint64_t scaling_next_ns(const struct master *m)
{
	return is_active(m) ? m->scaling.look_at_ns : UINT64_MAX;
}
