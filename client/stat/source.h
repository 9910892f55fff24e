/* SPDX-License-Identifier: ISC */
/*
 * source.h - the ledger that is read, and the one that takes its place
 */
#ifndef GUICHET_STAT_SOURCE_H
#define GUICHET_STAT_SOURCE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/snapshot.h"

struct source {
	char path[PATH_MAX];
	const char *subject; /* for messages: the instance, or the file */
	bool is_file;        /* -f: any ledger, of a dead server too */
	struct ledger_file file;
	bool is_open;
};

/*
 * Opens it, having waited up to @wait_ns (0: not at all) for a server that
 * serves. Returns 0, or -errno after a line on standard error.
 */
int source_open(struct source *source, uint64_t wait_ns);
void source_close(struct source *source);

/*
 * Copies what it holds now; where a server that was started again has put
 * another ledger in its place, that one. As source_open() otherwise.
 */
int source_take(struct source *source, unsigned wants,
		struct snapshot *snapshot);

#endif
