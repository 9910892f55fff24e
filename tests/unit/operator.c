/* SPDX-License-Identifier: ISC */
/*
 * operator.c - tests of the rendezvous, and of what is said there
 *
 * The master's side is tried with clients of this process; the side of
 * `guichetd -s` with masters that are children, follow a script, and die with
 * us.
 */
#include "server/operator.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/rendezvous.h"
#include "server/signal_instance.h"
#include "tests/unit/check.h"

static char base[64];    /* of this test; its directories are below */
static char dir[256];    /* the runtime directory in use */
static char path[300];   /* of the rendezvous "t" in it */
static char ledger[300]; /* and of the ledger */

static void use_dir(const char *name)
{
	(void)snprintf(dir, sizeof(dir), "%s/%s", base, name);
	(void)snprintf(path, sizeof(path), "%s/t.control", dir);
	(void)snprintf(ledger, sizeof(ledger), "%s/t.ledger", dir);
	if (mkdir(dir, 0700) < 0)
		abort();
}

static void leave_dir(void)
{
	(void)unlink(path);
	(void)unlink(ledger);
	CHECK_NUMBER(rmdir(dir), 0);
}

/* --- the rendezvous ------------------------------------------------------- */

static void test_nobody(void)
{
	use_dir("nobody");
	CHECK_NUMBER(rendezvous_connect(dir, "t"), -ENOENT);
	rendezvous_unlink(dir, "t");
	leave_dir();
	CHECK_NUMBER(rendezvous_listen(dir, "t"), -ENOENT);
	CHECK_NUMBER(rendezvous_connect(dir, "t"), -ENOENT);
	rendezvous_unlink(dir, "t");
}

