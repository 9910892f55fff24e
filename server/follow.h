/* SPDX-License-Identifier: ISC */
/*
 * follow.h - the worker follows what becomes of its programs
 */
#ifndef GUICHET_FOLLOW_H
#define GUICHET_FOLLOW_H

#include "server/worker.h"

/* Watches for programs that have ended; -errno if that failed. */
int follow_watch(struct worker *w);

/* Epoll says that programs have ended: closes their connections. */
void follow_event(struct worker *w, uint32_t index, uint32_t serial);

/* Each tick: a quarter of the programs' connections get their numbers. */
void follow_tick(struct worker *w);

/* For a successor that serves by now: what its predecessor did not get to. */
void follow_resume(struct worker *w);

#endif
