/* SPDX-License-Identifier: ISC */
/*
 * clocks.c - tests of what the services time and daytime say in other years
 *
 * The time(2) below takes the place of the C library's.
 */
#include <arpa/inet.h>
#include <time.h>

#include "server/services/builtin.h"
#include "tests/unit/check.h"

static time_t clock_now;

/* NOLINTNEXTLINE(*-parameter-name): the library's own name is reserved */
time_t time(time_t *timer)
{
	if (timer)
		*timer = clock_now;
	return clock_now;
}

/* What @service answers a datagram at @now, in @answer with a NUL. */
static size_t answer(const struct service *service, time_t now, char *answer,
		     size_t room)
{
	struct datagram d = {
		.in = (const uint8_t *)"",
		.out = (uint8_t *)answer,
		.out_room = room - 1,
	};

	clock_now = now;
	service->datagram(&d);
	CHECK(d.is_answered && !d.is_in_place);
	answer[d.out_bytes] = 0;
	return d.out_bytes;
}

static uint32_t number_at(time_t now)
{
	char text[8];
	uint32_t number = 0;

	CHECK_NUMBER(answer(&service_time, now, text, sizeof(text)), 4);
	memcpy(&number, text, sizeof(number));
	return ntohl(number);
}

static const char *line_at(time_t now)
{
	static char text[256];

	(void)answer(&service_daytime, now, text, sizeof(text));
	return text;
}

int main(void)
{
	/* the values of RFC 868 itself */
	CHECK_NUMBER(number_at(0), 2208988800);
	CHECK_NUMBER(number_at(189302400), 2398291200); /* 1976-01-01 */
	CHECK_NUMBER(number_at(315532800), 2524521600); /* 1980-01-01 */
	CHECK_NUMBER(number_at(420595200), 2629584000); /* 1983-05-01 */
	/* 2036-02-07 06:28:15, the last before the number begins again */
	CHECK_NUMBER(number_at(2085978495), UINT32_MAX);
	CHECK_NUMBER(number_at(2085978496), 0);
	CHECK_NUMBER(number_at(2147483648), 61505152); /* 2038 */

	CHECK_TEXT(line_at(0), "Thursday, January 1, 1970 00:00:00-UTC\r\n");
	/* RFC 867's own example */
	CHECK_TEXT(line_at(383276263),
		   "Tuesday, February 23, 1982 01:37:43-UTC\r\n");
	CHECK_TEXT(line_at(951782400),
		   "Tuesday, February 29, 2000 00:00:00-UTC\r\n");
	CHECK_TEXT(line_at(1767225599),
		   "Wednesday, December 31, 2025 23:59:59-UTC\r\n");
	CHECK_TEXT(line_at(4107542399),
		   "Sunday, February 28, 2100 23:59:59-UTC\r\n");
	return check_result();
}
