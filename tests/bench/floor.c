/* SPDX-License-Identifier: ISC */
/*
 * floor.c - the least that a pre-fork echo server can cost
 *
 *     floor PORT WORKERS
 *
 * Workers share one listener and have an epoll loop each: one accept a
 * wake-up, one recv, one send at once, and EPOLLOUT only after a short send.
 * No ledger, no keeper, no limits, no recovery: what guichetd costs above
 * this is what its promises cost. Prints the port; ends when it is killed.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define FDS_MAX    (1 << 20)
#define EVENTS_MAX 64

/* What the kernel did not take at once; while there is any, we do not read. */
static struct rest {
	char *bytes;
	size_t start;
	size_t end;
} rests[FDS_MAX];

static char scratch[128 << 10];
static int epoll_fd;

static int must(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static void watch(int op, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	(void)must(epoll_ctl(epoll_fd, op, fd, &event), "epoll_ctl");
}

static void drop(int fd)
{
	free(rests[fd].bytes);
	rests[fd].bytes = NULL;
	(void)close(fd);
}

static void keep_rest(int fd, const char *bytes, size_t n)
{
	rests[fd] = (struct rest){ .bytes = malloc(n), .end = n };
	if (!rests[fd].bytes)
		err(1, "malloc");
	memcpy(rests[fd].bytes, bytes, n);
	watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void echo(int fd)
{
	ssize_t n = recv(fd, scratch, sizeof(scratch), 0);
	ssize_t sent = n > 0 ? send(fd, scratch, (size_t)n, MSG_NOSIGNAL) : n;

	if (!n || (sent < 0 && errno != EAGAIN)) {
		drop(fd);
		return;
	}
	sent = sent < 0 ? 0 : sent;
	if (sent < n)
		keep_rest(fd, scratch + sent, (size_t)(n - sent));
}

static void send_rest(int fd)
{
	struct rest *rest = &rests[fd];
	ssize_t n = send(fd, rest->bytes + rest->start, rest->end - rest->start,
			 MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		drop(fd);
		return;
	}
	rest->start += n > 0 ? (size_t)n : 0;
	if (rest->start < rest->end)
		return;
	free(rest->bytes);
	rest->bytes = NULL;
	watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}

static void take(int listener)
{
	int on = 1;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0)
		return; /* another worker was faster */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	watch(EPOLL_CTL_ADD, fd, EPOLLIN);
}

static _Noreturn void serve(int listener)
{
	struct epoll_event events[EVENTS_MAX];

	epoll_fd = must(epoll_create1(0), "epoll_create1");
	watch(EPOLL_CTL_ADD, listener, EPOLLIN | EPOLLEXCLUSIVE);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == listener)
				take(fd);
			else if (rests[fd].bytes)
				send_rest(fd);
			else
				echo(fd);
		}
	}
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr *sa = (struct sockaddr *)&address;
	socklen_t len = sizeof(address);
	int on = 1;
	int fd =
		must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	(void)must(bind(fd, sa, len), "bind");
	(void)must(listen(fd, SOMAXCONN), "listen");
	(void)must(getsockname(fd, sa, &len), "getsockname");
	(void)printf("%u\n", ntohs(address.sin_port));
	(void)fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	struct rlimit limit = { 0 };
	int listener;

	if (argc != 3)
		errx(2, "usage: floor PORT WORKERS");
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max < FDS_MAX ? limit.rlim_max : FDS_MAX;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	listener = listen_on((uint16_t)strtoul(argv[1], NULL, 10));
	for (long i = strtol(argv[2], NULL, 10); i > 0; i--)
		if (!must(fork(), "fork")) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(listener);
		}
	while (wait(NULL) > 0)
		continue;
	return 0;
}
