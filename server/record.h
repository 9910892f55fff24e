/* SPDX-License-Identifier: ISC */
/*
 * record.h - how far a connection has come; changed by one store
 */
#ifndef GUICHET_RECORD_H
#define GUICHET_RECORD_H

#include "server/worker.h"

/* Flags of a record: what has been decided, and stays so over a death. */
enum record_flag {
	RECORD_OPENED = 1, /* the service's open() has had its turn */
	RECORD_EOF = 2,    /* the peer's end was seen by the service */
	RECORD_CLOSE = 4,  /* our FIN follows the output */
	RECORD_AGAIN = 8,  /* ready() is wanted when the output is out */
};

/* A record's plain copy. */
struct record {
	uint64_t consumed, produced, messages;
	uint32_t in_offset, in_bytes, out_offset, out_bytes, flags;
};

static inline struct record record_load(struct ledger_row *r)
{
	const struct ledger_record *from = row_record(r);

	return (struct record){
		.consumed = ledger_get(from->consumed),
		.produced = ledger_get(from->produced),
		.messages = ledger_get(from->messages),
		.in_offset = ledger_get(from->in_offset),
		.in_bytes = ledger_get(from->in_bytes),
		.out_offset = ledger_get(from->out_offset),
		.out_bytes = ledger_get(from->out_bytes),
		.flags = ledger_get(from->flags),
	};
}

/* The spare copy of a row's state, made equal to the one in force. */
void *record_spare_state(struct worker *w, uint32_t row);

/*
 * Writes the spare record, and makes it and the spare state the valid ones,
 * by one store: the commit.
 */
void record_commit(struct worker *w, uint32_t row, const struct record *from);

/* The same when only places changed: the state goes along as it is. */
void record_move(struct worker *w, uint32_t row, const struct record *from);

/* That of a connection in which nothing has happened yet. */
void record_clear(struct worker *w, uint32_t row, size_t copy_bytes);

#endif
