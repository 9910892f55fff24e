/* SPDX-License-Identifier: ISC */
/*
 * keeper.c - the process that holds the descriptors of a slot
 */
#include "server/keeper.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/units.h"
#include "server/becoming.h"
#include "server/command.h"
#include "server/control.h"
#include "server/crash.h"
#include "server/ending.h"
#include "server/health.h"
#include "server/keeper_state.h"
#include "server/loop.h"
#include "server/orphan.h"
#include "server/title.h"

/* Deaths from outside before a worker served: so many are bad luck. */
#define UNLUCKY_MAX 4

/* ---- preparing ---- */

_Noreturn static void fail(const struct keeper *k, const char *what, int err)
{
	log_error("keeper %u: %s: %s", k->p.memory.slot, what, strerror(-err));
	_exit(EXIT_FAILED);
}

static void open_signals(struct keeper *k)
{
	sigset_t chld;

	guard_child(0);
	(void)sigemptyset(&chld);
	(void)sigaddset(&chld, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &chld, NULL);
	k->signal_fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signal_fd < 0)
		fail(k, "cannot wait for its worker", -errno);
	keeper_set_base(k, k->signal_fd, true);
}

/*
 * A rehearsal's worker takes over, finds nothing, and is told to stop; and it
 * never watches the listeners, for it must not take anybody's place there.
 */
static void rehearse(struct keeper *k)
{
	struct order_page *page = k->p.post.order;

	k->past.order = ORDER_STOP;
	ledger_set(page->is_deaf, 1);
	ledger_set(page->order, ORDER_STOP);
}

static void prepare(struct keeper *k, struct bag *bag)
{
	*k = (struct keeper){ .suitor_fd = -1 };
	post_unpack(&k->p, bag);
	bag_get(bag, &k->past, sizeof(k->past));
	title_set("keeper %u, %s", k->p.memory.slot, GUICHET_VERSION);
	post_prepare(&k->p, bag);
	k->past.are_listeners_closed = false; /* it got them anew */
	open_signals(k);
	bag_close(bag);
	if (k->p.memory.is_rehearsal)
		rehearse(k);
}

/* ---- cloning ---- */

/*
 * clone(2) with CLONE_FILES and nothing else: fork with one shared table. The
 * child goes on with a copy of our memory and stack, as after fork.
 */
static pid_t clone_sharing_fds(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL,
			      NULL, NULL);
}

static void clone_worker(struct keeper *k)
{
	struct ledger_head *head = k->p.post.part.head;

	ledger_set(head->state, WORKER_STARTING);
	ledger_add(head->generation, 1);
	k->born_ns = clock_mono_ns();
	ledger_set(head->heartbeat_mono_ns, k->born_ns);
	ledger_set(k->p.post.order->is_to_leave, k->is_renewing);
	ledger_set(k->p.post.order->is_swept, 0);
	k->was_retired = false;
	k->was_asked = k->is_renewing;
	recycling_begin(&k->recycling, &k->p.config, &k->p.post.part,
			k->born_ns);
	k->worker = clone_sharing_fds();
	if (k->worker == 0)
		loop_run(&k->p.post, k->past.legacy);
	load_begin(&k->load, k->worker, k->born_ns);
	if (k->worker > 0)
		return;
	log_error("keeper %u: cannot clone a worker: %s", k->p.post.slot,
		  strerror(errno));
	k->worker = 0;
	ledger_set(head->state, WORKER_BACKOFF);
	k->clone_at_ns = k->born_ns + backoff_strike(&k->past.backoff, 0);
}

/* ---- deaths ---- */

static bool is_fault_signal(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL ||
	       sig == SIGFPE || sig == SIGABRT || sig == SIGSYS ||
	       sig == SIGTRAP;
}

/* By whose doing it died. A worker that leaves unasked has called exit(). */
static enum legacy judge(struct keeper *k, int status)
{
	uint32_t row = ledger_get(k->p.post.part.head->turn_row);
	bool is_fault = WIFEXITED(status) || is_fault_signal(WTERMSIG(status));
	uint32_t last_row = k->past.fault_row;

	k->past.fault_row = is_fault ? row : 0;
	if (k->was_shot)
		return LEGACY_HUNG;
	if (!is_fault)
		return LEGACY_KILLED;
	return row && row == last_row ? LEGACY_STUCK : LEGACY_FAULT;
}

/*
 * None after a death from outside, or one for which a connection is to pay:
 * the others on this worker must not wait. Growing for a worker that dies of
 * itself, or never gets to serve.
 */
