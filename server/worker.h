/* SPDX-License-Identifier: ISC */
/*
 * worker.h - the process that accepts and serves; all it holds
 *
 * What a worker knows is in three places. Its part of the ledger and its
 * vault outlive it: a successor resumes from them and from the kernel. What
 * stands here dies with it and is made anew from those.
 */
#ifndef GUICHET_WORKER_H
#define GUICHET_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "server/config.h"
#include "server/control.h"
#include "server/handover.h"
#include "server/listener.h"
#include "server/part.h"
#include "server/vault.h"
#include "server/wheel.h"

/*
 * What the keeper wants of its worker. It stands in the vault, so that a
 * successor finds it too, and a keeper that has become another program.
 */
struct order_page {
	_Atomic uint32_t order; /* enum order */
	/* the keeper says: make room for a successor, between two turns, with
	   WORKER_EXIT_LEFT; all stays as it is. It takes it back itself */
	_Atomic uint32_t is_to_leave;
	_Atomic uint64_t deadline_mono_ns; /* of a drain */
	_Atomic uint32_t is_deaf; /* the worker says: it accepts no more */
	struct handover programs;
	/* the worker says: it has closed every descriptor that it does not
	   know, so that its keeper may open some again */
	_Atomic uint32_t is_swept;
};

_Static_assert(sizeof(struct order_page) <= VAULT_ORDERS_BYTES,
	       "its pages in the vault");

/* How the predecessor ended. */
enum legacy {
	LEGACY_NONE,   /* there was none */
	LEGACY_LEFT,   /* between two turns, as it was told: nothing in hand */
	LEGACY_KILLED, /* from outside: costs no connection */
	LEGACY_FAULT,  /* by its own fault: the handler in hand did it */
	LEGACY_HUNG,   /* shot by its keeper for hanging */
	LEGACY_STUCK,  /* twice by its own fault, over the same row */
};

/* Status with which a worker leaves; anything else is a death. */
enum worker_exit {
	WORKER_EXIT_DONE = 0,    /* as ordered: nothing is left to do */
	WORKER_EXIT_LEFT = 69,   /* as ordered, for a successor */
	WORKER_EXIT_FAILED = 70, /* could not start: it has said why */
};

/*
 * What a keeper prepares once and each of its workers gets. All of it is
 * borrowed from the keeper, whose memory the worker was cloned with.
 */
struct post {
	unsigned slot;
	pid_t keeper;
	const struct config *config;
	const struct listener *listeners; /* ledger listener l is [l - 1] */
	size_t n_listeners;
	struct part part;
	struct ledger_view view;
	struct vault vault;
	struct order_page *order;
	int order_fd;     /* eventfd: the order has changed */
	int starting_fd;  /* eventfd: order->programs.to_keeper has news */
	int ended_fd;     /* eventfd: order->programs.to_worker has */
	int control_fd;   /* to the master */
	uint8_t *is_base; /* by descriptor: it is the keeper's, not a worker's */
	int n_fds;        /* descriptors lie below this */
};

/* A connection, as only the living worker needs it; by row. */
struct conn {
	struct wheel_link link;
	int fd;
	uint32_t serial;   /* low bits of its id, in its epoll events */
	uint32_t events;   /* that epoll watches for */
	uint32_t in_room;  /* of its input buffer, from in_offset */
	uint16_t listener; /* ledger listener */
	bool is_program;   /* a program serves it, not we */
	bool is_tcp;       /* the kernel counts its bytes: transport.h */
};

struct worker {
	const struct post *post;
	/* copies of what every turn uses */
	struct ledger_head *head;
	struct ledger_totals *totals;
	struct ledger_row *rows;
	struct vault *vault;
	const struct listener *listeners;

	int epoll_fd;
	uint64_t now_ns; /* monotonic; read once a loop turn */
	struct conn *conns;
	uint32_t n_rows;     /* in the ledger */
	uint32_t n_max;      /* that may be taken: a reload may want less */
	uint32_t *free_rows; /* a stack */
	uint32_t n_free;
	struct wheel wheel;
	uint64_t next_tick_ns;
	uint64_t n_turns; /* in this loop turn */

	struct rest *rests; /* by listener: see accept.c */
	uint32_t n_resting;
	uint32_t n_programs;     /* connections that programs serve */
	uint32_t programs_phase; /* see follow_tick() */
	bool is_accepting;       /* new connections: no order is against it */
	bool is_aside;           /* but it is full, and leaves them to others */
	bool is_draining;        /* for good, until a deadline */
};

/* What an epoll event is for. */
enum watch_kind {
	WATCH_ORDER,
	WATCH_LISTENER, /* index: ledger listener */
	WATCH_DATAGRAM, /* index: ledger listener */
	WATCH_CONN,     /* index: row */
	WATCH_PROGRAMS,
	WATCH_KINDS
};

/*
 * Epoll's 64 bits: the kind, so many bits of a serial that tell a stale event
 * of a row's former connection, and an index.
 */
static inline uint64_t watch_data(enum watch_kind kind, uint32_t index,
				  uint32_t serial)
{
	return (uint64_t)kind << 60 | (uint64_t)(serial & 0xfffffff) << 32 |
	       index;
}

static inline const struct listen_config *worker_listen(const struct worker *w,
							uint32_t listener)
{
	return w->listeners[listener - 1].config;
}

/* The service of the connection of @row. */
static inline const struct service *worker_service(const struct worker *w,
						   uint32_t row)
{
	return worker_listen(w, w->conns[row].listener)->service;
}

static inline struct ledger_record *row_record(struct ledger_row *row)
{
	return &row->record[ledger_get(row->valid) & 1];
}

#endif
