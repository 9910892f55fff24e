/* SPDX-License-Identifier: ISC */
/*
 * addr.c - tests of addresses as typed, as sockets, and as text
 */
#include "common/addr.h"

#include <errno.h>
#include <netdb.h>

#include "common/base.h"
#include "tests/unit/check.h"

/* Parses and writes again: what is typed is what is shown. */
static const char *const good[] = {
	"tcp:*:7",
	"tcp:127.0.0.1:7007",
	"udp:[::1]:7",
	"tcp:localhost:0",
	"tcp:[fe80::1%lo]:80",
	"unix:/run/guichet/echo.sock",
	"unix:relative",
	"tcp:a-b.example_1:65535",
};

static const struct {
	const char *text, *why;
} bad[] = {
	{ "", "does not begin with tcp:, udp: or unix:" },
	{ "127.0.0.1:7", "does not begin with tcp:, udp: or unix:" },
	{ "sctp:*:7", "does not begin with tcp:, udp: or unix:" },
	{ "TCP:*:7", "does not begin with tcp:, udp: or unix:" },
	{ "tcp:", "no host; * means every address" },
	{ "tcp::7", "no host; * means every address" },
	{ "tcp:host", "no port" },
	{ "tcp:host:", "no port" },
	{ "tcp:[::1]", "no port" },
	{ "tcp:host:70000", "the port is above 65535" },
	{ "tcp:host:99999999999999999999", "the port is above 65535" },
	{ "tcp:host:http", "the port is not a number" },
	{ "tcp:host:-1", "the port is not a number" },
	{ "tcp:host:+1", "the port is not a number" },
	{ "tcp:host: 1", "the port is not a number" },
	{ "tcp:::1:7", "no host; * means every address" },
	{ "tcp:fe80::1:7", "an IPv6 address needs brackets: [::1]:PORT" },
	{ "tcp:[::1", "[ without ]" },
	{ "tcp:[::1]7", "] is not followed by :PORT" },
	{ "tcp:[]:7", "no IPv6 address between [ and ]" },
	{ "tcp:[host]:7", "no IPv6 address between [ and ]" },
	{ "tcp:[127.0.0.1]:7", "no IPv6 address between [ and ]" },
	{ "tcp:a b:7", "the host has a character that no name has" },
	{ "tcp:**:7", "the host has a character that no name has" },
	{ "tcp:*a:7", "the host has a character that no name has" },
	{ "unix:", "no path" },
};

static void test_parse(void)
{
	char text[ADDR_TYPED_BYTES];
	const char *why;
	struct addr addr;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CHECK_NUMBER(addr_parse(good[i], false, &addr, &why), 0);
		CHECK_TEXT(addr_format_typed(&addr, text), good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_NUMBER(addr_parse(bad[i].text, false, &addr, &why),
			     -EINVAL);
		CHECK_TEXT(why, bad[i].why);
	}
	CHECK_NUMBER(addr_parse("127.0.0.1:7", true, &addr, &why), 0);
	CHECK_TEXT(addr_format_typed(&addr, text), "tcp:127.0.0.1:7");
	CHECK_NUMBER(addr_parse("[::1]:7", true, &addr, &why), 0);
	CHECK_TEXT(addr_format_typed(&addr, text), "tcp:[::1]:7");
	CHECK_NUMBER(addr_parse("udp:host:7", true, &addr, &why), 0);
	CHECK_TEXT(addr_format_typed(&addr, text), "udp:host:7");
}

/* The longest of everything fits; one more is refused. */
static void test_lengths(void)
{
	char text[400], typed[ADDR_TYPED_BYTES], bare[ADDR_TEXT_BYTES];
	struct addr_list list;
	struct addr addr;
	const char *why;

	(void)snprintf(text, sizeof(text), "unix:%0107d", 0);
	CHECK_NUMBER(addr_parse(text, false, &addr, &why), 0);
	CHECK_NUMBER(addr_resolve(&addr, AF_UNSPEC, true, &list), 0);
	CHECK_TEXT(addr_format(&list.socket[0], bare), text);
	(void)snprintf(text, sizeof(text), "unix:%0108d", 0);
	CHECK_NUMBER(addr_parse(text, false, &addr, &why), -EINVAL);
	CHECK_TEXT(why, "the path is longer than 107 bytes");
	(void)snprintf(text, sizeof(text), "tcp:%0255d:65535", 0);
	CHECK_NUMBER(addr_parse(text, false, &addr, &why), 0);
	CHECK_TEXT(addr_format_typed(&addr, typed), text);
	(void)snprintf(text, sizeof(text), "tcp:%0256d:65535", 0);
	CHECK_NUMBER(addr_parse(text, false, &addr, &why), -EINVAL);
	CHECK_TEXT(why, "the host is longer than 255 bytes");
}

