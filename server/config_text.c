/* SPDX-License-Identifier: ISC */
/*
 * config_text.c - a configuration file as sections of settings
 *
 * A line is cut in place into its words; only what is kept is copied. What is
 * wrong with a line costs that line and no other: reading goes on, so that
 * all problems of a file are found at once. Bytes from 0x80 on are taken as
 * they are, for names of files may hold them.
 */
#include "server/config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLANKS " \t"

/*
 * The longest line that we write ourselves of one that was read: "=" gets its
 * blanks, and a value in quotes a backslash for each of its own.
 */
#define WRITTEN_LINE_MAX_BYTES (2 * CONFIG_LINE_MAX_BYTES + 64)

struct reader {
	struct config_text *text;
	struct config_problems *problems;
	FILE *in;
	struct config_place place; /* the line in hand */
	bool is_in_section;        /* or before the first one */
	size_t line_max_bytes;
	char line[WRITTEN_LINE_MAX_BYTES + 2];
	size_t line_bytes;
};

enum line_end {
	LINE_WHOLE,
	LINE_TOO_LONG,
	LINE_LAST, /* nothing after the last one */
};

/* --- lines ---------------------------------------------------------------- */

/* Not fgets(3): a NUL byte must be seen, not end the line. */
static enum line_end read_line(struct reader *r)
{
	bool is_too_long = false;
	int c;

	r->line_bytes = 0;
	while ((c = getc_unlocked(r->in)) != EOF && c != '\n') {
		/* one more than the limit: it may be the CR of a CRLF */
		if (r->line_bytes < r->line_max_bytes + 1)
			r->line[r->line_bytes++] = (char)c;
		else
			is_too_long = true;
	}
	if (c == EOF && !r->line_bytes)
		return LINE_LAST;
	r->place.line++;
	if (r->line_bytes && r->line[r->line_bytes - 1] == '\r')
		r->line_bytes--;
	r->line[r->line_bytes] = 0;
	if (r->line_bytes > r->line_max_bytes)
		is_too_long = true;
	return is_too_long ? LINE_TOO_LONG : LINE_WHOLE;
}

/* An editor of another system may begin its files with this mark. */
static void skip_byte_order_mark(struct reader *r)
{
	static const char mark[] = "\xef\xbb\xbf";
	size_t bytes = sizeof(mark) - 1;

	if (r->place.line != 1 || strncmp(r->line, mark, bytes) != 0)
		return;
	r->line_bytes -= bytes;
	memmove(r->line, r->line + bytes, r->line_bytes + 1);
}

