/* SPDX-License-Identifier: ISC */
/*
 * ledger.h - the layout of the shared-memory segment
 *
 * The ledger is a file on tmpfs, NAME.ledger in the instance's runtime
 * directory. Its rows are what guichet-stat shows and what a successor resumes
 * from. It is a contract with programs built on another day, in any language:
 *
 *   - Integers are in the machine's byte order; places are byte offsets from
 *     the start of the file (or, where it says so, of a part). No pointers.
 *   - Append, never reorder. LEDGER_VERSION changes when an old reader would
 *     misread; the sizes in the header tell of what was appended.
 *   - Who writes what: the master the header, the listeners and the slots;
 *     the worker of slot s its part s and nothing else (and its keeper, while
 *     that slot has no worker). Everybody else maps or reads it read-only.
 *   - The master holds an fcntl(2) write lock on the file while it lives:
 *     F_GETLK on a read-only descriptor tells a live ledger, and the
 *     master's pid, from the one that a dead server left.
 *   - No client's bytes stand here.
 *
 *     header                                  struct ledger_header
 *     listeners_offset   n_listeners *        struct ledger_listener
 *     own_offset         n_listeners * LEDGER_OWN_COUNTERS *
 *                                             struct ledger_own
 *     slots_offset       n_slots *            struct ledger_slot
 *     parts_offset       n_slots * part_bytes, each part:
 *         0                                   struct ledger_head
 *         totals_offset  n_listeners *        struct ledger_totals
 *         turns_offset   HISTOGRAM_BUCKETS *  uint64_t
 *         closed_offset  n_closed *           struct ledger_closed
 *         rows_offset    n_rows *             struct ledger_row
 *
 * A part of a slot that was never used is all zero (and takes no memory).
 *
 * How to read. Copy with pread(2), check what you copied, show the copy.
 * Counters are 64-bit and written whole. Where a struct opens with `seq`, its
 * identity fields are written under a sequence lock: odd while in change. Copy
 * it three times; the second copy is whole when the first and the third have
 * the same even seq. A row's record is the one of its two copies that `valid`
 * names (valid & 1).
 *
 * All totals only grow, over deaths, restarts and reloads, since created_real_ns.
 */
#ifndef GUICHET_LEDGER_H
#define GUICHET_LEDGER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"
#include "common/histogram.h"
#include "common/metrics.h"

#define LEDGER_MAGIC "guichet" /* with its 0: 8 bytes */
#ifndef LEDGER_VERSION
#define LEDGER_VERSION 1
#endif
#define LEDGER_SUFFIX ".ledger"

#define LEDGER_NAME_BYTES    32
#define LEDGER_ADDRESS_BYTES 128
#define LEDGER_MAX_SLOTS     256 /* a slot's number is 8 bits of an id */
#define LEDGER_MAX_LISTENERS 1024
#define LEDGER_MAX_ROWS      (1U << 20)
#define LEDGER_PAGE_BYTES    4096

/* Counters that a listener's service may have of its own, and their names. */
#define LEDGER_OWN_COUNTERS 8
#define LEDGER_UNIT_BYTES   16
#define LEDGER_HELP_BYTES   80

/*
 * The first listener's entry is no socket: it keeps the totals of listeners
 * that a former configuration had, so that the instance's never go back.
 */
#define LEDGER_FORMER 0

/* One 64-bit counter: relaxed loads and stores, one writer. */
typedef _Atomic uint64_t ledger_count_t;

/* What the whole server is doing; written by the master. */
enum ledger_state {
	LEDGER_STARTING,
	LEDGER_SERVING,
	LEDGER_DRAINING, /* asked to stop, lets connections end */
	LEDGER_STOPPED,  /* ended in order; this is what it left */
	LEDGER_STATES
};

/* What the worker of a slot is doing; written by it or its keeper. */
enum worker_state {
	WORKER_ABSENT,   /* no worker: the slot is not in use */
	WORKER_STARTING, /* cloned, takes over what its predecessor left */
	WORKER_SERVING,
	WORKER_DRAINING, /* accepts no more, lets its connections end */
	WORKER_BACKOFF,  /* died young again and again: the next one waits */
	WORKER_STATES
};

