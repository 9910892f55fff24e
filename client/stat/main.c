/* SPDX-License-Identifier: ISC */
/*
 * main.c - guichet-stat: what a server counts, read from its ledger
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/stat/orphans.h"
#include "client/stat/source.h"
#include "client/stat/totals.h"
#include "client/stat/view.h"
#include "common/clock.h"
#include "common/options.h"
#include "common/runtime.h"
#include "common/units.h"
#include "common/words.h"

/* What the command line asks for. */
struct request {
	const char *name, *file, *dir, *format_name;
	uint64_t interval_ns; /* 0: not repeated */
	uint64_t wait_ns;     /* 0: not waited for */
	uint64_t count;       /* 0: without end */
	const struct view *view;
	const struct format *format;
};

/* The first one is the default. */
static const struct view *const views[] = {
	&view_totals,      &view_workers, &view_listeners,
	&view_connections, &view_closed,  &view_top,
};

/* --- options -------------------------------------------------------------- */

static const char *set_name(void *into, const char *value)
{
	((struct request *)into)->name = value;
	return runtime_name_is_valid(value) ?
		       NULL :
		       "an instance's name is letters, digits, - and _";
}

static const char *set_file(void *into, const char *value)
{
	((struct request *)into)->file = value;
	return NULL;
}

static const char *set_dir(void *into, const char *value)
{
	((struct request *)into)->dir = value;
	return NULL;
}

static const char *set_format(void *into, const char *value)
{
	((struct request *)into)->format_name = value;
	return NULL;
}

/* "2", "0.5"; and "500ms" and the like, as everywhere else. */
static int parse_seconds(const char *text, uint64_t *ns)
{
	uint64_t unit_ns = NS_PER_S;

	if (!units_parse_duration(text, false, ns))
		return 0;
	/* Nine digits of seconds are thirty years, and fit by far. */
	if (!*text || strlen(text) > 18 || strspn(text, "0123456789") > 9)
		return -EINVAL;
	*ns = 0;
	for (; *text >= '0' && *text <= '9'; text++)
		*ns = *ns * 10 + (uint64_t)(*text - '0') * NS_PER_S;
	if (*text == '.') {
		for (text++; *text >= '0' && *text <= '9'; text++) {
			unit_ns /= 10;
			*ns += (uint64_t)(*text - '0') * unit_ns;
		}
	}
	return *text ? -EINVAL : 0;
}

static const char *set_interval(void *into, const char *value)
{
	struct request *request = into;

	if (parse_seconds(value, &request->interval_ns) ||
	    !request->interval_ns)
		return "wants seconds, as in 1 or 0.5";
	return NULL;
}

static const char *set_count(void *into, const char *value)
{
	struct request *request = into;

	if (units_parse_number(value, 1, UINT64_MAX, &request->count))
		return "wants a number, at least 1";
	return NULL;
}

static const char *set_wait(void *into, const char *value)
{
	struct request *request = into;

	if (parse_seconds(value, &request->wait_ns))
		return "wants seconds, as in 5 or 0.5";
	return NULL;
}

static const struct option_row rows[] = {
	{ 'n', "name", "NAME", "the instance to read (default: default)",
	  set_name },
	{ 'f', "file", "FILE", "any ledger file, a dead server's too",
	  set_file },
	{ 'r', "runtime-dir", "DIR", "where NAME.ledger lives", set_dir },
	{ 'o', "format", "FORMAT", "statsd, table, tsv, json or prometheus",
	  set_format },
	{ 'i', "interval", "SECONDS", "again, every so many seconds",
	  set_interval },
	{ 'c', "count", "COUNT", "so many times (default: until interrupted)",
	  set_count },
	{ 'W', "wait", "SECONDS", "wait so long for the instance to serve",
	  set_wait },
};

