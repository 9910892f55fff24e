/* SPDX-License-Identifier: ISC */
/*
 * identity.h - who a connection is: its socket, its id, its two addresses
 */
#ifndef GUICHET_IDENTITY_H
#define GUICHET_IDENTITY_H

#include <sys/socket.h>

#include "server/worker.h"

/*
 * Fills the identity of row @r, under its sequence lock, for the just accepted
 * @fd of @listener; @peer as accept(2) told it (@peer_len 0: it is unknown).
 */
void identity_fill(struct worker *w, struct ledger_row *r, uint32_t listener,
		   int fd, const struct sockaddr_storage *peer,
		   socklen_t peer_len);

#endif
