/* SPDX-License-Identifier: ISC */
/*
 * guard.c - what a child process gives up, and what it will not survive
 */
#include "server/guard.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base.h"

int guard_find_user(const char *name, struct guard_user *user)
{
	const struct passwd *pw;

	*user = (struct guard_user){ 0 };
	errno = 0;
	pw = getpwnam(name);
	if (!pw)
		return errno ? -errno : -ENOENT;
	user->is_set = true;
	user->uid = pw->pw_uid;
	user->gid = pw->pw_gid;
	(void)snprintf(user->name, sizeof(user->name), "%s", name);
	return 0;
}

/* What it holds is not for others of that uid to look at. */
static int become_private(void)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

/* A program that became another one has dropped them before. */
static bool is_already(const struct guard_user *user)
{
	uid_t real, effective, saved;

	return getresuid(&real, &effective, &saved) == 0 && user->uid != 0 &&
	       real == user->uid && effective == user->uid &&
	       saved == user->uid;
}

int guard_drop(const struct guard_user *user)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (!user->is_set)
		return 0;
	if (is_already(user))
		return become_private();
	if (initgroups(user->name, user->gid) < 0 ||
	    setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return -errno;
	return become_private();
}

void guard_die_with(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* cannot fail */
	if (getppid() != parent)
		_exit(EXIT_FAILED); /* it died before we asked */
}

void guard_child(int deadly)
{
	static const int ignored[] = {
		SIGINT,  SIGQUIT, SIGHUP,  SIGTERM, SIGUSR1,
		SIGUSR2, SIGTTIN, SIGTTOU, SIGPIPE,
	};
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i],
			     ignored[i] == deadly ? SIG_DFL : SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}
