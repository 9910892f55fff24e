/* SPDX-License-Identifier: ISC */
/*
 * snapshot.c - a private, checked copy of a ledger
 *
 * Nothing in the file is believed. The header must be, field by field, what
 * ledger_lay_out() gives for its four counts, and those must be within the
 * constants of ledger.h; after that, every place and size used here is our
 * own arithmetic. What workers wrote is only ever copied, and compared with
 * bounds. pread(2) of a file that shrinks under us comes back short, where a
 * mapping would raise SIGBUS.
 *
 * Rows and closed connections are copied in chunks, three times each: where
 * the first and the third copy of a row have the same even seq, the second
 * was whole. The few rows that were in change are tried again one by one.
 * Holes of the file are skipped, so that a forged file that says it is huge
 * costs no more than what it really holds.
 */
#include "common/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"

/* A ring is never longer than the rows it tells of could be many. */
#define MAX_CLOSED LEDGER_MAX_ROWS

/* See above. */
#define COPIES 3

/* 64 KiB of rows: a copy takes some ten microseconds. */
#define CHUNK_RECORDS 256

/* Tries for all the rows of one part that were in change, together. */
#define MAX_RETRIES       1024
#define MAX_RETRIES_EACH  16
#define MAX_OPEN_ATTEMPTS 5

#define CHANGED "changed its layout while it was read"

/* What open(2) may say of a path, in a user's words. */
static const struct {
	int err;
	const char *why;
} open_faults[] = {
	{ ENOENT, "does not exist" },
	{ ENOTDIR, "does not exist: a part of its path is no directory" },
	{ ELOOP, "is a symbolic link" },
	{ EACCES, "may not be read by this user" },
	{ ENXIO, "is not a regular file" },
	{ ENAMETOOLONG, "is too long a path" },
};

/* strerrordesc_np() gives NULL for a number that is none. */
static const char *fault_of_errno(int err)
{
	const char *why;
	size_t i;

	for (i = 0; i < ARRAY_LEN(open_faults); i++) {
		if (open_faults[i].err == err)
			return open_faults[i].why;
	}
	why = strerrordesc_np(err);
	return why ? why : "cannot be read";
}

/* All of @bytes at @offset, or -ENODATA where the file ends before. */
static int read_at(int fd, void *into, size_t bytes, uint64_t offset)
{
	size_t done = 0;
	ssize_t got;

	while (done < bytes) {
		got = pread(fd, (char *)into + done, bytes - done,
			    (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -ENODATA;
		done += (size_t)got;
	}
	return 0;
}

static int read_part(const struct ledger_file *file, void *into, size_t bytes,
		     uint64_t offset, const char **why)
{
	int err = read_at(file->fd, into, bytes, offset);

	if (err)
		*why = err == -ENODATA ? "is truncated" : fault_of_errno(-err);
	return err;
}

/* The directory in which @path stands; false when there is none. */
static bool stat_directory_of(const char *path, struct stat *st)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) :
			    strdup(".");
	bool is_there = dir && !stat(dir, st);

	free(dir);
	return is_there;
}

/*
 * A ledger is root's, our own, or that of the user whom a server runs as: then
 * nobody else may put files where it stands.
 */
static bool owner_is_expected(const struct stat *st, const char *path)
{
	struct stat dir;

	if (st->st_uid == 0 || st->st_uid == geteuid())
		return true;
	return stat_directory_of(path, &dir) && dir.st_uid == st->st_uid &&
	       !(dir.st_mode & (S_IWGRP | S_IWOTH));
}

/* What the file itself, before its contents, has against it; or NULL. */
static const char *fault_of_stat(const struct stat *st, const char *path)
{
	if (S_ISDIR(st->st_mode))
		return "is a directory";
	if (!S_ISREG(st->st_mode))
		return "is not a regular file";
	if (st->st_nlink > 1)
		return "has another name too (a hard link)";
	if (!owner_is_expected(st, path))
		return "belongs to another user";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "can be written by other users";
	return NULL;
}

static const char *fault_of_version(uint32_t version)
{
	static char text[64];

	(void)snprintf(text, sizeof(text),
		       "has layout version %u; this program reads %d", version,
		       LEDGER_VERSION);
	return text;
}

