/* SPDX-License-Identifier: ISC */
/*
 * crash.c - dies at the crash point that a test has armed
 *
 * GUICHETD_CRASH names a file that is mapped before anything is forked. It
 * holds lines of 64 bytes, "POINT HOW", HOW being kill (SIGKILL) or exit
 * (_exit without clean-up). The first process that comes to an armed point
 * takes the line out ("#" in its first place) and dies there. So a test arms
 * by writing, and sees by reading whether the point was reached. With HOW
 * always, every process that comes there aborts, until a test disarms it.
 */
#include "server/crash.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINE_BYTES 64
#define N_LINES    8

static const char *const names[CRASH_POINTS_N] = {
#define P(tail, name, on) name,
	CRASH_POINTS(P)
#undef P
};

static _Atomic char (*lines)[LINE_BYTES];

__attribute__((constructor)) static void map_lines(void)
{
	const char *path = getenv("GUICHETD_CRASH");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, sizeof(*lines) * N_LINES, PROT_READ | PROT_WRITE,
		  MAP_SHARED, fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		lines = at;
}

static bool is_armed(unsigned line, const char *name, const char *how)
{
	char want[LINE_BYTES], have[LINE_BYTES];
	size_t n = strlen(name);

	memcpy(want, name, n);
	want[n++] = ' ';
	memcpy(want + n, how, strlen(how));
	n += strlen(how);
	for (size_t i = 0; i < n; i++)
		have[i] = lines[line][i];
	return memcmp(want, have, n) == 0;
}

static bool takes(unsigned line, const char *name, const char *how)
{
	char first = name[0];

	return is_armed(line, name, how) &&
	       atomic_compare_exchange_strong(&lines[line][0], &first, '#');
}

void crash_reached(enum crash_point point)
{
	const char *name = names[point];

	for (unsigned i = 0; lines && i < N_LINES; i++) {
		if (lines[i][0] != name[0])
			continue;
		if (takes(i, name, "kill"))
			(void)raise(SIGKILL);
		if (takes(i, name, "exit"))
			_exit(1);
		if (is_armed(i, name, "always"))
			abort();
	}
}
