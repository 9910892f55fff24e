/* SPDX-License-Identifier: ISC */
/*
 * transport.c - bytes to and from a socket, and who has them after a death
 */
#include "server/transport.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

_Static_assert(sizeof(struct exchange) <= 4096, "its page in the vault");

/* Of tcpi_state, as the kernel numbers them (include/net/tcp_states.h). */
enum tcp_state {
	STATE_FIN_WAIT1 = 4,
	STATE_FIN_WAIT2 = 5,
	STATE_TIME_WAIT = 6,
	STATE_CLOSE = 7,
	STATE_CLOSE_WAIT = 8,
	STATE_LAST_ACK = 9,
	STATE_CLOSING = 11,
};

void exchange_begin(struct worker *w)
{
	struct exchange *x = transport_exchange(w);

	*(volatile unsigned *)&x->in.msg_len = TRANSPORT_NOT_DONE;
	*(volatile unsigned *)&x->out.msg_len = TRANSPORT_NOT_DONE;
	/* release: comes before the row is in hand, in tally_turn_begin() */
	atomic_thread_fence(memory_order_release);
}

ssize_t exchange_receive(struct worker *w, uint32_t row, void *to, size_t bytes)
{
	struct exchange *x = transport_exchange(w);
	const struct ledger_record *record = row_record(&w->rows[row]);

	x->in_base =
		ledger_get(record->consumed) + ledger_get(record->in_bytes);
	x->in_iov = (struct iovec){ to, bytes };
	x->in.msg_hdr =
		(struct msghdr){ .msg_iov = &x->in_iov, .msg_iovlen = 1 };
	if (recvmmsg(w->conns[row].fd, &x->in, 1, 0, NULL) < 0)
		return -errno;
	return x->in.msg_len;
}

/*
 * Not-done first, and the base after it: between the two, and before the
 * first, the row's own `sent` is right; after the call, base + msg_len is.
 */
ssize_t exchange_send(struct worker *w, uint32_t row, const void *from,
		      size_t bytes)
{
	struct exchange *x = transport_exchange(w);

	*(volatile unsigned *)&x->out.msg_len = TRANSPORT_NOT_DONE;
	atomic_signal_fence(memory_order_seq_cst);
	x->out_base = ledger_get(w->rows[row].sent);
	x->out_iov = (struct iovec){ (void *)(uintptr_t)from, bytes };
	x->out.msg_hdr =
		(struct msghdr){ .msg_iov = &x->out_iov, .msg_iovlen = 1 };
	if (sendmmsg(w->conns[row].fd, &x->out, 1, MSG_NOSIGNAL) < 0)
		return -errno;
	return x->out.msg_len;
}

/* States of RFC 9293 in which the peer's FIN is in, and counted as a byte. */
static bool is_fin_counted(unsigned state)
{
	return state == STATE_CLOSE_WAIT || state == STATE_LAST_ACK ||
	       state == STATE_CLOSING || state == STATE_TIME_WAIT;
}

static int read_tcp_info(int fd, struct tcp_info *info)
{
	socklen_t len = sizeof(*info);

	*info = (struct tcp_info){ 0 };
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) < 0 ? -errno :
								       0;
}

static int read_queue(int fd, unsigned long which, uint32_t *bytes)
{
	int n = 0;

	if (ioctl(fd, which, &n) < 0)
		return -errno;
	*bytes = (uint32_t)n;
	return 0;
}

/*
 * Bytes move from one number to the other while we read them, so each is
 * read until the first has stood still around the second.
 */
struct tcp_numbers {
	struct tcp_info info;
	uint32_t unread, unacked;
};

