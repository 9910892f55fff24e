/* SPDX-License-Identifier: ISC */
/*
 * adoption.c - a new master takes over from one that died
 */
#include "server/adoption.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/crash.h"
#include "server/crew.h"
#include "server/master_state.h"
#include "server/orphans.h"
#include "server/rendezvous.h"

/* A keeper that executes a program at this moment answers when it has. */
#define MEET_NS (5 * NS_PER_S)

/* One that was called, and by whom nobody knows yet. */
struct call {
	int fd;         /* -1: it was answered, or dropped */
	bool has_begun; /* to answer, in more than one message */
};

struct meeting {
	struct master *m;
	struct call call[LEDGER_MAX_SLOTS];
	unsigned n_calls;   /* that wait for an answer */
	unsigned n_missing; /* keepers that have not answered */
	/* of a process that /proc does not show us: whether it is the keeper,
	   or only has its pid, nothing but its answer tells */
	bool is_hidden[LEDGER_MAX_SLOTS];
	uint64_t deadline_ns;
};

/* ---- calls ---- */

static int call_one(struct meeting *meeting)
{
	const struct config *config = &meeting->m->config;
	int fd = rendezvous_connect(config->runtime_dir, config->name);

	if (fd < 0)
		return fd;
	control_ask_sender(fd);
	control_say(fd, CONTROL_ADOPT, 0, 0);
	for (unsigned i = 0; i < LEDGER_MAX_SLOTS; i++) {
		if (meeting->call[i].fd >= 0)
			continue;
		meeting->call[i] = (struct call){ .fd = fd };
		meeting->n_calls++;
		CRASH_POINT(ADOPTION_CALLED);
		return 0;
	}
	close(fd);
	return -EMFILE;
}

static void drop_call(struct meeting *meeting, struct call *call)
{
	if (call->fd < 0)
		return;
	close(call->fd);
	call->fd = -1;
	meeting->n_calls--;
}

/* ---- who should be there ---- */

/*
 * A pid may be another's by now: when it began tells. With ProtectProc= and a
 * user name space for each start of the service (PrivateUsers=) the keepers of
 * the former one are hidden from us: one may be there as long as anybody has
 * the rendezvous open.
 */
static bool is_keeper(struct meeting *meeting, pid_t pid, unsigned s)
{
	const struct ledger_slot *entry =
		&meeting->m->instance.segment.slots[s];
	uint64_t born = crew_start_time(pid);

	if (born)
		return born == ledger_get(entry->keeper_born);
	meeting->is_hidden[s] = meeting->n_calls || call_one(meeting) == 0;
	return meeting->is_hidden[s];
}

static bool is_alive(struct meeting *meeting, unsigned s)
{
	struct slot *slot = &meeting->m->slots[s];
	pid_t pid =
		ledger_get(meeting->m->instance.segment.slots[s].keeper_pid);

	if (pid <= 0)
		return false;
	slot->keeper_pidfd = pidfd_open(pid, 0);
	if (slot->keeper_pidfd < 0)
		return false;
	if (is_keeper(meeting, pid, s)) {
		slot->keeper = pid;
		return true;
	}
	close(slot->keeper_pidfd);
	slot->keeper_pidfd = -1;
	return false;
}

/*
 * One that was stopped, as the master may have been, could not answer, and
 * would be ended for it: it goes on. Who is hidden, and somebody else, can
 * only be another process of our user, and loses nothing by it.
 */
static void find_keepers(struct meeting *meeting)
{
	for (unsigned s = 0; s < meeting->m->n_slots; s++) {
		if (!is_alive(meeting, s))
			continue;
		meeting->n_missing++;
		slot_wake(&meeting->m->slots[s]);
	}
}

/* ---- answers ---- */

/*
 * Who sends it may be a worker that does us evil, and it the ledger: to close
 * that would drop the lock on it (fcntl_locking(2)). Then it stays open.
 */
static void drop_fd(const struct instance *instance, int fd)
{
	struct stat status, ledger;

	if (fstat(fd, &status) < 0 ||
	    fstat(instance->segment.fd, &ledger) < 0 ||
	    status.st_dev != ledger.st_dev || status.st_ino != ledger.st_ino)
		close(fd);
}

