/* SPDX-License-Identifier: ISC */
/*
 * config.c - tests of the configuration in force: written, read, succeeded
 */
#include "server/config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/units.h"
#include "server/service_table.h"
#include "tests/unit/check.h"

/* A file that has @text, its offset somewhere. */
static int file_of(const char *text)
{
	int fd = memfd_create("config", MFD_CLOEXEC);

	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	return fd;
}

/* What was told goes to @told, which may be NULL. */
static unsigned read_text(struct config *config, const char *text, char **told)
{
	char *errors = NULL;
	size_t bytes;
	FILE *out = open_memstream(&errors, &bytes);
	int fd = file_of(text);
	unsigned n = config_read_running(config, fd, out);

	CHECK_NUMBER(lseek(fd, 0, SEEK_CUR), strlen(text));
	close(fd);
	(void)fclose(out);
	if (!told && n)
		(void)printf("%s", errors);
	if (told)
		*told = errors;
	else
		free(errors);
	return n;
}

static void read_right(struct config *config, const char *text)
{
	CHECK_NUMBER(read_text(config, text, NULL), 0);
}

static char *write_text(const struct config *config)
{
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	CHECK_NUMBER(config_write_running(config, out), 0);
	(void)fclose(out);
	return text;
}

static char *dump_text(const struct config *config)
{
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	config_dump(config, out);
	(void)fclose(out);
	return text;
}

#define SERVER "[server]\nruntime-dir = /run/x\n"

static void test_all_comes_back(void)
{
	static const char whole[] = "[server]\n"
				    "name = a-b\n"
				    "workers = 2-7\n"
				    "min-spare = 3\n"
				    "max-spare = 3\n"
				    "worker-connections = 1048576\n"
				    "max-worker-age = 12h\n"
				    "max-worker-memory = 64m\n"
				    "max-worker-connections = 4294967295\n"
				    "user = no-such-user\n"
				    "drain-timeout = 90s\n"
				    "hang-timeout = off\n"
				    "orphan-timeout = 250ms\n"
				    "log-level = debug\n"
				    "runtime-dir = \"/tmp/a #b\\\"\\\\ \"\n"
				    "\n"
				    "[listen tcp:*:7]\n"
				    "service = echo\n"
				    "name = echo\n"
				    "idle-timeout = 1500ms\n"
				    "lifetime = 2h\n"
				    "backlog = 5\n"
				    "entries = 3 4\n"
				    "retired = no\n"
				    "\n"
				    "[listen udp:[::1]:19]\n"
				    "service = chargen\n"
				    "name = chars\n"
				    "amplification = on\n"
				    "entries = 1\n"
				    "retired = no\n"
				    "\n"
				    "[listen \"unix:/tmp/a #] b\"]\n"
				    "service = exec\n"
				    "name = exec\n"
				    "idle-timeout = off\n"
				    "lifetime = off\n"
				    "backlog = 4096\n"
				    "mode = 0600\n"
				    "command = \"/bin/echo 'a #b' \"\n"
				    "stderr = null\n"
				    "environment = A=1 B=\"2 3\"\n"
				    "max-processes = off\n"
				    "lookup = off\n"
				    "protocol = stream\n"
				    "entries = \"\"\n"
				    "retired = no\n"
				    "\n"
				    "[listen tcp:*:7]\n"
				    "service = echo\n"
				    "name = echo\n"
				    "idle-timeout = off\n"
				    "lifetime = off\n"
				    "backlog = 4096\n"
				    "entries = 1023 2\n"
				    "retired = yes\n";
	struct config config;
	char *text;

	read_right(&config, whole);
	CHECK_TEXT(config.runtime_dir, "/tmp/a #b\"\\ ");
	CHECK_NUMBER(config.workers, 2);
	CHECK_NUMBER(config.workers_max, 7);
	CHECK_NUMBER(config.max_worker_memory_bytes, 64 << 20);
	CHECK_NUMBER(config.max_worker_connections, UINT32_MAX);
	CHECK_NUMBER(config.n_listeners, 4);
	CHECK_NUMBER(config.listeners[0].n_entries, 2);
	CHECK_NUMBER(config.listeners[0].entry[1], 4);
	CHECK_NUMBER(config.listeners[2].n_entries, 0);
	CHECK(config.listeners[3].is_retired);
	text = write_text(&config);
	CHECK_TEXT(text, whole);
	free(text);
	text = dump_text(&config);
	CHECK(!strstr(text, "entries") && !strstr(text, "retired"));
	CHECK(!strstr(text, "1023"));
	free(text);
	config_free(&config);
}

