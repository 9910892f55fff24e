/* SPDX-License-Identifier: ISC */
/*
 * builtin.h - the services that guichetd is born with, one a file
 */
#ifndef GUICHET_BUILTIN_H
#define GUICHET_BUILTIN_H

#include "server/service.h"

extern const struct service service_chargen;
extern const struct service service_daytime;
extern const struct service service_discard;
extern const struct service service_echo;
extern const struct service service_exec;
extern const struct service service_qotd;
extern const struct service service_time;

#ifdef GUICHET_TEST
/* tests/services/: services that misbehave on purpose, ended by NULL. */
extern const struct service *const test_services[];
#endif

#endif