static bool counts_are_sane(const struct ledger_header *header)
{
	return header->n_listeners >= 1 &&
	       header->n_listeners <= LEDGER_MAX_LISTENERS &&
	       header->n_slots >= 1 && header->n_slots <= LEDGER_MAX_SLOTS &&
	       header->n_rows <= LEDGER_MAX_ROWS &&
	       header->n_closed <= MAX_CLOSED &&
	       header->n_counters == COUNTERS_ALL_N &&
	       header->n_turns == HISTOGRAM_BUCKETS;
}

/* Whether every size and offset is what the counts ask for. */
static bool layout_is_ours(const struct ledger_header *header)
{
	const struct ledger_shape shape = {
		.n_listeners = header->n_listeners,
		.n_slots = header->n_slots,
		.n_rows = header->n_rows,
		.n_closed = header->n_closed,
	};
	const size_t from = offsetof(struct ledger_header, file_bytes);
	const size_t to = offsetof(struct ledger_header, instance);
	struct ledger_header ours;

	memcpy(&ours, header, sizeof(ours));
	ledger_lay_out(&ours, &shape);
	return !memcmp((const char *)&ours + from, (const char *)header + from,
		       to - from);
}

/* What the header says wrong of a file of @file_bytes; or NULL. */
static const char *fault_of_header(const struct ledger_header *header,
				   uint64_t file_bytes)
{
	if (header->version != LEDGER_VERSION)
		return fault_of_version(header->version);
	if (header->header_bytes != sizeof(*header) ||
	    !counts_are_sane(header) || !layout_is_ours(header))
		return "has a header that contradicts itself";
	if (file_bytes < header->file_bytes)
		return "is truncated";
	if (file_bytes > header->file_bytes)
		return "is longer than its header says";
	return NULL;
}

static int header_read(int fd, uint64_t file_bytes,
		       struct ledger_header *header, const char **why)
{
	int err;

	if (file_bytes < sizeof(header->magic)) {
		*why = file_bytes ? "is not a ledger" : "is empty";
		return -EBADMSG;
	}
	memset(header, 0, sizeof(*header));
	err = read_at(fd, header, min_u64(sizeof(*header), file_bytes), 0);
	if (err) {
		*why = err == -ENODATA ? "is truncated" : fault_of_errno(-err);
		return err;
	}
	if (memcmp(header->magic, LEDGER_MAGIC, sizeof(header->magic)) != 0)
		*why = "is not a ledger";
	else if (file_bytes < sizeof(*header))
		*why = "is truncated";
	else
		*why = fault_of_header(header, file_bytes);
	header->instance[sizeof(header->instance) - 1] = '\0';
	header->boot_id[sizeof(header->boot_id) - 1] = '\0';
	header->program[sizeof(header->program) - 1] = '\0';
	return *why ? -EBADMSG : 0;
}

/* One try: -EAGAIN when the file was replaced between our two looks. */
static int file_open(struct ledger_file *file, const char *path,
		     const char **why)
{
	struct stat st;
	int err;

	/* O_NONBLOCK: a FIFO has nobody at its other end, and never will. */
	file->fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
				      O_CLOEXEC);
	if (file->fd < 0) {
		err = -errno;
		*why = fault_of_errno(-err);
		return err;
	}
	if (fstat(file->fd, &st) < 0) {
		err = -errno;
		*why = fault_of_errno(-err);
		goto out_close;
	}
	*why = fault_of_stat(&st, path);
	if (*why) {
		err = -EPERM;
		goto out_close;
	}
	if (!st.st_nlink) {
		*why = "was removed while it was opened";
		err = -EAGAIN;
		goto out_close;
	}
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	err = header_read(file->fd, (uint64_t)st.st_size, &file->header, why);
	if (!err)
		return 0;

out_close:
	(void)close(file->fd); /* read-only: nothing can be lost */
	file->fd = -1;
	return err;
}

int ledger_file_open(struct ledger_file *file, const char *path,
		     const char **why)
{
	unsigned attempt;
	int err = -EAGAIN;

	for (attempt = 0; err == -EAGAIN && attempt < MAX_OPEN_ATTEMPTS;
	     attempt++)
		err = file_open(file, path, why);
	return err;
}

