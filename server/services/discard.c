/* SPDX-License-Identifier: ISC */
/*
 * discard.c - throws away what it hears (RFC 863)
 */
#include "server/service.h"
#include "server/services/builtin.h"

static enum verdict discard_input(struct turn *turn)
{
	turn->consumed = turn->in_bytes;
	return turn->is_eof ? VERDICT_CLOSE : VERDICT_CONTINUE;
}

static void discard_datagram(struct datagram *datagram)
{
	(void)datagram; /* no answer is all there is to it */
}

const struct service service_discard = {
	.name = "discard",
	.help = "throws away what it hears (RFC 863)",
	.transports = SERVICE_STREAM | SERVICE_DATAGRAM,
	.input = discard_input,
	.datagram = discard_datagram,
};