static void take_fd(struct instance *instance, int fd, bool is_rendezvous)
{
	struct stat status;

	if (fstat(fd, &status) < 0 || !S_ISSOCK(status.st_mode) ||
	    (is_rendezvous && instance->rendezvous_fd >= 0))
		drop_fd(instance, fd);
	else if (is_rendezvous)
		instance->rendezvous_fd = fd;
	else
		(void)inherited_add(&instance->inherited, fd, "");
}

static void take_sockets(struct meeting *meeting,
			 struct control_received *received, bool has_rendezvous)
{
	for (size_t i = 0; i < received->n_fds; i++)
		take_fd(&meeting->m->instance, received->fd[i],
			has_rendezvous && i == 0);
	received->n_fds = 0;
}

static struct slot *slot_of_answer(struct meeting *meeting,
				   const struct control_received *received)
{
	struct master *m = meeting->m;
	uint32_t number = (uint32_t)received->message.value;
	struct slot *slot;

	if (number >= m->n_slots)
		return NULL;
	slot = &m->slots[number];
	if (!slot->keeper || slot->keeper != received->sender ||
	    slot->control_fd >= 0)
		return NULL;
	return slot;
}

static void adopt(struct meeting *meeting, struct call *call,
		  const struct control_received *received)
{
	struct slot *slot = slot_of_answer(meeting, received);
	uint64_t order = received->message.number;

	if (!slot) {
		drop_call(meeting, call);
		return;
	}
	slot->state = SLOT_RUNNING;
	slot->control_fd = call->fd;
	slot->is_serving = order == ORDER_SERVE;
	slot->has_served = true;
	slot->order = order < ORDERS ? (enum order)order : ORDER_SERVE;
	slot->born_ns = slot->heard_ns = clock_mono_ns();
	call->fd = -1;
	meeting->n_calls--;
	meeting->n_missing--;
	CRASH_POINT(ADOPTION_ONE);
}

/* A keeper that has yet to answer; the kernel vouches for who sends. */
static bool is_expected(const struct meeting *meeting, pid_t sender)
{
	const struct master *m = meeting->m;

	for (unsigned s = 0; s < m->n_slots; s++)
		if (sender && m->slots[s].keeper == sender &&
		    m->slots[s].control_fd < 0)
			return true;
	return false;
}

/* More descriptors than one message can carry come in several. */
static void hear(struct meeting *meeting, struct call *call)
{
	struct control_received received;
	int got = control_receive(call->fd, &received);

	if (got < 0) {
		drop_call(meeting, call);
		return;
	}
	if (!got)
		return;
	if (!is_expected(meeting, received.sender)) {
		for (size_t i = 0; i < received.n_fds; i++)
			drop_fd(&meeting->m->instance, received.fd[i]);
		drop_call(meeting, call);
		return;
	}
	take_sockets(meeting, &received, !call->has_begun);
	call->has_begun = received.message.kind == CONTROL_DESCRIPTORS;
	if (received.message.kind == CONTROL_HELLO)
		adopt(meeting, call, &received);
	else if (received.message.kind != CONTROL_DESCRIPTORS)
		drop_call(meeting, call);
}

static void wait_for_answers(struct meeting *meeting)
{
	struct pollfd fds[LEDGER_MAX_SLOTS];

	for (unsigned i = 0; i < LEDGER_MAX_SLOTS; i++)
		fds[i] = (struct pollfd){ .fd = meeting->call[i].fd,
					  .events = POLLIN };
	if (poll(fds, LEDGER_MAX_SLOTS, 20) <= 0)
		return;
	for (unsigned i = 0; i < LEDGER_MAX_SLOTS; i++)
		if (fds[i].revents)
			hear(meeting, &meeting->call[i]);
}

