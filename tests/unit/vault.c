/* SPDX-License-Identifier: ISC */
/*
 * vault.c - tests of the memory that outlives a worker: it grows in place
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/vault.h"
#include "tests/unit/check.h"

#define ROWS 5000U

/* What the test writes into byte @at of a copy of a row. */
static uint8_t mark(uint32_t row, uint32_t copy, uint32_t at)
{
	return (uint8_t)(row * 7 + copy * 101 + at + 1);
}

static void fill(struct vault *vault, uint32_t row)
{
	for (uint32_t copy = 0; copy < 2; copy++)
		for (uint32_t i = 0; i < vault->state_bytes; i++)
			vault_state(vault, row, copy)[i] = mark(row, copy, i);
}

/* Row @row has the @n bytes that were written, and zeros behind them. */
static bool is_filled(const struct vault *vault, uint32_t row, uint32_t n)
{
	bool is_right = true;

	for (uint32_t copy = 0; copy < 2; copy++)
		for (uint32_t i = 0; i < vault->state_bytes; i++)
			is_right &= vault_state(vault, row, copy)[i] ==
				    (i < n ? mark(row, copy, i) : 0);
	return is_right;
}

static uint64_t memory_of(const struct vault *vault)
{
	struct stat st;

	CHECK(fstat(vault->fd, &st) == 0);
	return (uint64_t)st.st_blocks * 512;
}

static uint64_t size_of(const struct vault *vault)
{
	struct stat st;

	CHECK(fstat(vault->fd, &st) == 0);
	return (uint64_t)st.st_size;
}

static void same_places(const struct vault *a, const struct vault *b)
{
	CHECK_NUMBER(a->orders, b->orders);
	CHECK_NUMBER(a->scratch_in, b->scratch_in);
	CHECK_NUMBER(a->scratch_out, b->scratch_out);
	CHECK_NUMBER(a->buffers, b->buffers);
	CHECK_NUMBER(a->n_pages, b->n_pages);
	CHECK_NUMBER(a->states, b->states);
}

/* The same memory in a process that became another program. */
static struct vault reopen(struct vault *vault, size_t state_bytes)
{
	struct vault now;

	CHECK(munmap(vault->base, vault->bytes) == 0);
	CHECK_NUMBER(vault_open(&now, vault->fd, ROWS, vault->state_bytes,
				state_bytes, false),
		     0);
	same_places(&now, vault);
	return now;
}

static void test_growth(uint32_t n_filled, size_t to_bytes)
{
	struct vault vault, grown;
	bool are_filled = true;
	uint32_t at, old_bytes;

	CHECK_NUMBER(vault_create(&vault, ROWS, 24), 0);
	CHECK_NUMBER(vault.state_bytes, 32);
	CHECK_NUMBER(vault_open_pages(&vault), 0);
	at = vault_alloc(&vault, 10000);
	memset(vault_at(&vault, at), 'x', 10000);
	for (uint32_t row = 0; row < n_filled; row++)
		fill(&vault, row);
	old_bytes = vault.state_bytes;
	grown = reopen(&vault, to_bytes);
	CHECK_NUMBER(grown.state_bytes, (to_bytes + 15) / 16 * 16);
	CHECK_NUMBER(*vault_at(&grown, at + 9999), 'x');
	for (uint32_t row = 0; row < n_filled; row++)
		are_filled &= is_filled(&grown, row, old_bytes);
	CHECK(are_filled);
	/* the rows that were used, with their last page; and the buffer */
	CHECK(memory_of(&grown) <=
	      2ULL * n_filled * grown.state_bytes +
		      4096ULL * grown.state_bytes / old_bytes + (5U << 12));
	/* what comes behind is there, and zero */
	CHECK(n_filled == ROWS || !*vault_state(&grown, ROWS - 1, 1));
	vault_state(&grown, ROWS - 1, 1)[grown.state_bytes - 1] = 1;
	CHECK(munmap(grown.base, grown.bytes) == 0);
	close(grown.fd);
}

