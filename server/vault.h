/* SPDX-License-Identifier: ISC */
/*
 * vault.h - a worker's private memory that outlives the worker
 *
 * Clients' bytes never stand in the ledger, for whoever may read statistics
 * may not read them. They are here, in a sealed memfd of mode 0600 that only
 * a keeper and its worker share:
 *
 *     exchange      what unix and datagram sockets need (transport.h)
 *     orders        what the keeper wants of its worker (worker.h)
 *     scratch in    where recv() writes
 *     scratch out   where a service writes its output
 *     buffers       pages for input not consumed, output not taken
 *     states        two copies of each row's service state, with its counts;
 *                   last, so that they may grow
 *
 * Places are 32-bit offsets, so that a row can name them. Which pages of the
 * buffers are taken is known to the worker alone; its successor finds it out
 * again from the rows (vault_take_pages).
 */
#ifndef GUICHET_VAULT_H
#define GUICHET_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base.h"

/*
 * 128 KiB: whole 64 KiB messages are read at once, which echoes them at more
 * than twice the rate of a 64 KiB scratch; more brings nothing.
 */
#define VAULT_SCRATCH_IN_BYTES  (128U << 10)
#define VAULT_SCRATCH_OUT_BYTES (256U << 10)
#define VAULT_ORDERS_BYTES      (12U << 10) /* worker.h: struct order_page */
#define VAULT_PAGE_BYTES        4096U
#define VAULT_NONE              0U /* no place: the exchange is at 0 */

struct vault {
	uint8_t *base;
	size_t bytes;
	int fd;
	uint32_t orders, scratch_in, scratch_out, states, buffers; /* offsets */
	uint32_t state_bytes; /* of one copy */
	uint32_t n_pages;     /* of buffers */
	/* the worker's own: */
	uint64_t *taken; /* a bit a page */
	uint32_t hint;   /* where to look first */
	uint32_t n_taken;
	uint32_t n_touched; /* no page at or above was written */
};

/*
 * Makes the memory for @n_rows connections with states of up to
 * @state_bytes. Returns 0 or -errno. It lives as long as the process, or, by
 * its descriptor, as long as the processes that this one becomes.
 */
int vault_create(struct vault *vault, uint32_t n_rows, size_t state_bytes);

/*
 * Maps the one of @fd, which was made for @n_rows and, so far, states of
 * @old_state_bytes (vault->state_bytes). When @state_bytes is more, the states
 * are moved apart, both copies of each: nobody else may use it meanwhile. It
 * never gets smaller. With @is_copy all stays as it was, for whoever only
 * tries: what is mapped has its size then, and can neither be written nor, in
 * the states, be read. Returns 0, or -errno (-EINVAL: @fd is no such vault);
 * then @fd stays open and is the caller's, otherwise it is the vault's.
 */
int vault_open(struct vault *vault, int fd, uint32_t n_rows,
	       uint32_t old_state_bytes, size_t state_bytes, bool is_copy);

/* Makes the map of taken pages, all free. Returns 0 or -ENOMEM. */
int vault_open_pages(struct vault *vault);

/*
 * A run of pages with room for @bytes: its offset, or VAULT_NONE when there
 * is none. vault_free() takes any part of it back, page by page.
 */
uint32_t vault_alloc(struct vault *vault, size_t bytes);
void vault_free(struct vault *vault, uint32_t offset, size_t bytes);

/* Marks the pages of [@offset, @offset + @bytes) as taken: for a resume. */
void vault_take_pages(struct vault *vault, uint32_t offset, size_t bytes);

/* Whether @bytes at @offset lie wholly within the buffers. */
bool vault_is_buffer(const struct vault *vault, uint32_t offset, size_t bytes);

static inline uint8_t *vault_at(const struct vault *vault, uint32_t offset)
{
	return vault->base + offset;
}

/* Copy @copy (0 or 1) of row @row's service state. */
static inline uint8_t *vault_state(const struct vault *vault, uint32_t row,
				   uint32_t copy)
{
	return vault->base + vault->states +
	       ((size_t)row * 2 + copy) * vault->state_bytes;
}

#endif