static void drop_dead(struct meeting *meeting)
{
	struct master *m = meeting->m;

	for (unsigned s = 0; s < m->n_slots; s++) {
		struct slot *slot = &m->slots[s];
		struct pollfd end = { .fd = slot->keeper_pidfd,
				      .events = POLLIN };

		if (!slot->keeper || slot->control_fd >= 0 ||
		    poll(&end, 1, 0) <= 0)
			continue;
		close(slot->keeper_pidfd);
		slot_init(slot, s);
		meeting->n_missing--;
	}
}

/* ---- those who do not answer ---- */

/* It ends, unless it may be somebody else's process. */
static void end_keeper(const struct meeting *meeting, struct slot *slot)
{
	struct pollfd end = { .fd = slot->keeper_pidfd, .events = POLLIN };

	if (meeting->is_hidden[slot->number])
		return;
	slot_kill(slot);
	(void)poll(&end, 1, -1); /* a killed process ends */
}

static void end_silent(struct meeting *meeting)
{
	struct master *m = meeting->m;

	for (unsigned s = 0; s < m->n_slots; s++) {
		struct slot *slot = &m->slots[s];

		if (!slot->keeper || slot->control_fd >= 0)
			continue;
		log_warning("keeper %u: does not answer, and is %s; its "
			    "connections are lost",
			    s, meeting->is_hidden[s] ? "left alone" : "ended");
		end_keeper(meeting, slot);
		close(slot->keeper_pidfd);
		slot_init(slot, s);
		slot->is_barred = meeting->is_hidden[s];
		slot->is_lost = !slot->is_barred;
	}
}

/* Who was in the ledger, and is not there: his connections are lost. */
static void report_lost(struct master *m)
{
	for (unsigned s = 0; s < m->n_slots; s++) {
		const struct ledger_slot *entry = &m->instance.segment.slots[s];

		if (!ledger_get(entry->keeper_pid) || m->slots[s].keeper)
			continue;
		m->slots[s].is_lost = true;
		if (segment_holds_any(&m->instance.segment, s))
			log_warning("keeper %u: died with the former master; "
				    "its connections are lost",
				    s);
		else /* it may not even have begun */
			log_notice(
				"keeper %u: is gone like the former master; it "
				"had no connections",
				s);
	}
}

int adoption_meet(struct master *m)
{
	struct meeting meeting = {
		.m = m,
		.deadline_ns = clock_mono_ns() + MEET_NS,
	};
	unsigned n = 0;
	int err = 0;

	for (unsigned i = 0; i < LEDGER_MAX_SLOTS; i++)
		meeting.call[i].fd = -1;
	find_keepers(&meeting);
	while (meeting.n_missing && clock_mono_ns() < meeting.deadline_ns) {
		while (!err && meeting.n_calls < meeting.n_missing)
			err = call_one(&meeting);
		wait_for_answers(&meeting);
		drop_dead(&meeting);
		err = 0;
	}
	for (unsigned i = 0; i < LEDGER_MAX_SLOTS; i++)
		drop_call(&meeting, &meeting.call[i]);
	report_lost(m);
	end_silent(&meeting);
	CRASH_POINT(ADOPTION_ALL);
	for (unsigned s = 0; s < m->n_slots; s++)
		n += m->slots[s].keeper != 0;
	/* so that who connects sees that it is ours: see rendezvous_peer() */
	if (m->instance.rendezvous_fd >= 0)
		(void)listen(m->instance.rendezvous_fd, RENDEZVOUS_BACKLOG);
	return (int)n;
}

/* ---- strangers ---- */

static void take_from_stranger(void *context, struct control_received *received,
			       bool has_rendezvous)
{
	take_sockets(context, received, has_rendezvous);
}

unsigned adoption_dismiss(struct master *m, uint64_t deadline_mono_ns)
{
	struct meeting meeting = { .m = m };

	m->n_strangers = orphans_order(m->config.runtime_dir, m->config.name,
				       ORDER_DRAIN, deadline_mono_ns,
				       m->strangers, LEDGER_MAX_SLOTS,
				       take_from_stranger, &meeting);
	/* it is theirs; ours will have another one in its place */
	if (m->instance.rendezvous_fd >= 0)
		close(m->instance.rendezvous_fd);
	m->instance.rendezvous_fd = -1;
	return m->n_strangers;
}