static int read_tcp_numbers(int fd, struct tcp_numbers *numbers)
{
	struct tcp_info before, after;
	uint32_t unread = 0, unacked = 0;
	int err = read_tcp_info(fd, &before);

	for (int tries = 0; !err && tries < 1000; tries++) {
		err = read_queue(fd, SIOCINQ, &unread);
		if (!err)
			err = read_queue(fd, SIOCOUTQ, &unacked);
		if (!err)
			err = read_tcp_info(fd, &after);
		if (err)
			break;
		if (after.tcpi_bytes_acked == before.tcpi_bytes_acked &&
		    after.tcpi_bytes_received == before.tcpi_bytes_received &&
		    after.tcpi_state == before.tcpi_state) {
			*numbers =
				(struct tcp_numbers){ after, unread, unacked };
			return 0;
		}
		before = after;
	}
	return err ? err : -EBUSY;
}

static int tcp_position(int fd, struct position *position)
{
	struct tcp_numbers n;
	int err = read_tcp_numbers(fd, &n);

	if (err)
		return err;
	if (n.info.tcpi_state == STATE_CLOSE)
		return -ENOTCONN;
	position->received = n.info.tcpi_bytes_received - n.unread -
			     is_fin_counted(n.info.tcpi_state);
	position->given = n.info.tcpi_bytes_acked + n.unacked;
	return 0;
}

/* States in which our FIN was made, and is counted as a byte given. */
static bool is_own_fin_counted(unsigned state)
{
	return state == STATE_FIN_WAIT1 || state == STATE_FIN_WAIT2 ||
	       state == STATE_CLOSING || state == STATE_LAST_ACK ||
	       state == STATE_TIME_WAIT;
}

/*
 * Of a dead one the state no longer tells whose FIN was counted. Ours was if
 * the bytes that were ever sent are one less than the numbers given to them.
 */
static bool was_own_fin_counted(const struct tcp_numbers *n)
{
	return n->info.tcpi_bytes_acked + n->unacked >
	       n->info.tcpi_bytes_sent - n->info.tcpi_bytes_retrans +
		       n->info.tcpi_notsent_bytes;
}

/* The peer's was in an orderly end; a reset that came first is an error. */
static bool was_fin_counted(int fd, const struct tcp_numbers *n)
{
	uint8_t byte;

	if (n->unread || !n->info.tcpi_bytes_received)
		return false; /* not known; or it never said anything */
	if (was_own_fin_counted(n) && !n->unacked)
		return true;
	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

int transport_position_of_other(struct worker *w, uint32_t row, bool is_over,
				struct position *position)
{
	int fd = w->conns[row].fd;
	struct tcp_numbers n;
	bool is_fin, is_own_fin;
	int err;

	if (!w->conns[row].is_tcp)
		return -EOPNOTSUPP;
	err = read_tcp_numbers(fd, &n);
	if (err)
		return err;
	if (n.info.tcpi_state != STATE_CLOSE) {
		is_fin = is_fin_counted(n.info.tcpi_state);
		is_own_fin = is_own_fin_counted(n.info.tcpi_state);
	} else if (is_over) {
		is_fin = was_fin_counted(fd, &n);
		is_own_fin = was_own_fin_counted(&n);
	} else {
		return -ENOTCONN; /* peeking would take its error away */
	}
	position->received = n.info.tcpi_bytes_received - n.unread - is_fin;
	position->given = n.info.tcpi_bytes_acked + n.unacked - is_own_fin;
	return 0;
}

static int exchange_position(struct worker *w, uint32_t row,
			     struct position *position)
{
	const struct exchange *x = transport_exchange(w);
	struct ledger_row *r = &w->rows[row];
	const struct ledger_record *record = row_record(r);

	position->received = x->in.msg_len == TRANSPORT_NOT_DONE ?
				     ledger_get(record->consumed) +
					     ledger_get(record->in_bytes) :
				     x->in_base + x->in.msg_len;
	position->given = x->out.msg_len == TRANSPORT_NOT_DONE ?
				  ledger_get(r->sent) :
				  x->out_base + x->out.msg_len;
	return 0;
}

int transport_position(struct worker *w, uint32_t row,
		       struct position *position)
{
	if (w->conns[row].is_tcp)
		return tcp_position(w->conns[row].fd, position);
	return exchange_position(w, row, position);
}
