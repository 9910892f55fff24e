/* SPDX-License-Identifier: ISC */
/*
 * fitting.c - a copy of the keeper tries the program that it is to become
 */
#include "server/fitting.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "server/ending.h"

/* It takes some milliseconds, during which nobody serves the connections. */
#define FITTING_MS 5000

/* One that takes too long is ended, and is a failure like others. */
static int limit_time(pid_t pid)
{
	int fd = pidfd_open(pid, 0);
	struct pollfd end = { .fd = fd, .events = POLLIN };

	if (fd < 0)
		return -errno;
	if (poll(&end, 1, FITTING_MS) == 0)
		(void)kill(pid, SIGKILL); /* our child, and not reaped yet */
	close(fd);
	return 0;
}

int fitting_wait(unsigned slot, pid_t pid)
{
	int err = limit_time(pid), status;
	char text[ENDING_BYTES];

	if (err)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (err || ending_is_success(status))
		return err;
	log_error("keeper %u: a copy of it tried the program that it was to "
		  "become: %s",
		  slot, ending_describe(status, text));
	return -ECANCELED;
}
