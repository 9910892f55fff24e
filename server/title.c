/* SPDX-License-Identifier: ISC */
/*
 * title.c - what ps(1) shows of a process
 *
 * The kernel shows the memory in which argv lay when the program started. It
 * is one piece with the environment's; both together are our room.
 */
#include "server/title.h"

#include <stdarg.h>
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

/* Makes those of @list that lie in the room name their copies. */
static void move_list(char **list, char *copies)
{
	for (; *list; list++)
		if (*list >= room && *list < room + room_bytes)
			*list = copies + (*list - room);
}

void title_init(int argc, char **argv)
{
	static char *copies; /* for good: unsetenv() drops pointers into it */
	size_t bytes;
	char *end;

	if (argc < 1)
		return;
	end = end_of_run(end_of_run(argv[0], argv), environ);
	bytes = (size_t)(end - argv[0]);
	copies = bytes ? malloc(bytes) : NULL;
	if (!copies)
		return; /* then there are no titles; nothing depends on them */
	room = argv[0];
	room_bytes = bytes;
	memcpy(copies, room, room_bytes);
	move_list(argv, copies);
	move_list(environ, copies);
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

const char *title_version(void)
{
	return GUICHET_VERSION;
}
