/* SPDX-License-Identifier: ISC */
/*
 * inherit.c - sockets that we did not open ourselves
 *
 * Who gives us a socket may err, or mean somebody else. So each is asked what
 * it is before it is believed: its kind, that it is bound, that nobody is at
 * its other end. What the giver says of it is a name, and nothing more.
 */
#include "server/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/units.h"

/* The first that is given: SD_LISTEN_FDS_START of sd_listen_fds(3). */
#define FIRST_FD 3
/* More than any manager gives, and soon tried when it is a mistake. */
#define MAX_FDS 4096

/* --- what a descriptor is -------------------------------------------------- */

struct socket_kind {
	int domain, type, protocol;
	enum transport transport;
};

static const struct socket_kind kinds[] = {
	{ AF_INET, SOCK_STREAM, IPPROTO_TCP, TRANSPORT_TCP },
	{ AF_INET6, SOCK_STREAM, IPPROTO_TCP, TRANSPORT_TCP },
	{ AF_INET, SOCK_DGRAM, IPPROTO_UDP, TRANSPORT_UDP },
	{ AF_INET6, SOCK_DGRAM, IPPROTO_UDP, TRANSPORT_UDP },
	{ AF_UNIX, SOCK_STREAM, 0, TRANSPORT_UNIX },
};

static int get_option(int fd, int name, int *value)
{
	socklen_t len = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, name, value, &len) < 0 ? -errno : 0;
}

static int find_transport(int fd, enum transport *transport)
{
	struct socket_kind is = { 0 };
	int err;

	err = get_option(fd, SO_DOMAIN, &is.domain);
	if (!err)
		err = get_option(fd, SO_TYPE, &is.type);
	if (!err)
		err = get_option(fd, SO_PROTOCOL, &is.protocol);
	if (err)
		return err;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].domain != is.domain || kinds[i].type != is.type ||
		    kinds[i].protocol != is.protocol)
			continue;
		*transport = kinds[i].transport;
		return 0;
	}
	return -EPROTONOSUPPORT;
}

/* A socket without an address is nobody's to come to. */
static bool is_bound(const struct addr_socket *addr)
{
	if (addr->transport == TRANSPORT_UNIX)
		return addr->len > offsetof(struct sockaddr_un, sun_path);
	return addr_port(addr) != 0;
}

static int find_address(int fd, struct inherited_socket *found)
{
	struct sockaddr_storage real;
	socklen_t len = sizeof(real);
	enum transport transport;
	int err;

	err = find_transport(fd, &transport);
	if (err)
		return err;
	/* one end of a connection: a stored one, or a unit with Accept=yes */
	if (!getpeername(fd, (struct sockaddr *)&real, &len))
		return -EISCONN;
	len = sizeof(real);
	if (getsockname(fd, (struct sockaddr *)&real, &len) < 0)
		return -errno;
	addr_from_sockaddr(transport, (const struct sockaddr *)&real, len,
			   &found->addr);
	return is_bound(&found->addr) ? 0 : -EDESTADDRREQ;
}

static int identify(int fd, struct inherited_socket *found)
{
	struct stat status;
	int is_listening;
	int err;

	err = find_address(fd, found);
	if (err)
		return err;
	err = get_option(fd, SO_ACCEPTCONN, &is_listening);
	if (err)
		return err;
	if (fstat(fd, &status) < 0)
		return -errno;
	found->fd = fd;
	found->is_listening = is_listening;
	found->inode = status.st_ino;
	return 0;
}

/* --- adding ---------------------------------------------------------------- */

/*
 * What O_NONBLOCK says holds for all who have the socket. One for datagrams may
 * be in the hands of a program (waiter.c), and our workers need it not to.
 */
