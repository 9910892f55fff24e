/* SPDX-License-Identifier: ISC */
/*
 * daytime.c - says the date and time, for people to read (RFC 867)
 *
 * RFC 867 leaves the line to us; this is its first example's: "Tuesday,
 * February 22, 1982 17:37:43-PST". The time is UTC, so that no line depends
 * on where the server stands.
 */
#include <stdio.h>
#include <time.h>

#include "server/service.h"
#include "server/services/builtin.h"

#define LINE_MAX_BYTES 128

/* The names are our own: strftime's %A and %B depend on the locale. */
static const char *const days[] = { "Sunday",    "Monday",   "Tuesday",
				    "Wednesday", "Thursday", "Friday",
				    "Saturday" };
static const char *const months[] = { "January", "February", "March",
				      "April",   "May",      "June",
				      "July",    "August",   "September",
				      "October", "November", "December" };

/* Returns the line's length; @line has LINE_MAX_BYTES. */
static size_t make_line(char *line)
{
	time_t now = time(NULL);
	struct tm utc = { .tm_mday = 1 };

	(void)gmtime_r(&now, &utc); /* fails in the year 2^31 only */
	return (size_t)snprintf(line, LINE_MAX_BYTES,
				"%s, %s %d, %lld %02d:%02d:%02d-UTC\r\n",
				days[utc.tm_wday], months[utc.tm_mon],
				utc.tm_mday, utc.tm_year + 1900LL, utc.tm_hour,
				utc.tm_min, utc.tm_sec);
}

static enum verdict daytime_say(struct turn *turn)
{
	char line[LINE_MAX_BYTES];

	turn->consumed = turn->in_bytes;
	(void)turn_write(turn, line, make_line(line));
	return VERDICT_CLOSE;
}

static void daytime_datagram(struct datagram *datagram)
{
	char line[LINE_MAX_BYTES];

	(void)datagram_write(datagram, line, make_line(line));
}

const struct service service_daytime = {
	.name = "daytime",
	.help = "says the date and time, for people to read (RFC 867)",
	.transports = SERVICE_STREAM | SERVICE_DATAGRAM,
	.open = daytime_say,
	.input = daytime_say,
	.datagram = daytime_datagram,
};
