/* SPDX-License-Identifier: ISC */
/*
 * master.c - the process that binds, forks keepers, and answers to the operator
 *
 * It never touches a client's byte, and maps nothing that a worker can write.
 * Everything it waits for is a descriptor: signals (signalfd), a control
 * socket for each slot, operators, and what a trial says.
 */
#include "server/master.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/runtime.h"
#include "common/units.h"
#include "server/adoption.h"
#include "server/config_file.h"
#include "server/control.h"
#include "server/crash.h"
#include "server/crew.h"
#include "server/ending.h"
#include "server/master_state.h"
#include "server/notify.h"
#include "server/succession.h"
#include "server/title.h"

/* Slots whose workers all failed so often before any served: give up. */
#define FAILURES_MAX 3

/* How long after their deadline keepers may take to be gone by themselves. */
#define KILL_AFTER_NS (2 * NS_PER_S)

/* Two TERMs closer together than this are one. */
#define TERM_TWICE_NS (100 * NS_PER_MS)

/*
 * A keeper says once a second that all is well. One that does not is woken,
 * and after twice that time all is not well.
 */
#define SILENCE_NS     (4 * NS_PER_S)
#define SILENCE_MAX_NS (2 * SILENCE_NS)

/* How often the service manager hears what we do. */
#define STATUS_EACH_NS NS_PER_S

/* ---- what is told ---- */

static void tell_status(const struct master *m)
{
	unsigned n = crew_count(m, crew_is_kept_and_serving);
	unsigned n_wanted = crew_count(m, slot_is_kept);

	(void)notify_send("STATUS=%s: %u of %u workers",
			  n < n_wanted ? "degraded" : "serving", n, n_wanted);
}

static void tell_end(const struct master *m)
{
	(void)notify_send("STATUS=%s: connections left: %llu",
			  m->phase == PHASE_DRAINING ? "draining" : "stopping",
			  (unsigned long long)crew_n_open(m));
}

static void say_listening(const struct master *m)
{
	char text[ADDR_TEXT_BYTES];

	for (size_t i = 0; i < m->instance.n_listeners; i++) {
		const struct listener *listener = &m->instance.listeners[i];

		if (listener_accepts(listener))
			log_info("%s: listening on %s", listener->config->name,
				 addr_format(&listener->addr, text));
	}
}

static void say_ready(struct master *m)
{
	m->phase = PHASE_SERVING;
	segment_set_state(&m->instance.segment, LEDGER_SERVING);
	say_listening(m);
	if (m->is_anew)
		renewal_finish(m);
	m->is_anew = false;
	log_info("ready: instance %s, %u workers", m->config.name,
		 crew_count(m, crew_is_kept_and_serving));
	(void)notify_send("READY=1\nMAINPID=%d", (int)getpid());
	tell_status(m);
}

/* ---- ending ---- */

static void begin_to_end(struct master *m, enum phase phase)
{
	char text[UNITS_TEXT_BYTES];

	m->phase = phase;
	segment_set_state(&m->instance.segment, LEDGER_DRAINING);
	renewal_abandon(m);
	instance_close_listeners(&m->instance);
	crew_drop_waiting(m);
	(void)notify_send("STOPPING=1");
	tell_end(m);
	if (phase == PHASE_DRAINING)
		log_info("draining: connections have %s to end",
			 units_format_duration(m->config.drain_timeout_ns,
					       text));
	else
		log_info("stopping: connections are closed");
}

static void order_all(struct master *m, enum order order, uint64_t after_ns)
{
	uint64_t deadline_ns = clock_mono_ns() + after_ns;

	m->kill_at_ns = deadline_ns + KILL_AFTER_NS;
	(void)notify_extend(after_ns + 2 * KILL_AFTER_NS);
	crew_order(m, order, deadline_ns);
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
	if (master_is_ending(m))
		return;
	m->term_at_ns = now_ns;
	begin_to_end(m, PHASE_DRAINING);
	order_all(m, ORDER_DRAIN, m->config.drain_timeout_ns);
}

static void on_hup(struct master *m)
{
	renewal_request(m, OPERATOR_RELOAD);
}

static void on_usr2(struct master *m)
{
	renewal_request(m, OPERATOR_UPGRADE);
}

static void on_ttin(struct master *m)
{
	if (!master_is_ending(m))
		(void)crew_keep(m, crew_count(m, slot_is_kept) + 1);
}

static void on_ttou(struct master *m)
{
	unsigned n = crew_count(m, slot_is_kept);

	if (master_is_ending(m))
		return;
	if (n < 2)
		log_warning("the last worker is not retired");
	else
		(void)crew_keep(m, n - 1);
}

