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

/* Longer lines are cut in pieces; a line of the log has 1 KiB. */
#define LINE_BYTES 900

/* So much of one program's, before others have their turn. */
#define CHUNK_BYTES 4096
#define EVENTS_MAX  32

struct voice {
	int fd;
	pid_t pid;
	const struct listen_config *listen;
	size_t bytes; /* of a line that has no end yet */
	char line[LINE_BYTES];
};

int voices_open(struct voices *voices)
{
	voices->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return voices->epoll_fd < 0 ? -errno : 0;
}

static int open_pipe(struct voices *voices, struct voice *voice, int fds[2])
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = voice };

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	if (fds[0] < voices->n_fds && fds[1] < voices->n_fds &&
	    fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 &&
	    epoll_ctl(voices->epoll_fd, EPOLL_CTL_ADD, fds[0], &ev) == 0)
		return 0;
	close(fds[0]);
	close(fds[1]);
	return -ENOMEM;
}

static struct voice *voice_open(struct voices *voices,
				const struct listen_config *listen,
				int *write_fd)
{
	struct voice *voice = malloc(sizeof(*voice));
	int fds[2];

	if (!voice)
		return NULL;
	if (open_pipe(voices, voice, fds) < 0) {
		free(voice);
		return NULL;
	}
	voice->fd = fds[0];
	voice->pid = 0;
	voice->listen = listen;
	voice->bytes = 0;
	voices->is_base[fds[0]] = 1;
	*write_fd = fds[1];
	return voice;
}

static void voice_close(struct voices *voices, struct voice *voice)
{
	voices->is_base[voice->fd] = 0;
	close(voice->fd); /* which takes it out of the set, too */
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
		log_notice("%s: %d: %.*s", voice->listen->name, (int)voice->pid,
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
