/* SPDX-License-Identifier: ISC */
/*
 * words.c - tests of the nearest known word
 */
#include "common/words.h"

#include "common/base.h"
#include "tests/unit/check.h"

static const char *const known[] = {
	"name",          "workers",   "worker-connections", "user",
	"drain-timeout", "log-level", "idle-timeout",
};

static const char *nearest(const char *word)
{
	const char *found = words_nearest(word, known, ARRAY_LEN(known));

	return found ? found : "none";
}

int main(void)
{
	char longest[300];

	CHECK_TEXT(nearest("worker"), "workers");
	CHECK_TEXT(nearest("wrokers"), "workers");
	CHECK_TEXT(nearest("Workers"), "workers");
	CHECK_TEXT(nearest("workers"), "workers");
	CHECK_TEXT(nearest("nmae"), "name");
	CHECK_TEXT(nearest("usr"), "user");
	CHECK_TEXT(nearest("drain_timeout"), "drain-timeout");
	CHECK_TEXT(nearest("idel-timout"), "idle-timeout");
	CHECK_TEXT(nearest("worker-conections"), "worker-connections");
	CHECK_TEXT(nearest("loglevel"), "log-level");
	CHECK_TEXT(nearest("banana"), "none");
	CHECK_TEXT(nearest("x"), "none");
	CHECK_TEXT(nearest(""), "none");
	memset(longest, 'w', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	CHECK_TEXT(nearest(longest), "none");
	CHECK(!words_nearest("name", known, 0));
	return check_result();
}
