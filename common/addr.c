/* SPDX-License-Identifier: ISC */
/*
 * addr.c - addresses as people type them, as sockets take them, and as text
 */
#include "common/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base.h"
#include "common/units.h"

const char *const transport_names[] = {
	[TRANSPORT_TCP] = "tcp",
	[TRANSPORT_UDP] = "udp",
	[TRANSPORT_UNIX] = "unix",
};
_Static_assert(ARRAY_LEN(transport_names) == TRANSPORTS, "all transports");

/* --- as typed -------------------------------------------------------------- */

/* Takes "tcp:", "udp:" or "unix:" off *@text; false when none is there. */
static bool take_transport(const char **text, enum transport *transport)
{
	for (unsigned i = 0; i < TRANSPORTS; i++) {
		size_t len = strlen(transport_names[i]);

		if (strncmp(*text, transport_names[i], len) != 0 ||
		    (*text)[len] != ':')
			continue;
		*transport = (enum transport)i;
		*text += len + 1;
		return true;
	}
	return false;
}

static const char *parse_path(const char *text, struct addr *addr)
{
	size_t len = strlen(text);

	if (!len)
		return "no path";
	if (len >= sizeof(addr->path))
		return "the path is longer than 107 bytes";
	memcpy(addr->path, text, len + 1);
	return NULL;
}

/* @text ends with ]; it may hold a scope (%eth0) before that. */
static bool is_ipv6(const char *text)
{
	char host[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "%]");
	struct in6_addr in6;

	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = 0;
	return inet_pton(AF_INET6, host, &in6) == 1;
}

/* What can stand in a name or an IPv4 address; the resolver knows the rest. */
static bool is_host(const char *text, size_t len)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._";

	return (len == 1 && *text == '*') || strspn(text, allowed) >= len;
}

static const char *parse_port(const char *text, uint16_t *port)
{
	uint64_t number;

	if (!*text)
		return "no port";
	switch (units_parse_number(text, 0, UINT16_MAX, &number)) {
	case 0:
		*port = (uint16_t)number;
		return NULL;
	case -ERANGE:
		return "the port is above 65535";
	default:
		return "the port is not a number";
	}
}

/* Takes "[IPv6]" or "HOST" off *@text. */
static const char *take_host(const char **text, struct addr *addr)
{
	const char *host = *text, *end;
	size_t len;

	if (*host == '[') {
		end = strchr(++host, ']');
		if (!end)
			return "[ without ]";
		len = (size_t)(end - host);
		*text = end + 1;
		if (!is_ipv6(host))
			return "no IPv6 address between [ and ]";
	} else {
		len = strcspn(host, ":");
		*text = host + len;
		if (!len)
			return "no host; * means every address";
		if (strchr(*text, ':') != strrchr(*text, ':'))
			return "an IPv6 address needs brackets: [::1]:PORT";
		if (!is_host(host, len))
			return "the host has a character that no name has";
	}
	if (len >= sizeof(addr->host))
		return "the host is longer than 255 bytes";
	memcpy(addr->host, host, len);
	return NULL;
}

static const char *parse_host_port(const char *text, struct addr *addr)
{
	const char *why = take_host(&text, addr);

	if (why)
		return why;
	if (*text != ':')
		return *text ? "] is not followed by :PORT" : "no port";
	return parse_port(text + 1, &addr->port);
}

int addr_parse(const char *text, bool bare_is_tcp, struct addr *addr,
	       const char **why)
{
	memset(addr, 0, sizeof(*addr));
	if (!take_transport(&text, &addr->transport) && !bare_is_tcp)
		*why = "does not begin with tcp:, udp: or unix:";
	else if (addr->transport == TRANSPORT_UNIX)
		*why = parse_path(text, addr);
	else
		*why = parse_host_port(text, addr);
	return *why ? -EINVAL : 0;
}

const char *addr_format_typed(const struct addr *addr, char *out)
{
	const char *name = transport_names[addr->transport];

	if (addr->transport == TRANSPORT_UNIX)
		(void)snprintf(out, ADDR_TYPED_BYTES, "%s:%s", name,
			       addr->path);
	else
		(void)snprintf(out, ADDR_TYPED_BYTES,
			       strchr(addr->host, ':') ? "%s:[%s]:%u" :
							 "%s:%s:%u",
			       name, addr->host, (unsigned)addr->port);
	return out;
}

bool addr_is_same_typed(const struct addr *a, const struct addr *b)
{
	if (a->transport != b->transport)
		return false;
	if (a->transport == TRANSPORT_UNIX)
		return !strcmp(a->path, b->path);
	return a->port == b->port && !strcasecmp(a->host, b->host);
}

/* --- as sockets take them -------------------------------------------------- */

void addr_from_sockaddr(enum transport transport, const struct sockaddr *sa,
			socklen_t len, struct addr_socket *socket)
{
	memset(socket, 0, sizeof(*socket));
	socket->transport = transport;
	/* the kernel tells the whole length, of what it cut off too */
	socket->len = len < sizeof(socket->u) ? len : sizeof(socket->u);
	memcpy(&socket->u, sa, socket->len);
}

static bool is_listed(const struct addr_list *list,
		      const struct addr_socket *socket)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->socket[i].len == socket->len &&
		    !memcmp(&list->socket[i].u, &socket->u, socket->len))
			return true;
	return false;
}

/* More than ADDR_LIST_MAX are left out: no name of a machine has so many. */
static void list_add(struct addr_list *list, const struct addr_socket *socket)
{
	if (list->n < ADDR_LIST_MAX && !is_listed(list, socket))
		list->socket[list->n++] = *socket;
}

