/* SPDX-License-Identifier: ISC */
/*
 * identity.c - who a connection is: its socket, its id, its two addresses
 */
#include "server/identity.h"

#include <netinet/in.h>
#include <string.h>

#include "common/clock.h"
#include "common/seqlock.h"

static void addr_to_ledger(const struct sockaddr_storage *from, socklen_t len,
			   struct ledger_addr *to)
{
	const struct sockaddr_in *in = (const void *)from;
	const struct sockaddr_in6 *in6 = (const void *)from;

	*to = (struct ledger_addr){ 0 };
	if (len < sizeof(sa_family_t))
		return;
	to->family = from->ss_family;
	if (to->family == AF_INET) {
		to->port = ntohs(in->sin_port);
		memcpy(to->ip, &in->sin_addr, 4);
	} else if (to->family == AF_INET6) {
		to->port = ntohs(in6->sin6_port);
		to->scope = in6->sin6_scope_id;
		memcpy(to->ip, &in6->sin6_addr, 16);
	}
}

/* A unix peer has no address of its own; it has a pid and a uid. */
static void peer_to_ledger(int fd, const struct sockaddr_storage *peer,
			   socklen_t len, struct ledger_addr *to)
{
	struct ucred cred;
	socklen_t cred_len = sizeof(cred);

	addr_to_ledger(peer, len, to);
	if (to->family != AF_UNIX)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len) < 0)
		return;
	to->scope = (uint32_t)cred.pid;
	memcpy(to->ip, &cred.uid, sizeof(cred.uid));
}

/* Whom the client called: known already, unless we listen on a wildcard. */
static void local_to_ledger(int fd, const struct addr_socket *listener,
			    struct ledger_addr *to)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);

	if (addr_is_wildcard(listener) &&
	    getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		addr_to_ledger(&ss, len, to);
	else
		addr_to_ledger(&listener->u.storage, listener->len, to);
}

static uint64_t next_id(struct worker *w)
{
	uint64_t id = ledger_get(w->head->next_id);

	/* before it is used: a death may skip one, never use one twice */
	ledger_set(w->head->next_id, id + (LEDGER_MAX_SLOTS));
	return id;
}

void identity_fill(struct worker *w, struct ledger_row *r, uint32_t listener,
		   int fd, const struct sockaddr_storage *peer,
		   socklen_t peer_len)
{
	struct ledger_addr from, to;
	uint64_t id = next_id(w), cookie = 0, real_ns = clock_real_ns();
	socklen_t len = sizeof(cookie);

	(void)getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	peer_to_ledger(fd, peer, peer_len, &from);
	local_to_ledger(fd, &w->listeners[listener - 1].addr, &to);

	seq_write_begin(&r->seq);
	r->fd = fd;
	r->id = id;
	r->cookie = cookie;
	r->opened_mono_ns = w->now_ns;
	r->opened_real_ns = real_ns;
	r->listener = listener;
	r->peer = from;
	r->local = to;
	seq_write_end(&r->seq);
}
