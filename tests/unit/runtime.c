/* SPDX-License-Identifier: ISC */
/*
 * runtime.c - tests of where an instance's files live
 */
#include "common/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/check.h"

static void test_dir(void)
{
	char dir[256], ours[64];

	(void)setenv("RUNTIME_DIRECTORY", "/run/a:/run/b", 1);
	CHECK_TEXT(runtime_dir(dir, sizeof(dir)), "/run/a");
	(void)setenv("RUNTIME_DIRECTORY", "", 1);
	(void)setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	if (geteuid() == 0) {
		CHECK_TEXT(runtime_dir(dir, sizeof(dir)), "/run/guichet");
		/* the rest of the test is any user's */
		if (setuid(65534) < 0)
			return;
	}
	CHECK_TEXT(runtime_dir(dir, sizeof(dir)), "/run/user/7/guichet");
	(void)unsetenv("XDG_RUNTIME_DIR");
	(void)snprintf(ours, sizeof(ours), "/tmp/guichet-%u",
		       (unsigned)geteuid());
	CHECK_TEXT(runtime_dir(dir, sizeof(dir)), ours);
}

static void test_path(void)
{
	char path[20];

	CHECK_NUMBER(runtime_ledger_path("/run/g", "dev", path, sizeof(path)),
		     0);
	CHECK_TEXT(path, "/run/g/dev.ledger");
	CHECK_NUMBER(runtime_ledger_path("/run/g", "longer", path,
					 sizeof(path)),
		     -ENAMETOOLONG);
}

static void test_names(void)
{
	CHECK(runtime_name_is_valid("default"));
	CHECK(runtime_name_is_valid("A-b_9"));
	CHECK(runtime_name_is_valid("0123456789012345678901234567890"));
	CHECK(!runtime_name_is_valid("01234567890123456789012345678901"));
	CHECK(!runtime_name_is_valid(""));
	CHECK(!runtime_name_is_valid("../etc"));
	CHECK(!runtime_name_is_valid("a b"));
	CHECK(!runtime_name_is_valid("a.b"));
}

int main(void)
{
	test_path();
	test_names();
	test_dir();
	return check_result();
}