/* What a connection is doing; written by its worker. */
enum row_state {
	ROW_FREE,
	ROW_READING,   /* waits for the peer's input */
	ROW_WRITING,   /* has output the kernel does not take; does not read */
	ROW_LINGERING, /* all is said; waits for the peer's end */
	ROW_CLOSING,   /* being closed, for `reason` */
	/* with a program (service exec); these the keeper changes too */
	ROW_STARTING, /* waits for its program to be started */
	ROW_RUNNING,  /* its program runs */
	ROW_ENDED,    /* its program has ended, or could not be started */
	ROW_STATES
};

extern const char *const ledger_state_names[LEDGER_STATES];
extern const char *const worker_state_names[WORKER_STATES];
extern const char *const row_state_names[ROW_STATES];

struct ledger_header {
	char magic[8];
	uint32_t version;
	uint32_t header_bytes; /* sizeof(struct ledger_header) */
	uint64_t file_bytes;

	uint32_t n_listeners; /* the first one is LEDGER_FORMER */
	uint32_t n_slots;
	uint32_t n_rows;     /* in each part */
	uint32_t n_closed;   /* in each part's ring */
	uint32_t n_counters; /* COUNTERS_ALL_N: used in each totals */
	uint32_t n_turns;    /* HISTOGRAM_BUCKETS */
	uint32_t listener_bytes, slot_bytes;
	uint32_t totals_bytes, closed_bytes;
	uint32_t row_bytes, own_bytes;

	uint64_t listeners_offset, own_offset, slots_offset, parts_offset;
	uint64_t part_bytes;
	/* in a part: */
	uint64_t totals_offset, turns_offset, closed_offset, rows_offset;

	char instance[64];
	char boot_id[40];         /* /proc/sys/kernel/random/boot_id */
	char program[32];         /* version of the server that writes it */
	uint64_t created_real_ns; /* since when the totals count */
	uint64_t started_real_ns; /* since when this server runs */
	uint64_t started_mono_ns;
	_Atomic uint64_t stopped_real_ns; /* 0: it was not stopped */
	int32_t master_pid;
	_Atomic uint32_t state; /* enum ledger_state */
};

/* It is no longer configured: it only has connections that are to end. */
#define LISTENER_RETIRED 1U
/* unix: the socket's file is the server's to remove */
#define LISTENER_OWN_FILE 2U
/* another program bound it, and gave it to the server */
#define LISTENER_GIVEN 4U

/* One socket; an entry without an address is free. */
struct ledger_listener {
	char name[LEDGER_NAME_BYTES];       /* of metrics; "" for FORMER */
	char address[LEDGER_ADDRESS_BYTES]; /* tcp:127.0.0.1:7007 */
	char service[LEDGER_NAME_BYTES];
	uint16_t transport; /* enum transport */
	uint16_t family;    /* AF_INET, AF_INET6, AF_UNIX */
	uint16_t port;      /* the real one; 0 for unix */
	uint16_t pad;
	uint32_t backlog;
	_Atomic uint32_t flags; /* LISTENER_RETIRED, ... */
	uint64_t inode; /* of the socket, as ss(8) and /proc/net show it */
	uint32_t state_bytes; /* of a connection, for its service */
	uint32_t pad2;
	uint64_t reserved[4];
};

/* A counter of a service's own; "": the listener has no such one. */
struct ledger_own {
	char name[LEDGER_NAME_BYTES]; /* "words.found" */
	char unit[LEDGER_UNIT_BYTES]; /* "": it counts things */
	char help[LEDGER_HELP_BYTES];
};

/* The master's knowledge of a slot. */
struct ledger_slot {
	_Atomic int32_t keeper_pid;     /* 0: none */
	_Atomic uint32_t is_used;       /* its part was allocated */
	_Atomic uint64_t n_keepers;     /* keepers this slot has had */
	_Atomic uint64_t keeper_deaths; /* not asked for */
	_Atomic uint64_t keeper_born;   /* starttime of proc_pid_stat(5) */
	uint64_t reserved[4];
};

