/* SPDX-License-Identifier: ISC */
/*
 * fds.h - the table of descriptors as a whole
 */
#ifndef GUICHET_FDS_H
#define GUICHET_FDS_H

#include <stdint.h>

/*
 * Opens /dev/null for each of the descriptors 0, 1 and 2 that is missing: a
 * socket in its place would get what is meant for the log.
 */
void fds_fill_standard(void);

/*
 * Closes a socket so that its peer does not take it for an orderly end: TCP
 * resets the connection (socket(7), SO_LINGER).
 */
void fds_close_abortive(int fd);

/* Closes *@fd, if there is one, and says that there is none: -1. */
void fds_close(int *fd);

/* Makes eventfd(2) @fd readable: whoever waits for it wakes up. */
void fds_poke(int fd);

/* Closes every descriptor that @is_kept (one byte each, @n of them) does not
 * keep, and all from @n on. */
void fds_close_others(const uint8_t *is_kept, int n);

/* Sets is_open[fd] to 1 for each descriptor below @n that is open, else 0. */
void fds_find_open(uint8_t *is_open, int n);

/* The limit of open descriptors: no number lies at or above. */
int fds_limit(void);

/*
 * Raises the limit of open descriptors to @n (within what is allowed) and
 * grows the table to its full size. A shared table would make the kernel
 * wait for an RCU grace period each time it grows. Returns the limit that
 * is in force, or -errno.
 */
int fds_grow(int n);

#endif
