/* SPDX-License-Identifier: ISC */
/*
 * slow.c - a service that blocks its worker, keeps it busy, and leaks
 *
 *     sleep MS   waits in the handler
 *     burn MS    uses a processor in the handler
 *     leak KB    takes memory that it never gives back
 *
 * One word and number a line. Each is answered by the line itself.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base.h"
#include "common/clock.h"
#include "tests/services/services.h"

static void do_sleep(uint64_t ms)
{
	const struct timespec t = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000 * NS_PER_MS),
	};

	(void)nanosleep(&t, NULL);
}

static void do_burn(uint64_t ms)
{
	uint64_t until_ns = clock_mono_ns() + ms * NS_PER_MS;

	while (clock_mono_ns() < until_ns)
		continue;
}

static void do_leak(uint64_t kb)
{
	static void *last; /* so that no leak checker minds */
	void **leaked = malloc(kb << 10);

	if (!leaked)
		return;
	memset(leaked, 1, kb << 10);
	*leaked = last;
	last = leaked;
}

static const struct {
	const char *word;
	void (*act)(uint64_t number);
} words[] = {
	{ "sleep ", do_sleep },
	{ "burn ", do_burn },
	{ "leak ", do_leak },
};

static void act(const char *line)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t n = strlen(words[i].word);

		if (!strncmp(line, words[i].word, n))
			words[i].act(strtoull(line + n, NULL, 10));
	}
}

static enum verdict slow_input(struct turn *turn)
{
	const uint8_t *end = memchr(turn->in, '\n', turn->in_bytes);
	size_t n = end ? (size_t)(end - turn->in) + 1 : 0;
	char line[64] = "";

	if (!end || n >= sizeof(line))
		return turn->is_eof ? VERDICT_CLOSE : VERDICT_CONTINUE;
	memcpy(line, turn->in, n);
	act(line);
	(void)turn_write(turn, line, n);
	turn->consumed = n;
	return VERDICT_AGAIN;
}

const struct service slow_service = {
	.name = "slow",
	.help = "blocks its worker, keeps it busy, and leaks",
	.transports = SERVICE_STREAM,
	.input = slow_input,
	.ready = slow_input,
};
