/* SPDX-License-Identifier: ISC */
/*
 * options.c - tests of command lines
 *
 * options_parse() ends the process when something is wrong, so each of these
 * runs in a child, whose outputs and exit code are compared.
 */
#include "common/options.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base.h"
#include "tests/unit/check.h"

struct seen {
	char text[256];
};

static void note(void *into, const char *what, const char *value)
{
	struct seen *seen = into;
	size_t len = strlen(seen->text);

	(void)snprintf(seen->text + len, sizeof(seen->text) - len, "%s=%s ",
		       what, value ? value : "(flag)");
}

static const char *set_config(void *into, const char *value)
{
	note(into, "config", value);
	return NULL;
}

static const char *set_test(void *into, const char *value)
{
	note(into, "test", value);
	return NULL;
}

static const char *set_verbose(void *into, const char *value)
{
	note(into, "verbose", value);
	return NULL;
}

static const char *set_workers(void *into, const char *value)
{
	note(into, "workers", value);
	return strcmp(value, "0") ? NULL : "0 is below 1";
}

static const struct option_row rows[] = {
	{ 'c', "config", "FILE", "the configuration", set_config },
	{ 't', "test", NULL, "only look", set_test },
	{ 'V', "verbose", NULL, "say more", set_verbose },
	{ 0, "workers", "N", "how many", set_workers },
};

static const struct options options = {
	.program = "prog",
	.synopsis = "[-t] [OPERAND]...",
	.about = "Does nothing.",
	.details = "More.",
	.rows = rows,
	.n_rows = ARRAY_LEN(rows),
};

#define MAX_WORDS 10

static const struct {
	const char *argv[MAX_WORDS];
	int exit_code;
	const char *out, *err;
} cases[] = {
	{ { "-t" }, 0, "test=(flag) |", "" },
	{ { "-tcF", "x" }, 0, "test=(flag) config=F | x", "" },
	{ { "-c", "F" }, 0, "config=F |", "" },
	{ { "--config", "F" }, 0, "config=F |", "" },
	{ { "--config=F" }, 0, "config=F |", "" },
	{ { "--config=" }, 0, "config= |", "" },
	{ { "--config=a=b" }, 0, "config=a=b |", "" },
	{ { "-c", "-t" }, 0, "config=-t |", "" },
	{ { "a", "-t", "b", "--workers", "2", "c" },
	  0,
	  "test=(flag) workers=2 | a b c",
	  "" },
	{ { "a", "--", "-t", "--", "b" }, 0, "| a -t -- b", "" },
	{ { "-", "-t" }, 0, "test=(flag) | -", "" },
	{ { "-V" }, 0, "verbose=(flag) |", "" },
	{ { "--workers", "0" }, 2, "", "prog: --workers: 0 is below 1\n" },
	{ { "--workers=0" }, 2, "", "prog: --workers: 0 is below 1\n" },
	{ { "--workers" }, 2, "", "prog: --workers: needs N after it\n" },
	{ { "-tc" }, 2, "", "prog: -c: needs FILE after it\n" },
	{ { "--test=1" }, 2, "", "prog: --test: takes no value\n" },
	{ { "--wrokers=4" },
	  2,
	  "",
	  "prog: --wrokers: unknown option; did you mean --workers?\n" },
	{ { "--hlep" },
	  2,
	  "",
	  "prog: --hlep: unknown option; did you mean --help?\n" },
	{ { "--banana" },
	  2,
	  "",
	  "prog: --banana: unknown option; see prog --help\n" },
	{ { "--conf" },
	  2,
	  "",
	  "prog: --conf: unknown option; see prog --help\n" },
	{ { "--=x" }, 2, "", "prog: --: unknown option; see prog --help\n" },
	{ { "-tx" }, 2, "", "prog: -x: unknown option; see prog --help\n" },
	{ { "--version" }, 0, "prog " GUICHET_VERSION "\n", "" },
	{ { "-t", "--help", "--banana" },
	  0,
	  "Usage: prog [-t] [OPERAND]...\n"
	  "Does nothing.\n"
	  "\n"
	  "  -c, --config FILE  the configuration\n"
	  "  -t, --test         only look\n"
	  "  -V, --verbose      say more\n"
	  "      --workers N    how many\n"
	  "  -h, --help         print this help\n"
	  "      --version      print the version\n"
	  "\n"
	  "More.\n",
	  "" },
};

/* The child: parses, and prints what it was told, then the operands. */
static _Noreturn void parse(const char *const *words)
{
	char *argv[MAX_WORDS + 2] = { strdup("prog") };
	struct seen seen = { "" };
	int argc = 1, n;

	for (; words[argc - 1]; argc++)
		argv[argc] = strdup(words[argc - 1]);
	options_parse(&options, argc, argv, &seen, &n);
	(void)printf("%s|", seen.text);
	for (int i = 1; i <= n; i++)
		(void)printf(" %s", argv[i]);
	(void)fflush(stdout);
	_exit(0);
}

static void slurp(int fd, char *out, size_t room)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, out + len, room - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = 0;
	(void)close(fd);
}

static int run(const char *const *words, char *out, char *err, size_t room)
{
	int to_out[2], to_err[2], status;
	pid_t pid;

	if (pipe(to_out) < 0 || pipe(to_err) < 0)
		abort();
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)dup2(to_out[1], STDOUT_FILENO);
		(void)dup2(to_err[1], STDERR_FILENO);
		parse(words);
	}
	(void)close(to_out[1]);
	(void)close(to_err[1]);
	slurp(to_out[0], out, room);
	slurp(to_err[0], err, room);
	if (waitpid(pid, &status, 0) != pid)
		abort();
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void)
{
	char out[2048], err[2048];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_NUMBER(run(cases[i].argv, out, err, sizeof(out)),
			     cases[i].exit_code);
		CHECK_TEXT(out, cases[i].out);
		CHECK_TEXT(err, cases[i].err);
	}
	return check_result();
}
