/* SPDX-License-Identifier: ISC */
/*
 * fds.c - the table of descriptors as a whole
 */
#include "server/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

void fds_fill_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

void fds_close_abortive(int fd)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	/* at worst it is an orderly close */
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

void fds_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void fds_poke(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one)); /* else it is readable already */
}

static void close_gap(int from, unsigned to)
{
	if ((unsigned)from <= to)
		(void)close_range((unsigned)from, to, 0); /* cannot fail */
}

void fds_close_others(const uint8_t *is_kept, int n)
{
	int from = 0;

	for (int fd = 0; fd < n; fd++) {
		if (!is_kept[fd])
			continue;
		if (fd > from)
			close_gap(from, (unsigned)fd - 1);
		from = fd + 1;
	}
	close_gap(from, UINT_MAX);
}

void fds_find_open(uint8_t *is_open, int n)
{
	for (int fd = 0; fd < n; fd++)
		is_open[fd] = fcntl(fd, F_GETFD) >= 0;
}

int fds_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > INT_MAX)
		return INT_MAX;
	return (int)limit.rlim_cur;
}

int fds_grow(int n)
{
	struct rlimit limit;
	int fd;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = (rlim_t)n < limit.rlim_max ? (rlim_t)n :
						      limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, (int)limit.rlim_cur - 1);
	if (fd < 0)
		return -errno;
	close(fd);
	return (int)limit.rlim_cur;
}
