/* SPDX-License-Identifier: ISC */
/*
 * programs.c - tests of programs that go over from one keeper to the next
 *
 * Both keepers are this process, which is what an execve leaves, too: its
 * children and the descriptors of the bag.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/bag.h"
#include "server/runner.h"
#include "tests/unit/check.h"

#define N_ROWS  16
#define N_FDS   256
#define WAIT_MS 10000

/* The entries of the ledger. */
enum {
	HOLE = 1,
	ECHO,
	WAIT,
	RETIRED,
	ENTRIES = RETIRED
};

static char sh[] = "sh", dash_c[] = "-c", sleeps[] = "sleep", long_s[] = "600";
static char script[] = "printf lost >&2; read a; echo \" $a\" >&2; exit 3";

static struct program echo = {
	.path = "/bin/sh",
	.command.word = { sh, dash_c, script },
	.stderr_to = PROGRAM_STDERR_LOG,
};
static struct program waits = {
	.path = "/bin/sleep",
	.command.word = { sleeps, long_s },
	.stderr_to = PROGRAM_STDERR_NULL,
	.is_wait = true,
};

/* What a keeper has. */
struct keeper {
	struct listen_config configs[3];
	struct config config;
	struct listener listeners[ENTRIES];
	uint8_t is_base[N_FDS];
	struct post post;
	struct runner runner;
};

/* What outlives it. */
static struct ledger_row rows[N_ROWS];
static struct ledger_head head = { .state = WORKER_SERVING };
static struct order_page order;
static int datagrams = -1; /* the socket */
static int sink;           /* what was logged can be read there */

static void listen_at(struct keeper *k, size_t i, unsigned entry,
		      struct program *program, const char *name)
{
	k->configs[i] = (struct listen_config){
		.service = &service_exec,
		.settings = program,
	};
	(void)snprintf(k->configs[i].name, sizeof(k->configs[i].name), "%s",
		       name);
	k->listeners[entry - 1].config = &k->configs[i];
}

/* One that @has_programs in its configuration, or none at all. */
static struct keeper *keeper_make(bool has_programs)
{
	struct keeper *k = calloc(1, sizeof(*k));

	if (!k)
		abort();
	for (size_t i = 0; i < ENTRIES; i++)
		k->listeners[i].fd = -1;
	if (has_programs) {
		listen_at(k, 0, ECHO, &echo, "echo");
		listen_at(k, 1, WAIT, &waits, "wait");
		listen_at(k, 2, RETIRED, &waits, "retired");
		k->listeners[WAIT - 1].fd = datagrams;
		k->configs[2].is_retired = true;
		k->config.n_listeners = 3;
	}
	k->config.listeners = k->configs;
	k->post = (struct post){
		.config = &k->config,
		.listeners = k->listeners,
		.n_listeners = ENTRIES,
		.part = { .head = &head, .rows = rows },
		.order = &order,
		.is_base = k->is_base,
		.n_fds = N_FDS,
	};
	k->post.view.shape.n_rows = N_ROWS;
	CHECK_NUMBER(runner_open(&k->runner, &k->post), 0);
	k->runner.voices.is_base = k->is_base;
	k->runner.voices.n_fds = N_FDS;
	return k;
}

/* What @former has goes over to @next. */
static void go_over(struct keeper *former, struct keeper *next)
{
	struct bag bag;
	char more;
	int fd;

	CHECK_NUMBER(bag_open(&bag), 0);
	runner_pack(&former->runner, &bag);
	CHECK_NUMBER(bag.err, 0);
	fd = bag.fd;
	free(bag.fds);
	bag_unpack(&bag, fd);
	runner_unpack(&next->runner, &bag);
	CHECK_NUMBER(bag.err, 0);
	CHECK_NUMBER(read(fd, &more, 1), 0); /* all was read */
	bag_close(&bag);
	/* as the execve would */
	if (former->runner.voices.epoll_fd >= 0)
		close(former->runner.voices.epoll_fd);
	if (former->runner.waiters.epoll_fd >= 0)
		close(former->runner.waiters.epoll_fd);
}

static void become_ready(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	CHECK_NUMBER(poll(&wait, 1, WAIT_MS), 1);
}

