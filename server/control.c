/* SPDX-License-Identifier: ISC */
/*
 * control.c - what a master and a keeper say to each other
 */
#include "server/control.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

void control_report(int fd, enum report_type type, int status)
{
	const struct control_report report = { type, status };

	/* the master is gone, or far behind: either way it cannot be told */
	(void)send(fd, &report, sizeof(report), MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool control_send_order(int fd, uint32_t order, uint64_t deadline_mono_ns)
{
	const struct control_order message = {
		.order = order,
		.deadline_mono_ns = deadline_mono_ns,
	};

	return send(fd, &message, sizeof(message),
		    MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(message);
}

/* A message of another size is none; it is passed over. */
static int read_message(int fd, void *message, size_t bytes)
{
	ssize_t n = recv(fd, message, bytes, MSG_DONTWAIT | MSG_TRUNC);

	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return -1;
	return n == (ssize_t)bytes;
}

int control_read_report(int fd, struct control_report *report)
{
	int got = read_message(fd, report, sizeof(*report));

	return got > 0 ? report->type < REPORT_TYPES : got;
}

int control_read_order(int fd, struct control_order *order)
{
	return read_message(fd, order, sizeof(*order));
}
