/* SPDX-License-Identifier: ISC */
/*
 * scan.c - whole copies of records that others write meanwhile
 *
 * Records are copied in chunks, three times each: where the first and the
 * third copy of a record have the same even seq, the second was whole. The few
 * that were in change are tried again one by one. Holes of the file are
 * skipped, so that a forged file that says it is huge costs no more than what
 * it really holds.
 */
#include "common/scan.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 64 KiB of rows: a copy takes some ten microseconds. */
#define CHUNK_RECORDS 256

/* Tries for all the records of one scan that were in change, together. */
#define MAX_RETRIES      1024
#define MAX_RETRIES_EACH 16

static uint32_t seq_of(const void *record)
{
	uint32_t seq;

	memcpy(&seq, record, sizeof(seq));
	return seq;
}

static bool seqs_agree(uint32_t before, uint32_t after)
{
	return before == after && !(before & 1);
}

static int scan_keep(struct scan *scan, uint32_t i, const void *record)
{
	size_t n_room;
	char *kept;

	if (!scan->is_there(record))
		return 0;
	if (scan->n_kept == scan->n_room) {
		n_room = scan->n_room ? 2 * scan->n_room : 64;
		kept = reallocarray(scan->kept, n_room, scan->record_bytes);
		if (!kept)
			return -ENOMEM;
		scan->kept = kept;
		scan->n_room = n_room;
	}
	memcpy(scan->kept + scan->n_kept * scan->record_bytes, record,
	       scan->record_bytes);
	scan->n_kept++;
	if (i < scan->split)
		scan->n_before_split++;
	return 0;
}

/* A record that was in change: a few more looks at it alone. */
static int scan_retry(struct scan *scan, uint32_t i, const char **why)
{
	const uint64_t offset = scan->offset + (uint64_t)i * scan->record_bytes;
	char *record = scan->copy[1]; /* its old place is free by now */
	uint32_t seq[2];
	unsigned attempt;
	int err;

	for (attempt = 0; attempt < MAX_RETRIES_EACH; attempt++) {
		if (scan->n_retries++ >= MAX_RETRIES)
			break;
		err = ledger_file_read(scan->file, &seq[0], sizeof(seq[0]),
				       offset, why);
		if (!err)
			err = ledger_file_read(scan->file, record,
					       scan->record_bytes, offset, why);
		if (!err)
			err = ledger_file_read(scan->file, &seq[1],
					       sizeof(seq[1]), offset, why);
		if (err)
			return err;
		if (seqs_agree(seq[0], seq[1]))
			return scan_keep(scan, i, record);
		(void)sched_yield(); /* its writer may wait for our processor */
	}
	scan->n_busy++;
	return 0;
}

static bool is_any_there(const struct scan *scan, const char *copy, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (scan->is_there(copy + i * scan->record_bytes))
			return true;
	return false;
}

/* All copies of records @first to @first + @n; 0 when there is none. */
static int copy_chunk(struct scan *scan, uint32_t first, uint32_t n,
		      const char **why)
{
	const uint64_t offset =
		scan->offset + (uint64_t)first * scan->record_bytes;

	for (unsigned c = 0; c < SCAN_COPIES; c++) {
		int err = ledger_file_read(scan->file, scan->copy[c],
					   n * scan->record_bytes, offset, why);

		if (err)
			return err;
		/* The three copies are made one after the other. */
		atomic_thread_fence(memory_order_acquire);
		if (!c && !is_any_there(scan, scan->copy[0], n))
			return 0;
	}
	return 1;
}

/* Most are whole at once; the others are looked at when all are through. */
static int scan_chunk(struct scan *scan, uint32_t first, uint32_t n,
		      const char **why)
{
	uint32_t busy[CHUNK_RECORDS], n_busy = 0;
	int err = copy_chunk(scan, first, n, why);

	if (err <= 0)
		return err;
	err = 0;
	for (uint32_t i = 0; !err && i < n; i++) {
		const size_t at = i * scan->record_bytes;

		if (seqs_agree(seq_of(scan->copy[0] + at),
			       seq_of(scan->copy[2] + at)))
			err = scan_keep(scan, first + i, scan->copy[1] + at);
		else if (scan->is_there(scan->copy[2] + at))
			busy[n_busy++] = first + i;
	}
	for (uint32_t i = 0; !err && i < n_busy; i++)
		err = scan_retry(scan, busy[i], why);
	return err;
}

/* The first record at or after @i that does not lie in a hole. */
static uint32_t scan_skip_hole(const struct scan *scan, uint32_t i)
{
	const uint64_t offset = scan->offset + (uint64_t)i * scan->record_bytes;
	const off_t data = lseek(scan->file->fd, (off_t)offset, SEEK_DATA);
	uint64_t n_skipped;

	if (data < 0) /* ENXIO: holes to the end. Else we cannot tell. */
		return errno == ENXIO ? scan->n : i;
	n_skipped = ((uint64_t)data - offset) / scan->record_bytes;
	return (uint32_t)min_u64(scan->n, i + n_skipped);
}

int scan_run(struct scan *scan, const char **why)
{
	const size_t chunk_bytes = CHUNK_RECORDS * scan->record_bytes;
	char *copies = malloc(SCAN_COPIES * chunk_bytes);
	uint32_t i = 0, n;
	unsigned c;
	int err = 0;

	if (!copies)
		return -ENOMEM;
	for (c = 0; c < SCAN_COPIES; c++)
		scan->copy[c] = copies + c * chunk_bytes;
	while (!err) {
		i = scan_skip_hole(scan, i);
		if (i >= scan->n)
			break;
		n = (uint32_t)min_u64(scan->n - i, CHUNK_RECORDS);
		err = scan_chunk(scan, i, n, why);
		i += n;
	}
	free(copies);
	if (err) {
		free(scan->kept);
		scan->kept = NULL;
	}
	return err;
}
