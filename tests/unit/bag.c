/* SPDX-License-Identifier: ISC */
/*
 * bag.c - tests of what a process takes along when it becomes another program
 */
#include "server/bag.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/check.h"

#define MANY 300

static bool is_cloexec(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static int open_null(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		abort();
	return fd;
}

static void test_order(void)
{
	const char text[] = "what was said";
	char back[sizeof(text)] = "";
	uint64_t number = 47;
	struct bag bag;
	int fd;

	CHECK_NUMBER(bag_open(&bag), 0);
	bag_put(&bag, &number, sizeof(number));
	bag_put(&bag, text, sizeof(text));
	bag_put(&bag, text, 0);
	bag_put_fd(&bag, -1);
	bag_put_fd(&bag, STDIN_FILENO);
	CHECK_NUMBER(bag.n_fds, 1);
	CHECK_NUMBER(bag.err, 0);
	fd = bag.fd;
	free(bag.fds);

	number = 0;
	bag_unpack(&bag, fd);
	bag_get(&bag, &number, sizeof(number));
	bag_get(&bag, back, sizeof(back));
	bag_get(&bag, back, 0);
	CHECK_NUMBER(number, 47);
	CHECK_TEXT(back, text);
	CHECK_NUMBER(bag_get_fd(&bag), -1);
	CHECK_NUMBER(bag.err, 0);
	CHECK_NUMBER(bag_get_fd(&bag), STDIN_FILENO);
	CHECK(!is_cloexec(STDIN_FILENO));
	CHECK_NUMBER(bag.err, 0);

	/* nothing is left: zeros, and the error stays */
	bag_get(&bag, &number, sizeof(number));
	CHECK_NUMBER(number, 0);
	CHECK_NUMBER(bag.err, -EBADMSG);
	CHECK_NUMBER(bag_get_fd(&bag), -1);
	bag_close(&bag);
}

static void test_wrong(void)
{
	char name[] = "x";
	char *argv[] = { name, NULL };
	struct bag bag;
	int gone = open_null(), open = open_null();

	bag_unpack(&bag, gone);
	CHECK_NUMBER(bag.err, 0); /* /dev/null seeks, and has nothing */
	CHECK_NUMBER(bag_get_fd(&bag), -1);
	CHECK_NUMBER(bag.err, -EBADMSG);
	close(gone);
	bag_unpack(&bag, gone);
	CHECK_NUMBER(bag.err, -EBADF);

	CHECK_NUMBER(bag_open(&bag), 0);
	CHECK(is_cloexec(bag.fd));
	bag_keep_fd(&bag, open);
	CHECK_NUMBER(bag_exec(&bag, open, argv), -EACCES);
	CHECK(is_cloexec(open));
	CHECK(is_cloexec(bag.fd));
	bag_keep_fd(&bag, 1 << 20); /* is none */
	CHECK_NUMBER(bag_exec(&bag, open, argv), -EBADF);
	CHECK(is_cloexec(open));
	bag_close(&bag);
	close(open);
}

/* What the new program finds: the numbers of those that it was given. */
static int become(struct bag *bag)
{
	int kept[MANY], dropped;
	char byte = 0;

	CHECK(is_cloexec(bag->fd));
	CHECK(!is_cloexec(STDIN_FILENO));
	bag_get(bag, &dropped, sizeof(dropped));
	for (int i = 0; i < MANY; i++) {
		kept[i] = bag_get_fd(bag);
		CHECK(is_cloexec(kept[i]));
	}
	CHECK_NUMBER(bag->err, 0);
	CHECK_NUMBER(read(kept[0], &byte, 1), 1);
	CHECK_NUMBER(byte, 'x');
	CHECK_NUMBER(fcntl(dropped, F_GETFD), -1);
	return check_result();
}

static void become_another(void)
{
	char name[] = "bag";
	char *argv[] = { name, NULL };
	int dropped = open_null();
	int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int ends[2];
	struct bag bag;

	if (bag_open(&bag) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		abort();
	bag_mark(&bag, BAG_KEEPER);
	CHECK_NUMBER(write(ends[1], "x", 1), 1);
	bag_put(&bag, &dropped, sizeof(dropped));
	bag_put_fd(&bag, ends[0]);
	for (int i = 1; i < MANY; i++)
		bag_put_fd(&bag, open_null());
	CHECK_NUMBER(bag_exec(&bag, program, argv), 0); /* if it returns */
}

static void test_exec(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		become_another();
		_exit(2);
	}
	CHECK_NUMBER(waitpid(pid, &status, 0), pid);
	CHECK_NUMBER(status, 0);
}

int main(void)
{
	struct bag bag;

	switch (bag_inherit(&bag)) {
	case BAG_NONE:
		break;
	case BAG_KEEPER:
		return become(&bag);
	default:
		return 1;
	}
	test_order();
	test_wrong();
	test_exec();
	return check_result();
}