/* Starts one for @row from the address that ends with @last; the peer's end. */
static int start(struct keeper *k, uint32_t row, uint8_t last)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	rows[row] = (struct ledger_row){
		.fd = ends[0],
		.id = 100 + row,
		.listener = ECHO,
		.peer = { .family = AF_INET, .ip = { 127, 0, 0, last } },
		.local = { .family = AF_INET, .ip = { 127, 0, 0, 1 } },
		.state = ROW_STARTING,
	};
	handover_put(&order.programs.to_keeper, row);
	runner_look(&k->runner);
	CHECK_NUMBER(rows[row].state, ROW_RUNNING);
	close(ends[0]); /* nobody else has it, so its end is seen */
	become_ready(k->runner.voices.epoll_fd);
	voices_listen(&k->runner.voices);
	return ends[1];
}

static const char *logged(void)
{
	static char text[4096];
	ssize_t n = read(sink, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = 0;
	return text;
}

static void reap(struct keeper *k, pid_t pid)
{
	int status = 0;

	CHECK_NUMBER(waitpid(pid, &status, 0), pid);
	runner_reap(&k->runner, pid, status);
}

/* It hears a line, says it, and ends. */
static void end(struct keeper *k, uint32_t row, int peer)
{
	char line[64];

	(void)snprintf(line, sizeof(line), "t: echo: %d: lost %u\n",
		       (int)rows[row].pid, row);
	CHECK(dprintf(peer, "%u\n", row) > 0);
	reap(k, rows[row].pid);
	CHECK_NUMBER(rows[row].state, ROW_ENDED);
	CHECK_NUMBER(WEXITSTATUS(rows[row].status), 3);
	become_ready(k->runner.voices.epoll_fd);
	voices_listen(&k->runner.voices);
	CHECK_TEXT(logged(), line);
	voices_listen(&k->runner.voices); /* its end */
	close(peer);
}

static uint32_t n_of_source(const struct keeper *k, uint8_t last)
{
	for (size_t b = 0; b < RUNNER_BUCKETS; b++)
		for (uint32_t at = k->runner.by_source[b]; at;
		     at = k->runner.sources[at - 1].next)
			if (k->runner.sources[at - 1].ip[3] == last)
				return k->runner.sources[at - 1].n;
	return 0;
}

/* Those of the spawner, too. */
static unsigned n_base(const struct keeper *k)
{
	unsigned n = 0;

	for (int fd = 0; fd < N_FDS; fd++)
		n += k->is_base[fd];
	return n;
}

/* Nothing that a keeper without programs gives is anything. */
static void test_none(void)
{
	struct keeper *none = keeper_make(false), *next = keeper_make(false);
	struct keeper *some = keeper_make(true);
	int null_fd = none->runner.spawner.null_fd;

	none->runner.spawner.n_files = 77;
	go_over(none, next);
	CHECK(!next->runner.is_used);
	CHECK_NUMBER(next->runner.voices.epoll_fd, -1);
	CHECK_NUMBER(next->runner.spawner.null_fd, null_fd);
	CHECK_NUMBER(next->runner.spawner.n_files, 77);
	go_over(next, some);
	CHECK(some->runner.is_used);
	CHECK_NUMBER(some->runner.spawner.null_fd, null_fd);
	CHECK_NUMBER(some->runner.n_running, 0);
}

static void test_streams(void)
{
	struct keeper *first = keeper_make(true), *next = keeper_make(true);
	struct keeper *none;
	int peer[4];

	for (uint32_t row = 0; row < 3; row++)
		peer[row] = start(first, row, row == 2 ? 9 : 8);
	CHECK_TEXT(logged(), ""); /* no line has ended */

	go_over(first, next);
	CHECK_NUMBER(next->runner.n_running, 3);
	CHECK_NUMBER(n_of_source(next, 8), 2);
	CHECK_NUMBER(n_of_source(next, 9), 1);
	CHECK_NUMBER(n_base(next), 3 + 3);
	end(next, 0, peer[0]);
	CHECK_NUMBER(n_of_source(next, 8), 1);
	CHECK_NUMBER(next->runner.n_running, 2);
	peer[3] = start(next, 3, 8);
	CHECK_NUMBER(n_of_source(next, 8), 2);

	/* to a configuration that has no programs */
	none = keeper_make(false);
	go_over(next, none);
	CHECK_NUMBER(none->runner.n_running, 3);
	CHECK_NUMBER(n_base(none), 3 + 3 + 1); /* and their set */
	for (uint32_t row = 1; row < 4; row++)
		end(none, row, peer[row]);
	CHECK_NUMBER(none->runner.n_running, 0);
	CHECK_NUMBER(n_base(none), 3 + 1);
}

static void bind_datagrams(void)
{
	struct sockaddr_un {
		sa_family_t family;
	} none = { AF_UNIX }; /* the kernel finds a name */

	datagrams = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(datagrams, (void *)&none, sizeof(none)) < 0)
		abort();
}