void ledger_file_close(struct ledger_file *file)
{
	if (file->fd >= 0)
		(void)close(file->fd); /* read-only: nothing can be lost */
	file->fd = -1;
}

/*
 * Asks whether a *read* lock would be refused: then somebody holds a write
 * lock, for which the file must be open for writing. What other readers may
 * do to the file cannot make a dead server look alive.
 */
int ledger_lock_owner(int fd, pid_t *pid)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	*pid = 0;
	if (fcntl(fd, F_GETLK, &lock) < 0)
		return -errno;
	*pid = lock.l_pid;
	return lock.l_type != F_UNLCK;
}

pid_t ledger_file_owner(const struct ledger_file *file)
{
	pid_t pid;

	if (ledger_lock_owner(file->fd, &pid) <= 0)
		return 0;
	if (pid > 0)
		return pid;
	/* It lives in a pid namespace that we cannot see into. */
	return file->header.master_pid > 0 ? file->header.master_pid : 1;
}

bool ledger_file_is_replaced(const struct ledger_file *file, const char *path)
{
	struct stat st;

	return !lstat(path, &st) &&
	       (st.st_dev != file->dev || st.st_ino != file->ino);
}

/* Records of one kind, one after another in the file, each opened by seq. */
struct scan {
	const struct ledger_file *file;
	uint64_t offset; /* of the first one */
	uint32_t n;
	uint32_t split; /* tells, in n_before_split, how many lie before it */
	size_t record_bytes;
	/* Whether there is a record at all: @record may be torn. */
	bool (*is_there)(const void *record);

	/* the result */
	char *kept;
	size_t n_kept, n_room, n_before_split, n_busy;

	unsigned n_retries;
	char *copy[COPIES]; /* of CHUNK_RECORDS each */
};

static uint32_t seq_of(const void *record)
{
	uint32_t seq;

	memcpy(&seq, record, sizeof(seq));
	return seq;
}

static bool seqs_agree(uint32_t before, uint32_t after)
{
	return before == after && !(before & 1);
}

static int scan_keep(struct scan *scan, uint32_t i, const void *record)
{
	size_t n_room;
	char *kept;

	if (!scan->is_there(record))
		return 0;
	if (scan->n_kept == scan->n_room) {
		n_room = scan->n_room ? 2 * scan->n_room : 64;
		kept = reallocarray(scan->kept, n_room, scan->record_bytes);
		if (!kept)
			return -ENOMEM;
		scan->kept = kept;
		scan->n_room = n_room;
	}
	memcpy(scan->kept + scan->n_kept * scan->record_bytes, record,
	       scan->record_bytes);
	scan->n_kept++;
	if (i < scan->split)
		scan->n_before_split++;
	return 0;
}

/* A record that was in change: a few more looks at it alone. */
static int scan_retry(struct scan *scan, uint32_t i, const char **why)
{
	const uint64_t offset = scan->offset + (uint64_t)i * scan->record_bytes;
	char *record = scan->copy[1]; /* its old place is free by now */
	uint32_t seq[2];
	unsigned attempt;
	int err;

	for (attempt = 0; attempt < MAX_RETRIES_EACH; attempt++) {
		if (scan->n_retries++ >= MAX_RETRIES)
			break;
		err = read_part(scan->file, &seq[0], sizeof(seq[0]), offset,
				why);
		if (!err)
			err = read_part(scan->file, record, scan->record_bytes,
					offset, why);
		if (!err)
			err = read_part(scan->file, &seq[1], sizeof(seq[1]),
					offset, why);
		if (err)
			return err;
		if (seqs_agree(seq[0], seq[1]))
			return scan_keep(scan, i, record);
		(void)sched_yield(); /* its writer may wait for our processor */
	}
	scan->n_busy++;
	return 0;
}

