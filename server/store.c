/* SPDX-License-Identifier: ISC */
/*
 * store.c - listening sockets that the service manager keeps for us
 */
#include "server/store.h"

#include <stdio.h>

#include "server/notify.h"

const char *store_name(const char *listener, char *out)
{
	(void)snprintf(out, STORE_NAME_BYTES, "@%s", listener);
	return out;
}

/* All of a name go; so those come first, and what is wanted after them. */
static void let_go(const struct inherited *left,
		   const struct listener *listeners, size_t n)
{
	char name[STORE_NAME_BYTES];

	for (size_t i = 0; i < left->n; i++)
		if (left->socket[i].fd >= 0 && left->socket[i].name[0] == '@')
			(void)notify_remove_fd(left->socket[i].name);
	for (size_t i = 0; i < n; i++)
		if (listeners[i].config && listeners[i].fd < 0)
			(void)notify_remove_fd(
				store_name(listeners[i].config->name, name));
}

void store_update(const struct inherited *left,
		  const struct listener *listeners, size_t n)
{
	char name[STORE_NAME_BYTES];

	if (!notify_is_on())
		return;
	let_go(left, listeners, n);
	for (size_t i = 0; i < n; i++)
		if (listener_accepts(&listeners[i]))
			(void)notify_store_fd(
				listeners[i].fd,
				store_name(listeners[i].config->name, name));
}
