/* SPDX-License-Identifier: ISC */
/*
 * ledger_file.c - a ledger as a reader opens it
 *
 * Nothing in the file is believed. The header must be, field by field, what
 * ledger_lay_out() gives for its four counts, and those must be within the
 * constants of ledger.h; after that, every place and size that a reader uses
 * is our own arithmetic. pread(2) of a file that shrinks under us comes back
 * short, where a mapping would raise SIGBUS.
 */
#include "common/ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A ring is never longer than the rows it tells of could be many. */
#define MAX_CLOSED LEDGER_MAX_ROWS

#define MAX_OPEN_ATTEMPTS 5

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
const char *ledger_file_fault(int err)
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

int ledger_file_read(const struct ledger_file *file, void *into, size_t bytes,
		     uint64_t offset, const char **why)
{
	int err = read_at(file->fd, into, bytes, offset);

	if (err)
		*why = err == -ENODATA ? "is truncated" :
					 ledger_file_fault(-err);
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

static void end_strings(struct ledger_header *header)
{
	header->instance[sizeof(header->instance) - 1] = '\0';
	header->boot_id[sizeof(header->boot_id) - 1] = '\0';
	header->program[sizeof(header->program) - 1] = '\0';
}

static const char *check_header(const struct ledger_header *header,
				uint64_t file_bytes)
{
	if (memcmp(header->magic, LEDGER_MAGIC, sizeof(header->magic)) != 0)
		return "is not a ledger";
	if (file_bytes < sizeof(*header))
		return "is truncated";
	return fault_of_header(header, file_bytes);
}

int ledger_file_read_header(const struct ledger_file *file,
			    struct ledger_header *header, const char **why)
{
	uint64_t file_bytes;
	struct stat st;
	int err;

	if (fstat(file->fd, &st) < 0) {
		err = -errno;
		*why = ledger_file_fault(-err);
		return err;
	}
	file_bytes = (uint64_t)st.st_size;
	if (file_bytes < sizeof(header->magic)) {
		*why = file_bytes ? "is not a ledger" : "is empty";
		return -EBADMSG;
	}
	memset(header, 0, sizeof(*header));
	err = ledger_file_read(file, header,
			       min_u64(sizeof(*header), file_bytes), 0, why);
	if (err)
		return err;
	*why = check_header(header, file_bytes);
	end_strings(header);
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
		*why = ledger_file_fault(-err);
		return err;
	}
	if (fstat(file->fd, &st) < 0) {
		err = -errno;
		*why = ledger_file_fault(-err);
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
	err = ledger_file_read_header(file, &file->header, why);
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
