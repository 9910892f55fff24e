/* SPDX-License-Identifier: ISC */
/*
 * talk.c - standard input to the server, its answer to standard output
 */
#include <string.h>
#include <unistd.h>

#include "client/guichet/commands.h"
#include "client/guichet/dial.h"
#include "client/guichet/exchange.h"
#include "client/guichet/output.h"
#include "common/base.h"
#include "common/log.h"
#include "common/options.h"
#include "common/units.h"

/* How long a datagram's answer may come after the end of input. */
#define DATAGRAM_WAIT_NS NS_PER_S

struct talk {
	struct dial_options dial; /* first: DIAL_ROW_* set it */
};

static const struct option_row rows[] = {
	DIAL_ROW_WAIT("for connecting (default 10s), and for answers after the "
		      "end of input (default for ever, UDP 1s)"),
	DIAL_ROW_IPV4,
	DIAL_ROW_IPV6,
	DIAL_ROW_VERBOSE,
};

static const struct options options = {
	.program = "guichet talk",
	.synopsis = "ADDRESS | HOST PORT [OPTION]...",
	.about = "Sends standard input to the server and prints what it "
		 "answers, both at once.",
	.details = "At the end of input the connection is half-closed, and "
		   "talk ends when the\nserver has ended its side too. "
		   "Over UDP each read of input is a datagram:\na line from "
		   "a terminal, else up to 64000 bytes.",
	.rows = rows,
	.n_rows = ARRAY_LEN(rows),
};

static uint64_t silence_ns(const struct talk *talk, const struct addr *addr)
{
	if (talk->dial.wait_ns)
		return talk->dial.wait_ns;
	return addr->transport == TRANSPORT_UDP ? DATAGRAM_WAIT_NS : UNITS_OFF;
}

static int talk_result(const struct exchange *x, const struct addr *addr)
{
	char text[ADDR_TYPED_BYTES];

	if (x->out_err)
		return output_failed(x->out_err);
	if (x->in_err)
		log_error("standard input: %s", strerror(-x->in_err));
	if (x->socket_err)
		dial_log(addr, x->socket_err);
	if (x->is_silent && !x->is_datagram)
		log_error("%s: no end of the answer in time",
			  addr_format_typed(addr, text));
	return x->in_err || x->socket_err || (x->is_silent && !x->is_datagram) ?
		       EXIT_FAILED :
		       EXIT_DONE;
}

int talk_main(int argc, char **argv)
{
	struct talk talk = { 0 };
	struct exchange x = { .in_fd = STDIN_FILENO, .out_fd = STDOUT_FILENO };
	struct addr_socket peer;
	struct addr addr;
	int n_operands;

	options_parse(&options, argc, argv, &talk, &n_operands);
	if (n_operands < 1 || n_operands > 2)
		dial_refuse_operands(&options);
	dial_parse_address(options.program, argv + 1, n_operands, &addr);

	x.socket = dial_connect(
		&addr, &talk.dial,
		talk.dial.wait_ns ? talk.dial.wait_ns : DIAL_WAIT_NS, &peer);
	if (x.socket < 0)
		return EXIT_FAILED;
	x.is_datagram = addr.transport == TRANSPORT_UDP;
	x.silence_ns = silence_ns(&talk, &addr);
	if (!exchange_run(&x))
		die(EXIT_FAILED, "no memory");
	return talk_result(&x, &addr);
}
