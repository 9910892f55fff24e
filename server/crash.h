/* SPDX-License-Identifier: ISC */
/*
 * crash.h - the points at which a test build can be told to die
 *
 * A process may be killed between any two instructions. These are the places
 * where that makes a difference: before and after each step that a successor
 * has to recognise. The release build has none of it. A test walks the whole
 * table on every kind of listener, so a point added here without being
 * reachable by that test fails it.
 *
 *     P(enum tail, name, on: which traffic passes here)
 *
 * on: "s" any stream connection, "p" a peer that does not read (output waits
 * in a buffer), "i" a service that leaves input unconsumed, "e" a service
 * that ends the connection first, "d" a datagram, "r" a resume, "f" a full
 * ledger, "x" a connection that a program serves. Not the worker's: "m" the
 * master in a reload or an upgrade, "b" when a keeper is born, "w" on the way
 * back, "a" in an adoption; "t" a binary that is tried; "k" a keeper that is
 * renewed (all from keeper-executed to keeper-ready also when it is born, and
 * its copy before it), "o" one without a master.
 */
#ifndef GUICHET_CRASH_H
#define GUICHET_CRASH_H

#define CRASH_POINTS(P)                                \
	P(ACCEPT_BEGUN, "accept-begun", "s")           \
	P(ACCEPTED, "accepted", "s")                   \
	P(ROW_CHOSEN, "row-chosen", "s")               \
	P(ROW_FILLED, "row-filled", "s")               \
	P(ROW_OPEN, "row-open", "s")                   \
	P(ACCEPT_COUNTED, "accept-counted", "s")       \
	P(ACCEPT_DONE, "accept-done", "s")             \
	P(WATCHED, "watched", "s")                     \
	P(REFUSE_COUNTED, "refuse-counted", "f")       \
	P(REFUSE_CLOSED, "refuse-closed", "f")         \
	P(TURN_BEGUN, "turn-begun", "s")               \
	P(RECEIVED, "received", "s")                   \
	P(HANDLED, "handled", "s")                     \
	P(INPUT_STASHED, "input-stashed", "i")         \
	P(INPUT_MOVED, "input-moved", "i")             \
	P(RECORD_WRITTEN, "record-written", "s")       \
	P(COMMITTED, "committed", "s")                 \
	P(SENT, "sent", "s")                           \
	P(SENT_NOTED, "sent-noted", "s")               \
	P(OUTPUT_STASHED, "output-stashed", "p")       \
	P(OUTPUT_MOVED, "output-moved", "p")           \
	P(OUTPUT_DONE, "output-done", "p")             \
	P(SETTLED_HALF, "settled-half", "s")           \
	P(SETTLED, "settled", "s")                     \
	P(TURN_DONE, "turn-done", "s")                 \
	P(CLOSE_JOURNALED, "close-journaled", "s")     \
	P(CLOSE_MARKED, "close-marked", "s")           \
	P(CLOSE_LISTED, "close-listed", "s")           \
	P(CLOSE_COUNTED, "close-counted", "s")         \
	P(CLOSE_CLOSED, "close-closed", "s")           \
	P(CLOSE_FREED, "close-freed", "s")             \
	P(FIN_SENT, "fin-sent", "e")                   \
	P(RESUME_BEGUN, "resume-begun", "r")           \
	P(RESUME_ROWS, "resume-rows", "r")             \
	P(RESUME_SWEPT, "resume-swept", "r")           \
	P(RESUME_ACCEPT, "resume-accept", "r")         \
	P(RESUME_WATCHED, "resume-watched", "r")       \
	P(RESUME_TURN, "resume-turn", "r")             \
	P(RESUME_COUNTED, "resume-counted", "r")       \
	P(DATAGRAM_BEGUN, "datagram-begun", "d")       \
	P(DATAGRAM_RECEIVED, "datagram-received", "d") \
	P(DATAGRAM_HANDLED, "datagram-handled", "d")   \
	P(DATAGRAM_READY, "datagram-ready", "d")       \
	P(DATAGRAM_SENT, "datagram-sent", "d")         \
	P(DATAGRAM_SETTLED, "datagram-settled", "d")   \
	P(PROGRAM_POSTED, "program-posted", "x")       \
	P(PROGRAM_POKED, "program-poked", "x")         \
	P(PROGRAM_ENDED, "program-ended", "x")         \
	P(PROGRAM_NOTED, "program-noted", "x")         \
	P(TRIAL_BEGUN, "trial-begun", "m")             \
	P(TRIAL_TESTED, "trial-tested", "t")           \
	P(TRIAL_PASSED, "trial-passed", "m")           \
	P(MASTER_PACKED, "master-packed", "m")         \
	P(MASTER_EXECUTED, "master-executed", "m")     \
	P(MASTER_UNPACKED, "master-unpacked", "m")     \
	P(CONFIG_READ, "config-read", "m")             \
	P(LISTENERS_OPENED, "listeners-opened", "m")   \
	P(REHEARSAL_BEGUN, "rehearsal-begun", "m")     \
	P(REHEARSAL_PASSED, "rehearsal-passed", "m")   \
	P(ENTRIES_PUT, "entries-put", "m")             \
	P(CONFIG_WRITTEN, "config-written", "m")       \
	P(CONFIG_PUT, "config-put", "m")               \
	P(SLOT_ASKED, "slot-asked", "m")               \
	P(PLAN_SENT, "plan-sent", "m")                 \
	P(SLOT_RENEWED, "slot-renewed", "m")           \
	P(ALL_RENEWED, "all-renewed", "m")             \
	P(PROBATION_BEGUN, "probation-begun", "m")     \
	P(KEEPER_FORKED, "keeper-forked", "b")         \
	P(KEEPER_PUBLISHED, "keeper-published", "b")   \
	P(BACK_BEGUN, "back-begun", "w")               \
	P(RETURN_BEGUN, "return-begun", "w")           \
	P(ADOPTION_CALLED, "adoption-called", "a")     \
	P(ADOPTION_ONE, "adoption-one", "a")           \
	P(ADOPTION_ALL, "adoption-all", "a")           \
	P(ADOPTION_GONE_ON, "adoption-gone-on", "a")   \
	P(KEEPER_ASKED, "keeper-asked", "k")           \
	P(KEEPER_BARE, "keeper-bare", "k")             \
	P(KEEPER_PLANNED, "keeper-planned", "k")       \
	P(KEEPER_FITTED, "keeper-fitted", "k")         \
	P(KEEPER_EXECUTED, "keeper-executed", "k")     \
	P(KEEPER_MAPPED, "keeper-mapped", "k")         \
	P(KEEPER_LISTENING, "keeper-listening", "k")   \
	P(KEEPER_READY, "keeper-ready", "k")           \
	P(SUITOR_ACCEPTED, "suitor-accepted", "o")     \
	P(SUITOR_GREETED, "suitor-greeted", "o")

enum crash_point {
#define P(tail, name, on) CRASH_##tail,
	CRASH_POINTS(P)
#undef P
	CRASH_POINTS_N
};

#ifdef GUICHET_TEST
/* tests/services/crash.c: dies here when it was told to. */
void crash_reached(enum crash_point point);
#define CRASH_POINT(tail) crash_reached(CRASH_##tail)
#else
#define CRASH_POINT(tail) ((void)0)
#endif

#endif
