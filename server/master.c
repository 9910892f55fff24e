/* SPDX-License-Identifier: ISC */
/*
 * master.c - the process that binds, forks keepers, and answers to the operator
 *
 * It never touches a client's byte, and maps nothing that a worker can write.
 * Everything it waits for is a descriptor: signals (signalfd), and one control
 * socket for each slot.
 */
#include "server/master.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/units.h"
#include "server/notify.h"
#include "server/segment.h"
#include "server/slot.h"
#include "server/title.h"

/* Slots whose workers all failed so often before any served: give up. */
#define FAILURES_MAX 3

/* How long after their deadline keepers may take to be gone by themselves. */
#define KILL_AFTER_NS (2 * NS_PER_S)

/* Two TERMs closer together than this are one. */
#define TERM_TWICE_NS (100 * NS_PER_MS)

enum phase {
	PHASE_STARTING,
	PHASE_SERVING,
	PHASE_DRAINING,
	PHASE_STOPPING,
};

struct master {
	const struct config *config;
	struct segment segment;
	struct listener *listeners;
	size_t n_listeners;
	struct guard_user user;
	struct slot slots[LEDGER_MAX_SLOTS];
	unsigned n_slots;
	int signal_fd;
	enum phase phase;
	uint64_t kill_at_ns; /* when draining or stopping */
	uint64_t term_at_ns;
	uint64_t watchdog_at_ns;
	bool has_failed;
};

/* ---- slots ---- */

static struct keeper_plan plan_of(const struct master *m)
{
	return (struct keeper_plan){
		.config = m->config,
		.listeners = m->listeners,
		.n_listeners = m->n_listeners,
		.segment = &m->segment,
		.user = &m->user,
	};
}

/* Publishes what the master knows of a slot. */
static void publish(struct master *m, const struct slot *slot)
{
	struct ledger_slot *entry = &m->segment.slots[slot->number];

	ledger_set(entry->keeper_pid, slot->keeper);
}

static void fork_keeper(struct master *m, struct slot *slot)
{
	int err = slot_fork(slot, plan_of(m));

	if (err) {
		log_error("keeper %u: cannot fork: %s", slot->number,
			  strerror(-err));
		slot->state = SLOT_BACKOFF;
		slot->fork_at_ns =
			clock_mono_ns() + backoff_strike(&slot->backoff, 0);
		return;
	}
	ledger_add(m->segment.slots[slot->number].n_keepers, 1);
	publish(m, slot);
}

static unsigned count_slots(const struct master *m,
			    bool (*is_such)(const struct slot *))
{
	unsigned n = 0;

	for (unsigned s = 0; s < m->n_slots; s++)
		n += is_such(&m->slots[s]);
	return n;
}

static bool is_serving(const struct slot *slot)
{
	return slot->is_serving;
}

static bool has_served(const struct slot *slot)
{
	return slot->has_served;
}

static bool is_hopeless(const struct slot *slot)
{
	return slot_is_in_use(slot) && slot->n_failures >= FAILURES_MAX;
}

static bool is_kept(const struct slot *slot)
{
	return slot_is_in_use(slot) && !slot->is_retiring;
}

/* ---- phases ---- */

static void tell_status(const struct master *m)
{
	unsigned n = count_slots(m, is_serving);
	unsigned n_wanted = count_slots(m, is_kept);

	(void)notify_send("STATUS=%s: %u of %u workers",
			  n < n_wanted ? "degraded" : "serving", n, n_wanted);
}

static void say_ready(struct master *m)
{
	m->phase = PHASE_SERVING;
	segment_set_state(&m->segment, LEDGER_SERVING);
	for (size_t i = 0; i < m->n_listeners; i++) {
		char text[ADDR_TEXT_BYTES];

		log_info("%s: listening on %s", m->listeners[i].config->name,
			 addr_format(&m->listeners[i].addr, text));
	}
	log_info("ready: instance %s, %u workers", m->config->name,
		 count_slots(m, is_serving));
	(void)notify_send("READY=1\nMAINPID=%d", (int)getpid());
	tell_status(m);
}

static void order_all(struct master *m, enum order order, uint64_t after_ns)
{
	uint64_t deadline_ns = clock_mono_ns() + after_ns;

	m->kill_at_ns = deadline_ns + KILL_AFTER_NS;
	for (unsigned s = 0; s < m->n_slots; s++)
		slot_order(&m->slots[s], order, deadline_ns);
}

/* A slot that waits for a new keeper need not get one any more. */
static void drop_waiting(struct master *m)
{
	for (unsigned s = 0; s < m->n_slots; s++)
		if (m->slots[s].state == SLOT_BACKOFF)
			m->slots[s].state = SLOT_EMPTY;
}

static void close_listeners(struct master *m)
{
	listeners_close(m->listeners, m->n_listeners);
	m->listeners = NULL;
	m->n_listeners = 0;
}

