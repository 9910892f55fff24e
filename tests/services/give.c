/* SPDX-License-Identifier: ISC */
/*
 * give.c - sends as many bytes as the first line asks for, and ends it first
 *
 * The bytes are those of `yes abcdefghijklmnopqrstuvwxyz`. Where it is in
 * them follows from what was produced, but how much is left is its state.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/services/services.h"

#define LINE       "abcdefghijklmnopqrstuvwxyz\n"
#define LINE_BYTES (sizeof(LINE) - 1)

/* Two lines: from any place in the first, a whole line lies ahead. */
static const char pattern[] = LINE LINE;

struct give_state {
	uint64_t left;
	uint64_t is_asked;
};

static enum verdict give(struct turn *turn)
{
	struct give_state *state = turn->state;
	const char *from = &pattern[turn->produced % LINE_BYTES];
	size_t n = LINE_BYTES;

	while (state->left) {
		if (state->left < n)
			n = (size_t)state->left;
		if (!turn_write(turn, from, n))
			break;
		state->left -= n;
	}
	return state->left ? VERDICT_AGAIN : VERDICT_CLOSE;
}

static enum verdict give_input(struct turn *turn)
{
	struct give_state *state = turn->state;
	char number[24] = "";

	if (!memchr(turn->in, '\n', turn->in_bytes))
		return turn->is_eof ? VERDICT_CLOSE : VERDICT_CONTINUE;
	memcpy(number, turn->in,
	       turn->in_bytes < sizeof(number) ? turn->in_bytes :
						 sizeof(number) - 1);
	turn->consumed = turn->in_bytes;
	state->left = strtoull(number, NULL, 10);
	state->is_asked = 1;
	return give(turn);
}

const struct service give_service = {
	.name = "give",
	.help = "sends as many bytes as the first line asks for, then its FIN",
	.transports = SERVICE_STREAM,
	.state_bytes = sizeof(struct give_state),
	.input = give_input,
	.ready = give,
};
