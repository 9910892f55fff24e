/* SPDX-License-Identifier: ISC */
/*
 * bag.c - what a process takes along when it becomes another program
 */
#include "server/bag.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int bag_open(struct bag *bag)
{
	*bag = (struct bag){ .fd = memfd_create("guichet-bag", MFD_CLOEXEC) };
	return bag->fd < 0 ? -errno : 0;
}

void bag_unpack(struct bag *bag, int fd)
{
	*bag = (struct bag){ .fd = fd };
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* fails when it is none: */
	if (lseek(fd, 0, SEEK_SET) < 0)
		bag->err = -errno;
}

void bag_put(struct bag *bag, const void *data, size_t bytes)
{
	if (!bag->err && write(bag->fd, data, bytes) != (ssize_t)bytes)
		bag->err = -EIO;
}

static int set_cloexec(int fd, int flags)
{
	return fcntl(fd, F_SETFD, flags) < 0 ? -errno : 0;
}

void bag_keep_fd(struct bag *bag, int fd)
{
	int *more;

	if (bag->err || fd < 0)
		return;
	more = reallocarray(bag->fds, bag->n_fds + 1, sizeof(*more));
	if (!more) {
		bag->err = -ENOMEM;
		return;
	}
	bag->fds = more;
	bag->fds[bag->n_fds++] = fd;
}

void bag_put_fd(struct bag *bag, int fd)
{
	bag_put(bag, &fd, sizeof(fd));
	bag_keep_fd(bag, fd);
}

void bag_get(struct bag *bag, void *data, size_t bytes)
{
	if (!bag->err && read(bag->fd, data, bytes) == (ssize_t)bytes)
		return;
	if (!bag->err)
		bag->err = -EBADMSG;
	memset(data, 0, bytes);
}

int bag_get_fd(struct bag *bag)
{
	int fd;

	bag_get(bag, &fd, sizeof(fd));
	if (bag->err || fd < 0)
		return -1;
	if (set_cloexec(fd, FD_CLOEXEC) < 0)
		bag->err = -EBADF;
	return bag->err ? -1 : fd;
}

static int keep_all(struct bag *bag, int flags)
{
	int err = set_cloexec(bag->fd, flags);

	for (size_t i = 0; !err && i < bag->n_fds; i++)
		err = set_cloexec(bag->fds[i], flags);
	return err;
}

int bag_exec(struct bag *bag, int program_fd, char *const argv[])
{
	int err = bag->err ? bag->err : keep_all(bag, 0);

	if (!err) {
		(void)fexecve(program_fd, argv, environ);
		err = -errno;
	}
	(void)keep_all(bag, FD_CLOEXEC); /* as far as it had come */
	return err;
}

void bag_close(struct bag *bag)
{
	close(bag->fd);
	free(bag->fds);
	*bag = (struct bag){ .fd = -1 };
}
