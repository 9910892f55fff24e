/* SPDX-License-Identifier: ISC */
/*
 * activate.c - gives a program sockets as systemd would: sd_listen_fds(3)
 *
 *     activate [NAME=]ADDRESS... -- COMMAND [ARGUMENT...]
 *
 * Opens a socket for each ADDRESS (those of streams listen), sets LISTEN_PID,
 * LISTEN_FDS and LISTEN_FDNAMES, and for the test's own use GIVEN, the real
 * addresses in the same order; then it becomes COMMAND.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/peer.h"

#define FIRST_FD 3

/* One word more, in a variable that lists them. */
static void list_add(const char *variable, char separator, const char *word)
{
	const char *list = getenv(variable);
	char text[4096];

	(void)snprintf(text, sizeof(text), "%s%.*s%s", list ? list : "",
		       list ? 1 : 0, &separator, word);
	if (setenv(variable, text, 1) < 0)
		peer_fail(variable);
}

static void set_number(const char *variable, int number)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", number);
	if (setenv(variable, text, 1) < 0)
		peer_fail(variable);
}

/* Opens it as descriptor @fd, which stays open over execve(2). */
static void open_as(int fd, const char *text, struct addr_socket *addr)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int any;

	peer_parse(text, addr);
	any = peer_socket(addr);
	/* any is fd when that is the lowest: it stays, but for the flag */
	if (dup3(any, fd + 1, 0) < 0 || dup2(fd + 1, fd) < 0 || close(fd + 1))
		peer_fail("dup");
	if (bind(fd, &addr->u.any, addr->len) < 0)
		peer_fail(text);
	if (addr->transport != TRANSPORT_UDP && listen(fd, 64) < 0)
		peer_fail("listen");
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		peer_fail("getsockname");
	addr_from_sockaddr(addr->transport, (struct sockaddr *)&ss, len, addr);
}

static void give(int fd, const char *text)
{
	const char *equals = strchr(text, '=');
	char name[64], real[ADDR_TEXT_BYTES];
	struct addr_socket addr;

	(void)snprintf(name, sizeof(name), "%.*s",
		       equals ? (int)(equals - text) : 0, text);
	open_as(fd, equals ? equals + 1 : text, &addr);
	list_add("LISTEN_FDNAMES", ':', name);
	list_add("GIVEN", ' ', addr_format(&addr, real));
}

int main(int argc, char **argv)
{
	int n = 0;

	(void)close_range(FIRST_FD, ~0U, 0);
	(void)unsetenv("LISTEN_FDNAMES");
	(void)unsetenv("GIVEN");
	while (n + 1 < argc && strcmp(argv[n + 1], "--") != 0) {
		give(FIRST_FD + n, argv[n + 1]);
		n++;
	}
	if (n + 2 >= argc)
		return EXIT_USAGE;
	set_number("LISTEN_PID", (int)getpid());
	set_number("LISTEN_FDS", n);
	(void)execvp(argv[n + 2], &argv[n + 2]);
	peer_fail(argv[n + 2]);
}
