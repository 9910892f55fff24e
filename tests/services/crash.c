/* SPDX-License-Identifier: ISC */
/*
 * crash.c - dies at the crash point that a test has armed
 *
 * GUICHETD_CRASH names a file that is mapped before anything is forked. It
 * holds lines of 64 bytes, "POINT HOW", HOW being kill (SIGKILL), exit
 * (_exit without clean-up) or stop (SIGSTOP). The first process that comes to an armed point
 * takes the line out ("#" in its first place) and dies there. So a test arms
 * by writing, and sees by reading whether the point was reached. With HOW
 * always, every process that comes there aborts, until a test disarms it.
 * "POINT N HOW", N being a digit, lets the first N pass. A line that is taken
 * stays taken, whatever programs the processes become.
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

/* Whether @at begins with @text. */
static bool begins(unsigned line, size_t at, const char *text)
{
	for (size_t i = 0; text[i]; i++)
		if (at + i >= LINE_BYTES || lines[line][at + i] != text[i])
			return false;
	return true;
}

static bool is_number(char c)
{
	return c >= '0' && c <= '9';
}

/* Where HOW begins, of a line that is for @name; 0: it is not. */
static size_t find_how(unsigned line, const char *name)
{
	size_t at = strlen(name) + 1;

	if (!begins(line, 0, name) || lines[line][at - 1] != ' ')
		return 0;
	return is_number(lines[line][at]) ? at + 2 : at;
}

/* One of those that may pass. */
static bool passes(unsigned line, size_t at)
{
	char left = lines[line][at];

	while (is_number(left) && left > '0')
		if (atomic_compare_exchange_weak(&lines[line][at], &left,
						 (char)(left - 1)))
			return true;
	return false;
}

static bool takes(unsigned line, const char *name, size_t at, const char *how)
{
	char first = name[0];

	return begins(line, at, how) &&
	       atomic_compare_exchange_strong(&lines[line][0], &first, '#');
}

void crash_reached(enum crash_point point)
{
	const char *name = names[point];

	for (unsigned i = 0; lines && i < N_LINES; i++) {
		size_t at = find_how(i, name);

		if (!at || passes(i, strlen(name) + 1))
			continue;
		if (takes(i, name, at, "kill"))
			(void)raise(SIGKILL);
		if (takes(i, name, at, "exit"))
			_exit(1);
		if (takes(i, name, at, "stop"))
			(void)raise(SIGSTOP);
		if (begins(i, at, "always"))
			abort();
	}
}
