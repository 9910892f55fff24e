/* SPDX-License-Identifier: ISC */
/*
 * inherit.c - tests of the sockets that somebody else opened
 *
 * Each test of the environment runs in a child: descriptors from 3 on are
 * given there, as a service manager gives them.
 */
#include "server/inherit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/unit/check.h"

#define FIRST_FD 3

static char dir[] = "/tmp/guichet-inherit-XXXXXX";
static int sink; /* where what the log writes can be read */

/* --- sockets to give ------------------------------------------------------- */

static int open_inet(int family, int type)
{
	struct addr_socket addr = { .len = sizeof(addr.u.in) };
	int fd = socket(family, type, 0);

	addr.u.in.sin_family = AF_INET;
	addr.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (family == AF_INET6) {
		addr.u.in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
		addr.len = sizeof(addr.u.in6);
	}
	if (fd < 0 || bind(fd, &addr.u.any, addr.len) < 0)
		abort();
	return fd;
}

static int open_tcp(void)
{
	int fd = open_inet(AF_INET, SOCK_STREAM);

	if (listen(fd, 8) < 0)
		abort();
	return fd;
}

static int open_udp(void)
{
	return open_inet(AF_INET, SOCK_DGRAM);
}

/* The address as a configuration has it; its file is gone at once. */
static int open_unix(int type, const char *name, struct addr *addr)
{
	struct addr_list list;
	int fd = socket(AF_UNIX, type, 0);

	addr->transport = TRANSPORT_UNIX;
	(void)snprintf(addr->path, sizeof(addr->path), "%s/%s", dir, name);
	if (fd < 0 || addr_resolve(addr, AF_UNSPEC, true, &list) != 0 ||
	    bind(fd, &list.socket[0].u.any, list.socket[0].len) < 0)
		abort();
	(void)unlink(addr->path);
	return fd;
}

static uint64_t inode_of(int fd)
{
	struct stat status;

	return fstat(fd, &status) < 0 ? 0 : status.st_ino;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static struct addr_socket address_of(int fd, enum transport transport)
{
	struct sockaddr_storage real;
	socklen_t len = sizeof(real);
	struct addr_socket addr;

	if (getsockname(fd, (struct sockaddr *)&real, &len) < 0)
		abort();
	addr_from_sockaddr(transport, (struct sockaddr *)&real, len, &addr);
	return addr;
}

/* --- the log --------------------------------------------------------------- */

static void open_log(void)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    dup2(ends[1], STDERR_FILENO) < 0)
		abort();
	/* out of the way of what is given */
	sink = fcntl(ends[0], F_DUPFD_CLOEXEC, 100);
	(void)close(ends[0]);
	(void)close(ends[1]);
	log_open("t");
}

