/* SPDX-License-Identifier: ISC */
/*
 * metrics.h - every metric guichet publishes, declared once
 *
 * The enum, the names in every format, the layout of a listener's totals and
 * the table in guichet-stat(1) all follow from the two lists below. Append to
 * a list, never reorder it: a counter's place is its place in the ledger.
 */
#ifndef GUICHET_METRICS_H
#define GUICHET_METRICS_H

#include "common/base.h"

/*
 * Why a connection ended.  C(enum tail, word, help)
 */
#define CLOSE_REASONS(C)                                                     \
	C(EOF, "eof", "the peer ended it and had all its answers")           \
	C(RESET, "reset", "the peer reset it or went away")                  \
	C(IDLE, "idle", "silent for longer than idle-timeout")               \
	C(LIFETIME, "lifetime", "open for longer than lifetime")             \
	C(DRAIN, "drain", "still open when a stopping server's time was up") \
	C(KILLED, "killed", "its handler hung, or its keeper was killed")    \
	C(LIMIT, "limit", "it needed more memory than it may have")          \
	C(PROTOCOL, "protocol", "the peer broke the service's protocol")     \
	C(CRASH, "crash", "its handler or its program crashed")              \
	C(ERROR, "error", "the system refused something it needed")

/*
 * Why a connection was not taken.  R(enum tail, word, help)
 */
#define REFUSE_REASONS(R)                                                \
	R(FULL, "full", "no row of the ledger, or no program, was free") \
	R(SOURCE, "source", "its source had too many open")              \
	R(RATE, "rate", "its source opened too many too fast")           \
	R(ACL, "acl", "its source is not allowed")

enum close_reason {
#define C(tail, word, help) CLOSE_##tail,
	CLOSE_REASONS(C)
#undef C
	CLOSE_REASONS_N
};

enum refuse_reason {
#define R(tail, word, help) REFUSE_##tail,
	REFUSE_REASONS(R)
#undef R
	REFUSE_REASONS_N
};

/*
 * Counters each worker keeps for each listener, in the ledger.
 * M(enum tail, name, unit, help); unit "" counts things.
 *
 * Those written in every turn come first: they share a cache line.
 */
#define COUNTERS(M)                                                     \
	M(BYTES_IN, "bytes.in", "bytes", "Bytes the service consumed")  \
	M(BYTES_OUT, "bytes.out", "bytes",                              \
	  "Bytes of answers that the kernel took")                      \
	M(MESSAGES, "messages", "", "Pieces of input answered")         \
	M(DATAGRAMS_IN, "datagrams.in", "", "Datagrams received")       \
	M(DATAGRAMS_OUT, "datagrams.out", "", "Datagrams sent")         \
	M(ACCEPTED, "connections.accepted", "", "Connections accepted") \
	M(CLOSED, "connections.closed", "", "Connections closed")       \
	M(RESUMED, "connections.resumed", "",                           \
	  "Connections a successor took over, once for each time")      \
	M(ACCEPT_ERRORS, "accept.errors", "",                           \
	  "Times accept failed for want of descriptors or memory")      \
	M(DATAGRAMS_REFUSED, "datagrams.refused", "",                   \
	  "Datagrams not answered, as their source port is a small service's")

enum counter {
#define M(tail, name, unit, help) COUNTER_##tail,
	COUNTERS(M)
#undef M
	COUNTERS_N,
	/* then a counter for each reason */
	COUNTER_CLOSED_BY = COUNTERS_N,
	COUNTER_REFUSED_BY = COUNTER_CLOSED_BY + CLOSE_REASONS_N,
	COUNTERS_ALL_N = COUNTER_REFUSED_BY + REFUSE_REASONS_N
};

/*
 * What a reader derives: gauges, and counters of the whole instance.
 * G(enum tail, name, kind c or g, unit, scope, help); scope: l, of each
 * listener and the instance; i, of the instance only.
 */
#define DERIVED(G)                                                             \
	G(OPEN, "connections.open", 'g', "", 'l', "Connections open now")      \
	G(QUEUE_LENGTH, "queue.length", 'g', "", 'l',                          \
	  "Connections that wait to be accepted")                              \
	G(QUEUE_LIMIT, "queue.limit", 'g', "", 'l',                            \
	  "Connections that may wait to be accepted")                          \
	G(TURN_P50, "turn.p50_us", 'g', "us", 'i',                             \
	  "Half of all turns took at most this long")                          \
	G(TURN_P99, "turn.p99_us", 'g', "us", 'i',                             \
	  "99 in 100 turns took at most this long")                            \
	G(TURN_P999, "turn.p999_us", 'g', "us", 'i',                           \
	  "999 in 1000 turns took at most this long")                          \
	G(WORKERS_RUNNING, "workers.running", 'g', "", 'i', "Workers serving") \
	G(SUCCESSIONS, "workers.successions", 'c', "", 'i',                    \
	  "Workers that took over from another")                               \
	G(DEATHS, "workers.deaths", 'c', "", 'i',                              \
	  "Workers that died without having been asked to leave")              \
	G(UPTIME, "uptime_seconds", 'g', "seconds", 'i',                       \
	  "Seconds since the server was started")

enum derived {
#define G(tail, name, kind, unit, scope, help) DERIVED_##tail,
	DERIVED(G)
#undef G
	DERIVED_N
};

struct metric {
	const char *name; /* as statsd shows it: words and dots */
	char kind;        /* 'c': only grows; 'g': what is now */
	char scope;       /* 'l': of listeners too; 'i': instance only */
	const char *unit; /* "bytes", "seconds", "us"; "": things */
	const char *help; /* one line, no full stop */
};

/* By enum counter, those by reason included ("connections.closed.eof"). */
extern const struct metric metric_counters[COUNTERS_ALL_N];
/* By enum derived. */
extern const struct metric metric_derived[DERIVED_N];

/*
 * A service's own counter @name of @unit ("": of things) as Prometheus has it,
 * which wants units named: "stored" is "stored_bytes". @out has
 * METRIC_OWN_BYTES and is returned; words stay parted by dots.
 */
#define METRIC_OWN_BYTES 64
const char *metric_own_name(const char *name, const char *unit, char *out);

extern const char *const close_reason_names[CLOSE_REASONS_N];
extern const char *const refuse_reason_names[REFUSE_REASONS_N];

#endif