/*
 * The worker's head. The second, third and fifth lines are its journal: what
 * the totals were before the step in hand, so that a successor that finds a
 * step half done computes the totals from absolute values and cannot add twice.
 */
struct ledger_head {
	/* what it is */
	_Atomic int32_t pid;       /* 0: no worker lives */
	_Atomic uint32_t state;    /* enum worker_state */
	ledger_count_t generation; /* 1 for the slot's first worker */
	ledger_count_t heartbeat_mono_ns;
	ledger_count_t started_mono_ns;
	_Atomic uint32_t n_open;    /* connections: for balance */
	_Atomic uint32_t rows_high; /* no row at or above was ever used */
	ledger_count_t deaths;      /* not asked to leave */
	ledger_count_t successions; /* took over from another */
	ledger_count_t next_id;     /* of connections: serial << 8 | slot */

	/* the turn in hand */
	_Atomic uint32_t turn_row;  /* row + 1; 0: none in hand */
	_Atomic uint32_t turn_step; /* enum turn_step */
	ledger_count_t base_in;     /* totals less the row's own numbers */
	ledger_count_t base_out;
	ledger_count_t base_messages;
	ledger_count_t close_closed; /* totals before this close */
	ledger_count_t close_reason;
	ledger_count_t close_ring;
	ledger_count_t ring_next; /* closed connections written, ever */

	/* the accept in hand, and the datagram in hand */
	_Atomic uint32_t accept_listener; /* listener; 0: none */
	_Atomic uint32_t accept_row;      /* row + 1; 0: none chosen yet */
	ledger_count_t accept_accepted;   /* totals before this accept */
	ledger_count_t accept_refused;
	_Atomic uint32_t datagram_listener;       /* listener; 0: none */
	_Atomic uint32_t datagram_step;           /* enum turn_step */
	ledger_count_t datagram_in, datagram_out; /* totals before it */
	ledger_count_t datagram_bytes_in, datagram_bytes_out;

	ledger_count_t datagram_messages, datagram_refused;
	ledger_count_t empty_wakeups; /* woken to accept, nothing there */
	ledger_count_t n_rests; /* times a listener rested, out of descriptors */
	char program[24];       /* the version of its keeper's binary */
	uint64_t reserved[1];

	/* the service's own counters: totals less those of the row in hand,
	   or totals before the datagram in hand */
	ledger_count_t base_own[LEDGER_OWN_COUNTERS];
};

/* Which step of a turn a worker is in. */
enum turn_step {
	STEP_NONE,
	STEP_RECEIVE, /* input is being taken from the kernel */
	STEP_HANDLER, /* the service looks at it: its fault if we die now */
	STEP_SEND,    /* output is being given to the kernel */
	STEP_CLOSE,
};

#define LEDGER_TOTALS_ROOM 40 /* counters there is room for */

struct ledger_totals {
	ledger_count_t counter[LEDGER_TOTALS_ROOM]; /* by enum counter */
	/* the service's own, which own_offset names; none of FORMER */
	ledger_count_t own[LEDGER_OWN_COUNTERS];
};

/* An address as it was in the socket. */
struct ledger_addr {
	uint16_t family; /* AF_INET, AF_INET6, AF_UNIX; 0: unknown */
	uint16_t port;   /* host order */
	uint32_t scope;  /* IPv6; for AF_UNIX the peer's pid */
	uint8_t ip[16];  /* 4 or 16 bytes; for AF_UNIX the peer's uid in 4 */
};

/*
 * How far a connection's two streams have come. A handler works on the spare
 * copy; one store to `valid` makes it the valid one: the commit.
 */
struct ledger_record {
	ledger_count_t consumed; /* input bytes the service has consumed */
	ledger_count_t produced; /* output bytes it has made */
	ledger_count_t messages;
	/* where unconsumed input and untaken output lie: offsets in the
	   worker's private memory, of no meaning to a reader */
	_Atomic uint32_t in_offset, in_bytes;
	_Atomic uint32_t out_offset, out_bytes;
	_Atomic uint32_t flags; /* the server's own */
	uint32_t pad;
};

#define ROW_END_NOW 0x10000U /* it was asked to end, and has not */

