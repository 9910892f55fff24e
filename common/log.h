/* SPDX-License-Identifier: ISC */
/*
 * log.h - what a daemon says on standard error
 *
 * One line an event, at most 1 KiB: "subject: fact", lower case, no full
 * stop. Every byte outside printable ASCII, and the backslash, is written as
 * \xNN, so that no peer can forge a line. A sink that is full never blocks
 * the caller: the line is dropped and counted, and the next line that fits
 * says how many. errno is the same after a call as before it. (The program
 * ignores SIGPIPE, or a closed sink ends it.)
 */
#ifndef GUICHET_LOG_H
#define GUICHET_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base.h"

/* Numbered as syslog(3) and sd-daemon(3) number them. */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/*
 * Names the program that speaks; @program is borrowed for good. Looks once
 * whether standard error is the journal (JOURNAL_STREAM, systemd.exec(5)),
 * and then begins each line with <N> instead of the program's name.
 */
void log_open(const char *program);

/* Lines above @level are not written; LOG_LEVEL_INFO until told. */
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

/*
 * "error", "warning", "notice", "info" or "debug"; -EINVAL for another word.
 * The names stand in log_level_names, ended by NULL, the most severe first.
 */
extern const char *const log_level_names[];
int log_level_parse(const char *word, enum log_level *level);
const char *log_level_name(enum log_level level);

/*
 * Gives each error and warning @to somebody as well, as it stands in the log but
 * without the program's name; NULL: no more. It must not log itself.
 */
void log_copy_to(void (*to)(const char *line));

/* Lines dropped because the sink would have blocked. */
uint64_t log_n_dropped(void);

void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * A stream whose lines go to the log: open, print, close. open returns NULL
 * when there is no memory; close says whether anything was printed.
 */
struct log_stream {
	FILE *out;
	char *text;
	size_t bytes;
};

FILE *log_stream_open(struct log_stream *stream);
bool log_stream_close(struct log_stream *stream, enum log_level level);

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Start-up only: logs an error and ends the process with @code. */
_Noreturn void die(enum exit_code code, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
