/* SPDX-License-Identifier: ISC */
/*
 * store.c - listening sockets that the service manager keeps for us
 */
#include "server/store.h"

#include "server/notify.h"

/*
 * All of a name go; so those come first, and what is wanted after them. What
 * came back and has been taken is wanted, but maybe by another name, and what
 * the manager has already it does not keep by a second one.
 */
static void let_go(const struct inherited *left,
		   const struct listener *listeners, size_t n)
{
	char name[INHERIT_NAME_BYTES];

	for (size_t i = 0; i < left->n; i++)
		if (inherited_is_stored(&left->socket[i]))
			(void)notify_remove_fd(left->socket[i].name);
	for (size_t i = 0; i < n; i++)
		if (listeners[i].config && listeners[i].fd < 0)
			(void)notify_remove_fd(inherited_stored_name(
				listeners[i].config->name, name));
}

bool store_has(const struct listener *listener)
{
	return notify_is_on() && listener_accepts(listener) &&
	       !listener->is_given;
}

void store_update(const struct inherited *left,
		  const struct listener *listeners, size_t n)
{
	char name[INHERIT_NAME_BYTES];

	if (!notify_is_on())
		return;
	let_go(left, listeners, n);
	for (size_t i = 0; i < n; i++)
		if (store_has(&listeners[i]))
			(void)notify_store_fd(
				listeners[i].fd,
				inherited_stored_name(listeners[i].config->name,
						      name));
}
