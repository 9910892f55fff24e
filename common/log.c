/* SPDX-License-Identifier: ISC */
/*
 * log.c - what a daemon says on standard error
 */
#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Below PIPE_BUF: a line goes into a pipe whole or not at all. */
#define LINE_BYTES 1024

const char *const log_level_names[] = {
	"error", "warning", "notice", "info", "debug", NULL,
};
_Static_assert(ARRAY_LEN(log_level_names) - 1 ==
		       LOG_LEVEL_DEBUG - LOG_LEVEL_ERROR + 1,
	       "all levels, and NULL");

static struct {
	const char *program;
	enum log_level level;
	bool is_journal;
	uint64_t n_dropped;
	uint64_t n_told; /* of those: a line has said so */
	void (*copy)(const char *line);
} state = {
	.program = "guichet",
	.level = LOG_LEVEL_INFO,
};

/* A line in the making; what does not fit is left out, and shows as "...". */
struct line {
	size_t len;
	char text[LINE_BYTES];
};

/* Whether $JOURNAL_STREAM names what standard error is now: systemd.exec(5). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	(void)snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev,
		       (uintmax_t)st.st_ino);
	return !strcmp(stream, ours);
}

void log_open(const char *program)
{
	state.program = program;
	state.is_journal = stderr_is_journal();
}

void log_copy_to(void (*to)(const char *line))
{
	state.copy = to;
}

void log_set_level(enum log_level level)
{
	state.level = level;
}

bool log_is_on(enum log_level level)
{
	return level <= state.level;
}

int log_level_parse(const char *word, enum log_level *level)
{
	for (unsigned i = 0; log_level_names[i]; i++)
		if (!strcmp(word, log_level_names[i])) {
			*level = (enum log_level)(LOG_LEVEL_ERROR + i);
			return 0;
		}
	return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	return log_level_names[level - LOG_LEVEL_ERROR];
}

uint64_t log_n_dropped(void)
{
	return state.n_dropped;
}

static void line_begin(struct line *line, enum log_level level)
{
	int n;

	if (state.is_journal)
		n = snprintf(line->text, sizeof(line->text), "<%d>",
			     (int)level);
	else
		n = snprintf(line->text, sizeof(line->text),
			     "%.64s: ", state.program);
	line->len = n < 0 ? 0 : (size_t)n;
}

/* Adds @text, made harmless. The backslash too, so that it can be undone. */
static void line_add(struct line *line, const char *text)
{
	static const char digits[] = "0123456789abcdef";
	static const char cut[] = "...";
	const size_t room = sizeof(line->text) - sizeof(cut); /* and newline */

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool is_plain = c >= 0x20 && c <= 0x7e && c != '\\';

		if (line->len + (is_plain ? 1 : 4) > room) {
			memcpy(line->text + line->len, cut, sizeof(cut) - 1);
			line->len += sizeof(cut) - 1;
			return;
		}
		if (is_plain) {
			line->text[line->len++] = (char)c;
			continue;
		}
		line->text[line->len++] = '\\';
		line->text[line->len++] = 'x';
		line->text[line->len++] = digits[c >> 4];
		line->text[line->len++] = digits[c & 15];
	}
}

/* Whether a line can be written now; an error is the writer's to find. */
static bool sink_has_room(void)
{
	struct pollfd sink = { .fd = STDERR_FILENO, .events = POLLOUT };
	int n;

	do
		n = poll(&sink, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

/*
 * One write for a line, so that lines of several processes do not mix. Not
 * O_NONBLOCK: that is a property of the open file, which the shell and others
 * share with us. Between poll and write another process may write too, but a
 * pipe that polls as writable has a whole page, room for four of the longest
 * lines.
 */
static bool line_end(struct line *line)
{
	ssize_t n;

	line->text[line->len++] = '\n';
	if (!sink_has_room())
		return false;
	do
		n = write(STDERR_FILENO, line->text, line->len);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)line->len;
}

/* Says how many lines were dropped; false when not even that fits. */
static bool tell_dropped(void)
{
	struct line line;
	char text[64];

	if (state.n_told == state.n_dropped)
		return true;
	(void)snprintf(text, sizeof(text), "log: %" PRIu64 " lines dropped",
		       state.n_dropped - state.n_told);
	line_begin(&line, LOG_LEVEL_WARNING);
	line_add(&line, text);
	if (!line_end(&line))
		return false;
	state.n_told = state.n_dropped;
	return true;
}

static void copy(enum log_level level, const struct line *line, size_t begun)
{
	char text[LINE_BYTES];

	if (!state.copy || level > LOG_LEVEL_WARNING)
		return;
	(void)snprintf(text, sizeof(text), "%.*s", (int)(line->len - begun),
		       line->text + begun);
	state.copy(text);
}

static void PRINTF_LIKE(2, 0)
	write_args(enum log_level level, const char *fmt, va_list args)
{
	struct line line;
	char text[LINE_BYTES];
	size_t begun;
	int saved_errno = errno;

	/* cut here: an escape never makes a line shorter */
	(void)vsnprintf(text, sizeof(text), fmt, args);
	line_begin(&line, level);
	begun = line.len;
	line_add(&line, text);
	copy(level, &line, begun);
	if (!tell_dropped() || !line_end(&line))
		state.n_dropped++;
	errno = saved_errno;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list args;

	if (!log_is_on(level))
		return;
	va_start(args, fmt);
	write_args(level, fmt, args);
	va_end(args);
}

FILE *log_stream_open(struct log_stream *stream)
{
	*stream = (struct log_stream){ 0 };
	stream->out = open_memstream(&stream->text, &stream->bytes);
	return stream->out;
}

bool log_stream_close(struct log_stream *stream, enum log_level level)
{
	char *rest = NULL;

	(void)fclose(stream->out); /* it is memory: what fits is there */
	for (char *line = strtok_r(stream->text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		log_write(level, "%s", line);
	free(stream->text);
	return stream->bytes > 0;
}

void die(enum exit_code code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_args(LOG_LEVEL_ERROR, fmt, args);
	va_end(args);
	exit((int)code);
}
