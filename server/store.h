/* SPDX-License-Identifier: ISC */
/*
 * store.h - listening sockets that the service manager keeps for us
 *
 * While a service restarts, its sockets stay open with the manager
 * (FileDescriptorStoreMax= of systemd.service(5)): who connects meanwhile
 * waits in the queue, and is served by the next one.
 */
#ifndef GUICHET_STORE_H
#define GUICHET_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "server/inherit.h"
#include "server/listener.h"

/*
 * Whether the manager keeps its socket for us. One that a .socket unit gave it
 * keeps there; a copy of ours would stand in the way of that unit's restart.
 */
bool store_has(const struct listener *listener);

/*
 * The manager is to have the sockets of @listeners and no others: those of
 * @left, which came back and nobody took, and those of listeners that have
 * none any more, it lets go.
 */
void store_update(const struct inherited *left,
		  const struct listener *listeners, size_t n);

#endif