static void on_keeper_death(struct master *m, struct slot *slot, int status)
{
	crew_on_death(m, slot, status);
	renewal_on_death(m, slot, status); /* may not return */
}

static void on_child(struct master *m)
{
	struct slot *slot;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (renewal_on_child(m, pid, status))
			continue;
		slot = crew_find(m, pid);
		if (slot)
			on_keeper_death(m, slot, status);
	}
}

static const struct {
	int number;
	void (*answer)(struct master *m);
} signals[] = {
	{ SIGTERM, on_term }, { SIGINT, stop_now },  { SIGQUIT, stop_now },
	{ SIGHUP, on_hup },   { SIGUSR2, on_usr2 },  { SIGTTIN, on_ttin },
	{ SIGTTOU, on_ttou }, { SIGCHLD, on_child },
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

/* ---- slots and operators ---- */

static void read_slot(struct master *m, struct slot *slot)
{
	enum control_kind kind;

	while (slot->control_fd >= 0 && slot_read(slot, &kind))
		renewal_on_report(m, slot, kind);
	crew_settle(m, slot);
}

static void read_operator(struct master *m, size_t i)
{
	enum operator_request request = operators_read(&m->operators, i);

	if (request == OPERATOR_NONE)
		return;
	if (renewal_is_busy(m))
		operators_defer(&m->operators, i);
	renewal_request(m, request);
}

/* ---- what time brings ---- */

static void kill_late(struct master *m, uint64_t now_ns)
{
	if (!master_is_ending(m) || now_ns < m->kill_at_ns)
		return;
	for (unsigned s = 0; s < m->n_slots; s++)
		slot_kill(&m->slots[s]);
	m->kill_at_ns = now_ns + KILL_AFTER_NS;
}

/* Each keeper has said of late that its worker is well. */
static bool is_well(const struct master *m, uint64_t now_ns)
{
	for (unsigned s = 0; s < m->n_slots; s++)
		if (m->slots[s].state == SLOT_RUNNING &&
		    now_ns > m->slots[s].heard_ns + SILENCE_MAX_NS)
			return false;
	return true;
}

static uint64_t silent_at_ns(const struct slot *slot)
{
	return max_u64(slot->heard_ns, slot->woken_ns) + SILENCE_NS;
}

/*
 * A keeper that was stopped serves nobody anew: to let it go on costs nothing,
 * to end it for its silence would cost its connections.
 */
static void wake_silent(struct master *m, uint64_t now_ns)
{
	for (unsigned s = 0; s < m->n_slots; s++) {
		struct slot *slot = &m->slots[s];

		if (slot->state != SLOT_RUNNING || now_ns < silent_at_ns(slot))
			continue;
		log_warning("keeper %u: says nothing; if it was stopped, it "
			    "goes on",
			    s);
		slot->woken_ns = now_ns;
		slot_wake(slot);
	}
}

static void feed_watchdog(struct master *m, uint64_t now_ns)
{
	uint64_t half_ns = notify_watchdog_ns() / 2;

	if (!half_ns || now_ns < m->watchdog_at_ns)
		return;
	if (is_well(m, now_ns))
		(void)notify_send("WATCHDOG=1");
	m->watchdog_at_ns = now_ns + half_ns;
}

static void tell_progress(struct master *m, uint64_t now_ns)
{
	if (!master_is_ending(m) || now_ns < m->status_at_ns)
		return;
	m->status_at_ns = now_ns + STATUS_EACH_NS;
	if (notify_is_on())
		tell_end(m);
}

static void give_up(struct master *m)
{
	char text[ENDING_BYTES];

	log_error("no worker ever served: each died %d times at its start, "
		  "the last one %s",
		  FAILURES_MAX, ending_describe(m->slots[0].last_status, text));
	if (m->is_anew)
		renewal_give_up(m); /* may not return */
	m->has_failed = true;
	stop_now(m);
}

static bool is_hopeless(const struct slot *slot)
{
	return slot_is_in_use(slot) && slot->n_failures >= FAILURES_MAX;
}

static void look_at_start(struct master *m)
{
	unsigned n_in_use = crew_count(m, slot_is_in_use);

	if (m->phase != PHASE_STARTING)
		return;
	if (crew_count(m, crew_is_serving) == n_in_use)
		say_ready(m);
	else if (!crew_count(m, crew_has_served) &&
		 crew_count(m, is_hopeless) == n_in_use)
		give_up(m);
}

static void look_at_time(struct master *m)
{
	uint64_t now_ns = clock_mono_ns();

	crew_fork_due(m, now_ns);
	kill_late(m, now_ns);
	wake_silent(m, now_ns);
	feed_watchdog(m, now_ns);
	look_at_start(m);
	renewal_look(m, now_ns);
	scaling_look(m, now_ns);
	tell_progress(m, now_ns);
}

static uint64_t next_event_ns(const struct master *m)
{
	uint64_t at_ns = min_u64(crew_next_ns(m), renewal_next_ns(m));

	at_ns = min_u64(at_ns, scaling_next_ns(m));
	for (unsigned s = 0; s < m->n_slots; s++)
		if (m->slots[s].state == SLOT_RUNNING)
			at_ns = min_u64(at_ns, silent_at_ns(&m->slots[s]));
	if (master_is_ending(m))
		at_ns = min_u64(at_ns, min_u64(m->kill_at_ns, m->status_at_ns));
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

/* ---- the loop ---- */

/* What is waited for, each with who is to look; those that are -1 never are */
struct wait {
	struct pollfd control[LEDGER_MAX_SLOTS], keeper[LEDGER_MAX_SLOTS];
	struct pollfd operator[OPERATORS_MAX];
	struct pollfd signals, rendezvous, trial;
};

_Static_assert(sizeof(struct wait) % sizeof(struct pollfd) == 0,
	       "one array of them");

static void prepare_wait(const struct master *m, struct wait *wait)
{
	for (unsigned s = 0; s < LEDGER_MAX_SLOTS; s++) {
		bool is_slot = s < m->n_slots;

		wait->control[s].fd = is_slot ? m->slots[s].control_fd : -1;
		wait->keeper[s].fd = is_slot ? m->slots[s].keeper_pidfd : -1;
	}
	for (unsigned i = 0; i < OPERATORS_MAX; i++)
		wait->operator[i].fd = m->operators.of[i].fd;
	wait->signals.fd = m->signal_fd;
	wait->rendezvous.fd = m->instance.rendezvous_fd;
	wait->trial.fd = m->renewal.trial.report_fd;
	for (size_t i = 0; i < sizeof(*wait) / sizeof(struct pollfd); i++)
		((struct pollfd *)wait)[i].events = POLLIN;
}

static void wait_for_events(struct master *m)
{
	static struct wait wait;

	prepare_wait(m, &wait);
	if (poll((struct pollfd *)&wait, sizeof(wait) / sizeof(struct pollfd),
		 timeout_ms(m)) < 0)
		return;
	for (unsigned s = 0; s < m->n_slots; s++) {
		struct slot *slot = &m->slots[s];

		/* an adopted one: its status is not ours to know */
		if (wait.keeper[s].revents && slot->keeper_pidfd >= 0)
			on_keeper_death(m, slot, -1);
		if (wait.control[s].revents)
			read_slot(m, slot);
	}
	if (wait.signals.revents)
		read_signals(m);
	if (wait.trial.revents && m->renewal.trial.report_fd >= 0)
		renewal_read(m);
	for (unsigned i = 0; i < OPERATORS_MAX; i++)
		if (wait.operator[i].revents)
			read_operator(m, i);
	if (wait.rendezvous.revents)
		operators_let_in(&m->operators, m->instance.rendezvous_fd);
}

static void run(struct master *m)
{
	unsigned n_serving = 0;

	while (crew_is_there(m)) {
		wait_for_events(m);
		look_at_time(m);
		if (m->phase == PHASE_SERVING &&
		    n_serving != crew_count(m, crew_is_kept_and_serving))
			tell_status(m);
		n_serving = crew_count(m, crew_is_kept_and_serving);
	}
}

/* ---- from start to end ---- */

static bool is_own_program(const char *path)
{
	struct stat own, other;

	return stat("/proc/self/exe", &own) == 0 && stat(path, &other) == 0 &&
	       own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

/*
 * Where the next program will lie: as it was typed, for a link may lead to
 * another version then; if that is no whole path, where the file lies. Asked
 * now: when the file is replaced, nothing tells any more where it was.
 */
static void note_program_path(struct master *m, const char *typed)
{
	size_t room = sizeof(m->program_path);
	ssize_t n;

	if (typed && typed[0] == '/' && strlen(typed) < room &&
	    is_own_program(typed)) {
		strcpy(m->program_path, typed);
		return;
	}
	n = readlink("/proc/self/exe", m->program_path, room - 1);
	m->program_path[n > 0 ? n : 0] = '\0';
}

static int open_master(struct master *m, const struct config_command *command,
		       char **argv)
{
	m->argv = argv;
	m->command = command;
	for (unsigned s = 0; s < LEDGER_MAX_SLOTS; s++)
		slot_init(&m->slots[s], s);
	operators_init(&m->operators);
	renewal_init(&m->renewal);
	note_program_path(m, argv[0]);
	/* a killed keeper's worker, which dies with it, is ours to bury */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	return instance_open(&m->instance, &m->config);
}

static void introduce(const struct master *m)
{
	log_set_level(m->config.log_level);
	title_set("master, instance %s, %s", m->config.name, GUICHET_VERSION);
}

static enum exit_code end(struct master *m)
{
	segment_set_state(&m->instance.segment, LEDGER_STOPPED);
	instance_end(&m->instance);
	log_info("stopped");
	config_free(&m->config);
	return m->has_failed ? EXIT_FAILED : EXIT_DONE;
}

/* ---- taking over ---- */

static uint64_t drain_deadline_ns(const struct master *m)
{
	return clock_mono_ns() + m->config.drain_timeout_ns;
}

/* The configuration that we were given cannot follow on the one in force. */
static int stay_with_former(struct master *m)
{
	struct config former = { 0 };
	int err = config_file_read(m->config.runtime_dir, m->config.name,
				   &former);

	if (err)
		return err;
	log_warning("serving on with the configuration in force");
	config_free(&m->config);
	m->config = former;
	return instance_go_on(&m->instance, NULL);
}

static int go_on_after_former(struct master *m)
{
	struct config former = { 0 };
	int err;

	if (m->config.is_running)
		return instance_go_on(&m->instance, NULL);
	err = config_file_read(m->config.runtime_dir, m->config.name, &former);
	if (err)
		log_warning("the configuration that was in force cannot be "
			    "read: %s",
			    strerror(-err));
	err = instance_go_on(&m->instance, &former);
	config_free(&former);
	return err ? stay_with_former(m) : 0;
}

/*
 * A ledger of another layout: its keepers cannot go on with us. They let their
 * connections end, while ours serve who comes.
 */
static void say_dismissed(const struct master *m)
{
	char text[UNITS_TEXT_BYTES];

	if (m->n_strangers)
		log_warning("the ledger has another layout: workers that there "
			    "are cannot go on; their connections have %s to "
			    "end",
			    units_format_duration(m->config.drain_timeout_ns,
						  text));
}

/*
 * The keepers of a master that died go on under this one. Returns how many
 * there are, 0 when nobody is there, or -errno.
 */
static int take_over(struct master *m, const char *path, int old_fd)
{
	int n, err = segment_attach(&m->instance.segment, old_fd, -1, path);

	if (err) {
		(void)adoption_dismiss(m, drain_deadline_ns(m));
		say_dismissed(m);
		return 0;
	}
	m->n_slots = m->instance.segment.shape.n_slots;
	n = segment_is_of_this_boot(&m->instance.segment) ? adoption_meet(m) :
							    0;
	if (n > 0) {
		err = go_on_after_former(m);
		CRASH_POINT(ADOPTION_GONE_ON);
		return err ? err : n;
	}
	/* who is there all the same has the ledger that was before this one:
	   his master died when it began anew */
	if (!n)
		(void)adoption_dismiss(m, drain_deadline_ns(m));
	say_dismissed(m);
	m->n_slots = 0;
	segment_detach(&m->instance.segment);
	return n;
}

/* Nobody need wait for the renewal: all is served. */
static void begin_adopted(struct master *m, int n)
{
	log_notice("took over from a master that died: %d of its keepers", n);
	for (unsigned s = 0; s < m->n_slots; s++)
		crew_publish(m, &m->slots[s]);
	m->n_wanted = crew_count(m, slot_is_kept); /* so the load had it */
	m->renewal.kind = RENEWAL_ADOPTION;
	m->renewal.begun_ns = clock_mono_ns();
	say_ready(m);
	renewal_begin(m, false);
}

static void begin_crew(struct master *m)
{
	m->phase = PHASE_STARTING;
	m->n_slots = m->instance.segment.shape.n_slots;
	(void)crew_keep(m, config_n_workers(&m->config));
}

static int begin(struct master *m)
{
	char path[sizeof(m->instance.segment.path)];
	int old_fd = segment_claim(&m->config, path, sizeof(path));
	int n = 0, err;

	if (old_fd < 0 && old_fd != -ENOENT)
		return old_fd;
	notify_open();
	if (old_fd >= 0)
		n = take_over(m, path, old_fd);
	err = n < 0 ? n : 0;
	if (!n)
		err = instance_begin(&m->instance, path, old_fd);
	if (!err)
		err = open_signals(m);
	if (err)
		return err;
	introduce(m);
	if (n) {
		begin_adopted(m, n);
		return 0;
	}
	begin_crew(m);
	return 0;
}

enum exit_code master_run(struct config *config,
			  const struct config_command *command, char **argv)
{
	static struct master m; /* too large for a stack */

	log_set_level(config->log_level);
	m.config = *config;
	*config = (struct config){ 0 };
	if (open_master(&m, command, argv) < 0 || begin(&m) < 0) {
		instance_close_listeners(&m.instance);
		config_free(&m.config);
		return EXIT_FAILED;
	}
	run(&m);
	return end(&m);
}

/* ---- as the program that a master has become ---- */

static int read_config(struct master *m)
{
	struct log_stream errors;
	unsigned n;

	if (!log_stream_open(&errors))
		return -ENOMEM;
	if (m->renewal.kind == RENEWAL_BACK)
		n = config_read_running(&m->config, m->renewal.former_config_fd,
					errors.out);
	else
		n = config_read(&m->config, m->command, errors.out);
	(void)log_stream_close(&errors, LOG_LEVEL_ERROR);
	return n ? -EINVAL : 0;
}

/* We are of another layout than the program that we were. */
static int begin_anew(struct master *m)
{
	char path[sizeof(m->instance.segment.path)];
	int fd = m->instance.segment.fd; /* has the lock; stays open */
	int err;

	(void)snprintf(path, sizeof(path), "%s", m->instance.segment.path);
	/* first: while it may fail, there is something to go back to */
	err = instance_begin(&m->instance, path, fd);
	if (err)
		return err;
	crew_order(m, ORDER_DRAIN, drain_deadline_ns(m));
	for (unsigned s = 0; s < m->n_slots; s++) {
		if (m->slots[s].control_fd >= 0 &&
		    m->n_strangers < LEDGER_MAX_SLOTS)
			m->strangers[m->n_strangers++] = m->slots[s].control_fd;
		slot_init(&m->slots[s], s);
	}
	say_dismissed(m);
	return 0;
}

static int go_on(struct master *m)
{
	struct config former = { 0 };
	int err = read_config(m);

	if (err)
		return err;
	CRASH_POINT(CONFIG_READ);
	err = segment_attach(&m->instance.segment, m->instance.segment.fd,
			     m->instance.segment.view_fd,
			     m->instance.segment.path);
	if (err == -EPROTO) {
		m->is_anew = true;
		return begin_anew(m);
	}
	if (!err && config_read_running(&former, m->instance.config_fd, stderr))
		err = -EINVAL;
	if (!err)
		err = instance_go_on(&m->instance, &former);
	config_free(&former);
	CRASH_POINT(LISTENERS_OPENED);
	return err;
}

/* What it was to be cannot be: it is again what it was. */
static void return_to_former(struct master *m, int err)
{
	struct renewal *r = &m->renewal;

	if (r->kind == RENEWAL_BACK)
		die(EXIT_FAILED, "cannot go back to what was before: %s",
		    strerror(-err));
	r->kind = RENEWAL_BACK;
	CRASH_POINT(RETURN_BEGUN);
	r->code = err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	err = succession_exec(m, r->former_program_fd);
	die(EXIT_FAILED, "cannot go back to what was before: %s",
	    strerror(-err));
}

enum exit_code master_go_on(const struct config_command *command, char **argv,
			    struct bag *bag)
{
	static struct master m;
	int err = open_master(&m, command, argv);

	CRASH_POINT(MASTER_EXECUTED);
	if (!err)
		err = succession_unpack(&m, bag);
	renewal_come_over(&m.renewal);
	if (err)
		die(EXIT_FAILED, "cannot take over from the program it was: %s",
		    strerror(-err));
	CRASH_POINT(MASTER_UNPACKED);
	notify_open();
	m.phase = PHASE_SERVING;
	renewal_tell_begin(&m);
	err = go_on(&m);
	if (err)
		return_to_former(&m, err);
	if (open_signals(&m) < 0)
		die(EXIT_FAILED, "cannot wait for signals: %s",
		    strerror(errno));
	introduce(&m);
	if (m.is_anew)
		begin_crew(&m);
	else if (m.renewal.kind == RENEWAL_BACK && !m.renewal.has_touched)
		renewal_finish(&m);
	else
		renewal_begin(&m, m.renewal.kind != RENEWAL_BACK);
	on_child(&m); /* of those that ended meanwhile nobody tells again */
	run(&m);
	return end(&m);
}