static int resolve_unix(const struct addr *addr, struct addr_list *list)
{
	struct addr_socket *socket = &list->socket[0];

	_Static_assert(sizeof(addr->path) == sizeof(socket->u.un.sun_path),
		       "a parsed path fits");
	memset(socket, 0, sizeof(*socket));
	socket->transport = TRANSPORT_UNIX;
	socket->len = sizeof(socket->u.un);
	socket->u.un.sun_family = AF_UNIX;
	memcpy(socket->u.un.sun_path, addr->path, sizeof(addr->path));
	list->n = 1;
	return 0;
}

/* Whether this kernel knows IPv6 at all (ipv6.disable=1 takes it away). */
static bool has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

int addr_resolve(const struct addr *addr, int family, bool is_passive,
		 struct addr_list *list)
{
	bool is_any = !strcmp(addr->host, "*");
	struct addrinfo hints = {
		.ai_family = family,
		.ai_socktype = addr->transport == TRANSPORT_UDP ? SOCK_DGRAM :
								  SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | (is_passive ? AI_PASSIVE : 0),
	};
	struct addrinfo *found, *a;
	struct addr_socket socket;
	char port[8];
	int err;

	list->n = 0;
	if (addr->transport == TRANSPORT_UNIX)
		return resolve_unix(addr, list);
	/* one socket for both families, where that can be */
	if (is_any && is_passive && family == AF_UNSPEC)
		hints.ai_family = has_ipv6() ? AF_INET6 : AF_INET;

	(void)snprintf(port, sizeof(port), "%u", (unsigned)addr->port);
	err = getaddrinfo(is_any ? NULL : addr->host, port, &hints, &found);
	if (err)
		return err;
	for (a = found; a; a = a->ai_next) {
		addr_from_sockaddr(addr->transport, a->ai_addr, a->ai_addrlen,
				   &socket);
		list_add(list, &socket);
	}
	freeaddrinfo(found);
	return list->n ? 0 : EAI_NONAME;
}

uint16_t addr_port(const struct addr_socket *socket)
{
	switch (socket->u.any.sa_family) {
	case AF_INET:
		return ntohs(socket->u.in.sin_port);
	case AF_INET6:
		return ntohs(socket->u.in6.sin6_port);
	default:
		return 0;
	}
}

void addr_set_port(struct addr_socket *socket, uint16_t port)
{
	if (socket->u.any.sa_family == AF_INET)
		socket->u.in.sin_port = htons(port);
	else if (socket->u.any.sa_family == AF_INET6)
		socket->u.in6.sin6_port = htons(port);
}

/* --- as text --------------------------------------------------------------- */

static void format_ipv4(const void *in, uint16_t port, char *out)
{
	char host[INET_ADDRSTRLEN] = "";

	(void)inet_ntop(AF_INET, in, host, sizeof(host)); /* it has room */
	(void)snprintf(out, ADDR_TEXT_BYTES, "%s:%u", host, (unsigned)port);
}

static void format_ipv6(const struct sockaddr_in6 *in6, char *out)
{
	char host[INET6_ADDRSTRLEN] = "", name[IF_NAMESIZE];
	char scope[IF_NAMESIZE + 1] = "";
	uint16_t port = ntohs(in6->sin6_port);

	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		format_ipv4(&in6->sin6_addr.s6_addr[12], port, out);
		return;
	}
	if (in6->sin6_scope_id && if_indextoname(in6->sin6_scope_id, name))
		(void)snprintf(scope, sizeof(scope), "%%%s", name);
	else if (in6->sin6_scope_id)
		(void)snprintf(scope, sizeof(scope), "%%%u",
			       in6->sin6_scope_id);
	(void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
	(void)snprintf(out, ADDR_TEXT_BYTES, "[%s%s]:%u", host, scope,
		       (unsigned)port);
}

static void format_unix(const struct addr_socket *socket, char *out)
{
	const char *path = socket->u.un.sun_path;
	size_t head = offsetof(struct sockaddr_un, sun_path);
	size_t len = socket->len > head ? socket->len - head : 0;

	if (len > sizeof(socket->u.un.sun_path))
		len = sizeof(socket->u.un.sun_path);
	if (!len)
		(void)strcpy(out, "-"); /* a client that was never bound */
	else if (!path[0]) /* abstract: its bytes are the name, no 0 ends it */
		(void)snprintf(out, ADDR_TEXT_BYTES, "@%.*s", (int)(len - 1),
			       path + 1);
	else
		(void)snprintf(out, ADDR_TEXT_BYTES, "%.*s", (int)len, path);
}

const char *addr_format_bare(const struct addr_socket *socket, char *out)
{
	switch (socket->u.any.sa_family) {
	case AF_INET:
		format_ipv4(&socket->u.in.sin_addr,
			    ntohs(socket->u.in.sin_port), out);
		break;
	case AF_INET6:
		format_ipv6(&socket->u.in6, out);
		break;
	case AF_UNIX:
		format_unix(socket, out);
		break;
	default:
		(void)strcpy(out, "-");
	}
	return out;
}

const char *addr_format(const struct addr_socket *socket, char *out)
{
	char bare[ADDR_TEXT_BYTES];
	const char *name = transport_names[socket->transport];

	(void)addr_format_bare(socket, bare);
	/* 6: "unix:" and its 0; a path is never as long as the room */
	(void)snprintf(out, ADDR_TEXT_BYTES, "%s:%.*s", name,
		       ADDR_TEXT_BYTES - 6, bare);
	return out;
}

bool addr_is_wildcard(const struct addr_socket *socket)
{
	switch (socket->u.any.sa_family) {
	case AF_INET:
		return socket->u.in.sin_addr.s_addr == htonl(INADDR_ANY);
	case AF_INET6:
		return IN6_IS_ADDR_UNSPECIFIED(&socket->u.in6.sin6_addr);
	default:
		return false;
	}
}
