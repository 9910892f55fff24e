/* SPDX-License-Identifier: ISC */
/*
 * exec.c - a program for each connection, as inetd and tcpserver run them
 *
 * Here are its settings only. A connection of this service never comes to a
 * handler: the worker entrusts it (entrust.c) to the keeper, which runs the
 * program (runner.c, spawn.c).
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base.h"
#include "common/complain.h"
#include "common/units.h"
#include "server/program.h"

const int program_limit_resource[] = {
	[PROGRAM_NOFILE] = RLIMIT_NOFILE, [PROGRAM_AS] = RLIMIT_AS,
	[PROGRAM_CPU] = RLIMIT_CPU,       [PROGRAM_CORE] = RLIMIT_CORE,
	[PROGRAM_FSIZE] = RLIMIT_FSIZE,   [PROGRAM_NPROC] = RLIMIT_NPROC,
};

_Static_assert(ARRAY_LEN(program_limit_resource) == PROGRAM_LIMITS, "all");

/* ---- words, as a shell would split them ---- */

#define BLANKS " \t"

/* What a backslash in double quotes takes the meaning of. */
#define QUOTABLE "\"\\$`"

/* Copies what stands in quotes @quote, after the first of them. */
static const char *copy_quoted(const char *from, char quote, char **to)
{
	for (; *from && *from != quote; from++) {
		if (quote == '"' && *from == '\\' && from[1] &&
		    strchr(QUOTABLE, from[1]))
			from++;
		*(*to)++ = *from;
	}
	return *from ? from + 1 : NULL;
}

/* Copies one word; NULL when a quote in it has no end. */
static const char *copy_word(const char *from, char **to)
{
	while (*from && !strchr(BLANKS, *from)) {
		if (*from == '"' || *from == '\'') {
			from = copy_quoted(from + 1, *from, to);
			if (!from)
				return NULL;
			continue;
		}
		if (*from == '\\' && from[1])
			from++;
		*(*to)++ = *from++;
	}
	*(*to)++ = '\0';
	return from;
}

/* Every word is shorter than what it was made of, so @words has room. */
static const char *split(const char *value, struct program_words *words)
{
	char *to = words->text;
	size_t n = 0;

	if (strlen(value) >= sizeof(words->text))
		return "is too long";
	for (value += strspn(value, BLANKS); *value;
	     value += strspn(value, BLANKS)) {
		if (n == PROGRAM_WORDS_MAX)
			return complain("has more than %d words",
					PROGRAM_WORDS_MAX);
		words->word[n++] = to;
		value = copy_word(value, &to);
		if (!value)
			return "has a quote without an end";
	}
	words->word[n] = NULL;
	return n ? NULL : "has no word";
}

/* ---- command ---- */

/* 0 if @path is a program that may be run, or the errno that tells why not. */
static int fault_of_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return S_ISREG(st.st_mode) && access(path, X_OK) == 0 ? 0 : EACCES;
}

/* @name is one without a slash: the first program of that name in PATH. */
static int find_in_path(const char *name, char *path)
{
	const char *dir = getenv("PATH");
	int err = ENOENT;
	size_t n;

	for (dir = dir ? dir : "/usr/local/bin:/usr/bin:/bin"; *dir;
	     dir += n + (dir[n] == ':')) {
		n = strcspn(dir, ":");
		if (*dir != '/' || snprintf(path, PATH_MAX, "%.*s/%s", (int)n,
					    dir, name) >= PATH_MAX)
			continue; /* one that is not absolute is nobody's */
		err = fault_of_file(path);
		if (!err)
			return 0;
	}
	return err;
}

static const char *set_command(void *settings, const char *value)
{
	struct program *program = settings;
	const char *wrong = split(value, &program->command), *name;
	int err;

	if (wrong)
		return wrong;
	name = program->command.word[0];
	if (!strchr(name, '/')) {
		err = find_in_path(name, program->path);
		if (err)
			return complain("names \"%s\", which is not a program "
					"in PATH",
					name);
		return NULL;
	}
	/* a relative one would be another where it is run in a directory */
	if (*name != '/')
		return complain("names \"%s\": neither an absolute path nor "
				"without a slash",
				name);
	if (snprintf(program->path, sizeof(program->path), "%s", name) >=
	    (int)sizeof(program->path))
		return "is too long";
	err = fault_of_file(name);
	return err ? complain("cannot be run: %s: %s", name, strerror(err)) :
		     NULL;
}

/* ---- its surroundings ---- */

