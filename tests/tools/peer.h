/* SPDX-License-Identifier: ISC */
/*
 * peer.h - what the small peers of the tests have in common
 */
#ifndef GUICHET_TEST_PEER_H
#define GUICHET_TEST_PEER_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/addr.h"
#include "common/base.h"

static _Noreturn void peer_fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILED);
}

/* The first address that @text stands for. */
static inline void peer_parse(const char *text, struct addr_socket *socket)
{
	struct addr_list list;
	struct addr addr;
	const char *why;

	if (addr_parse(text, true, &addr, &why) < 0 ||
	    addr_resolve(&addr, AF_UNSPEC, false, &list) != 0 || !list.n) {
		fprintf(stderr, "%s: no address\n", text);
		exit(EXIT_USAGE);
	}
	*socket = list.socket[0];
}

/* A socket of the kind that @socket wants. */
static inline int peer_socket(const struct addr_socket *peer)
{
	int type = peer->transport == TRANSPORT_UDP ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(peer->u.any.sa_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		peer_fail("socket");
	return fd;
}

#endif
