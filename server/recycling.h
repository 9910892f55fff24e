/* SPDX-License-Identifier: ISC */
/*
 * recycling.h - when a worker has lived, grown or served enough
 */
#ifndef GUICHET_RECYCLING_H
#define GUICHET_RECYCLING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/config.h"
#include "server/part.h"

struct recycling {
	uint64_t look_at_ns;   /* next: once a second */
	uint64_t due_ns;       /* by age; UINT64_MAX: never */
	uint64_t accepted;     /* by the slot, when it began */
	uint64_t max_accepted; /* UINT64_MAX: never */
	const char *why;       /* for the log, when it is due */
};

/*
 * A worker begins. Of age and connections each gets up to a tenth less than
 * the limit, by chance, so that not all are replaced at once.
 */
void recycling_begin(struct recycling *r, const struct config *config,
		     const struct part *part, uint64_t now_ns);

/*
 * Whether worker @pid is to be replaced; true once. It lives for a second at
 * least: limits that are reached sooner must not cost more than they save.
 */
bool recycling_is_due(struct recycling *r, const struct config *config,
		      const struct part *part, pid_t pid, uint64_t now_ns);

/* It was told and is not to leave now after all: it is due again. */
void recycling_take_back(struct recycling *r);

#endif