static const char *set_stderr(void *settings, const char *value)
{
	static const char *const names[] = {
		[PROGRAM_STDERR_LOG] = "log",
		[PROGRAM_STDERR_SOCKET] = "socket",
		[PROGRAM_STDERR_NULL] = "null",
	};
	struct program *program = settings;

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (!strcmp(value, names[i])) {
			program->stderr_to = (enum program_stderr)i;
			return NULL;
		}
	}
	return "is not \"log\", \"socket\" or \"null\"";
}

static const char *set_directory(void *settings, const char *value)
{
	struct program *program = settings;
	struct stat st;

	if (*value != '/' || strlen(value) >= sizeof(program->directory))
		return "is not an absolute path";
	if (stat(value, &st) < 0)
		return complain("cannot be entered: %s", strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return "is not a directory";
	strcpy(program->directory, value);
	return NULL;
}

static const char *set_user(void *settings, const char *value)
{
	struct program *program = settings;
	const struct passwd *pw = getpwnam(value);

	if (!pw)
		return "is not a user of this machine";
	if (geteuid() != 0)
		return "needs a server that is started as root";
	program->n_groups = PROGRAM_GROUPS_MAX;
	if (getgrouplist(value, pw->pw_gid, program->groups,
			 &program->n_groups) < 0)
		return complain("is in more than %d groups",
				PROGRAM_GROUPS_MAX);
	program->has_user = true;
	program->uid = pw->pw_uid;
	program->gid = pw->pw_gid;
	return NULL;
}

static const char *set_environment(void *settings, const char *value)
{
	struct program *program = settings;
	const char *wrong = split(value, &program->environment);

	if (wrong)
		return wrong;
	for (char *const *w = program->environment.word; *w; w++)
		if (!strchr(*w, '=') || **w == '=')
			return complain("has \"%s\", which is not NAME=VALUE",
					*w);
	return NULL;
}

static const char *set_nice(void *settings, const char *value)
{
	struct program *program = settings;
	bool is_negative = *value == '-';
	uint64_t number;

	if (units_parse_number(value + is_negative, 0, is_negative ? 20 : 19,
			       &number))
		return "is not a number from -20 to 19";
	program->has_nice = true;
	program->nice = is_negative ? -(int)number : (int)number;
	if (program->nice < getpriority(PRIO_PROCESS, 0) && geteuid() != 0)
		return "needs a server that is started as root";
	return NULL;
}

static const char *set_limit(struct program *program, enum program_limit limit,
			     uint64_t most)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)program_limit_resource[limit],
		      &now) == 0 &&
	    most > now.rlim_max)
		return complain("is more than the hard limit, %llu",
				(unsigned long long)now.rlim_max);
	program->has_limit[limit] = true;
	program->limit[limit] = most;
	return NULL;
}

static const char *set_number_limit(void *settings, enum program_limit limit,
				    const char *value)
{
	uint64_t number;

	if (units_parse_number(value, 0, INT64_MAX, &number))
		return "is not a number";
	return set_limit(settings, limit, number);
}

static const char *set_size_limit(void *settings, enum program_limit limit,
				  const char *value)
{
	uint64_t bytes;

	if (units_parse_size(value, true, &bytes))
		return "is not a size like 64k, 512m, 2g or \"off\"";
	return set_limit(settings, limit, bytes);
}

static const char *set_cpu_limit(void *settings, enum program_limit limit,
				 const char *value)
{
	uint64_t duration_ns;

	if (units_parse_duration(value, false, &duration_ns))
		return "is not a duration like 10s, 5m, 1h";
	if (duration_ns < NS_PER_S)
		return "is less than 1s";
	return set_limit(settings, limit, duration_ns / NS_PER_S);
}

#define LIMIT_SETTER(name, how, limit)                                   \
	static const char *set_##name(void *settings, const char *value) \
	{                                                                \
		return how(settings, limit, value);                      \
	}

LIMIT_SETTER(nofile, set_number_limit, PROGRAM_NOFILE)
LIMIT_SETTER(nproc, set_number_limit, PROGRAM_NPROC)
LIMIT_SETTER(as, set_size_limit, PROGRAM_AS)
LIMIT_SETTER(core, set_size_limit, PROGRAM_CORE)
LIMIT_SETTER(fsize, set_size_limit, PROGRAM_FSIZE)
LIMIT_SETTER(cpu, set_cpu_limit, PROGRAM_CPU)

static const char *set_max_processes(void *settings, const char *value)
{
	struct program *program = settings;

	if (!strcmp(value, "off")) {
		program->max_processes = UNITS_OFF;
		return NULL;
	}
	if (units_parse_number(value, 1, 1U << 30, &program->max_processes))
		return "is not \"off\" or a number from 1";
	return NULL;
}

