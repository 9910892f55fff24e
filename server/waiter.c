/* SPDX-License-Identifier: ISC */
/*
 * waiter.c - programs that take a datagram socket over (inetd's "wait")
 */
#include "server/waiter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/backoff.h"
#include "server/bag.h"

/*
 * A program that leaves its datagram unread is started again at once, and for
 * ever. So often it may be, and no more; one that fails waits longer and
 * longer.
 */
#define START_EACH_NS (10 * NS_PER_MS)

struct waiter {
	/* NULL: it is no more; its program is only waited for */
	const struct listener *listener;
	const struct program *program;
	pid_t pid; /* 0: it does not run */
	bool is_armed;
	uint64_t rearm_ns; /* not before */
	uint64_t began_ns;
	struct backoff backoff;
};

/* What a bag has of one. */
struct waiter_record {
	uint32_t entry; /* of its listener in the ledger; 0: it is no more */
	int32_t pid;
	uint64_t rearm_ns, began_ns;
	uint32_t n_strikes;
	/* an entry may be given to another */
	char name[LEDGER_NAME_BYTES];
	uint32_t pad;
};

_Static_assert(sizeof(struct waiter_record) == 64, "no padding");

static bool is_waiter(const struct listener *listener)
{
	const struct program *program;

	if (!listener_accepts(listener) || listener->config->is_retired)
		return false;
	program = program_of(listener->config);
	return program && program->is_wait;
}

static int watch(struct waiters *waiters, size_t i)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLONESHOT,
		.data.u64 = i,
	};

	if (epoll_ctl(waiters->epoll_fd, EPOLL_CTL_ADD,
		      waiters->waiter[i].listener->fd, &ev) < 0)
		return -errno;
	waiters->waiter[i].is_armed = true;
	return 0;
}

int waiters_open(struct waiters *waiters, const struct post *post)
{
	int err = 0;

	*waiters = (struct waiters){ .epoll_fd = -1 };
	for (size_t l = 0; post->slot == 0 && l < post->n_listeners; l++)
		waiters->n += is_waiter(&post->listeners[l]);
	if (!waiters->n)
		return 0;
	waiters->waiter = calloc(waiters->n, sizeof(*waiters->waiter));
	if (!waiters->waiter)
		return -ENOMEM;
	waiters->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (waiters->epoll_fd < 0)
		return -errno;
	waiters->n = 0;
	for (size_t l = 0; !err && l < post->n_listeners; l++) {
		if (!is_waiter(&post->listeners[l]))
			continue;
		waiters->waiter[waiters->n] = (struct waiter){
			.listener = &post->listeners[l],
			.program = program_of(post->listeners[l].config),
		};
		err = watch(waiters, waiters->n++);
	}
	return err;
}

/*
 * As a program expects; no worker reads from it. Each time, for the one before
 * may have left it otherwise; and not while one runs: the socket is its own.
 */
static void make_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK); /* cannot fail */
}

static void start(struct waiter *waiter, const struct spawner *spawner,
		  struct voices *voices)
{
	const struct listen_config *listen = waiter->listener->config;
	const struct ledger_addr nobody = { 0 };
	struct spawn spawn = {
		.program = waiter->program,
		.socket_fd = waiter->listener->fd,
		.peer = &nobody,
		.local = &nobody,
	};
	struct voice *voice = voice_of_program(voices, listen, waiter->program,
					       spawner->null_fd,
					       &spawn.stderr_fd);
	pid_t pid;

	make_blocking(spawn.socket_fd);
	pid = spawn_program(spawner, &spawn);
	voice_settle(voices, voice, spawn.stderr_fd, pid);
	waiter->began_ns = clock_mono_ns();
	waiter->rearm_ns = waiter->began_ns + START_EACH_NS;
	waiter->pid = pid > 0 ? pid : 0;
	if (pid > 0)
		return;
	waiter->rearm_ns += backoff_strike(&waiter->backoff, 0);
	log_warning("%s: cannot start %s: %s: %s", listen->name,
		    waiter->program->path, spawn.step, strerror(-pid));
}

void waiters_look(struct waiters *waiters, const struct spawner *spawner,
		  struct voices *voices, bool may_start)
{
	struct epoll_event events[16];
	int n = epoll_wait(waiters->epoll_fd, events, 16, 0);

	for (int i = 0; i < n; i++) {
		struct waiter *waiter = &waiters->waiter[events[i].data.u64];

		if (!waiter->is_armed) /* an error of the socket */
			continue;
		waiter->is_armed = false;
		if (may_start)
			start(waiter, spawner, voices);
		else
			waiter->rearm_ns = clock_mono_ns() + START_EACH_NS;
	}
}

void waiters_rearm(struct waiters *waiters, uint64_t now_ns)
{
	for (size_t i = 0; i < waiters->n; i++) {
		struct waiter *waiter = &waiters->waiter[i];
		struct epoll_event ev = {
			.events = EPOLLIN | EPOLLONESHOT,
			.data.u64 = i,
		};

		if (!waiter->listener || waiter->is_armed || waiter->pid ||
		    waiter->rearm_ns > now_ns)
			continue;
		/* fails when the listener was closed, for a drain: fine */
		(void)epoll_ctl(waiters->epoll_fd, EPOLL_CTL_MOD,
				waiter->listener->fd, &ev);
		waiter->is_armed = true;
	}
}

