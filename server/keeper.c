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
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/backoff.h"
#include "server/control.h"
#include "server/fds.h"
#include "server/loop.h"
#include "server/runner.h"
#include "server/service_table.h"
#include "server/title.h"
#include "server/worker.h"

/* Deaths from outside before a worker served: so many are bad luck. */
#define UNLUCKY_MAX 4

struct keeper {
	const struct keeper_plan *plan;
	struct post post;
	struct runner runner;
	int signal_fd;

	pid_t worker;    /* 0: none lives */
	bool is_stopped; /* by SIGSTOP: it does not hang */
	bool was_shot;
	uint64_t born_ns;
	uint64_t clone_at_ns; /* when the next one is due */
	enum legacy legacy;   /* for the next one */
	struct backoff backoff;
	unsigned n_unlucky;
	uint32_t fault_row; /* in hand when the last one died by its fault */

	enum order order;
	bool are_listeners_closed;
};

/* ---- preparing ---- */

_Noreturn static void fail(const struct keeper_plan *plan, const char *what,
			   int err)
{
	log_error("keeper %u: %s: %s", plan->slot, what, strerror(-err));
	_exit(EXIT_FAILED);
}

static size_t largest_copy(const struct config *config)
{
	size_t bytes = 0;

	for (size_t i = 0; i < config->n_listeners; i++)
		bytes = max_u64(bytes, service_copy_bytes(
					       config->listeners[i].service));
	return bytes;
}

/* Closes what the master has and a keeper has no business with. */
static void keep_only_ours(const struct keeper_plan *plan, int n_fds)
{
	uint8_t *is_kept = calloc((size_t)n_fds, 1);

	if (!is_kept)
		fail(plan, "no memory", -ENOMEM);
	is_kept[STDIN_FILENO] = 1;
	is_kept[STDOUT_FILENO] = 1;
	is_kept[STDERR_FILENO] = 1;
	is_kept[plan->control_fd] = 1;
	is_kept[plan->segment->fd] = 1;
	for (size_t i = 0; i < plan->n_listeners; i++)
		is_kept[plan->listeners[i].fd] = 1;
	fds_close_others(is_kept, n_fds);
	free(is_kept);
}

static int n_fds_wanted(const struct keeper_plan *plan)
{
	return (int)(plan->config->worker_connections + plan->n_listeners) +
	       KEEPER_SPARE_FDS + runner_n_fds(plan->config);
}

/*
 * What a former keeper's vault knew of the step in hand is lost with it; so
 * totals stay what they are.
 */
static void forget_step(struct post *post, uint32_t n_rows)
{
	struct ledger_head *head = post->part.head;
	uint32_t row = ledger_get(head->turn_row);
	uint32_t listener = 0;

	ledger_set(head->datagram_listener, 0);
	if (row && row <= n_rows)
		listener = post->part.rows[row - 1].listener;
	if (!listener || listener > post->n_listeners)
		return;
	for (size_t i = 0; i < LEDGER_OWN_COUNTERS; i++)
		ledger_set(head->base_own[i],
			   ledger_get(post->part.totals[listener].own[i]));
}

