/* SPDX-License-Identifier: ISC */
/*
 * datagram.c - one question, one answer: the UDP side of a worker
 *
 * A datagram has no connection, so it has no row; the head and the exchange
 * tell a successor how far the one in hand had come. It is answered or lost,
 * and never answered twice.
 */
#include "server/datagram.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "server/crash.h"
#include "server/tally.h"
#include "server/transport.h"

/* Answered in one go, before others have their turn. */
#define DATAGRAMS_MAX 64

static void set_step(struct worker *w, enum turn_step step)
{
	/* release: what the step relies on is there before its name */
	atomic_store_explicit(&w->head->datagram_step, step,
			      memory_order_release);
}

/*
 * Ports of small services, and our own: to answer one could make two servers
 * answer each other for ever (CERT CA-1996-01).
 */
static bool is_answerable(const struct worker *w, const struct exchange *x)
{
	const struct sockaddr_in *in = (const void *)&x->peer;
	uint16_t port = ntohs(in->sin_port); /* in the same place for IPv6 */

	if (port < IPPORT_RESERVED)
		return false;
	for (size_t i = 0; i < w->post->n_listeners; i++) {
		const struct addr_socket *own = &w->listeners[i].addr;

		if (listener_accepts(&w->listeners[i]) &&
		    own->transport == TRANSPORT_UDP && addr_port(own) == port)
			return false;
	}
	return true;
}

/*
 * The answer leaves from the address that was asked: ip(7), IP_PKTINFO;
 * ipv6(7), IPV6_PKTINFO. Returns the length of the control message.
 */
static size_t copy_pktinfo(const struct cmsghdr *from, struct cmsghdr *to)
{
	struct in_pktinfo info = { 0 };
	struct in6_pktinfo info6 = { 0 };

	to->cmsg_level = from->cmsg_level;
	to->cmsg_type = from->cmsg_type;
	if (from->cmsg_level == IPPROTO_IP && from->cmsg_type == IP_PKTINFO) {
		memcpy(&info, CMSG_DATA(from), sizeof(info));
		info.ipi_spec_dst = info.ipi_addr;
		info.ipi_ifindex = 0;
		memcpy(CMSG_DATA(to), &info, sizeof(info));
		to->cmsg_len = CMSG_LEN(sizeof(info));
		return CMSG_SPACE(sizeof(info));
	}
	if (from->cmsg_level == IPPROTO_IPV6 &&
	    from->cmsg_type == IPV6_PKTINFO) {
		memcpy(&info6, CMSG_DATA(from), sizeof(info6));
		/* only a link-local address needs its interface named */
		if (!IN6_IS_ADDR_LINKLOCAL(&info6.ipi6_addr))
			info6.ipi6_ifindex = 0;
		memcpy(CMSG_DATA(to), &info6, sizeof(info6));
		to->cmsg_len = CMSG_LEN(sizeof(info6));
		return CMSG_SPACE(sizeof(info6));
	}
	return 0;
}

static void address_answer(struct exchange *x)
{
	struct msghdr *in = &x->in.msg_hdr, *out = &x->out.msg_hdr;
	struct cmsghdr *cmsg;

	*out = (struct msghdr){
		.msg_name = &x->peer,
		.msg_namelen = in->msg_namelen,
		.msg_iov = &x->out_iov,
		.msg_iovlen = 1,
		.msg_control = x->out_control,
	};
	memset(x->out_control, 0, sizeof(x->out_control));
	for (cmsg = CMSG_FIRSTHDR(in); cmsg && !out->msg_controllen;
	     cmsg = CMSG_NXTHDR(in, cmsg))
		out->msg_controllen =
			copy_pktinfo(cmsg, (void *)x->out_control);
	if (!out->msg_controllen)
		out->msg_control = NULL;
}

static void settle(struct worker *w, uint32_t listener)
{
	tally_datagram_settle(w, listener, &transport_exchange(w)->tally);
	tally_datagram_done(w);
}

