/* SPDX-License-Identifier: ISC */
/*
 * urgent.c - sends plain, urgent and plain data again; prints what comes back
 *
 *     urgent ADDRESS BEFORE URGENT AFTER
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/peer.h"

static void say(int fd, const char *text, int flags)
{
	if (send(fd, text, strlen(text), flags) != (ssize_t)strlen(text))
		peer_fail("send");
}

int main(int argc, char **argv)
{
	struct addr_socket peer;
	char answer[4096];
	ssize_t n;
	int fd;

	if (argc != 5)
		return EXIT_USAGE;
	peer_parse(argv[1], &peer);
	fd = peer_socket(&peer);
	if (connect(fd, &peer.u.any, peer.len) < 0)
		peer_fail(argv[1]);
	say(fd, argv[2], 0);
	say(fd, argv[3], MSG_OOB);
	say(fd, argv[4], 0);
	if (shutdown(fd, SHUT_WR) < 0)
		peer_fail("shutdown");
	while ((n = recv(fd, answer, sizeof(answer), 0)) > 0)
		(void)fwrite(answer, 1, (size_t)n, stdout);
	if (n < 0)
		peer_fail("recv");
	return EXIT_DONE;
}
