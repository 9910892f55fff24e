/* SPDX-License-Identifier: ISC */
/*
 * floor.c - the least that a pre-fork echo server can cost
 *
 *     floor WORKERS
 *
 * Workers share one listener and have an epoll loop each: one accept a
 * wake-up, one recv, one send at once. No ledger, no keeper, no limits, no
 * recovery, and a peer that does not read stalls its worker: what guichetd
 * costs above this is what its promises cost. Prints the port that it was
 * given; ends when it is killed.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS_MAX 64

static int must(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static void watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	(void)must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

static void take(int epoll, int listener)
{
	int on = 1, fd = accept(listener, NULL, NULL);

	if (fd < 0)
		return; /* another worker was faster */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	watch(epoll, fd, EPOLLIN);
}

static void echo(int fd)
{
	static char bytes[128 << 10];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

	if (n <= 0 || send(fd, bytes, (size_t)n, MSG_NOSIGNAL) < n)
		(void)close(fd);
}

static _Noreturn void serve(int listener)
{
	struct epoll_event events[EVENTS_MAX];
	int epoll = must(epoll_create1(0), "epoll_create1");

	watch(epoll, listener, EPOLLIN | EPOLLEXCLUSIVE);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS_MAX, -1);

		for (int i = 0; i < n; i++)
			if (events[i].data.fd == listener)
				take(epoll, listener);
			else
				echo(events[i].data.fd);
	}
}

/* On loopback, at a port that the kernel chooses. */
static int listen_somewhere(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd =
		must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");

	(void)must(bind(fd, (void *)&at, len), "bind");
	(void)must(listen(fd, SOMAXCONN), "listen");
	(void)must(getsockname(fd, (void *)&at, &len), "getsockname");
	(void)printf("%u\n", ntohs(at.sin_port));
	(void)fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	int listener = listen_somewhere();

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = argc > 1 ? atoi(argv[1]) : 1; i > 0; i--)
		if (!must(fork(), "fork")) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(listener);
		}
	while (wait(NULL) > 0)
		continue;
	return 0;
}
