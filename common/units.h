/* SPDX-License-Identifier: ISC */
/*
 * units.h - durations, sizes and numbers as people type and read them
 *
 * Durations: 250ms 10s 5m 1h, and 1d. Sizes: 512 64k 1m 1g (powers of 1024).
 * The word "off" stands for UNITS_OFF where the caller allows it.
 */
#ifndef GUICHET_UNITS_H
#define GUICHET_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNITS_OFF UINT64_MAX

/* Room that every units_format_* result fits into. */
#define UNITS_TEXT_BYTES 32

/*
 * Each parses the whole of @text. Returns 0, -EINVAL when it is no such
 * thing (a missing unit of a duration, a sign, trailing text), -ERANGE when
 * it does not fit 64 bits (or, for a number, lies outside @min to @max).
 * A duration of plain 0 needs no unit.
 */
int units_parse_duration(const char *text, bool may_be_off,
			 uint64_t *duration_ns);
int units_parse_size(const char *text, bool may_be_off, uint64_t *bytes);
int units_parse_number(const char *text, uint64_t min, uint64_t max,
		       uint64_t *number);

/*
 * Each writes what its parser reads back as the same value, in the largest
 * unit that is exact, and returns @out, which has UNITS_TEXT_BYTES.
 */
const char *units_format_duration(uint64_t duration_ns, char *out);
const char *units_format_size(uint64_t bytes, char *out);

/* For eyes, not for parsers: "1.2s", "3m05s", "1.5M"; returns @out. */
const char *units_human_duration(uint64_t duration_ns, char *out);
const char *units_human_size(uint64_t bytes, char *out);

#endif
