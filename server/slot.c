/* SPDX-License-Identifier: ISC */
/*
 * slot.c - the master's side of a keeper and its worker
 */
#include "server/slot.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

int slot_fork(struct slot *slot, struct keeper_plan plan)
{
	int ends[2];
	pid_t pid;
	int err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	plan.slot = slot->number;
	plan.control_fd = ends[1];
	plan.master = getpid();
	pid = fork();
	if (pid == 0)
		keeper_run(&plan);
	err = pid < 0 ? -errno : 0;
	close(ends[1]);
	if (err) {
		close(ends[0]);
		return err;
	}
	slot->state = SLOT_RUNNING;
	slot->keeper = pid;
	slot->control_fd = ends[0];
	slot->is_serving = false;
	slot->born_ns = clock_mono_ns();
	return 0;
}

void slot_order(struct slot *slot, enum order order, uint64_t deadline_mono_ns)
{
	if (order != ORDER_SERVE)
		slot->is_retiring = true;
	if (slot->control_fd >= 0)
		(void)control_send_order(slot->control_fd, order,
					 deadline_mono_ns);
}

/* Nobody of the slot is left: it is empty, or gets a new keeper. */
static void all_gone(struct slot *slot)
{
	uint64_t now_ns = clock_mono_ns();

	close(slot->control_fd);
	slot->control_fd = -1;
	slot->is_serving = false;
	if (slot->is_retiring) {
		slot->state = SLOT_EMPTY;
		return;
	}
	slot->state = SLOT_BACKOFF;
	/* one that served for a while is replaced at once */
	slot->fork_at_ns = now_ns;
	if (now_ns - slot->born_ns < NS_PER_S)
		slot->fork_at_ns +=
			backoff_strike(&slot->backoff, now_ns - slot->born_ns);
}

/*
 * Until its worker is gone too (it dies with its keeper, but not before it),
 * the slot's part of the ledger has a writer, and must not get another. The
 * end of the control socket tells when: see slot_read_reports().
 */
void slot_keeper_died(struct slot *slot, int status)
{
	slot->keeper = 0;
	slot->state = SLOT_LOST;
	if (slot->is_retiring && WIFEXITED(status))
		return;
	slot->last_status = status;
	slot->n_failures += !slot->has_served;
	log_warning("keeper %u: %s %d; its connections are lost", slot->number,
		    WIFSIGNALED(status) ? "killed by signal" : "left with",
		    WIFSIGNALED(status) ? WTERMSIG(status) :
					  WEXITSTATUS(status));
}

static void take_report(struct slot *slot, const struct control_report *report)
{
	slot->is_serving = report->type == REPORT_SERVING;
	if (slot->is_serving) {
		slot->has_served = true;
		return;
	}
	slot->last_status = report->status;
	slot->n_failures += !slot->has_served;
}

const char *slot_last_death(const struct slot *slot, char *text, size_t bytes)
{
	int status = slot->last_status;

	if (WIFSIGNALED(status))
		(void)snprintf(text, bytes, "signal %d (%s)", WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	else
		(void)snprintf(text, bytes, "exit status %d",
			       WEXITSTATUS(status));
	return text;
}

void slot_read_reports(struct slot *slot)
{
	struct control_report report;
	int got;

	while ((got = control_read_report(slot->control_fd, &report)) > 0)
		take_report(slot, &report);
	/* the keeper's own end is noticed by waitpid(), before or after */
	if (got < 0 && !slot->keeper)
		all_gone(slot);
}
