/* SPDX-License-Identifier: ISC */
/*
 * health.h - whether the worker is well, how busy, and how old
 */
#ifndef GUICHET_HEALTH_H
#define GUICHET_HEALTH_H

#include <stdint.h>

struct keeper;

/* A worker that hangs is shot; one that has lived enough is replaced; the
   master is told how busy it is. */
void health_look(struct keeper *k, uint64_t now_ns);

#endif
