/* SPDX-License-Identifier: ISC */
/*
 * datagram.h - one question, one answer: the UDP side of a worker
 */
#ifndef GUICHET_DATAGRAM_H
#define GUICHET_DATAGRAM_H

#include "server/worker.h"

/* Epoll says that datagrams wait at @listener: answers them. */
void datagram_event(struct worker *w, uint32_t listener);

/*
 * For a successor: finishes the datagram in which a predecessor died, if
 * there is one. @is_suspect: its handler must not be called again.
 */
void datagram_resume(struct worker *w, bool is_suspect);

#endif
