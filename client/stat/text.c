/* SPDX-License-Identifier: ISC */
/*
 * text.c - what stands in a ledger, as text that harms no terminal
 */
#include "client/stat/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* By the number of its bytes: the least code point that may take so many. */
static const uint32_t least_of_length[] = { 0, 0, 0xa0, 0x800, 0x10000 };

/*
 * The length of the printable UTF-8 character that @in begins with, or 0.
 * (C1 controls, 0x80 to 0x9f, and overlong forms fall to least_of_length.)
 */
static size_t character_bytes(const unsigned char *in)
{
	uint32_t code;
	size_t n, i;

	if (in[0] >= 0x20 && in[0] < 0x7f)
		return 1;
	if (in[0] < 0xc2 || in[0] > 0xf4)
		return 0;
	n = in[0] < 0xe0 ? 2 : in[0] < 0xf0 ? 3 : 4;
	code = in[0] & (0x7fU >> n);
	for (i = 1; i < n; i++) {
		if ((in[i] & 0xc0) != 0x80)
			return 0; /* a 0 that ends the string, too */
		code = code << 6 | (in[i] & 0x3fU);
	}
	if (code < least_of_length[n] || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000) ||
	    (code >= 0x2028 && code <= 0x202e)) /* turns text around */
		return 0;
	return n;
}

const char *text_clean(const char *in, char *out, size_t out_bytes)
{
	const unsigned char *next = (const unsigned char *)in;
	size_t at = 0, n;

	while (*next) {
		n = character_bytes(next);
		if (at + (n ? n : 1) >= out_bytes)
			break;
		if (n)
			memcpy(out + at, next, n);
		else
			out[at] = '?';
		at += n ? n : 1;
		next += n ? n : 1;
	}
	out[at] = '\0';
	return out;
}

const char *text_time(uint64_t real_ns, char *out)
{
	const time_t seconds = (time_t)(real_ns / NS_PER_S);
	const unsigned ms = (unsigned)(real_ns % NS_PER_S / NS_PER_MS);
	char day[32] = "";
	struct tm tm;

	/* 64 bits of nanoseconds end in the year 2554: this cannot fail. */
	if (gmtime_r(&seconds, &tm))
		(void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out, TEXT_BYTES, "%s.%03uZ", day, ms);
	return out;
}

static const char *text_unix_peer(const struct ledger_addr *addr, char *out)
{
	uint32_t uid;

	memcpy(&uid, addr->ip, sizeof(uid));
	(void)snprintf(out, TEXT_BYTES, "unix:pid=%" PRIu32 ",uid=%" PRIu32,
		       addr->scope, uid);
	return out;
}

const char *text_address(const struct ledger_addr *addr, char *out)
{
	struct addr_socket socket = { .transport = TRANSPORT_TCP };

	switch (addr->family) {
	case AF_UNIX:
		return text_unix_peer(addr, out);
	case AF_INET:
		socket.len = sizeof(socket.u.in);
		socket.u.in.sin_family = AF_INET;
		socket.u.in.sin_port = htons(addr->port);
		memcpy(&socket.u.in.sin_addr, addr->ip, 4);
		return addr_format_bare(&socket, out);
	case AF_INET6:
		socket.len = sizeof(socket.u.in6);
		socket.u.in6.sin6_family = AF_INET6;
		socket.u.in6.sin6_port = htons(addr->port);
		socket.u.in6.sin6_scope_id = addr->scope;
		memcpy(&socket.u.in6.sin6_addr, addr->ip, 16);
		return addr_format_bare(&socket, out);
	default:
		return NULL;
	}
}

size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}
