/* SPDX-License-Identifier: ISC */
/*
 * listener.c - the sockets that clients come to, bound once by the master
 *
 * What is set on a TCP listener is inherited by what it accepts, so a
 * connection costs no setsockopt of its own.
 *
 * An address may be in use for a moment by a server that is just ending, so
 * EADDRINUSE is tried again. All addresses share one deadline: ten that are
 * taken keep nobody waiting for twenty seconds. With SO_REUSEADDR two sockets
 * may both bind before either listens, so listen(2) is part of what is tried.
 */
#include "server/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/holder.h"

#define BUSY_WAIT_NS (2 * NS_PER_S)
#define BUSY_STEP_NS (50 * NS_PER_MS)

/* One port must be free on every address; a second draw mostly is. */
#define PORT_DRAWS 16

struct opening {
	struct inherited *inherited;
	struct listener *listener;
	size_t n, n_room;
	uint64_t deadline_mono_ns; /* 0: nothing was in use yet */
	int err;                   /* of the latest that failed */
};

/* --- options -------------------------------------------------------------- */

struct socket_option {
	int level, name, value;
};

static int set_options(int fd, const struct socket_option *option, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (setsockopt(fd, option[i].level, option[i].name,
			       &option[i].value, sizeof(option[i].value)) < 0)
			return -errno;
	return 0;
}

static int set_tcp_options(int fd)
{
	static const struct socket_option options[] = {
		/* to start over connections in TIME_WAIT */
		{ SOL_SOCKET, SO_REUSEADDR, 1 },
		/* answers are written whole: nothing is gained by waiting */
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		/*
		 * Urgent data stays in the stream. Out of band it would be
		 * counted by the kernel as received, and never be delivered by
		 * recv(2): a successor would miscount what was consumed.
		 */
		{ SOL_SOCKET, SO_OOBINLINE, 1 },
	};

	return set_options(fd, options, ARRAY_LEN(options));
}

/*
 * Datagrams that come while no worker looks wait here, or are lost. More than
 * net.core.rmem_max takes a privilege; without it, we have what it allows.
 */
static void widen_queue(int fd)
{
	const int bytes = 4 << 20;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) <
	    0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes,
				 sizeof(bytes));
}

/*
 * The address that was asked, with each datagram. Never SO_REUSEADDR: with it
 * a second socket may bind the same port and steal the datagrams.
 */
static int set_udp_options(int fd, int family)
{
	static const struct socket_option options[] = {
		{ IPPROTO_IP, IP_PKTINFO, 1 },
		{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 },
	};

	widen_queue(fd);
	/* an IPv6 socket may get IPv4 datagrams, too */
	return set_options(fd, options, family == AF_INET6 ? 2 : 1);
}

/* [::] is IPv6 only; "*" is one socket for both families. */
static int set_inet_options(const struct listener *listener)
{
	const struct addr_socket *addr = &listener->addr;
	bool is_every = !strcmp(listener->config->addr.host, "*");
	const struct socket_option one_family = { IPPROTO_IPV6, IPV6_V6ONLY,
						  !is_every };
	int err = 0;

	if (addr->u.any.sa_family == AF_INET6)
		err = set_options(listener->fd, &one_family, 1);
	if (err)
		return err;
	if (addr->transport == TRANSPORT_TCP)
		return set_tcp_options(listener->fd);
	return set_udp_options(listener->fd, addr->u.any.sa_family);
}

/* --- binding -------------------------------------------------------------- */

/*
 * Removes a socket that a dead server left. Whatever else is there stays: a
 * file that is no socket, or one that somebody answers.
 */
