/* SPDX-License-Identifier: ISC */
/*
 * orphans.c - keepers whose master is dead, told what to do by somebody who
 * does not take them over
 */
#include "server/orphans.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "common/ledger_file.h"
#include "common/runtime.h"
#include "server/rendezvous.h"

/* One that does not say who it is: nobody is left who would. */
#define ANSWER_MS 1000

static bool hear_hello(int fd, orphans_take_fn *take, void *context)
{
	struct pollfd answer = { .fd = fd, .events = POLLIN };
	struct control_received received;
	bool is_first = true;

	while (poll(&answer, 1, ANSWER_MS) > 0) {
		if (control_receive(fd, &received) <= 0)
			return false;
		if (take)
			take(context, &received, is_first);
		control_drop_fds(&received);
		is_first = false;
		if (received.message.kind == CONTROL_HELLO)
			return true;
	}
	return false;
}

bool orphans_can_be_called(const char *dir, const char *name)
{
	int fd = rendezvous_connect(dir, name);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool has_master(const char *dir, const char *name)
{
	char path[512];
	bool is_held;
	pid_t pid;
	int fd;

	if (runtime_ledger_path(dir, name, path, sizeof(path)))
		return false;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	is_held = ledger_lock_owner(fd, &pid) > 0;
	close(fd);
	return is_held;
}

bool orphans_are_there(const char *dir, const char *name)
{
	return !has_master(dir, name) && orphans_can_be_called(dir, name);
}

unsigned orphans_order(const char *dir, const char *name, enum order order,
		       uint64_t deadline_mono_ns, int *fd, unsigned max,
		       orphans_take_fn *take, void *context)
{
	unsigned n = 0;

	while (n < max) {
		fd[n] = rendezvous_connect(dir, name);
		if (fd[n] < 0)
			break;
		control_say(fd[n], CONTROL_ADOPT, 0, 0);
		if (!hear_hello(fd[n], take, context)) {
			close(fd[n]);
			break;
		}
		control_say(fd[n], CONTROL_ORDER, (int32_t)order,
			    deadline_mono_ns);
		n++;
	}
	return n;
}