/* Written, a value of which every byte needs another one is twice as long. */
static void test_the_longest_line_comes_back(void)
{
	static char backslashes[4080];
	static char text[3 * 4096];
	struct config config, copy;
	char *written, *again;

	memset(backslashes, '\\', sizeof(backslashes) - 1);
	(void)snprintf(text, sizeof(text),
		       SERVER "[listen unix:/x]\nservice = exec\n"
			      "command = /bin/true\n"
			      "environment=\"A=%s%s \"\n",
		       backslashes, backslashes);
	read_right(&config, text);
	written = write_text(&config);
	CHECK(strlen(written) > 8000);
	read_right(&copy, written);
	again = write_text(&copy);
	CHECK_TEXT(again, written);
	free(again);
	free(written);
	config_free(&copy);
	config_free(&config);
}

static void test_into_a_full_disk(void)
{
	FILE *out = fopen("/dev/full", "w");
	struct config config;

	read_right(&config, SERVER "[listen tcp:*:7]\nservice = echo\n");
	if (out) {
		CHECK_NUMBER(config_write_running(&config, out), -ENOSPC);
		(void)fclose(out);
	}
	config_free(&config);
}

/* @told: of a listener with @lines, and how often it counts. */
static void check_told(const char *lines, unsigned n, const char *told)
{
	char text[512], whole[512];
	struct config config;
	char *errors;

	(void)snprintf(text, sizeof(text), SERVER "[listen tcp:*:7]\n%s",
		       lines);
	(void)snprintf(whole, sizeof(whole), "configuration in force:%s\n",
		       told);
	CHECK_NUMBER(read_text(&config, text, &errors), n);
	CHECK_TEXT(errors, whole);
	free(errors);
	config_free(&config);
}

static void test_what_is_wrong(void)
{
	static const char *const bad[] = {
		"0", "1024", "x", "1  2", "1,2", "-1", "99999999999999999"
	};
	char text[128], told[128];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(text, sizeof(text),
			       "service = echo\n"
			       "entries = %s\n",
			       bad[i]);
		(void)snprintf(told, sizeof(told),
			       "5: entries: \"%s\" is not a "
			       "list of entries",
			       bad[i]);
		check_told(text, 1, told);
	}
	check_told("service = echo\nentries = 1 2 3 4 5 6 7 8 9 10 11 12 13 14 "
		   "15 16 17\n",
		   1,
		   "5: entries: \"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\" "
		   "is not a list of entries");
	check_told("service = echo\nretired = perhaps\n", 1,
		   "5: retired: \"perhaps\" is neither \"yes\" nor \"no\"");
	check_told("service = ecko\n", 1,
		   "4: service: \"ecko\" is not a service; did you mean "
		   "\"echo\"?");
}

/* What went away since it was right is told, and is nobody else's end. */
static void test_what_has_gone(void)
{
	static const char gone[] = SERVER
		"[listen tcp:*:8]\nservice = echo\n"
		"[listen tcp:*:7]\nservice = /no/such.so\nname = x\n"
		"its-own = 3\nentries = 1\nretired = yes\n";
	struct config config;
	char *errors;

	check_told("service = qotd\nfile = /no/such/file\n", 0,
		   "5: file: \"/no/such/file\" cannot be read: No such file or "
		   "directory");
	check_told("service = /no/such.so\n", 1,
		   "4: service: \"/no/such.so\" cannot be loaded: No such file "
		   "or directory");
	CHECK_NUMBER(read_text(&config, gone, &errors), 0);
	CHECK(strstr(errors, "/no/such.so"));
	CHECK_NUMBER(config.n_listeners, 1);
	CHECK_NUMBER(config.listeners[0].addr.port, 8);
	free(errors);
	config_free(&config);
}

static void test_no_file(void)
{
	FILE *errors = tmpfile();
	struct config config;

	CHECK(config_read_running(&config, -1, errors) > 0);
	(void)fclose(errors);
	config_free(&config);
}

static void test_nothing_but_the_text(void)
{
	struct config config;
	char *errors;

	(void)setenv("RUNTIME_DIRECTORY", "/run/other", 1);
	CHECK_NUMBER(read_text(&config, "", &errors), 2);
	CHECK_TEXT(config.runtime_dir, "");
	CHECK(strstr(errors, "no runtime-dir"));
	free(errors);
	config_free(&config);
}

/* --- succession ----------------------------------------------------------- */

#define LISTEN(address, service, name) \
	"[listen " address "]\nservice = " service "\nname = " name "\n"

static void succeed(struct config *config, const char *text, const char *former)
{
	struct config before;

	read_right(config, text);
	read_right(&before, former);
	CHECK_NUMBER(config_succeed(config, &before), 0);
	config_free(&before);
}

/* "echo 3 4, echo retired 5" */
static const char *listeners_of(const struct config *config)
{
	static char text[512];
	size_t n = 0;

	text[0] = 0;
	for (size_t i = 0; i < config->n_listeners; i++) {
		const struct listen_config *listen = &config->listeners[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s%s",
				      i ? ", " : "", listen->name,
				      listen->is_retired ? " retired" : "");
		for (unsigned e = 0; e < listen->n_entries; e++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %u",
					      listen->entry[e]);
	}
	return text;
}

