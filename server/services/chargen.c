/* SPDX-License-Identifier: ISC */
/*
 * chargen.c - the printing characters, over and over (RFC 864)
 *
 * Lines of 72 of the 95 printing characters; each line begins with the
 * character after that which the line before began with. So the 95th line is
 * followed by the first one again, and where a stream is in the pattern
 * follows from how much of it was produced: a successor goes on at the very
 * column.
 *
 * On a stream it goes on for as long as the peer takes it, though the peer
 * may have ended its own side. What the peer says is never looked at.
 */
#include "server/service.h"
#include "server/services/amplification.h"
#include "server/services/builtin.h"
#include "server/services/chance.h"

#define FIRST_CHARACTER ' '
#define N_CHARACTERS    95 /* to '~' */

#define COLUMNS    72
#define LINE_BYTES (COLUMNS + 2)

#define PATTERN_BYTES ((size_t)(N_CHARACTERS * LINE_BYTES))

/* What one turn says: enough to keep a fast reader busy, while a slow one
   makes us keep no more than this. */
#define TURN_BYTES ((size_t)(64U << 10))

#define ANSWER_MAX_BYTES 512 /* RFC 864 */

struct chargen_settings {
	struct amplification amplification;
	/* from any place in the first pattern, a whole turn's lies ahead */
	uint8_t pattern[PATTERN_BYTES + TURN_BYTES];
};

static void fill(uint8_t *pattern, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		size_t line = i / LINE_BYTES, column = i % LINE_BYTES;

		if (column < COLUMNS)
			pattern[i] = (uint8_t)(FIRST_CHARACTER +
					       (line + column) % N_CHARACTERS);
		else
			pattern[i] = column == COLUMNS ? '\r' : '\n';
	}
}

static const char *chargen_check(void *settings, unsigned transports)
{
	struct chargen_settings *s = settings;

	fill(s->pattern, sizeof(s->pattern));
	return amplification_check(settings, transports);
}

static enum verdict chargen_say(struct turn *turn)
{
	const struct chargen_settings *s = turn->settings;

	turn->consumed = turn->in_bytes;
	(void)turn_write(turn, s->pattern + turn->produced % PATTERN_BYTES,
			 TURN_BYTES);
	return VERDICT_AGAIN;
}

/* A random number of characters, of lines that begin with a random one. */
static void chargen_datagram(struct datagram *datagram)
{
	const struct chargen_settings *s = datagram->settings;
	size_t line = chance_below(N_CHARACTERS);

	(void)datagram_write(datagram, s->pattern + line * LINE_BYTES,
			     chance_below(ANSWER_MAX_BYTES + 1));
}

static const struct service_setting chargen_rows[] = {
	AMPLIFICATION_SETTING,
};

const struct service service_chargen = {
	.name = "chargen",
	.help = "says the printing characters, over and over (RFC 864)",
	.transports = SERVICE_STREAM | SERVICE_DATAGRAM,
	.settings = chargen_rows,
	.n_settings = sizeof(chargen_rows) / sizeof(chargen_rows[0]),
	.settings_bytes = sizeof(struct chargen_settings),
	.check = chargen_check,
	.open = chargen_say,
	.input = chargen_say,
	.ready = chargen_say,
	.datagram = chargen_datagram,
};
