/* SPDX-License-Identifier: ISC */
/*
 * orphans.h - keepers that outlived their master
 */
#ifndef GUICHET_STAT_ORPHANS_H
#define GUICHET_STAT_ORPHANS_H

#include <stdbool.h>

#include "common/snapshot.h"

/*
 * Whether a keeper that @snapshot, of this boot, names is alive. One of which
 * we may not know, or that lives in a pid namespace that is not ours, is not.
 */
bool orphans_serve(const struct snapshot *snapshot);

#endif
