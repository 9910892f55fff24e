/* SPDX-License-Identifier: ISC */
/*
 * voice.c - what programs say on their standard error, as lines of our log
 */
#include "server/voice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/log.h"
#include "server/bag.h"

/* Longer lines are cut in pieces; a line of the log has 1 KiB. */
#define LINE_BYTES 900

/* So much of one program's, before others have their turn. */
#define CHUNK_BYTES 4096
#define EVENTS_MAX  32

struct voice {
	struct voice *next, **link; /* link: what points to it */
	int fd;
	pid_t pid;
	/* a copy: it may speak longer than its listener is configured */
	char name[LEDGER_NAME_BYTES];
	size_t bytes; /* of a line that has no end yet */
	char line[LINE_BYTES];
};

/* What a bag has of one; its descriptor, and then its line, follow. */
struct voice_record {
	int32_t pid;
	uint32_t bytes;
	char name[LEDGER_NAME_BYTES];
};

_Static_assert(sizeof(struct voice_record) == 40, "no padding");

int voices_open(struct voices *voices)
{
	voices->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return voices->epoll_fd < 0 ? -errno : 0;
}

static struct voice *voice_make(const char *name, pid_t pid, size_t bytes)
{
	struct voice *voice = malloc(sizeof(*voice));

	if (!voice)
		return NULL;
	voice->pid = pid;
	voice->bytes = bytes;
	memcpy(voice->name, name, sizeof(voice->name));
	return voice;
}

static int watch(const struct voices *voices, struct voice *voice, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = voice };

	if (epoll_ctl(voices->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	return 0;
}

static void add(struct voices *voices, struct voice *voice, int fd)
{
	voice->fd = fd;
	voices->is_base[fd] = 1;
	voice->next = voices->first;
	voice->link = &voices->first;
	if (voice->next)
		voice->next->link = &voice->next;
	voices->first = voice;
}

static int open_pipe(struct voices *voices, struct voice *voice, int fds[2])
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	if (fds[0] < voices->n_fds && fds[1] < voices->n_fds &&
	    fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 &&
	    watch(voices, voice, fds[0]) == 0)
		return 0;
	close(fds[0]);
	close(fds[1]);
	return -ENOMEM;
}

static struct voice *voice_open(struct voices *voices,
				const struct listen_config *listen,
				int *write_fd)
{
	struct voice *voice = voice_make(listen->name, 0, 0);
	int fds[2];

	if (!voice)
		return NULL;
	if (open_pipe(voices, voice, fds) < 0) {
		free(voice);
		return NULL;
	}
	add(voices, voice, fds[0]);
	*write_fd = fds[1];
	return voice;
}

static void voice_close(struct voices *voices, struct voice *voice)
{
	*voice->link = voice->next;
	if (voice->next)
		voice->next->link = voice->link;
	voices->is_base[voice->fd] = 0;
	/* by hand: close(2) leaves it in the set while a child that has yet to
	   become its program has a copy of it (fails never: it is in there) */
	(void)epoll_ctl(voices->epoll_fd, EPOLL_CTL_DEL, voice->fd, NULL);
	close(voice->fd);
	free(voice);
}

struct voice *voice_of_program(struct voices *voices,
			       const struct listen_config *listen,
			       const struct program *program, int null_fd,
			       int *fd)
{
	struct voice *voice;

	*fd = null_fd;
	if (program->stderr_to != PROGRAM_STDERR_LOG)
		return NULL;
	voice = voice_open(voices, listen, fd);
	if (!voice) /* the server's own: a line is better than none */
		*fd = STDERR_FILENO;
	return voice;
}

void voice_settle(struct voices *voices, struct voice *voice, int fd, pid_t pid)
{
	if (!voice)
		return;
	close(fd);
	if (pid > 0)
		voice->pid = pid;
	else
		voice_close(voices, voice);
}

static void log_line(struct voice *voice)
{
	/* a line that ends with CRLF is one that ends */
	if (voice->bytes && voice->line[voice->bytes - 1] == '\r')
		voice->bytes--;
	if (voice->bytes)
		log_notice("%s: %d: %.*s", voice->name, (int)voice->pid,
			   (int)voice->bytes, voice->line);
	voice->bytes = 0;
}

static void take(struct voice *voice, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] != '\n')
			voice->line[voice->bytes++] = text[i] ? text[i] : ' ';
		if (text[i] == '\n' || voice->bytes == sizeof(voice->line))
			log_line(voice);
	}
}

/* The end comes when the last process that has the other end is gone. */
static void listen_to(struct voices *voices, struct voice *voice)
{
	char chunk[CHUNK_BYTES];
	ssize_t n = read(voice->fd, chunk, sizeof(chunk));

	if (n > 0)
		take(voice, chunk, (size_t)n);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	log_line(voice);
	voice_close(voices, voice);
}

void voices_listen(struct voices *voices)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(voices->epoll_fd, events, EVENTS_MAX, 0);

	for (int i = 0; i < n; i++)
		listen_to(voices, events[i].data.ptr);
}

/* ---- over to another program ---- */

static void pack(const struct voice *voice, struct bag *bag)
{
	struct voice_record record = {
		.pid = voice->pid,
		.bytes = (uint32_t)voice->bytes,
	};

	memcpy(record.name, voice->name, sizeof(record.name));
	bag_put(bag, &record, sizeof(record));
	bag_put_fd(bag, voice->fd);
	bag_put(bag, voice->line, voice->bytes);
}

void voices_pack(const struct voices *voices, struct bag *bag)
{
	uint32_t n = 0;

	for (const struct voice *v = voices->first; v; v = v->next)
		n++;
	bag_put(bag, &n, sizeof(n));
	for (const struct voice *v = voices->first; v; v = v->next)
		pack(v, bag);
}

/* Returns 0 or -errno. */
static int resume(struct voices *voices, struct voice *voice, int fd)
{
	int err = fd < voices->n_fds ? watch(voices, voice, fd) : -EMFILE;

	if (err)
		close(fd);
	else
		add(voices, voice, fd);
	return err;
}

static int unpack(struct voices *voices, struct bag *bag)
{
	struct voice_record record;
	struct voice *voice;
	int fd, err;

	bag_get(bag, &record, sizeof(record));
	fd = bag_get_fd(bag);
	if (bag->err || fd < 0 || record.bytes >= LINE_BYTES)
		return -EBADMSG;
	record.name[sizeof(record.name) - 1] = 0;
	voice = voice_make(record.name, record.pid, record.bytes);
	if (!voice)
		return -ENOMEM;
	bag_get(bag, voice->line, voice->bytes);
	err = bag->err ? bag->err : resume(voices, voice, fd);
	if (err)
		free(voice);
	return err;
}

/* There are some, but no program is configured any more. */
static int open_late(struct voices *voices)
{
	int err;

	if (voices->epoll_fd >= 0)
		return 0;
	err = voices_open(voices);
	if (err)
		return err;
	if (voices->epoll_fd >= voices->n_fds) {
		close(voices->epoll_fd);
		voices->epoll_fd = -1;
		return -EMFILE;
	}
	voices->is_base[voices->epoll_fd] = 1;
	return 0;
}

void voices_unpack(struct voices *voices, struct bag *bag)
{
	uint32_t n;
	int err = 0;

	bag_get(bag, &n, sizeof(n));
	if (n)
		err = open_late(voices);
	for (uint32_t i = 0; !err && i < n; i++)
		err = unpack(voices, bag);
	if (err && !bag->err)
		bag->err = err;
}
