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
 *
 * What ends the instance is a signal, and done when the process has ended.
 * What it survives is asked for at its rendezvous, where it answers when it
 * is done (operator.h). Others may have that socket open: a master that died
 * left it to its keepers, and one that begins makes a new one. So we look who
 * listens there, and while we wait for the answer, whether he lives.
 */
#include "server/signal_instance.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ledger_file.h"
#include "common/runtime.h"
#include "common/units.h"
#include "common/words.h"
#include "server/config_file.h"
#include "server/operator.h"
#include "server/orphans.h"
#include "server/rendezvous.h"

/* What ending takes beyond what connections are given. */
#define END_TIMEOUT_NS (10 * NS_PER_S)

/* Between a master's lock on the ledger and its rendezvous; it may have been
   stopped there, but then it would not answer either. */
#define MEET_TIMEOUT_NS (2 * NS_PER_S)
#define MEET_PAUSE_MS   20

/* So long since anything was said: slots are renewed one after the other, and
   of one that takes its time a line comes after 20 s. */
#define ANSWER_TIMEOUT_NS (120 * NS_PER_S)

/* A process closes its sockets before it is seen to have ended. */
#define LAST_BREATH_NS NS_PER_S

struct target {
	const struct config *config; /* by which it was found */
	char path[512];              /* of its ledger */
	uint64_t patience_ns;        /* connections are let end so long */
	pid_t pid;
	int pidfd;
};

struct instance_order {
	const char *word;
	enum exit_code (*carry_out)(const struct target *instance,
				    const struct instance_order *order);
	int signal;      /* end_it: with this one */
	bool is_patient; /* end_it: connections are let end first */
};

static enum exit_code ask_it(const struct target *instance,
			     const struct instance_order *order);
static enum exit_code end_it(const struct target *instance,
			     const struct instance_order *order);

