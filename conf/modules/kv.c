/* SPDX-License-Identifier: ISC */
/*
 * kv.c - a pad of keys and values for each connection: an example of a module
 *
 *     SET KEY VALUE    OK, or NO ROOM
 *     GET KEY          its value, or NONE
 *     QUIT             BYE, and the end
 *
 * One command a line, one line of answer. The pad is the connection's state:
 * it lives as long as the connection does, over any death of a worker.
 *
 *     cc -O2 -Wall -shared -fPIC -o kv.so kv.c
 */
#include <guichet/service.h>
#include <stdio.h>

#define LEN(array)     (sizeof(array) / sizeof((array)[0]))
#define LINE_MAX_BYTES 64 /* a command or an answer, with its end */

struct pad { /* a connection's state: all zero at first */
	unsigned n;
	struct pair {
		char key[12], value[28];
	} pair[6];
};

/* A listener's settings are just its greeting. */
static const char *set_greeting(void *settings, const char *value)
{
	if (strlen(value) >= LINE_MAX_BYTES)
		return "is too long (63 bytes at most)";
	strcpy(settings, value);
	return NULL;
}

static const struct service_setting settings[] = {
	{ "greeting", "TEXT", "READY", "what is said first", set_greeting },
};

static const struct service_counter counters[] = {
	{ "sets", "", "Values that were set" },
	{ "misses", "", "Keys asked for that were not there" },
	{ "stored", "bytes", "Length of all values that were set" },
};
enum {
	SETS,
	MISSES,
	STORED
};

static void say(struct turn *turn, const char *text)
{
	/* there is room: kv_input() has looked */
	(void)turn_write(turn, text, strlen(text));
	(void)turn_write(turn, "\n", 1);
}

static struct pair *find(struct pad *pad, const char *key)
{
	for (unsigned i = 0; i < pad->n; i++)
		if (!strcmp(pad->pair[i].key, key))
			return &pad->pair[i];
	return NULL;
}

static const char *set(struct turn *turn, const char *key, const char *value)
{
	struct pad *pad = turn->state;
	struct pair *pair = find(pad, key);

	if ((!pair && pad->n == LEN(pad->pair)) ||
	    strlen(key) >= sizeof(pair->key) ||
	    strlen(value) >= sizeof(pair->value))
		return "NO ROOM";
	if (!pair)
		pair = &pad->pair[pad->n++];
	strcpy(pair->key, key);
	strcpy(pair->value, value);
	turn_count(turn, SETS, 1);
	turn_count(turn, STORED, strlen(value));
	return "OK";
}

/* The answer to @line; NULL to QUIT. */
static const char *answer(struct turn *turn, char *line)
{
	const char *verb = strsep(&line, " "), *key = strsep(&line, " ");
	const struct pair *pair;

	if (!strcmp(verb, "QUIT"))
		return NULL;
	if (!strcmp(verb, "SET") && key && line)
		return set(turn, key, line);
	if (strcmp(verb, "GET") != 0 || !key || line)
		return "WHAT?";
	pair = find(turn->state, key);
	turn_count(turn, MISSES, !pair);
	return pair ? pair->value : "NONE";
}

static enum verdict kv_open(struct turn *turn)
{
	say(turn, turn->settings);
	return VERDICT_CONTINUE;
}

/* Answers whole lines; what is none yet is left for the next time. */
static enum verdict kv_input(struct turn *turn)
{
	char line[LINE_MAX_BYTES];

	for (;;) {
		const char *at = (const char *)turn->in + turn->consumed, *text;
		size_t left = turn->in_bytes - turn->consumed;
		const char *end = memchr(at, '\n', left);
		size_t n = end ? (size_t)(end - at) : left;

		if (n >= sizeof(line))
			return VERDICT_RESET; /* no line of this protocol */
		if (!end)
			return VERDICT_CONTINUE;
		if (turn->out_room - turn->out_bytes < LINE_MAX_BYTES)
			return VERDICT_AGAIN; /* the rest when this is out */
		memcpy(line, at, n + 1);
		line[strcspn(line, "\r\n")] = '\0';
		turn->consumed += n + 1;
		text = answer(turn, line);
		say(turn, text ? text : "BYE");
		if (!text)
			return VERDICT_CLOSE;
	}
}

static const struct service kv = {
	.name = "kv",
	.help = "a pad of keys and values for each connection",
	.transports = SERVICE_STREAM,
	.state_bytes = sizeof(struct pad),
	.settings = settings,
	.n_settings = LEN(settings),
	.settings_bytes = LINE_MAX_BYTES,
	.counters = counters,
	.n_counters = LEN(counters),
	.open = kv_open,
	.input = kv_input,
	.closes_idle = true, /* between a line and its answer, nothing waits */
};

GUICHET_SERVICE(kv);
