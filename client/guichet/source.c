/* SPDX-License-Identifier: ISC */
/*
 * source.c - the sockets of a load, as many as are asked for
 */
#include "client/guichet/source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "client/guichet/dial.h"
#include "common/base.h"

/*
 * Half of the 28,232 ports that Linux gives out by default: connect(2) looks
 * for a free one among the even ones first, and is quick while there are some.
 */
#define DIALS_PER_SOURCE 14000

/*
 * At 30,000 dials a second the first one's turn comes again after 90 s, when
 * its ports have rested.
 */
#define SOURCES_MAX 200

bool source_open(struct source *source, const struct bench_plan *plan,
		 uint64_t wait_ns, uint64_t *n_connects)
{
	struct addr_list list;
	int fd;

	if (!dial_resolve(&plan->addr, &plan->dial, &list))
		return false;
	source->peer = list.socket[0];
	if (list.n > 1) {
		fd = dial_connect(&plan->addr, &plan->dial, wait_ns,
				  &source->peer);
		if (fd < 0)
			return false;
		(void)close(fd); /* it has carried nothing */
		++*n_connects;
	}
	source->wait_ns = wait_ns;
	source->n_dialled = 0;
	source->is_loopback = source->peer.u.any.sa_family == AF_INET &&
			      ntohl(source->peer.u.in.sin_addr.s_addr) >> 24 ==
				      IN_LOOPBACKNET;
	return true;
}

/* The first address is left to the kernel. */
static int choose_source(struct source *source, int fd)
{
	uint32_t which = (uint32_t)(source->n_dialled++ / DIALS_PER_SOURCE %
				    SOURCES_MAX);
	struct sockaddr_in local = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + which),
	};
	int on = 1;

	if (!which || !source->is_loopback)
		return 0;
	/* the port is chosen by connect(2), which knows the whole pair */
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
			 sizeof(on));
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0)
		return -errno;
	return 0;
}

/*
 * A unix socket whose queue is full refuses one that does not wait; so it
 * waits, up to SO_SNDTIMEO.
 */
static void wait_in_queue(int fd, uint64_t wait_ns)
{
	struct timeval tv = {
		.tv_sec = (time_t)(wait_ns / NS_PER_S),
		.tv_usec = (suseconds_t)(wait_ns % NS_PER_S / NS_PER_US),
	};
	int flags = fcntl(fd, F_GETFL);

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK); /* cannot fail */
}

int source_dial(struct source *source, bool *is_connected)
{
	const struct addr_socket *peer = &source->peer;
	int fd = dial_socket(peer);
	int err;

	if (fd < 0)
		return fd;
	if (peer->transport == TRANSPORT_UNIX)
		wait_in_queue(fd, source->wait_ns);
	err = choose_source(source, fd);
	if (!err && connect(fd, &peer->u.any, peer->len) < 0)
		err = errno == EAGAIN && peer->transport == TRANSPORT_UNIX ?
			      -ETIMEDOUT :
			      -errno;
	*is_connected = !err;
	if (!err || err == -EINPROGRESS)
		return fd;
	(void)close(fd); /* it has carried nothing */
	return err;
}
