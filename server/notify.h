/* SPDX-License-Identifier: ISC */
/*
 * notify.h - what the service manager is told: sd_notify(3), without libsystemd
 *
 * Without NOTIFY_SOCKET in the environment every call does nothing.
 */
#ifndef GUICHET_NOTIFY_H
#define GUICHET_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base.h"

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of
 * the environment: what we start has nothing to say to the manager. Call it
 * once, in the process that speaks. A value of no use is logged and ignored.
 */
void notify_open(void);

/* Whether anybody listens. */
bool notify_is_on(void);

/*
 * Sends one message, "READY=1\nSTATUS=serving". Returns 0 (also when nobody
 * listens), or -errno, which nobody needs to act on: the manager does not
 * answer, and a lost message must not stop a server. Waits at most a second.
 */
int notify_send(const char *fmt, ...) PRINTF_LIKE(1, 2);

/*
 * The manager takes us for hung when it hears no WATCHDOG=1 for this long;
 * 0: it does not watch us. To send at half of it is the custom.
 */
uint64_t notify_watchdog_ns(void);

#endif
