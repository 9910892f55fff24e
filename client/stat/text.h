/* SPDX-License-Identifier: ISC */
/*
 * text.h - what stands in a ledger, as text that harms no terminal
 */
#ifndef GUICHET_STAT_TEXT_H
#define GUICHET_STAT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/ledger.h"

/* The longest text of one field: an address, a time, a name. */
#define TEXT_BYTES (ADDR_TEXT_BYTES + 32)

/*
 * @in with each byte that is no UTF-8, and each control character, turned
 * into '?': so a table, TSV and JSON need to look for quotes only. Cut, if it
 * must be, to @out_bytes with its 0. Returns @out.
 */
const char *text_clean(const char *in, char *out, size_t out_bytes);

/* 2026-01-31T23:59:59.123Z; @out has TEXT_BYTES and is returned. */
const char *text_time(uint64_t real_ns, char *out);

/*
 * 127.0.0.1:54231, [::1]:99, unix:pid=123,uid=0; NULL when @addr is none.
 * @out has TEXT_BYTES and is returned.
 */
const char *text_address(const struct ledger_addr *addr, char *out);

/* How many columns of a terminal @text takes, near enough. */
size_t text_width(const char *text);

#endif
