/* SPDX-License-Identifier: ISC */
/*
 * poison.c - echoes, but dies or hangs on the words that say so
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/services/services.h"

#ifdef __SANITIZE_ADDRESS__
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
/* The deaths here are meant: they are to be deaths, not reports. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0:"
	       "handle_sigill=0:use_sigaltstack=0";
}
#endif

static void die_by_signal(void)
{
	(void)raise(SIGSEGV);
}

static void die_by_abort(void)
{
	abort();
}

static void die_by_exit(void)
{
	_exit(0);
}

/* Each call keeps its array: no compiler makes a loop of it. */
/* NOLINTNEXTLINE(misc-no-recursion): that is what it is for */
static unsigned overflow(unsigned depth)
{
	volatile char room[4096];

	room[0] = (char)depth;
	room[sizeof(room) - 1] = room[0];
	return depth ? overflow(depth + 1) + (unsigned)room[4095] : 0;
}

static void die_by_overflow(void)
{
	(void)overflow(1);
}

static void hang(void)
{
	for (volatile unsigned i = 0;; i++)
		continue;
}

static const struct {
	const char *word;
	void (*effect)(void);
} poisons[] = {
	{ "segv", die_by_signal }, { "abort", die_by_abort },
	{ "exit", die_by_exit },   { "overflow", die_by_overflow },
	{ "hang", hang },
};

static void taste(const uint8_t *in, size_t bytes)
{
	for (size_t i = 0; i < sizeof(poisons) / sizeof(poisons[0]); i++) {
		size_t n = strlen(poisons[i].word);

		if (bytes >= n && memcmp(in, poisons[i].word, n) == 0)
			poisons[i].effect();
	}
}

static enum verdict poison_input(struct turn *turn)
{
	taste(turn->in, turn->in_bytes);
	turn->consumed = turn->in_bytes;
	(void)turn_write(turn, turn->in, turn->in_bytes);
	return turn->is_eof ? VERDICT_CLOSE : VERDICT_CONTINUE;
}

static void poison_datagram(struct datagram *datagram)
{
	taste(datagram->in, datagram->in_bytes);
	(void)datagram_write(datagram, datagram->in, datagram->in_bytes);
}

const struct service poison_service = {
	.name = "poison",
	.help = "echoes, but dies on segv, abort, exit, overflow, hang",
	.transports = SERVICE_STREAM | SERVICE_DATAGRAM,
	.input = poison_input,
	.datagram = poison_datagram,
};
