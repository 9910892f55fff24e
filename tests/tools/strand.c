/* SPDX-License-Identifier: ISC */
/*
 * strand.c - connects, and stops the worker that this wakes before it accepts
 *
 *     strand ADDRESS WORKER-PID MESSAGE
 *
 * We share one processor with that worker and go before it: it is woken by our
 * connection, but when it comes to run it finds that it was stopped. Prints
 * after how many ms another one has answered, or "-" if none did in 3 s; it is
 * for the caller to see whether the worker was quicker and has the connection.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/tools/peer.h"

static void go_before(pid_t pid)
{
	const struct sched_param none = { 0 }, least = { .sched_priority = 1 };
	cpu_set_t own, one;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(own), &own) < 0)
		peer_fail("sched_getaffinity");
	while (!CPU_ISSET(cpu, &own))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0 ||
	    sched_setaffinity(pid, sizeof(one), &one) < 0 ||
	    sched_setscheduler(pid, SCHED_IDLE, &none) < 0)
		peer_fail("sched_setaffinity");
	/* better still, where we may; a session's share is fair otherwise */
	(void)sched_setscheduler(0, SCHED_FIFO, &least);
}

int main(int argc, char **argv)
{
	const struct timeval patience = { .tv_sec = 3 };
	struct addr_socket peer;
	uint64_t began_ns;
	char answer[64];
	ssize_t n;
	pid_t pid;
	int fd;

	if (argc != 4)
		return EXIT_USAGE;
	peer_parse(argv[1], &peer);
	pid = atoi(argv[2]);
	go_before(pid);
	fd = peer_socket(&peer);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) < 0)
		peer_fail("SO_RCVTIMEO");
	began_ns = clock_mono_ns();
	if (connect(fd, &peer.u.any, peer.len) < 0)
		peer_fail(argv[1]);
	if (pid <= 1 || kill(pid, SIGSTOP) < 0)
		peer_fail(argv[2]);
	if (send(fd, argv[3], strlen(argv[3]), 0) < 0)
		peer_fail("send");
	n = recv(fd, answer, sizeof(answer), 0);
	if (n < 0 && errno == EAGAIN) {
		puts("-");
		return EXIT_DONE;
	}
	if (n != (ssize_t)strlen(argv[3])) {
		fprintf(stderr, "answered by %zd bytes\n", n);
		return EXIT_FAILED;
	}
	printf("%u\n", (unsigned)((clock_mono_ns() - began_ns) / NS_PER_MS));
	return EXIT_DONE;
}