static void check_flags(int fd)
{
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void test_meeting(const char *name)
{
	mode_t mask = umask(0);
	struct stat status;
	int fd, asking, asked;

	use_dir(name);
	fd = rendezvous_listen(dir, "t");
	CHECK(fd >= 0);
	check_flags(fd);
	CHECK_NUMBER(umask(mask), 0);
	CHECK_NUMBER(lstat(path, &status), 0);
	CHECK_NUMBER(status.st_mode, S_IFSOCK | 0600);
	CHECK_NUMBER(rendezvous_accept(fd), -EAGAIN);
	asking = rendezvous_connect(dir, "t");
	asked = rendezvous_accept(fd);
	check_flags(asking);
	check_flags(asked);
	CHECK_NUMBER(rendezvous_peer(asking), getpid());
	CHECK_NUMBER(rendezvous_peer(asked), getpid());
	CHECK_NUMBER(rendezvous_accept(fd), -EAGAIN);
	CHECK_NUMBER(send(asking, "a", 1, 0), 1);
	CHECK_NUMBER(recv(asked, &mask, sizeof(mask), 0), 1);
	(void)close(asking);
	(void)close(asked);
	(void)close(fd);
	rendezvous_unlink(dir, "t");
	CHECK(lstat(path, &status) < 0);
	leave_dir();
}

static void test_long_name(void)
{
	char name[151] = "";

	memset(name, 'd', sizeof(name) - 1);
	test_meeting(name);
}

static void test_stale_socket(void)
{
	int fd, newer;

	use_dir("stale");
	fd = rendezvous_listen(dir, "t");
	(void)close(fd);
	CHECK_NUMBER(rendezvous_connect(dir, "t"), -ECONNREFUSED);
	fd = rendezvous_listen(dir, "t");
	newer = rendezvous_listen(dir, "t");
	CHECK(fd >= 0 && newer >= 0);
	(void)close(rendezvous_connect(dir, "t"));
	CHECK_NUMBER(rendezvous_accept(fd), -EAGAIN);
	(void)close(rendezvous_accept(newer));
	(void)close(fd);
	(void)close(newer);
	leave_dir();
}

/* A file, and a link to a socket, are not ours to remove. */
static void test_no_socket(void)
{
	struct stat status;
	char other[300];
	int fd;

	use_dir("file");
	(void)close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	CHECK_NUMBER(rendezvous_listen(dir, "t"), -EEXIST);
	rendezvous_unlink(dir, "t");
	CHECK(!lstat(path, &status) && S_ISREG(status.st_mode));
	(void)unlink(path);
	fd = rendezvous_listen(dir, "u");
	(void)snprintf(other, sizeof(other), "%s/u.control", dir);
	CHECK_NUMBER(symlink(other, path), 0);
	CHECK_NUMBER(rendezvous_listen(dir, "t"), -EEXIST);
	rendezvous_unlink(dir, "t");
	CHECK(!lstat(path, &status) && S_ISLNK(status.st_mode));
	rendezvous_unlink(dir, "u");
	(void)close(fd);
	leave_dir();
}

/* More than the backlog: told so, after a while. */
static void test_crowd(void)
{
	int fds[200], n = 0, fd;

	use_dir("crowd");
	fd = rendezvous_listen(dir, "t");
	while (n < 200 && (fds[n] = rendezvous_connect(dir, "t")) >= 0)
		n++;
	CHECK(n >= 64 && n < 200);
	CHECK_NUMBER(fds[n < 200 ? n : 199], -EAGAIN);
	while (n--)
		(void)close(fds[n]);
	(void)close(fd);
	leave_dir();
}

/* --- the master's side ---------------------------------------------------- */

static struct operators operators;
static int rendezvous;

static void open_for_operators(const char *name)
{
	use_dir(name);
	operators_init(&operators);
	rendezvous = rendezvous_listen(dir, "t");
	CHECK(rendezvous >= 0);
}

static void close_for_operators(void)
{
	for (size_t i = 0; i < OPERATORS_MAX; i++)
		CHECK_NUMBER(operators.of[i].fd, -1);
	(void)close(rendezvous);
	leave_dir();
}

/* A client that has said @word, if any; let in. */
static int come(const char *word)
{
	int fd = rendezvous_connect(dir, "t");

	if (word)
		CHECK_NUMBER(send(fd, word, strlen(word), 0), strlen(word));
	operators_let_in(&operators, rendezvous);
	return fd;
}

/* The next message, "": the end, "-": none yet. */
static const char *heard(int fd)
{
	static char text[OPERATOR_LINE_BYTES + 64];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n < 0 && errno == ECONNRESET) /* our word was not read */
		n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN ? "-" : strerror(errno);
	text[n] = 0;
	return text;
}

static void test_conversation(void)
{
	int reloading, upgrading, silent;

	open_for_operators("talk");
	reloading = come("reload");
	upgrading = come("upgrade");
	silent = come(NULL);
	CHECK_NUMBER(operators_read(&operators, 0), OPERATOR_RELOAD);
	CHECK_NUMBER(operators_read(&operators, 0), OPERATOR_NONE);
	CHECK_NUMBER(operators_read(&operators, 1), OPERATOR_UPGRADE);
	CHECK_NUMBER(operators_read(&operators, 2), OPERATOR_NONE);
	CHECK_NUMBER(operators_read(&operators, 3), OPERATOR_NONE);
	operators_tell(&operators, OPERATOR_RELOAD, "one %s");
	operators_tell(&operators, OPERATOR_RELOAD, "");
	operators_tell(&operators, OPERATOR_UPGRADE, "two");
	operators_answer(&operators, OPERATOR_RELOAD, EXIT_USAGE);
	CHECK_TEXT(heard(reloading), "Lone %s");
	CHECK_TEXT(heard(reloading), "L");
	CHECK_TEXT(heard(reloading), "E2");
	CHECK_TEXT(heard(reloading), "");
	CHECK_TEXT(heard(upgrading), "Ltwo");
	CHECK_TEXT(heard(upgrading), "-");
	CHECK_TEXT(heard(silent), "-");
	operators_answer(&operators, OPERATOR_UPGRADE, EXIT_DONE);
	CHECK_TEXT(heard(upgrading), "E0");
	CHECK_TEXT(heard(upgrading), "");
	(void)close(reloading);
	(void)close(upgrading);
	(void)close(silent);
	CHECK_NUMBER(operators_read(&operators, 2), OPERATOR_NONE);
	close_for_operators();
}

