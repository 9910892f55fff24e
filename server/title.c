/* SPDX-License-Identifier: ISC */
/*
 * title.c - what ps(1) shows of a process
 *
 * The kernel shows the memory in which argv lay when the program started. It
 * is one piece with the environment's; both together are our room.
 */
#include "server/title.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char *room;
static size_t room_bytes;

/* The end of the run of strings that begins at @from and goes on in @list. */
static char *end_of_run(char *from, char **list)
{
	for (; *list; list++)
		if (*list == from)
			from = *list + strlen(*list) + 1;
	return from;
}

/* Makes the @n strings of @list copies of their own. */
static bool copy_strings(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		list[i] = strdup(list[i]);
		if (!list[i])
			return false;
	}
	return true;
}

static bool copy_environment(void)
{
	size_t n = 0;
	char **copy;

	while (environ[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	if (!copy)
		return false;
	memcpy(copy, environ, n * sizeof(*copy));
	environ = copy;
	return copy_strings(copy, n);
}

void title_init(int argc, char **argv)
{
	char *start, *end;

	if (argc < 1)
		return;
	start = argv[0];
	end = end_of_run(start, argv);
	end = end_of_run(end, environ);
	if (!copy_strings(argv, (size_t)argc) || !copy_environment())
		return; /* then there are no titles; nothing depends on them */
	room = start;
	room_bytes = (size_t)(end - room);
}

void title_set(const char *fmt, ...)
{
	char text[128];
	va_list args;
	int n;

	va_start(args, fmt);
	n = snprintf(text, sizeof(text), "guichetd: ");
	(void)vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, args);
	va_end(args);
	/* 15 characters: "guichetd: work" would say little */
	(void)prctl(PR_SET_NAME, "guichetd", 0, 0, 0);
	if (!room)
		return;
	memset(room, 0, room_bytes);
	(void)snprintf(room, room_bytes, "%s", text);
}
