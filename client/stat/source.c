/* SPDX-License-Identifier: ISC */
/*
 * source.c - the ledger that is read, and the one that takes its place
 */
#include "client/stat/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"

/* How often -W looks: nobody waits long, and a look costs nothing. */
#define LOOK_EVERY_NS (20 * NS_PER_MS)

static void complain(const struct source *source, int err, const char *why)
{
	if (err == -ENOENT && !source->is_file)
		(void)fprintf(stderr,
			      "guichet-stat: %s: no such instance (%s does not "
			      "exist)\n",
			      source->subject, source->path);
	else
		(void)fprintf(stderr, "guichet-stat: %s: %s\n", source->path,
			      why);
}

/* Whether it was opened by now, and its server serves. */
static bool source_serves(struct source *source)
{
	struct ledger_file *file = &source->file;
	struct snapshot snapshot;
	const char *why;
	bool serves;

	if (!ledger_file_owner(file) ||
	    snapshot_take(file, SNAPSHOT_TOTALS, &snapshot, &why))
		return false;
	serves = ledger_get(snapshot.header.state) == LEDGER_SERVING;
	snapshot_free(&snapshot);
	return serves;
}

static int source_try(struct source *source, const char **why)
{
	const int err = ledger_file_open(&source->file, source->path, why);

	source->is_open = !err;
	return err;
}

/* Until the server serves; opens anew each time, for it may be replaced. */
static int source_wait(struct source *source, uint64_t wait_ns)
{
	const uint64_t deadline_mono_ns = clock_mono_ns() + wait_ns;
	const struct timespec pause = { .tv_nsec = LOOK_EVERY_NS };
	const char *why;
	int err;

	for (;;) {
		err = source_try(source, &why);
		if (!err && source_serves(source))
			return 0;
		if (clock_mono_ns() >= deadline_mono_ns)
			break;
		source_close(source);
		(void)nanosleep(&pause, NULL); /* cut short, it looks sooner */
	}
	if (err)
		complain(source, err, why);
	else
		(void)fprintf(stderr,
			      "guichet-stat: %s: no server serves it yet\n",
			      source->subject);
	source_close(source);
	return err ? err : -ETIMEDOUT;
}

int source_open(struct source *source, uint64_t wait_ns)
{
	const char *why;
	int err;

	if (wait_ns)
		return source_wait(source, wait_ns);
	err = source_try(source, &why);
	if (err)
		complain(source, err, why);
	return err;
}

void source_close(struct source *source)
{
	if (source->is_open)
		ledger_file_close(&source->file);
	source->is_open = false;
}

int source_take(struct source *source, unsigned wants,
		struct snapshot *snapshot)
{
	const char *why;
	int err = 0;

	if (ledger_file_is_replaced(&source->file, source->path)) {
		source_close(source);
		err = source_try(source, &why);
	}
	if (!err)
		err = snapshot_take(&source->file, wants, snapshot, &why);
	if (err)
		complain(source, err, why);
	else /* a new master may have adopted it */
		source->file.header = snapshot->header;
	return err;
}
