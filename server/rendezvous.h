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

#include <stdbool.h>
#include <sys/types.h>

/*
 * Makes the socket, in the place of one that is there: the caller holds the
 * lock on the ledger. Nonblocking, CLOEXEC. Returns it or -errno. The
 * directory's name may be longer than a socket's address has room for.
 */
int rendezvous_listen(const char *dir, const char *name);

/* Connects; nonblocking, CLOEXEC. Returns the socket or -errno. */
int rendezvous_connect(const char *dir, const char *name);

/* Takes the next who came, nonblocking, CLOEXEC; -EAGAIN: nobody. One who is
   neither root nor our own user is turned away: -EACCES. */
int rendezvous_accept(int fd);

/* Removes it from the directory. */
void rendezvous_unlink(const char *dir, const char *name);

#endif
