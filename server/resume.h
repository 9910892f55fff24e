/* SPDX-License-Identifier: ISC */
/*
 * resume.h - a successor takes over what its predecessor left
 */
#ifndef GUICHET_RESUME_H
#define GUICHET_RESUME_H

#include "server/worker.h"

/*
 * Makes @w whole from its part of the ledger, its vault and the descriptors
 * it shares with its keeper: every row that is a connection is served again,
 * what was half done is finished, what is left over is closed. Opens the
 * epoll set. Returns the number of connections taken over, or -errno.
 */
int64_t resume_all(struct worker *w, enum legacy legacy);

#endif
