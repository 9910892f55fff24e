/* SPDX-License-Identifier: ISC */
/*
 * seqlock.h - one writer changes several fields; readers see all or nothing
 *
 * The writer makes the number odd, stores, and makes it even again. A reader
 * that finds the same even number before and after its copy has a whole one.
 * Between begin and end stand straight-line stores only: no call, no return.
 * A writer that died in between left an odd number; its successor, before it
 * writes anything, makes it even with seq_repair().
 */
#ifndef GUICHET_SEQLOCK_H
#define GUICHET_SEQLOCK_H

#include <stdatomic.h>
#include <stdint.h>

static inline void seq_write_begin(_Atomic uint32_t *seq)
{
	uint32_t now = atomic_load_explicit(seq, memory_order_relaxed);

	atomic_store_explicit(seq, now | 1, memory_order_relaxed);
	/* release: the odd number is seen before any of the stores */
	atomic_thread_fence(memory_order_release);
}

static inline void seq_write_end(_Atomic uint32_t *seq)
{
	uint32_t now = atomic_load_explicit(seq, memory_order_relaxed);

	/* release: pairs with the acquire of who reads the even number */
	atomic_store_explicit(seq, (now | 1) + 1, memory_order_release);
}

static inline void seq_repair(_Atomic uint32_t *seq)
{
	if (atomic_load_explicit(seq, memory_order_relaxed) & 1)
		seq_write_end(seq);
}

#endif