static void test_unknown_words(void)
{
	static const char *const words[] = {
		"r",
		"reloads",
		"relaod",
		"reload, and much more than any of the words we know would be",
	};
	const char *line;
	int fd;

	open_for_operators("words");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		fd = come(words[i]);
		CHECK_NUMBER(operators_read(&operators, 0), OPERATOR_NONE);
		line = heard(fd);
		CHECK(line[0] == 'L');
		for (int j = OPERATOR_NONE + 1; j < OPERATOR_REQUESTS; j++)
			CHECK(strstr(line, operator_words[j]));
		CHECK_TEXT(heard(fd), "E2");
		CHECK_TEXT(heard(fd), "");
		(void)close(fd);
	}
	close_for_operators();
}

/* A second word, and an end in the middle of things. */
static void test_bad_manners(void)
{
	int fd;

	open_for_operators("manners");
	fd = come("reload");
	CHECK_NUMBER(operators_read(&operators, 0), OPERATOR_RELOAD);
	CHECK_NUMBER(send(fd, "reload", 6, 0), 6);
	CHECK_NUMBER(operators_read(&operators, 0), OPERATOR_NONE);
	CHECK_TEXT(heard(fd), "");
	(void)close(fd);
	fd = come("reload");
	CHECK_NUMBER(operators_read(&operators, 0), OPERATOR_RELOAD);
	(void)close(fd);
	operators_tell(&operators, OPERATOR_RELOAD, "nobody hears");
	operators_answer(&operators, OPERATOR_RELOAD, EXIT_DONE);
	fd = come("upgrade");
	(void)close(fd);
	CHECK_NUMBER(operators_read(&operators, 0), OPERATOR_UPGRADE);
	CHECK_NUMBER(operators_read(&operators, 0), OPERATOR_NONE);
	close_for_operators();
}

static void test_too_many(void)
{
	int fds[OPERATORS_MAX + 2];

	open_for_operators("many");
	for (int i = 0; i < OPERATORS_MAX + 2; i++)
		fds[i] = come("reload");
	for (int i = OPERATORS_MAX; i < OPERATORS_MAX + 2; i++) {
		CHECK_TEXT(heard(fds[i]), "Lguichetd: 16 others wait for the "
					  "master already");
		CHECK_TEXT(heard(fds[i]), "E1");
		CHECK_TEXT(heard(fds[i]), "");
	}
	for (size_t i = 0; i < OPERATORS_MAX; i++)
		CHECK_NUMBER(operators_read(&operators, i), OPERATOR_RELOAD);
	operators_answer(&operators, OPERATOR_RELOAD, EXIT_DONE);
	for (int i = 0; i < OPERATORS_MAX + 2; i++) {
		if (i < OPERATORS_MAX)
			CHECK_TEXT(heard(fds[i]), "E0");
		(void)close(fds[i]);
	}
	close_for_operators();
}

/* Who does not read gets what there was room for, the rest as a number, and
   the answer all the same. */
static void test_deaf(void)
{
	unsigned n_heard = 0, n_lost = 0;
	const char *text;
	int fd;

	open_for_operators("deaf");
	fd = come("reload");
	CHECK_NUMBER(operators_read(&operators, 0), OPERATOR_RELOAD);
	for (int i = 0; i < 20000; i++)
		operators_tell(&operators, OPERATOR_RELOAD, "a line");
	operators_answer(&operators, OPERATOR_RELOAD, EXIT_USAGE);
	while (!strcmp(text = heard(fd), "La line"))
		n_heard++;
	CHECK_NUMBER(sscanf(text, "Lguichetd: %u more", &n_lost), 1);
	CHECK(n_heard > 100);
	CHECK_NUMBER(n_heard + n_lost, 20000);
	CHECK_TEXT(heard(fd), "E2");
	CHECK_TEXT(heard(fd), "");
	(void)close(fd);
	close_for_operators();
}

