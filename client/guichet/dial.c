/* SPDX-License-Identifier: ISC */
/*
 * dial.c - from an address as typed to a connected socket
 */
#include "client/guichet/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/units.h"

/* How long to leave a unix socket alone whose queue is full. */
#define QUEUE_REST_NS (2 * NS_PER_MS)

const char *dial_parse_duration(const char *value, uint64_t *ns)
{
	if (units_parse_duration(value, false, ns) || !*ns)
		return "no duration above zero, such as 250ms, 10s or 5m";
	return NULL;
}

const char *dial_set_wait(void *into, const char *value)
{
	struct dial_options *options = into;

	return dial_parse_duration(value, &options->wait_ns);
}

const char *dial_set_ipv4(void *into, const char *value)
{
	struct dial_options *options = into;

	(void)value; /* a flag has none */
	options->family = AF_INET;
	return NULL;
}

const char *dial_set_ipv6(void *into, const char *value)
{
	struct dial_options *options = into;

	(void)value; /* a flag has none */
	options->family = AF_INET6;
	return NULL;
}

const char *dial_set_verbose(void *into, const char *value)
{
	struct dial_options *options = into;

	(void)value; /* a flag has none */
	options->is_verbose = true;
	return NULL;
}

/* HOST and PORT as one word; an IPv6 address gets the brackets it lacks. */
static void join_words(const char *host, const char *port, char *out,
		       size_t out_bytes)
{
	bool is_bare_ipv6 = strchr(host, ':') && host[0] != '[';

	(void)snprintf(out, out_bytes, "tcp:%s%s%s:%s", is_bare_ipv6 ? "[" : "",
		       host, is_bare_ipv6 ? "]" : "", port);
}

void dial_parse_address(const char *program, char **words, int n_words,
			struct addr *addr)
{
	const char *text = words[0], *why;
	char joined[512];

	if (n_words > 1) {
		join_words(words[0], words[1], joined, sizeof(joined));
		text = joined;
	}
	if (!addr_parse(text, true, addr, &why))
		return;
	(void)fprintf(stderr, "%s: %s: %s\n", program, text, why);
	exit(EXIT_USAGE);
}

_Noreturn void dial_refuse_operands(const struct options *options)
{
	(void)fprintf(stderr, "%s: wants %s; see %s --help\n", options->program,
		      options->synopsis, options->program);
	exit(EXIT_USAGE);
}

void dial_log(const struct addr *addr, int err)
{
	char text[ADDR_TYPED_BYTES];

	log_error("%s: %s", addr_format_typed(addr, text), strerror(-err));
}

bool dial_resolve(const struct addr *addr, const struct dial_options *options,
		  struct addr_list *list)
{
	char text[ADDR_TYPED_BYTES];
	int err = addr_resolve(addr, options->family, false, list);

	if (!err)
		return true;
	log_error("%s: %s", addr_format_typed(addr, text),
		  err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err));
	return false;
}

int dial_socket(const struct addr_socket *peer)
{
	int type = peer->transport == TRANSPORT_UDP ? SOCK_DGRAM : SOCK_STREAM;
	int on = 1;
	int fd = socket(peer->u.any.sa_family,
			type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (peer->transport == TRANSPORT_TCP)
		/* only makes it slower where it cannot be set */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* Waits for a connection under way: 0 or -errno. */
static int wait_connected(int fd, uint64_t deadline_ns)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err, n;

	do {
		uint64_t now = clock_mono_ns();
		uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
		struct timespec ts = { .tv_sec = (time_t)(left / NS_PER_S),
				       .tv_nsec = (long)(left % NS_PER_S) };

		n = ppoll(&pollfd, 1, &ts, NULL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (!n)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

static void rest(uint64_t ns)
{
	struct timespec ts = { .tv_nsec = (long)ns };

	(void)nanosleep(&ts, NULL); /* shorter when a signal came: fine */
}

static int connect_until(int fd, const struct addr_socket *peer,
			 uint64_t deadline_ns)
{
	while (connect(fd, &peer->u.any, peer->len) < 0) {
		if (errno == EINPROGRESS || errno == EINTR)
			return wait_connected(fd, deadline_ns);
		if (errno != EAGAIN)
			return -errno;
		/* a unix socket whose queue is full says so at once */
		if (clock_mono_ns() >= deadline_ns)
			return -ETIMEDOUT;
		rest(QUEUE_REST_NS);
	}
	return 0;
}

int dial_connect_one(const struct addr_socket *peer, uint64_t wait_ns)
{
	int fd = dial_socket(peer);
	int err;

	if (fd < 0)
		return fd;
	err = connect_until(fd, peer, clock_mono_ns() + wait_ns);
	if (err) {
		(void)close(fd); /* nothing was sent on it */
		return err;
	}
	return fd;
}

int dial_connect(const struct addr *addr, const struct dial_options *options,
		 uint64_t wait_ns, struct addr_socket *peer)
{
	struct addr_list list;
	int fd = -EADDRNOTAVAIL;

	if (!dial_resolve(addr, options, &list))
		return -EADDRNOTAVAIL;
	for (size_t i = 0; i < list.n; i++) {
		*peer = list.socket[i];
		fd = dial_connect_one(peer, wait_ns);
		if (fd >= 0)
			break;
	}
	if (fd < 0)
		dial_log(addr, fd);
	else if (options->is_verbose)
		dial_print(fd, peer);
	return fd;
}

const char *dial_format_local(int fd, enum transport transport, char *out)
{
	struct sockaddr_storage storage;
	struct sockaddr *sa = (struct sockaddr *)&storage;
	socklen_t len = sizeof(storage);
	struct addr_socket local;

	if (getsockname(fd, sa, &len) < 0)
		return "-";
	addr_from_sockaddr(transport, sa, len, &local);
	(void)addr_format_bare(&local, out);
	return out[0] ? out : "-";
}

void dial_print(int fd, const struct addr_socket *peer)
{
	char from[ADDR_TEXT_BYTES], to[ADDR_TEXT_BYTES];

	(void)fprintf(stderr, "%s -> %s\n",
		      dial_format_local(fd, peer->transport, from),
		      addr_format_bare(peer, to));
}
