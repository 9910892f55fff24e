/* SPDX-License-Identifier: ISC */
/*
 * guard.h - what a child process gives up, and what it will not survive
 */
#ifndef GUICHET_GUARD_H
#define GUICHET_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

/* Whom to become: looked up by the master, before anything is forked. */
struct guard_user {
	bool is_set;
	char name[64];
	uid_t uid;
	gid_t gid;
};

/* Returns 0, or -ENOENT for a user that does not exist, or another -errno. */
int guard_find_user(const char *name, struct guard_user *user);

/*
 * Becomes @user for good, with its groups, and takes no new privileges from
 * any program. Returns 0 or -errno; does nothing but the latter when @user is
 * not set.
 */
int guard_drop(const struct guard_user *user);

/*
 * For a worker, after guard_drop(), for a change of uid would undo it: dies
 * with its parent @parent, at once and without asking
 * (PR_SET_PDEATHSIG). Ends the process if the parent is gone already.
 */
void guard_die_with(pid_t parent);

/*
 * Signals of a child: those that a terminal or an operator sends to the whole
 * group are the master's business and are ignored, but @deadly, which ends
 * the child (0: none). SIGPIPE is an error code.
 */
void guard_child(int deadly);

#endif