static void map_memory(struct keeper *k)
{
	const struct keeper_plan *plan = k->plan;
	const struct segment *segment = plan->segment;
	struct post *post = &k->post;
	int err =
		part_map(segment->fd, &segment->shape, plan->slot, &post->part);

	if (!err)
		err = ledger_view_open(segment->path, &segment->shape,
				       &post->view);
	if (!err)
		err = vault_create(&post->vault,
				   plan->config->worker_connections,
				   largest_copy(plan->config));
	if (err)
		fail(plan, "cannot map its memory", err);
	forget_step(post, segment->shape.n_rows);
	post->order = mmap(NULL, sizeof(*post->order), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (post->order == MAP_FAILED)
		fail(plan, "cannot map its orders", -errno);
	/* the last descriptor through which the ledger could be written */
	close(segment->fd);
	if (!ledger_get(post->part.head->next_id))
		ledger_set(post->part.head->next_id,
			   LEDGER_MAX_SLOTS + plan->slot);
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
		fail(k->plan, "cannot wait for its worker", -errno);
}

/* From here on the table has its full size, and these are the keeper's. */
static void settle_fds(struct keeper *k)
{
	struct post *post = &k->post;
	int err = runner_open(&k->runner, post);
	int n;

	if (err)
		fail(k->plan, "cannot prepare to run programs", err);
	n = fds_grow(n_fds_wanted(k->plan));
	if (n < 0)
		fail(k->plan, "cannot have the descriptors it needs", n);
	post->order_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (post->order_fd < 0)
		fail(k->plan, "cannot give orders", -errno);
	post->n_fds = n;
	post->is_base = malloc((size_t)n);
	if (!post->is_base)
		fail(k->plan, "no memory", -ENOMEM);
	fds_find_open(post->is_base, n);
	k->runner.voices.is_base = post->is_base;
	k->runner.voices.n_fds = n;
}

static void prepare(struct keeper *k, const struct keeper_plan *plan)
{
	int err;

	*k = (struct keeper){ .plan = plan };
	k->post = (struct post){
		.slot = plan->slot,
		.keeper = getpid(),
		.config = plan->config,
		.listeners = plan->listeners,
		.n_listeners = plan->n_listeners,
		.control_fd = plan->control_fd,
	};
	title_set("keeper %u", plan->slot);
	keep_only_ours(plan, n_fds_wanted(plan));
	map_memory(k);
	err = guard_drop(plan->user);
	if (err)
		fail(plan, "cannot become its user", err);
	guard_die_with(plan->master);
	open_signals(k);
	settle_fds(k);
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
	struct ledger_head *head = k->post.part.head;

	ledger_set(head->state, WORKER_STARTING);
	ledger_add(head->generation, 1);
	k->born_ns = clock_mono_ns();
	ledger_set(head->heartbeat_mono_ns, k->born_ns);
	k->worker = clone_sharing_fds();
	if (k->worker == 0)
		loop_run(&k->post, k->legacy);
	if (k->worker > 0)
		return;
	log_error("keeper %u: cannot clone a worker: %s", k->post.slot,
		  strerror(errno));
	k->worker = 0;
	ledger_set(head->state, WORKER_BACKOFF);
	k->clone_at_ns = k->born_ns + backoff_strike(&k->backoff, 0);
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
	uint32_t row = ledger_get(k->post.part.head->turn_row);
	bool is_fault = WIFEXITED(status) || is_fault_signal(WTERMSIG(status));
	uint32_t last_row = k->fault_row;

	k->fault_row = is_fault ? row : 0;
	if (k->was_shot)
		return LEGACY_HUNG;
	if (!is_fault)
		return LEGACY_KILLED;
	return row && row == last_row ? LEGACY_STUCK : LEGACY_FAULT;
}

static bool is_handler_in_hand(const struct ledger_head *head)
{
	return (ledger_get(head->turn_row) &&
		ledger_get(head->turn_step) == STEP_HANDLER) ||
	       (ledger_get(head->datagram_listener) &&
		ledger_get(head->datagram_step) == STEP_HANDLER);
}

/*
 * None after a death from outside, or one for which a connection is to pay:
 * the others on this worker must not wait. Growing for a worker that dies of
 * itself, or never gets to serve.
 */
static uint64_t delay_after(struct keeper *k, bool has_served)
{
	uint64_t lived_ns = clock_mono_ns() - k->born_ns;

	if (k->legacy == LEGACY_KILLED && has_served) {
		k->n_unlucky = 0;
		return 0;
	}
	if (k->legacy == LEGACY_KILLED && k->n_unlucky++ < UNLUCKY_MAX)
		return 0;
	if (k->legacy != LEGACY_KILLED && is_handler_in_hand(k->post.part.head))
		return 0;
	return backoff_strike(&k->backoff, lived_ns);
}

static void describe(int status, bool was_shot, char *text, size_t bytes)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	const char *name = sig ? sigabbrev_np(sig) : NULL;

	if (was_shot)
		(void)snprintf(text, bytes, "hung, and was killed for it");
	else if (name)
		(void)snprintf(text, bytes, "killed by SIG%s", name);
	else if (sig)
		(void)snprintf(text, bytes, "killed by signal %d", sig);
	else
		(void)snprintf(text, bytes, "left unasked, with status %d",
			       WEXITSTATUS(status));
}

_Noreturn static void leave(struct keeper *k)
{
	ledger_set(k->post.part.head->state, WORKER_ABSENT);
	runner_kill_all(&k->runner, SIGTERM);
	_exit(EXIT_DONE);
}

static void note_death(struct keeper *k, int status)
{
	struct ledger_head *head = k->post.part.head;
	uint32_t state = ledger_get(head->state);
	bool has_served = state == WORKER_SERVING || state == WORKER_DRAINING;
	uint64_t delay_ns;
	char text[64];

	describe(status, k->was_shot, text, sizeof(text));
	log_warning("worker %u (pid %d): %s; %u connections wait for a "
		    "successor",
		    k->post.slot, (int)k->worker, text,
		    ledger_get(head->n_open));
	ledger_add(head->deaths, 1);
	control_report(k->post.control_fd, REPORT_DIED, status);
	k->legacy = judge(k, status);
	delay_ns = delay_after(k, has_served);
	if (delay_ns)
		ledger_set(head->state, WORKER_BACKOFF);
	k->clone_at_ns = clock_mono_ns() + delay_ns;
}

