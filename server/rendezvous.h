/* SPDX-License-Identifier: ISC */
/*
 * rendezvous.h - NAME.control, the socket where an instance can be met
 *
 * In the runtime directory, of mode 0600, SOCK_SEQPACKET. While a master
 * lives, it answers there, and `guichetd -s` asks (operator.h). Keepers have
 * it open too: when their master is dead, they answer there, so that a new
 * master finds them (adoption.h).
 */
#ifndef GUICHET_RENDEZVOUS_H
#define GUICHET_RENDEZVOUS_H

#include <sys/types.h>

#define RENDEZVOUS_SUFFIX ".control"

/* Of those who wait to be let in. */
#define RENDEZVOUS_BACKLOG 64

/*
 * Makes the socket, in the place of one that is there: the caller holds the
 * lock on the ledger. Nonblocking, CLOEXEC. Returns it or -errno; -EEXIST:
 * something stands there that is no socket, and is left alone. The
 * directory's name may be longer than a socket's address has room for (then
 * /proc is needed).
 */
int rendezvous_listen(const char *dir, const char *name);

/*
 * Connects; nonblocking, CLOEXEC. Returns the socket or -errno: -ENOENT or
 * -ECONNREFUSED when nobody answers there. When too many wait to be let in,
 * it waits for up to a second, then -EAGAIN.
 */
int rendezvous_connect(const char *dir, const char *name);

/*
 * The other end's process: of one that was accepted, who connected; of one
 * that we connected, who called rendezvous_listen(), whoever has the socket
 * by now. 0: of another pid name space. Or -errno.
 */
pid_t rendezvous_peer(int fd);

/* Takes the next who came, nonblocking, CLOEXEC; -EAGAIN: nobody. One who is
   neither root nor our own user is turned away: -EACCES. */
int rendezvous_accept(int fd);

/* Removes it from the directory, if it is a socket. */
void rendezvous_unlink(const char *dir, const char *name);

#endif
