/* SPDX-License-Identifier: ISC */
/*
 * process.c - what /proc tells of a process
 */
#include "common/process.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The whole line into @text; false when there is no such process. */
static bool read_line(pid_t pid, char *text, size_t bytes)
{
	char path[32];
	FILE *in;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	in = fopen(path, "re");
	if (!in)
		return false;
	n = fread(text, 1, bytes - 1, in);
	(void)fclose(in); /* nothing was written */
	text[n] = '\0';
	return n > 0;
}

/* "PID (NAME) STATE PPID ...": a name may hold anything, parentheses too. */
bool process_read_stat(pid_t pid, struct process_stat *stat)
{
	const char *open_paren;
	char *close_paren;
	char text[512];

	if (!read_line(pid, text, sizeof(text)))
		return false;
	open_paren = strchr(text, '(');
	close_paren = strrchr(text, ')');
	if (!open_paren || !close_paren ||
	    sscanf(close_paren,
		   ") %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d "
		   "%*d %*d %*d %*d %*d %" SCNu64,
		   &stat->state, &stat->parent, &stat->born_ticks) != 3)
		return false;
	*close_paren = '\0';
	(void)snprintf(stat->name, sizeof(stat->name), "%s", open_paren + 1);
	return true;
}