static struct addr_list resolve(const char *text, int family, bool is_passive)
{
	struct addr_list list;
	struct addr addr;
	const char *why;

	CHECK_NUMBER(addr_parse(text, false, &addr, &why), 0);
	CHECK_NUMBER(addr_resolve(&addr, family, is_passive, &list), 0);
	return list;
}

static void test_resolve(void)
{
	char text[ADDR_TEXT_BYTES];
	struct addr_list list;
	struct addr addr;
	const char *why;

	list = resolve("udp:127.0.0.1:7", AF_UNSPEC, true);
	CHECK_NUMBER(list.n, 1);
	CHECK_TEXT(addr_format(&list.socket[0], text), "udp:127.0.0.1:7");
	CHECK_NUMBER(addr_port(&list.socket[0]), 7);
	addr_set_port(&list.socket[0], 80);
	CHECK_TEXT(addr_format_bare(&list.socket[0], text), "127.0.0.1:80");

	list = resolve("tcp:[::1]:7", AF_UNSPEC, false);
	CHECK_NUMBER(list.n, 1);
	CHECK_TEXT(addr_format(&list.socket[0], text), "tcp:[::1]:7");
	addr_set_port(&list.socket[0], 80);
	CHECK_NUMBER(addr_port(&list.socket[0]), 80);

	list = resolve("tcp:*:7", AF_INET, true);
	CHECK_NUMBER(list.n, 1);
	CHECK_TEXT(addr_format(&list.socket[0], text), "tcp:0.0.0.0:7");
	list = resolve("tcp:*:7", AF_INET, false);
	CHECK_NUMBER(list.n, 1);
	CHECK_TEXT(addr_format(&list.socket[0], text), "tcp:127.0.0.1:7");
	/* one socket, whichever families the machine has */
	list = resolve("tcp:*:7", AF_UNSPEC, true);
	CHECK_NUMBER(list.n, 1);
	CHECK(addr_is_wildcard(&list.socket[0]));
	list = resolve("tcp:127.0.0.1:7", AF_INET, true);
	CHECK(!addr_is_wildcard(&list.socket[0]));
	list = resolve("unix:/x", AF_UNSPEC, true);
	CHECK(!addr_is_wildcard(&list.socket[0]));

	CHECK_NUMBER(addr_parse("tcp:127.0.0.1:7", false, &addr, &why), 0);
	CHECK(addr_resolve(&addr, AF_INET6, true, &list) != 0);
}

static void test_text(void)
{
	static const struct sockaddr_in6 mapped = {
		.sin6_family = AF_INET6,
		.sin6_port = 0x1700, /* 23, or 5888: never shown */
		.sin6_addr.s6_addr = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff,
				       192, 0, 2, 1 },
	};
	static const struct sockaddr_un abstract = {
		.sun_family = AF_UNIX,
		.sun_path = "\0name",
	};
	const struct sockaddr *sa = (const void *)&mapped;
	struct addr_socket socket;
	char text[ADDR_TEXT_BYTES];

	addr_from_sockaddr(TRANSPORT_TCP, sa, sizeof(mapped), &socket);
	addr_set_port(&socket, 23);
	CHECK_TEXT(addr_format(&socket, text), "tcp:192.0.2.1:23");

	sa = (const void *)&abstract;
	addr_from_sockaddr(TRANSPORT_UNIX, sa, 2, &socket);
	CHECK_TEXT(addr_format_bare(&socket, text), "-");
	addr_from_sockaddr(TRANSPORT_UNIX, sa, 2 + 5, &socket);
	CHECK_TEXT(addr_format_bare(&socket, text), "@name");
	CHECK_NUMBER(addr_port(&socket), 0);
}

int main(void)
{
	test_parse();
	test_lengths();
	test_resolve();
	test_text();
	return check_result();
}
