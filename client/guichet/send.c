/* SPDX-License-Identifier: ISC */
/*
 * send.c - one message to the server, and its answer
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

#define SEND_WAIT_NS (5 * NS_PER_S)

struct send_options {
	struct dial_options dial; /* first: DIAL_ROW_* set it */
};

static const struct option_row rows[] = {
	DIAL_ROW_WAIT("for connecting and for the answer (default 5s)"),
	DIAL_ROW_IPV4,
	DIAL_ROW_IPV6,
	DIAL_ROW_VERBOSE,
};

static const struct options options = {
	.program = "guichet send",
	.synopsis = "ADDRESS MESSAGE | HOST PORT MESSAGE [OPTION]...",
	.about = "Sends one message, exactly as given, and prints the answer.",
	.details = "A stream is half-closed after the message, and its answer "
		   "is all that comes\nuntil the server closes; over UDP the "
		   "answer is one datagram. No answer in\ntime is a failure.",
	.rows = rows,
	.n_rows = ARRAY_LEN(rows),
};

/* So that the next prompt of the shell stands on a line of its own. */
static void end_line(const struct exchange *x)
{
	if (x->n_answer_bytes && x->last_byte != '\n' && isatty(STDOUT_FILENO))
		/* the terminal is for eyes only */
		(void)!write(STDOUT_FILENO, "\n", 1);
}

static int send_result(const struct exchange *x, const struct addr *addr)
{
	char text[ADDR_TYPED_BYTES];

	if (x->out_err)
		return output_failed(x->out_err);
	end_line(x);
	if (x->socket_err)
		dial_log(addr, x->socket_err);
	else if (x->is_silent)
		log_error("%s: %s", addr_format_typed(addr, text),
			  x->n_answers ? "no end of the answer in time" :
					 "no answer in time");
	return x->socket_err || x->is_silent ? EXIT_FAILED : EXIT_DONE;
}

int send_main(int argc, char **argv)
{
	struct send_options send_options = { 0 };
	struct exchange x = {
		.in_fd = -1,
		.out_fd = STDOUT_FILENO,
		.max_answers = 1,
	};
	struct addr_socket peer;
	struct addr addr;
	int n_operands;

	options_parse(&options, argc, argv, &send_options, &n_operands);
	if (n_operands < 2 || n_operands > 3)
		dial_refuse_operands(&options);
	dial_parse_address(options.program, argv + 1, n_operands - 1, &addr);

	x.silence_ns = send_options.dial.wait_ns ? send_options.dial.wait_ns :
						   SEND_WAIT_NS;
	x.socket = dial_connect(&addr, &send_options.dial, x.silence_ns, &peer);
	if (x.socket < 0)
		return EXIT_FAILED;
	x.is_datagram = addr.transport == TRANSPORT_UDP;
	x.message = argv[n_operands];
	x.message_bytes = strlen(x.message);
	if (!exchange_run(&x))
		die(EXIT_FAILED, "no memory");
	return send_result(&x, &addr);
}
