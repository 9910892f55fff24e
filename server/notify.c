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

#include "common/log.h"
#include "common/units.h"

static struct sockaddr_un manager;
static socklen_t manager_len; /* 0: nobody listens */
static uint64_t watchdog_ns;

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

void notify_open(void)
{
	manager_len = 0;
	watchdog_ns = 0;
	read_socket();
	read_watchdog();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

bool notify_is_on(void)
{
	return manager_len > 0;
}

static int send_text(const char *text, size_t bytes)
{
	struct timeval limit = { .tv_sec = 1 };
	int err = 0;
	int fd;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* without the limit a stopped manager would stop us as well */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (sendto(fd, text, bytes, MSG_NOSIGNAL,
		   (const struct sockaddr *)&manager, manager_len) < 0)
		err = -errno;
	close(fd);
	return err;
}

int notify_send(const char *fmt, ...)
{
	char text[512];
	va_list args;
	int bytes;

	if (!notify_is_on())
		return 0;
	va_start(args, fmt);
	bytes = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (bytes < 0)
		return -EINVAL;
	return send_text(text, min_u64((uint64_t)bytes, sizeof(text) - 1));
}

uint64_t notify_watchdog_ns(void)
{
	return watchdog_ns;
}
