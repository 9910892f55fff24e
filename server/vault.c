/* SPDX-License-Identifier: ISC */
/*
 * vault.c - a worker's private memory that outlives the worker
 */
#include "server/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXCHANGE_BYTES 4096U

/* 64 KiB a connection, as address space only, within 32-bit offsets. */
#define BUFFER_BYTES_PER_ROW (64U << 10)
#define BUFFER_BYTES_MIN     (64ULL << 20)
#define BUFFER_BYTES_MAX     (2ULL << 30)

/* Places are 32-bit: that of the states comes last. */
_Static_assert(EXCHANGE_BYTES + VAULT_ORDERS_BYTES + VAULT_SCRATCH_IN_BYTES +
			       VAULT_SCRATCH_OUT_BYTES + BUFFER_BYTES_MAX <=
		       UINT32_MAX,
	       "the states' offset");
_Static_assert(VAULT_ORDERS_BYTES % VAULT_PAGE_BYTES == 0, "whole pages");

static uint64_t states_bytes(uint32_t n_rows, uint32_t state_bytes)
{
	return 2ULL * n_rows * state_bytes;
}

static void lay_out(struct vault *vault, uint32_t n_rows, uint32_t state_bytes)
{
	uint64_t buffer_bytes = (uint64_t)n_rows * BUFFER_BYTES_PER_ROW;
	uint64_t at = EXCHANGE_BYTES;

	buffer_bytes = max_u64(buffer_bytes, BUFFER_BYTES_MIN);
	buffer_bytes = min_u64(buffer_bytes, BUFFER_BYTES_MAX);
	vault->orders = (uint32_t)at;
	at += VAULT_ORDERS_BYTES;
	vault->scratch_in = (uint32_t)at;
	at += VAULT_SCRATCH_IN_BYTES;
	vault->scratch_out = (uint32_t)at;
	at += VAULT_SCRATCH_OUT_BYTES;
	vault->buffers = (uint32_t)at;
	vault->n_pages = (uint32_t)(buffer_bytes / VAULT_PAGE_BYTES);
	at += buffer_bytes;
	vault->states = (uint32_t)at;
	vault->state_bytes = state_bytes;
	vault->bytes = round_up(at + states_bytes(n_rows, state_bytes),
				VAULT_PAGE_BYTES);
}

/*
 * Sealed, so that nobody who came by a descriptor of it could shorten it
 * under our feet (it may grow: vault_open); 0600, for a memfd's own mode is
 * 0777 and it could be reopened through /proc.
 */
