/* SPDX-License-Identifier: ISC */
/*
 * title.h - what ps(1) shows of a process
 */
#ifndef GUICHET_TITLE_H
#define GUICHET_TITLE_H

#include "common/base.h"

/*
 * Takes the memory of the arguments and the environment for titles; both are
 * copied elsewhere first, for good. Call it before anything keeps a pointer
 * into them.
 */
void title_init(int argc, char **argv);

/* "guichetd: " and the rest; cut to the room there is. */
void title_set(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* This program's version, from one place, and not folded into the code: tests
   make another build by replacing it. */
const char *title_version(void);

#endif