static void reap(struct keeper *k, int status)
{
	struct ledger_head *head = k->post.part.head;
	bool as_ordered = WIFEXITED(status) &&
			  WEXITSTATUS(status) == WORKER_EXIT_DONE &&
			  k->order != ORDER_SERVE;

	ledger_set(head->pid, 0);
	if (as_ordered)
		leave(k);
	note_death(k, status);
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
			runner_reap(&k->runner, pid, status);
	}
}

/* ---- orders and the watchdog ---- */

_Noreturn static void end_all(struct keeper *k)
{
	if (k->worker)
		(void)kill(k->worker, SIGKILL); /* our child: not another's */
	_exit(EXIT_FAILED);
}

static void give_order(struct keeper *k, const struct control_order *order)
{
	struct order_page *page = k->post.order;
	uint64_t one = 1;

	if (order->order >= ORDERS)
		return;
	k->order = (enum order)order->order;
	ledger_set(page->deadline_mono_ns, order->deadline_mono_ns);
	/* release: pairs with the worker's acquire in obey() */
	atomic_store_explicit(&page->order, order->order, memory_order_release);
	(void)!write(k->post.order_fd, &one, sizeof(one)); /* it has one */
	if (!k->worker)
		k->clone_at_ns = 0; /* only a worker can end connections */
}

static void on_control(struct keeper *k)
{
	struct control_order order;
	int got;

	while ((got = control_read_order(k->post.control_fd, &order)) > 0)
		give_order(k, &order);
	if (got < 0)
		end_all(k); /* the master is gone */
}

static void watch_heartbeat(struct keeper *k, uint64_t now_ns)
{
	uint64_t limit_ns = k->plan->config->hang_timeout_ns;
	uint64_t beat_ns = ledger_get(k->post.part.head->heartbeat_mono_ns);

	if (!k->worker || k->is_stopped || k->was_shot)
		return;
	if (now_ns < beat_ns || now_ns - beat_ns < limit_ns)
		return;
	k->was_shot = true;
	(void)kill(k->worker, SIGKILL);
}

/*
 * Once the worker has taken what waited, nobody will take more: a client that
 * comes now is refused at once, when every table has closed the listeners.
 */
static void close_listeners(struct keeper *k)
{
	if (k->are_listeners_closed || !ledger_get(k->post.order->is_deaf))
		return;
	k->are_listeners_closed = true;
	for (size_t i = 0; i < k->post.n_listeners; i++) {
		close(k->post.listeners[i].fd);
		k->post.is_base[k->post.listeners[i].fd] = 0;
	}
}

/* ---- the loop ---- */

static int timeout_ms(const struct keeper *k, uint64_t now_ns)
{
	uint64_t wait_ns = k->plan->config->hang_timeout_ns / 4;

	wait_ns = min_u64(wait_ns, NS_PER_S);
	wait_ns = min_u64(wait_ns, waiters_wait_ns(&k->runner.waiters, now_ns));
	if (!k->worker)
		wait_ns = k->clone_at_ns > now_ns ? k->clone_at_ns - now_ns : 0;
	else if (k->order == ORDER_DRAIN && !k->are_listeners_closed)
		wait_ns = 5 * NS_PER_MS;
	return (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void turn_loop(struct keeper *k)
{
	struct pollfd fds[] = {
		{ .fd = k->signal_fd, .events = POLLIN },
		{ .fd = k->post.control_fd, .events = POLLIN },
		{ .fd = k->post.starting_fd, .events = POLLIN },
		/* < 0, and not looked at, without programs */
		{ .fd = k->runner.voices.epoll_fd, .events = POLLIN },
		{ .fd = k->runner.waiters.epoll_fd, .events = POLLIN },
	};
	uint64_t now_ns = clock_mono_ns();

	if (poll(fds, ARRAY_LEN(fds), timeout_ms(k, now_ns)) < 0)
		return;
	if (fds[0].revents)
		on_child(k);
	if (fds[1].revents)
		on_control(k);
	if (fds[2].revents)
		runner_look(&k->runner);
	if (fds[3].revents)
		voices_listen(&k->runner.voices);
	if (fds[4].revents)
		runner_look_at_waiters(&k->runner, k->order == ORDER_SERVE);
	now_ns = clock_mono_ns();
	watch_heartbeat(k, now_ns);
	waiters_rearm(&k->runner.waiters, now_ns);
	close_listeners(k);
	if (!k->worker && now_ns >= k->clone_at_ns)
		clone_worker(k);
}

_Noreturn void keeper_run(const struct keeper_plan *plan)
{
	struct keeper k;

	prepare(&k, plan);
	for (;;)
		turn_loop(&k);
}
