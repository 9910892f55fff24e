/* SPDX-License-Identifier: ISC */
/*
 * runtime.h - where an instance's files live
 */
#ifndef GUICHET_RUNTIME_H
#define GUICHET_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>

#define RUNTIME_DEFAULT_NAME "default"

/*
 * The directory when none was named: $RUNTIME_DIRECTORY (the first, if it
 * lists several), else /run/guichet for root, else $XDG_RUNTIME_DIR/guichet,
 * else /tmp/guichet-UID. Returns @out.
 */
const char *runtime_dir(char *out, size_t out_bytes);

/* DIR/NAME and @suffix into @out; returns 0 or -ENAMETOOLONG. */
int runtime_path(const char *dir, const char *name, const char *suffix,
		 char *out, size_t out_bytes);

/* DIR/NAME.ledger into @out; returns 0 or -ENAMETOOLONG. */
int runtime_ledger_path(const char *dir, const char *name, char *out,
			size_t out_bytes);

/* Whether @name is letters, digits, - and _, and not too long. */
bool runtime_name_is_valid(const char *name);

#endif
