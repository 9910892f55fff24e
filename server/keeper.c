/* SPDX-License-Identifier: ISC */
/*
 * keeper.c - the process that holds the descriptors of a slot
 */
#include "server/keeper.h"

#include <errno.h>
#include <fcntl.h>
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
#include "server/backoff.h"
#include "server/control.h"
#include "server/crash.h"
#include "server/ending.h"
#include "server/load.h"
#include "server/loop.h"
#include "server/post.h"
#include "server/recycling.h"
#include "server/rendezvous.h"
#include "server/title.h"

/* Deaths from outside before a worker served: so many are bad luck. */
#define UNLUCKY_MAX 4

/* How long one who comes to the rendezvous may take to say what he wants. */
#define SUITOR_NS NS_PER_S

/* A worker that hangs is dead so long after its time, or never will be. */
#define HANG_GRACE_NS (2 * NS_PER_S)

/*
 * How often the master hears how busy the worker is: while it follows the load
 * as soon as that changes, else (and when it does not) now and then, as a sign
 * of life. See SILENCE_MAX_NS in master.c.
 */
#define LOAD_EACH_NS   (100 * NS_PER_MS)
#define LOAD_ANYWAY_NS NS_PER_S

/* Less of a change, in 1/1000, is none. */
#define BUSY_STEP 20U

struct keeper {
	struct posting p;
	int signal_fd;

	pid_t worker;     /* 0: none lives */
	bool is_stopped;  /* by SIGSTOP: it does not hang */
	bool was_retired; /* told to, and then to serve: it may leave yet */
	bool was_asked;   /* to leave for a successor: the same */
	bool was_shot;
	uint64_t born_ns;
	uint64_t clone_at_ns; /* when the next one is due */
	struct recycling recycling;
	struct load load;
	uint64_t load_at_ns; /* when it is measured next */
	struct told {
		uint64_t at_ns;
		uint32_t busy;
		uint64_t n_open;
	} told; /* what the master knows */

	/* what goes over to the program that this one becomes */
	struct past {
		enum legacy legacy; /* for the next worker */
		struct backoff backoff;
		unsigned n_unlucky;
		uint32_t fault_row; /* in hand when the last one died by its
				       own fault */
		enum order order;
		bool are_listeners_closed;
	} past;

	/* renewal: the worker is to leave, and then we ask for the plan */
	bool is_renewing;
	bool is_bare; /* it has left; we wait for the plan */
	int *plan_fd;
	size_t n_plan_fds;

	/* without a master */
	bool is_orphan;
	uint64_t drain_at_ns;
	int suitor_fd; /* who came to the rendezvous; -1: nobody */
	uint64_t suitor_until_ns;
};

/* ---- preparing ---- */

_Noreturn static void fail(const struct keeper *k, const char *what, int err)
{
	log_error("keeper %u: %s: %s", k->p.memory.slot, what, strerror(-err));
	_exit(EXIT_FAILED);
}

/* Whether it is the keeper's own; else, and open, it is a connection. */
static void set_base(struct keeper *k, int fd, bool is_base)
{
	if (fd >= 0 && fd < k->p.post.n_fds)
		k->p.post.is_base[fd] = is_base;
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
	set_base(k, k->signal_fd, true);
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
	open_signals(k);
	bag_close(bag);
	if (k->p.memory.is_rehearsal)
		rehearse(k);
}

/* Nothing of the master's is done here but this: it was known to be born. */
static void wait_for_go(int control_fd)
{
	struct pollfd go = { .fd = control_fd, .events = POLLIN };
	struct control_received received;
	int got;

	do
		(void)poll(&go, 1, -1);
	while (!(got = control_receive(control_fd, &received)));
	if (got < 0 || received.message.kind != CONTROL_GO)
		_exit(EXIT_FAILED); /* the master is gone */
}

/* Room for a title, whatever the environment's size: see title.c. */
#define KEEPER_TITLE "guichetd: keeper, beginning                             "

static int become(const struct keeper_plan *plan, struct bag *bag)
{
	char title[] = KEEPER_TITLE;
	char *const argv[] = { title, NULL };

	return bag_exec(bag, plan->fd[PLAN_PROGRAM], argv);
}

