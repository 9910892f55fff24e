/* SPDX-License-Identifier: ISC */
/*
 * bag.c - what a process takes along when it becomes another program
 */
#include "server/bag.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base.h"
#include "common/log.h"
#include "common/units.h"

/* Names the memfd's descriptor, over an execve. */
#define VARIABLE "GUICHETD_BAG"

/* Names the MAGIC of who tries us. */
#define TRIAL_VARIABLE "GUICHETD_TRIED_BY"

/* "bag", and the version of what is packed in it, by anybody. */
#define MAGIC 0x62616703U

struct mark {
	uint32_t magic;
	uint32_t kind; /* enum bag_kind */
};

void bag_announce(void)
{
	char number[12];

	(void)snprintf(number, sizeof(number), "%u", MAGIC);
	(void)setenv(TRIAL_VARIABLE, number, 1);
}

bool bag_understands(void)
{
	const char *number = getenv(TRIAL_VARIABLE);
	uint64_t magic;

	if (!number)
		return true;
	if (units_parse_number(number, 0, UINT32_MAX, &magic) || magic != MAGIC)
		return false;
	(void)dprintf(STDERR_FILENO, BAG_UNDERSTOOD "\n"); /* or it fails */
	return true;
}

int bag_open(struct bag *bag)
{
	*bag = (struct bag){ .fd = memfd_create("guichet-bag", MFD_CLOEXEC) };
	return bag->fd < 0 ? -errno : 0;
}

void bag_unpack(struct bag *bag, int fd)
{
	/* what stayed open was meant for us, not for programs that we start */
	(void)close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC);
	*bag = (struct bag){ .fd = fd };
	if (lseek(fd, 0, SEEK_SET) < 0)
		bag->err = -errno;
}

void bag_mark(struct bag *bag, enum bag_kind kind)
{
	const struct mark mark = { MAGIC, kind };

	bag_put(bag, &mark, sizeof(mark));
}

enum bag_kind bag_inherit(struct bag *bag)
{
	const char *name = getenv(VARIABLE);
	uint64_t fd;
	struct mark mark;

	if (!name)
		return BAG_NONE;
	if (units_parse_number(name, 3, INT_MAX, &fd))
		die(EXIT_USAGE, VARIABLE ": is for guichetd's own use");
	(void)unsetenv(VARIABLE);
	bag_unpack(bag, (int)fd);
	bag_get(bag, &mark, sizeof(mark));
	if (bag->err || mark.magic != MAGIC || mark.kind == BAG_NONE ||
	    mark.kind >= BAG_KINDS)
		die(EXIT_USAGE, VARIABLE ": is for guichetd's own use");
	return mark.kind;
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
	if (fcntl(fd, F_GETFD) < 0)
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
	char number[12];

	(void)snprintf(number, sizeof(number), "%d", bag->fd);
	if (!err && setenv(VARIABLE, number, 1) < 0)
		err = -errno;
	if (!err) {
		(void)fexecve(program_fd, argv, environ);
		err = -errno;
	}
	(void)unsetenv(VARIABLE);
	(void)keep_all(bag, FD_CLOEXEC); /* as far as it had come */
	return err;
}

void bag_close(struct bag *bag)
{
	close(bag->fd);
	free(bag->fds);
	*bag = (struct bag){ .fd = -1 };
}
