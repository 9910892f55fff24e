/* SPDX-License-Identifier: ISC */
/*
 * notify.c - what the service manager is told: sd_notify(3), without libsystemd
 *
 * The protocol is one datagram of NAME=VALUE lines to the unix socket that
 * NOTIFY_SOCKET names: a path, or @NAME in the abstract name space.
 */
#include "server/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/units.h"

#define FD_NAME_MAX 255

static struct sockaddr_un manager;
static socklen_t manager_len; /* 0: nobody listens */
static uint64_t watchdog_ns;

/* What the environment said, for the program that we may become. */
static struct {
	const char *name;
	char *value; /* NULL: nothing */
} variables[] = {
	{ .name = "NOTIFY_SOCKET" },
	{ .name = "WATCHDOG_USEC" },
	{ .name = "WATCHDOG_PID" },
};

/* --- the environment ------------------------------------------------------- */

static int set_manager(const char *name)
{
	size_t bytes = strlen(name);

	if (name[0] != '/' && name[0] != '@')
		return -EAFNOSUPPORT;
	if (bytes < 2 || bytes >= sizeof(manager.sun_path))
		return -EINVAL;
	manager.sun_family = AF_UNIX;
	memcpy(manager.sun_path, name, bytes + 1);
	manager_len =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes);
	if (name[0] == '@')
		manager.sun_path[0] = 0; /* abstract names end by length */
	else
		manager_len++;
	return 0;
}

static void read_socket(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int err;

	if (!name || !*name)
		return;
	err = set_manager(name);
	if (err)
		log_warning("NOTIFY_SOCKET: %s: %s", name, strerror(-err));
}

/* WATCHDOG_PID says whom the limit is meant for, when it says anything. */
static void read_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t number;

	if (!usec)
		return;
	if (pid && (units_parse_number(pid, 1, INT32_MAX, &number) ||
		    (pid_t)number != getpid()))
		return;
	if (units_parse_number(usec, 1, UINT64_MAX / NS_PER_US, &number)) {
		log_warning("WATCHDOG_USEC: %s is no time", usec);
		return;
	}
	watchdog_ns = number * NS_PER_US;
}

static void take_out(void)
{
	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		const char *value = getenv(variables[i].name);

		free(variables[i].value);
		variables[i].value = value ? strdup(value) : NULL;
		if (value && !variables[i].value)
			log_warning("%s: %s", variables[i].name,
				    strerror(ENOMEM));
		(void)unsetenv(variables[i].name); /* a good name: it cannot */
	}
}

void notify_open(void)
{
	manager_len = 0;
	watchdog_ns = 0;
	read_socket();
	read_watchdog();
	take_out();
}

void notify_export(void)
{
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		if (variables[i].value &&
		    setenv(variables[i].name, variables[i].value, 1) < 0)
			log_warning("%s: %s", variables[i].name,
				    strerror(errno));
}

bool notify_is_on(void)
{
	return manager_len > 0;
}

/* --- messages -------------------------------------------------------------- */

/* A socket of its own each time: a message is rare, a descriptor is for good. */
static int send_message(const struct msghdr *message)
{
	struct timeval limit = { .tv_sec = 1 };
	int err = 0;
	int fd;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* without the limit a stopped manager would stop us as well */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (sendmsg(fd, message, MSG_NOSIGNAL) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* @passed goes along, unless it is < 0. */
static int send_text(char *text, size_t bytes, int passed)
{
	union {
		struct cmsghdr head; /* for its alignment */
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec line = { .iov_base = text, .iov_len = bytes };
	struct msghdr message = {
		.msg_name = &manager,
		.msg_namelen = manager_len,
		.msg_iov = &line,
		.msg_iovlen = 1,
	};

	if (passed >= 0) {
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &passed, sizeof(passed));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.room);
	}
	return send_message(&message);
}

static PRINTF_LIKE(2, 0) int send_format(int passed, const char *fmt,
					 va_list args)
{
	char text[512];
	int bytes;

	if (!notify_is_on())
		return 0;
	bytes = vsnprintf(text, sizeof(text), fmt, args);
	if (bytes < 0)
		return -EINVAL;
	return send_text(text, min_u64((uint64_t)bytes, sizeof(text) - 1),
			 passed);
}

int notify_send(const char *fmt, ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = send_format(-1, fmt, args);
	va_end(args);
	return err;
}

/* The same, and @fd with it. */
static PRINTF_LIKE(2, 3) int send_fd(int fd, const char *fmt, ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = send_format(fd, fmt, args);
	va_end(args);
	return err;
}

int notify_extend(uint64_t ns)
{
	return notify_send("EXTEND_TIMEOUT_USEC=%llu", ns / NS_PER_US);
}

int notify_reloading(void)
{
	return notify_send("RELOADING=1\nMONOTONIC_USEC=%llu",
			   clock_mono_ns() / NS_PER_US);
}

/* --- what the manager keeps ------------------------------------------------ */

/* What the manager takes for one; any other it would call "stored". */
static bool is_fd_name(const char *name)
{
	size_t bytes = strlen(name);

	if (!bytes || bytes > FD_NAME_MAX)
		return false;
	for (size_t i = 0; i < bytes; i++)
		if (name[i] < ' ' || name[i] > '~' || name[i] == ':')
			return false;
	return true;
}

int notify_store_fd(int fd, const char *name)
{
	if (fd < 0)
		return -EBADF;
	if (!is_fd_name(name))
		return -EINVAL;
	/* FDPOLL=0: one that has an error is still ours to look into */
	return send_fd(fd, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
}

int notify_remove_fd(const char *name)
{
	if (!is_fd_name(name))
		return -EINVAL;
	return notify_send("FDSTOREREMOVE=1\nFDNAME=%s", name);
}

/* --- the watchdog ---------------------------------------------------------- */

uint64_t notify_watchdog_ns(void)
{
	return watchdog_ns;
}