static void pack(const struct keeper_plan *plan,
		 const struct post_memory *memory, const struct past *past,
		 int control_fd, int vault_fd, struct bag *bag)
{
	const struct post_fds fds = {
		.control = control_fd,
		.rendezvous = plan->fd[PLAN_RENDEZVOUS],
		.config = plan->fd[PLAN_CONFIG],
		.ledger = plan->fd[PLAN_LEDGER],
		.view = plan->fd[PLAN_VIEW],
		.vault = vault_fd,
	};

	bag_mark(bag, BAG_KEEPER);
	post_pack(memory, &fds, plan->fd + PLAN_SOCKETS,
		  plan->n_fds - PLAN_SOCKETS, bag);
	bag_put(bag, past, sizeof(*past));
}

_Noreturn void keeper_begin(const struct keeper_plan *plan,
			    const struct keeper_birth *birth)
{
	const struct post_memory memory = {
		.slot = birth->slot,
		.is_rehearsal = birth->is_rehearsal,
		.user = birth->user,
	};
	const struct past past = { .legacy = LEGACY_NONE };
	struct bag bag;
	int err;

	wait_for_go(birth->control_fd);
	err = bag_open(&bag);
	if (!err) {
		pack(plan, &memory, &past, birth->control_fd, -1, &bag);
		err = become(plan, &bag);
	}
	log_error("keeper %u: cannot begin: %s", birth->slot, strerror(-err));
	_exit(EXIT_FAILED);
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

	if (k->past.legacy == LEGACY_KILLED && has_served) {
		k->past.n_unlucky = 0;
		return 0;
	}
	if (k->past.legacy == LEGACY_KILLED &&
	    k->past.n_unlucky++ < UNLUCKY_MAX)
		return 0;
	if (k->past.legacy != LEGACY_KILLED &&
	    is_handler_in_hand(k->p.post.part.head))
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
		    k->was_shot ? "hung, and was killed for it" :
				  ending_describe(status, text),
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

static void poke_worker(struct keeper *k)
{
	uint64_t one = 1;

	(void)!write(k->p.post.order_fd, &one, sizeof(one)); /* it has one */
}

static void give_order(struct keeper *k, enum order order, uint64_t deadline_ns)
{
	struct order_page *page = k->p.post.order;

	k->was_retired |= k->past.order == ORDER_RETIRE;
	k->past.order = order;
	k->load_at_ns = k->told.at_ns = 0; /* it is asked: tell at once */
	ledger_set(page->deadline_mono_ns, deadline_ns);
	/* release: pairs with the worker's acquire in obey() */
	atomic_store_explicit(&page->order, order, memory_order_release);
	poke_worker(k);
	if (!k->worker)
		k->clone_at_ns = 0; /* only a worker can end connections */
}

/* Between two turns, so that a successor finds nothing half done. */
static void ask_to_leave(struct keeper *k)
{
	k->was_asked = true;
	ledger_set(k->p.post.order->is_to_leave, 1);
	poke_worker(k);
}

static void on_order(struct keeper *k, const struct control_received *received)
{
	uint32_t order = (uint32_t)received->message.value;

	if (order < ORDERS)
		give_order(k, (enum order)order, received->message.number);
}

/* ---- renewal ---- */

static void on_renew(struct keeper *k, const struct control_received *received)
{
	(void)received;
	CRASH_POINT(KEEPER_ASKED);
	k->is_renewing = true;
	if (k->worker)
		ask_to_leave(k);
	else
		k->clone_at_ns = 0;
}

/* All stays as it was: a worker goes on with what there is. */
static void give_renewal_up(struct keeper *k)
{
	for (size_t i = 0; i < k->n_plan_fds; i++)
		close(k->plan_fd[i]);
	free(k->plan_fd);
	k->plan_fd = NULL;
	k->n_plan_fds = 0;
	k->is_renewing = false;
	k->is_bare = false;
	k->clone_at_ns = 0;
	recycling_take_back(&k->recycling);
	ledger_set(k->p.post.order->is_to_leave, 0);
}

static bool add_plan_fds(struct keeper *k, struct control_received *received)
{
	size_t n = k->n_plan_fds + received->n_fds;
	int *more = reallocarray(k->plan_fd, n + 1, sizeof(*more));

	if (!more) {
		control_drop_fds(received);
		return false;
	}
	memcpy(more + k->n_plan_fds, received->fd,
	       received->n_fds * sizeof(*more));
	k->plan_fd = more;
	k->n_plan_fds = n;
	return true;
}

/*
 * Every connection stays open; what else we opened ourselves is closed by the
 * execve, but for what is packed.
 */
static void keep_connections(struct keeper *k, struct bag *bag)
{
	const struct post *post = &k->p.post;

	for (int fd = 0; fd < post->n_fds; fd++)
		if (!post->is_base[fd] && fcntl(fd, F_GETFD) >= 0)
			bag_keep_fd(bag, fd);
}

/* They are no connections, though there are such numbers. */
static void set_plan_base(struct keeper *k, int bag_fd, bool is_base)
{
	set_base(k, bag_fd, is_base);
	for (size_t i = 0; i < k->n_plan_fds; i++)
		set_base(k, k->plan_fd[i], is_base);
}

static int renew(struct keeper *k, const struct keeper_plan *plan)
{
	struct bag bag;
	int err = bag_open(&bag);

	if (err)
		return err;
	k->p.memory.is_renewed = 1;
	set_plan_base(k, bag.fd, true);
	pack(plan, &k->p.memory, &k->past, k->p.post.control_fd,
	     k->p.post.vault.fd, &bag);
	runner_pack(&k->p.runner, &bag);
	keep_connections(k, &bag);
	CRASH_POINT(KEEPER_PACKED);
	err = become(plan, &bag);
	set_plan_base(k, bag.fd, false);
	bag_close(&bag);
	return err;
}

static void on_plan(struct keeper *k, const struct control_received *received)
{
	struct keeper_plan plan = { k->plan_fd, k->n_plan_fds };
	int err = -EPROTO;

	(void)received;
	CRASH_POINT(KEEPER_PLANNED);
	if (k->is_bare && plan.n_fds >= PLAN_SOCKETS)
		err = renew(k, &plan); /* does not return when it could */
	log_error("keeper %u: cannot be renewed: %s", k->p.post.slot,
		  strerror(-err));
	give_renewal_up(k);
	control_say(k->p.post.control_fd, CONTROL_NOT_RENEWED, -err, 0);
}

static void on_nothing(struct keeper *k,
		       const struct control_received *received)
{
	(void)k, (void)received;
}

/* ---- the master ---- */

static void hear(struct keeper *k, struct control_received *received)
{
	static void (*const on_message[CONTROL_KINDS])(
		struct keeper *, const struct control_received *) = {
		[CONTROL_ORDER] = on_order,
		[CONTROL_RENEW] = on_renew,
		[CONTROL_PLAN] = on_plan,
		[CONTROL_DESCRIPTORS] = on_nothing,
	};
	uint32_t kind = received->message.kind;

	if (kind >= CONTROL_KINDS || !on_message[kind]) {
		control_drop_fds(received);
		return;
	}
	if (received->n_fds && !add_plan_fds(k, received))
		return;
	on_message[kind](k, received);
}

_Noreturn static void end_all(struct keeper *k)
{
	if (k->worker)
		(void)kill(k->worker, SIGKILL); /* our child: not another's */
	_exit(EXIT_FAILED);
}

/* It is gone. We serve on, and wait for another one. */
static void become_orphan(struct keeper *k)
{
	if (k->p.memory.is_rehearsal)
		end_all(k);
	log_warning("keeper %u: the master is gone; serving on",
		    k->p.post.slot);
	k->is_orphan = true;
	k->drain_at_ns = clock_mono_ns() + k->p.config.orphan_timeout_ns;
	if (k->is_renewing)
		give_renewal_up(k);
}

static void on_control(struct keeper *k)
{
	struct control_received received;
	int got;

	while ((got = control_receive(k->p.post.control_fd, &received)) > 0)
		hear(k, &received);
	if (got < 0)
		become_orphan(k);
}

/*
 * Only while a worker serves, or none lives: one that takes over closes every
 * descriptor that it does not know.
 */
static bool may_open(const struct keeper *k)
{
	uint32_t state = ledger_get(k->p.post.part.head->state);

	return !k->worker || state == WORKER_SERVING ||
	       state == WORKER_DRAINING;
}

static void drop_suitor(struct keeper *k)
{
	set_base(k, k->suitor_fd, false);
	close(k->suitor_fd);
	k->suitor_fd = -1;
}

static void on_rendezvous(struct keeper *k)
{
	if (!may_open(k))
		return;
	k->suitor_fd = rendezvous_accept(k->p.fds.rendezvous);
	if (k->suitor_fd < 0)
		return;
	set_base(k, k->suitor_fd, true);
	CRASH_POINT(SUITOR_ACCEPTED);
	k->suitor_until_ns = clock_mono_ns() + SUITOR_NS;
}

static int greet_master(struct keeper *k)
{
	const struct control_message hello = {
		.kind = CONTROL_HELLO,
		.value = (int32_t)k->p.post.slot,
		.number = k->past.order,
	};
	int fds[LEDGER_MAX_LISTENERS];
	size_t n = 0;

	fds[n++] = k->p.fds.rendezvous;
	for (size_t i = 0; i < k->p.post.n_listeners; i++)
		if (!k->past.are_listeners_closed &&
		    listener_accepts(&k->p.listeners[i]))
			fds[n++] = k->p.listeners[i].fd;
	return control_send(k->suitor_fd, &hello, fds, n);
}

/* Under the number that the worker knows, too. */
static void accept_master(struct keeper *k)
{
	int err = greet_master(k);

	CRASH_POINT(SUITOR_GREETED);
	if (!err && dup3(k->suitor_fd, k->p.post.control_fd, O_CLOEXEC) >= 0) {
		k->is_orphan = false;
		k->load_at_ns = k->told.at_ns = 0; /* it knows nothing yet */
		log_notice("keeper %u: has a new master", k->p.post.slot);
	}
	drop_suitor(k);
}

static void on_suitor(struct keeper *k)
{
	struct control_received received;
	int got = control_receive(k->suitor_fd, &received);

	if (!got)
		return;
	if (got > 0)
		control_drop_fds(&received);
	if (got > 0 && received.message.kind == CONTROL_ADOPT)
		accept_master(k);
	else
		drop_suitor(k);
}

static void look_at_orphan(struct keeper *k, uint64_t now_ns)
{
	if (k->suitor_fd >= 0 && now_ns >= k->suitor_until_ns)
		drop_suitor(k);
	if (!k->is_orphan || now_ns < k->drain_at_ns)
		return;
	k->drain_at_ns = UINT64_MAX;
	if (k->past.order == ORDER_DRAIN || k->past.order == ORDER_STOP)
		return;
	log_warning("keeper %u: no new master has come; draining",
		    k->p.post.slot);
	give_order(k, ORDER_DRAIN, now_ns + k->p.config.drain_timeout_ns);
}

/* ---- the worker's health ---- */

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
	ask_to_leave(k);
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
	return load_measure(&k->load, is_handler_in_hand(k->p.post.part.head),
			    now_ns);
}