/* sendmmsg(2) has done it, or is to be called. */
static void send_answer(struct worker *w, uint32_t listener)
{
	struct exchange *x = transport_exchange(w);

	if (x->out.msg_len == TRANSPORT_NOT_DONE)
		/* a full buffer, or no route: the answer is lost, as UDP's
		   answers may be; msg_len stays what it is */
		(void)sendmmsg(w->listeners[listener - 1].fd, &x->out, 1,
			       MSG_DONTWAIT | MSG_NOSIGNAL);
	CRASH_POINT(DATAGRAM_SENT);
	if (x->out.msg_len != TRANSPORT_NOT_DONE) {
		x->tally.n_out = 1;
		x->tally.bytes_out = x->out.msg_len;
	}
	settle(w, listener);
}

/* Makes the answer to the datagram that lies in the scratch, and sends it. */
static void answer(struct worker *w, uint32_t listener)
{
	struct exchange *x = transport_exchange(w);
	struct datagram d = {
		.in = vault_at(w->vault, w->vault->scratch_in),
		.in_bytes = x->in.msg_len,
		.settings = worker_listen(w, listener)->settings,
		.out = vault_at(w->vault, w->vault->scratch_out),
		.out_room = VAULT_SCRATCH_OUT_BYTES,
		.counts = x->tally.own,
		.n_counts = worker_listen(w, listener)->service->n_counters,
	};

	x->tally = (struct datagram_tally){ .n_in = 1 };
	if (!is_answerable(w, x)) {
		x->tally.n_refused = 1;
		settle(w, listener);
		return;
	}
	set_step(w, STEP_HANDLER);
	worker_listen(w, listener)->service->datagram(&d);
	set_step(w, STEP_RECEIVE);
	CRASH_POINT(DATAGRAM_HANDLED);
	w->n_turns++;
	x->tally.n_messages = 1;
	x->tally.bytes_in = d.in_bytes;
	if (!d.is_answered) {
		settle(w, listener);
		return;
	}
	address_answer(x);
	x->out_iov.iov_base = d.is_in_place ? (void *)(uintptr_t)d.in : d.out;
	x->out_iov.iov_len = d.out_bytes;
	set_step(w, STEP_SEND);
	CRASH_POINT(DATAGRAM_READY);
	send_answer(w, listener);
}

static int receive(struct worker *w, uint32_t listener)
{
	struct exchange *x = transport_exchange(w);

	x->in_iov.iov_base = vault_at(w->vault, w->vault->scratch_in);
	x->in_iov.iov_len = VAULT_SCRATCH_IN_BYTES;
	x->in.msg_hdr = (struct msghdr){
		.msg_name = &x->peer,
		.msg_namelen = sizeof(x->peer),
		.msg_iov = &x->in_iov,
		.msg_iovlen = 1,
		.msg_control = x->in_control,
		.msg_controllen = sizeof(x->in_control),
	};
	if (recvmmsg(w->listeners[listener - 1].fd, &x->in, 1, MSG_DONTWAIT,
		     NULL) < 0)
		return -errno;
	CRASH_POINT(DATAGRAM_RECEIVED);
	return 0;
}

/* Takes one datagram; returns whether there was one. */
static bool datagram_one(struct worker *w, uint32_t listener)
{
	struct exchange *x = transport_exchange(w);

	*(volatile unsigned *)&x->in.msg_len = TRANSPORT_NOT_DONE;
	*(volatile unsigned *)&x->out.msg_len = TRANSPORT_NOT_DONE;
	tally_datagram_begin(w, listener);
	if (receive(w, listener) < 0) {
		tally_datagram_done(w);
		return false;
	}
	answer(w, listener);
	return true;
}

void datagram_event(struct worker *w, uint32_t listener)
{
	for (int n = 0; n < DATAGRAMS_MAX && datagram_one(w, listener); n++)
		continue;
}

void datagram_resume(struct worker *w, bool is_suspect)
{
	uint32_t listener = ledger_get(w->head->datagram_listener);
	uint32_t step = ledger_get(w->head->datagram_step);
	struct exchange *x = transport_exchange(w);

	if (!listener)
		return;
	if (x->in.msg_len == TRANSPORT_NOT_DONE ||
	    listener > w->post->n_listeners ||
	    !listener_accepts(&w->listeners[listener - 1])) {
		tally_datagram_done(w); /* nothing came, or it is broken */
		return;
	}
	if (step == STEP_SEND) {
		send_answer(w, listener);
		return;
	}
	if (!is_suspect) {
		answer(w, listener);
		return;
	}
	x->tally = (struct datagram_tally){ .n_in = 1 };
	settle(w, listener);
}