static void test_who_stays_keeps_its_entries(void)
{
	struct config config;

	succeed(&config,
		SERVER LISTEN("unix:/x", "echo", "x")
			LISTEN("tcp:LOCALHOST:7", "echo", "b")
				LISTEN("tcp:*:0", "time", "t"),
		SERVER LISTEN("tcp:localhost:7", "echo", "b") "entries = 3 4\nidle-timeout = 3s\n" LISTEN(
			"unix:/x", "echo",
			"x") "entries = 1\n" LISTEN("tcp:*:0", "time",
						    "t") "entries = 2\n");
	CHECK_TEXT(listeners_of(&config), "x 1, b 3 4, t 2");
	/* all else is as it is configured now */
	CHECK(config.listeners[1].idle_timeout_ns == UNITS_OFF);
	config_free(&config);
}

/* Each differs from the former one in one thing. */
static void test_who_changes_is_another(void)
{
	static const char *const changed[] = {
		LISTEN("tcp:*:8", "echo", "a"),
		LISTEN("tcp:localhost:7", "echo", "a"),
		LISTEN("udp:*:7", "echo", "a"),
		LISTEN("tcp:*:7", "time", "a"),
		LISTEN("tcp:*:7", "echo", "A"),
	};
	char text[256];
	struct config config;

	for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
		(void)snprintf(text, sizeof(text), SERVER "%s", changed[i]);
		succeed(&config, text,
			SERVER LISTEN("tcp:*:7", "echo", "a") "entries = 1\n");
		CHECK_TEXT(listeners_of(&config),
			   i == 4 ? "A, a retired 1" : "a, a retired 1");
		config_free(&config);
	}
}

static void test_who_is_gone_is_retired(void)
{
	struct config config;
	char *text, *again;
	struct config copy;

	succeed(&config, SERVER LISTEN("tcp:*:9", "discard", "new"),
		SERVER LISTEN("tcp:*:7", "echo", "a") "entries = 3 4\n" LISTEN(
			"tcp:*:19", "chargen", "b")
			LISTEN("tcp:*:17", "qotd",
			       "c") "file = /etc/passwd\nentries = 5\nretired = yes\n");
	CHECK_TEXT(listeners_of(&config), "new, a retired 3 4, c retired 5");
	text = write_text(&config);
	read_right(&copy, text);
	again = write_text(&copy);
	CHECK_TEXT(again, text);
	free(again);
	free(text);
	config_free(&copy);
	config_free(&config);
}

static void test_who_was_retired_comes_back(void)
{
	struct config config;

	succeed(&config, SERVER LISTEN("tcp:*:7", "echo", "a"),
		SERVER LISTEN("tcp:*:8", "echo", "a") "entries = 1\n" LISTEN(
			"tcp:*:7", "echo", "a") "entries = 2\nretired = yes\n");
	CHECK_TEXT(listeners_of(&config), "a 2, a retired 1");
	config_free(&config);
	/* but not while one that listens has the same */
	succeed(&config, SERVER LISTEN("tcp:*:7", "echo", "a"),
		SERVER LISTEN("tcp:*:7", "echo",
			      "a") "entries = 1\nretired = "
				   "yes\n" LISTEN("tcp:*:7", "echo",
						  "a") "entries = 2\n");
	CHECK_TEXT(listeners_of(&config), "a 2, a retired 1");
	config_free(&config);
}

/* What was in force is to be so again: who is retired there is so once. */
static void test_the_way_back(void)
{
	static const char text[] =
		SERVER LISTEN("tcp:*:0", "echo", "a") "entries = 4\n" LISTEN(
			"tcp:*:0", "echo",
			"a") "entries = 1\nretired = "
			     "yes\n" LISTEN("tcp:*:0", "echo",
					    "a") "entries = 3\nretired = yes\n";
	struct config config;

	succeed(&config, text, text);
	CHECK_TEXT(listeners_of(&config), "a 4, a retired 1, a retired 3");
	config_free(&config);
}

static void test_n_workers(void)
{
	struct config config = { .workers = 3 };

	CHECK_NUMBER(config_n_workers(&config), 3);
	CHECK_NUMBER(config_n_workers_max(&config), 3);
	config.workers_max = 9;
	CHECK_NUMBER(config_n_workers(&config), 3);
	CHECK_NUMBER(config_n_workers_max(&config), 9);
	config = (struct config){ 0 };
	CHECK(config_n_workers(&config) > 0);
	CHECK_NUMBER(config_n_workers_max(&config), config_n_workers(&config));
}

int main(void)
{
	test_all_comes_back();
	test_the_longest_line_comes_back();
	test_into_a_full_disk();
	test_what_is_wrong();
	test_what_has_gone();
	test_no_file();
	test_nothing_but_the_text();
	test_who_stays_keeps_its_entries();
	test_who_changes_is_another();
	test_who_is_gone_is_retired();
	test_who_was_retired_comes_back();
	test_the_way_back();
	test_n_workers();
	return check_result();
}
