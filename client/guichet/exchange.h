/* SPDX-License-Identifier: ISC */
/*
 * exchange.h - an input and an output joined to a connected socket
 */
#ifndef GUICHET_EXCHANGE_H
#define GUICHET_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exchange {
	int socket; /* connected, non-blocking */
	bool is_datagram;
	const char *message; /* all there is to send; NULL: what in_fd gives */
	size_t message_bytes;
	int in_fd;
	int out_fd;
	/*
	 * How long the peer may be silent once all was sent; UNITS_OFF: for
	 * ever.
	 */
	uint64_t silence_ns;
	uint64_t max_answers; /* datagrams to wait for; 0: any number */

	/* What came of it: answers and their bytes, and errors as -errno. */
	uint64_t n_answers;
	uint64_t n_answer_bytes;
	char last_byte; /* of the answer */
	bool is_silent; /* silence_ns went by */
	int in_err;
	int out_err; /* -EPIPE: nobody reads it any more */
	int socket_err;
};

/*
 * Sends the input and writes the answer, both at once, and half-closes a
 * stream at the end of input. Returns when the peer has ended its stream and
 * all is written, when it was silent for too long, when the output is closed,
 * or when the connection fails. False without memory.
 */
bool exchange_run(struct exchange *x);

#endif