static uint64_t delay_after(struct keeper *k, bool has_served)
{
	uint64_t lived_ns = clock_mono_ns() - k->born_ns;

	if (k->past.legacy == LEGACY_KILLED && has_served) {
		k->past.n_unlucky = 0;
		return 0;
	}
	if (k->past.legacy == LEGACY_KILLED &&
	    k->past.n_unlucky++ < UNLUCKY_MAX)
		return 0;
	if (k->past.legacy != LEGACY_KILLED &&
	    part_is_handler_in_hand(k->p.post.part.head))
		return 0;
	return backoff_strike(&k->past.backoff, lived_ns);
}

_Noreturn static void leave(struct keeper *k)
{
	ledger_set(k->p.post.part.head->state, WORKER_ABSENT);
	runner_kill_all(&k->p.runner, SIGTERM);
	_exit(EXIT_DONE);
}

static void note_death(struct keeper *k, int status)
{
	struct ledger_head *head = k->p.post.part.head;
	uint32_t state = ledger_get(head->state);
	bool has_served = state == WORKER_SERVING || state == WORKER_DRAINING;
	uint64_t delay_ns;
	char text[ENDING_BYTES];

	log_warning("worker %u (pid %d): %s; %u connections wait for a "
		    "successor",
		    k->p.post.slot, (int)k->worker,
		    k->was_shot ? ENDING_HUNG : ending_describe(status, text),
		    ledger_get(head->n_open));
	ledger_add(head->deaths, 1);
	control_say(k->p.post.control_fd, CONTROL_DIED, status, 0);
	k->past.legacy = judge(k, status);
	delay_ns = delay_after(k, has_served);
	if (delay_ns)
		ledger_set(head->state, WORKER_BACKOFF);
	k->clone_at_ns = clock_mono_ns() + delay_ns;
}

static bool has_left(const struct keeper *k, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	return (code == WORKER_EXIT_LEFT && k->was_asked) ||
	       (code == WORKER_EXIT_DONE && k->was_retired);
}

static bool has_done(const struct keeper *k, int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_DONE &&
	       k->past.order != ORDER_SERVE;
}

static void become_bare(struct keeper *k)
{
	k->clone_at_ns = 0;
	k->is_bare = k->is_renewing;
	if (!k->is_bare)
		return;
	CRASH_POINT(KEEPER_BARE);
	control_say(k->p.post.control_fd, CONTROL_BARE, 0, 0);
}

/* With nothing in hand. */
static void note_leaving(struct keeper *k)
{
	k->past.legacy = LEGACY_LEFT;
	become_bare(k);
}

/*
 * One that died instead of leaving gets a successor first, which is told to
 * leave as well. But there is no point in that when it dies before it comes to
 * serve, of itself: a program that may know better is to try.
 */
static void note_loss(struct keeper *k, int status)
{
	bool is_starting = ledger_get(k->p.post.part.head->state) ==
			   WORKER_STARTING;

	note_death(k, status);
	if (k->is_renewing && is_starting && k->past.legacy != LEGACY_KILLED)
		become_bare(k);
}

static void reap(struct keeper *k, int status)
{
	struct ledger_head *head = k->p.post.part.head;

	ledger_set(head->pid, 0);
	if (has_done(k, status))
		leave(k);
	if (has_left(k, status))
		note_leaving(k);
	else
		note_loss(k, status);
	if (k->p.memory.is_rehearsal)
		_exit(EXIT_FAILED); /* what it died of was said */
	k->worker = 0;
	k->was_shot = false;
	k->is_stopped = false;
}

static void on_worker(struct keeper *k, int status)
{
	if (WIFSTOPPED(status) || WIFCONTINUED(status))
		k->is_stopped = WIFSTOPPED(status);
	else
		reap(k, status);
}

static void on_child(struct keeper *k)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(k->signal_fd, &info, sizeof(info)) == sizeof(info))
		continue;
	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) >
	       0) {
		if (pid == k->worker)
			on_worker(k, status);
		else if (!WIFSTOPPED(status) && !WIFCONTINUED(status))
			runner_reap(&k->p.runner, pid, status);
	}
}

/* ---- orders ---- */

static void on_order(struct keeper *k, const struct control_received *received)
{
	uint32_t order = (uint32_t)received->message.value;

	if (order < ORDERS)
		command_order(k, (enum order)order, received->message.number);
}

static void only_keep(struct keeper *k, const struct control_received *received)
{
	(void)k, (void)received; /* more of them, for the plan that follows */
}

/* ---- the master ---- */

