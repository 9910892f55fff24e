/* SPDX-License-Identifier: ISC */
/*
 * signal_instance.c - guichetd -s: tells the running instance to do something
 *
 * The instance is the process that holds the lock on NAME.ledger. The lock's
 * holder is all we ask the file for, so that a server of another version,
 * with another layout, can be stopped as well. Between the question and the
 * signal that process may end and its pid be given to another one; so we open
 * a pidfd first and ask again: if the pid still holds the lock, the pidfd is
 * that server's, and stays it.
 */
#include "server/signal_instance.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/runtime.h"
#include "common/units.h"
#include "common/words.h"

/* What ending takes beyond what connections are given. */
#define END_TIMEOUT_NS (10 * NS_PER_S)

struct instance_order {
	const char *word;
	int signal;
	bool is_available;
	bool is_patient; /* connections are let end first */
};

static const struct instance_order orders[] = {
	{ "reload", SIGHUP, false, false },
	{ "upgrade", SIGUSR2, false, false },
	{ "stop", SIGTERM, true, true },
	{ "kill", SIGINT, true, false },
};

struct instance {
	const char *name;
	char path[512]; /* of its ledger */
	pid_t pid;
	int pidfd;
};

const struct instance_order *instance_order_find(const char *word,
						 const char **wrong)
{
	static char text[128];
	const char *words[ARRAY_LEN(orders)], *nearest;

	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		if (!strcmp(orders[i].word, word))
			return &orders[i];
		words[i] = orders[i].word;
	}
	nearest = words_nearest(word, words, ARRAY_LEN(words));
	if (nearest)
		snprintf(text, sizeof(text),
			 "\"%.40s\" is none; did you mean \"%s\"?", word,
			 nearest);
	else
		snprintf(text, sizeof(text),
			 "\"%.40s\" is none (there are: reload, upgrade, stop, "
			 "kill)",
			 word);
	*wrong = text;
	return NULL;
}

/* Tells what is wrong with @instance; returns the caller's exit code. */
static enum exit_code fail(const struct instance *instance, const char *what)
{
	if (instance->pid)
		fprintf(stderr, "guichetd: instance %s (pid %d): %s\n",
			instance->name, (int)instance->pid, what);
	else
		fprintf(stderr, "guichetd: instance %s: %s\n", instance->name,
			what);
	return EXIT_FAILED;
}

/* Who holds the lock on the ledger; 0: nobody; or -errno. */
static pid_t ask_owner(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_GETLK, &lock) < 0)
		return -errno;
	/* not positive: of another pid name space, out of our reach */
	return lock.l_type == F_UNLCK || lock.l_pid <= 0 ? 0 : lock.l_pid;
}

/* Opens the owner's pidfd; returns its pid, 0 when there is none, -errno. */
static pid_t open_owner(int fd, int *pidfd)
{
	for (;;) {
		pid_t pid = ask_owner(fd);

		if (pid <= 0)
			return pid;
		*pidfd = pidfd_open(pid, 0);
		if (*pidfd < 0 && errno != ESRCH)
			return -errno;
		if (*pidfd < 0)
			continue; /* it just ended: ask again */
		if (ask_owner(fd) == pid)
			return pid;
		close(*pidfd);
	}
}

static int open_ledger(const char *path)
{
	struct stat status;
	int fd;

	/* NONBLOCK: what stands there may be a pipe */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &status) && S_ISREG(status.st_mode))
		return fd;
	close(fd);
	return -EMEDIUMTYPE; /* "Wrong medium type" says it best */
}

/* Fills pid and pidfd; tells what is wrong when it cannot. */
static enum exit_code find_instance(struct instance *instance)
{
	char what[sizeof(instance->path) + 64];
	pid_t pid = 0;
	int fd;

	fd = open_ledger(instance->path);
	if (fd >= 0) {
		pid = open_owner(fd, &instance->pidfd);
		close(fd);
	}
	if (pid > 0) {
		instance->pid = pid;
		return EXIT_DONE;
	}
	if (fd >= 0 && !pid)
		snprintf(what, sizeof(what),
			 "not running (%s is of a server "
			 "that ended)",
			 instance->path);
	else if (fd == -ENOENT || fd == -ENOTDIR)
		snprintf(what, sizeof(what), "not running (there is no %s)",
			 instance->path);
	else
		snprintf(what, sizeof(what), "%s: %s", instance->path,
			 strerror(fd < 0 ? -fd : (int)-pid));
	return fail(instance, what);
}

/* Waits for the process's end; 0, -ETIMEDOUT or -errno. */
static int wait_end(int pidfd, uint64_t timeout_ns)
{
	uint64_t deadline_mono_ns = clock_mono_ns() + timeout_ns;

	for (;;) {
		struct pollfd end = { .fd = pidfd, .events = POLLIN };
		uint64_t now_mono_ns = clock_mono_ns();
		uint64_t left_ms = 0;
		int n;

		if (now_mono_ns < deadline_mono_ns)
			left_ms = (deadline_mono_ns - now_mono_ns) / NS_PER_MS;
		n = poll(&end, 1, (int)min_u64(left_ms + 1, 1 << 30));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n && !left_ms)
			return -ETIMEDOUT;
	}
}

static enum exit_code carry_out(const struct instance *instance,
				const struct instance_order *order,
				uint64_t timeout_ns)
{
	char text[UNITS_TEXT_BYTES], what[64 + UNITS_TEXT_BYTES];
	int err;

	if (pidfd_send_signal(instance->pidfd, order->signal, NULL, 0) < 0)
		/* ESRCH: it was ending already */
		return errno == ESRCH ? EXIT_DONE :
					fail(instance, strerror(errno));
	err = wait_end(instance->pidfd, timeout_ns);
	if (!err)
		return EXIT_DONE;
	if (err != -ETIMEDOUT)
		return fail(instance, strerror(-err));
	snprintf(what, sizeof(what), "was told to %s and still runs after %s",
		 order->word, units_format_duration(timeout_ns, text));
	return fail(instance, what);
}

enum exit_code signal_instance(const struct config *config,
			       const struct instance_order *order)
{
	struct instance instance = { .name = config->name };
	uint64_t timeout_ns = END_TIMEOUT_NS;
	enum exit_code code;

	if (!order->is_available) {
		fprintf(stderr, "guichetd: %s: not available in this version\n",
			order->word);
		return EXIT_FAILED;
	}
	if (runtime_ledger_path(config->runtime_dir, config->name,
				instance.path, sizeof(instance.path)))
		return fail(&instance, "the runtime directory's name is too "
				       "long");
	code = find_instance(&instance);
	if (code != EXIT_DONE)
		return code;
	if (order->is_patient)
		timeout_ns += config->drain_timeout_ns;
	code = carry_out(&instance, order, timeout_ns);
	close(instance.pidfd);
	return code;
}
