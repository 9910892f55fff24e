/* SPDX-License-Identifier: ISC */
/*
 * scan.h - whole copies of records that others write meanwhile
 */
#ifndef GUICHET_SCAN_H
#define GUICHET_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ledger_file.h"

/* How often each is read: see scan.c. */
#define SCAN_COPIES 3

/* Records of one kind, one after another in the file, each opened by seq. */
struct scan {
	const struct ledger_file *file;
	uint64_t offset; /* of the first one */
	uint32_t n;
	uint32_t split; /* tells, in n_before_split, how many lie before it */
	size_t record_bytes;
	/* Whether there is a record at all: @record may be torn. */
	bool (*is_there)(const void *record);

	/* the result: the caller frees kept. Busy ones were left out */
	char *kept;
	size_t n_kept, n_before_split, n_busy;

	/* scan.c's own */
	size_t n_room;
	unsigned n_retries;
	char *copy[SCAN_COPIES];
};

/* Fills the result; or returns -errno, as ledger_file_read() does. */
int scan_run(struct scan *scan, const char **why);

#endif
