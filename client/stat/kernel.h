/* SPDX-License-Identifier: ISC */
/*
 * kernel.h - what only the kernel knows of the listening sockets
 */
#ifndef GUICHET_STAT_KERNEL_H
#define GUICHET_STAT_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/snapshot.h"

/* Of one listener of the ledger. */
struct kernel_socket {
	bool has_queue;       /* it was found: a stream socket of this netns */
	uint32_t queue;       /* connections that wait to be accepted */
	uint32_t queue_limit; /* and that may wait */
	bool has_time_wait;
	uint64_t n_time_wait; /* sockets in TIME_WAIT at its address */

	/* the kernel's own words for where it is bound */
	uint8_t family;
	bool is_v6_only;
	uint16_t port; /* network order */
	uint32_t ip[4];
};

#define KERNEL_QUEUES    1U
#define KERNEL_TIME_WAIT 2U /* needs the queues, too */

/*
 * Asks what @wants names of every listener in @snapshot, into @sockets, which
 * has room for each of them. Where the kernel does not tell, has_* is false.
 * Not of a dead server: whoever listens there now is another one.
 */
void kernel_ask(const struct snapshot *snapshot, unsigned wants,
		struct kernel_socket *sockets);

#endif
