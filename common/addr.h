/* SPDX-License-Identifier: ISC */
/*
 * addr.h - addresses as people type them, as sockets take them, and as text
 *
 *     tcp:HOST:PORT  udp:HOST:PORT  unix:PATH
 *
 * HOST is a name, an IPv4 address, [IPv6], or * for every address of both
 * families. An address as typed (struct addr) may resolve to several socket
 * addresses (struct addr_list).
 */
#ifndef GUICHET_ADDR_H
#define GUICHET_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum transport {
	TRANSPORT_TCP,
	TRANSPORT_UDP,
	TRANSPORT_UNIX, /* stream */
	TRANSPORTS
};

/* "tcp", "udp", "unix" */
extern const char *const transport_names[TRANSPORTS];

/* An address as it was typed: parsed, not yet resolved. */
struct addr {
	enum transport transport;
	char host[256]; /* without brackets; "*" for every address */
	uint16_t port;  /* host order; 0: the kernel chooses */
	char path[108]; /* unix only: what sun_path can hold, with its 0 */
};

/* One socket address, ready for bind or connect. */
struct addr_socket {
	enum transport transport;
	socklen_t len;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	} u;
};

#define ADDR_LIST_MAX 16

struct addr_list {
	size_t n;
	struct addr_socket socket[ADDR_LIST_MAX];
};

/* Room for any address's text: "unix:" and 107 bytes, or [IPv6%scope]. */
#define ADDR_TEXT_BYTES 128

/*
 * Parses @text. When @bare_is_tcp, HOST:PORT without a transport means TCP.
 * Returns 0 or -EINVAL, and then *@why says what is wrong and what would be
 * right ("no port", "port 70000 is above 65535", ...), a static string.
 */
int addr_parse(const char *text, bool bare_is_tcp, struct addr *addr,
	       const char **why);

/*
 * Every socket address of @addr, of @family only unless that is AF_UNSPEC.
 * For a listener (@is_passive) "*" gives one IPv6 socket address [::] that is
 * meant to be bound with IPV6_V6ONLY off, or 0.0.0.0 where the machine has no
 * IPv6 (or @family says AF_INET); for a client "*" means the loopback.
 * Duplicates are left out. Returns 0, or an EAI_* code for gai_strerror(3);
 * blocks as getaddrinfo(3) does.
 */
int addr_resolve(const struct addr *addr, int family, bool is_passive,
		 struct addr_list *list);

/*
 * Text that addr_parse() reads: "tcp:127.0.0.1:7007", "udp:[::1]:7",
 * "unix:/run/x". addr_format_bare() leaves the transport out:
 * "127.0.0.1:7007", "[::1]:7", "/run/x". IPv4-mapped IPv6 addresses are
 * written as IPv4; a unix socket without a name (most clients) as "-". Both
 * return @out, which has ADDR_TEXT_BYTES.
 */
const char *addr_format(const struct addr_socket *socket, char *out);
const char *addr_format_bare(const struct addr_socket *socket, char *out);

/* As typed, for messages and for -T; returns @out (2 * ADDR_TEXT_BYTES+64). */
#define ADDR_TYPED_BYTES 320
const char *addr_format_typed(const struct addr *addr, char *out);

/*
 * Whether they were typed the same, but for capitals in a host's name. Whether
 * two names mean one place only bind(2) can tell.
 */
bool addr_is_same_typed(const struct addr *a, const struct addr *b);

/* The port in host order, 0 for a unix socket; and setting it. */
uint16_t addr_port(const struct addr_socket *socket);
void addr_set_port(struct addr_socket *socket, uint16_t port);

/* Whether it is bound to every address of its family. */
bool addr_is_wildcard(const struct addr_socket *socket);

/* The bytes that a kernel wrote: fills @socket from accept/getsockname. */
void addr_from_sockaddr(enum transport transport, const struct sockaddr *sa,
			socklen_t len, struct addr_socket *socket);

#endif