/* Copies records @first to @first + @n; most are whole at once. */
static int scan_chunk(struct scan *scan, uint32_t first, uint32_t n,
		      const char **why)
{
	const uint64_t offset =
		scan->offset + (uint64_t)first * scan->record_bytes;
	uint32_t busy[CHUNK_RECORDS];
	uint32_t n_busy = 0, i;
	bool is_any = false;
	unsigned c;
	int err;

	for (c = 0; c < COPIES; c++) {
		err = read_part(scan->file, scan->copy[c],
				n * scan->record_bytes, offset, why);
		if (err)
			return err;
		/* The three copies are made one after the other. */
		atomic_thread_fence(memory_order_acquire);
		for (i = 0; !c && i < n && !is_any; i++)
			is_any = scan->is_there(scan->copy[0] +
						i * scan->record_bytes);
		if (!is_any)
			return 0;
	}
	for (i = 0; i < n; i++) {
		const size_t at = i * scan->record_bytes;

		err = 0;
		if (seqs_agree(seq_of(scan->copy[0] + at),
			       seq_of(scan->copy[2] + at)))
			err = scan_keep(scan, first + i, scan->copy[1] + at);
		else if (scan->is_there(scan->copy[2] + at))
			busy[n_busy++] = first + i;
		if (err)
			return err;
	}
	for (i = 0; i < n_busy; i++) {
		err = scan_retry(scan, busy[i], why);
		if (err)
			return err;
	}
	return 0;
}

/* The first record at or after @i that does not lie in a hole. */
static uint32_t scan_skip_hole(const struct scan *scan, uint32_t i)
{
	const uint64_t offset = scan->offset + (uint64_t)i * scan->record_bytes;
	const off_t data = lseek(scan->file->fd, (off_t)offset, SEEK_DATA);
	uint64_t n_skipped;

	if (data < 0) /* ENXIO: holes to the end. Else we cannot tell. */
		return errno == ENXIO ? scan->n : i;
	n_skipped = ((uint64_t)data - offset) / scan->record_bytes;
	return (uint32_t)min_u64(scan->n, i + n_skipped);
}

static int scan_run(struct scan *scan, const char **why)
{
	const size_t chunk_bytes = CHUNK_RECORDS * scan->record_bytes;
	char *copies = malloc(COPIES * chunk_bytes);
	uint32_t i = 0, n;
	unsigned c;
	int err = 0;

	if (!copies)
		return -ENOMEM;
	for (c = 0; c < COPIES; c++)
		scan->copy[c] = copies + c * chunk_bytes;
	while (!err) {
		i = scan_skip_hole(scan, i);
		if (i >= scan->n)
			break;
		n = (uint32_t)min_u64(scan->n - i, CHUNK_RECORDS);
		err = scan_chunk(scan, i, n, why);
		i += n;
	}
	free(copies);
	if (err) {
		free(scan->kept);
		scan->kept = NULL;
	}
	return err;
}

static bool row_is_there(const void *record)
{
	const struct ledger_row *row = record;

	return ledger_get(row->state) != ROW_FREE;
}

static int rows_take(const struct ledger_file *file, uint64_t part_offset,
		     struct snapshot_part *part, const char **why)
{
	struct scan scan = {
		.file = file,
		.offset = part_offset + file->header.rows_offset,
		.n = (uint32_t)min_u64(ledger_get(part->head.rows_high),
				       file->header.n_rows),
		.record_bytes = sizeof(struct ledger_row),
		.is_there = row_is_there,
	};
	const int err = scan_run(&scan, why);

	if (err)
		return err;
	part->rows = (struct ledger_row *)(void *)scan.kept;
	part->n_rows = scan.n_kept;
	part->n_rows_busy = scan.n_busy;
	return 0;
}

static bool closed_is_there(const void *record)
{
	const struct ledger_closed *closed = record;

	return closed->id || closed->closed_real_ns;
}

static void closed_reverse(struct ledger_closed *closed, size_t n)
{
	struct ledger_closed swapped;
	size_t i;

	for (i = 0; i < n / 2; i++) {
		swapped = closed[i];
		closed[i] = closed[n - 1 - i];
		closed[n - 1 - i] = swapped;
	}
}

/*
 * The ring was last written just before ring_next: what lies there and before
 * is the newer half, what lies after it the older one.
 */
static int closed_take(const struct ledger_file *file, uint64_t part_offset,
		       struct snapshot_part *part, const char **why)
{
	const uint64_t n_ever = ledger_get(part->head.ring_next);
	const uint32_t n_ring = file->header.n_closed;
	struct scan scan = {
		.file = file,
		.offset = part_offset + file->header.closed_offset,
		.n = (uint32_t)min_u64(n_ever, n_ring),
		.split = n_ring ? (uint32_t)(n_ever % n_ring) : 0,
		.record_bytes = sizeof(struct ledger_closed),
		.is_there = closed_is_there,
	};
	const int err = scan_run(&scan, why);

