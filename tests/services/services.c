/* SPDX-License-Identifier: ISC */
/*
 * services.c - services that only the test build has
 */
#include "tests/services/services.h"

const struct service *const test_services[] = {
	&poison_service,   &lines_service, &give_service, &probe_service,
	&scribble_service, &slow_service,  NULL,
};
