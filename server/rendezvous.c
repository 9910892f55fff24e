/* SPDX-License-Identifier: ISC */
/*
 * rendezvous.c - NAME.control, the socket where an instance can be met
 *
 * A socket's address has room for 107 characters, a directory's name may be
 * longer. Then we open the directory and name the socket by that descriptor,
 * below /proc/self/fd: the kernel follows the link, and nobody needs to
 * change the working directory.
 */
#include "server/rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* `guichetd -s` is run by people and by systemd, one at a time, mostly. */

/* How long to wait for room in the backlog, in seconds. */
#define CONNECT_TIMEOUT_S 1

/* Where the socket is. */
struct place {
	struct sockaddr_un address; /* sun_path is good for other calls, too */
	int dir_fd;                 /* sun_path goes by it; -1: needs none */
};

static int fill_path(struct place *place, const char *dir, const char *name)
{
	int n = snprintf(place->address.sun_path,
			 sizeof(place->address.sun_path),
			 "%s/%s" RENDEZVOUS_SUFFIX, dir, name);

	return n < 0 || (size_t)n >= sizeof(place->address.sun_path) ?
		       -ENAMETOOLONG :
		       0;
}

static void place_close(const struct place *place)
{
	if (place->dir_fd >= 0)
		close(place->dir_fd);
}

static int place_open(struct place *place, const char *dir, const char *name)
{
	char by_fd[32];
	int err;

	place->address.sun_family = AF_UNIX;
	place->dir_fd = -1;
	if (!fill_path(place, dir, name))
		return 0;
	place->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place->dir_fd < 0)
		return -errno;
	(void)snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", place->dir_fd);
	err = fill_path(place, by_fd, name);
	if (err)
		place_close(place);
	return err;
}

/* Removes what stands there if it is a socket; -EEXIST: it is none. */
static int clear_away(const char *path)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Binds so that the file is nobody else's from its birth on. */
static int bind_private(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0177);
	int err = 0;

	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		err = -errno;
	(void)umask(mask);
	return err;
}

static int listen_at(const struct sockaddr_un *address)
{
	int fd, err;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = clear_away(address->sun_path);
	if (!err)
		err = bind_private(fd, address);
	if (err)
		goto out_close;
	if (!listen(fd, RENDEZVOUS_BACKLOG))
		return fd;
	err = -errno;
	(void)unlink(address->sun_path); /* it was ours a moment ago */
out_close:
	close(fd);
	return err;
}

int rendezvous_listen(const char *dir, const char *name)
{
	struct place place;
	int fd, err;

	err = place_open(&place, dir, name);
	if (err)
		return err;
	fd = listen_at(&place.address);
	place_close(&place);
	return fd;
}

/*
 * A blocking connect(2) waits for room in the backlog as long as sending may
 * take, and then fails with EAGAIN; a nonblocking one would not wait at all.
 */
static int connect_to(int fd, const struct sockaddr_un *address)
{
	struct timeval timeout = { .tv_sec = CONNECT_TIMEOUT_S };
	int n;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)))
		return -errno;
	do
		n = connect(fd, (const struct sockaddr *)address,
			    sizeof(*address));
	while (n < 0 && errno == EINTR);
	return n < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int rendezvous_connect(const char *dir, const char *name)
{
	struct place place;
	int fd, err;

	err = place_open(&place, dir, name);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	err = fd < 0 ? -errno : connect_to(fd, &place.address);
	place_close(&place);
	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}

/* Who is at the other end: that process, or who listened, when we connected. */
static int peer_of(int fd, struct ucred *peer)
{
	socklen_t bytes = sizeof(*peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &bytes) < 0 ?
		       -errno :
		       0;
}

pid_t rendezvous_peer(int fd)
{
	struct ucred peer;
	int err = peer_of(fd, &peer);

	return err ? err : peer.pid;
}

/* The file's mode lets no other in; but its owner may change that. */
static int check_peer(int fd)
{
	struct ucred peer;
	int err = peer_of(fd, &peer);

	if (err)
		return err;
	return peer.uid == 0 || peer.uid == geteuid() ? 0 : -EACCES;
}

int rendezvous_accept(int fd)
{
	int peer_fd, err;

	do
		peer_fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (peer_fd < 0 && errno == EINTR);
	if (peer_fd < 0)
		return -errno;
	err = check_peer(peer_fd);
	if (!err)
		return peer_fd;
	close(peer_fd);
	return err;
}

void rendezvous_unlink(const char *dir, const char *name)
{
	struct place place;

	if (place_open(&place, dir, name) < 0)
		return;                           /* no directory, no socket */
	(void)clear_away(place.address.sun_path); /* it may be gone */
	place_close(&place);
}