/* What was written since the last time. */
static const char *written(void)
{
	static char text[4096];
	ssize_t n = read(sink, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = 0;
	return text;
}

/* --- adding and taking ----------------------------------------------------- */

static void test_add(void)
{
	struct inherited inherited = { 0 };
	int tcp = open_tcp(), udp = open_udp();

	CHECK_NUMBER(inherited_add(&inherited, tcp, "web"), 0);
	CHECK_NUMBER(inherited_add(&inherited, udp, ""), 0);
	CHECK_NUMBER(inherited.n, 2);
	CHECK_TEXT(inherited.socket[0].name, "web");
	CHECK(inherited.socket[0].is_listening);
	CHECK(!inherited.socket[1].is_listening);
	CHECK_NUMBER(inherited.socket[0].inode, inode_of(tcp));
	CHECK_NUMBER(inherited.socket[0].addr.transport, TRANSPORT_TCP);
	CHECK_NUMBER(inherited.socket[1].addr.transport, TRANSPORT_UDP);
	CHECK(addr_port(&inherited.socket[0].addr) != 0);
	CHECK_NUMBER(fcntl(tcp, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	CHECK_NUMBER(fcntl(tcp, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	/* a program may have it, and its own idea of that */
	CHECK_NUMBER(fcntl(udp, F_GETFL) & O_NONBLOCK, 0);
	inherited_close(&inherited);
	CHECK(!is_open(tcp) && !is_open(udp));
	CHECK_NUMBER(inherited.n, 0);
	CHECK(strstr(written(), " as web, but no listener"));
}

static void test_twice(void)
{
	struct inherited inherited = { 0 };
	int fd = open_tcp();
	int other = dup(fd);

	CHECK_NUMBER(inherited_add(&inherited, fd, "a"), 0);
	CHECK_NUMBER(inherited_add(&inherited, other, "b"), -EEXIST);
	CHECK(is_open(fd) && !is_open(other));
	CHECK_NUMBER(inherited.n, 1);
	/* one that was taken may be given back, and taken again */
	CHECK_NUMBER(inherited_take_inode(&inherited, inode_of(fd)), fd);
	CHECK_NUMBER(inherited_add(&inherited, fd, "c"), 0);
	CHECK_NUMBER(inherited_take_inode(&inherited, inode_of(fd)), fd);
	inherited_close(&inherited);
	CHECK(is_open(fd));
	(void)close(fd);
	CHECK_TEXT(written(), "");
}

static int refuse(int fd)
{
	struct inherited inherited = { 0 };
	int err = inherited_add(&inherited, fd, "x");

	CHECK(!is_open(fd));
	CHECK_NUMBER(inherited.n, 0);
	inherited_close(&inherited);
	return err;
}

static void test_refused(void)
{
	struct addr addr = { 0 };
	int pair[2], tcp = open_tcp(), client;
	struct addr_socket server = address_of(tcp, TRANSPORT_TCP);

	CHECK_NUMBER(refuse(open("/dev/null", O_RDONLY)), -ENOTSOCK);
	CHECK_NUMBER(refuse(open("/dev/null", O_PATH)), -EBADF);
	CHECK_NUMBER(refuse(open_unix(SOCK_DGRAM, "dgram", &addr)),
		     -EPROTONOSUPPORT);
	CHECK_NUMBER(refuse(open_unix(SOCK_SEQPACKET, "seq", &addr)),
		     -EPROTONOSUPPORT);
	CHECK_NUMBER(refuse(socket(AF_INET, SOCK_STREAM, 0)), -EDESTADDRREQ);
	CHECK_NUMBER(refuse(socket(AF_INET, SOCK_DGRAM, 0)), -EDESTADDRREQ);
	CHECK_NUMBER(refuse(socket(AF_UNIX, SOCK_STREAM, 0)), -EDESTADDRREQ);
	CHECK_NUMBER(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CHECK_NUMBER(refuse(pair[0]), -EISCONN);
	(void)close(pair[1]);
	client = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_NUMBER(connect(client, &server.u.any, server.len), 0);
	CHECK_NUMBER(refuse(accept(tcp, NULL, NULL)), -EISCONN);
	CHECK_NUMBER(refuse(client), -EISCONN);
	(void)close(tcp);
	CHECK_TEXT(written(), "");
}

static void test_take_address(void)
{
	struct inherited inherited = { 0 };
	struct inherited_socket taken;
	int tcp = open_tcp(), other = open_tcp();
	struct addr_socket addr = address_of(tcp, TRANSPORT_TCP);
	struct addr_socket udp = addr;

	udp.transport = TRANSPORT_UDP;
	CHECK_NUMBER(inherited_add(&inherited, other, ""), 0);
	CHECK_NUMBER(inherited_add(&inherited, tcp, ""), 0);
	CHECK_NUMBER(inherited_take_address(&inherited, &udp, &taken), -1);
	CHECK_NUMBER(inherited_take_address(&inherited, &addr, &taken), tcp);
	CHECK_NUMBER(inherited_take_address(&inherited, &addr, &taken), -1);
	addr = address_of(other, TRANSPORT_TCP);
	addr.u.in.sin_addr.s_addr = htonl(INADDR_ANY);
	CHECK_NUMBER(inherited_take_address(&inherited, &addr, &taken), -1);
	inherited_close(&inherited);
	CHECK(is_open(tcp) && !is_open(other));
	(void)close(tcp);
	(void)written();
}

/* A [::] socket; @port 0: any. */
static int open_every(bool is_v6only, uint16_t *port)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6 };
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), value = is_v6only;

	addr.sin6_port = htons(*port);
	if (fd < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, sizeof(value)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -1;
	*port = ntohs(address_of(fd, TRANSPORT_UDP).u.in6.sin6_port);
	return fd;
}

static void test_take_every(void)
{
	struct inherited inherited = { 0 };
	struct addr_socket addr = { .transport = TRANSPORT_UDP };
	struct inherited_socket taken;
	uint16_t v6only_port = 0, both_port = 0;
	int v6only = open_every(true, &v6only_port);
	int both = open_every(false, &both_port);

	if (v6only < 0 || both < 0)
		return; /* a machine without IPv6 */
	addr.u.in.sin_family = AF_INET;
	CHECK_NUMBER(inherited_add(&inherited, v6only, ""), 0);
	CHECK_NUMBER(inherited_add(&inherited, both, ""), 0);
	addr_set_port(&addr, v6only_port);
	CHECK_NUMBER(inherited_take_address(&inherited, &addr, &taken), -1);
	addr_set_port(&addr, both_port);
	addr.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_NUMBER(inherited_take_address(&inherited, &addr, &taken), -1);
	addr.u.in.sin_addr.s_addr = htonl(INADDR_ANY);
	CHECK_NUMBER(inherited_take_address(&inherited, &addr, &taken), both);
	inherited_close(&inherited);
	(void)close(both);
	(void)written();
}

/* Of the kernel's address and the resolver's a path has different lengths. */
static void test_take_path(void)
{
	struct inherited inherited = { 0 };
	struct addr addr = { 0 }, longer = { 0 };
	struct addr_list list, longer_list;
	struct inherited_socket taken;
	int fd = open_unix(SOCK_STREAM, "path", &addr);

	longer.transport = TRANSPORT_UNIX;
	(void)snprintf(longer.path, sizeof(longer.path), "%s/path2", dir);
	CHECK_NUMBER(addr_resolve(&addr, AF_UNSPEC, true, &list), 0);
	CHECK_NUMBER(addr_resolve(&longer, AF_UNSPEC, true, &longer_list), 0);
	CHECK_NUMBER(inherited_add(&inherited, fd, ""), 0);
	CHECK(!inherited.socket[0].is_listening);
	CHECK_NUMBER(inherited_take_address(&inherited, &longer_list.socket[0],
					    &taken),
		     -1);
	CHECK_NUMBER(inherited_take_address(&inherited, &list.socket[0],
					    &taken),
		     fd);
	inherited_close(&inherited);
	(void)close(fd);
}

/* Of a stored one whose file is gone nobody has any use. */
static void test_take_stored_path(void)
{
	struct inherited inherited = { 0 };
	struct addr addr = { 0 };
	struct addr_list list;
	struct inherited_socket taken;
	int fd = open_unix(SOCK_STREAM, "stored", &addr);

	CHECK_NUMBER(addr_resolve(&addr, AF_UNSPEC, true, &list), 0);
	CHECK_NUMBER(inherited_add(&inherited, fd, "@echo"), 0);
	CHECK_NUMBER(inherited_take_address(&inherited, &list.socket[0],
					    &taken),
		     -1);
	CHECK_NUMBER(mknod(addr.path, S_IFSOCK | 0600, 0), 0);
	CHECK_NUMBER(inherited_take_address(&inherited, &list.socket[0],
					    &taken),
		     fd);
	CHECK(inherited_is_stored(&taken));
	CHECK_NUMBER(unlink(addr.path), 0);
	inherited_close(&inherited);
	(void)close(fd);
	CHECK_TEXT(written(), "");
}

static void test_own(void)
{
	struct inherited inherited = { 0 };
	struct inherited_socket taken;
	int first = open_tcp(), second = open_tcp();
	struct addr_socket addr = address_of(first, TRANSPORT_TCP);
	const int me = 0, other = 0;

	CHECK_NUMBER(inherited_add(&inherited, first, "echo"), 0);
	CHECK_NUMBER(inherited_add(&inherited, second, "echo"), 0);
	inherited_own(&inherited, &addr, &other);
	inherited_own(&inherited, &addr, &me); /* too late */
	CHECK_NUMBER(inherited_take_name(&inherited, "echo", TRANSPORT_TCP, &me,
					 &taken),
		     second);
	CHECK_NUMBER(inherited_take_name(&inherited, "echo", TRANSPORT_TCP, &me,
					 &taken),
		     -1);
	CHECK_NUMBER(inherited_take_name(&inherited, "echo", TRANSPORT_TCP,
					 &other, &taken),
		     first);
	CHECK_NUMBER(inherited_add(&inherited, first, "echo"), 0);
	inherited_own(&inherited, &addr, &other);
	inherited_disown(&inherited);
	CHECK_NUMBER(inherited_take_name(&inherited, "echo", TRANSPORT_TCP, &me,
					 &taken),
		     first);
	inherited_close(&inherited);
	(void)close(first);
	(void)close(second);
	CHECK_TEXT(written(), "");
}

static void test_take_name(void)
{
	struct inherited inherited = { 0 };
	struct inherited_socket taken;
	int first = open_tcp(), second = open_tcp(), udp = open_udp();
	char longest[256];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	CHECK_NUMBER(inherited_add(&inherited, open_tcp(), ""), 0);
	CHECK_NUMBER(inherited_add(&inherited, open_tcp(), longest), 0);
	CHECK_NUMBER(inherited_add(&inherited, udp, "echo"), 0);
	CHECK_NUMBER(inherited_add(&inherited, first, "echo"), 0);
	CHECK_NUMBER(inherited_add(&inherited, second, "echo"), 0);
	CHECK_NUMBER(inherited_take_name(&inherited, "", TRANSPORT_TCP, NULL,
					 &taken),
		     -1);
	CHECK_NUMBER(inherited_take_name(&inherited, "ech", TRANSPORT_TCP, NULL,
					 &taken),
		     -1);
	CHECK_NUMBER(inherited_take_name(&inherited, "echo", TRANSPORT_TCP,
					 NULL, &taken),
		     first);
	CHECK_NUMBER(addr_port(&taken.addr),
		     ntohs(address_of(first, TRANSPORT_TCP).u.in.sin_port));
	CHECK_NUMBER(inherited_take_name(&inherited, "echo", TRANSPORT_TCP,
					 NULL, &taken),
		     second);
	CHECK_NUMBER(inherited_take_name(&inherited, "echo", TRANSPORT_TCP,
					 NULL, &taken),
		     -1);
	CHECK_NUMBER(inherited_take_name(&inherited, "echo", TRANSPORT_UDP,
					 NULL, &taken),
		     udp);
	inherited_close(&inherited);
	(void)close(first);
	(void)close(second);
	(void)close(udp);
	(void)written();
}

/* --- the environment ------------------------------------------------------- */

/* Sets what a manager sets; @pid NULL: our own. */
static void tell(const char *pid, const char *fds, const char *names)
{
	char own[16];

	(void)snprintf(own, sizeof(own), "%d", (int)getpid());
	(void)setenv("LISTEN_PID", pid ? pid : own, 1);
	(void)setenv("LISTEN_FDS", fds, 1);
	if (names)
		(void)setenv("LISTEN_FDNAMES", names, 1);
}

static void check_environment_is_clean(void)
{
	CHECK(!getenv("LISTEN_PID"));
	CHECK(!getenv("LISTEN_FDS"));
	CHECK(!getenv("LISTEN_FDNAMES"));
}

static void given(struct inherited *inherited)
{
	inherited_take_environment(inherited);
	check_environment_is_clean();
}

/* Runs @test in a child that has nothing open from descriptor 3 to 99. */
static void in_child(void (*test)(void))
{
	int status = 1;
	pid_t pid;

	(void)written();
	(void)fflush(stdout);
	pid = fork();
	if (!pid) {
		check_n_failed = 0;
		(void)close_range(FIRST_FD, 99, 0);
		test();
		(void)fflush(stdout);
		_exit(check_result());
	}
	CHECK_NUMBER(waitpid(pid, &status, 0), pid);
	CHECK_NUMBER(status, 0);
}

static void test_given(void)
{
	struct inherited inherited = { 0 };
	struct addr addr = { 0 };

	CHECK_NUMBER(open_tcp(), 3);
	CHECK_NUMBER(open_udp(), 4);
	CHECK_NUMBER(open_unix(SOCK_STREAM, "given", &addr), 5);
	CHECK_NUMBER(open_inet(AF_INET6, SOCK_STREAM), 6);
	tell(NULL, "3", "echo:stored:guichet.socket");
	given(&inherited);
	CHECK_NUMBER(inherited.n, 3);
	CHECK_TEXT(inherited.socket[0].name, "echo");
	CHECK_TEXT(inherited.socket[1].name, "stored");
	CHECK_TEXT(inherited.socket[2].name, "guichet.socket");
	CHECK_NUMBER(inherited.socket[2].fd, 5);
	CHECK_NUMBER(inherited.socket[2].addr.transport, TRANSPORT_UNIX);
	CHECK_NUMBER(fcntl(3, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	CHECK_NUMBER(fcntl(6, F_GETFD) & FD_CLOEXEC, 0); /* not counted */
	CHECK_TEXT(written(), "");
	inherited_close(&inherited);
}

static void test_without_names(void)
{
	struct inherited inherited = { 0 };

	CHECK_NUMBER(open_tcp(), 3);
	CHECK_NUMBER(open_inet(AF_INET6, SOCK_STREAM), 4);
	tell(NULL, "2", NULL);
	given(&inherited);
	CHECK_NUMBER(inherited.n, 2);
	CHECK_TEXT(inherited.socket[0].name, "unknown");
	CHECK_TEXT(inherited.socket[1].name, "unknown");
	CHECK_TEXT(written(), "");
	inherited_close(&inherited);
}

static void test_some_names(void)
{
	struct inherited inherited = { 0 };

	CHECK_NUMBER(open_tcp(), 3);
	CHECK_NUMBER(open_tcp(), 4);
	CHECK_NUMBER(open_tcp(), 5);
	tell(NULL, "3", ":b");
	given(&inherited);
	CHECK_NUMBER(inherited.n, 3);
	CHECK_TEXT(inherited.socket[0].name, "unknown");
	CHECK_TEXT(inherited.socket[1].name, "b");
	CHECK_TEXT(inherited.socket[2].name, "unknown");
	CHECK_TEXT(written(), "");
	inherited_close(&inherited);
}

static void test_too_many_names(void)
{
	struct inherited inherited = { 0 };

	CHECK_NUMBER(open_tcp(), 3);
	tell(NULL, "1", "a:b");
	given(&inherited);
	CHECK_NUMBER(inherited.n, 1);
	CHECK_TEXT(inherited.socket[0].name, "a");
	CHECK_TEXT(written(),
		   "t: LISTEN_FDNAMES: more names than descriptors\n");
	inherited_close(&inherited);
}

static void ignore(const char *pid, const char *fds, const char *line)
{
	struct inherited inherited = { 0 };

	tell(pid, fds, "a");
	given(&inherited);
	CHECK_NUMBER(inherited.n, 0);
	CHECK(is_open(3));
	CHECK_NUMBER(fcntl(3, F_GETFD) & FD_CLOEXEC, 0);
	CHECK_TEXT(written(), line);
	inherited_close(&inherited);
}

static void test_not_for_us(void)
{
	struct inherited inherited = { 0 };

	CHECK_NUMBER(open_tcp(), 3);
	ignore("1", "1", "");
	ignore("", "1", "");
	ignore("nobody", "1", "");
	ignore(NULL, "0", "");
	ignore(NULL, "one", "t: LISTEN_FDS: one is no number of descriptors\n");
	ignore(NULL, "-1", "t: LISTEN_FDS: -1 is no number of descriptors\n");
	ignore(NULL, "2000000000",
	       "t: LISTEN_FDS: 2000000000 is no number of descriptors\n");
	(void)setenv("LISTEN_FDS", "1", 1); /* without a pid */
	given(&inherited);
	CHECK_NUMBER(inherited.n, 0);
	CHECK_TEXT(written(), "");
}

static void test_missing(void)
{
	struct inherited inherited = { 0 };
	int fd = open_tcp();

	CHECK_NUMBER(dup2(fd, 5), 5);
	(void)close(fd);
	CHECK_NUMBER(open("/dev/null", O_RDONLY), 3);
	tell(NULL, "5", "a:b:c");
	given(&inherited);
	CHECK_NUMBER(inherited.n, 1);
	CHECK_NUMBER(inherited.socket[0].fd, 5);
	CHECK_TEXT(inherited.socket[0].name, "c");
	CHECK(!is_open(3));
	CHECK_TEXT(written(),
		   "t: LISTEN_FDS: descriptor 3 a is closed, no socket to "
		   "serve: Socket operation on non-socket\n"
		   "t: LISTEN_FDS: 3 of 5 descriptors are not open\n");
	inherited_close(&inherited);
}

int main(void)
{
	static void (*const in_children[])(void) = {
		test_given,          test_without_names, test_some_names,
		test_too_many_names, test_not_for_us,    test_missing,
	};

	if (!mkdtemp(dir))
		abort();
	(void)unsetenv("JOURNAL_STREAM");
	open_log();
	test_add();
	test_twice();
	test_refused();
	test_take_address();
	test_take_path();
	test_take_every();
	test_take_name();
	test_take_stored_path();
	test_own();
	for (size_t i = 0; i < sizeof(in_children) / sizeof(*in_children); i++)
		in_child(in_children[i]);
	(void)rmdir(dir);
	return check_result();
}
