/* SPDX-License-Identifier: ISC */
/*
 * control.c - what a master and a keeper say to each other
 */
#include "server/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base.h"

int control_open(int *master_end, int *keeper_end)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	control_ask_sender(ends[0]);
	*master_end = ends[0];
	*keeper_end = ends[1];
	return 0;
}

void control_ask_sender(int fd)
{
	const int on = 1;

	/* if not, nobody is believed: that is said when it happens */
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

/* ---- sending ---- */

static int send_one(int fd, const struct control_message *message,
		    const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr header;
		uint8_t room[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)message, sizeof(*message) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int control_send(int fd, const struct control_message *message, const int *fds,
		 size_t n_fds)
{
	const struct control_message more = { .kind = CONTROL_DESCRIPTORS };
	int err = 0;

	for (; !err && n_fds > CONTROL_FDS_MAX; n_fds -= CONTROL_FDS_MAX) {
		err = send_one(fd, &more, fds, CONTROL_FDS_MAX);
		fds += CONTROL_FDS_MAX;
	}
	return err ? err : send_one(fd, message, fds, n_fds);
}

void control_say(int fd, enum control_kind kind, int32_t value, uint64_t number)
{
	const struct control_message message = { kind, value, number };

	/* the other is gone, or far behind: either way it cannot be told */
	(void)send_one(fd, &message, NULL, 0);
}

/* ---- receiving ---- */

static void take_fds(struct control_received *received,
		     const struct cmsghdr *header)
{
	size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	/* there is no room for more: see the control buffer */
	memcpy(received->fd, CMSG_DATA(header), n * sizeof(int));
	received->n_fds = n;
}

static void take_control(struct control_received *received, struct msghdr *msg)
{
	struct ucred sender;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(msg); header;
	     header = CMSG_NXTHDR(msg, header)) {
		if (header->cmsg_level != SOL_SOCKET)
			continue;
		if (header->cmsg_type == SCM_RIGHTS) {
			take_fds(received, header);
		} else if (header->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&sender, CMSG_DATA(header), sizeof(sender));
			received->sender = sender.pid;
		}
	}
}

/* The kernel puts the sender first; what then has no room never is ours. */
union control {
	struct cmsghdr header;
	uint8_t sender_only[CMSG_SPACE(sizeof(struct ucred))];
	uint8_t all[CMSG_SPACE(sizeof(struct ucred)) +
		    CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
};

/* A message of another size or kind is none; it is passed over. */
static int receive(int fd, struct control_received *received, size_t room)
{
	union control control;
	struct iovec iov = { &received->message, sizeof(received->message) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = room,
	};
	ssize_t n;

	received->n_fds = 0;
	received->sender = 0;
	n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return -1;
	if (n < 0)
		return 0;
	take_control(received, &msg);
	if (n == sizeof(received->message) && !(msg.msg_flags & MSG_TRUNC) &&
	    received->message.kind < CONTROL_KINDS)
		return 1;
	control_drop_fds(received);
	received->message.kind = CONTROL_KINDS;
	return 1;
}

int control_receive(int fd, struct control_received *received)
{
	return receive(fd, received, sizeof(union control));
}

int control_receive_report(int fd, struct control_received *received)
{
	return receive(fd, received,
		       sizeof(((union control *)NULL)->sender_only));
}

void control_drop_fds(struct control_received *received)
{
	for (size_t i = 0; i < received->n_fds; i++)
		close(received->fd[i]);
	received->n_fds = 0;
}