static void begin_to_end(struct master *m, enum phase phase)
{
	char text[UNITS_TEXT_BYTES];

	m->phase = phase;
	segment_set_state(&m->segment, LEDGER_DRAINING);
	close_listeners(m);
	drop_waiting(m);
	(void)notify_send("STOPPING=1\nSTATUS=%s",
			  phase == PHASE_DRAINING ? "draining" : "stopping");
	if (phase == PHASE_DRAINING)
		log_info("draining: connections have %s to end",
			 units_format_duration(m->config->drain_timeout_ns,
					       text));
	else
		log_info("stopping: connections are closed");
}

static void stop_now(struct master *m)
{
	if (m->phase == PHASE_STOPPING)
		return;
	begin_to_end(m, PHASE_STOPPING);
	order_all(m, ORDER_STOP, 0);
}

/* ---- signals ---- */

/*
 * Lets connections end; asked again, it ends them. Asked again at once, it was
 * one request: timeout(1) signals its child, and then the child's group.
 */
static void on_term(struct master *m)
{
	uint64_t now_ns = clock_mono_ns();

	if (m->phase == PHASE_DRAINING &&
	    now_ns > m->term_at_ns + TERM_TWICE_NS)
		stop_now(m);
	if (m->phase == PHASE_DRAINING || m->phase == PHASE_STOPPING)
		return;
	m->term_at_ns = now_ns;
	begin_to_end(m, PHASE_DRAINING);
	order_all(m, ORDER_DRAIN, m->config->drain_timeout_ns);
}

static void on_not_yet(struct master *m)
{
	(void)m;
	log_notice("reload and upgrade are not available in this version; "
		   "nothing was changed");
}

static bool is_ending(const struct master *m)
{
	return m->phase == PHASE_DRAINING || m->phase == PHASE_STOPPING;
}

static void on_ttin(struct master *m)
{
	struct slot *slot = m->slots;
	int err;

	while (slot < m->slots + m->n_slots && slot_is_in_use(slot))
		slot++;
	if (is_ending(m))
		return;
	if (slot == m->slots + m->n_slots) {
		log_warning("no slot is free for one more worker");
		return;
	}
	err = segment_open_slot(&m->segment, slot->number);
	if (err) {
		log_error("no memory for one more worker: %s", strerror(-err));
		return;
	}
	*slot = (struct slot){ .number = slot->number, .control_fd = -1 };
	log_info("worker %u: added", slot->number);
	fork_keeper(m, slot);
}

static void on_ttou(struct master *m)
{
	unsigned s = m->n_slots;

	if (is_ending(m))
		return;
	if (count_slots(m, is_kept) < 2) {
		log_warning("the last worker is not retired");
		return;
	}
	while (s-- > 0 && !is_kept(&m->slots[s]))
		continue;
	log_info("worker %u: retires", s);
	slot_order(&m->slots[s], ORDER_DRAIN,
		   clock_mono_ns() + m->config->drain_timeout_ns);
}

static struct slot *slot_of_keeper(struct master *m, pid_t pid)
{
	for (unsigned s = 0; s < m->n_slots; s++)
		if (m->slots[s].keeper == pid)
			return &m->slots[s];
	return NULL;
}

static void on_child(struct master *m)
{
	struct slot *slot;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		slot = slot_of_keeper(m, pid);
		if (!slot)
			continue;
		slot_keeper_died(slot, status);
		if (!slot->is_retiring)
			ledger_add(m->segment.slots[slot->number].keeper_deaths,
				   1);
		publish(m, slot);
	}
}

static const struct {
	int number;
	void (*answer)(struct master *m);
} signals[] = {
	{ SIGTERM, on_term },   { SIGINT, stop_now },    { SIGQUIT, stop_now },
	{ SIGHUP, on_not_yet }, { SIGUSR2, on_not_yet }, { SIGTTIN, on_ttin },
	{ SIGTTOU, on_ttou },   { SIGCHLD, on_child },
};

static int open_signals(struct master *m)
{
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaddset(&set, signals[i].number);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return m->signal_fd < 0 ? -errno : 0;
}

static void answer_signal(struct master *m, int number)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (signals[i].number == number)
			signals[i].answer(m);
}

static void read_signals(struct master *m)
{
	struct signalfd_siginfo info;

	while (read(m->signal_fd, &info, sizeof(info)) == sizeof(info))
		answer_signal(m, (int)info.ssi_signo);
}

/* ---- what time brings ---- */

static void fork_due(struct master *m, uint64_t now_ns)
{
	for (unsigned s = 0; s < m->n_slots; s++) {
		struct slot *slot = &m->slots[s];

		if (slot->state == SLOT_BACKOFF && slot->fork_at_ns <= now_ns)
			fork_keeper(m, slot);
	}
}

static void kill_late(struct master *m, uint64_t now_ns)
{
	if (!is_ending(m) || now_ns < m->kill_at_ns)
		return;
	for (unsigned s = 0; s < m->n_slots; s++)
		if (m->slots[s].keeper > 0)
			(void)kill(m->slots[s].keeper, SIGKILL);
	m->kill_at_ns = now_ns + KILL_AFTER_NS;
}

