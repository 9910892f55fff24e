/* SPDX-License-Identifier: ISC */
/*
 * outwait.c - opens connections and lets the server be the first to end them
 *
 *     outwait ADDRESS N
 *
 * Says nothing on them. Prints how many the server ended in order; the others,
 * by a reset, make it fail. Who ends a TCP connection first keeps it in
 * TIME_WAIT: the server does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/tools/peer.h"

int main(int argc, char **argv)
{
	struct addr_socket peer;
	int n, n_ended = 0, *fd;
	char byte;

	if (argc != 3)
		return EXIT_USAGE;
	peer_parse(argv[1], &peer);
	n = atoi(argv[2]);
	fd = calloc((size_t)n, sizeof(*fd));
	if (!fd)
		peer_fail("calloc");
	for (int i = 0; i < n; i++) {
		fd[i] = peer_socket(&peer);
		if (connect(fd[i], &peer.u.any, peer.len) < 0)
			peer_fail(argv[1]);
	}
	for (int i = 0; i < n; i++) {
		n_ended += read(fd[i], &byte, 1) == 0;
		(void)close(fd[i]);
	}
	free(fd);
	printf("%d\n", n_ended);
	return n_ended == n ? EXIT_DONE : EXIT_FAILED;
}