static int clear_path(const struct addr_socket *addr)
{
	const char *path = addr->u.un.sun_path;
	struct stat status;
	int fd, err = 0;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: it is so alive that its queue is full */
	if (!connect(fd, &addr->u.any, addr->len) || errno == EAGAIN)
		err = -EADDRINUSE;
	else if (errno != ECONNREFUSED)
		err = errno == EPROTOTYPE ? -EADDRINUSE : -errno;
	else if (unlink(path) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Its file is ours, to go when it does. */
static int own_file(struct listener *listener)
{
	struct stat status;

	if (lstat(listener->addr.u.un.sun_path, &status) < 0)
		return -errno;
	listener->file_dev = status.st_dev;
	listener->file_ino = status.st_ino;
	return 0;
}

static int bind_unix(struct listener *listener)
{
	const struct addr_socket *addr = &listener->addr;
	mode_t former;
	int err;

	err = clear_path(addr);
	if (err)
		return err;
	/* born with its mode: there is no moment when others may connect */
	former = umask(~listener->config->mode & 0777);
	if (bind(listener->fd, &addr->u.any, addr->len) < 0)
		err = -errno;
	umask(former);
	return err ? err : own_file(listener);
}

static int bind_inet(struct listener *listener)
{
	struct addr_socket *addr = &listener->addr;
	struct sockaddr_storage real;
	socklen_t len = sizeof(real);
	int err;

	err = set_inet_options(listener);
	if (err)
		return err;
	if (bind(listener->fd, &addr->u.any, addr->len) < 0 ||
	    getsockname(listener->fd, (struct sockaddr *)&real, &len) < 0)
		return -errno;
	addr_from_sockaddr(addr->transport, (const struct sockaddr *)&real, len,
			   addr);
	return 0;
}

/* Not that of a server that has taken our place, or that another one gave. */
static bool has_own_file(const struct listener *listener, struct stat *status)
{
	return listener->file_ino &&
	       !lstat(listener->addr.u.un.sun_path, status) &&
	       status->st_dev == listener->file_dev &&
	       status->st_ino == listener->file_ino;
}

void listener_close(struct listener *listener)
{
	struct stat status;

	if (listener->fd < 0)
		return;
	close(listener->fd);
	listener->fd = -1;
	/* it may be gone, or not be ours to take */
	if (has_own_file(listener, &status))
		(void)unlink(listener->addr.u.un.sun_path);
}

void listener_tune(struct listener *listener)
{
	const struct listen_config *config = listener->config;
	struct stat status;

	if (listener->backlog && listener->backlog != config->backlog) {
		listener->backlog = config->backlog;
		/* or it stays what it was */
		(void)listen(listener->fd, (int)listener->backlog);
	}
	if (has_own_file(listener, &status) &&
	    (status.st_mode & 0777) != config->mode)
		(void)chmod(listener->addr.u.un.sun_path, config->mode);
}

void listener_give_back(struct listener *listener, struct inherited *inherited)
{
	if (listener->fd < 0 || listener->is_new) {
		listener_close(listener);
		return;
	}
	(void)inherited_add(inherited, listener->fd, ""); /* or is closed */
	listener->fd = -1;
}

static int make_socket(struct listener *listener)
{
	const struct addr_socket *addr = &listener->addr;
	int type = addr->transport == TRANSPORT_UDP ? SOCK_DGRAM : SOCK_STREAM;

	listener->fd = socket(addr->u.any.sa_family,
			      type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0)
		return -errno;
	return addr->transport == TRANSPORT_UNIX ? bind_unix(listener) :
						   bind_inet(listener);
}

/*
 * It is bound: by a service manager, or by the server before us. What was
 * stored for us is our own, a unix socket's file, too.
 */
static int take_socket(struct listener *listener, int fd,
		       const struct inherited_socket *taken)
{
	int err;

	listener->fd = fd;
	listener->is_given = !inherited_is_stored(taken);
	switch (listener->addr.transport) {
	case TRANSPORT_TCP:
		return set_tcp_options(fd);
	case TRANSPORT_UDP:
		return set_udp_options(fd, listener->addr.u.any.sa_family);
	default:
		err = listener->is_given ? 0 : own_file(listener);
		if (!err)
			listener_tune(listener);
		return err;
	}
}

static int begin_to_listen(struct listener *listener)
{
	struct stat status;

	if (fstat(listener->fd, &status) < 0)
		return -errno;
	listener->inode = status.st_ino;
	if (listener->backlog &&
	    listen(listener->fd, (int)listener->backlog) < 0)
		return -errno;
	return 0;
}

static struct listener listener_of(const struct listen_config *config,
				   const struct addr_socket *addr)
{
	return (struct listener){
		.fd = -1,
		.addr = *addr,
		.config = config,
		.backlog = addr->transport == TRANSPORT_UDP ? 0 :
							      config->backlog,
	};
}

/* Tries once. Returns 0, or -errno with nothing left behind. */
static int open_once(struct inherited *inherited,
		     const struct listen_config *config,
		     const struct addr_socket *addr, struct listener *listener)
{
	struct inherited_socket taken;
	int fd = inherited_take_address(inherited, addr, &taken);
	int err;

	*listener = listener_of(config, fd < 0 ? addr : &taken.addr);
	listener->is_new = fd < 0;
	err = fd < 0 ? make_socket(listener) :
		       take_socket(listener, fd, &taken);
	if (!err)
		err = begin_to_listen(listener);
	if (!err)
		return 0;
	listener_close(listener);
	return err;
}

/* Sleeps a step; false when the time for an address in use is over. */
static bool wait_busy(struct opening *opening)
{
	const struct timespec step = { .tv_nsec = BUSY_STEP_NS };
	uint64_t now_mono_ns = clock_mono_ns();

	if (!opening->deadline_mono_ns)
		opening->deadline_mono_ns = now_mono_ns + BUSY_WAIT_NS;
	if (now_mono_ns >= opening->deadline_mono_ns)
		return false;
	(void)nanosleep(&step, NULL); /* a signal just ends it earlier */
	return true;
}

static int open_patiently(struct opening *opening,
			  const struct listen_config *config,
			  const struct addr_socket *addr,
			  struct listener *listener)
{
	int err;

	do
		err = open_once(opening->inherited, config, addr, listener);
	while (err == -EADDRINUSE && wait_busy(opening));
	return err;
}

/* --- all sockets of one listener ------------------------------------------ */

static void report(struct opening *opening, const struct addr_socket *addr,
		   int err)
{
	char text[ADDR_TEXT_BYTES], holder[HOLDER_TEXT_BYTES];

	opening->err = err;
	addr_format(addr, text);
	if (err == -EADDRINUSE) {
		holder_describe(addr, holder);
		log_error("%s: address already in use%s%s", text,
			  *holder ? " " : "", holder);
	} else if (err == -EEXIST) {
		log_error("%s: there is a file that is no socket", text);
	} else if (err == -EADDRNOTAVAIL) {
		log_error("%s: not an address of this machine", text);
	} else {
		log_error("%s: %s", text, strerror(-err));
	}
}

/*
 * A name may have an IPv6 address on a machine that has IPv6 turned off (as
 * localhost often has): then its other addresses do.
 */
static bool may_do_without(const struct addr_list *list,
			   const struct addr_socket *addr, int err)
{
	bool has_ipv4 = false;

	for (size_t i = 0; i < list->n; i++)
		has_ipv4 |= list->socket[i].u.any.sa_family == AF_INET;
	return has_ipv4 && addr->u.any.sa_family == AF_INET6 &&
	       (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL);
}

static void open_each(struct opening *opening,
		      const struct listen_config *config,
		      const struct addr_list *list)
{
	char text[ADDR_TEXT_BYTES];

	for (size_t i = 0; i < list->n; i++) {
		const struct addr_socket *addr = &list->socket[i];
		int err;

		err = open_patiently(opening, config, addr,
				     &opening->listener[opening->n]);
		if (!err)
			opening->n++;
		else if (may_do_without(list, addr, err))
			log_notice("%s: %s", addr_format(addr, text),
				   strerror(-err));
		else
			report(opening, addr, err);
	}
}

/* Gives all addresses of @list the port that the first of them draws. */
static int open_drawn(struct opening *opening,
		      const struct listen_config *config,
		      struct addr_list *list, size_t *failed)
{
	size_t first = opening->n;
	uint16_t port = 0;
	int err;

	for (size_t i = 0; i < list->n; i++) {
		struct listener *listener = &opening->listener[opening->n];

		addr_set_port(&list->socket[i], port);
		err = open_once(opening->inherited, config, &list->socket[i],
				listener);
		if (err && may_do_without(list, &list->socket[i], err))
			continue;
		if (err) {
			*failed = i;
			goto out_close;
		}
		port = addr_port(&listener->addr);
		opening->n++;
	}
	return 0;

out_close:
	while (opening->n > first)
		listener_close(&opening->listener[--opening->n]);
	return err;
}

static void open_any_port(struct opening *opening,
			  const struct listen_config *config,
			  struct addr_list *list)
{
	size_t failed = 0;
	unsigned draws = 0;
	int err;

	do
		err = open_drawn(opening, config, list, &failed);
	while (err == -EADDRINUSE && ++draws < PORT_DRAWS);
	if (err)
		report(opening, &list->socket[failed], err);
}

static bool make_room(struct opening *opening, size_t n)
{
	size_t n_room = opening->n + n;
	struct listener *larger;

	if (n_room <= opening->n_room)
		return true;
	n_room *= 2;
	larger = reallocarray(opening->listener, n_room, sizeof(*larger));
	if (!larger)
		return false;
	opening->listener = larger;
	opening->n_room = n_room;
	return true;
}

static void fail_config(struct opening *opening,
			const struct listen_config *config, int err)
{
	char typed[ADDR_TYPED_BYTES];

	opening->err = err;
	log_error("%s: %s", addr_format_typed(&config->addr, typed),
		  strerror(-err));
}

static bool open_one_named(struct opening *opening,
			   const struct listen_config *config)
{
	struct listener *listener;
	struct inherited_socket taken;
	int fd, err;

	char stored[INHERIT_NAME_BYTES];
	bool is_drawn = config->addr.transport != TRANSPORT_UNIX &&
			!config->addr.port;

	fd = inherited_take_name(opening->inherited, config->name,
				 config->addr.transport, config, &taken);
	/* a port that the kernel chose can only be had again by name */
	if (fd < 0 && is_drawn)
		fd = inherited_take_name(
			opening->inherited,
			inherited_stored_name(config->name, stored),
			config->addr.transport, config, &taken);
	if (fd < 0)
		return false;
	if (!make_room(opening, 1)) {
		close(fd);
		fail_config(opening, config, -ENOMEM);
		return false;
	}
	listener = &opening->listener[opening->n];
	*listener = listener_of(config, &taken.addr);
	err = take_socket(listener, fd, &taken);
	if (!err)
		err = begin_to_listen(listener);
	if (err) {
		listener_close(listener);
		fail_config(opening, config, err);
		return false;
	}
	opening->n++;
	return true;
}

/* Sockets that a service manager has named for it are all that it has. */
static bool open_named(struct opening *opening,
		       const struct listen_config *config)
{
	bool is_any = false, has_failed;
	int err = opening->err; /* of former ones: all of them are told */
	size_t first = opening->n;

	opening->err = 0;
	/* no more than a listener can have; what is left is closed, and told */
	while (opening->n - first < ADDR_LIST_MAX &&
	       open_one_named(opening, config))
		is_any = true;
	has_failed = opening->err;
	if (!has_failed)
		opening->err = err;
	return is_any || has_failed;
}

static void open_config(struct opening *opening,
			const struct listen_config *config)
{
	char typed[ADDR_TYPED_BYTES];
	struct addr_list list;
	int err;

	if (open_named(opening, config))
		return;
	addr_format_typed(&config->addr, typed);
	err = addr_resolve(&config->addr, AF_UNSPEC, true, &list);
	if (err) {
		opening->err = err == EAI_SYSTEM ? -errno : -EADDRNOTAVAIL;
		log_error("%s: %s", typed,
			  err == EAI_SYSTEM ? strerror(errno) :
					      gai_strerror(err));
		return;
	}
	if (!make_room(opening, list.n)) {
		opening->err = -ENOMEM;
		log_error("%s: out of memory", typed);
		return;
	}
	if (config->addr.transport != TRANSPORT_UNIX && !config->addr.port)
		open_any_port(opening, config, &list);
	else
		open_each(opening, config, &list);
	if (opening->n > LEDGER_MAX_LISTENERS - 1) {
		opening->err = -E2BIG;
		log_error("%s: more than %d sockets", typed,
			  LEDGER_MAX_LISTENERS - 1);
	}
}

/* What is found without asking anybody. */
static bool is_literal(const struct addr *addr)
{
	const char *host = addr->host;

	return addr->transport == TRANSPORT_UNIX || !strcmp(host, "*") ||
	       strchr(host, ':') || !host[strspn(host, "0123456789.")];
}

/* A socket is that of the listener whose address it has, before any name. */
static void own_addresses(const struct config *config,
			  struct inherited *inherited)
{
	struct addr_list list;

	inherited_disown(inherited);
	for (size_t i = 0; i < config->n_listeners; i++) {
		const struct listen_config *listen = &config->listeners[i];

		if (!is_literal(&listen->addr) ||
		    addr_resolve(&listen->addr, AF_UNSPEC, true, &list))
			continue;
		for (size_t a = 0; a < list.n; a++)
			inherited_own(inherited, &list.socket[a], listen);
	}
}

int listeners_open(const struct config *config, struct inherited *inherited,
		   struct listener **out, size_t *n)
{
	struct opening opening = { .inherited = inherited };

	own_addresses(config, inherited);
	for (size_t i = 0; i < config->n_listeners; i++) {
		const struct listen_config *listen = &config->listeners[i];

		if (listen->is_retired || listen->n_entries)
			continue;
		open_config(&opening, listen);
		if (opening.err == -E2BIG)
			break;
	}
	if (opening.err) {
		for (size_t i = 0; i < opening.n; i++)
			listener_give_back(&opening.listener[i], inherited);
		free(opening.listener);
		return opening.err;
	}
	*out = opening.listener;
	*n = opening.n;
	return 0;
}

/* --- finding them again --------------------------------------------------- */

static void take_address(struct listener *listener)
{
	struct sockaddr_storage real;
	socklen_t len = sizeof(real);

	if (getsockname(listener->fd, (struct sockaddr *)&real, &len) == 0)
		addr_from_sockaddr(listener->addr.transport,
				   (const struct sockaddr *)&real, len,
				   &listener->addr);
}

void listener_know(struct listener *listener,
		   const struct ledger_listener *entry)
{
	struct stat status;

	listener->is_given = ledger_get(entry->flags) & LISTENER_GIVEN;
	if (!(ledger_get(entry->flags) & LISTENER_OWN_FILE) ||
	    lstat(listener->addr.u.un.sun_path, &status) < 0)
		return;
	listener->file_dev = status.st_dev;
	listener->file_ino = status.st_ino;
}

static void find_one(const struct listen_config *config,
		     const struct ledger_listener *entry,
		     struct inherited *inherited, struct listener *listener)
{
	*listener = (struct listener){
		.fd = -1,
		.config = config,
		.backlog = entry->backlog,
		.inode = entry->inode,
		.addr.transport = config->addr.transport,
	};
	if (config->is_retired)
		return;
	listener->fd = inherited_take_inode(inherited, entry->inode);
	if (listener->fd < 0)
		return;
	take_address(listener);
	listener_know(listener, entry);
}

void listeners_find(const struct config *config,
		    const struct ledger_listener *entries,
		    struct inherited *inherited, struct listener *listeners,
		    size_t n)
{
	for (size_t i = 0; i < n; i++)
		listeners[i] = (struct listener){ .fd = -1 };
	for (size_t i = 0; i < config->n_listeners; i++) {
		const struct listen_config *listen = &config->listeners[i];

		for (unsigned e = 0; e < listen->n_entries; e++) {
			uint32_t entry = listen->entry[e];

			if (entry >= 1 && entry <= n)
				find_one(listen, &entries[entry], inherited,
					 &listeners[entry - 1]);
		}
	}
}

/* --- closing -------------------------------------------------------------- */

void listeners_close(struct listener *listeners, size_t n)
{
	for (size_t i = 0; i < n; i++)
		listener_close(&listeners[i]);
	free(listeners);
}