struct ledger_row {
	/* identity, under seq */
	_Atomic uint32_t seq;
	int32_t fd;
	uint64_t id;     /* serial << 8 | slot: never used twice */
	uint64_t cookie; /* SO_COOKIE: the kernel's own name for the socket */
	uint64_t opened_mono_ns;
	uint64_t opened_real_ns;
	uint32_t listener;
	uint32_t pad;
	struct ledger_addr peer;
	struct ledger_addr local;

	/* its program; not under seq. The keeper writes these */
	_Atomic int32_t pid;    /* 0: it has none */
	_Atomic int32_t status; /* ENDED: as waitpid(2) tells it; -errno when it
				   could not be started */
	ledger_count_t began_mono_ns; /* when it was started */
	/* and the worker this */
	_Atomic uint32_t ending; /* enum close_reason + 1 that the server ends
				    it for, and ROW_END_NOW; 0: it does not */
	uint32_t pad3;
	uint64_t reserved[1];

	/* what moves */
	struct ledger_record record[2];
	_Atomic uint32_t valid;        /* the copy in force: valid & 1 */
	_Atomic uint32_t state;        /* enum row_state */
	ledger_count_t sent;           /* output bytes the kernel took */
	ledger_count_t active_mono_ns; /* last input or output */
	_Atomic uint32_t reason;       /* enum close_reason, when CLOSING */
	uint32_t pad2;
};

struct ledger_closed {
	_Atomic uint32_t seq;
	uint32_t reason; /* enum close_reason */
	uint64_t id;
	uint64_t closed_real_ns;
	uint64_t duration_ns;
	uint64_t bytes_in, bytes_out;
	uint64_t messages;
	uint32_t listener;
	uint32_t pad;
	struct ledger_addr peer;
	struct ledger_addr local;
	int32_t pid;    /* of its program; 0: it had none */
	int32_t status; /* of its program, as in the row */
	uint64_t reserved[1];
};

_Static_assert(sizeof(struct ledger_header) == 320 &&
		       sizeof(struct ledger_header) <= LEDGER_PAGE_BYTES,
	       "the header's layout");
_Static_assert(sizeof(struct ledger_listener) == 256, "layout");
_Static_assert(sizeof(struct ledger_own) == 128, "layout");
_Static_assert(sizeof(struct ledger_slot) == 64, "whole cache lines");
_Static_assert(offsetof(struct ledger_head, turn_row) == 64, "layout");
_Static_assert(offsetof(struct ledger_head, accept_listener) == 128, "layout");
_Static_assert(offsetof(struct ledger_head, base_own) == 256, "layout");
_Static_assert(sizeof(struct ledger_head) == 320, "whole cache lines");
_Static_assert(sizeof(struct ledger_totals) == 384, "whole cache lines");
_Static_assert(COUNTERS_ALL_N <= LEDGER_TOTALS_ROOM, "room for counters");
_Static_assert(sizeof(struct ledger_addr) == 24, "layout");
_Static_assert(sizeof(struct ledger_record) == 48, "layout");
_Static_assert(offsetof(struct ledger_row, record) == 128, "layout");
_Static_assert(sizeof(struct ledger_row) == 256, "whole cache lines");
_Static_assert(sizeof(struct ledger_closed) == 128, "whole cache lines");
_Static_assert(HISTOGRAM_BUCKETS % 8 == 0, "whole cache lines");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "counters are written whole");

/* The geometry that the sizes in a header follow from. */
struct ledger_shape {
	uint32_t n_listeners, n_slots, n_rows, n_closed;
};

/*
 * Fills every size and offset of @header for @shape; the rest is left alone.
 * The one place that knows the arithmetic: the server lays a ledger out with
 * it, and a reader compares what a file says with what it gives.
 */
void ledger_lay_out(struct ledger_header *header,
		    const struct ledger_shape *shape);

/* Relaxed load and store of a counter that has one writer. */
#define ledger_get(count) atomic_load_explicit(&(count), memory_order_relaxed)
#define ledger_set(count, value) \
	atomic_store_explicit(&(count), (value), memory_order_relaxed)
#define ledger_add(count, n) ledger_set(count, ledger_get(count) + (n))

#endif