/* To the socket that listens, which sends it to itself. */
static void send_datagram(void)
{
	char name[128];
	socklen_t n = sizeof(name);

	(void)getsockname(datagrams, (void *)name, &n);
	CHECK_NUMBER(sendto(datagrams, "x", 1, 0, (void *)name, n), 1);
}

static bool is_awake(const struct keeper *k)
{
	struct pollfd wait = { .fd = k->runner.waiters.epoll_fd,
			       .events = POLLIN };

	return poll(&wait, 1, 0) == 1;
}

/* The child that sleeps; there is one. */
static pid_t end_sleeper(struct keeper *k)
{
	int status;
	pid_t pid;

	runner_kill_all(&k->runner, SIGKILL);
	pid = waitpid(-1, &status, 0);
	CHECK(pid > 0);
	CHECK_NUMBER(WTERMSIG(status), SIGKILL);
	runner_reap(&k->runner, pid, status);
	CHECK_NUMBER(waitpid(-1, &status, WNOHANG), -1);
	return pid;
}

static void test_waiters(void)
{
	struct keeper *first, *next, *none, *last;
	const uint64_t late_ns = 3600 * NS_PER_S;

	bind_datagrams();
	first = keeper_make(true);
	CHECK_NUMBER(first->runner.waiters.n, 1); /* the retired one is not */
	send_datagram();
	become_ready(first->runner.waiters.epoll_fd);
	runner_look_at_waiters(&first->runner, true);

	next = keeper_make(true);
	CHECK(is_awake(next)); /* before it knows */
	go_over(first, next);
	CHECK(!is_awake(next));
	waiters_rearm(&next->runner.waiters, clock_mono_ns() + late_ns);
	CHECK(!is_awake(next));
	CHECK_NUMBER(waiters_wait_ns(&next->runner.waiters, 0), UINT64_MAX);
	(void)end_sleeper(next);
	CHECK(strstr(logged(), "wait: "));
	CHECK(!is_awake(next));
	CHECK(waiters_wait_ns(&next->runner.waiters, clock_mono_ns()) > 0);

	/* it is not time yet, and the next one knows */
	last = keeper_make(true);
	go_over(next, last);
	CHECK(!is_awake(last));
	CHECK(waiters_wait_ns(&last->runner.waiters, clock_mono_ns()) > 0);
	waiters_rearm(&last->runner.waiters, clock_mono_ns() + late_ns);
	CHECK(is_awake(last));
	runner_look_at_waiters(&last->runner, true);

	/* its listener is no more: it is waited for, and no line tells it */
	none = keeper_make(false);
	go_over(last, none);
	CHECK(none->runner.is_used);
	waiters_rearm(&none->runner.waiters, clock_mono_ns() + late_ns);
	CHECK_NUMBER(waiters_wait_ns(&none->runner.waiters, 0), UINT64_MAX);
	(void)end_sleeper(none);
	CHECK_TEXT(logged(), "");
	CHECK_NUMBER(waiters_wait_ns(&none->runner.waiters, 0), UINT64_MAX);
}

int main(void)
{
	int ends[2];

	(void)unsetenv("JOURNAL_STREAM");
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    dup2(ends[1], STDERR_FILENO) < 0)
		abort();
	sink = ends[0];
	log_open("t");
	test_none();
	test_streams();
	test_waiters();
	/* what a keeper makes lives as long as it does: no leak is to be told */
	(void)fflush(NULL);
	_exit(check_result());
}