uint64_t waiters_wait_ns(const struct waiters *waiters, uint64_t now_ns)
{
	uint64_t wait_ns = UINT64_MAX;

	for (size_t i = 0; i < waiters->n; i++) {
		const struct waiter *waiter = &waiters->waiter[i];

		if (!waiter->listener || waiter->is_armed || waiter->pid)
			continue;
		wait_ns = min_u64(wait_ns, waiter->rearm_ns > now_ns ?
						   waiter->rearm_ns - now_ns :
						   0);
	}
	return wait_ns;
}

static void reap(struct waiter *waiter, int status)
{
	uint64_t now_ns = clock_mono_ns();
	bool is_killed = WIFSIGNALED(status);
	int number = is_killed ? WTERMSIG(status) : WEXITSTATUS(status);

	if (is_killed || number)
		waiter->rearm_ns =
			now_ns + backoff_strike(&waiter->backoff,
						now_ns - waiter->began_ns);
	else
		waiter->backoff.n_strikes = 0;
	if (waiter->listener && (is_killed || number))
		log_notice("%s: %d: ended with %s %d",
			   waiter->listener->config->name, (int)waiter->pid,
			   is_killed ? "signal" : "status", number);
	waiter->pid = 0;
}

bool waiters_reap(struct waiters *waiters, pid_t pid, int status)
{
	for (size_t i = 0; i < waiters->n; i++) {
		if (waiters->waiter[i].pid != pid)
			continue;
		reap(&waiters->waiter[i], status);
		return true;
	}
	return false;
}

void waiters_kill_all(struct waiters *waiters, int sig)
{
	for (size_t i = 0; i < waiters->n; i++)
		if (waiters->waiter[i].pid)
			(void)kill(-waiters->waiter[i].pid, sig);
}

/* ---- over to another program ---- */

static uint32_t entry_of(const struct waiter *waiter, const struct post *post)
{
	return (uint32_t)(waiter->listener - post->listeners) + 1;
}

static void pack(const struct waiter *waiter, const struct post *post,
		 struct bag *bag)
{
	struct waiter_record record = {
		.pid = waiter->pid,
		.rearm_ns = waiter->rearm_ns,
		.began_ns = waiter->began_ns,
		.n_strikes = waiter->backoff.n_strikes,
	};

	if (waiter->listener) {
		record.entry = entry_of(waiter, post);
		memcpy(record.name, waiter->listener->config->name,
		       sizeof(record.name));
	}
	bag_put(bag, &record, sizeof(record));
}

void waiters_pack(const struct waiters *waiters, const struct post *post,
		  struct bag *bag)
{
	uint32_t n = (uint32_t)waiters->n;

	bag_put(bag, &n, sizeof(n));
	for (size_t i = 0; i < waiters->n; i++)
		pack(&waiters->waiter[i], post, bag);
}

static struct waiter *find(const struct waiters *waiters,
			   const struct post *post,
			   const struct waiter_record *record)
{
	for (size_t i = 0; i < waiters->n; i++) {
		struct waiter *waiter = &waiters->waiter[i];

		if (waiter->listener &&
		    entry_of(waiter, post) == record->entry &&
		    !strncmp(waiter->listener->config->name, record->name,
			     sizeof(record->name)))
			return waiter;
	}
	return NULL;
}

/* Only to be waited for. NULL: there is no memory. */
static struct waiter *add(struct waiters *waiters)
{
	struct waiter *more =
		reallocarray(waiters->waiter, waiters->n + 1, sizeof(*more));

	if (!more)
		return NULL;
	waiters->waiter = more;
	more[waiters->n] = (struct waiter){ 0 };
	return &more[waiters->n++];
}

/* Until waiters_rearm() finds that it is time. */
static void disarm(const struct waiters *waiters, struct waiter *waiter)
{
	struct epoll_event ev = {
		.events = EPOLLONESHOT,
		.data.u64 = (uint64_t)(waiter - waiters->waiter),
	};

	waiter->is_armed = false;
	/* cannot fail: it was put in when it was opened */
	(void)epoll_ctl(waiters->epoll_fd, EPOLL_CTL_MOD, waiter->listener->fd,
			&ev);
}

/* Returns 0 or -errno. */
static int resume(struct waiters *waiters, const struct post *post,
		  const struct waiter_record *record)
{
	struct waiter *waiter = find(waiters, post, record);

	if (waiter)
		disarm(waiters, waiter);
	else if (record->pid <= 0)
		return 0;
	else
		waiter = add(waiters);
	if (!waiter)
		return -ENOMEM;
	waiter->pid = record->pid;
	waiter->rearm_ns = record->rearm_ns;
	waiter->began_ns = record->began_ns;
	waiter->backoff.n_strikes = record->n_strikes;
	return 0;
}

void waiters_unpack(struct waiters *waiters, const struct post *post,
		    struct bag *bag)
{
	struct waiter_record record;
	uint32_t n;

	bag_get(bag, &n, sizeof(n));
	for (uint32_t i = 0; !bag->err && i < n; i++) {
		bag_get(bag, &record, sizeof(record));
		if (!bag->err)
			bag->err = resume(waiters, post, &record);
	}
}
