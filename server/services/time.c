/* SPDX-License-Identifier: ISC */
/*
 * time.c - says the time as a number of 32 bits (RFC 868)
 *
 * The seconds since the year 1900, in network order. In 2036 the number begins
 * at 0 again; who asks then has to know which of the two times is meant.
 */
#include <arpa/inet.h>
#include <time.h>

#include "server/service.h"
#include "server/services/builtin.h"

/* From 1900-01-01 to 1970-01-01: 70 years, 17 of them leap years. */
#define SECONDS_TO_1970 2208988800U

static uint32_t time_number(void)
{
	return htonl((uint32_t)time(NULL) + SECONDS_TO_1970);
}

static enum verdict time_say(struct turn *turn)
{
	uint32_t number = time_number();

	turn->consumed = turn->in_bytes;
	(void)turn_write(turn, &number, sizeof(number));
	return VERDICT_CLOSE;
}

static void time_datagram(struct datagram *datagram)
{
	uint32_t number = time_number();

	(void)datagram_write(datagram, &number, sizeof(number));
}

const struct service service_time = {
	.name = "time",
	.help = "says the time as a number of 32 bits (RFC 868)",
	.transports = SERVICE_STREAM | SERVICE_DATAGRAM,
	.open = time_say,
	.input = time_say,
	.datagram = time_datagram,
};
