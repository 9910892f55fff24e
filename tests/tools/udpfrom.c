/* SPDX-License-Identifier: ISC */
/*
 * udpfrom.c - asks by a datagram from a given address, and says who answered
 *
 *     udpfrom SOURCE DESTINATION MESSAGE [WAIT-MS]
 *
 * Both are udp:HOST:PORT; port 0 of the source is any. Prints "ADDRESS
 * ANSWER", or "-" when none came in WAIT-MS (2000).
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/peer.h"

int main(int argc, char **argv)
{
	struct addr_socket source, destination, from;
	char answer[65536], text[ADDR_TEXT_BYTES];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct pollfd in = { .events = POLLIN };
	ssize_t n;

	if (argc < 4 || argc > 5)
		return EXIT_USAGE;
	peer_parse(argv[1], &source);
	peer_parse(argv[2], &destination);
	in.fd = peer_socket(&source);
	if (bind(in.fd, &source.u.any, source.len) < 0)
		peer_fail(argv[1]);
	/* not connected: an answer from anywhere is taken */
	if (sendto(in.fd, argv[3], strlen(argv[3]), 0, &destination.u.any,
		   destination.len) < 0)
		peer_fail(argv[2]);
	if (poll(&in, 1, argc > 4 ? atoi(argv[4]) : 2000) <= 0) {
		puts("-");
		return EXIT_DONE;
	}
	n = recvfrom(in.fd, answer, sizeof(answer), 0, (struct sockaddr *)&ss,
		     &len);
	if (n < 0)
		peer_fail("recvfrom");
	addr_from_sockaddr(TRANSPORT_UDP, (struct sockaddr *)&ss, len, &from);
	printf("%s %.*s\n", addr_format_bare(&from, text), (int)n, answer);
	return EXIT_DONE;
}
