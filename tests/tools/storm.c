/* SPDX-License-Identifier: ISC */
/*
 * storm.c - kills a random worker of a server, again and again
 *
 *     storm LEDGER LEAST-MS MOST-MS
 *
 * With SIGKILL, and a random time from one to the next. Who the workers are
 * stands in the ledger. Goes on until it is killed itself, or the ledger's
 * server has stopped.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ledger.h"
#include "tests/tools/peer.h"

static void read_at(int fd, void *to, size_t bytes, uint64_t offset)
{
	if (pread(fd, to, bytes, (off_t)offset) != (ssize_t)bytes)
		peer_fail("ledger");
}

static size_t find_workers(int fd, const struct ledger_header *header,
			   pid_t *pid)
{
	struct ledger_head head;
	size_t n = 0;

	for (uint32_t s = 0; s < header->n_slots; s++) {
		read_at(fd, &head, sizeof(head),
			header->parts_offset + s * header->part_bytes);
		if (ledger_get(head.pid) > 1)
			pid[n++] = ledger_get(head.pid);
	}
	return n;
}

static void sleep_between(unsigned least_ms, unsigned most_ms)
{
	unsigned spread_ms = most_ms - least_ms + 1;
	unsigned ms = least_ms + (unsigned)rand() % spread_ms;
	const struct timespec time = { .tv_nsec = (long)(ms * NS_PER_MS) };

	(void)nanosleep(&time, NULL); /* no signal is caught */
}

int main(int argc, char **argv)
{
	struct ledger_header header;
	pid_t pid[LEDGER_MAX_SLOTS];
	int fd;

	if (argc != 4)
		return EXIT_USAGE;
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		peer_fail(argv[1]);
	srand((unsigned)clock_mono_ns());
	do {
		size_t n;

		read_at(fd, &header, sizeof(header), 0);
		n = find_workers(fd, &header, pid);
		if (n)
			(void)kill(pid[(unsigned)rand() % n], SIGKILL);
		sleep_between((unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]));
	} while (ledger_get(header.state) != LEDGER_STOPPED);
	return EXIT_DONE;
}
