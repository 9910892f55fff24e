/* SPDX-License-Identifier: ISC */
/*
 * conn.h - one stream connection: its turns, from accept to close
 */
#ifndef GUICHET_CONN_H
#define GUICHET_CONN_H

#include <sys/socket.h>

#include "server/tally.h"
#include "server/worker.h"

/*
 * Fills row @row for the just accepted @fd of @listener; @peer as accept(2)
 * told it. The row is a connection when this returns.
 */
void conn_open(struct worker *w, uint32_t row, uint32_t listener, int fd,
	       const struct sockaddr_storage *peer, socklen_t peer_len);

/* The living worker's own knowledge of the row, from the ledger's. */
void conn_attach(struct worker *w, uint32_t row);

/*
 * watch: asks epoll for it; false when there is no memory for that. greet: if
 * the service speaks first, and has not, it does. start: both, for a new one.
 */
bool conn_watch(struct worker *w, uint32_t row);
void conn_greet(struct worker *w, uint32_t row);
void conn_start(struct worker *w, uint32_t row);

/* Epoll says that something can be done for it. */
void conn_event(struct worker *w, uint32_t row, uint32_t serial);

/* Its deadline may have come: ends it, or waits for the next one. */
void conn_look(struct worker *w, uint32_t row);

/* Ends it, from outside a turn. */
void conn_end(struct worker *w, uint32_t row, enum close_reason reason);

/* In a drain: ends it if its service allows that and nothing is under way. */
void conn_end_idle(struct worker *w, uint32_t row);

/*
 * For a successor: finishes the turn in which a predecessor died. @row is in
 * hand and stays watched; @suspect: its handler must not be called again, for
 * that reason (CLOSE_CRASH, CLOSE_KILLED), or -1.
 */
void conn_resume_turn(struct worker *w, uint32_t row, int suspect);

/*
 * Of a connection that a program serves: brings its numbers up to the
 * kernel's, and closes it if the program has ended.
 */
void conn_note_program(struct worker *w, uint32_t row);

/* For a successor: what of @row's buffers is taken. */
void conn_take_pages(struct worker *w, uint32_t row);

#endif
