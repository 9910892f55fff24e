/* SPDX-License-Identifier: ISC */
/*
 * scaling.c - as many workers as the load wants, of workers = MIN-MAX
 */
#include "server/scaling.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/crew.h"
#include "server/master.h"

/* Keepers tell their load ten times a second. */
#define LOOK_EACH_NS (100 * NS_PER_MS)

/* So busy on average, in 1/1000, that one more is of use; and so idle that one
   less would still not be that busy. */
#define BUSY_UP   700U
#define BUSY_DOWN 400U

/* Too many for so long: a load that comes and goes finds them still there. */
#define IDLE_NS (10 * NS_PER_S)

/* What is known of those that are kept. */
struct sum {
	unsigned n, n_idle, n_coming;
	uint64_t busy;
};

static bool is_scaled(const struct master *m)
{
	return m->config.workers_max > config_n_workers(&m->config);
}

static struct sum sum_up(const struct master *m)
{
	struct sum sum = { 0 };

	for (unsigned s = 0; s < m->n_slots; s++) {
		const struct slot *slot = &m->slots[s];

		if (!slot_is_kept(slot))
			continue;
		sum.n++;
		sum.busy += slot->busy;
		sum.n_coming += !slot->is_serving;
		sum.n_idle += slot->is_serving && !slot->n_open;
	}
	return sum;
}

/* Connections that wait in the kernel: tcp_info of a listener tells. */
static unsigned queue_of(const struct listener *listener)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (!listener_accepts(listener) ||
	    listener->addr.transport != TRANSPORT_TCP ||
	    getsockopt(listener->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return info.tcpi_unacked;
}

static bool has_queue(const struct master *m)
{
	for (size_t i = 0; i < m->instance.n_listeners; i++)
		if (queue_of(&m->instance.listeners[i]))
			return true;
	return false;
}

/* One connection a worker: then idle ones are what is kept ready. */
static bool is_by_spares(const struct master *m)
{
	return m->config.worker_connections == 1;
}

static bool wants_more(const struct master *m, const struct sum *sum)
{
	if (sum->n_coming)
		return false; /* those are on their way */
	if (is_by_spares(m))
		return sum->n_idle < m->config.min_spare || has_queue(m);
	return sum->busy >= (uint64_t)BUSY_UP * sum->n || has_queue(m);
}

static bool wants_less(const struct master *m, const struct sum *sum)
{
	if (sum->n_coming || sum->n <= config_n_workers(&m->config))
		return false;
	if (is_by_spares(m))
		return sum->n_idle > m->config.max_spare;
	return sum->busy < (uint64_t)BUSY_DOWN * (sum->n - 1);
}

static void grow(struct master *m, const struct sum *sum)
{
	struct scaling *scaling = &m->scaling;
	unsigned n = sum->n + scaling->step + 1;

	n = (unsigned)min_u64(n, m->config.workers_max);
	scaling->step = (unsigned)min_u64(2 * scaling->step + 1, 16);
	scaling->idle_since_ns = 0;
	if (n > sum->n)
		(void)crew_keep(m, n);
}

static void shrink(struct master *m, const struct sum *sum, uint64_t now_ns)
{
	struct scaling *scaling = &m->scaling;

	if (!scaling->idle_since_ns)
		scaling->idle_since_ns = now_ns;
	if (now_ns - scaling->idle_since_ns < IDLE_NS)
		return;
	scaling->idle_since_ns = now_ns - IDLE_NS + NS_PER_S;
	(void)crew_keep(m, sum->n - 1);
}

void scaling_look(struct master *m, uint64_t now_ns)
{
	struct scaling *scaling = &m->scaling;
	struct sum sum;

	if (!is_scaled(m) || m->phase != PHASE_SERVING ||
	    now_ns < scaling->look_at_ns)
		return;
	scaling->look_at_ns = now_ns + LOOK_EACH_NS;
	sum = sum_up(m);
	if (wants_more(m, &sum)) {
		grow(m, &sum);
		return;
	}
	scaling->step = 0;
	if (wants_less(m, &sum))
		shrink(m, &sum, now_ns);
	else
		scaling->idle_since_ns = 0;
}

uint64_t scaling_next_ns(const struct master *m)
{
	return is_scaled(m) ? m->scaling.look_at_ns : UINT64_MAX;
}