static const struct instance_order orders[] = {
	{ "reload", ask_it, 0, false },
	{ "upgrade", ask_it, 0, false },
	{ "stop", end_it, SIGTERM, true },
	{ "kill", end_it, SIGINT, false },
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
static enum exit_code fail(const struct target *instance, const char *what)
{
	if (instance->pid)
		fprintf(stderr, "guichetd: instance %s (pid %d): %s\n",
			instance->config->name, (int)instance->pid, what);
	else
		fprintf(stderr, "guichetd: instance %s: %s\n",
			instance->config->name, what);
	return EXIT_FAILED;
}

/* Who holds the lock on the ledger; 0: nobody; or -errno. */
static pid_t ask_owner(int fd)
{
	pid_t pid;
	int held = ledger_lock_owner(fd, &pid);

	if (held < 0)
		return held;
	/* not positive: of another pid name space, out of our reach */
	return held && pid > 0 ? pid : 0;
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

/*
 * Fills pid and pidfd, or leaves pid 0 where only keepers are left; tells what
 * is wrong when it cannot.
 */
static enum exit_code find_instance(struct target *instance)
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
	if (fd >= 0 && !pid &&
	    orphans_can_be_called(instance->config->runtime_dir,
				  instance->config->name))
		return EXIT_DONE; /* without a master */
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

/* What it says itself; who is not to know that may not stop it either. */
static uint64_t find_drain_timeout(const struct config *ours)
{
	uint64_t timeout_ns = ours->drain_timeout_ns;
	struct config theirs = { 0 };

	if (!config_file_read_server(ours->runtime_dir, ours->name, &theirs))
		timeout_ns = theirs.drain_timeout_ns;
	config_free(&theirs);
	return timeout_ns;
}

/* Waits until one of @n is readable; 0, -ETIMEDOUT or -errno. */
static int wait_readable(struct pollfd *of, nfds_t n, uint64_t deadline_mono_ns)
{
	for (;;) {
		uint64_t now_mono_ns = clock_mono_ns();
		uint64_t left_ms = 0;
		int n_ready;

		if (now_mono_ns < deadline_mono_ns)
			left_ms = (deadline_mono_ns - now_mono_ns) / NS_PER_MS;
		n_ready = poll(of, n, (int)min_u64(left_ms + 1, 1 << 30));
		if (n_ready > 0)
			return 0;
		if (n_ready < 0 && errno != EINTR)
			return -errno;
		if (!n_ready && !left_ms)
			return -ETIMEDOUT;
	}
}

/* Waits for the process's end; 0, -ETIMEDOUT or -errno. */
static int wait_end(int pidfd, uint64_t timeout_ns)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	return wait_readable(&end, 1, clock_mono_ns() + timeout_ns);
}

/* Tells that the order was given and nothing came of it in time. */
static enum exit_code fail_late(const struct target *instance,
				const struct instance_order *order,
				const char *what, uint64_t timeout_ns)
{
	char text[UNITS_TEXT_BYTES], whole[96 + UNITS_TEXT_BYTES];

	snprintf(whole, sizeof(whole), "was told to %s and %s after %s",
		 order->word, what, units_format_duration(timeout_ns, text));
	return fail(instance, whole);
}

/* --- ended by a signal ---------------------------------------------------- */

static enum exit_code end_it(const struct target *instance,
			     const struct instance_order *order)
{
	uint64_t timeout_ns = instance->patience_ns + END_TIMEOUT_NS;
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
	return fail_late(instance, order, "still runs", timeout_ns);
}

/* --- asked at the rendezvous ---------------------------------------------- */

/* Connects, if it is our instance that listens there; or -errno. */
static int try_meet(const struct target *instance)
{
	pid_t pid;
	int fd;

	fd = rendezvous_connect(instance->config->runtime_dir,
				instance->config->name);
	if (fd < 0)
		return fd;
	pid = rendezvous_peer(fd);
	if (pid == instance->pid)
		return fd;
	close(fd);
	return pid < 0 ? pid : -ECONNREFUSED;
}

/* The same, with patience for one that has just begun; -ESRCH: it ended. */
static int meet(const struct target *instance)
{
	uint64_t deadline_mono_ns = clock_mono_ns() + MEET_TIMEOUT_NS;

	for (;;) {
		int fd = try_meet(instance);

		if (fd != -ENOENT && fd != -ECONNREFUSED)
			return fd;
		if (clock_mono_ns() >= deadline_mono_ns)
			return fd;
		if (!wait_end(instance->pidfd, MEET_PAUSE_MS * NS_PER_MS))
			return -ESRCH;
	}
}

static enum exit_code fail_to_meet(const struct target *instance, int err)
{
	char what[sizeof(instance->config->runtime_dir) + 128];

	if (err == -ESRCH)
		return fail(instance, "the master ended before it was asked");
	snprintf(what, sizeof(what), "cannot be asked at %s/%s%s: %s",
		 instance->config->runtime_dir, instance->config->name,
		 RENDEZVOUS_SUFFIX, strerror(-err));
	return fail(instance, what);
}

/* What has been heard of the answer. */
enum hearing {
	HEARING_MORE, /* lines, or nothing */
	HEARING_ANSWER,
	HEARING_HANGUP,
};

/* Takes one message of @bytes; true: it was the answer. */
static bool take(const char *message, size_t bytes, enum exit_code *code)
{
	if (message[0] == OPERATOR_LINE)
		fprintf(stderr, "%.*s\n", (int)(bytes - 1), message + 1);
	if (message[0] != OPERATOR_END || bytes < 2)
		return false; /* what a later version may say */
	*code = message[1] >= '0' && message[1] <= '9' ?
			(enum exit_code)(message[1] - '0') :
			EXIT_FAILED;
	return true;
}

/* Takes all that has come so far. */
static enum hearing hear(int fd, enum exit_code *code)
{
	char message[1 + OPERATOR_LINE_BYTES];
	ssize_t n;

	for (;;) {
		n = recv(fd, message, sizeof(message), MSG_DONTWAIT);
		/* RESET: our word was not read; what was said comes next */
		if (n < 0 && (errno == EINTR || errno == ECONNRESET))
			continue;
		if (n < 0 && errno == EAGAIN)
			return HEARING_MORE;
		if (n <= 0)
			return HEARING_HANGUP;
		if (take(message, (size_t)n, code))
			return HEARING_ANSWER;
	}
}

static enum exit_code fail_unanswered(const struct target *instance)
{
	if (wait_end(instance->pidfd, LAST_BREATH_NS) == 0)
		return fail(instance,
			    "the master ended before it had answered");
	return fail(instance, "the master hung up before it had answered");
}

static enum exit_code await_answer(const struct target *instance,
				   const struct instance_order *order, int fd)
{
	enum exit_code code = EXIT_FAILED;

	for (;;) {
		uint64_t deadline_mono_ns = clock_mono_ns() + ANSWER_TIMEOUT_NS;
		struct pollfd of[] = {
			{ .fd = fd, .events = POLLIN },
			{ .fd = instance->pidfd, .events = POLLIN },
		};
		int err = wait_readable(of, ARRAY_LEN(of), deadline_mono_ns);
		enum hearing hearing;

		if (err == -ETIMEDOUT)
			return fail_late(instance, order, "has not answered",
					 ANSWER_TIMEOUT_NS);
		if (err)
			return fail(instance, strerror(-err));
		hearing = hear(fd, &code);
		if (hearing == HEARING_ANSWER)
			return code;
		/* ended: a keeper may have its end of our socket open */
		if (hearing == HEARING_HANGUP || of[1].revents)
			return fail_unanswered(instance);
	}
}

static enum exit_code ask_it(const struct target *instance,
			     const struct instance_order *order)
{
	enum exit_code code;
	int fd;

	fd = meet(instance);
	if (fd < 0)
		return fail_to_meet(instance, fd);
	/* there is room for a word; when he has hung up we hear why */
	(void)send(fd, order->word, strlen(order->word), MSG_NOSIGNAL);
	code = await_answer(instance, order, fd);
	close(fd);
	return code;
}

/* ---- keepers without a master ---- */

/* The end of each tells that it has gone, and its worker. */
static bool wait_gone(int fd, uint64_t deadline_mono_ns)
{
	struct control_received received;
	struct pollfd end = { .fd = fd, .events = POLLIN };
	int got = 0;

	while (got >= 0 && clock_mono_ns() < deadline_mono_ns) {
		(void)poll(&end, 1, 100);
		got = control_receive(fd, &received);
		if (got > 0)
			control_drop_fds(&received);
	}
	return got < 0;
}

static enum exit_code tell_orphans(const struct target *instance,
				   const struct instance_order *order)
{
	const struct config *config = instance->config;
	uint64_t deadline_ns = clock_mono_ns() + instance->patience_ns;
	int fd[LEDGER_MAX_SLOTS];
	bool are_gone = true;
	unsigned n;

	if (!order->signal)
		return fail(instance, "has no master; start it again, and it "
				      "takes over");
	n = orphans_order(config->runtime_dir, config->name,
			  order->is_patient ? ORDER_DRAIN : ORDER_STOP,
			  deadline_ns, fd, LEDGER_MAX_SLOTS, NULL, NULL);
	for (unsigned i = 0; i < n; i++) {
		are_gone &= wait_gone(fd[i], deadline_ns + END_TIMEOUT_NS);
		close(fd[i]);
	}
	if (are_gone &&
	    orphans_can_be_called(config->runtime_dir, config->name))
		return fail(instance, "has no master, and keepers that do not "
				      "answer");
	if (are_gone) {
		rendezvous_unlink(config->runtime_dir, config->name);
		return EXIT_DONE;
	}
	return fail_late(instance, order, "still runs",
			 instance->patience_ns + END_TIMEOUT_NS);
}

enum exit_code signal_instance(const struct config *config,
			       const struct instance_order *order)
{
	struct target instance = { .config = config };
	enum exit_code code;

	if (runtime_ledger_path(config->runtime_dir, config->name,
				instance.path, sizeof(instance.path)))
		return fail(&instance, "the runtime directory's name is too "
				       "long");
	code = find_instance(&instance);
	if (code != EXIT_DONE)
		return code;
	if (order->is_patient)
		instance.patience_ns = find_drain_timeout(config);
	if (!instance.pid)
		return tell_orphans(&instance, order);
	code = order->carry_out(&instance, order);
	close(instance.pidfd);
	return code;
}
