/* SPDX-License-Identifier: ISC */
/*
 * kernel.c - what only the kernel knows of the listening sockets
 *
 * Asked over sock_diag(7), as ss(8) does. A listening socket is found by its
 * inode, which the ledger tells; a TCP listener without one is matched by
 * address. In another network namespace neither is found, and the values
 * stay absent, as they do of retired listeners, whose socket (by its inode)
 * may be another listener's now. Sockets in TIME_WAIT belong to no process any more: they are
 * counted for the listener whose address they have, the most exact one.
 */
#include "client/stat/kernel.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/addr.h"

/* A dump's answers come in pieces of at most this. */
#define ANSWER_BYTES (32U << 10)

/* One look at all sockets of a kind; @found is told of each. */
struct question {
	const struct snapshot *snapshot;
	struct kernel_socket *sockets;
	void (*found)(const struct question *question,
		      struct nlmsghdr *message);
};

/* The payload of the attribute @type of at least @bytes; or NULL. */
static const void *attribute_find(struct nlmsghdr *message, size_t header_bytes,
				  unsigned short type, size_t bytes)
{
	const size_t skip = NLMSG_SPACE(header_bytes);
	const char *at = (const char *)message + skip;
	size_t left = message->nlmsg_len > skip ? message->nlmsg_len - skip : 0;
	struct rtattr head;

	while (left >= sizeof(head)) {
		memcpy(&head, at, sizeof(head));
		if (head.rta_len < sizeof(head) || head.rta_len > left)
			return NULL;
		if (head.rta_type == type && head.rta_len >= RTA_LENGTH(bytes))
			return at + RTA_LENGTH(0);
		if (RTA_ALIGN(head.rta_len) >= left)
			return NULL;
		left -= RTA_ALIGN(head.rta_len);
		at += RTA_ALIGN(head.rta_len);
	}
	return NULL;
}

/* --- listening sockets ---------------------------------------------------- */

static bool address_text_is(const struct ledger_listener *listener,
			    const struct inet_diag_msg *diag)
{
	struct addr_socket socket = { .transport = TRANSPORT_TCP };
	char text[ADDR_TEXT_BYTES];

	socket.u.any.sa_family = diag->idiag_family;
	if (diag->idiag_family == AF_INET) {
		socket.u.in.sin_port = diag->id.idiag_sport;
		memcpy(&socket.u.in.sin_addr, diag->id.idiag_src, 4);
	} else {
		socket.u.in6.sin6_port = diag->id.idiag_sport;
		memcpy(&socket.u.in6.sin6_addr, diag->id.idiag_src, 16);
	}
	return !strcmp(listener->address, addr_format(&socket, text));
}

/* Of a listener whose inode the ledger does not tell, the address decides. */
static bool listener_is_inet(const struct ledger_listener *listener,
			     const struct inet_diag_msg *diag)
{
	if (listener->transport != TRANSPORT_TCP)
		return false;
	if (listener->inode)
		return listener->inode == diag->idiag_inode;
	return address_text_is(listener, diag);
}

static void found_inet(const struct question *question,
		       struct nlmsghdr *message)
{
	const struct inet_diag_msg *diag = NLMSG_DATA(message);
	const struct snapshot *snapshot = question->snapshot;
	struct kernel_socket *socket;
	const uint8_t *v6_only;
	size_t l;

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*diag)))
		return;
	for (l = LEDGER_FORMER + 1; l < snapshot->header.n_listeners; l++) {
		if (!snapshot_is_listening(snapshot, l) ||
		    !listener_is_inet(&snapshot->listeners[l], diag))
			continue;
		socket = &question->sockets[l];
		socket->has_queue = true;
		socket->queue = diag->idiag_rqueue;
		socket->queue_limit = diag->idiag_wqueue;
		socket->family = diag->idiag_family;
		socket->port = diag->id.idiag_sport;
		memcpy(socket->ip, diag->id.idiag_src, sizeof(socket->ip));
		v6_only = attribute_find(message, sizeof(*diag),
					 INET_DIAG_SKV6ONLY, 1);
		socket->is_v6_only = v6_only && *v6_only;
	}
}

