/* SPDX-License-Identifier: ISC */
/*
 * orphans.c - keepers that outlived their master
 *
 * A pid may be another process's by now: who was born when the ledger says is
 * the keeper still.
 */
#include "client/stat/orphans.h"

#include <stdint.h>
#include <string.h>

#include "common/process.h"

static bool keeper_lives(const struct ledger_slot *slot)
{
	const int32_t pid = ledger_get(slot->keeper_pid);
	const uint64_t born = ledger_get(slot->keeper_born);
	struct process_stat stat;

	return pid > 0 && born && process_read_stat(pid, &stat) &&
	       stat.born_ticks == born && !strchr("ZX", stat.state);
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
