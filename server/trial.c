/* SPDX-License-Identifier: ISC */
/*
 * trial.c - a binary, tried before it is relied on
 */
#include "server/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "server/bag.h"
#include "server/ending.h"
#include "server/fds.h"
#include "server/guard.h"

void trial_init(struct trial *trial)
{
	*trial = (struct trial){ .report_fd = -1, .program_fd = -1 };
}

/* ---- in the child ---- */

/*
 * Whoever signals all processes at once, as `systemctl kill` does, means the
 * master: the trial that it begins at that is not to die of the same signal.
 */
static void ignore_orders(void)
{
	static const int orders[] = { SIGHUP, SIGUSR2, SIGTTIN, SIGTTOU };
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LEN(orders); i++)
		(void)signal(orders[i], SIG_IGN); /* they exist */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* @argv, and --test behind it. */
static char **make_argv(char *const argv[])
{
	static char test[] = "--test";
	size_t n = 0;
	char **longer;

	while (argv[n])
		n++;
	longer = calloc(n + 2, sizeof(*longer));
	if (!longer)
		_exit(EXIT_FAILED);
	memcpy(longer, argv, n * sizeof(*longer));
	longer[n] = test;
	return longer;
}

_Noreturn static void run(int program_fd, const char *path, char *const argv[],
			  pid_t master, int report_fd)
{
	guard_die_with(master); /* nobody would end it when it hangs */
	ignore_orders();
	(void)dup2(report_fd, STDERR_FILENO);
	bag_announce();
	(void)fexecve(program_fd, make_argv(argv), environ);
	log_copy_to(NULL); /* the master hears it from us, and tells it on */
	/* a script's interpreter would find no file by that descriptor */
	log_error("%s: cannot be executed: %s", path,
		  errno == ENOENT || errno == ENOEXEC ? "not a program" :
							strerror(errno));
	_exit(EXIT_FAILED);
}

/* ---- in the master ---- */

int trial_begin(struct trial *trial, int program_fd, const char *path,
		char *const argv[])
{
	pid_t master = getpid();
	int ends[2], err;

	fds_close(&trial->program_fd);
	trial->program_fd = program_fd;
	trial->bytes = 0;
	trial->is_understood = false;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	trial->pid = fork();
	if (trial->pid == 0)
		run(program_fd, path, argv, master, ends[1]);
	err = trial->pid < 0 ? -errno : 0;
	close(ends[1]);
	trial->report_fd = ends[0];
	if (!err)
		return 0;
	trial->pid = 0;
	fds_close(&trial->report_fd);
	return err;
}

static void end_line(struct trial *trial)
{
	static const char ours[] = TRIAL_PROGRAM_PREFIX;
	const char *line = trial->line;

	trial->line[trial->bytes] = '\0';
	trial->is_placed = strncmp(line, ours, sizeof(ours) - 1) != 0;
	if (!trial->is_placed)
		line += sizeof(ours) - 1;
	if (!strcmp(line, BAG_UNDERSTOOD))
		trial->is_understood = true;
	else if (*line)
		log_error("%s", line);
	trial->is_placed = false;
	trial->bytes = 0;
}

static void take(struct trial *trial, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\n' || trial->bytes == sizeof(trial->line) - 1)
			end_line(trial);
		else
			trial->line[trial->bytes++] = text[i];
	}
}

void trial_read(struct trial *trial)
{
	char text[512];
	ssize_t n;

	while ((n = read(trial->report_fd, text, sizeof(text))) > 0)
		take(trial, text, (size_t)n);
	if (n < 0 && errno == EAGAIN)
		return;
	end_line(trial);
	fds_close(&trial->report_fd);
}

enum exit_code trial_end(struct trial *trial, const char *path, int status)
{
	char text[ENDING_BYTES];

	trial->pid = 0;
	if (trial->report_fd >= 0)
		trial_read(trial);
	fds_close(&trial->report_fd);
	if (ending_is_success(status) && trial->is_understood)
		return EXIT_DONE;
	if (ending_is_success(status)) {
		log_error("%s: its test: is no guichetd, for it said nothing",
			  path);
		return EXIT_FAILED;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_USAGE)
		return EXIT_USAGE;
	log_error("%s: its test: %s", path, ending_describe(status, text));
	return EXIT_FAILED;
}

void trial_abandon(struct trial *trial)
{
	if (trial->pid)
		(void)kill(trial->pid, SIGKILL); /* our child */
}