static const char *set_lookup(void *settings, const char *value)
{
	struct program *program = settings;

	program->wants_names = !strcmp(value, "on");
	if (!program->wants_names && strcmp(value, "off") != 0)
		return "is not \"on\" or \"off\"";
	return NULL;
}

static const char *set_protocol(void *settings, const char *value)
{
	struct program *program = settings;

	program->is_wait = !strcmp(value, "inetd-wait");
	if (!program->is_wait && strcmp(value, "stream") != 0)
		return "is not \"stream\" or \"inetd-wait\"";
	return NULL;
}

static const struct service_setting settings[] = {
	{
		.name = "command",
		.argument = "WORD...",
		.help = "the program and its arguments, as in a shell",
		.set = set_command,
	},
	{
		.name = "stderr",
		.argument = "log|socket|null",
		.fallback = "log",
		.help = "where its standard error goes",
		.set = set_stderr,
	},
	{
		.name = "directory",
		.argument = "DIR",
		.help = "where it is run",
		.set = set_directory,
	},
	{
		.name = "user",
		.argument = "USER",
		.help = "as whom it is run; the server stays root for that",
		.set = set_user,
	},
	{
		.name = "environment",
		.argument = "NAME=VALUE...",
		.help = "what its environment has beside the usual",
		.set = set_environment,
	},
	{
		.name = "nice",
		.argument = "N",
		.help = "how nice it is, -20 to 19",
		.set = set_nice,
	},
	{
		.name = "rlimit-nofile",
		.argument = "N",
		.help = "descriptors it may have",
		.set = set_nofile,
	},
	{
		.name = "rlimit-as",
		.argument = "SIZE|off",
		.help = "address space it may have",
		.set = set_as,
	},
	{
		.name = "rlimit-cpu",
		.argument = "DURATION",
		.help = "processor time it may use",
		.set = set_cpu,
	},
	{
		.name = "rlimit-core",
		.argument = "SIZE|off",
		.help = "how large its core files may be",
		.set = set_core,
	},
	{
		.name = "rlimit-fsize",
		.argument = "SIZE|off",
		.help = "how large files may be that it writes",
		.set = set_fsize,
	},
	{
		.name = "rlimit-nproc",
		.argument = "N",
		.help = "processes its user may have",
		.set = set_nproc,
	},
	{
		.name = "max-processes",
		.argument = "N|off",
		.fallback = "off",
		.help = "programs at a time; more connections are refused",
		.set = set_max_processes,
	},
	{
		.name = "lookup",
		.argument = "on|off",
		.fallback = "off",
		.help = "give it the host names of both ends",
		.set = set_lookup,
	},
	{
		.name = "protocol",
		.argument = "stream|inetd-wait",
		.fallback = "stream",
		.help = "inetd-wait: one takes a udp socket over, till it ends",
		.set = set_protocol,
	},
};

static const char *check(void *settings_made, unsigned transports)
{
	const struct program *program = settings_made;

	if (!program->path[0])
		return "no program to run: add \"command = ...\"";
	if (transports == SERVICE_DATAGRAM && !program->is_wait)
		return "a program for datagrams needs \"protocol = "
		       "inetd-wait\"";
	if (transports == SERVICE_STREAM && program->is_wait)
		return "\"protocol = inetd-wait\" is for udp only";
	return NULL;
}

static const struct service_counter counters[] = {
	[EXEC_STARTED] = { "programs.started", "", "Programs started" },
	[EXEC_FAILED] = { "programs.failed", "",
			  "Programs not started, killed, or ended with a status "
			  "other than 0" },
	[EXEC_SLOW] = { "programs.slow", "",
			"Programs that took more than a second to start" },
};

_Static_assert(ARRAY_LEN(counters) == EXEC_COUNTERS, "all of them");

/* A service is whole with these only; nothing ever comes to them. */
static enum verdict not_ours(struct turn *turn)
{
	(void)turn;
	return VERDICT_RESET;
}

static void not_ours_either(struct datagram *datagram)
{
	(void)datagram;
}

const struct service service_exec = {
	.name = "exec",
	.help = "runs a program for each connection",
	.transports = SERVICE_STREAM | SERVICE_DATAGRAM,
	.settings = settings,
	.n_settings = ARRAY_LEN(settings),
	.settings_bytes = sizeof(struct program),
	.check = check,
	.counters = counters,
	.n_counters = ARRAY_LEN(counters),
	.input = not_ours,
	.datagram = not_ours_either,
};
