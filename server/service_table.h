/* SPDX-License-Identifier: ISC */
/*
 * service_table.h - the table of services, and who is meant by a word
 */
#ifndef GUICHET_SERVICE_TABLE_H
#define GUICHET_SERVICE_TABLE_H

#include "server/service.h"

/* The built-in services, ended by NULL; and a look-up among them. */
extern const struct service *const services[];
const struct service *service_find(const char *name);

/*
 * The i-th service, those of a test build included; NULL after the last. And
 * the name nearest to a misspelt one, NULL when none is near.
 */
const struct service *service_at(size_t i);
const char *service_nearest(const char *word);

/*
 * Bytes of one copy of what a connection keeps for @service: its state, and
 * behind that, from service_counts_at(), its counters' uint64_t.
 */
static inline size_t service_counts_at(const struct service *service)
{
	return (service->state_bytes + 7) / 8 * 8;
}

static inline size_t service_copy_bytes(const struct service *service)
{
	return service_counts_at(service) +
	       service->n_counters * sizeof(uint64_t);
}

/*
 * What is wrong with @service, which somebody else wrote: NULL, or "has ...",
 * good until the next call. Nothing of it is called.
 */
const char *service_fault(const struct service *service);

#endif
