/* SPDX-License-Identifier: ISC */
/*
 * units.c - tests of durations, sizes and numbers
 */
#include "common/units.h"

#include <errno.h>

#include "common/base.h"
#include "tests/unit/check.h"

static const struct {
	const char *text;
	int result;
	uint64_t value;
} durations[] = {
	{ "0", 0, 0 },
	{ "0s", 0, 0 },
	{ "250ms", 0, 250 * NS_PER_MS },
	{ "10s", 0, 10 * NS_PER_S },
	{ "5m", 0, 300 * NS_PER_S },
	{ "1h", 0, 3600 * NS_PER_S },
	{ "1d", 0, 86400 * NS_PER_S },
	{ "7us", 0, 7 * NS_PER_US },
	{ "", -EINVAL, 0 },
	{ "10", -EINVAL, 0 },
	{ "s", -EINVAL, 0 },
	{ "-1s", -EINVAL, 0 },
	{ "+1s", -EINVAL, 0 },
	{ " 1s", -EINVAL, 0 },
	{ "1s ", -EINVAL, 0 },
	{ "1 s", -EINVAL, 0 },
	{ "1s5", -EINVAL, 0 },
	{ "1.5s", -EINVAL, 0 },
	{ "1w", -EINVAL, 0 },
	{ "off", -EINVAL, 0 },
	{ "99999999999999999999x", -EINVAL, 0 },
	{ "99999999999999999999", -EINVAL, 0 },
	{ "18446744073709551615ns", -ERANGE, 0 }, /* would mean off */
	{ "18446744073s", 0, 18446744073 * NS_PER_S },
	{ "18446744074s", -ERANGE, 0 },
	{ "99999999999999999999s", -ERANGE, 0 },
}, sizes[] = {
	{ "0", 0, 0 },
	{ "512", 0, 512 },
	{ "64k", 0, 65536 },
	{ "1m", 0, 1 << 20 },
	{ "3g", 0, 3ULL << 30 },
	{ "17179869183g", 0, 17179869183ULL << 30 },
	{ "17179869184g", -ERANGE, 0 },
	{ "18446744073709551614", 0, UINT64_MAX - 1 },
	{ "18446744073709551615", -ERANGE, 0 },
	{ "18446744073709551616", -ERANGE, 0 },
	{ "k", -EINVAL, 0 },
	{ "1kb", -EINVAL, 0 },
	{ "0x10", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
};

static void test_parse(void)
{
	uint64_t value;

	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		value = 0;
		CHECK_NUMBER(units_parse_duration(durations[i].text, false,
						  &value),
			     durations[i].result);
		CHECK_NUMBER(value, durations[i].value);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		value = 0;
		CHECK_NUMBER(units_parse_size(sizes[i].text, false, &value),
			     sizes[i].result);
		CHECK_NUMBER(value, sizes[i].value);
	}
	CHECK_NUMBER(units_parse_duration("off", true, &value), 0);
	CHECK(value == UNITS_OFF);
	CHECK_NUMBER(units_parse_size("off", true, &value), 0);
	CHECK(value == UNITS_OFF);
	CHECK_NUMBER(units_parse_size("offx", true, &value), -EINVAL);
}

static void test_number(void)
{
	uint64_t n = 77;

	CHECK_NUMBER(units_parse_number("8", 1, 8, &n), 0);
	CHECK_NUMBER(n, 8);
	CHECK_NUMBER(units_parse_number("9", 1, 8, &n), -ERANGE);
	CHECK_NUMBER(units_parse_number("0", 1, 8, &n), -ERANGE);
	CHECK_NUMBER(units_parse_number("8x", 1, 8, &n), -EINVAL);
	CHECK_NUMBER(units_parse_number("", 0, 8, &n), -EINVAL);
	CHECK_NUMBER(units_parse_number("-1", 0, 8, &n), -EINVAL);
	CHECK_NUMBER(n, 8); /* a refusal leaves it alone */
	CHECK_NUMBER(units_parse_number("18446744073709551616", 0, UINT64_MAX,
					&n),
		     -ERANGE);
	CHECK_NUMBER(units_parse_number("18446744073709551615", 0, UINT64_MAX,
					&n),
		     0);
	CHECK(n == UINT64_MAX);
}

/* Whatever is formatted is read back as the same value. */
static void test_round_trip(void)
{
	char text[UNITS_TEXT_BYTES];
	uint64_t value = 1, back;

	for (unsigned i = 0; i < 100000; i++) {
		value = value * 6364136223846793005ULL + 1442695040888963407ULL;
		uint64_t v = value >> (i % 64);

		if (v == UNITS_OFF)
			continue;
		back = ~v;
		CHECK_NUMBER(
			units_parse_duration(units_format_duration(v, text),
					     true, &back),
			0);
		CHECK(back == v);
		back = ~v;
		CHECK_NUMBER(units_parse_size(units_format_size(v, text), true,
					      &back),
			     0);
		CHECK(back == v);
	}
}

static void test_format(void)
{
	char t[UNITS_TEXT_BYTES];

	CHECK_TEXT(units_format_duration(UNITS_OFF, t), "off");
	CHECK_TEXT(units_format_duration(0, t), "0");
	CHECK_TEXT(units_format_duration(90 * NS_PER_S, t), "90s");
	CHECK_TEXT(units_format_duration(300 * NS_PER_S, t), "5m");
	CHECK_TEXT(units_format_duration(1500 * NS_PER_MS, t), "1500ms");
	CHECK_TEXT(units_format_size(65536, t), "64k");
	CHECK_TEXT(units_format_size(65537, t), "65537");
	CHECK_TEXT(units_format_size(UNITS_OFF, t), "off");
}

static void test_human(void)
{
	char t[UNITS_TEXT_BYTES];

	CHECK_TEXT(units_human_duration(0, t), "0s");
	CHECK_TEXT(units_human_duration(850, t), "850ns");
	CHECK_TEXT(units_human_duration(1200 * NS_PER_US, t), "1.2ms");
	CHECK_TEXT(units_human_duration(1250 * NS_PER_MS, t), "1.2s");
	CHECK_TEXT(units_human_duration(59999 * NS_PER_MS, t), "59s");
	CHECK_TEXT(units_human_duration(185 * NS_PER_S, t), "3m05s");
	CHECK_TEXT(units_human_duration(7620 * NS_PER_S, t), "2h07m");
	CHECK_TEXT(units_human_duration(273600 * NS_PER_S, t), "3d04h");
	CHECK_TEXT(units_human_duration(UNITS_OFF, t), "off");
	CHECK_TEXT(units_human_size(512, t), "512");
	CHECK_TEXT(units_human_size(1023, t), "1023");
	CHECK_TEXT(units_human_size(1536 << 10, t), "1.5M");
	CHECK_TEXT(units_human_size(64 << 10, t), "64K");
	CHECK_TEXT(units_human_size(UINT64_MAX - 1, t), "15E");
	CHECK_TEXT(units_human_size(9ULL << 60, t), "9.0E");
}

int main(void)
{
	test_parse();
	test_number();
	test_round_trip();
	test_format();
	test_human();
	return check_result();
}