static void found_unix(const struct question *question,
		       struct nlmsghdr *message)
{
	const struct unix_diag_msg *diag = NLMSG_DATA(message);
	const struct snapshot *snapshot = question->snapshot;
	struct unix_diag_rqlen length;
	const void *value;
	size_t l;

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*diag)))
		return;
	value = attribute_find(message, sizeof(*diag), UNIX_DIAG_RQLEN,
			       sizeof(length));
	if (!value)
		return;
	memcpy(&length, value, sizeof(length));
	for (l = LEDGER_FORMER + 1; l < snapshot->header.n_listeners; l++) {
		if (!snapshot_is_listening(snapshot, l) ||
		    snapshot->listeners[l].transport != TRANSPORT_UNIX ||
		    snapshot->listeners[l].inode != diag->udiag_ino)
			continue;
		question->sockets[l].has_queue = true;
		question->sockets[l].queue = length.udiag_rqueue;
		question->sockets[l].queue_limit = length.udiag_wqueue;
	}
}

/* --- sockets in TIME_WAIT ------------------------------------------------- */

/* An IPv4 address, mapped into IPv6 or not, in *@ip; or false. */
static bool ipv4_of(uint8_t family, const uint32_t *from, uint32_t *ip)
{
	const bool is_mapped = family == AF_INET6 && !from[0] && !from[1] &&
			       from[2] == htonl(0xffff);

	*ip = is_mapped ? from[3] : from[0];
	return is_mapped || family == AF_INET;
}

static bool ip_is_any(const struct kernel_socket *socket)
{
	const uint32_t *ip = socket->ip;

	return !ip[0] &&
	       (socket->family == AF_INET || (!ip[1] && !ip[2] && !ip[3]));
}

enum nearness {
	NOT_ITS,
	BOTH_FAMILIES, /* IPv4 at a listener on [::] */
	ITS_FAMILY,    /* at a listener on every address */
	ITS_ADDRESS,
};

/* How well an ended connection at @diag fits the listener at @socket. */
static enum nearness nearness_of(const struct kernel_socket *socket,
				 const struct inet_diag_msg *diag)
{
	uint32_t ours = 0, theirs = 0;
	bool is_4_ours, is_4_theirs;

	if (!socket->family || socket->port != diag->id.idiag_sport)
		return NOT_ITS;
	is_4_ours = ipv4_of(socket->family, socket->ip, &ours);
	is_4_theirs = ipv4_of(diag->idiag_family, diag->id.idiag_src, &theirs);
	if (ip_is_any(socket)) {
		if (is_4_ours == is_4_theirs)
			return ITS_FAMILY;
		return is_4_theirs && !socket->is_v6_only ? BOTH_FAMILIES :
							    NOT_ITS;
	}
	if (is_4_ours != is_4_theirs)
		return NOT_ITS;
	if (is_4_ours)
		return ours == theirs ? ITS_ADDRESS : NOT_ITS;
	return memcmp(socket->ip, diag->id.idiag_src, sizeof(socket->ip)) ?
		       NOT_ITS :
		       ITS_ADDRESS;
}

static void found_time_wait(const struct question *question,
			    struct nlmsghdr *message)
{
	const struct inet_diag_msg *diag = NLMSG_DATA(message);
	enum nearness nearness, best = NOT_ITS;
	struct kernel_socket *of = NULL;
	size_t l;

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*diag)))
		return;
	for (l = 0; l < question->snapshot->header.n_listeners; l++) {
		nearness = nearness_of(&question->sockets[l], diag);
		if (nearness > best) {
			best = nearness;
			of = &question->sockets[l];
		}
	}
	if (of)
		of->n_time_wait++;
}

/* --- asking --------------------------------------------------------------- */