static int make_memory(size_t bytes)
{
	int fd = memfd_create("guichet-vault", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err;

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) < 0 || ftruncate(fd, (off_t)bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int map_as(struct vault *vault, int fd, int prot)
{
	void *base = mmap(NULL, vault->bytes, prot, MAP_SHARED | MAP_NORESERVE,
			  fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	vault->base = base;
	vault->fd = fd;
	return 0;
}

static int map(struct vault *vault, int fd)
{
	return map_as(vault, fd, PROT_READ | PROT_WRITE);
}

static uint32_t rounded(size_t state_bytes)
{
	return (uint32_t)round_up(state_bytes, 16);
}

int vault_create(struct vault *vault, uint32_t n_rows, size_t state_bytes)
{
	int fd, err;

	*vault = (struct vault){ .fd = -1 };
	lay_out(vault, n_rows, rounded(state_bytes));
	fd = make_memory(vault->bytes);
	if (fd < 0)
		return fd;
	err = map(vault, fd);
	if (err)
		close(fd);
	return err;
}

/* ---- growing ---- */

/*
 * Where the last byte lies that was ever written, or @from: what is behind it
 * was never touched, and must not be now, for to read a page would make it.
 */
static uint64_t end_of_data(int fd, uint64_t from)
{
	off_t end = (off_t)from, data;

	while ((data = lseek(fd, end, SEEK_DATA)) >= 0)
		end = lseek(fd, data, SEEK_HOLE);
	return (uint64_t)end;
}

/*
 * From the last to the first: none moves down, so none is written over that
 * is still to be moved. The room that each gains is zero.
 */
static void move_apart(const struct vault *vault, uint64_t n, size_t old_bytes)
{
	uint8_t *states = vault->base + vault->states;
	size_t bytes = vault->state_bytes;

	while (n-- > 0) {
		memmove(states + n * bytes, states + n * old_bytes, old_bytes);
		memset(states + n * bytes + old_bytes, 0, bytes - old_bytes);
	}
}

static int grow(struct vault *vault, int fd, uint32_t n_rows,
		uint32_t old_state_bytes)
{
	uint64_t n_bytes = end_of_data(fd, vault->states) - vault->states;
	uint64_t n;
	int err;

	if (ftruncate(fd, (off_t)vault->bytes) < 0)
		return -errno;
	err = map(vault, fd);
	if (err || !old_state_bytes)
		return err;
	n = (n_bytes + old_state_bytes - 1) / old_state_bytes;
	move_apart(vault, min_u64(n, 2ULL * n_rows), old_state_bytes);
	return 0;
}

/* More, too: growing may have failed half way, with nothing moved. */
static bool is_large_enough(int fd, size_t bytes)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (uint64_t)st.st_size >= bytes;
}

int vault_open(struct vault *vault, int fd, uint32_t n_rows,
	       uint32_t old_state_bytes, size_t state_bytes, bool is_copy)
{
	bool is_growing = rounded(state_bytes) > old_state_bytes;

	*vault = (struct vault){ .fd = -1 };
	lay_out(vault, n_rows, old_state_bytes);
	if (!is_large_enough(fd, vault->bytes))
		return -EINVAL;
	if (is_growing)
		lay_out(vault, n_rows, rounded(state_bytes));
	/* nothing is moved, nor the file made longer, which is for good; and
	   what cannot be written does not count as so much more memory */
	if (is_copy)
		return map_as(vault, fd, PROT_READ);
	return is_growing ? grow(vault, fd, n_rows, old_state_bytes) :
			    map(vault, fd);
}

/* ---- pages of the buffers ---- */

int vault_open_pages(struct vault *vault)
{
	vault->taken = calloc((vault->n_pages + 63) / 64, sizeof(uint64_t));
	vault->hint = 0;
	vault->n_taken = 0;
	vault->n_touched = 0;
	return vault->taken ? 0 : -ENOMEM;
}

static bool is_taken(const struct vault *vault, uint32_t page)
{
	return vault->taken[page / 64] >> (page % 64) & 1;
}

static void set_taken(struct vault *vault, uint32_t page, bool taken)
{
	uint64_t bit = 1ULL << (page % 64);

	if (is_taken(vault, page) == taken)
		return;
	vault->taken[page / 64] ^= bit;
	vault->n_taken += taken ? 1U : -1U;
}

/* The first free page at or after @page; whole words of taken are skipped. */
static uint32_t next_free(const struct vault *vault, uint32_t page)
{
	while (page < vault->n_pages && is_taken(vault, page)) {
		if (vault->taken[page / 64] == UINT64_MAX)
			page = (page / 64 + 1) * 64;
		else
			page++;
	}
	return page;
}

/* The start of a run of @n free pages within [@page, @end), or @end. */
static uint32_t find_run(const struct vault *vault, uint32_t page, uint32_t end,
			 uint32_t n)
{
	uint32_t run = 0;

	for (page = next_free(vault, page); page + n - run <= end; page++) {
		if (is_taken(vault, page)) {
			page = next_free(vault, page);
			run = 0;
			if (page + n > end)
				break;
		}
		if (++run == n)
			return page + 1 - n;
	}
	return end;
}

uint32_t vault_alloc(struct vault *vault, size_t bytes)
{
	uint32_t n =
		(uint32_t)((bytes + VAULT_PAGE_BYTES - 1) / VAULT_PAGE_BYTES);
	uint32_t end = vault->n_pages;
	uint32_t page = find_run(vault, vault->hint, end, n);

	if (page == end)
		page = find_run(vault, 0, end, n);
	if (page == end)
		return VAULT_NONE;
	for (uint32_t i = 0; i < n; i++)
		set_taken(vault, page + i, true);
	vault->hint = page + n;
	if (vault->hint > vault->n_touched)
		vault->n_touched = vault->hint;
	return vault->buffers + page * VAULT_PAGE_BYTES;
}

static void mark_pages(struct vault *vault, uint32_t offset, size_t bytes,
		       bool taken)
{
	uint32_t first = (offset - vault->buffers) / VAULT_PAGE_BYTES;
	uint32_t last = (uint32_t)((offset - vault->buffers + bytes - 1) /
				   VAULT_PAGE_BYTES);

	for (uint32_t page = first; page <= last; page++)
		set_taken(vault, page, taken);
}

/* What a burst touched is given back when its last page is free again. */
static void give_back(struct vault *vault)
{
	const uint32_t worth_a_call = 1024; /* pages: 4 MiB */

	if (vault->n_touched > worth_a_call)
		(void)madvise(vault->base + vault->buffers,
			      (size_t)vault->n_touched * VAULT_PAGE_BYTES,
			      MADV_REMOVE); /* if not, it is kept: no harm */
	vault->n_touched = 0;
	vault->hint = 0;
}

void vault_free(struct vault *vault, uint32_t offset, size_t bytes)
{
	if (!bytes || !vault_is_buffer(vault, offset, bytes))
		return;
	mark_pages(vault, offset, bytes, false);
	if (!vault->n_taken)
		give_back(vault);
}

void vault_take_pages(struct vault *vault, uint32_t offset, size_t bytes)
{
	if (bytes && vault_is_buffer(vault, offset, bytes))
		mark_pages(vault, offset, bytes, true);
	vault->n_touched = vault->n_pages; /* by whom it was, is not known */
}

bool vault_is_buffer(const struct vault *vault, uint32_t offset, size_t bytes)
{
	return offset >= vault->buffers && bytes <= vault->states &&
	       offset <= vault->states - bytes;
}
