/* SPDX-License-Identifier: ISC */
/*
 * recycling.c - when a worker has lived, grown or served enough
 */
#include "server/recycling.h"

#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/units.h"

/* Reading /proc costs a system call or three, and a successor a fork. */
#define LOOK_EACH_NS NS_PER_S

/* @limit less up to a tenth of it. */
static uint64_t jitter(uint64_t limit)
{
	uint64_t by_chance = 0;

	(void)!getrandom(&by_chance, sizeof(by_chance), GRND_NONBLOCK);
	return limit - (limit / 10 ? by_chance % (limit / 10) : 0);
}

static uint64_t n_accepted(const struct part *part, const struct config *config)
{
	uint64_t n = 0;

	for (size_t i = 0; i < config->n_listeners; i++) {
		const struct listen_config *listen = &config->listeners[i];

		for (unsigned e = 0; e < listen->n_entries; e++)
			n += ledger_get(part->totals[listen->entry[e]]
						.counter[COUNTER_ACCEPTED]);
	}
	return n;
}

void recycling_begin(struct recycling *r, const struct config *config,
		     const struct part *part, uint64_t now_ns)
{
	*r = (struct recycling){
		.due_ns = UINT64_MAX,
		.max_accepted = UINT64_MAX,
		.look_at_ns = now_ns + LOOK_EACH_NS,
	};
	if (config->max_worker_age_ns != UNITS_OFF)
		r->due_ns = now_ns + jitter(config->max_worker_age_ns);
	if (config->max_worker_connections == UNITS_OFF)
		return;
	r->accepted = n_accepted(part, config);
	r->max_accepted = jitter(config->max_worker_connections);
}

/* What is its own: resident, and shared with nobody (proc_pid_statm(5)). */
static uint64_t memory_bytes(pid_t pid)
{
	unsigned long resident = 0, shared = 0;
	char path[32];
	FILE *in;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	in = fopen(path, "re");
	if (!in)
		return 0;
	if (fscanf(in, "%*u %lu %lu", &resident, &shared) != 2)
		resident = shared = 0;
	(void)fclose(in);
	if (resident < shared)
		return 0; /* they are not counted at the same moment */
	return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static const char *find_reason(const struct recycling *r,
			       const struct config *config,
			       const struct part *part, pid_t pid,
			       uint64_t now_ns)
{
	if (now_ns >= r->due_ns)
		return "max-worker-age";
	if (r->max_accepted != UINT64_MAX &&
	    n_accepted(part, config) - r->accepted >= r->max_accepted)
		return "max-worker-connections";
	if (config->max_worker_memory_bytes != UNITS_OFF &&
	    memory_bytes(pid) > config->max_worker_memory_bytes)
		return "max-worker-memory";
	return NULL;
}

bool recycling_is_due(struct recycling *r, const struct config *config,
		      const struct part *part, pid_t pid, uint64_t now_ns)
{
	if (r->why || now_ns < r->look_at_ns)
		return false; /* it was told; or it is not the time */
	r->look_at_ns = now_ns + LOOK_EACH_NS;
	r->why = find_reason(r, config, part, pid, now_ns);
	return r->why;
}

void recycling_take_back(struct recycling *r)
{
	r->why = NULL;
}
