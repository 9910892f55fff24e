/* SPDX-License-Identifier: ISC */
/*
 * becoming.c - a keeper becomes another program, with all connections
 */
#include "server/becoming.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "server/bag.h"
#include "server/command.h"
#include "server/crash.h"
#include "server/fitting.h"
#include "server/keeper_state.h"

/* ---- the first time ---- */

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
		 const struct post_memory *memory,
		 const struct keeper_past *past, int control_fd, int vault_fd,
		 struct bag *bag)
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

_Noreturn static void begin(const struct keeper_plan *plan,
			    const struct keeper_birth *birth)
{
	const struct post_memory memory = {
		.slot = birth->slot,
		.is_rehearsal = birth->is_rehearsal,
		.user = birth->user,
	};
	const struct keeper_past past = { .legacy = LEGACY_NONE };
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

pid_t becoming_fork(const struct keeper_plan *plan, struct keeper_birth *birth,
		    int *control_fd)
{
	int err = control_open(control_fd, &birth->control_fd);
	pid_t pid;

	if (err) {
		*control_fd = -1;
		return err;
	}
	pid = fork();
	if (pid == 0) {
		close(*control_fd); /* or we would wait for ourselves */
		begin(plan, birth);
	}
	err = pid < 0 ? -errno : 0;
	close(birth->control_fd);
	if (!err)
		return pid;
	close(*control_fd);
	*control_fd = -1;
	return err;
}

/* ---- again ---- */

void becoming_on_renew(struct keeper *k,
		       const struct control_received *received)
{
	(void)received;
	CRASH_POINT(KEEPER_ASKED);
	k->is_renewing = true;
	if (k->worker)
		command_leave(k);
	else
		k->clone_at_ns = 0;
}

void becoming_give_up(struct keeper *k)
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

bool becoming_add_fds(struct keeper *k, struct control_received *received)
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
	keeper_set_base(k, bag_fd, is_base);
	for (size_t i = 0; i < k->n_plan_fds; i++)
		keeper_set_base(k, k->plan_fd[i], is_base);
}

static int become_again(struct keeper *k, const struct keeper_plan *plan)
{
	struct bag bag;
	int err = bag_open(&bag);

	if (err)
		return err;
	set_plan_base(k, bag.fd, true);
	pack(plan, &k->p.memory, &k->past, k->p.post.control_fd,
	     k->p.post.vault.fd, &bag);
	runner_pack(&k->p.runner, &bag);
	keep_connections(k, &bag);
	err = become(plan, &bag);
	set_plan_base(k, bag.fd, false);
	bag_close(&bag);
	return err;
}

/* There is no way back from execve: so a copy of us tries it before. */
static int fit(struct keeper *k, const struct keeper_plan *plan)
{
	pid_t pid = fork();
	int err;

	if (pid < 0)
		return -errno;
	if (pid > 0)
		return fitting_wait(k->p.post.slot, pid);
	guard_die_with(k->p.post.keeper);
	k->p.memory.is_fitting = 1;
	err = become_again(k, plan);
	log_error("keeper %u: its program cannot be executed: %s",
		  k->p.post.slot, strerror(-err));
	_exit(EXIT_FAILED);
}

static int renew(struct keeper *k, const struct keeper_plan *plan)
{
	int err;

	k->p.memory.is_renewed = 1;
	err = fit(k, plan);
	CRASH_POINT(KEEPER_FITTED);
	return err ? err : become_again(k, plan);
}

void becoming_on_plan(struct keeper *k, const struct control_received *received)
{
	struct keeper_plan plan = { k->plan_fd, k->n_plan_fds };
	int err = -EPROTO;

	CRASH_POINT(KEEPER_PLANNED);
	if (plan.n_fds != received->message.number)
		err = -EMFILE; /* the kernel drops those that have no room */
	else if (k->is_bare && plan.n_fds >= PLAN_SOCKETS)
		err = renew(k, &plan); /* does not return when it could */
	log_error("keeper %u: cannot be renewed: %s", k->p.post.slot,
		  strerror(-err));
	becoming_give_up(k);
	control_say(k->p.post.control_fd, CONTROL_NOT_RENEWED, -err, 0);
}