/* The first byte that no text holds, or NULL. */
static const char *find_no_text(const struct reader *r)
{
	for (size_t i = 0; i < r->line_bytes; i++) {
		unsigned char c = (unsigned char)r->line[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return &r->line[i];
	}
	return NULL;
}

/* --- words ---------------------------------------------------------------- */

static void cut_blanks_at_end(char *s)
{
	size_t n = strlen(s);

	while (n && strchr(BLANKS, s[n - 1]))
		n--;
	s[n] = 0;
}

static bool is_blank_or_comment(const char *s)
{
	s += strspn(s, BLANKS);
	return !*s || *s == '#';
}

/* A # begins a comment at the line's begin and after white space only. */
static void cut_comment(char *s)
{
	for (char *at = s; (at = strchr(at, '#')); at++)
		if (at == s || strchr(BLANKS, at[-1])) {
			*at = 0;
			break;
		}
	cut_blanks_at_end(s);
}

/*
 * Cuts the quoted text that begins at @s, in place; *@rest is what stands
 * after it. Returns the text, or NULL when the quote has no end.
 */
static char *cut_quoted(char *s, char **rest)
{
	char *to = s;

	for (char *from = s + 1; *from; from++) {
		if (*from == '"') {
			*rest = from + 1;
			*to = 0; /* before *from: the first quote is gone */
			return s;
		}
		if (*from == '\\' && (from[1] == '"' || from[1] == '\\'))
			from++;
		*to++ = *from;
	}
	return NULL;
}

/* --- keeping -------------------------------------------------------------- */

static void report_no_memory(struct reader *r)
{
	config_problem_add(r->problems, r->place, "out of memory");
}

static struct config_section *add_section(struct reader *r, const char *word,
					  const char *argument)
{
	struct config_text *text = r->text;
	struct config_section *section;

	section = reallocarray(text->section, text->n_sections + 1,
			       sizeof(*section));
	if (!section) {
		report_no_memory(r);
		return NULL;
	}
	text->section = section;
	section += text->n_sections;
	*section = (struct config_section){
		.word = strdup(word),
		.argument = argument ? strdup(argument) : NULL,
		.line = r->place.line,
	};
	if (!section->word || (argument && !section->argument)) {
		free(section->word);
		free(section->argument);
		report_no_memory(r);
		return NULL;
	}
	text->n_sections++;
	return section;
}

static void add_setting(struct reader *r, const char *name, const char *value)
{
	struct config_text *text = r->text;
	struct config_section *section = &text->section[text->n_sections - 1];
	struct config_setting *setting;

	setting = reallocarray(section->setting, section->n_settings + 1,
			       sizeof(*setting));
	if (!setting) {
		report_no_memory(r);
		return;
	}
	section->setting = setting;
	setting += section->n_settings;
	*setting = (struct config_setting){
		.name = strdup(name),
		.value = value ? strdup(value) : NULL,
		.line = r->place.line,
	};
	if (!setting->name || (value && !setting->value)) {
		free(setting->name);
		free(setting->value);
		report_no_memory(r);
		return;
	}
	section->n_settings++;
}

/* --- the two kinds of line ------------------------------------------------ */

/* Cuts the argument before the last "]"; false when that is missing. */
static bool cut_section_argument(char *s, char **argument)
{
	size_t n;

	if (*s == '"') {
		*argument = cut_quoted(s, &s);
		if (!*argument)
			return false;
		s += strspn(s, BLANKS);
		return *s == ']' && is_blank_or_comment(s + 1);
	}
	cut_comment(s);
	n = strlen(s);
	if (!n || s[n - 1] != ']')
		return false;
	s[n - 1] = 0;
	cut_blanks_at_end(s);
	*argument = *s ? s : NULL;
	return true;
}

/* @s follows the "[". An unreadable head still begins a section. */
static void read_section(struct reader *r, char *s)
{
	char word[64];
	char *argument = NULL;
	size_t n;

	s += strspn(s, BLANKS);
	n = strcspn(s, BLANKS "]#");
	if (n >= sizeof(word))
		n = sizeof(word) - 1;
	memcpy(word, s, n);
	word[n] = 0;
	s += n;
	s += strspn(s, BLANKS);
	if (!cut_section_argument(s, &argument)) {
		config_problem_add(r->problems, r->place,
				   "a section's line ends with \"]\"");
		word[0] = 0;
	} else if (!word[0]) {
		config_problem_add(r->problems, r->place,
				   "a section has no name");
	}
	/* without memory for it, its settings have nowhere to go */
	r->is_in_section = add_section(r, word, argument);
}

/* Cuts the value that begins at @s; NULL, reported, when there is none. */
static char *cut_value(struct reader *r, const char *name, char *s)
{
	char *value, *rest;

	if (*s != '"') {
		cut_comment(s);
		if (*s)
			return s;
		config_problem_add(r->problems, r->place, "\"%s\" has no value",
				   name);
		return NULL;
	}
	value = cut_quoted(s, &rest);
	if (!value) {
		config_problem_add(r->problems, r->place,
				   "%s: the quote has no end", name);
		return NULL;
	}
	if (is_blank_or_comment(rest))
		return value;
	config_problem_add(r->problems, r->place,
			   "%s: text follows the closing quote", name);
	return NULL;
}

static void read_setting(struct reader *r, char *s)
{
	size_t n = strcspn(s, BLANKS "=");
	char *name = s, *value;

	s += n;
	s += strspn(s, BLANKS);
	if (*s != '=') {
		name[n] = 0;
		config_problem_add(r->problems, r->place,
				   "no \"=\" after \"%s\"", name);
		value = NULL;
	} else if (!n) {
		config_problem_add(r->problems, r->place,
				   "no name before \"=\"");
		return;
	} else {
		name[n] = 0;
		s++;
		s += strspn(s, BLANKS);
		value = cut_value(r, name, s);
	}
	if (r->is_in_section)
		add_setting(r, name, value);
	else if (!r->text->n_sections)
		config_problem_add(r->problems, r->place,
				   "\"%s\" stands before the first section",
				   name);
}

static void read_text(struct reader *r)
{
	char *s = r->line + strspn(r->line, BLANKS);

	if (!*s || *s == '#')
		return;
	if (*s == '[')
		read_section(r, s + 1);
	else
		read_setting(r, s);
}

/* --- the file ------------------------------------------------------------- */

static void read_lines(struct reader *r)
{
	enum line_end end;
	const char *bad;

	while ((end = read_line(r)) != LINE_LAST) {
		skip_byte_order_mark(r);
		bad = find_no_text(r);
		if (bad && !*bad) {
			/* a thousand complaints about a core file help none */
			config_problem_add(r->problems, r->place,
					   "not text (it has a NUL byte)");
			r->text->is_cut = true;
			return;
		}
		if (bad)
			config_problem_add(r->problems, r->place,
					   "not text (byte 0x%02x at column "
					   "%zu)",
					   (unsigned char)*bad,
					   (size_t)(bad - r->line) + 1);
		else if (end == LINE_TOO_LONG)
			config_problem_add(r->problems, r->place,
					   "line is longer than %zu bytes",
					   r->line_max_bytes);
		else
			read_text(r);
	}
}

static int open_file(const char *file, FILE **in)
{
	struct stat status;
	int fd, err;

	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0) {
		err = -errno;
		goto out_close;
	}
	if (S_ISDIR(status.st_mode)) {
		err = -EISDIR;
		goto out_close;
	}
	*in = fdopen(fd, "r");
	if (!*in) {
		err = -errno;
		goto out_close;
	}
	return 0;

out_close:
	close(fd);
	return err;
}