static const struct options options = {
	.program = "guichet-stat",
	.synopsis = "[-n NAME | -f FILE] [-r DIR] [-o FORMAT] [-i SECONDS] "
		    "[-c COUNT] [-W SECONDS] [VIEW]",
	.about = "Shows what a server of guichet counts, down to each "
		 "connection.",
	.details =
		"Views, and their formats (the first is the default):\n"
		"  totals       the whole instance and each listener (default)"
		"\n               statsd, table, json, prometheus\n"
		"  workers      a row a worker           table, tsv, json\n"
		"  listeners    a row a listening socket table, tsv, json\n"
		"  connections  a row a connection       table, tsv, json\n"
		"  closed       the latest closed ones   table, tsv, json\n"
		"  top          totals, workers and listeners on one screen",
	.rows = rows,
	.n_rows = ARRAY_LEN(rows),
};

/* --- what is wanted ------------------------------------------------------- */

static _Noreturn void fail_usage(const char *subject, const char *what)
{
	(void)fprintf(stderr, "guichet-stat: %s: %s\n", subject, what);
	exit(EXIT_USAGE);
}

/* ": a, b or c" behind @text. */
static void append_list(char *text, size_t text_bytes, const char *const *words,
			size_t n)
{
	size_t used = strlen(text), i;

	for (i = 0; i < n && used < text_bytes; i++) {
		(void)snprintf(text + used, text_bytes - used, "%s%s",
			       i == 0     ? ": " :
			       i + 1 == n ? " or " :
					    ", ",
			       words[i]);
		used = strlen(text);
	}
}

static _Noreturn void fail_unknown(const char *word, const char *what,
				   const char *const *words, size_t n)
{
	const char *nearest = words_nearest(word, words, n);
	char text[256];

	if (nearest) {
		(void)snprintf(text, sizeof(text),
			       "no such %s; did you mean %s?", what, nearest);
	} else {
		(void)snprintf(text, sizeof(text), "no such %s; there is",
			       what);
		append_list(text, sizeof(text), words, n);
	}
	fail_usage(word, text);
}

static void view_choose(struct request *request, const char *name)
{
	const char *names[ARRAY_LEN(views)];
	size_t i;

	request->view = views[0];
	if (!name)
		return;
	for (i = 0; i < ARRAY_LEN(views); i++) {
		names[i] = views[i]->name;
		if (!strcmp(name, views[i]->name)) {
			request->view = views[i];
			return;
		}
	}
	fail_unknown(name, "view", names, ARRAY_LEN(views));
}

static bool format_is_known(const char *name)
{
	size_t v, f;

	for (v = 0; v < ARRAY_LEN(views); v++) {
		for (f = 0; f < views[v]->n_formats; f++) {
			if (!strcmp(name, views[v]->formats[f].name))
				return true;
		}
	}
	return false;
}

#define MAX_FORMATS 8

static void format_choose(struct request *request)
{
	const struct view *view = request->view;
	const char *names[MAX_FORMATS];
	char text[256];
	size_t f;

	request->format = &view->formats[0];
	if (!request->format_name)
		return;
	for (f = 0; f < view->n_formats && f < MAX_FORMATS; f++) {
		names[f] = view->formats[f].name;
		if (!strcmp(request->format_name, names[f])) {
			request->format = &view->formats[f];
			return;
		}
	}
	if (!format_is_known(request->format_name))
		fail_unknown(request->format_name, "format", names, f);
	(void)snprintf(text, sizeof(text),
		       "the view %s does not come in this format; it has",
		       view->name);
	append_list(text, sizeof(text), names, f);
	fail_usage(request->format_name, text);
}

static void request_finish(struct request *request, int n_operands,
			   char **operands)
{
	if (n_operands > 1)
		fail_usage(operands[1], "one view at a time");
	if (request->file && request->name)
		fail_usage("-f", "names a file; -n names an instance: "
				 "only one of them");
	view_choose(request, n_operands ? operands[0] : NULL);
	format_choose(request);
	if (!request->interval_ns &&
	    (request->count > 1 || (request->view->is_screen &&
				    !request->count && isatty(STDOUT_FILENO))))
		request->interval_ns = NS_PER_S;
	if (!request->interval_ns)
		request->count = 1;
	if (!request->name)
		request->name = RUNTIME_DEFAULT_NAME;
}

