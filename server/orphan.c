/* SPDX-License-Identifier: ISC */
/*
 * orphan.c - a keeper without a master
 */
#include "server/orphan.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/becoming.h"
#include "server/command.h"
#include "server/crash.h"
#include "server/keeper_state.h"
#include "server/rendezvous.h"

/* How long one who comes to the rendezvous may take to say what he wants. */
#define SUITOR_NS NS_PER_S

/* How often we look whether we may answer there, or whether it is time. */
#define LOOK_SOON_NS (5 * NS_PER_MS)
#define LOOK_NS      (100 * NS_PER_MS)

void orphan_begin(struct keeper *k)
{
	if (k->p.memory.is_rehearsal)
		command_end_all(k);
	log_warning("keeper %u: the master is gone; serving on",
		    k->p.post.slot);
	k->is_orphan = true;
	k->drain_at_ns = clock_mono_ns() + k->p.config.orphan_timeout_ns;
	if (k->is_renewing)
		becoming_give_up(k);
}

/*
 * A worker that takes over closes every descriptor that it does not know, and
 * says when it has. To wait until it serves would be too long: it may have a
 * handler in hand before.
 */
static bool may_open(const struct keeper *k)
{
	/* acquire: pairs with the release in sweep() */
	return !k->worker || atomic_load_explicit(&k->p.post.order->is_swept,
						  memory_order_acquire);
}

static void drop_suitor(struct keeper *k)
{
	keeper_set_base(k, k->suitor_fd, false);
	close(k->suitor_fd);
	k->suitor_fd = -1;
}

void orphan_on_rendezvous(struct keeper *k)
{
	if (!may_open(k))
		return;
	k->suitor_fd = rendezvous_accept(k->p.fds.rendezvous);
	if (k->suitor_fd < 0)
		return;
	keeper_set_base(k, k->suitor_fd, true);
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

void orphan_on_suitor(struct keeper *k)
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

void orphan_look(struct keeper *k, uint64_t now_ns)
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
	command_order(k, ORDER_DRAIN, now_ns + k->p.config.drain_timeout_ns);
}

int orphan_rendezvous_fd(const struct keeper *k)
{
	bool is_courted = k->is_orphan && k->suitor_fd < 0 && may_open(k);

	return is_courted ? k->p.fds.rendezvous : -1;
}

uint64_t orphan_wait_ns(const struct keeper *k)
{
	return may_open(k) ? LOOK_NS : LOOK_SOON_NS;
}
