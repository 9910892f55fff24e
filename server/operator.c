/* SPDX-License-Identifier: ISC */
/*
 * operator.c - what `guichetd -s` asks the master, and is answered
 *
 * The master's side; the other is signal_instance.c. Nothing here waits for
 * an operator. What was said and is not read yet stays in the socket's
 * buffer. Lines get its usual size; before the answer it is made larger, so
 * that the answer gets through however many lines there were.
 */
#include "server/operator.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/rendezvous.h"

const char *const operator_words[OPERATOR_REQUESTS] = {
	[OPERATOR_RELOAD] = "reload",
	[OPERATOR_UPGRADE] = "upgrade",
};

void operators_init(struct operators *operators)
{
	for (size_t i = 0; i < OPERATORS_MAX; i++)
		operators->of[i] = (struct caller){ .fd = -1 };
}

static void let_go(struct caller *caller)
{
	close(caller->fd);
	*caller = (struct caller){ .fd = -1 };
}

/* A failure is full room or a peer that is gone: poll(2) tells of the latter. */
static void say(struct caller *caller, char kind, const char *text)
{
	char message[1 + OPERATOR_LINE_BYTES + 1];
	int n = snprintf(message, sizeof(message), "%c%s", kind, text);
	size_t bytes = min_u64((uint64_t)n, sizeof(message) - 1);

	if (send(caller->fd, message, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		caller->n_lost++;
}

/* The last words, and away. */
static void answer(struct caller *caller, enum exit_code code)
{
	const char digit[] = { (char)('0' + code), 0 };
	int bytes = INT_MAX / 2; /* as many as net.core.wmem_max allows */
	char text[64];

	(void)setsockopt(caller->fd, SOL_SOCKET, SO_SNDBUF, &bytes,
			 sizeof(bytes)); /* refused: it has what it has */
	if (caller->n_lost) {
		(void)snprintf(text, sizeof(text),
			       "guichetd: %u more lines are in the log only",
			       caller->n_lost);
		say(caller, OPERATOR_LINE, text);
	}
	say(caller, OPERATOR_END, digit);
	let_go(caller);
}

static struct caller *find_free(struct operators *operators)
{
	for (size_t i = 0; i < OPERATORS_MAX; i++)
		if (operators->of[i].fd < 0)
			return &operators->of[i];
	return NULL;
}

static void refuse(int fd)
{
	struct caller caller = { .fd = fd };
	char text[64];

	(void)snprintf(text, sizeof(text),
		       "guichetd: %d others wait for the master already",
		       OPERATORS_MAX);
	say(&caller, OPERATOR_LINE, text);
	answer(&caller, EXIT_FAILED);
}

void operators_let_in(struct operators *operators, int fd)
{
	struct caller *caller;
	int peer_fd;

	for (;;) {
		peer_fd = rendezvous_accept(fd);
		if (peer_fd == -EACCES)
			continue; /* the next may be one of ours */
		if (peer_fd < 0)
			return;
		caller = find_free(operators);
		if (caller)
			caller->fd = peer_fd;
		else
			refuse(peer_fd);
	}
}

static enum operator_request find_request(const char *word, size_t bytes)
{
	for (int i = OPERATOR_NONE + 1; i < OPERATOR_REQUESTS; i++)
		if (strlen(operator_words[i]) == bytes &&
		    !memcmp(operator_words[i], word, bytes))
			return (enum operator_request)i;
	return OPERATOR_NONE;
}

static void correct(struct caller *caller)
{
	say(caller, OPERATOR_LINE,
	    "guichetd: the master knows no such request (there are: reload, "
	    "upgrade)");
	answer(caller, EXIT_USAGE);
}

enum operator_request operators_read(struct operators *operators, size_t i)
{
	struct caller *caller = &operators->of[i];
	char word[OPERATOR_WORD_BYTES];
	ssize_t n;

	if (caller->fd < 0)
		return OPERATOR_NONE;
	/* TRUNC: a longer word is known by its length */
	n = recv(caller->fd, word, sizeof(word), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return OPERATOR_NONE;
	if (n <= 0 || caller->request != OPERATOR_NONE) {
		let_go(caller);
		return OPERATOR_NONE;
	}
	caller->request = find_request(word, (size_t)n);
	if (caller->request == OPERATOR_NONE)
		correct(caller);
	return caller->request;
}

void operators_defer(struct operators *operators, size_t i)
{
	operators->of[i].is_deferred = true;
}

void operators_take_up(struct operators *operators,
		       enum operator_request request)
{
	for (size_t i = 0; i < OPERATORS_MAX; i++)
		if (operators->of[i].request == request)
			operators->of[i].is_deferred = false;
}

static bool is_meant(const struct caller *caller, enum operator_request request)
{
	return caller->fd >= 0 && caller->request == request &&
	       !caller->is_deferred;
}

void operators_tell(struct operators *operators, enum operator_request request,
		    const char *line)
{
	for (size_t i = 0; i < OPERATORS_MAX; i++)
		if (is_meant(&operators->of[i], request))
			say(&operators->of[i], OPERATOR_LINE, line);
}

void operators_answer(struct operators *operators,
		      enum operator_request request, enum exit_code code)
{
	for (size_t i = 0; i < OPERATORS_MAX; i++)
		if (is_meant(&operators->of[i], request))
			answer(&operators->of[i], code);
}