static void test_long_line(void)
{
	static char line[3 * OPERATOR_LINE_BYTES];
	int fd;

	memset(line, 'x', sizeof(line) - 1);
	open_for_operators("line");
	fd = come("reload");
	CHECK_NUMBER(operators_read(&operators, 0), OPERATOR_RELOAD);
	operators_tell(&operators, OPERATOR_RELOAD, line);
	CHECK_NUMBER(strlen(heard(fd)), 1 + OPERATOR_LINE_BYTES);
	(void)close(fd);
	CHECK_NUMBER(operators_read(&operators, 0), OPERATOR_NONE);
	close_for_operators();
}

/* --- the side of guichetd -s ---------------------------------------------- */

/* What a child does that plays the master. */
enum part {
	PART_ANSWER,
	PART_ANSWER_LATE, /* has its lock for a while before its rendezvous */
	PART_REFUSE,      /* hangs up before the word came, with an answer */
	PART_END,
	PART_END_HELD, /* and a keeper has all that it had open */
	PART_HANG_UP,
	PART_HIDE, /* has no rendezvous */
};

static int life[2]; /* a keeper lives until we close the writing end */

static void lock_ledger(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(ledger, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0)
		abort();
}

static _Noreturn void rest(void)
{
	for (;;)
		(void)pause();
}

static void play_keeper(void)
{
	char byte;

	if (fork())
		return;
	(void)close(life[1]);
	(void)!read(life[0], &byte, 1);
	_exit(0);
}

/* Waits for a request, then answers it. */
static void play_answer(enum exit_code code)
{
	struct pollfd come_in = { .fd = rendezvous, .events = POLLIN };
	struct pollfd word = { .events = POLLIN };
	enum operator_request request;

	operators_init(&operators);
	(void)poll(&come_in, 1, -1);
	operators_let_in(&operators, rendezvous);
	word.fd = operators.of[0].fd;
	(void)poll(&word, 1, -1);
	request = operators_read(&operators, 0);
	operators_tell(&operators, request, "guichetd: a line");
	operators_tell(&operators, request, operator_words[request]);
	operators_answer(&operators, request, code);
}

static void play_silence(enum part part)
{
	struct pollfd come_in = { .fd = rendezvous, .events = POLLIN };
	int fd;

	(void)poll(&come_in, 1, -1);
	fd = rendezvous_accept(rendezvous);
	if (part == PART_REFUSE)
		(void)!send(fd, "Lno", 3, 0);
	if (part == PART_REFUSE)
		(void)!send(fd, "E1", 2, 0);
	if (part == PART_END_HELD)
		play_keeper();
	if (part == PART_END || part == PART_END_HELD)
		_exit(0);
	(void)close(fd);
}

static _Noreturn void play(enum part part, enum exit_code code, int ready)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	lock_ledger();
	if (part == PART_ANSWER_LATE) {
		(void)close(ready);
		(void)poll(NULL, 0, 200);
	}
	if (part != PART_HIDE)
		rendezvous = rendezvous_listen(dir, "t");
	if (part != PART_ANSWER_LATE)
		(void)close(ready);
	if (part == PART_ANSWER || part == PART_ANSWER_LATE)
		play_answer(code);
	else if (part != PART_HIDE)
		play_silence(part);
	rest();
}

/* A master that plays @part and has begun. */
static pid_t begin(enum part part, enum exit_code code)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		abort();
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid)
		play(part, code, ready[1]);
	(void)close(ready[1]);
	(void)!read(ready[0], &byte, 1);
	(void)close(ready[0]);
	return pid;
}

/* `guichetd -s WORD`; what it says on standard error is in @said. */
static enum exit_code ask(const char *word, char *said, size_t said_bytes)
{
	int sink = memfd_create("stderr", MFD_CLOEXEC), kept = dup(2);
	struct config config = { .name = "t" };
	const struct instance_order *order;
	enum exit_code code;
	const char *wrong;
	ssize_t n;

