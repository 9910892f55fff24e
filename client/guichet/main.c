/* SPDX-License-Identifier: ISC */
/*
 * main.c - guichet, the client: finds the sub-command and runs it
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/guichet/commands.h"
#include "common/base.h"
#include "common/log.h"
#include "common/options.h"
#include "common/words.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "talk", talk_main,
	  "standard input to the server, its answer to standard output" },
	{ "send", send_main, "one message, and print the answer" },
	{ "ping", ping_main, "connect and echo round trips, once a second" },
	{ "bench", bench_main,
	  "load an echo server and check what it answers" },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int refuse_command(const char *name)
{
	const char *names[ARRAY_LEN(commands)], *nearest;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		names[i] = commands[i].name;
	nearest = words_nearest(name, names, ARRAY_LEN(commands));
	if (nearest)
		log_error("%s: no such command; did you mean %s?", name,
			  nearest);
	else
		log_error("%s: no such command; see guichet --help", name);
	return EXIT_USAGE;
}

/* "  talk    standard input to ..." a line for each command. */
static void describe_commands(char *out, size_t out_bytes)
{
	int len = snprintf(out, out_bytes, "Commands:\n");

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		len += snprintf(out + len, out_bytes - (size_t)len,
				"  %-6s %s\n", commands[i].name,
				commands[i].help);
	(void)snprintf(out + len, out_bytes - (size_t)len,
		       "\nADDRESS is tcp:HOST:PORT, udp:HOST:PORT or "
		       "unix:PATH; HOST:PORT and two words\nHOST PORT mean "
		       "TCP. guichet COMMAND --help tells the options of a "
		       "command.");
}

/* What stands before a command: --help, --version, or a mistake. */
static int run_without_command(char **argv)
{
	char details[1024];
	char *words[] = { argv[0], argv[1], NULL };
	const struct options options = {
		.program = "guichet",
		.synopsis = "COMMAND ADDRESS [OPTION]...",
		.about = "Talks to a server, measures it and loads it.",
		.details = details,
	};
	int n_operands;

	describe_commands(details, sizeof(details));
	options_parse(&options, argv[1] ? 2 : 1, words, NULL, &n_operands);
	log_error("no command; see guichet --help");
	return EXIT_USAGE;
}

/*
 * Someone may have closed our standard descriptors; a socket that got such a
 * number would be taken for one of them.
 */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd); /* it was never used */
}

int main(int argc, char **argv)
{
	const struct command *command;

	fill_standard_descriptors();
	log_open("guichet");
	/* A closed pipe is an error of write(2), answered where it occurs. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 1)
		return EXIT_USAGE;
	if (argc < 2 || argv[1][0] == '-')
		return run_without_command(argv);
	command = find_command(argv[1]);
	if (!command)
		return refuse_command(argv[1]);
	return command->run(argc - 1, argv + 1);
}
