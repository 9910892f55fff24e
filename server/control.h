/* SPDX-License-Identifier: ISC */
/*
 * control.h - what a master and a keeper say to each other
 *
 * Over a socket of messages (SOCK_SEQPACKET), one for each slot. The keeper's
 * end is in the table it shares with its worker and nowhere else: when the
 * master reads the end of it, both are gone, whatever became of their pids.
 * When the keeper reads the end of it, the master is gone.
 *
 * What comes from below is gossip: the master looks at a message's kind, and
 * takes nothing else from it but numbers for its log and its readout. Where it
 * matters that the keeper said it, and not the worker that has the same
 * socket, it looks at the sender's pid, which the kernel vouches for.
 */
#ifndef GUICHET_CONTROL_H
#define GUICHET_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a slot is to do. */
enum order {
	ORDER_SERVE,
	/* accept no more, leave when the last one has ended, whenever that is;
	   until then it may be told to serve again */
	ORDER_RETIRE,
	ORDER_DRAIN, /* the same for good, and until the deadline */
	ORDER_STOP,  /* close all, leave now */
	ORDERS
};

enum control_kind {
	/* master to keeper */
	CONTROL_GO,    /* you are known: begin */
	CONTROL_ORDER, /* value: enum order; number: deadline, monotonic ns */
	CONTROL_RENEW, /* have your worker leave, and ask for the plan */
	CONTROL_PLAN,  /* become that program; number: of descriptors, as in
			  becoming.h */
	CONTROL_ADOPT, /* I am your new master: who are you? */
	/* keeper to master; SERVING is its worker's word */
	CONTROL_SERVING,     /* the worker serves */
	CONTROL_DIED,        /* it died; value: as waitpid(2) gives it */
	CONTROL_BARE,        /* no worker lives: send the plan */
	CONTROL_NOT_RENEWED, /* could not become it; value: errno */
	CONTROL_LOAD,        /* value: busy, in 1/1000; number: open */
	CONTROL_HELLO,       /* value: slot; number: enum order; its sockets */
	/* either way */
	CONTROL_DESCRIPTORS, /* more of them, for the message that follows */
	CONTROL_KINDS
};

struct control_message {
	uint32_t kind; /* enum control_kind */
	int32_t value;
	uint64_t number;
};

/* Descriptors that one message can carry (SCM_MAX_FD is 253). */
#define CONTROL_FDS_MAX 200U

/* What was received. */
struct control_received {
	struct control_message message;
	pid_t sender; /* 0: unknown, see control_ask_sender() */
	int fd[CONTROL_FDS_MAX];
	size_t n_fds; /* the receiver's to close */
};

/* Both ends of a new one, CLOEXEC. Returns 0 or -errno. */
int control_open(int *master_end, int *keeper_end);

/* From now on the kernel tells who sends what is received at @fd. */
void control_ask_sender(int fd);

/*
 * Sends, with @n_fds descriptors, as many messages as that takes. Never
 * blocks. Returns 0, or -errno: -EAGAIN when the other end is far behind.
 */
int control_send(int fd, const struct control_message *message, const int *fds,
		 size_t n_fds);

/* The same without descriptors, and with nobody to tell of a failure. */
void control_say(int fd, enum control_kind kind, int32_t value,
		 uint64_t number);

/* Returns 1 and what was received, 0 when there is nothing, -1 at the end. */
int control_receive(int fd, struct control_received *received);

/*
 * The same where nobody has a descriptor to send. One that is sent all the
 * same never gets into our table: a worker could send the ledger's, and to
 * close that would drop the master's lock (fcntl_locking(2)).
 */
int control_receive_report(int fd, struct control_received *received);

/* Closes the descriptors that came along. */
void control_drop_fds(struct control_received *received);

#endif