/* Takes the messages of one answer; 0 while there is more to come. */
static int answer_take(const struct question *question,
		       struct nlmsghdr *message, ssize_t bytes)
{
	for (; NLMSG_OK(message, bytes); message = NLMSG_NEXT(message, bytes)) {
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR)
			return -EOPNOTSUPP;
		if (message->nlmsg_type == SOCK_DIAG_BY_FAMILY)
			question->found(question, message);
	}
	return 0;
}

/* Sends @request, which opens with its header, and takes all answers. */
static int dump(int fd, struct nlmsghdr *request,
		const struct question *question)
{
	static union {
		struct nlmsghdr first;
		char bytes[ANSWER_BYTES];
	} answer;
	ssize_t got;
	int done;

	request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (send(fd, request, request->nlmsg_len, 0) < 0)
		return -errno;
	do {
		got = recv(fd, &answer, sizeof(answer), 0);
		if (got < 0 && errno == EINTR) {
			done = 0;
			continue;
		}
		if (got < 0)
			return -errno;
		done = answer_take(question, &answer.first, got);
	} while (!done);
	return done < 0 ? done : 0;
}

static int dump_tcp(int fd, uint8_t family, uint32_t states,
		    const struct question *question)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 diag;
	} request = {
		.header.nlmsg_len = sizeof(request),
		.diag = {
			.sdiag_family = family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = states,
		},
	};

	return dump(fd, &request.header, question);
}

static int dump_unix(int fd, const struct question *question)
{
	struct {
		struct nlmsghdr header;
		struct unix_diag_req diag;
	} request = {
		.header.nlmsg_len = sizeof(request),
		.diag = {
			.sdiag_family = AF_UNIX,
			.udiag_states = 1U << TCP_LISTEN,
			.udiag_show = UDIAG_SHOW_RQLEN,
		},
	};

	return dump(fd, &request.header, question);
}

static bool has_transport(const struct snapshot *snapshot,
			  enum transport transport)
{
	size_t l;

	for (l = LEDGER_FORMER + 1; l < snapshot->header.n_listeners; l++) {
		if (snapshot_is_listening(snapshot, l) &&
		    snapshot->listeners[l].transport == transport)
			return true;
	}
	return false;
}

/* What cannot be asked (a kernel without IPv6, without unix_diag) is absent. */
static void ask_queues(int fd, struct question *question)
{
	if (has_transport(question->snapshot, TRANSPORT_TCP)) {
		question->found = found_inet;
		(void)dump_tcp(fd, AF_INET, 1U << TCP_LISTEN, question);
		(void)dump_tcp(fd, AF_INET6, 1U << TCP_LISTEN, question);
	}
	if (has_transport(question->snapshot, TRANSPORT_UNIX)) {
		question->found = found_unix;
		(void)dump_unix(fd, question);
	}
}

static void ask_time_wait(int fd, struct question *question)
{
	struct kernel_socket *socket;
	bool is_known;
	size_t l;

	if (!has_transport(question->snapshot, TRANSPORT_TCP))
		return;
	question->found = found_time_wait;
	is_known = !dump_tcp(fd, AF_INET, 1U << TCP_TIME_WAIT, question);
	/* A kernel without IPv6 has told all there is by now. */
	(void)dump_tcp(fd, AF_INET6, 1U << TCP_TIME_WAIT, question);
	for (l = 0; l < question->snapshot->header.n_listeners; l++) {
		socket = &question->sockets[l];
		socket->has_time_wait = is_known && socket->family;
	}
}

void kernel_ask(const struct snapshot *snapshot, unsigned wants,
		struct kernel_socket *sockets)
{
	/* The kernel answers at once; this is for one that never would. */
	const struct timeval limit = { .tv_sec = 1 };
	struct question question = {
		.snapshot = snapshot,
		.sockets = sockets,
	};
	int fd;

	memset(sockets, 0, snapshot->header.n_listeners * sizeof(*sockets));
	if (!wants)
		return;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	ask_queues(fd, &question);
	if (wants & KERNEL_TIME_WAIT)
		ask_time_wait(fd, &question);
	(void)close(fd);
}
