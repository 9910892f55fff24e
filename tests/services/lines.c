/* SPDX-License-Identifier: ISC */
/*
 * lines.c - greets, then answers each whole line with its number and itself
 *
 * Leaves unconsumed what is no whole line yet, keeps a count in its state, has
 * counters of its own, and speaks first: what echo does not do. A datagram is
 * a line, too.
 */
#include <stdio.h>
#include <string.h>

#include "tests/services/services.h"

struct lines_state {
	uint64_t n_lines;
	char odd; /* so that what lies behind it needs a gap */
};

enum {
	OWN_LINES,
	OWN_LENGTH
};

static const struct service_counter lines_counters[] = {
	[OWN_LINES] = { "lines", "", "Lines that were answered" },
	[OWN_LENGTH] = { "length", "bytes", "Bytes of all these lines" },
};

static enum verdict lines_open(struct turn *turn)
{
	(void)turn_write(turn, "hello\n", 6);
	return VERDICT_CONTINUE;
}

/* Answers the line at @at; false when there is no room for the answer. */
static bool answer(struct turn *turn, const uint8_t *at, size_t bytes)
{
	struct lines_state *state = turn->state;
	char number[32];
	int n = snprintf(number, sizeof(number), "%llu ",
			 (unsigned long long)state->n_lines + 1);

	if (turn->out_room - turn->out_bytes < bytes + (size_t)n)
		return false;
	(void)turn_write(turn, number, (size_t)n);
	(void)turn_write(turn, at, bytes);
	state->n_lines++;
	turn_count(turn, OWN_LINES, 1);
	turn_count(turn, OWN_LENGTH, bytes);
	return true;
}

static enum verdict lines_input(struct turn *turn)
{
	const uint8_t *at = turn->in, *end = turn->in + turn->in_bytes, *nl;

	while ((nl = memchr(at, '\n', (size_t)(end - at)))) {
		if (!answer(turn, at, (size_t)(nl + 1 - at)))
			break;
		at = nl + 1;
	}
	turn->consumed = (size_t)(at - turn->in);
	if (nl)
		return VERDICT_AGAIN;
	if (!turn->is_eof)
		return VERDICT_CONTINUE;
	turn->consumed = turn->in_bytes;
	return VERDICT_CLOSE;
}

static void lines_datagram(struct datagram *datagram)
{
	datagram_count(datagram, OWN_LINES, 1);
	datagram_count(datagram, OWN_LENGTH, datagram->in_bytes);
	(void)datagram_write(datagram, datagram->in, datagram->in_bytes);
}

const struct service lines_service = {
	.name = "lines",
	.help = "greets, then answers each line with its number and itself",
	.transports = SERVICE_STREAM | SERVICE_DATAGRAM,
	.state_bytes = offsetof(struct lines_state, odd) + 1,
	.counters = lines_counters,
	.n_counters = sizeof(lines_counters) / sizeof(lines_counters[0]),
	.open = lines_open,
	.input = lines_input,
	.datagram = lines_datagram,
};