/* Whoever only tries moves nothing that others use. */
static void test_copy(size_t to_bytes)
{
	struct vault vault, copy;
	uint64_t memory;

	CHECK_NUMBER(vault_create(&vault, ROWS, 24), 0);
	fill(&vault, 3);
	fill(&vault, ROWS - 1);
	memory = memory_of(&vault);
	CHECK_NUMBER(vault_open(&copy, vault.fd, ROWS, vault.state_bytes,
				to_bytes, true),
		     0);
	CHECK(copy.state_bytes >= to_bytes);
	CHECK(munmap(copy.base, copy.bytes) == 0);
	CHECK_NUMBER(memory_of(&vault), memory);
	CHECK_NUMBER(size_of(&vault), vault.bytes); /* it can shrink no more */
	CHECK(is_filled(&vault, 3, vault.state_bytes));
	CHECK(is_filled(&vault, ROWS - 1, vault.state_bytes));
	copy = reopen(&vault, to_bytes); /* and now it is done */
	CHECK(is_filled(&copy, 3, vault.state_bytes));
	CHECK(is_filled(&copy, ROWS - 1, vault.state_bytes));
	CHECK(munmap(copy.base, copy.bytes) == 0);
	close(copy.fd);
}

static void test_no_shrinking(void)
{
	struct vault vault, now;

	CHECK_NUMBER(vault_create(&vault, ROWS, 320), 0);
	fill(&vault, 3);
	now = reopen(&vault, 16);
	CHECK_NUMBER(now.state_bytes, 320);
	CHECK_NUMBER(now.bytes, vault.bytes);
	CHECK(is_filled(&now, 3, 320));
	CHECK(ftruncate(now.fd, 4096) < 0 && errno == EPERM);
	CHECK_NUMBER(vault_open(&vault, now.fd, ROWS + 999, 320, 320, false),
		     -EINVAL);
	close(now.fd);
}

static void test_buffers(void)
{
	struct vault vault;
	uint32_t end;

	CHECK_NUMBER(vault_create(&vault, ROWS, 16), 0);
	end = vault.buffers + vault.n_pages * VAULT_PAGE_BYTES;
	CHECK_NUMBER(end, vault.states);
	CHECK(vault_is_buffer(&vault, vault.buffers, 1));
	CHECK(vault_is_buffer(&vault, end - 10, 10));
	CHECK(!vault_is_buffer(&vault, end - 10, 11));
	CHECK(!vault_is_buffer(&vault, vault.states, 1));
	CHECK(!vault_is_buffer(&vault, vault.scratch_out, 1));
	CHECK(!vault_is_buffer(&vault, vault.buffers, SIZE_MAX));
	/* orders have their own pages, and nothing overlaps them */
	CHECK(vault.scratch_in - vault.orders == VAULT_ORDERS_BYTES);
	close(vault.fd);
}

/* The most that there can be: places must fit their 32 bits. */
static void test_largest(void)
{
	struct vault vault;

	CHECK_NUMBER(vault_create(&vault, 1U << 20, 320), 0);
	CHECK(vault.states > vault.buffers);
	vault_state(&vault, (1U << 20) - 1, 1)[319] = 1;
	CHECK_NUMBER(vault.base[vault.bytes - 1], 1);
	CHECK(memory_of(&vault) <= 4096);
	CHECK(munmap(vault.base, vault.bytes) == 0);
	close(vault.fd);
}

int main(void)
{
	test_growth(0, 33);
	test_growth(1, 320);
	test_growth(777, 48);
	test_growth(ROWS, 320);
	test_copy(24);
	test_copy(100);
	test_no_shrinking();
	test_buffers();
	test_largest();
	/* what a keeper makes lives as long as it does: no leak is to be told */
	(void)fflush(NULL);
	_exit(check_result());
}