	(void)snprintf(config.runtime_dir, sizeof(config.runtime_dir), "%s",
		       dir);
	order = instance_order_find(word, &wrong);
	CHECK(order);
	(void)dup2(sink, 2);
	code = signal_instance(&config, order);
	(void)dup2(kept, 2);
	(void)close(kept);
	n = pread(sink, said, said_bytes - 1, 0);
	said[n < 0 ? 0 : n] = 0;
	(void)close(sink);
	return code;
}

/* One that plays @part is asked; what begins with "instance" in @says has its
   name and pid there. */
static void check_asked(const char *word, enum part part, enum exit_code code,
			const char *says)
{
	char said[1024], should_say[1024];
	pid_t pid = begin(part, code);

	CHECK_NUMBER(ask(word, said, sizeof(said)), code);
	if (!strncmp(says, "instance", 8))
		(void)snprintf(should_say, sizeof(should_say),
			       "guichetd: instance t (pid %d)%s\n", (int)pid,
			       says + 8);
	else
		(void)snprintf(should_say, sizeof(should_say), "%s", says);
	CHECK_TEXT(said, should_say);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void test_asking(void)
{
	char says[512];
	int former;

	use_dir("asking");
	check_asked("reload", PART_ANSWER, EXIT_DONE,
		    "guichetd: a line\nreload\n");
	check_asked("upgrade", PART_ANSWER, EXIT_FAILED,
		    "guichetd: a line\nupgrade\n");
	check_asked("reload", PART_ANSWER, EXIT_USAGE,
		    "guichetd: a line\nreload\n");
	/* whether the word or the end comes first is up to the scheduler */
	for (int i = 0; i < 20; i++)
		check_asked("reload", PART_REFUSE, EXIT_FAILED, "no\n");
	check_asked("reload", PART_END, EXIT_FAILED,
		    "instance: the master ended before it had answered");
	check_asked("reload", PART_END_HELD, EXIT_FAILED,
		    "instance: the master ended before it had answered");
	check_asked("reload", PART_HANG_UP, EXIT_FAILED,
		    "instance: the master hung up before it had answered");
	/* the keepers of a master before have its rendezvous still */
	former = rendezvous_listen(dir, "t");
	check_asked("reload", PART_ANSWER_LATE, EXIT_DONE,
		    "guichetd: a line\nreload\n");
	(void)close(former);
	rendezvous_unlink(dir, "t");
	(void)snprintf(says, sizeof(says),
		       "instance: cannot be asked at %s: No such file or "
		       "directory",
		       path);
	check_asked("reload", PART_HIDE, EXIT_FAILED, says);
	leave_dir();
}

static void test_not_running(void)
{
	char said[1024], should_say[1024];

	use_dir("none");
	CHECK_NUMBER(ask("reload", said, sizeof(said)), EXIT_FAILED);
	(void)snprintf(should_say, sizeof(should_say),
		       "guichetd: instance t: not running (there is no %s)\n",
		       ledger);
	CHECK_TEXT(said, should_say);
	leave_dir();
}

/* What the master understands is what -s can be told. */
static void test_words(void)
{
	const char *wrong;

	for (int i = OPERATOR_NONE + 1; i < OPERATOR_REQUESTS; i++)
		CHECK(instance_order_find(operator_words[i], &wrong));
}

int main(void)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(base, sizeof(base), "%.40s/guichet-XXXXXX",
		       tmp ? tmp : "/tmp");
	if (!mkdtemp(base) || pipe2(life, O_CLOEXEC) < 0)
		abort();
	test_nobody();
	test_meeting("meeting");
	test_long_name();
	test_stale_socket();
	test_no_socket();
	test_crowd();
	test_conversation();
	test_unknown_words();
	test_bad_manners();
	test_too_many();
	test_deaf();
	test_long_line();
	test_words();
	test_not_running();
	test_asking();
	CHECK_NUMBER(rmdir(base), 0);
	return check_result();
}
