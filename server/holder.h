/* SPDX-License-Identifier: ISC */
/*
 * holder.h - who holds an address that we cannot have
 */
#ifndef GUICHET_HOLDER_H
#define GUICHET_HOLDER_H

#include <stddef.h>

#include "common/addr.h"

#define HOLDER_TEXT_BYTES 64

/*
 * Says who is bound to @addr, or to the same port of every address:
 * "by guichetd (pid 123)", "by this server itself", "by a process that cannot
 * be seen", or "" when no socket was found there. Returns @out, which has
 * HOLDER_TEXT_BYTES.
 */
const char *holder_describe(const struct addr_socket *addr, char *out);

#endif