static void feed_watchdog(struct master *m, uint64_t now_ns)
{
	uint64_t half_ns = notify_watchdog_ns() / 2;

	if (!half_ns || now_ns < m->watchdog_at_ns)
		return;
	(void)notify_send("WATCHDOG=1");
	m->watchdog_at_ns = now_ns + half_ns;
}

static void give_up(struct master *m)
{
	char text[64];

	log_error("no worker ever served: each died %d times at its start, "
		  "the last one by %s",
		  FAILURES_MAX,
		  slot_last_death(&m->slots[0], text, sizeof(text)));
	m->has_failed = true;
	stop_now(m);
}

static void look_at_start(struct master *m)
{
	unsigned n_in_use = count_slots(m, slot_is_in_use);

	if (m->phase != PHASE_STARTING)
		return;
	if (count_slots(m, is_serving) == n_in_use)
		say_ready(m);
	else if (!count_slots(m, has_served) &&
		 count_slots(m, is_hopeless) == n_in_use)
		give_up(m);
}

/* ---- the loop ---- */

static uint64_t next_event_ns(const struct master *m)
{
	uint64_t at_ns = UINT64_MAX;

	for (unsigned s = 0; s < m->n_slots; s++)
		if (m->slots[s].state == SLOT_BACKOFF)
			at_ns = min_u64(at_ns, m->slots[s].fork_at_ns);
	if (is_ending(m))
		at_ns = min_u64(at_ns, m->kill_at_ns);
	if (notify_watchdog_ns())
		at_ns = min_u64(at_ns, m->watchdog_at_ns);
	return at_ns;
}

static int timeout_ms(const struct master *m)
{
	uint64_t at_ns = next_event_ns(m), now_ns = clock_mono_ns();

	if (at_ns == UINT64_MAX)
		return -1;
	if (at_ns <= now_ns)
		return 0;
	return (int)min_u64((at_ns - now_ns) / NS_PER_MS + 1, INT32_MAX);
}

static void wait_for_events(struct master *m)
{
	struct pollfd fds[LEDGER_MAX_SLOTS + 1];

	/* poll(2) passes over the descriptors that are -1 */
	for (unsigned s = 0; s < m->n_slots; s++)
		fds[s] = (struct pollfd){ .fd = m->slots[s].control_fd,
					  .events = POLLIN };
	fds[m->n_slots] =
		(struct pollfd){ .fd = m->signal_fd, .events = POLLIN };
	if (poll(fds, m->n_slots + 1, timeout_ms(m)) < 0)
		return;
	if (fds[m->n_slots].revents)
		read_signals(m);
	for (unsigned s = 0; s < m->n_slots; s++)
		if (fds[s].revents && m->slots[s].control_fd == fds[s].fd)
			slot_read_reports(&m->slots[s]);
}

static void run(struct master *m)
{
	unsigned n_serving = 0;

	while (count_slots(m, slot_is_in_use)) {
		uint64_t now_ns;

		wait_for_events(m);
		now_ns = clock_mono_ns();
		fork_due(m, now_ns);
		kill_late(m, now_ns);
		feed_watchdog(m, now_ns);
		look_at_start(m);
		if (m->phase == PHASE_SERVING &&
		    n_serving != count_slots(m, is_serving))
			tell_status(m);
		n_serving = count_slots(m, is_serving);
	}
}

/* ---- from start to end ---- */

static void open_slots(struct master *m)
{
	unsigned n_workers = config_n_workers(m->config);

	m->n_slots = m->segment.shape.n_slots;
	for (unsigned s = 0; s < m->n_slots; s++)
		m->slots[s] = (struct slot){ .number = s, .control_fd = -1 };
	for (unsigned s = 0; s < n_workers; s++)
		fork_keeper(m, &m->slots[s]);
}

static int find_user(struct master *m)
{
	int err;

	if (geteuid() != 0 || !m->config->user[0])
		return 0;
	err = guard_find_user(m->config->user, &m->user);
	if (err)
		log_error("user %s: %s", m->config->user,
			  err == -ENOENT ? "no such user" : strerror(-err));
	return err;
}

static int open_master(struct master *m)
{
	char path[sizeof(m->segment.path)];
	int old_fd = segment_claim(m->config, path, sizeof(path));
	int err;

	if (old_fd < 0 && old_fd != -ENOENT)
		return old_fd;
	err = find_user(m);
	if (!err)
		err = listeners_open(m->config, &m->listeners, &m->n_listeners);
	if (!err)
		err = segment_create(&m->segment, m->config, path, old_fd,
				     m->listeners, m->n_listeners,
				     config_n_workers(m->config));
	return err ? err : open_signals(m);
}

enum exit_code master_run(const struct config *config)
{
	static struct master m; /* too large for a stack */

	m.config = config;
	log_set_level(config->log_level);
	/* a killed keeper's worker, which dies with it, is ours to bury */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (open_master(&m) < 0) {
		close_listeners(&m);
		return EXIT_FAILED;
	}
	notify_open();
	title_set("master, instance %s", config->name);
	open_slots(&m);
	run(&m);
	segment_set_state(&m.segment, LEDGER_STOPPED);
	log_info("stopped");
	return m.has_failed ? EXIT_FAILED : EXIT_DONE;
}
