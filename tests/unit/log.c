/* SPDX-License-Identifier: ISC */
/*
 * log.c - tests of the daemon's log: its lines, its levels, its full sinks
 */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/check.h"

static int sink; /* where what the log writes can be read */

/* Makes standard error a pipe. */
static void open_pipe(void)
{
	int ends[2];

	if (sink)
		(void)close(sink);
	if (pipe(ends) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
		abort();
	(void)close(ends[1]);
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	sink = ends[0];
}

/* What was written since the last time. */
static const char *written(void)
{
	static char text[8192];
	ssize_t n = read(sink, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = 0;
	return text;
}

static void test_lines(void)
{
	open_pipe();
	(void)unsetenv("JOURNAL_STREAM");
	log_open("prog");
	errno = ENOENT;
	log_info("worker %u: serving %u listeners", 1U, 2U);
	CHECK_NUMBER(errno, ENOENT);
	CHECK_TEXT(written(), "prog: worker 1: serving 2 listeners\n");
	log_warning("%s", "a\nb\x1b[m\x7f\xe2\x82\xac\\x \"q\" ~");
	CHECK_TEXT(written(), "prog: a\\x0ab\\x1b[m\\x7f\\xe2\\x82\\xac"
			      "\\x5cx \"q\" ~\n");
	log_info("%s", "");
	CHECK_TEXT(written(), "prog: \n");
}

static void test_levels(void)
{
	enum log_level level;

	log_debug("hidden");
	CHECK_TEXT(written(), "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("shown");
	CHECK_TEXT(written(), "prog: shown\n");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("hidden");
	CHECK_TEXT(written(), "");
	CHECK(log_is_on(LOG_LEVEL_ERROR));
	CHECK(!log_is_on(LOG_LEVEL_WARNING));
	log_set_level(LOG_LEVEL_INFO);
	for (size_t i = 0; log_level_names[i]; i++) {
		CHECK_NUMBER(log_level_parse(log_level_names[i], &level), 0);
		CHECK_NUMBER(level, LOG_LEVEL_ERROR + (int)i);
		CHECK_TEXT(log_level_name(level), log_level_names[i]);
	}
	CHECK_NUMBER(log_level_parse("verbose", &level), -EINVAL);
}

/* At most 1 KiB, whatever is said, and a line all the same. */
static void test_long_lines(void)
{
	static char text[5000];
	const char *line;
	size_t len;

	for (size_t n = 900; n < sizeof(text); n++) {
		for (int c = 'x'; c > 0; c -= 'x' - '\n') {
			memset(text, c, n);
			text[n] = 0;
			log_info("%s", text);
			line = written();
			len = strlen(line);
			CHECK(len <= 1024);
			CHECK(line[len - 1] == '\n');
			CHECK(strchr(line, '\n') == line + len - 1);
			if (n > 1024)
				CHECK_TEXT(line + len - 4, "...\n");
		}
	}
}

static void test_journal(void)
{
	struct stat st;
	char stream[64];

	if (fstat(STDERR_FILENO, &st) < 0)
		abort();
	(void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
		       (uintmax_t)st.st_ino);
	(void)setenv("JOURNAL_STREAM", stream, 1);
	log_open("prog");
	log_info("six");
	CHECK_TEXT(written(), "<6>six\n");
	log_error("three");
	CHECK_TEXT(written(), "<3>three\n");
	/* inherited, but standard error is another thing now */
	open_pipe();
	(void)setenv("JOURNAL_STREAM", "1:2", 1);
	log_open("prog");
	log_info("plain");
	CHECK_TEXT(written(), "prog: plain\n");
}

/* A sink that nobody reads: no wait, and a count that comes out right. */
static void test_full_sink(void)
{
	uint64_t before = log_n_dropped(), n_dropped;
	char told[64], *line = NULL;
	size_t n_written = 0, room = 0;
	FILE *reader;

	open_pipe();
	(void)alarm(20); /* fails, and does not hang, if it blocks */
	for (unsigned i = 0; i < 5000; i++)
		log_info("line %u, and some more to fill the pipe", i);
	(void)alarm(0);
	n_dropped = log_n_dropped() - before;
	CHECK(n_dropped > 0);
	reader = fdopen(dup(sink), "r");
	while (reader && getline(&line, &room, reader) > 0)
		n_written++;
	CHECK_NUMBER(n_written + n_dropped, 5000);
	log_info("again");
	(void)snprintf(told, sizeof(told),
		       "prog: log: %" PRIu64 " lines dropped\nprog: again\n",
		       n_dropped);
	CHECK_TEXT(written(), told);
	if (reader)
		(void)fclose(reader);
	free(line);
}

/* A sink that is gone or broken: counted, no harm. */
static void test_broken_sink(void)
{
	uint64_t before = log_n_dropped();
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)signal(SIGPIPE, SIG_IGN);
	(void)close(sink);
	sink = 0;
	log_info("nobody reads");
	CHECK_NUMBER(log_n_dropped(), before + 1);
	(void)dup2(full, STDERR_FILENO);
	errno = 0;
	log_info("no space");
	CHECK_NUMBER(errno, 0);
	CHECK_NUMBER(log_n_dropped(), before + 2);
	(void)close(STDERR_FILENO);
	log_info("no descriptor");
	CHECK_NUMBER(log_n_dropped(), before + 3);
	(void)close(full);
}

int main(void)
{
	test_lines();
	test_levels();
	test_long_lines();
	test_journal();
	test_full_sink();
	test_broken_sink();
	return check_result();
}
