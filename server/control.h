/* SPDX-License-Identifier: ISC */
/*
 * control.h - what a master and a keeper say to each other
 *
 * Over a socket pair (SOCK_SEQPACKET), one for each slot. The keeper's end is
 * in the table it shares with its worker and nowhere else: when the master
 * reads the end of it, both are gone, whatever became of their pids. When the
 * keeper reads the end of it, the master is gone.
 *
 * What comes from below is gossip: the master looks at a report's type, and
 * takes nothing else from it but text for its log.
 */
#ifndef GUICHET_CONTROL_H
#define GUICHET_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

/* What a slot is to do. */
enum order {
	ORDER_SERVE,
	/* accept no more, leave when the last one has ended, whenever that is;
	   until then it may be told to serve again */
	ORDER_RETIRE,
	ORDER_DRAIN, /* the same for good, and until the deadline */
	ORDER_STOP,  /* close all, leave now */
	ORDERS
};

/* Master to keeper. */
struct control_order {
	uint32_t order; /* enum order */
	uint32_t pad;
	uint64_t deadline_mono_ns;
};

/* Keeper and worker to master. */
enum report_type {
	REPORT_SERVING, /* the worker serves */
	REPORT_DIED,    /* it died; status as waitpid(2) gives it */
	REPORT_TYPES
};

struct control_report {
	uint32_t type; /* enum report_type */
	int32_t status;
};

/* Never blocks; a report that the master has no room for is dropped. */
void control_report(int fd, enum report_type type, int status);

/* Returns 1 and the report, 0 when there is none, -1 at the end. */
int control_read_report(int fd, struct control_report *report);

/* The same for the other direction. */
bool control_send_order(int fd, uint32_t order, uint64_t deadline_mono_ns);
int control_read_order(int fd, struct control_order *order);

#endif
