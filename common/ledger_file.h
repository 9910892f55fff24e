/* SPDX-License-Identifier: ISC */
/*
 * ledger_file.h - a ledger as a reader opens it
 *
 * Read-only, never through a link, never mapped, and every size is checked
 * against constants before it is used: a forged, truncated or foreign file
 * gives one clear line and no harm.
 */
#ifndef GUICHET_LEDGER_FILE_H
#define GUICHET_LEDGER_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/ledger.h"

/* An open ledger file. */
struct ledger_file {
	int fd;
	dev_t dev; /* to see that NAME.ledger was replaced by a newer one */
	ino_t ino;
	struct ledger_header header; /* checked */
};

/*
 * Opens and checks. Returns 0, or -errno and in @why (a static string) what
 * is wrong with the file: "is a symbolic link", "is not a ledger",
 * "is truncated", "has layout version 7; this program reads 1" ...
 */
int ledger_file_open(struct ledger_file *file, const char *path,
		     const char **why);
void ledger_file_close(struct ledger_file *file);

/* All of @bytes at @offset, or the header anew; returns as open does. */
int ledger_file_read(const struct ledger_file *file, void *into, size_t bytes,
		     uint64_t offset, const char **why);
int ledger_file_read_header(const struct ledger_file *file,
			    struct ledger_header *header, const char **why);

/* What to say of a file for which a call failed with @err (positive). */
const char *ledger_file_fault(int err);

/*
 * Whether a server holds the lock on the ledger @fd, and lives therefore: 1,
 * and its *@pid (not positive: of another pid name space); 0; or -errno.
 */
int ledger_lock_owner(int fd, pid_t *pid);

/* The pid of the server that lives and writes it; 0 when it is dead. */
pid_t ledger_file_owner(const struct ledger_file *file);

/* Whether @path names another file now than the one that is open. */
bool ledger_file_is_replaced(const struct ledger_file *file, const char *path);

#endif
