/* SPDX-License-Identifier: ISC */
/*
 * slot.c - the master's side of a keeper and its worker
 */
#include "server/slot.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/ending.h"

void slot_init(struct slot *slot, unsigned number)
{
	*slot = (struct slot){
		.number = number,
		.keeper_pidfd = -1,
		.control_fd = -1,
	};
}

int slot_fork(struct slot *slot, const struct keeper_plan *plan,
	      const struct guard_user *user)
{
	struct keeper_birth birth = { .slot = slot->number, .user = *user };
	pid_t pid = becoming_fork(plan, &birth, &slot->control_fd);

	if (pid < 0)
		return (int)pid;
	slot->state = SLOT_RUNNING;
	slot->keeper = pid;
	slot->is_serving = false;
	slot->renewal = RENEWAL_FRESH;
	slot->n_deaths = slot->n_unserved = 0;
	slot->born_ns = slot->heard_ns = clock_mono_ns();
	return 0;
}

void slot_go(const struct slot *slot)
{
	control_say(slot->control_fd, CONTROL_GO, 0, 0);
}

void slot_order(struct slot *slot, enum order order, uint64_t deadline_mono_ns)
{
	slot->order = order;
	if (slot->control_fd >= 0)
		control_say(slot->control_fd, CONTROL_ORDER, (int32_t)order,
			    deadline_mono_ns);
}

/* ---- renewal ---- */

void slot_renew(struct slot *slot)
{
	slot->renewal = RENEWAL_ASKED;
	slot->n_deaths = slot->n_unserved = 0;
	control_say(slot->control_fd, CONTROL_RENEW, 0, 0);
}

int slot_send_plan(struct slot *slot, const struct keeper_plan *plan)
{
	const struct control_message message = {
		.kind = CONTROL_PLAN,
		.number = plan->n_fds,
	};

	slot->renewal = RENEWAL_PLANNED;
	slot->is_serving = false;
	return control_send(slot->control_fd, &message, plan->fd, plan->n_fds);
}

/* ---- deaths ---- */

/* Nobody of the slot is left: it is empty, or gets a new keeper. */
static void all_gone(struct slot *slot)
{
	uint64_t now_ns = clock_mono_ns();

	close(slot->control_fd);
	slot->control_fd = -1;
	slot->is_serving = false;
	slot->busy = 0;
	slot->n_open = 0;
	if (slot_is_retiring(slot)) {
		bool is_lost = slot->is_lost;

		slot_init(slot, slot->number);
		slot->is_lost = is_lost;
		return;
	}
	slot->state = SLOT_BACKOFF;
	/* one that served for a while is replaced at once */
	slot->fork_at_ns = now_ns;
	if (!slot->has_left && now_ns - slot->born_ns < NS_PER_S)
		slot->fork_at_ns +=
			backoff_strike(&slot->backoff, now_ns - slot->born_ns);
}

static void log_loss(const struct slot *slot, int status)
{
	char text[ENDING_BYTES];

	log_warning("keeper %u: %s; its connections are lost", slot->number,
		    ending_describe(status, text));
}

/* As it was told; it may have been called back when it was too late. */
static bool has_left(const struct slot *slot, int status)
{
	if (slot_is_retiring(slot))
		return status == -1 || WIFEXITED(status);
	return status != -1 && WIFEXITED(status) &&
	       WEXITSTATUS(status) == EXIT_DONE;
}

/*
 * Until its worker is gone too (it dies with its keeper, but not before it),
 * the slot's part of the ledger has a writer, and must not get another. The
 * end of the control socket tells when: see slot_read().
 */
void slot_keeper_died(struct slot *slot, int status)
{
	slot->keeper = 0;
	slot->is_lost = status != 0; /* or nobody knows */
	slot->state = SLOT_LOST;
	slot->has_left = has_left(slot, status);
	if (slot->keeper_pidfd >= 0)
		close(slot->keeper_pidfd);
	slot->keeper_pidfd = -1;
	if (slot->has_left)
		return;
	slot->last_status = status;
	slot->n_failures += !slot->has_served;
	log_loss(slot, status);
}

static void send_signal(const struct slot *slot, int number)
{
	if (slot->keeper_pidfd >= 0)
		(void)pidfd_send_signal(slot->keeper_pidfd, number, NULL, 0);
	else if (slot->keeper > 0)
		(void)kill(slot->keeper, number); /* our child */
}

void slot_kill(const struct slot *slot)
{
	send_signal(slot, SIGKILL);
}

void slot_wake(const struct slot *slot)
{
	send_signal(slot, SIGCONT);
}

/* ---- what it says ---- */

static void on_serving(struct slot *slot, const struct control_message *message)
{
	(void)message;
	slot->is_serving = true;
	slot->has_served = true;
	slot->n_unserved = 0;
	if (slot->renewal == RENEWAL_PLANNED)
		slot->renewal = RENEWAL_FRESH;
}

static void on_died(struct slot *slot, const struct control_message *message)
{
	bool is_outside = ending_is_from_outside(message->value);

	slot->is_serving = false;
	slot->last_status = message->value;
	slot->n_failures += !slot->has_served;
	slot->n_deaths += !is_outside;
	slot->n_unserved += !is_outside;
}

static void on_load(struct slot *slot, const struct control_message *message)
{
	slot->busy = (uint32_t)message->value;
	if (slot->busy > 1000)
		slot->busy = 1000;
	slot->n_open = message->number;
	slot->heard_ns = clock_mono_ns();
}

static void only_tell(struct slot *slot, const struct control_message *message)
{
	(void)slot, (void)message;
}

static const struct {
	void (*take)(struct slot *slot, const struct control_message *message);
	bool is_keepers; /* nobody else may say it */
} reports[CONTROL_KINDS] = {
	[CONTROL_SERVING] = { on_serving, false },
	[CONTROL_DIED] = { on_died, true },
	[CONTROL_BARE] = { only_tell, true },
	[CONTROL_NOT_RENEWED] = { only_tell, true },
	[CONTROL_LOAD] = { on_load, true },
};

int slot_read(struct slot *slot, enum control_kind *kind)
{
	struct control_received received;
	int got = control_receive_report(slot->control_fd, &received);

	*kind = CONTROL_KINDS;
	if (got > 0) {
		uint32_t said = received.message.kind;

		if (said >= CONTROL_KINDS || !reports[said].take ||
		    (reports[said].is_keepers &&
		     received.sender != slot->keeper))
			return 1;
		*kind = said;
		reports[said].take(slot, &received.message);
		return 1;
	}
	/* the keeper's own end is noticed by waitpid(), before or after */
	if (got < 0 && !slot->keeper)
		all_gone(slot);
	return 0;
}
