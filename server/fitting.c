/* SPDX-License-Identifier: ISC */
/*
 * fitting.c - a copy of the keeper tries the program that it is to become
 */
#include "server/fitting.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "server/ending.h"

/* It takes some milliseconds, during which nobody serves the connections. */
#define FITTING_MS 5000

/* Returns 0, or -errno: -ETIME for one that takes too long. */
static int wait_for_end(pid_t pid)
{
	int fd = pidfd_open(pid, 0);
	struct pollfd end = { .fd = fd, .events = POLLIN };
	bool is_late;

	if (fd < 0)
		return -errno;
	is_late = poll(&end, 1, FITTING_MS) == 0;
	close(fd);
	return is_late ? -ETIME : 0;
}

int fitting_wait(unsigned slot, pid_t pid)
{
	int err = wait_for_end(pid), status;
	char text[ENDING_BYTES];

	if (err)
		(void)kill(pid, SIGKILL); /* our child, and not reaped yet */
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!err && ending_is_success(status))
		return 0;
	log_error("keeper %u: a copy of it tried the program that it was to "
		  "become: %s",
		  slot,
		  err == -ETIME ? ENDING_HUNG : ending_describe(status, text));
	return err ? err : -ECANCELED;
}
