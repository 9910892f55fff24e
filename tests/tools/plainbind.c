/* SPDX-License-Identifier: ISC */
/*
 * plainbind.c - binds and listens as a program does that asks for nothing
 *
 *     plainbind ADDRESS [hold]
 *
 * No SO_REUSEADDR. Prints the port, or the name of the error and exits 1. With
 * hold it keeps the port until it is killed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/peer.h"

int main(int argc, char **argv)
{
	struct addr_socket own, bound;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd;

	if (argc < 2 || argc > 3)
		return EXIT_USAGE;
	peer_parse(argv[1], &own);
	fd = peer_socket(&own);
	if (bind(fd, &own.u.any, own.len) < 0 ||
	    (own.transport != TRANSPORT_UDP && listen(fd, 5) < 0)) {
		puts(strerrorname_np(errno));
		return EXIT_FAILED;
	}
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		peer_fail("getsockname");
	addr_from_sockaddr(own.transport, (struct sockaddr *)&ss, len, &bound);
	printf("%u\n", addr_port(&bound));
	(void)fflush(stdout);
	if (argc > 2)
		(void)pause(); /* a signal ends us, or nothing */
	return EXIT_DONE;
}
