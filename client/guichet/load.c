/* SPDX-License-Identifier: ISC */
/*
 * load.c - a load: what carries requests, and the loop that drives it
 */
#include "client/guichet/load.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* As many events a wait as the server has; more did not help. */
#define EVENTS_MAX 256

/* Descriptors that are not lines: the standard ones, epoll, and some to spare. */
#define SPARE_DESCRIPTORS 16

#define SWEEP_MIN_NS (10 * NS_PER_MS)
#define SWEEP_MAX_NS (500 * NS_PER_MS)

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signo)
{
	(void)signo;
	is_interrupted = 1;
}

/* The first interruption ends the load in order, the second at once. */
static void catch_interrupts(void)
{
	struct sigaction action = {
		.sa_handler = on_interrupt,
		.sa_flags = (int)SA_RESETHAND,
	};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

int load_watch(struct load *load, int op, int fd, uint32_t index,
	       uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u32 = index };

	return epoll_ctl(load->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

/* --- before the clock starts ----------------------------------------------- */

static bool raise_descriptor_limit(uint64_t n_connections)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return false;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* looked at below */
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (n_connections + SPARE_DESCRIPTORS <= limit.rlim_cur)
		return true;
	log_error(
		"%llu connections: the limit of descriptors is %llu, which "
		"leaves %llu; raise it with ulimit -n",
		(unsigned long long)n_connections,
		(unsigned long long)limit.rlim_cur,
		(unsigned long long)(limit.rlim_cur - min_u64(SPARE_DESCRIPTORS,
							      limit.rlim_cur)));
	return false;
}

static const struct carrier *find_carrier(const struct bench_plan *plan)
{
	if (plan->addr.transport == TRANSPORT_UDP)
		return &datagram_carrier;
	return plan->is_churn ? &churn_carrier : &stream_carrier;
}

static bool fail_memory(void)
{
	log_error("no memory");
	return false;
}

bool load_open(struct load *load, const struct bench_plan *plan)
{
	*load = (struct load){
		.plan = plan,
		.carrier = find_carrier(plan),
		.epoll_fd = -1,
	};
	if (!raise_descriptor_limit(plan->n_connections))
		return false;
	load->scratch = malloc(PATTERN_PIECE_BYTES);
	if (!load->scratch || !pattern_open(&load->pattern))
		return fail_memory();
	load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (load->epoll_fd < 0) {
		log_error("epoll: %s", strerror(errno));
		return false;
	}
	if (!source_open(&load->source, plan, plan->dial.wait_ns,
			 &load->tally.n_connects))
		return false;
	return load->carrier->open(load) || fail_memory();
}

void load_close(struct load *load)
{
	if (load->lines)
		load->carrier->close(load);
	if (load->epoll_fd >= 0)
		(void)close(load->epoll_fd); /* holds nothing that can fail */
	pattern_close(&load->pattern);
	free(load->scratch);
}

/* --- the loop -------------------------------------------------------------- */

/* Often enough that a timeout is noticed soon, and seldom enough to be free. */
static void sweep_when_due(struct load *load, uint64_t now_ns)
{
	uint64_t pause_ns = load->plan->dial.wait_ns / 20;

	if (now_ns < load->next_sweep_ns)
		return;
	load->carrier->sweep(load, now_ns);
	pause_ns = min_u64(max_u64(pause_ns, SWEEP_MIN_NS), SWEEP_MAX_NS);
	load->next_sweep_ns = now_ns + pause_ns;
}

static int wait_events(struct load *load, uint64_t until_ns,
		       struct epoll_event *events)
{
	uint64_t now_ns = clock_mono_ns(), left_ns;
	struct timespec ts;

	until_ns = min_u64(until_ns, load->next_sweep_ns);
	left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
	ts.tv_sec = (time_t)(left_ns / NS_PER_S);
	ts.tv_nsec = (long)(left_ns % NS_PER_S);
	return epoll_pwait2(load->epoll_fd, events, EVENTS_MAX, &ts, NULL);
}

static void offer_called(struct load *load, uint64_t now_ns)
{
	uint64_t index;

	while (schedule_call(&load->schedule, now_ns, &index))
		load->carrier->offer(load, (uint32_t)index, now_ns);
}

void load_turn(struct load *load, uint64_t until_ns)
{
	struct epoll_event events[EVENTS_MAX];
	int n = wait_events(load, until_ns, events);
	uint64_t now_ns;

	for (int i = 0; i < n; i++)
		load->carrier->on_event(load, events[i].data.u32,
					events[i].events);
	now_ns = clock_mono_ns();
	offer_called(load, now_ns);
	sweep_when_due(load, now_ns);
}

static void offer_all(struct load *load)
{
	uint64_t n = load->plan->n_connections;

	for (uint64_t i = 0; i < n && !load->plan->rate; i++)
		load->carrier->offer(load, (uint32_t)i, clock_mono_ns());
}

static bool is_load_over(const struct load *load)
{
	if (!load->n_open)
		return true;
	return !load->n_in_flight &&
	       schedule_is_over(&load->schedule, clock_mono_ns());
}

static void run_schedule(struct load *load)
{
	struct schedule *schedule = &load->schedule;

	offer_all(load);
	while (!is_load_over(load)) {
		bool is_hasty =
			load->carrier->after_turn &&
			load->carrier->after_turn(load, clock_mono_ns());
		uint64_t until_ns = schedule_next_ns(schedule);

		/* past the end only answers are waited for */
		if (clock_mono_ns() >= schedule->stop_ns)
			until_ns = UINT64_MAX;
		load_turn(load, is_hasty ? 0 : until_ns);
		if (is_interrupted)
			schedule->stop_ns =
				min_u64(schedule->stop_ns, clock_mono_ns());
	}
}

static double to_s(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

/*
 * Up to the end of the time, or the latest answer if that came later: waiting
 * in vain for what is lost is no part of the load.
 */
static uint64_t load_duration_ns(const struct load *load)
{
	const struct schedule *schedule = &load->schedule;
	uint64_t end_ns = min_u64(schedule->stop_ns, clock_mono_ns());

	if (schedule->stop_ns == UINT64_MAX && load->answered_ns)
		end_ns = load->answered_ns;
	return max_u64(end_ns, load->answered_ns) - schedule->start_ns;
}

void load_run(struct load *load)
{
	struct tally *tally = &load->tally;
	struct rusage before, after;
	uint64_t start_ns;

	catch_interrupts();
	(void)getrusage(RUSAGE_SELF, &before);
	start_ns = clock_mono_ns();
	schedule_start(&load->schedule, load->plan, start_ns);
	run_schedule(load);
	tally->duration_ns = load_duration_ns(load);
	(void)getrusage(RUSAGE_SELF, &after);
	tally->user_cpu_s = to_s(after.ru_utime) - to_s(before.ru_utime);
	tally->sys_cpu_s = to_s(after.ru_stime) - to_s(before.ru_stime);
	tally->n_unsent = schedule_n_unsent(&load->schedule);

	load->schedule.stop_ns = start_ns; /* nothing is due any more */
	load->carrier->finish(load);
	while (load->n_open)
		load_turn(load, UINT64_MAX);
}