	if (err)
		return err;
	part->closed = (struct ledger_closed *)(void *)scan.kept;
	part->n_closed = scan.n_kept;
	if (!part->closed)
		return 0;
	closed_reverse(part->closed, scan.n_before_split);
	closed_reverse(part->closed + scan.n_before_split,
		       scan.n_kept - scan.n_before_split);
	return 0;
}

static int part_take(const struct ledger_file *file, unsigned wants,
		     struct snapshot *snapshot, size_t s, const char **why)
{
	const struct ledger_header *header = &file->header;
	const uint64_t offset =
		header->parts_offset + (uint64_t)s * header->part_bytes;
	struct snapshot_part *part = &snapshot->parts[s];
	int err;

	if (!ledger_get(snapshot->slots[s].is_used))
		return 0;
	err = read_part(file, &part->head, sizeof(part->head), offset, why);
	part->head.program[sizeof(part->head.program) - 1] = '\0';
	if (!err)
		err = read_part(file, part->totals,
				header->n_listeners * sizeof(*part->totals),
				offset + header->totals_offset, why);
	if (!err)
		err = read_part(file, part->turns,
				HISTOGRAM_BUCKETS * sizeof(*part->turns),
				offset + header->turns_offset, why);
	if (!err && (wants & SNAPSHOT_ROWS))
		err = rows_take(file, offset, part, why);
	if (!err && (wants & SNAPSHOT_CLOSED))
		err = closed_take(file, offset, part, why);
	return err;
}

/* The tables that the counts of a checked header call for, all zero. */
static int snapshot_allocate(struct snapshot *snapshot)
{
	const size_t n_listeners = snapshot->header.n_listeners;
	const size_t n_slots = snapshot->header.n_slots;
	struct ledger_totals *totals;
	uint64_t *turns;
	size_t s;

	snapshot->listeners = calloc(n_listeners, sizeof(*snapshot->listeners));
	snapshot->own = calloc(n_listeners * LEDGER_OWN_COUNTERS,
			       sizeof(*snapshot->own));
	snapshot->slots = calloc(n_slots, sizeof(*snapshot->slots));
	snapshot->parts = calloc(n_slots, sizeof(*snapshot->parts));
	if (!snapshot->listeners || !snapshot->own || !snapshot->slots ||
	    !snapshot->parts)
		return -ENOMEM;
	/* The first part owns all of these; see snapshot_free(). */
	totals = calloc(n_slots * n_listeners, sizeof(*totals));
	snapshot->parts[0].totals = totals;
	turns = calloc(n_slots * HISTOGRAM_BUCKETS, sizeof(*turns));
	snapshot->parts[0].turns = turns;
	if (!totals || !turns)
		return -ENOMEM;
	for (s = 0; s < n_slots; s++) {
		snapshot->parts[s].totals = totals + s * n_listeners;
		snapshot->parts[s].turns = turns + s * HISTOGRAM_BUCKETS;
	}
	return 0;
}

static void listeners_end_strings(struct snapshot *snapshot)
{
	struct ledger_listener *listener;
	struct ledger_own *own;
	size_t l, i;

	for (l = 0; l < snapshot->header.n_listeners; l++) {
		listener = &snapshot->listeners[l];
		listener->name[sizeof(listener->name) - 1] = '\0';
		listener->address[sizeof(listener->address) - 1] = '\0';
		listener->service[sizeof(listener->service) - 1] = '\0';
	}
	for (i = 0; i < l * LEDGER_OWN_COUNTERS; i++) {
		own = &snapshot->own[i];
		own->name[sizeof(own->name) - 1] = '\0';
		own->unit[sizeof(own->unit) - 1] = '\0';
		own->help[sizeof(own->help) - 1] = '\0';
	}
}

static bool shape_is_same(const struct ledger_header *a,
			  const struct ledger_header *b)
{
	return a->n_listeners == b->n_listeners && a->n_slots == b->n_slots &&
	       a->n_rows == b->n_rows && a->n_closed == b->n_closed;
}

static int tables_take(const struct ledger_file *file, unsigned wants,
		       struct snapshot *snapshot, const char **why)
{
	const struct ledger_header *header = &snapshot->header;
	size_t s;
	int err;

