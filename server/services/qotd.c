/* SPDX-License-Identifier: ISC */
/*
 * qotd.c - says a quotation, one of many (RFC 865)
 *
 * They come from a file as fortune(6) has them: text, in which a line of
 * nothing but "%" stands between two quotations. It is read with the
 * configuration. Lines go out with CRLF, and so they are counted: RFC 865
 * allows 512 bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/complain.h"
#include "server/service.h"
#include "server/services/amplification.h"
#include "server/services/builtin.h"
#include "server/services/chance.h"

#define QUOTATION_MAX_BYTES 512
#define FILE_MAX_BYTES      (16U << 20)

/* Places in the text. */
struct quotation {
	uint32_t offset, bytes;
};

struct qotd_settings {
	struct amplification amplification;
	char *text; /* all quotations, with CRLF, one behind the other */
	size_t text_bytes;
	struct quotation *quotation;
	uint32_t n_quotations;
};

/* What is said where no file is named. */
static const char built_in[] =
	"A distributed system is one in which the failure of a computer you\r\n"
	"didn't even know existed can render your own computer unusable.\r\n"
	"\t\t-- Leslie Lamport\r\n";

/* --- the file ------------------------------------------------------------- */

static const char *complain_of_errno(void)
{
	return complain("cannot be read: %s", strerror(errno));
}

/* Reads all of @fd into memory that is the caller's, ended by a NUL. */
static const char *read_all(int fd, char **text, size_t *bytes)
{
	struct stat st;
	size_t room;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return complain_of_errno();
	if (!S_ISREG(st.st_mode))
		return "is no regular file";
	if (st.st_size > FILE_MAX_BYTES)
		return "is larger than 16 MiB";
	room = (size_t)st.st_size;
	*bytes = 0;
	*text = malloc(room + 1);
	if (!*text)
		return "does not fit the memory";
	do {
		n = read(fd, *text + *bytes, room - *bytes);
		*bytes += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	(*text)[*bytes] = 0;
	return n < 0 ? complain_of_errno() : NULL;
}

/* Without O_NONBLOCK, a FIFO would keep us waiting. */
static const char *read_file(const char *path, char **text, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *wrong = read_all(fd, text, bytes);

	if (fd >= 0)
		close(fd);
	return wrong;
}

/* --- its quotations ------------------------------------------------------- */

static void append_line(struct qotd_settings *s, const char *line, size_t bytes)
{
	memcpy(s->text + s->text_bytes, line, bytes);
	memcpy(s->text + s->text_bytes + bytes, "\r\n", 2);
	s->text_bytes += bytes + 2;
}

/* What came since @from is a quotation, unless it is nothing. */
static const char *end_quotation(struct qotd_settings *s, size_t from,
				 unsigned line)
{
	size_t bytes = s->text_bytes - from;
	struct quotation *larger;

	if (!bytes)
		return NULL;
	if (bytes > QUOTATION_MAX_BYTES)
		return complain("has a quotation of %zu bytes from line %u on, "
				"of which RFC 865 allows %d",
				bytes, line, QUOTATION_MAX_BYTES);
	larger = reallocarray(s->quotation, s->n_quotations + 1,
			      sizeof(*larger));
	if (!larger)
		return "does not fit the memory";
	s->quotation = larger;
	larger[s->n_quotations++] = (struct quotation){
		.offset = (uint32_t)from,
		.bytes = (uint32_t)bytes,
	};
	return NULL;
}

static size_t line_bytes(const char *line, const char *end)
{
	const char *newline = memchr(line, '\n', (size_t)(end - line));

	return (size_t)((newline ? newline : end) - line);
}

/* @text is as it stands in the file; s->text has room for all of it. */
static const char *split(struct qotd_settings *s, const char *text,
			 const char *end)
{
	unsigned number = 1, first = 1; /* this line, its quotation's first */
	const char *wrong = NULL;
	size_t bytes, from = 0;

	for (; text < end && !wrong; text += bytes + 1, number++) {
		size_t shown = bytes = line_bytes(text, end);

		if (shown && text[shown - 1] == '\r')
			shown--;
		if (memchr(text, 0, shown))
			return complain("is no text: it has a NUL byte on "
					"line %u",
					number);
		if (shown != 1 || *text != '%') {
			append_line(s, text, shown);
			continue;
		}
		wrong = end_quotation(s, from, first);
		from = s->text_bytes;
		first = number + 1;
	}
	if (!wrong)
		wrong = end_quotation(s, from, first);
	if (!wrong && !s->n_quotations)
		wrong = "has no quotation";
	return wrong;
}

static const char *qotd_set_file(void *settings, const char *path)
{
	struct qotd_settings *s = settings;
	const char *wrong;
	char *text = NULL;
	size_t bytes = 0;

	wrong = read_file(path, &text, &bytes);
	if (!wrong) {
		/* where every byte is a line's end; and one is missing */
		s->text = malloc(2 * bytes + 2);
		wrong = s->text ? split(s, text, text + bytes) :
				  "does not fit the memory";
	}
	free(text);
	return wrong;
}

static void qotd_release(void *settings)
{
	struct qotd_settings *s = settings;

	free(s->quotation);
	free(s->text);
}

/* --- the service ---------------------------------------------------------- */

static const char *choose(const struct qotd_settings *s, size_t *bytes)
{
	const struct quotation *q;

	if (!s->n_quotations) {
		*bytes = sizeof(built_in) - 1;
		return built_in;
	}
	q = &s->quotation[chance_below(s->n_quotations)];
	*bytes = q->bytes;
	return s->text + q->offset;
}

static enum verdict qotd_say(struct turn *turn)
{
	size_t bytes;
	const char *quotation = choose(turn->settings, &bytes);

	turn->consumed = turn->in_bytes;
	(void)turn_write(turn, quotation, bytes);
	return VERDICT_CLOSE;
}

static void qotd_datagram(struct datagram *datagram)
{
	size_t bytes;
	const char *quotation = choose(datagram->settings, &bytes);

	(void)datagram_write(datagram, quotation, bytes);
}

static const struct service_setting qotd_rows[] = {
	{
		.name = "file",
		.argument = "FILE",
		.help = "quotations, with lines of % between them",
		.set = qotd_set_file,
	},
	AMPLIFICATION_SETTING,
};

const struct service service_qotd = {
	.name = "qotd",
	.help = "says a quotation, one of many (RFC 865)",
	.transports = SERVICE_STREAM | SERVICE_DATAGRAM,
	.settings = qotd_rows,
	.n_settings = sizeof(qotd_rows) / sizeof(qotd_rows[0]),
	.settings_bytes = sizeof(struct qotd_settings),
	.check = amplification_check,
	.release = qotd_release,
	.open = qotd_say,
	.input = qotd_say,
	.datagram = qotd_datagram,
};
