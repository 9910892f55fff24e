/* SPDX-License-Identifier: ISC */
/*
 * source.h - the sockets of a load, as many as are asked for
 *
 * One address can dial another only as often as it has ports, and ports that
 * were used rest for a minute. So on the loopback, where 127.0.0.2 is ours
 * as much as 127.0.0.1, a load that dials often goes through those addresses.
 */
#ifndef GUICHET_SOURCE_H
#define GUICHET_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/guichet/bench.h"
#include "common/addr.h"

struct source {
	struct addr_socket peer;
	uint64_t wait_ns; /* how long a unix socket's queue may be full */
	uint64_t n_dialled;
	bool is_loopback; /* an IPv4 one */
};

/*
 * Chooses the socket address of @plan that a load goes to: where there are
 * several, the first that can be connected to (that is one connection more,
 * in *@n_connects). False when there is none, which is logged.
 */
bool source_open(struct source *source, const struct bench_plan *plan,
		 uint64_t wait_ns, uint64_t *n_connects);

/*
 * Connects another socket: its descriptor or -errno. *@is_connected is false
 * when that is still under way. Use MSG_DONTWAIT with it.
 */
int source_dial(struct source *source, bool *is_connected);

#endif
