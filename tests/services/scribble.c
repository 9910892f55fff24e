/* SPDX-License-Identifier: ISC */
/*
 * scribble.c - a worker gone mad: writes noise over all that it can write
 *
 * On any input it fills every writable shared mapping of the ledger in its
 * own process with noise and dies by SIGKILL.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/services/services.h"

static void fill(uint8_t *from, const uint8_t *to)
{
	for (; from < to; from++)
		*from = (uint8_t)random();
}

static void scribble(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uintptr_t from, to;
	char line[512], mode[8];

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &from, &to,
			   mode) == 3 &&
		    strcmp(mode, "rw-s") == 0 && strstr(line, ".ledger"))
			fill((void *)from, (void *)to);
	(void)raise(SIGKILL);
}

static enum verdict scribble_input(struct turn *turn)
{
	(void)turn;
	scribble();
	return VERDICT_CLOSE;
}

const struct service scribble_service = {
	.name = "scribble",
	.help = "fills all it can write of the ledger with noise, and dies",
	.transports = SERVICE_STREAM,
	.input = scribble_input,
};