static bool is_news(const struct told *told, uint32_t busy, uint64_t n_open,
		    uint64_t now_ns)
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
	k->told = (struct told){ now_ns, busy, n_open };
	control_say(k->p.post.control_fd, CONTROL_LOAD, (int32_t)busy, n_open);
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
		set_base(k, k->p.listeners[i].fd, false);
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
		wait_ns = min_u64(wait_ns, may_open(k) ? 100 * NS_PER_MS :
							 5 * NS_PER_MS);
	else
		wait_ns = min_u64(wait_ns, until(k->load_at_ns, now_ns));
	return (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void look_at_time(struct keeper *k)
{
	uint64_t now_ns = clock_mono_ns();

	watch_heartbeat(k, now_ns);
	recycle(k, now_ns);
	tell_load(k, now_ns);
	look_at_orphan(k, now_ns);
	waiters_rearm(&k->p.runner.waiters, now_ns);
	close_listeners(k);
	if (!k->worker && !k->is_bare && now_ns >= k->clone_at_ns)
		clone_worker(k);
}

static void turn_loop(struct keeper *k)
{
	bool is_courted = k->is_orphan && k->suitor_fd < 0 && may_open(k);
	/* those that are -1 are not looked at */
	struct pollfd fds[] = {
		{ .fd = k->signal_fd, .events = POLLIN },
		{ .fd = k->is_orphan ? -1 : k->p.post.control_fd,
		  .events = POLLIN },
		{ .fd = k->p.post.starting_fd, .events = POLLIN },
		{ .fd = k->p.runner.voices.epoll_fd, .events = POLLIN },
		{ .fd = k->p.runner.waiters.epoll_fd, .events = POLLIN },
		{ .fd = is_courted ? k->p.fds.rendezvous : -1,
		  .events = POLLIN },
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
		on_rendezvous(k);
	if (fds[6].revents)
		on_suitor(k);
	look_at_time(k);
}

_Noreturn void keeper_run(struct bag *bag)
{
	struct keeper k;

	CRASH_POINT(KEEPER_EXECUTED);
	prepare(&k, bag);
	CRASH_POINT(KEEPER_READY);
	on_child(&k); /* of programs that ended meanwhile nobody tells again */
	for (;;)
		turn_loop(&k);
}
