/* SPDX-License-Identifier: ISC */
/*
 * config_text.h - a configuration file as sections of settings
 *
 * Knows the syntax and nothing of what the words mean:
 *
 *     # comment, from the line's begin or after white space
 *     [section argument]
 *     name = value
 *     name = "value with # or spaces at its ends, \" and \\"
 */
#ifndef GUICHET_CONFIG_TEXT_H
#define GUICHET_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "server/config_problem.h"

/* The longest line, its end not counted. */
#define CONFIG_LINE_MAX_BYTES 4096

struct config_setting {
	char *name;
	char *value; /* NULL: there was none, which has been reported */
	unsigned line;
};

struct config_section {
	char *word;
	char *argument; /* NULL: none */
	unsigned line;
	struct config_setting *setting;
	size_t n_settings;
};

struct config_text {
	const char *file; /* borrowed */
	struct config_section *section;
	size_t n_sections;
	bool is_cut; /* reading ended where it proved to be no text */
};

/*
 * Reads @file, and reports all that is wrong with its syntax. What could be
 * understood stands in @text, which config_text_free() releases. Returns 0, or
 * -errno when the file could not be read, which the caller reports.
 */
int config_text_read(struct config_text *text, const char *file,
		     struct config_problems *problems);
/*
 * The same from @fd, from its begin, of a file that we wrote ourselves: lines
 * may be longer. @file is only what it is called. Where @fd's offset is does
 * not matter and does not change: others may share it.
 */
int config_text_read_fd(struct config_text *text, const char *file, int fd,
			struct config_problems *problems);
void config_text_free(struct config_text *text);

/* The first setting of that name, NULL when there is none. */
const struct config_setting *
config_section_find(const struct config_section *section, const char *name);

/* Prints @value so that it is read back the same, quoted where it must be. */
void config_text_print_value(const char *value, FILE *out);

#endif