static void hear(struct keeper *k, struct control_received *received)
{
	static void (*const on_message[CONTROL_KINDS])(
		struct keeper *, const struct control_received *) = {
		[CONTROL_ORDER] = on_order,
		[CONTROL_RENEW] = becoming_on_renew,
		[CONTROL_PLAN] = becoming_on_plan,
		[CONTROL_DESCRIPTORS] = only_keep,
	};
	uint32_t kind = received->message.kind;

	if (kind >= CONTROL_KINDS || !on_message[kind]) {
		control_drop_fds(received);
		return;
	}
	if (received->n_fds && !becoming_add_fds(k, received))
		return;
	on_message[kind](k, received);
}

static void on_control(struct keeper *k)
{
	struct control_received received;
	int got;

	while ((got = control_receive(k->p.post.control_fd, &received)) > 0)
		hear(k, &received);
	if (got < 0)
		orphan_begin(k);
}

/*
 * Once the worker has taken what waited, nobody will take more: a client that
 * comes now is refused at once, when every table has closed the listeners.
 */
static void close_listeners(struct keeper *k)
{
	if (k->past.are_listeners_closed ||
	    !ledger_get(k->p.post.order->is_deaf))
		return;
	k->past.are_listeners_closed = true;
	for (size_t i = 0; i < k->p.post.n_listeners; i++) {
		if (k->p.listeners[i].fd < 0)
			continue;
		close(k->p.listeners[i].fd);
		keeper_set_base(k, k->p.listeners[i].fd, false);
	}
}

/* ---- the loop ---- */

static uint64_t until(uint64_t at_ns, uint64_t now_ns)
{
	return at_ns > now_ns ? at_ns - now_ns : 0;
}

static int timeout_ms(const struct keeper *k, uint64_t now_ns)
{
	uint64_t wait_ns = k->p.config.hang_timeout_ns / 4;

	wait_ns = min_u64(wait_ns, NS_PER_S);
	wait_ns =
		min_u64(wait_ns, waiters_wait_ns(&k->p.runner.waiters, now_ns));
	if (!k->worker && !k->is_bare)
		wait_ns = until(k->clone_at_ns, now_ns);
	else if (k->past.order == ORDER_DRAIN && !k->past.are_listeners_closed)
		wait_ns = 5 * NS_PER_MS;
	if (k->is_orphan)
		wait_ns = min_u64(wait_ns, orphan_wait_ns(k));
	else
		wait_ns = min_u64(wait_ns, until(k->load_at_ns, now_ns));
	return (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void look_at_time(struct keeper *k)
{
	uint64_t now_ns = clock_mono_ns();

	health_look(k, now_ns);
	orphan_look(k, now_ns);
	waiters_rearm(&k->p.runner.waiters, now_ns);
	close_listeners(k);
	if (!k->worker && !k->is_bare && now_ns >= k->clone_at_ns)
		clone_worker(k);
}

static void turn_loop(struct keeper *k)
{
	/* those that are -1 are not looked at */
	struct pollfd fds[] = {
		{ .fd = k->signal_fd, .events = POLLIN },
		{ .fd = k->is_orphan ? -1 : k->p.post.control_fd,
		  .events = POLLIN },
		{ .fd = k->p.post.starting_fd, .events = POLLIN },
		{ .fd = k->p.runner.voices.epoll_fd, .events = POLLIN },
		{ .fd = k->p.runner.waiters.epoll_fd, .events = POLLIN },
		{ .fd = orphan_rendezvous_fd(k), .events = POLLIN },
		{ .fd = k->suitor_fd, .events = POLLIN },
	};

	if (poll(fds, ARRAY_LEN(fds), timeout_ms(k, clock_mono_ns())) < 0)
		return;
	if (fds[0].revents)
		on_child(k);
	if (fds[1].revents)
		on_control(k);
	if (fds[2].revents)
		runner_look(&k->p.runner);
	if (fds[3].revents)
		voices_listen(&k->p.runner.voices);
	if (fds[4].revents)
		runner_look_at_waiters(&k->p.runner,
				       k->past.order == ORDER_SERVE);
	if (fds[5].revents)
		orphan_on_rendezvous(k);
	if (fds[6].revents)
		orphan_on_suitor(k);
	look_at_time(k);
}

_Noreturn void keeper_run(struct bag *bag)
{
	struct keeper k;

	CRASH_POINT(KEEPER_EXECUTED);
	prepare(&k, bag);
	CRASH_POINT(KEEPER_READY);
	if (k.p.memory.is_fitting)
		_exit(EXIT_DONE); /* it fits */
	on_child(&k); /* of programs that ended meanwhile nobody tells again */
	for (;;)
		turn_loop(&k);
}