static void source_name(const struct request *request, struct source *source)
{
	char default_dir[PATH_MAX];
	const char *dir = request->dir;
	int n;

	memset(source, 0, sizeof(*source));
	source->is_file = request->file != NULL;
	source->subject = source->is_file ? request->file : request->name;
	if (source->is_file) {
		n = snprintf(source->path, sizeof(source->path), "%s",
			     request->file);
		if ((size_t)n < sizeof(source->path))
			return;
	} else {
		if (!dir)
			dir = runtime_dir(default_dir, sizeof(default_dir));
		if (!runtime_ledger_path(dir, request->name, source->path,
					 sizeof(source->path)))
			return;
	}
	fail_usage(source->is_file ? "-f" : "-r", "is too long a path");
}

/* --- showing it ----------------------------------------------------------- */

static bool boot_is_ours(const struct ledger_header *header)
{
	char boot_id[sizeof(header->boot_id)] = "";
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	const size_t n = strcspn(header->boot_id, "\n");

	if (!file)
		return true; /* its master lives: that must do */
	if (!fgets(boot_id, sizeof(boot_id), file))
		boot_id[0] = '\0';
	(void)fclose(file); /* nothing was written */
	/* the master may not see its own: ProcSubset=pid hides it */
	return !n || (strcspn(boot_id, "\n") == n &&
		      !memcmp(boot_id, header->boot_id, n));
}

/*
 * The monotonic moment that ages are told for. A dead server's connections
 * grow no older: its last heartbeat is the last that is known of it, unless
 * it says when it was stopped.
 */
static uint64_t moment_of(const struct snapshot *snapshot, bool is_served)
{
	const struct ledger_header *header = &snapshot->header;
	const uint64_t stopped_real_ns = ledger_get(header->stopped_real_ns);
	uint64_t latest = header->started_mono_ns;
	size_t s;

	if (is_served)
		return snapshot->taken_mono_ns;
	if (stopped_real_ns > header->started_real_ns)
		return latest + stopped_real_ns - header->started_real_ns;
	for (s = 0; s < snapshot->header.n_slots; s++)
		latest = max_u64(
			latest,
			ledger_get(snapshot->parts[s].head.heartbeat_mono_ns));
	return latest;
}

static void readout_make(struct readout *readout,
			 const struct snapshot *snapshot,
			 const struct kernel_socket *sockets)
{
	const bool is_ours = boot_is_ours(&snapshot->header);

	memset(readout, 0, sizeof(*readout));
	readout->snapshot = snapshot;
	readout->sockets = sockets;
	(void)text_clean(snapshot->header.instance, readout->instance,
			 sizeof(readout->instance));
	readout->is_alive = is_ours && snapshot->alive_pid;
	readout->is_served = readout->is_alive ||
			     (is_ours && orphans_serve(snapshot));
	readout->now_mono_ns = moment_of(snapshot, readout->is_served);
}

/* Who is behind a ledger. */
enum life {
	LIFE_ALIVE,
	LIFE_ORPHANED, /* its keepers, but no master */
	LIFE_DEAD,
};

static void screen_begin(const struct request *request,
			 const struct output *output)
{
	if (!output->is_repeated)
		return;
	if (request->view->is_screen && output->is_terminal)
		(void)fputs("\033[H\033[J", output->file);
	else if (output->n_printed && !strcmp(request->format->name, "table"))
		(void)fputc('\n', output->file);
}

/* Rows that a hostile or a very busy worker never left alone. */
static void report_busy(const struct source *source,
			const struct snapshot *snapshot)
{
	size_t n = 0, s;

	for (s = 0; s < snapshot->header.n_slots; s++)
		n += snapshot->parts[s].n_rows_busy;
	if (n)
		(void)fprintf(stderr,
			      "guichet-stat: %s: %zu connections were in "
			      "change and are left out\n",
			      source->subject, n);
}

/*
 * Errors of standard output: a reader that has gone away has seen enough;
 * anything else is said.
 */
static void output_finish(struct output *output)
{
	if (!fflush(output->file) && !ferror(output->file))
		return;
	if (errno == EPIPE)
		_exit(EXIT_DONE);
	(void)fprintf(stderr, "guichet-stat: standard output: %s\n",
		      strerror(errno));
	_exit(EXIT_FAILED);
}

/* One output. Tells in *@life who is behind it. */
static int show(const struct request *request, struct source *source,
		struct output *output, enum life *life)
{
	struct kernel_socket *sockets;
	struct snapshot snapshot;
	struct readout readout;
	int err;