/* Reads @in to its end, and closes it. */
static int read_stream(struct config_text *text, FILE *in,
		       size_t line_max_bytes, struct config_problems *problems)
{
	struct reader r = {
		.text = text,
		.problems = problems,
		.in = in,
		.place = { .file = text->file },
		.line_max_bytes = line_max_bytes,
	};
	int err = 0;

	errno = 0;
	read_lines(&r);
	if (ferror(in))
		err = errno ? -errno : -EIO;
	fclose(in);
	return err;
}

int config_text_read(struct config_text *text, const char *file,
		     struct config_problems *problems)
{
	FILE *in = NULL;
	int err;

	*text = (struct config_text){ .file = file };
	err = open_file(file, &in);
	if (!in)
		return err;
	return read_stream(text, in, CONFIG_LINE_MAX_BYTES, problems);
}

/* Up to @room bytes of @fd, from its begin; returns how many, or -errno. */
static ssize_t load(int fd, char *content, size_t room)
{
	size_t bytes = 0;
	ssize_t n;

	do {
		n = pread(fd, content + bytes, room - bytes, (off_t)bytes);
		bytes += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : (ssize_t)bytes;
}

int config_text_read_fd(struct config_text *text, const char *file, int fd,
			struct config_problems *problems)
{
	struct stat status;
	char *content;
	ssize_t bytes;
	int err = 0;
	FILE *in;

	*text = (struct config_text){ .file = file };
	if (fstat(fd, &status) < 0)
		return -errno;
	content = malloc((size_t)status.st_size + 1);
	if (!content)
		return -ENOMEM;
	bytes = load(fd, content, (size_t)status.st_size);
	if (bytes < 0)
		err = (int)bytes;
	if (bytes > 0) {
		in = fmemopen(content, (size_t)bytes, "r");
		err = in ? read_stream(text, in, WRITTEN_LINE_MAX_BYTES,
				       problems) :
			   -errno;
	}
	free(content);
	return err;
}

static void free_section(struct config_section *section)
{
	for (size_t i = 0; i < section->n_settings; i++) {
		free(section->setting[i].name);
		free(section->setting[i].value);
	}
	free(section->setting);
	free(section->word);
	free(section->argument);
}

void config_text_free(struct config_text *text)
{
	for (size_t i = 0; i < text->n_sections; i++)
		free_section(&text->section[i]);
	free(text->section);
	*text = (struct config_text){ 0 };
}

const struct config_setting *
config_section_find(const struct config_section *section, const char *name)
{
	for (size_t i = 0; i < section->n_settings; i++)
		if (!strcmp(section->setting[i].name, name))
			return &section->setting[i];
	return NULL;
}

/* Where a bare value would be read as another one, or as none. */
static bool needs_quotes(const char *value)
{
	size_t n = strlen(value);

	return !n || *value == '"' || *value == '#' || strchr(BLANKS, *value) ||
	       strchr(BLANKS, value[n - 1]) || strstr(value, " #") ||
	       strstr(value, "\t#");
}

void config_text_print_value(const char *value, FILE *out)
{
	if (!needs_quotes(value)) {
		fputs(value, out);
		return;
	}
	putc('"', out);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			putc('\\', out);
		putc(*value, out);
	}
	putc('"', out);
}
