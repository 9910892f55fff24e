/* SPDX-License-Identifier: ISC */
/*
 * orphans.c - keepers that outlived their master
 *
 * A pid may be another process's by now: who was born when the ledger says is
 * the keeper still.
 */
#include "client/stat/orphans.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* When @pid was started, as proc_pid_stat(5) counts; 0: it does not live. */
static uint64_t start_time(int32_t pid)
{
	char path[32], text[512];
	const char *end;
	uint64_t ticks;
	char state;
	FILE *file;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file); /* nothing was written */
	text[n] = '\0';
	end = strrchr(text, ')'); /* a name may hold anything */
	if (!end || sscanf(end + 1,
			   " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u "
			   "%*u %*d %*d %*d %*d %*d %*d %" SCNu64,
			   &state, &ticks) != 2)
		return 0;
	return strchr("ZX", state) ? 0 : ticks;
}

static bool keeper_lives(const struct ledger_slot *slot)
{
	const int32_t pid = ledger_get(slot->keeper_pid);
	const uint64_t born = ledger_get(slot->keeper_born);

	return pid > 0 && born && start_time(pid) == born;
}

bool orphans_serve(const struct snapshot *snapshot)
{
	size_t s;

	for (s = 0; s < snapshot->header.n_slots; s++) {
		if (keeper_lives(&snapshot->slots[s]))
			return true;
	}
	return false;
}
