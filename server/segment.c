/* SPDX-License-Identifier: ISC */
/*
 * segment.c - the ledger's file: claimed, made, carried over, given up
 *
 * Who holds the write lock of the file that NAME.ledger names is the server of
 * that name. It is built under another name and renamed into place, so it
 * appears complete. A former server's file is locked first and kept open, so
 * that of two starters one is refused, whichever file they see.
 */
#include "server/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/runtime.h"
#include "server/carry.h"
#include "server/part.h"

/* Closed connections that each worker's ring remembers. */
#define RING_CLOSED 1024

/* Peers' addresses are no secret on this machine: ss(8) shows them too. */
#define LEDGER_MODE 0644

/* ---- claiming ---- */

static int lock_file(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_SETLK, &lock) < 0 ? -errno : 0;
}

static pid_t lock_holder(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

static bool is_at_path(int fd, const char *path)
{
	struct stat open_file, named;

	return fstat(fd, &open_file) == 0 && lstat(path, &named) == 0 &&
	       open_file.st_dev == named.st_dev &&
	       open_file.st_ino == named.st_ino;
}

static int refuse(const struct config *config, int fd)
{
	pid_t pid = lock_holder(fd);

	close(fd);
	log_error("instance %s: is already running in %s (pid %d)",
		  config->name, config->runtime_dir, (int)pid);
	return -EBUSY;
}

static int open_regular(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

static int claim_existing(const struct config *config, const char *path)
{
	int fd, err;

	for (;;) {
		fd = open_regular(path);
		if (fd == -ENOENT)
			return fd;
		if (fd < 0) {
			log_error("%s: cannot be used as the ledger: %s", path,
				  fd == -EINVAL ? "not a regular file" :
						  strerror(-fd));
			return fd;
		}
		err = lock_file(fd);
		if (err)
			return refuse(config, fd);
		if (is_at_path(fd, path))
			return fd;
		/* replaced between open and lock: look at the new one */
		close(fd);
	}
}

int segment_claim(const struct config *config, char *path, size_t path_bytes)
{
	int err = runtime_ledger_path(config->runtime_dir, config->name, path,
				      path_bytes);

	if (err) {
		log_error("%s: %s", config->runtime_dir, strerror(-err));
		return err;
	}
	if (mkdir(config->runtime_dir, 0755) < 0 && errno != EEXIST) {
		err = -errno;
		log_error("%s: cannot make the runtime directory: %s",
			  config->runtime_dir, strerror(-err));
		/* -ENOENT would say that there is no ledger yet */
		return err == -ENOENT ? -ENOTDIR : err;
	}
	return claim_existing(config, path);
}

/* ---- making ---- */

static void copy_text(char *to, size_t bytes, const char *from)
{
	(void)snprintf(to, bytes, "%s", from);
}

static void read_boot_id(char *out, size_t bytes)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	out[0] = '\0';
	if (!f)
		return; /* then nobody can compare it, and nobody will */
	if (!fgets(out, (int)bytes, f))
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	(void)fclose(f);
}

static void fill_header(struct segment *segment, const struct config *config)
{
	struct ledger_header *h = segment->header;

	*h = segment->shape;
	memcpy(h->magic, LEDGER_MAGIC, sizeof(h->magic));
	h->version = LEDGER_VERSION;
	copy_text(h->instance, sizeof(h->instance), config->name);
	copy_text(h->program, sizeof(h->program), GUICHET_VERSION);
	read_boot_id(h->boot_id, sizeof(h->boot_id));
	h->started_real_ns = clock_real_ns();
	h->started_mono_ns = clock_mono_ns();
	h->created_real_ns = h->started_real_ns;
	h->master_pid = getpid();
	ledger_set(h->state, LEDGER_STARTING);
}

static void fill_own(struct ledger_own *to, const struct service *service)
{
	for (size_t i = 0; i < service->n_counters; i++) {
		const struct service_counter *from = &service->counters[i];

		copy_text(to[i].name, sizeof(to[i].name), from->name);
		copy_text(to[i].unit, sizeof(to[i].unit), from->unit);
		copy_text(to[i].help, sizeof(to[i].help), from->help);
	}
}

void segment_put_listener(struct segment *segment, uint32_t entry,
			  const struct listener *from)
{
	struct ledger_listener *to = &segment->listeners[entry];

	copy_text(to->name, sizeof(to->name), from->config->name);
	copy_text(to->service, sizeof(to->service),
		  from->config->service->name);
	(void)addr_format(&from->addr, to->address);
	to->transport = (uint16_t)from->addr.transport;
	to->family = from->addr.u.any.sa_family;
	to->port = addr_port(&from->addr);
	to->backlog = from->backlog;
	to->inode = from->inode;
	to->state_bytes = (uint32_t)from->config->service->state_bytes;
	ledger_set(to->flags, (from->file_ino ? LISTENER_OWN_FILE : 0) |
				      (from->is_given ? LISTENER_GIVEN : 0));
	fill_own(&segment->own[entry * LEDGER_OWN_COUNTERS],
		 from->config->service);
}

void segment_retire_listener(struct segment *segment, uint32_t entry,
			     bool is_retired)
{
	struct ledger_listener *to = &segment->listeners[entry];
	uint32_t others = ledger_get(to->flags) & ~LISTENER_RETIRED;

	ledger_set(to->flags, others | (is_retired ? LISTENER_RETIRED : 0));
}

static bool is_same_listener(const struct ledger_listener *entry,
			     const struct listener *listener)
{
	char address[ADDR_TEXT_BYTES];

	addr_format(&listener->addr, address);
	return !strcmp(entry->address, address) &&
	       !strcmp(entry->name, listener->config->name) &&
	       !strcmp(entry->service, listener->config->service->name);
}

bool segment_is_fit(const struct segment *segment, uint32_t entry,
		    const struct service *service)
{
	const struct ledger_listener *known = &segment->listeners[entry];
	const struct ledger_own *own =
		&segment->own[entry * LEDGER_OWN_COUNTERS];
	struct ledger_own ours[LEDGER_OWN_COUNTERS] = { 0 };

	if (known->state_bytes != service->state_bytes)
		return false;
	fill_own(ours, service);
	/* more of them is fine: those were zero */
	for (size_t i = 0; i < LEDGER_OWN_COUNTERS && own[i].name[0]; i++)
		if (strcmp(own[i].name, ours[i].name) != 0)
			return false;
	return true;
}

static uint64_t read_count(const struct segment *segment, unsigned slot,
			   uint32_t entry, unsigned counter)
{
	const struct ledger_header *shape = &segment->shape;
	uint64_t at = shape->parts_offset + slot * shape->part_bytes +
		      shape->totals_offset +
		      (uint64_t)entry * shape->totals_bytes +
		      counter * sizeof(uint64_t);
	uint64_t value = 0;

	(void)!pread(segment->view_fd, &value, sizeof(value), (off_t)at);
	return value;
}

static uint64_t n_open_of(const struct segment *segment, unsigned slot,
			  uint32_t entry)
{
	return read_count(segment, slot, entry, COUNTER_ACCEPTED) -
	       read_count(segment, slot, entry, COUNTER_CLOSED);
}

bool segment_has_open(const struct segment *segment, uint32_t entry)
{
	for (unsigned s = 0; s < segment->shape.n_slots; s++)
		if (ledger_get(segment->slots[s].is_used) &&
		    n_open_of(segment, s, entry))
			return true;
	return false;
}

bool segment_holds_any(const struct segment *segment, unsigned slot)
{
	for (uint32_t e = 1; e < segment->shape.n_listeners; e++)
		if (n_open_of(segment, slot, e))
			return true;
	return false;
}

uint32_t segment_find_entry(const struct segment *segment,
			    const struct listener *listener,
			    const bool *is_taken)
{
	uint32_t n = segment->shape.n_listeners;

	for (uint32_t e = 1; e < n; e++)
		if (!is_taken[e] &&
		    is_same_listener(&segment->listeners[e], listener))
			return e;
	for (uint32_t e = 1; e < n; e++)
		if (!is_taken[e] && !segment->listeners[e].address[0])
			return e;
	return 0;
}

/*
 * Reserved, not only promised: on a tmpfs that is full, writing into a hole
 * would be a SIGBUS long after the start.
 */
static int reserve(int fd, uint64_t offset, uint64_t bytes)
{
	return fallocate(fd, 0, (off_t)offset, (off_t)bytes) < 0 ? -errno : 0;
}

static int map_master_side(struct segment *segment)
{
	size_t bytes = segment->shape.parts_offset;
	uint8_t *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			     segment->fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	/* a keeper must not inherit what only the master may write */
	if (madvise(base, bytes, MADV_DONTFORK) < 0)
		return -errno;
	segment->header = (void *)base;
	segment->listeners = (void *)(base + segment->shape.listeners_offset);
	segment->own = (void *)(base + segment->shape.own_offset);
	segment->slots = (void *)(base + segment->shape.slots_offset);
	return 0;
}

/* Never to be closed again: that would drop the lock on the file. */
static int open_view(struct segment *segment, const char *path)
{
	segment->view_fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return segment->view_fd < 0 ? -errno : 0;
}

static int make_file(struct segment *segment, const char *building)
{
	const struct ledger_header *shape = &segment->shape;
	int err;

	(void)unlink(building); /* of a former process with our pid */
	segment->fd = open(building,
			   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			   LEDGER_MODE);
	if (segment->fd < 0)
		return -errno;
	/* whatever the umask: readers are meant to read */
	if (fchmod(segment->fd, LEDGER_MODE) < 0 ||
	    ftruncate(segment->fd, (off_t)shape->file_bytes) < 0)
		return -errno;
	err = reserve(segment->fd, 0, shape->parts_offset);
	if (!err)
		err = open_view(segment, building);
	if (!err)
		err = lock_file(segment->fd);
	return err ? err : map_master_side(segment);
}

/* Under its own name now: over the one we claimed, or where none was. */
static int put_in_place(const char *building, const char *path, int old_fd)
{
	int err = 0;

	if (old_fd >= 0)
		return rename(building, path) < 0 ? -errno : 0;
	if (link(building, path) < 0)
		err = -errno;
	(void)unlink(building);
	return err;
}

int segment_open_slot(struct segment *segment, unsigned slot)
{
	const struct ledger_header *shape = &segment->shape;
	int err = reserve(segment->fd,
			  shape->parts_offset + slot * shape->part_bytes,
			  shape->part_bytes);

	if (!err)
		ledger_set(segment->slots[slot].is_used, 1);
	return err;
}

static int build(struct segment *segment, const struct config *config,
		 const char *building, int old_fd,
		 const struct listener *listeners, size_t n_listeners,
		 unsigned n_workers)
{
	int err = make_file(segment, building);

	if (err)
		return err;
	fill_header(segment, config);
	for (size_t i = 0; i < n_listeners; i++)
		segment_put_listener(segment, (uint32_t)i + 1, &listeners[i]);
	for (unsigned s = 0; !err && s < n_workers; s++)
		err = segment_open_slot(segment, s);
	if (!err && old_fd >= 0)
		carry_over(segment);
	if (!err)
		err = put_in_place(building, segment->path, old_fd);
	return err;
}

int segment_create(struct segment *segment, const struct config *config,
		   const char *path, int old_fd,
		   const struct listener *listeners, size_t n_listeners,
		   unsigned n_workers)
{
	const struct ledger_shape shape = {
		.n_listeners = (uint32_t)min_u64(LEDGER_MAX_LISTENERS,
						 n_listeners + 1 +
							 SEGMENT_SPARE_ENTRIES),
		.n_slots = config_n_workers_max(config) + SEGMENT_SPARE_SLOTS,
		.n_rows = config->worker_connections,
		.n_closed = RING_CLOSED,
	};
	char building[sizeof(segment->path) + 32];
	int err;

	*segment = (struct segment){ .fd = -1 };
	copy_text(segment->path, sizeof(segment->path), path);
	(void)snprintf(building, sizeof(building), "%s.%d", path,
		       (int)getpid());
	ledger_lay_out(&segment->shape, &shape);
	err = build(segment, config, building, old_fd, listeners, n_listeners,
		    n_workers);
	if (!err)
		return 0;
	(void)unlink(building);
	log_error("%s: cannot make the ledger: %s", path,
		  err == -EEXIST ? "another server was quicker" :
				   strerror(-err));
	return err;
}

/* Who touches what the file has lost dies of SIGBUS. */
static int check_whole(int fd, const struct ledger_header *shape)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return (uint64_t)st.st_size == shape->file_bytes ? 0 : -EPROTO;
}

