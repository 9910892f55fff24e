/* SPDX-License-Identifier: ISC */
/*
 * transport.h - bytes to and from a socket, and who has them after a death
 *
 * A worker may die between a system call and the note it would have made of
 * it. What the call did must then be known from elsewhere.
 *
 * TCP: the kernel keeps count (tcp(7), TCP_INFO):
 *
 *     consumed by us   = tcpi_bytes_received - SIOCINQ
 *     given by us      = tcpi_bytes_acked + SIOCOUTQ
 *
 * less one for the peer's FIN once it is in. So the data path is a plain
 * recv() and a plain send().
 *
 * Unix streams and datagrams have no such numbers. For them we use
 * recvmmsg(2) and sendmmsg(2) with one message, whose header lies in the
 * vault: the kernel itself writes msg_len there, before it returns to us, and
 * a process is killed only when it returns. msg_len was TRANSPORT_NOT_DONE
 * before; if it still is, the call did nothing.
 */
#ifndef GUICHET_TRANSPORT_H
#define GUICHET_TRANSPORT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "server/tally.h"
#include "server/worker.h"

#define TRANSPORT_NOT_DONE UINT32_MAX

/* In the vault, at 0. One is enough: there is one turn in hand. */
struct exchange {
	struct mmsghdr in, out;
	struct iovec in_iov, out_iov;
	uint64_t in_base;  /* stream: bytes received before `in` */
	uint64_t out_base; /* stream: bytes given before `out` */
	/* a datagram's */
	struct sockaddr_storage peer;
	_Alignas(struct cmsghdr) uint8_t in_control[256];
	_Alignas(struct cmsghdr) uint8_t out_control[256];
	struct datagram_tally tally; /* what came of the one in hand */
};

static inline struct exchange *transport_exchange(const struct worker *w)
{
	return (void *)w->vault->base;
}

/* The same three steps for a socket that needs an exchange. */
void exchange_begin(struct worker *w);
ssize_t exchange_receive(struct worker *w, uint32_t row, void *to,
			 size_t bytes);
ssize_t exchange_send(struct worker *w, uint32_t row, const void *from,
		      size_t bytes);

/*
 * Before a turn of @row: what of an exchange is done is not about it. Nothing
 * to do for TCP.
 */
static inline void transport_turn_begin(struct worker *w, uint32_t row)
{
	if (!w->conns[row].is_tcp)
		exchange_begin(w);
}

/*
 * recv(2) and send(2), nonblocking: the number of bytes (0 from receive: the
 * peer's end), or -errno.
 */
static inline ssize_t transport_receive(struct worker *w, uint32_t row,
					void *to, size_t bytes)
{
	const struct conn *c = &w->conns[row];
	ssize_t n;

	if (!c->is_tcp)
		return exchange_receive(w, row, to, bytes);
	n = recv(c->fd, to, bytes, 0);
	return n < 0 ? -errno : n;
}

static inline ssize_t transport_send(struct worker *w, uint32_t row,
				     const void *from, size_t bytes)
{
	const struct conn *c = &w->conns[row];
	ssize_t n;

	if (!c->is_tcp)
		return exchange_send(w, row, from, bytes);
	n = send(c->fd, from, bytes, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

/* How far the two streams of the row in hand have really come. */
struct position {
	uint64_t received; /* taken from the kernel, ever */
	uint64_t given;    /* taken by the kernel, ever */
};

/* Returns 0, or -errno: -ENOTCONN when the connection is dead. */
int transport_position(struct worker *w, uint32_t row,
		       struct position *position);

/*
 * The same when it is another process that receives and sends: our own FIN,
 * which it may have sent, is no byte. Only TCP tells: -EOPNOTSUPP for others.
 * With @is_over, nobody does so any more, and a dead connection's numbers are
 * told too; after a reset, when the peer's FIN may have come before it, those
 * received may be one too many.
 */
int transport_position_of_other(struct worker *w, uint32_t row, bool is_over,
				struct position *position);

#endif
