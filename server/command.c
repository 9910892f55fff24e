/* SPDX-License-Identifier: ISC */
/*
 * command.c - what a keeper tells its worker
 */
#include "server/command.h"

#include <signal.h>
#include <unistd.h>

#include "server/fds.h"
#include "server/keeper_state.h"

void command_order(struct keeper *k, enum order order, uint64_t deadline_ns)
{
	struct order_page *page = k->p.post.order;

	k->was_retired |= k->past.order == ORDER_RETIRE;
	k->past.order = order;
	k->load_at_ns = k->told.at_ns = 0; /* it is asked: tell at once */
	ledger_set(page->deadline_mono_ns, deadline_ns);
	/* release: pairs with the worker's acquire in obey() */
	atomic_store_explicit(&page->order, order, memory_order_release);
	fds_poke(k->p.post.order_fd);
	if (!k->worker)
		k->clone_at_ns = 0; /* only a worker can end connections */
}

/* Between two turns, so that a successor finds nothing half done. */
void command_leave(struct keeper *k)
{
	k->was_asked = true;
	ledger_set(k->p.post.order->is_to_leave, 1);
	fds_poke(k->p.post.order_fd);
}

_Noreturn void command_end_all(struct keeper *k)
{
	if (k->worker)
		(void)kill(k->worker, SIGKILL); /* our child: not another's */
	_exit(EXIT_FAILED);
}