int segment_attach(struct segment *segment, int fd, int view_fd,
		   const char *path)
{
	struct segment attached = { .fd = fd, .view_fd = view_fd };
	int err;

	/* @path may be the one that stands in @segment */
	copy_text(attached.path, sizeof(attached.path), path);
	*segment = attached;
	err = view_fd < 0 ? open_view(segment, path) : 0;
	if (!err)
		err = ledger_read_shape(fd, &segment->shape);
	if (!err)
		err = check_whole(fd, &segment->shape);
	if (!err)
		err = map_master_side(segment);
	if (err)
		return err;
	segment->header->master_pid = getpid();
	copy_text(segment->header->program, sizeof(segment->header->program),
		  GUICHET_VERSION);
	return 0;
}

bool segment_is_of_this_boot(const struct segment *segment)
{
	char ours[sizeof(segment->header->boot_id)];

	read_boot_id(ours, sizeof(ours));
	return !ours[0] || !segment->header->boot_id[0] ||
	       !strncmp(ours, segment->header->boot_id, sizeof(ours));
}

void segment_detach(struct segment *segment)
{
	(void)munmap(segment->header, segment->shape.parts_offset);
	*segment = (struct segment){ .fd = -1, .view_fd = -1 };
}

void segment_set_state(struct segment *segment, enum ledger_state state)
{
	if (state == LEDGER_STOPPED)
		ledger_set(segment->header->stopped_real_ns, clock_real_ns());
	/* release: a stopped ledger says when */
	atomic_store_explicit(&segment->header->state, state,
			      memory_order_release);
}
