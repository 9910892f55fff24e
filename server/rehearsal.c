/* SPDX-License-Identifier: ISC */
/*
 * rehearsal.c - a keeper and a worker, tried before any connection is theirs
 */
#include "server/rehearsal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "server/becoming.h"
#include "server/control.h"
#include "server/crash.h"
#include "server/ending.h"
#include "server/fds.h"

void rehearsal_init(struct rehearsal *rehearsal)
{
	*rehearsal = (struct rehearsal){ .control_fd = -1 };
}

static int fork_keeper(struct rehearsal *rehearsal,
		       const struct instance *instance,
		       const struct keeper_plan *plan)
{
	struct keeper_birth birth = {
		.slot = instance->segment.shape.n_slots - 1,
		.user = instance->user,
		.is_rehearsal = true,
	};
	pid_t pid = becoming_fork(plan, &birth, &rehearsal->control_fd);

	if (pid < 0)
		return (int)pid;
	rehearsal->pid = pid;
	control_say(rehearsal->control_fd, CONTROL_GO, 0, 0);
	CRASH_POINT(REHEARSAL_BEGUN);
	return 0;
}

int rehearsal_begin(struct rehearsal *rehearsal,
		    const struct instance *instance)
{
	struct keeper_plan plan = { 0 };
	int err = instance_plan_rehearsal(instance, &plan);

	if (!err)
		err = fork_keeper(rehearsal, instance, &plan);
	if (plan.fd) {
		close(plan.fd[PLAN_LEDGER]);
		close(plan.fd[PLAN_VIEW]);
	}
	free(plan.fd);
	return err;
}

bool rehearsal_end(struct rehearsal *rehearsal, int status)
{
	char text[ENDING_BYTES];

	rehearsal->pid = 0;
	fds_close(&rehearsal->control_fd);
	if (ending_is_success(status))
		return true;
	log_error("a worker of the new kind was tried; its keeper: %s",
		  ending_describe(status, text));
	return false;
}

void rehearsal_abandon(struct rehearsal *rehearsal)
{
	if (rehearsal->pid)
		(void)kill(rehearsal->pid, SIGKILL); /* our child */
}
