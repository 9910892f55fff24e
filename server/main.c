/* SPDX-License-Identifier: ISC */
/*
 * main.c - guichetd: reads the command line and does what it says
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base.h"
#include "common/log.h"
#include "common/options.h"
#include "server/bag.h"
#include "server/config.h"
#include "server/config_file.h"
#include "server/crash.h"
#include "server/fds.h"
#include "server/keeper.h"
#include "server/master.h"
#include "server/orphans.h"
#include "server/service_table.h"
#include "server/signal_instance.h"
#include "server/title.h"

/* The command line, taken apart. */
struct command {
	struct config_command config;
	bool is_test, is_dump;
	const struct instance_order *order;
};

static const char *set_config(void *into, const char *value)
{
	((struct command *)into)->config.file = value;
	return NULL;
}

static const char *set_name(void *into, const char *value)
{
	((struct command *)into)->config.name = value;
	return NULL;
}

static const char *set_runtime_dir(void *into, const char *value)
{
	((struct command *)into)->config.runtime_dir = value;
	return NULL;
}

static const char *set_workers(void *into, const char *value)
{
	((struct command *)into)->config.workers = value;
	return NULL;
}

static const char *add_listen(void *into, const char *value)
{
	struct config_command *config = &((struct command *)into)->config;
	const char **larger;

	larger = reallocarray(config->listen, config->n_listen + 1,
			      sizeof(*larger));
	if (!larger)
		return "out of memory";
	config->listen = larger;
	config->listen[config->n_listen++] = value;
	return NULL;
}

static const char *set_test(void *into, const char *value)
{
	(void)value;
	((struct command *)into)->is_test = true;
	return NULL;
}

static const char *set_dump(void *into, const char *value)
{
	(void)value;
	((struct command *)into)->is_dump = true;
	return NULL;
}

static const char *set_signal(void *into, const char *value)
{
	struct command *command = into;
	const char *wrong = NULL;

	command->order = instance_order_find(value, &wrong);
	return wrong;
}

static const struct option_row rows[] = {
	{ 'c', "config", "FILE",
	  "configuration (" CONFIG_DEFAULT_FILE ", but not with -l)",
	  set_config },
	{ 'n', "name", "NAME", "the instance's name", set_name },
	{ 'r', "runtime-dir", "DIR", "where NAME.ledger lives",
	  set_runtime_dir },
	{ 'w', "workers", "N|auto|MIN-MAX",
	  "how many workers; auto: one a processor", set_workers },
	{ 'l', "listen", "ADDRESS=SERVICE", "add a listener; may be repeated",
	  add_listen },
	{ 't', "test", NULL, "check the configuration and exit", set_test },
	{ 'T', "dump", NULL, "print the configuration in force and exit",
	  set_dump },
	{ 's', "signal", "NAME",
	  "reload, upgrade, stop or kill the running instance", set_signal },
};

/* What --help tells after the options. */
static const char *describe(void)
{
	static char *text; /* --help does not come back to free it */
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	fputs("ADDRESS: tcp:HOST:PORT, udp:HOST:PORT or unix:PATH; HOST may "
	      "be * for every\naddress, PORT 0 for any. SERVICE: ",
	      out);
	for (size_t i = 0; service_at(i); i++)
		fprintf(out, "%s%s", i ? ", " : "", service_at(i)->name);
	fputs(".\n\n", out);
	config_describe(out);
	if (fclose(out))
		return NULL;
	if (bytes)
		text[bytes - 1] = 0; /* the last line's end is put there */
	return text;
}

static void parse_command(int argc, char **argv, struct command *command)
{
	const struct options options = {
		.program = "guichetd",
		.synopsis = "[-c FILE] [-n NAME] [-r DIR] [-w N|auto|MIN-MAX] "
			    "[-l ADDRESS=SERVICE]... [-t] [-T] [-s SIGNAL]",
		.about = "Serves clients whose connections outlive its "
			 "processes.",
		.rows = rows,
		.n_rows = ARRAY_LEN(rows),
		.details = describe(),
	};
	/* options_parse() drops words from what it is given; argv owns them */
	char **words = calloc((size_t)argc + 1, sizeof(*words));
	int n_operands;

	if (words)
		memcpy(words, argv, (size_t)argc * sizeof(*words));
	else
		die(EXIT_FAILED, "command line: out of memory");
	options_parse(&options, argc, words, command, &n_operands);
	if (n_operands)
		die(EXIT_USAGE, "%s: takes options only; see guichetd --help",
		    words[1]);
	if (command->order && (command->is_test || command->is_dump))
		die(EXIT_USAGE,
		    "-s: not with -%c; a reload and an upgrade "
		    "begin with such a test themselves",
		    command->is_test ? 't' : 'T');
	free(words);
}

static enum exit_code dump(const struct config *config)
{
	config_dump(config, stdout);
	if (!fflush(stdout) && !ferror(stdout))
		return EXIT_DONE;
	log_error("standard output: %s", strerror(errno));
	return EXIT_FAILED;
}

/* A server that could not go over into this program must not try. */
static enum exit_code test(void)
{
	CRASH_POINT(TRIAL_TESTED);
	if (bag_understands())
		return EXIT_DONE;
	log_error("cannot take over from the server that runs: it takes a "
		  "restart");
	return EXIT_FAILED;
}

static enum exit_code run(const struct command *command, struct config *config,
			  char **argv)
{
	if (command->order)
		return signal_instance(config, command->order);
	if (command->is_dump)
		return dump(config);
	if (command->is_test)
		return test();
	return master_run(config, &command->config, argv);
}

/*
 * A wrong configuration takes no service down: where keepers wait for a new
 * master, there is still the one with which they serve.
 */
static bool is_needed_anyway(const struct command *command,
			     struct config *config)
{
	char dir[sizeof(config->runtime_dir)], name[sizeof(config->name)];

	if (command->order || command->is_test || command->is_dump ||
	    !orphans_are_there(config->runtime_dir, config->name))
		return false;
	memcpy(dir, config->runtime_dir, sizeof(dir));
	memcpy(name, config->name, sizeof(name));
	config_free(config);
	log_warning("serving on with the configuration in force");
	return config_file_read(dir, name, config) == 0;
}

int main(int argc, char **argv)
{
	struct command command = { 0 };
	struct config config = { 0 };
	enum exit_code code = EXIT_USAGE;
	enum bag_kind kind;
	struct bag bag;

	fds_fill_standard();
	(void)signal(SIGPIPE,
		     SIG_IGN); /* a log nobody reads is an error code */
	title_init(argc, argv);
	log_open("guichetd");
	kind = bag_inherit(&bag);
	if (kind == BAG_KEEPER)
		keeper_run(&bag);
	parse_command(argc, argv, &command);
	command.config.is_instance_only = command.order;
	if (kind == BAG_MASTER)
		code = master_go_on(&command.config, argv, &bag);
	else if (!config_read(&config, &command.config, stderr) ||
		 is_needed_anyway(&command, &config))
		code = run(&command, &config, argv);
	config_free(&config);
	free(command.config.listen);
	return code;
}
