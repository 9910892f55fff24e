/* SPDX-License-Identifier: ISC */
/*
 * units.c - durations, sizes and numbers as people type and read them
 */
#include "common/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base.h"

struct unit {
	const char *suffix;
	uint64_t value;
};

/* The largest first: a formatter takes the first that is exact. */
static const struct unit durations[] = {
	{ "d", 86400 * NS_PER_S },
	{ "h", 3600 * NS_PER_S },
	{ "m", 60 * NS_PER_S },
	{ "s", NS_PER_S },
	{ "ms", NS_PER_MS },
	{ "us", NS_PER_US },
	{ "ns", 1 },
};

static const struct unit sizes[] = {
	{ "g", 1ULL << 30 },
	{ "m", 1ULL << 20 },
	{ "k", 1ULL << 10 },
	{ "", 1 },
};

/* Takes the digits that *@text begins with, and moves it behind them. */
static int take_digits(const char **text, uint64_t *number)
{
	const char *c = *text;
	bool is_too_large = false;

	*number = 0;
	for (; *c >= '0' && *c <= '9'; c++)
		is_too_large |= __builtin_mul_overflow(*number, 10U, number) ||
				__builtin_add_overflow(
					*number, (unsigned)(*c - '0'), number);
	if (c == *text)
		return -EINVAL;
	*text = c;
	return is_too_large ? -ERANGE : 0;
}

static const struct unit *find_unit(const struct unit *units, size_t n,
				    const char *suffix)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(units[i].suffix, suffix))
			return &units[i];
	return NULL;
}

static int parse_with_unit(const char *text, bool may_be_off,
			   const struct unit *units, size_t n, uint64_t *value)
{
	const struct unit *unit;
	uint64_t number, product;
	int err;

	if (may_be_off && !strcmp(text, "off")) {
		*value = UNITS_OFF;
		return 0;
	}
	err = take_digits(&text, &number);
	if (err == -EINVAL)
		return err;
	unit = find_unit(units, n, text);
	if (!unit && (err || number || *text)) /* a plain 0 needs no unit */
		return -EINVAL;
	if (err)
		return err;
	if (__builtin_mul_overflow(number, unit ? unit->value : 1, &product) ||
	    product == UNITS_OFF) /* must not be taken for "off" */
		return -ERANGE;
	*value = product;
	return 0;
}

int units_parse_duration(const char *text, bool may_be_off,
			 uint64_t *duration_ns)
{
	return parse_with_unit(text, may_be_off, durations,
			       ARRAY_LEN(durations), duration_ns);
}

int units_parse_size(const char *text, bool may_be_off, uint64_t *bytes)
{
	return parse_with_unit(text, may_be_off, sizes, ARRAY_LEN(sizes),
			       bytes);
}

int units_parse_number(const char *text, uint64_t min, uint64_t max,
		       uint64_t *number)
{
	uint64_t value;
	int err = take_digits(&text, &value);

	if (err == -EINVAL || *text)
		return -EINVAL;
	if (err || value < min || value > max)
		return -ERANGE;
	*number = value;
	return 0;
}

static const char *format_with_unit(uint64_t value, const struct unit *units,
				    char *out)
{
	const struct unit *unit = units;

	if (value == UNITS_OFF)
		return strcpy(out, "off");
	if (!value)
		return strcpy(out, "0");
	while (value % unit->value) /* ends at the last one, which is 1 */
		unit++;
	(void)snprintf(out, UNITS_TEXT_BYTES, "%" PRIu64 "%s",
		       value / unit->value, unit->suffix);
	return out;
}

const char *units_format_duration(uint64_t duration_ns, char *out)
{
	return format_with_unit(duration_ns, durations, out);
}

const char *units_format_size(uint64_t bytes, char *out)
{
	return format_with_unit(bytes, sizes, out);
}

/* One decimal where it says something: "1.2s", but "12s". Rounds down. */
static void format_short(uint64_t value, uint64_t unit, const char *suffix,
			 char *out)
{
	uint64_t whole = value / unit;
	uint64_t tenths = value % unit * 10 / unit;

	if (unit > 1 && whole < 10)
		(void)snprintf(out, UNITS_TEXT_BYTES,
			       "%" PRIu64 ".%" PRIu64 "%s", whole, tenths,
			       suffix);
	else
		(void)snprintf(out, UNITS_TEXT_BYTES, "%" PRIu64 "%s", whole,
			       suffix);
}

/* Two units: "3m05s", "2h07m", "3d04h". False when a minute is not reached. */
static bool format_pair(uint64_t s, char *out)
{
	static const struct {
		unsigned big_s, small_s;
		char big, small;
	} pairs[] = {
		{ 86400, 3600, 'd', 'h' },
		{ 3600, 60, 'h', 'm' },
		{ 60, 1, 'm', 's' },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		if (s < pairs[i].big_s)
			continue;
		(void)snprintf(out, UNITS_TEXT_BYTES,
			       "%" PRIu64 "%c%02" PRIu64 "%c",
			       s / pairs[i].big_s, pairs[i].big,
			       s % pairs[i].big_s / pairs[i].small_s,
			       pairs[i].small);
		return true;
	}
	return false;
}

const char *units_human_duration(uint64_t duration_ns, char *out)
{
	if (duration_ns == UNITS_OFF)
		return strcpy(out, "off");
	if (format_pair(duration_ns / NS_PER_S, out))
		return out;
	for (size_t i = 0; i < ARRAY_LEN(durations); i++)
		if (durations[i].value <= duration_ns) {
			format_short(duration_ns, durations[i].value,
				     durations[i].suffix, out);
			return out;
		}
	return strcpy(out, "0s");
}

const char *units_human_size(uint64_t bytes, char *out)
{
	static const char suffixes[][2] = { "", "K", "M", "G", "T", "P", "E" };
	size_t i = 0;
	uint64_t unit = 1;

	if (bytes == UNITS_OFF)
		return strcpy(out, "off");
	while (bytes / unit >= 1024) {
		unit <<= 10;
		i++;
	}
	/* tenths of the largest unit would overflow: drop bits nobody sees */
	if (i == ARRAY_LEN(suffixes) - 1) {
		bytes >>= 10;
		unit >>= 10;
	}
	format_short(bytes, unit, suffixes[i], out);
	return out;
}
