/* SPDX-License-Identifier: ISC */
/*
 * notify.c - tests of what a service manager would hear
 */
#include "server/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/check.h"

static int manager;
static char name[64]; /* of its socket */
static int passed;    /* the descriptor that came with the latest message */

static void open_manager(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int bytes = snprintf(name, sizeof(name), "@guichet-notify-%d",
			     (int)getpid());

	memcpy(addr.sun_path + 1, name + 1, (size_t)bytes - 1);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (manager < 0 ||
	    bind(manager, (struct sockaddr *)&addr,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
			     (size_t)bytes)) < 0)
		abort();
}

/* The latest message; "" when there was none. */
static const char *heard(void)
{
	static char text[1024];
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec line = { text, sizeof(text) - 1 };
	struct msghdr message = { .msg_iov = &line,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *head;
	ssize_t n = recvmsg(manager, &message, 0);

	text[n < 0 ? 0 : n] = 0;
	passed = -1;
	head = n < 0 ? NULL : CMSG_FIRSTHDR(&message);
	if (head)
		memcpy(&passed, CMSG_DATA(head), sizeof(passed));
	return text;
}

static void test_silence(void)
{
	notify_open();
	CHECK(!notify_is_on());
	CHECK_NUMBER(notify_send("READY=1"), 0);
	CHECK_NUMBER(notify_store_fd(0, "x"), 0);
	CHECK_NUMBER(notify_remove_fd("x"), 0);
	notify_export();
	CHECK(!getenv("NOTIFY_SOCKET"));
}

static void test_environment(void)
{
	(void)setenv("NOTIFY_SOCKET", name, 1);
	(void)setenv("WATCHDOG_USEC", "2000000", 1);
	(void)setenv("WATCHDOG_PID", "1", 1); /* somebody else's */
	for (int i = 0; i < 2; i++) {
		notify_open();
		CHECK(notify_is_on());
		CHECK_NUMBER(notify_watchdog_ns(), 0);
		CHECK(!getenv("NOTIFY_SOCKET"));
		CHECK(!getenv("WATCHDOG_USEC"));
		CHECK(!getenv("WATCHDOG_PID"));
		notify_export();
		CHECK_TEXT(getenv("NOTIFY_SOCKET"), name);
		CHECK_TEXT(getenv("WATCHDOG_USEC"), "2000000");
		CHECK_TEXT(getenv("WATCHDOG_PID"), "1");
	}
	(void)unsetenv("WATCHDOG_PID");
	notify_open();
	CHECK_NUMBER(notify_watchdog_ns(), 2 * NS_PER_S);
	notify_export();
	CHECK(!getenv("WATCHDOG_PID"));
	notify_open();
}

static void test_messages(void)
{
	CHECK_NUMBER(notify_send("STATUS=%d left", 3), 0);
	CHECK_TEXT(heard(), "STATUS=3 left");
	CHECK_NUMBER(passed, -1);
	CHECK_NUMBER(notify_extend(5 * NS_PER_S), 0);
	CHECK_TEXT(heard(), "EXTEND_TIMEOUT_USEC=5000000");
	CHECK_NUMBER(notify_reloading(), 0);
	CHECK(!strncmp(heard(), "RELOADING=1\nMONOTONIC_USEC=", 27));
}

static bool is_same_file(int a, int b)
{
	struct stat a_status, b_status;

	return fstat(a, &a_status) == 0 && fstat(b, &b_status) == 0 &&
	       a_status.st_ino == b_status.st_ino;
}

static void test_store(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK_NUMBER(notify_store_fd(fd, "echo-udp_2.x"), 0);
	CHECK_TEXT(heard(), "FDSTORE=1\nFDNAME=echo-udp_2.x\nFDPOLL=0");
	CHECK(passed >= 0 && passed != fd && is_same_file(passed, fd));
	(void)close(passed);
	CHECK_NUMBER(notify_remove_fd("echo-udp_2.x"), 0);
	CHECK_TEXT(heard(), "FDSTOREREMOVE=1\nFDNAME=echo-udp_2.x");
	CHECK_NUMBER(notify_store_fd(-1, "x"), -EBADF);
	(void)close(fd);
}

static void test_store_names(void)
{
	static const char *const wrong[] = { "", "a:b", "a\nb", "\x7f",
					     "\xc3\xa9" };
	char longest[257];

	memset(longest, 'x', 256);
	longest[256] = 0;
	CHECK_NUMBER(notify_store_fd(0, longest), -EINVAL);
	longest[255] = 0;
	CHECK_NUMBER(notify_remove_fd(longest), 0);
	CHECK_NUMBER(strlen(heard()), strlen("FDSTOREREMOVE=1\nFDNAME=") + 255);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		CHECK_NUMBER(notify_store_fd(0, wrong[i]), -EINVAL);
		CHECK_NUMBER(notify_remove_fd(wrong[i]), -EINVAL);
	}
	CHECK_TEXT(heard(), "");
}

int main(void)
{
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	test_silence();
	open_manager();
	test_environment();
	test_messages();
	test_store();
	test_store_names();
	return check_result();
}