static int make_ours(const struct inherited_socket *found)
{
	int flags = fcntl(found->fd, F_GETFL);

	if (flags < 0 || fcntl(found->fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	if (found->addr.transport == TRANSPORT_UDP)
		return 0;
	return fcntl(found->fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static bool is_known(const struct inherited *inherited, uint64_t inode)
{
	for (size_t i = 0; i < inherited->n; i++)
		if (inherited->socket[i].fd >= 0 &&
		    inherited->socket[i].inode == inode)
			return true;
	return false;
}

static int append(struct inherited *inherited,
		  const struct inherited_socket *found)
{
	struct inherited_socket *larger;

	larger = reallocarray(inherited->socket, inherited->n + 1,
			      sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	inherited->socket = larger;
	larger[inherited->n++] = *found;
	return 0;
}

int inherited_add(struct inherited *inherited, int fd, const char *name)
{
	struct inherited_socket found = { 0 };
	int err;

	/* one that is cut is longer than any listener's: it fits none */
	memccpy(found.name, name, 0, sizeof(found.name) - 1);
	err = identify(fd, &found);
	if (!err && is_known(inherited, found.inode))
		err = -EEXIST;
	if (!err)
		err = make_ours(&found);
	if (!err)
		err = append(inherited, &found);
	if (err)
		(void)close(fd); /* it may not be open at all */
	return err;
}

/* --- from the environment -------------------------------------------------- */

/* How many are meant for us: 0 when it says nothing, or nothing of use. */
static int count_fds(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	uint64_t number;

	/* not ours: of a parent that did not clear it away */
	if (!fds || !pid || units_parse_number(pid, 1, INT32_MAX, &number) ||
	    (pid_t)number != getpid())
		return 0;
	if (units_parse_number(fds, 0, MAX_FDS, &number)) {
		log_warning("LISTEN_FDS: %s is no number of descriptors", fds);
		return 0;
	}
	return (int)number;
}

/* Cuts the next name off *@names, a text of names between colons. */
static const char *take_word(char **names)
{
	const char *word = strsep(names, ":");

	return word ? word : "";
}

static void add_each(struct inherited *inherited, int n, char *names)
{
	int n_missing = 0;

	for (int fd = FIRST_FD; fd < FIRST_FD + n; fd++) {
		const char *name = take_word(&names);
		/* as sd_listen_fds_with_names(3) calls one without a name */
		int err =
			inherited_add(inherited, fd, *name ? name : "unknown");

		if (err == -EBADF)
			n_missing++;
		else if (err && err != -EEXIST)
			log_warning("LISTEN_FDS: descriptor %d%s%s is closed, "
				    "no socket to serve: %s",
				    fd, *name ? " " : "", name, strerror(-err));
	}
	if (n_missing)
		log_warning("LISTEN_FDS: %d of %d descriptors are not open",
			    n_missing, n);
	if (names)
		log_warning("LISTEN_FDNAMES: more names than descriptors");
}

void inherited_take_environment(struct inherited *inherited)
{
	static const char *const variables[] = { "LISTEN_PID", "LISTEN_PIDFDID",
						 "LISTEN_FDS",
						 "LISTEN_FDNAMES" };
	const char *told = getenv("LISTEN_FDNAMES");
	char *names = told ? strdup(told) : NULL;
	int n = count_fds();

	if (told && !names)
		log_warning("LISTEN_FDNAMES: %s", strerror(ENOMEM));
	if (n)
		add_each(inherited, n, names);
	free(names);
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		(void)unsetenv(variables[i]); /* a good name cannot fail */
}

/* --- taking ---------------------------------------------------------------- */

static int take(struct inherited_socket *socket)
{
	int fd = socket->fd;

	socket->fd = -1;
	return fd;
}

static int take_what(struct inherited_socket *socket,
		     struct inherited_socket *taken)
{
	if (!socket)
		return -1;
	*taken = *socket;
	return take(socket);
}

int inherited_take_inode(struct inherited *inherited, uint64_t inode)
{
	for (size_t i = 0; i < inherited->n; i++) {
		struct inherited_socket *socket = &inherited->socket[i];

		if (socket->fd >= 0 && socket->inode == inode)
			return take(socket);
	}
	return -1;
}

/*
 * The bytes that count, by family: the kernel tells a path's true length, the
 * resolver the whole room's.
 */
static bool is_same_path(const struct addr_socket *a,
			 const struct addr_socket *b)
{
	const char *a_path = a->u.un.sun_path, *b_path = b->u.un.sun_path;

	if (!a_path[0]) /* abstract: every byte up to the length is the name */
		return a->len == b->len && !memcmp(&a->u, &b->u, a->len);
	return !strncmp(a_path, b_path, sizeof(a->u.un.sun_path));
}

static bool is_same_address(const struct addr_socket *a,
			    const struct addr_socket *b)
{
	if (a->transport != b->transport ||
	    a->u.any.sa_family != b->u.any.sa_family ||
	    addr_port(a) != addr_port(b))
		return false;
	switch (a->u.any.sa_family) {
	case AF_INET:
		return a->u.in.sin_addr.s_addr == b->u.in.sin_addr.s_addr;
	case AF_INET6:
		return a->u.in6.sin6_scope_id == b->u.in6.sin6_scope_id &&
		       IN6_ARE_ADDR_EQUAL(&a->u.in6.sin6_addr,
					  &b->u.in6.sin6_addr);
	default:
		return is_same_path(a, b);
	}
}

/*
 * Whether [::] was given where 0.0.0.0 is wanted, and gets IPv4 as well. That
 * is what "*" comes to in a process that may not have IPv6 sockets of its own
 * (RestrictAddressFamilies=).
 */
static bool is_wider(const struct inherited_socket *socket,
		     const struct addr_socket *addr)
{
	int is_v6only = 1;
	socklen_t len = sizeof(is_v6only);

	if (socket->addr.transport != addr->transport ||
	    socket->addr.u.any.sa_family != AF_INET6 ||
	    addr->u.any.sa_family != AF_INET ||
	    !addr_is_wildcard(&socket->addr) || !addr_is_wildcard(addr) ||
	    addr_port(&socket->addr) != addr_port(addr))
		return false;
	(void)getsockopt(socket->fd, IPPROTO_IPV6, IPV6_V6ONLY, &is_v6only,
			 &len); /* when it fails, it is not */
	return !is_v6only;
}

/*
 * A unix socket has come back from the store, but its file is gone: nobody
 * could connect to it any more.
 */
static bool is_unreachable(const struct inherited_socket *socket)
{
	const char *path = socket->addr.u.un.sun_path;
	struct stat status;

	return socket->addr.transport == TRANSPORT_UNIX && path[0] &&
	       inherited_is_stored(socket) &&
	       (lstat(path, &status) < 0 || !S_ISSOCK(status.st_mode));
}

static struct inherited_socket *find_at(struct inherited *inherited,
					const struct addr_socket *addr)
{
	struct inherited_socket *socket = inherited->socket;

	for (size_t i = 0; i < inherited->n; i++)
		if (socket[i].fd >= 0 &&
		    is_same_address(&socket[i].addr, addr) &&
		    !is_unreachable(&socket[i]))
			return &socket[i];
	for (size_t i = 0; i < inherited->n; i++)
		if (socket[i].fd >= 0 && is_wider(&socket[i], addr))
			return &socket[i];
	return NULL;
}

int inherited_take_address(struct inherited *inherited,
			   const struct addr_socket *addr,
			   struct inherited_socket *taken)
{
	return take_what(find_at(inherited, addr), taken);
}

int inherited_take_name(struct inherited *inherited, const char *name,
			enum transport transport, const void *owner,
			struct inherited_socket *taken)
{
	for (size_t i = 0; *name && i < inherited->n; i++) {
		struct inherited_socket *socket = &inherited->socket[i];

		if (socket->fd >= 0 && !strcmp(socket->name, name) &&
		    socket->addr.transport == transport &&
		    (!socket->owner || socket->owner == owner))
			return take_what(socket, taken);
	}
	return -1;
}

void inherited_own(struct inherited *inherited, const struct addr_socket *addr,
		   const void *owner)
{
	struct inherited_socket *socket = find_at(inherited, addr);

	if (socket && !socket->owner)
		socket->owner = owner;
}

void inherited_disown(struct inherited *inherited)
{
	for (size_t i = 0; i < inherited->n; i++)
		inherited->socket[i].owner = NULL;
}

const char *inherited_stored_name(const char *listener, char *out)
{
	(void)snprintf(out, INHERIT_NAME_BYTES, "@%s", listener);
	return out;
}

bool inherited_is_stored(const struct inherited_socket *socket)
{
	return socket->name[0] == '@';
}

/* --- the end --------------------------------------------------------------- */

void inherited_close(struct inherited *inherited)
{
	char text[ADDR_TEXT_BYTES];

	for (size_t i = 0; i < inherited->n; i++) {
		struct inherited_socket *socket = &inherited->socket[i];

		if (socket->fd < 0)
			continue;
		/* one that is ours needs no word */
		if (*socket->name && !inherited_is_stored(socket))
			log_warning("%s: inherited as %s, but no listener is "
				    "configured for it: closed",
				    addr_format(&socket->addr, text),
				    socket->name);
		close(socket->fd);
	}
	free(inherited->socket);
	*inherited = (struct inherited){ 0 };
}
