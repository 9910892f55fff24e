/* SPDX-License-Identifier: ISC */
/*
 * probe.c - a service that tries what a worker must not be able to do
 *
 *     maps       its mappings of the ledger, as /proc/self/maps has them
 *     mprotect   tries to make each read-only one of them writable; the names
 *                of the errors, or "done"
 *     open       tries to open the ledger's file for writing, by its name
 *     send       sends a descriptor of it to the master, over the keeper's
 *                control socket: to close it there would drop the lock
 *
 * One word a line, an answer a line for each mapping, and an empty line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base.h"
#include "server/control.h"
#include "tests/services/services.h"

struct mapping {
	unsigned long begin, end;
	const char *text; /* the line */
	const char *path;
	bool is_writable;
};

static void say(struct turn *turn, const char *text)
{
	(void)turn_write(turn, text, strlen(text)); /* there is room */
	(void)turn_write(turn, "\n", 1);
}

static void say_result(struct turn *turn, int result)
{
	say(turn, result < 0 ? strerrorname_np(errno) : "done");
}

static void answer_maps(struct turn *turn, const struct mapping *m)
{
	say(turn, m->text);
}

static void answer_mprotect(struct turn *turn, const struct mapping *m)
{
	if (!m->is_writable)
		say_result(turn, mprotect((void *)m->begin, m->end - m->begin,
					  PROT_READ | PROT_WRITE));
}

static void answer_open(struct turn *turn, const struct mapping *m)
{
	int fd;

	if (m->is_writable)
		return;
	fd = open(m->path, O_RDWR | O_CLOEXEC);
	say_result(turn, fd);
	if (fd >= 0)
		close(fd);
}

/* The control socket is the connected one of whole messages that we have. */
static bool is_control(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int type = 0;
	socklen_t type_len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 &&
	       type == SOCK_SEQPACKET &&
	       getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
}

/* It was built under another name: NAME.ledger.PID (deleted). */
static int open_by_name(const char *path)
{
	static const char suffix[] = ".ledger";
	char name[512];
	char *end;

	(void)snprintf(name, sizeof(name), "%s", path);
	end = strstr(name, suffix);
	if (end)
		end[sizeof(suffix) - 1] = 0;
	return open(name, O_RDONLY | O_CLOEXEC);
}

static void answer_send(struct turn *turn, const struct mapping *m)
{
	struct control_message message = { .kind = CONTROL_DESCRIPTORS };
	int ledger;

	if (m->is_writable)
		return;
	ledger = open_by_name(m->path);
	for (int fd = 0; fd < 64; fd++)
		if (is_control(fd))
			say_result(turn,
				   control_send(fd, &message, &ledger, 1));
	close(ledger);
}

static const struct {
	const char *word;
	void (*answer)(struct turn *turn, const struct mapping *m);
} words[] = {
	{ "maps\n", answer_maps },
	{ "mprotect\n", answer_mprotect },
	{ "open\n", answer_open },
	{ "send\n", answer_send },
};

static bool parse_mapping(char *line, struct mapping *m)
{
	char rights[5];

	line[strcspn(line, "\n")] = 0;
	m->text = line;
	m->path = strchr(line, '/');
	if (!m->path || !strstr(m->path, ".ledger"))
		return false;
	if (sscanf(line, "%lx-%lx %4s", &m->begin, &m->end, rights) != 3)
		return false;
	m->is_writable = rights[1] == 'w';
	return true;
}

static void for_each_mapping(struct turn *turn, size_t word)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	struct mapping m;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		if (parse_mapping(line, &m))
			words[word].answer(turn, &m);
	if (maps)
		(void)fclose(maps); /* it was only read */
	say(turn, "");
}

static enum verdict probe_input(struct turn *turn)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (turn->in_bytes == strlen(words[i].word) &&
		    !memcmp(turn->in, words[i].word, turn->in_bytes))
			for_each_mapping(turn, i);
	turn->consumed = turn->in_bytes;
	return VERDICT_CONTINUE;
}

const struct service probe_service = {
	.name = "probe",
	.help = "tries what a worker must not be able to do",
	.transports = SERVICE_STREAM,
	.input = probe_input,
};