	err = source_take(source, request->view->wants, &snapshot);
	if (err)
		return err;
	sockets = calloc(snapshot.header.n_listeners, sizeof(*sockets));
	if (!sockets) {
		err = -ENOMEM;
		goto out_free;
	}
	readout_make(&readout, &snapshot, sockets);
	if (readout.is_served)
		kernel_ask(&snapshot, request->view->asks, sockets);
	*life = readout.is_alive  ? LIFE_ALIVE :
		readout.is_served ? LIFE_ORPHANED :
				    LIFE_DEAD;
	screen_begin(request, output);
	err = request->format->print(request->view, &readout, output);
	output_finish(output);
	output->n_printed++;
	report_busy(source, &snapshot);

out_free:
	if (err)
		(void)fprintf(stderr, "guichet-stat: %s: %s\n", source->subject,
			      strerror(-err));
	free(sockets);
	snapshot_free(&snapshot);
	return err;
}

static void report_dead(const struct source *source)
{
	const struct ledger_header *header = &source->file.header;
	struct snapshot snapshot;
	uint64_t stopped_real_ns = 0;
	char text[TEXT_BYTES];
	const char *why;

	if (!snapshot_take(&source->file, SNAPSHOT_TOTALS, &snapshot, &why)) {
		stopped_real_ns = ledger_get(snapshot.header.stopped_real_ns);
		snapshot_free(&snapshot);
	}
	if (stopped_real_ns)
		(void)fprintf(stderr,
			      "guichet-stat: %s: its server (pid %d) was "
			      "stopped at %s; this is what it left\n",
			      source->subject, (int)header->master_pid,
			      text_time(stopped_real_ns, text));
	else
		(void)fprintf(stderr,
			      "guichet-stat: %s: its server (pid %d) is not "
			      "alive; this is what it left\n",
			      source->subject, (int)header->master_pid);
}

static void report_life(const struct source *source, enum life life)
{
	if (life == LIFE_DEAD)
		report_dead(source);
	else if (life == LIFE_ORPHANED)
		(void)fprintf(stderr,
			      "guichet-stat: %s: its master (pid %d) is not "
			      "alive; its keepers serve on\n",
			      source->subject,
			      (int)source->file.header.master_pid);
}

static void sleep_until(uint64_t deadline_mono_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(deadline_mono_ns / NS_PER_S),
		.tv_nsec = (long)(deadline_mono_ns % NS_PER_S),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
	       EINTR)
		;
}

static enum exit_code show_all(const struct request *request,
			       struct source *source, struct output *output)
{
	uint64_t next_mono_ns = clock_mono_ns();
	enum life life = LIFE_ALIVE, before;
	uint64_t round;

	for (round = 0; !request->count || round < request->count; round++) {
		if (round) {
			/* Having been stopped for long is no debt. */
			next_mono_ns =
				max_u64(next_mono_ns + request->interval_ns,
					clock_mono_ns());
			sleep_until(next_mono_ns);
		}
		before = life;
		if (show(request, source, output, &life))
			return EXIT_FAILED;
		/* A server may be started again while we look. */
		if (life != before && !source->is_file)
			report_life(source, life);
	}
	return life == LIFE_ALIVE || source->is_file ? EXIT_DONE : EXIT_FAILED;
}

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) &&
	       !(term && !strcmp(term, "dumb"));
}

int main(int argc, char **argv)
{
	struct request request = { 0 };
	struct output output = { .file = stdout };
	struct source source;
	enum exit_code code;
	int n_operands;

	/* A closed pipe is then an error of write(2), which we look for. */
	(void)signal(SIGPIPE, SIG_IGN);
	options_parse(&options, argc, argv, &request, &n_operands);
	request_finish(&request, n_operands, argv + 1);
	source_name(&request, &source);
	output.is_terminal = isatty(STDOUT_FILENO);
	output.has_colour = wants_colour();
	output.is_repeated = request.interval_ns != 0;
	if (source_open(&source, request.wait_ns))
		return EXIT_FAILED;
	code = show_all(&request, &source, &output);
	source_close(&source);
	totals_free(output.previous);
	return code;
}
