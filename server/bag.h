/* SPDX-License-Identifier: ISC */
/*
 * bag.h - what a process takes along when it becomes another program
 *
 * A memfd, written in order by the old program and read in the same order by
 * the new one, and the descriptors that stay open over execve(2). Errors are
 * kept: a sequence of calls is checked once, at its end.
 */
#ifndef GUICHET_BAG_H
#define GUICHET_BAG_H

#include <stdbool.h>
#include <stddef.h>

/* Whose it is. */
enum bag_kind {
	BAG_NONE, /* this program was started by nobody of ours */
	BAG_KEEPER,
	BAG_MASTER,
	BAG_KINDS
};

struct bag {
	int fd;   /* of the memfd */
	int err;  /* of the first call that failed; 0: none */
	int *fds; /* packed: those that stay open */
	size_t n_fds;
};

/* An empty one, to pack. Returns 0 or -errno. */
int bag_open(struct bag *bag);

/* Begins one for a process of that kind. */
void bag_mark(struct bag *bag, enum bag_kind kind);

/* The one that was packed, from its begin; takes @fd. */
void bag_unpack(struct bag *bag, int fd);

/*
 * At the begin of main(): the one that this program was given (it is named in
 * the environment, and no longer after this), at what follows the mark.
 * Ends the process when there is one that it cannot read.
 */
enum bag_kind bag_inherit(struct bag *bag);

/* @bytes of @data; a descriptor (< 0: none), which stays open. */
void bag_put(struct bag *bag, const void *data, size_t bytes);
void bag_put_fd(struct bag *bag, int fd);

/* Only that it stays open: the new program finds it otherwise. */
void bag_keep_fd(struct bag *bag, int fd);

/*
 * What was put at this place. After an error: zeros, and -1.
 */
void bag_get(struct bag *bag, void *data, size_t bytes);
int bag_get_fd(struct bag *bag);

/*
 * Becomes @program_fd with @argv, and the bag. Returns only when it cannot,
 * with -errno, and with every descriptor as it was.
 */
int bag_exec(struct bag *bag, int program_fd, char *const argv[]);

/*
 * announce: a program that this one tries is told what bags we pack.
 * understands: whether it could unpack them; true when nobody has told. If
 * somebody has, he reads that on its standard error.
 */
#define BAG_UNDERSTOOD "GUICHETD_UNDERSTOOD"

void bag_announce(void);
bool bag_understands(void);

/* Closes the memfd; what was packed is closed by the next execve again. */
void bag_close(struct bag *bag);

#endif
