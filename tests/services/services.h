/* SPDX-License-Identifier: ISC */
/*
 * services.h - services that only the test build has
 */
#ifndef GUICHET_TEST_SERVICES_H
#define GUICHET_TEST_SERVICES_H

#include "server/service.h"

extern const struct service *const test_services[]; /* ended by NULL */

extern const struct service poison_service;
extern const struct service lines_service;
extern const struct service give_service;
extern const struct service probe_service;
extern const struct service scribble_service;
extern const struct service slow_service;

#endif
