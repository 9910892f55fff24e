/* SPDX-License-Identifier: ISC */
/*
 * record.c - how far a connection has come; changed by one store
 *
 * A record has two copies in its row, and the service's state two in the
 * vault. What is new is written to the spare ones; the store to `valid` makes
 * both the ones in force. A death before it leaves the old, after it the new.
 */
#include "server/record.h"

#include <string.h>

#include "server/crash.h"
#include "server/service_table.h"

static uint32_t copy_in_force(const struct worker *w, uint32_t row)
{
	return ledger_get(w->rows[row].valid) & 1;
}

void *record_spare_state(struct worker *w, uint32_t row)
{
	size_t bytes = service_copy_bytes(worker_service(w, row));
	uint32_t copy = copy_in_force(w, row);
	uint8_t *spare = vault_state(w->vault, row, !copy);

	if (bytes)
		memcpy(spare, vault_state(w->vault, row, copy), bytes);
	return spare;
}

void record_commit(struct worker *w, uint32_t row, const struct record *from)
{
	struct ledger_row *r = &w->rows[row];
	uint32_t valid = ledger_get(r->valid);
	struct ledger_record *to = &r->record[(valid + 1) & 1];

	ledger_set(to->consumed, from->consumed);
	ledger_set(to->produced, from->produced);
	ledger_set(to->messages, from->messages);
	ledger_set(to->in_offset, from->in_offset);
	ledger_set(to->in_bytes, from->in_bytes);
	ledger_set(to->out_offset, from->out_offset);
	ledger_set(to->out_bytes, from->out_bytes);
	ledger_set(to->flags, from->flags);
	CRASH_POINT(RECORD_WRITTEN);
	/* release: the commit; pairs with whoever reads the record next */
	atomic_store_explicit(&r->valid, valid + 1, memory_order_release);
	CRASH_POINT(COMMITTED);
}

void record_move(struct worker *w, uint32_t row, const struct record *from)
{
	(void)record_spare_state(w, row);
	record_commit(w, row, from);
}

void record_clear(struct worker *w, uint32_t row, size_t copy_bytes)
{
	struct ledger_row *r = &w->rows[row];
	struct ledger_record *record = &r->record[0];

	ledger_set(record->consumed, 0);
	ledger_set(record->produced, 0);
	ledger_set(record->messages, 0);
	ledger_set(record->in_bytes, 0);
	ledger_set(record->out_bytes, 0);
	ledger_set(record->flags, 0);
	ledger_set(r->valid, 0);
	ledger_set(r->sent, 0);
	ledger_set(r->active_mono_ns, w->now_ns);
	ledger_set(r->pid, 0);
	ledger_set(r->status, 0);
	ledger_set(r->began_mono_ns, 0);
	ledger_set(r->ending, 0);
	if (copy_bytes)
		memset(vault_state(w->vault, row, 0), 0, copy_bytes);
}