	err = snapshot_allocate(snapshot);
	if (!err)
		err = read_part(file, snapshot->listeners,
				header->n_listeners *
					sizeof(*snapshot->listeners),
				header->listeners_offset, why);
	if (!err)
		err = read_part(file, snapshot->own,
				header->n_listeners * LEDGER_OWN_COUNTERS *
					sizeof(*snapshot->own),
				header->own_offset, why);
	if (!err)
		err = read_part(file, snapshot->slots,
				header->n_slots * sizeof(*snapshot->slots),
				header->slots_offset, why);
	if (err)
		return err;
	listeners_end_strings(snapshot);
	for (s = 0; !err && s < header->n_slots; s++)
		err = part_take(file, wants, snapshot, s, why);
	return err;
}

int snapshot_take(const struct ledger_file *file, unsigned wants,
		  struct snapshot *snapshot, const char **why)
{
	struct stat st;
	int err;

	memset(snapshot, 0, sizeof(*snapshot));
	*why = NULL;
	snapshot->taken_mono_ns = clock_mono_ns();
	snapshot->taken_real_ns = clock_real_ns();
	snapshot->alive_pid = ledger_file_owner(file);
	if (fstat(file->fd, &st) < 0) {
		err = -errno;
		*why = fault_of_errno(-err);
		return err;
	}
	err = header_read(file->fd, (uint64_t)st.st_size, &snapshot->header,
			  why);
	if (err)
		return err;
	if (!shape_is_same(&snapshot->header, &file->header)) {
		*why = CHANGED;
		return -EBADMSG;
	}
	err = tables_take(file, wants, snapshot, why);
	if (err) {
		if (!*why)
			*why = fault_of_errno(-err);
		snapshot_free(snapshot);
	}
	return err;
}

void snapshot_free(struct snapshot *snapshot)
{
	size_t s;

	if (snapshot->parts) {
		free(snapshot->parts[0].totals);
		free(snapshot->parts[0].turns);
		for (s = 0; s < snapshot->header.n_slots; s++) {
			free(snapshot->parts[s].rows);
			free(snapshot->parts[s].closed);
		}
	}
	free(snapshot->parts);
	free(snapshot->slots);
	free(snapshot->own);
	free(snapshot->listeners);
	memset(snapshot, 0, sizeof(*snapshot));
}

bool snapshot_is_listener(const struct snapshot *snapshot, size_t listener)
{
	return listener != LEDGER_FORMER &&
	       listener < snapshot->header.n_listeners &&
	       snapshot->listeners[listener].address[0];
}

bool snapshot_is_listening(const struct snapshot *snapshot, size_t listener)
{
	return snapshot_is_listener(snapshot, listener) &&
	       !(ledger_get(snapshot->listeners[listener].flags) &
		 LISTENER_RETIRED);
}

uint64_t snapshot_counter(const struct snapshot *snapshot, size_t listener,
			  enum counter counter)
{
	uint64_t sum = 0;
	size_t s;

	for (s = 0; s < snapshot->header.n_slots; s++)
		sum += ledger_get(
			snapshot->parts[s].totals[listener].counter[counter]);
	return sum;
}

uint64_t snapshot_n_open(const struct snapshot *snapshot, size_t listener)
{
	const uint64_t n_accepted =
		snapshot_counter(snapshot, listener, COUNTER_ACCEPTED);
	const uint64_t n_closed =
		snapshot_counter(snapshot, listener, COUNTER_CLOSED);

	/* The two are not read at the same moment. */
	return n_accepted > n_closed ? n_accepted - n_closed : 0;
}

uint64_t snapshot_own(const struct snapshot *snapshot, size_t listener,
		      size_t i)
{
	uint64_t sum = 0;
	size_t s;

	for (s = 0; s < snapshot->header.n_slots; s++)
		sum += ledger_get(snapshot->parts[s].totals[listener].own[i]);
	return sum;
}

uint64_t snapshot_total(const struct snapshot *snapshot, enum counter counter)
{
	uint64_t sum = 0;
	size_t l;

	for (l = 0; l < snapshot->header.n_listeners; l++)
		sum += snapshot_counter(snapshot, l, counter);
	return sum;
}
