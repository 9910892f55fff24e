/* SPDX-License-Identifier: ISC */
/*
 * handover.h - connections that go from a worker to its keeper, and back
 *
 * A connection that a program serves is the keeper's from ROW_STARTING until
 * it is ROW_ENDED: the worker does not close it, it asks for its end. What a
 * row's state says is all that counts. The rings only tell where to look, and
 * one that overran, or whose reader may have died with a row in hand, says
 * that there is something somewhere: then all rows are looked at.
 */
#ifndef GUICHET_HANDOVER_H
#define GUICHET_HANDOVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HANDOVER_ROWS 1024U /* a power of two */

/* One writer, one reader; in memory that outlives the worker. */
struct handover_ring {
	_Atomic uint32_t head; /* written so far; wraps */
	_Atomic uint32_t tail; /* read so far */
	_Atomic uint32_t look_at_all;
	_Atomic uint32_t row[HANDOVER_ROWS];
};

struct handover {
	struct handover_ring to_keeper; /* STARTING, or to be ended */
	struct handover_ring to_worker; /* ENDED */
};

/* Tells of @row; the reader must be woken by other means. */
static inline void handover_put(struct handover_ring *ring, uint32_t row)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	/* acquire: pairs with the release in handover_take() */
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

	if (head - tail >= HANDOVER_ROWS) {
		/* release: whoever sees it sees the row's state, too */
		atomic_store_explicit(&ring->look_at_all, 1,
				      memory_order_release);
		return;
	}
	atomic_store_explicit(&ring->row[head % HANDOVER_ROWS], row,
			      memory_order_relaxed);
	/* release: the row, and its state, are there */
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

/* Takes one out; false when there is none. */
static inline bool handover_take(struct handover_ring *ring, uint32_t *row)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	/* acquire: pairs with the release in handover_put() */
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	if (head == tail)
		return false;
	*row = atomic_load_explicit(&ring->row[tail % HANDOVER_ROWS],
				    memory_order_relaxed);
	/* release: its place may be written again */
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return true;
}

/* Whether there is one to be taken, as far as its reader knows. */
static inline bool handover_has(const struct handover_ring *ring)
{
	return atomic_load_explicit(&ring->head, memory_order_relaxed) !=
	       atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

static inline void handover_put_all(struct handover_ring *ring)
{
	/* release: as in handover_put() */
	atomic_store_explicit(&ring->look_at_all, 1, memory_order_release);
}

/* Whether all rows are to be looked at; once for each time it is asked for. */
static inline bool handover_takes_all(struct handover_ring *ring)
{
	/* acquire: pairs with the release of who asked */
	return atomic_exchange_explicit(&ring->look_at_all, 0,
					memory_order_acquire);
}

#endif
