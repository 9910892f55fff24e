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

/*
 * Puts them back as they were, for the program that this process is about to
 * become. When that fails, notify_open() takes them out again.
 */
void notify_export(void);

/* Whether anybody listens. */
bool notify_is_on(void);

/*
 * Sends one message, "READY=1\nSTATUS=serving". Returns 0 (also when nobody
 * listens), or -errno, which nobody needs to act on: the manager does not
 * answer, and a lost message must not stop a server. Waits at most a second.
 */
int notify_send(const char *fmt, ...) PRINTF_LIKE(1, 2);

/*
 * What takes longer than the manager waits (a start, a stop, a reload) may
 * take @ns more from now on.
 */
int notify_extend(uint64_t ns);

/* A reload begins; READY=1 ends it. */
int notify_reloading(void);

/*
 * Has the manager keep a copy of @fd as @name while the service stops and
 * starts: the next start finds it in LISTEN_FDS, after the sockets of a
 * .socket unit. Several may have one name; what the manager has already it
 * does not keep twice. It keeps up to FileDescriptorStoreMax= of the unit,
 * and lets what is too much go with no more than a line in its own log.
 *
 * @name has 1 to 255 printable ASCII characters and no ":" (which separates
 * LISTEN_FDNAMES); a listener's name, letters, digits, "-", "_" and ".", is
 * always one. Returns as notify_send() does, or -EINVAL for another name.
 */
int notify_store_fd(int fd, const char *name);

/* Has it close all of this name. */
int notify_remove_fd(const char *name);

/*
 * The manager takes us for hung when it hears no WATCHDOG=1 for this long;
 * 0: it does not watch us. To send at half of it is the custom.
 */
uint64_t notify_watchdog_ns(void);

#endif
