/* SPDX-License-Identifier: ISC */
/*
 * config.c - what the operator asked for: file and command line as one value
 *
 * In this order: every field gets its default; the file's sections are taken
 * directive by directive; the command line replaces what it names; and then
 * comes what only the whole can tell (names used twice, no listener, too few
 * descriptors). A listener is a draft until all of that was right.
 *
 * The configuration in force is read by the same steps, but for those that
 * look at the machine.
 */
#include "server/config.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/runtime.h"
#include "server/config_directive.h"
#include "server/config_draft.h"
#include "server/config_own.h"

static void set_defaults(struct config *config)
{
	*config = (struct config){ 0 };
	directives_set_defaults(&server_directives, config);
}

static void report_unreadable(struct reading *r, int err)
{
	bool is_default = !r->command->file && err == -ENOENT;

	config_problem_add(&r->problems, place_of(r, 0), "%s%s", strerror(-err),
			   is_default ? " (name another with -c, or a "
					"listener with -l)" :
					"");
}

/* The file to read; NULL: none is needed. */
static const char *choose_file(const struct config_command *command)
{
	const char *file = CONFIG_DEFAULT_FILE;

	if (command->file)
		return command->file;
	if (command->n_listen)
		return NULL;
	if (command->is_instance_only && access(file, F_OK) < 0 &&
	    errno == ENOENT)
		return NULL;
	return file;
}

static void take_sections(struct reading *r)
{
	for (size_t i = 0; i < r->text.n_sections; i++)
		config_take_section(r, &r->text.section[i]);
}

/* Whether the file was read, so that what is missing in it is missing. */
static bool read_file(struct reading *r)
{
	const char *file = choose_file(r->command);
	int err;

	r->text.file = "command line"; /* who is to blame without a file */
	if (!file)
		return true;
	err = config_text_read(&r->text, file, &r->problems);
	if (err)
		report_unreadable(r, err);
	take_sections(r);
	return !err && !r->text.is_cut;
}

/* Moves the drafts that stand into the configuration. */
static void keep_listeners(struct reading *r)
{
	struct config *config = r->config;
	struct listen_config *listeners;

	if (!r->n_drafts)
		return;
	listeners = calloc(r->n_drafts, sizeof(*listeners));
	if (!listeners) {
		config_problem_add(&r->problems, place_of(r, 0),
				   "out of memory");
		return;
	}
	config->listeners = listeners;
	for (size_t i = 0; i < r->n_drafts; i++) {
		struct draft *draft = &r->draft[i];

		if (!draft->has_address || draft->is_replaced ||
		    !config_own_is_made(&draft->listen))
			continue;
		listeners[config->n_listeners++] = draft->listen;
		draft->listen = (struct listen_config){ 0 }; /* not ours */
	}
}

static void free_drafts(struct reading *r)
{
	for (size_t i = 0; i < r->n_drafts; i++)
		config_own_free(&r->draft[i].listen);
	free(r->draft);
}

/* Releases what was only for reading; returns how many problems count. */
static unsigned end_reading(struct reading *r, FILE *errors)
{
	free_drafts(r);
	config_text_free(&r->text);
	return config_problems_print(&r->problems, errors) -
	       (unsigned)r->n_forgiven;
}

unsigned config_read(struct config *config,
		     const struct config_command *command, FILE *errors)
{
	struct reading r = { .config = config, .command = command };
	bool is_read;

	set_defaults(config);
	runtime_dir(config->runtime_dir, sizeof(config->runtime_dir));
	is_read = read_file(&r);
	config_take_command(&r);
	config_check_server(&r);
	if (!command->is_instance_only) {
		config_check_listeners(&r, is_read);
		config_check_machine(&r);
		keep_listeners(&r);
	}
	return end_reading(&r, errors);
}

static unsigned read_running(struct config *config, int fd,
			     const struct config_command *command, FILE *errors)
{
	struct reading r = { .config = config,
			     .command = command,
			     .is_running = true };
	int err;

	set_defaults(config);
	err = config_text_read_fd(&r.text, "configuration in force", fd,
				  &r.problems);
	if (err)
		config_problem_add(&r.problems, place_of(&r, 0), "%s",
				   strerror(-err));
	take_sections(&r);
	if (!err && !config->runtime_dir[0])
		config_problem_add(&r.problems, place_of(&r, 0),
				   "no runtime-dir");
	if (!command->is_instance_only) {
		config_check_listeners(&r, !err && !r.text.is_cut);
		keep_listeners(&r);
	}
	config->is_running = true;
	return end_reading(&r, errors);
}

unsigned config_read_running(struct config *config, int fd, FILE *errors)
{
	static const struct config_command whole;

	return read_running(config, fd, &whole, errors);
}

unsigned config_read_running_server(struct config *config, int fd, FILE *errors)
{
	static const struct config_command server = { .is_instance_only =
							      true };

	return read_running(config, fd, &server, errors);
}

void config_free(struct config *config)
{
	for (size_t i = 0; i < config->n_listeners; i++)
		config_own_free(&config->listeners[i]);
	free(config->listeners);
	config->listeners = NULL;
	config->n_listeners = 0;
}

unsigned config_n_workers(const struct config *config)
{
	cpu_set_t processors;
	int n;

	if (config->workers)
		return config->workers;
	/* fails where there are more processors than a cpu_set_t has bits */
	if (sched_getaffinity(0, sizeof(processors), &processors) < 0)
		return CONFIG_WORKERS_MAX;
	n = CPU_COUNT(&processors);
	return n > CONFIG_WORKERS_MAX ? CONFIG_WORKERS_MAX : (unsigned)n;
}

unsigned config_n_workers_max(const struct config *config)
{
	return config->workers_max ? config->workers_max :
				     config_n_workers(config);
}

void config_describe(FILE *out)
{
	fputs("In the configuration file, [server]:\n", out);
	directives_describe(&server_directives, out);
	fputs("\nIn each [listen ADDRESS]:\n", out);
	directives_describe(&listen_directives, out);
	config_own_describe(out);
}
