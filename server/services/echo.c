/* SPDX-License-Identifier: ISC */
/*
 * echo.c - says back what it hears (RFC 862)
 *
 * The smallest service, and the example to begin with. The answer is the input
 * itself, so no byte is copied.
 */
#include "server/service.h"
#include "server/services/builtin.h"

static enum verdict echo_input(struct turn *turn)
{
	turn->consumed = turn->in_bytes;
	/* always succeeds: the input, written first, needs no room */
	(void)turn_write(turn, turn->in, turn->in_bytes);
	return turn->is_eof ? VERDICT_CLOSE : VERDICT_CONTINUE;
}

static void echo_datagram(struct datagram *datagram)
{
	(void)datagram_write(datagram, datagram->in, datagram->in_bytes);
}

const struct service service_echo = {
	.name = "echo",
	.help = "says back what it hears (RFC 862)",
	.transports = SERVICE_STREAM | SERVICE_DATAGRAM,
	.input = echo_input,
	.datagram = echo_datagram,
};
