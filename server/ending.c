/* SPDX-License-Identifier: ISC */
/*
 * ending.c - how a child process ended, in words
 */
#include "server/ending.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

const char *ending_describe(int status, char *out)
{
	int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	const char *name = number ? sigabbrev_np(number) : NULL;

	if (status == -1)
		(void)snprintf(out, ENDING_BYTES, "gone");
	else if (name)
		(void)snprintf(out, ENDING_BYTES, "killed by SIG%s", name);
	else if (number)
		(void)snprintf(out, ENDING_BYTES, "killed by signal %d",
			       number);
	else
		(void)snprintf(out, ENDING_BYTES, "left with status %d",
			       WEXITSTATUS(status));
	return out;
}

bool ending_is_success(int status)
{
	return status != -1 && WIFEXITED(status) && !WEXITSTATUS(status);
}

bool ending_is_from_outside(int status)
{
	return status != -1 && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGKILL;
}
