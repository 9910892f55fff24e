/* SPDX-License-Identifier: ISC */
/*
 * spawn.c - starts a program, at a cost that no table of descriptors changes
 *
 * The keeper's table has tens of thousands of descriptors, and a fork would
 * copy them all, as well as the keeper's page tables. So the child shares
 * memory and table with the keeper, which waits meanwhile (CLONE_VFORK). The
 * connection is put to a low number first; then the child takes a table of
 * its own in which there is nothing above (CLOSE_RANGE_UNSHARE copies what is
 * below and no more), puts things in their places and becomes the program.
 *
 * In the child only system calls are made, and no memory is changed but its
 * own stack and what it reports. The wrappers for uids and groups would tell
 * threads of the keeper: they are called raw.
 */
#include "server/spawn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"
#include "server/bag.h"

/* Room for what the resolver wants; what is not touched costs nothing. */
#define STACK_BYTES (256U << 10)

#define ENV_MAX        (PROGRAM_WORDS_MAX + 24)
#define ENV_TEXT_BYTES 16384

/* Status of a child that could not become its program. */
#define STATUS_NOT_STARTED 127

/* ---- the environment ---- */

struct environment {
	char *word[ENV_MAX + 1];
	size_t n;
	char text[ENV_TEXT_BYTES];
	size_t used;
};

static void env_add(struct environment *env, const char *fmt, ...)
	PRINTF_LIKE(2, 3);

static void env_add(struct environment *env, const char *fmt, ...)
{
	size_t room = sizeof(env->text) - env->used;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(env->text + env->used, room, fmt, args);
	va_end(args);
	/* cannot be: all that is added has a bound, and there is room */
	if (n < 0 || (size_t)n >= room || env->n >= ENV_MAX)
		return;
	env->word[env->n++] = env->text + env->used;
	env->used += (size_t)n + 1;
}

static void add_ip(struct environment *env, const char *name,
		   const struct ledger_addr *addr)
{
	char ip[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(addr->family, addr->ip, ip, sizeof(ip));
	env_add(env, "%s=%s", name, ip);
}

static void add_tcp(struct environment *env, const struct spawn *spawn)
{
	env_add(env, "PROTO=TCP");
	add_ip(env, "TCPLOCALIP", spawn->local);
	env_add(env, "TCPLOCALPORT=%u", spawn->local->port);
	add_ip(env, "TCPREMOTEIP", spawn->peer);
	env_add(env, "TCPREMOTEPORT=%u", spawn->peer->port);
	env_add(env, "TCPCONNNUM=%u", spawn->n_of_source);
	/* as systemd.socket(5) has them */
	add_ip(env, "REMOTE_ADDR", spawn->peer);
	env_add(env, "REMOTE_PORT=%u", spawn->peer->port);
}

static void add_unix(struct environment *env, const struct spawn *spawn)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	env_add(env, "PROTO=UNIX");
	env_add(env, "UNIXLOCALPATH=%s", spawn->local_path);
	env_add(env, "UNIXLOCALUID=%u", (unsigned)getuid());
	env_add(env, "UNIXLOCALGID=%u", (unsigned)getgid());
	if (getsockopt(spawn->socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) <
	    0)
		return;
	env_add(env, "UNIXREMOTEPID=%d", (int)peer.pid);
	env_add(env, "UNIXREMOTEEUID=%u", (unsigned)peer.uid);
	env_add(env, "UNIXREMOTEEGID=%u", (unsigned)peer.gid);
}

static bool is_same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strcspn(b, "=") == n && strncmp(a, b, n) == 0;
}

/* What the operator asks for wins over what would be there without. */
static void add_word(struct environment *env, char *word)
{
	for (size_t i = 0; i < env->n; i++) {
		if (is_same_name(env->word[i], word)) {
			env->word[i] = word;
			return;
		}
	}
	if (env->n < ENV_MAX)
		env->word[env->n++] = word;
}

static void env_make(struct environment *env, struct spawn *spawn)
{
	const char *path = getenv("PATH");
	const struct program *program = spawn->program;

	env->n = 0;
	env->used = 0;
	env_add(env, "PATH=%.4000s",
		path ? path : "/usr/local/bin:/usr/bin:/bin");
	if (program->is_wait) /* each datagram has a peer of its own */
		env_add(env, "PROTO=UDP");
	else if (spawn->peer->family == AF_UNIX)
		add_unix(env, spawn);
	else
		add_tcp(env, spawn);
	for (char *const *w = program->environment.word; *w; w++)
		add_word(env, *w);
	env->word[env->n] = NULL;
}

/* ---- the names of both ends ---- */

/* Blocks, so never in the keeper. No name: the variable is not there. */
static void add_name(struct environment *env, const char *name,
		     const struct ledger_addr *addr)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	bool is_v4 = addr->family == AF_INET;
	char host[256];

	memcpy(&in.sin_addr, addr->ip, 4);
	memcpy(&in6.sin6_addr, addr->ip, 16);
	if (getnameinfo(is_v4 ? (void *)&in : (void *)&in6,
			is_v4 ? sizeof(in) : sizeof(in6), host, sizeof(host),
			NULL, 0, NI_NAMEREQD) == 0)
		env_add(env, "%s=%s", name, host);
}

static void env_look_up(struct environment *env, const struct spawn *spawn)
{
	if (spawn->peer->family != AF_INET && spawn->peer->family != AF_INET6)
		return;
	add_name(env, "TCPLOCALHOST", spawn->local);
	add_name(env, "TCPREMOTEHOST", spawn->peer);
	env->word[env->n] = NULL;
}

/* ---- in the child ---- */

struct child {
	const struct spawner *spawner;
	const struct spawn *spawn;
	struct environment *env;
	/* what it reports, when the memory is shared */
	const char *step;
	int err;
};

_Noreturn static void give_up(struct child *child, const char *step)
{
	child->err = errno;
	child->step = step;
	if (child->spawn->program->wants_names) /* nobody would see that */
		log_error("cannot start %s: %s: %s",
			  child->spawn->program->path, step, strerror(errno));
	_exit(STATUS_NOT_STARTED);
}

static void take_own_table(struct child *child)
{
	const struct spawner *s = child->spawner;
	int low = s->socket_fd > s->stderr_fd ? s->socket_fd : s->stderr_fd;

	if (close_range((unsigned)low + 1, ~0U, CLOSE_RANGE_UNSHARE) < 0)
		give_up(child, "descriptors");
	/* dup2 makes them survive the exec */
	if (dup2(s->stderr_fd, STDERR_FILENO) < 0 ||
	    dup2(s->socket_fd, STDIN_FILENO) < 0 ||
	    dup2(s->socket_fd, STDOUT_FILENO) < 0)
		give_up(child, "descriptors");
	if (child->spawn->program->stderr_to == PROGRAM_STDERR_SOCKET &&
	    dup2(s->socket_fd, STDERR_FILENO) < 0)
		give_up(child, "descriptors");
	/* now, for the exec closes them after the keeper has gone on: what it
	   closed meanwhile would stay open with us. There are some: numbers
	   below ours get free, and are a connection's or a pipe's */
	if (close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
		give_up(child, "descriptors");
}

/* As if nobody had ignored or blocked any. */
static void reset_signals(void)
{
	/* as the kernel has it, zero: default. By system call, for glibc keeps
	   signals 32 and 33 to itself, and they may be ignored from outside */
	const struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} by_default = { 0 };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++) /* but KILL and STOP, as ever */
		(void)syscall(SYS_rt_sigaction, sig, &by_default, NULL,
			      sizeof(by_default.mask));
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_limit(struct child *child, int resource, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
		give_up(child, "rlimit");
	limit.rlim_max = most < limit.rlim_max ? most : limit.rlim_max;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit((__rlimit_resource_t)resource, &limit) < 0)
		give_up(child, "rlimit");
}

static void set_limits(struct child *child)
{
	const struct program *program = child->spawn->program;
	struct rlimit files;

	/* ours are for the keeper's table, and no business of a program's */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = child->spawner->n_files;
		(void)setrlimit(RLIMIT_NOFILE, &files); /* less: may be */
	}
	for (unsigned i = 0; i < PROGRAM_LIMITS; i++)
		if (program->has_limit[i])
			set_limit(child, program_limit_resource[i],
				  program->limit[i]);
}

static void become_user(struct child *child)
{
	const struct program *program = child->spawn->program;

	if (!program->has_user)
		return;
	if (syscall(SYS_setgroups, program->n_groups, program->groups) < 0 ||
	    syscall(SYS_setresgid, program->gid, program->gid, program->gid) <
		    0 ||
	    syscall(SYS_setresuid, program->uid, program->uid, program->uid) <
		    0)
		give_up(child, "user");
}

static int become_program(void *arg)
{
	struct child *child = arg;
	const struct program *program = child->spawn->program;

	take_own_table(child);
	reset_signals();
	/* a group of its own, so that all of it can be ended; and signals of
	   the terminal are the server's */
	(void)setsid(); /* fails for who is the leader of one already */
	if (program->wants_names)
		env_look_up(child->env, child->spawn);
	if (program->has_nice &&
	    setpriority(PRIO_PROCESS, 0, program->nice) < 0)
		give_up(child, "nice");
	set_limits(child);
	become_user(child);
	/* after that, for a change of uid undoes it. Nobody waits for one whose
	   keeper died, and its socket must be free for the next server */
	if (program->is_wait)
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (program->directory[0] && chdir(program->directory) < 0)
		give_up(child, "directory");
	(void)execve(program->path, program->command.word, child->env->word);
	give_up(child, "command");
}

/* ---- in the keeper ---- */

int spawner_open(struct spawner *spawner)
{
	struct rlimit files;
	uint8_t *stack;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	spawner->n_files = files.rlim_cur;
	spawner->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	spawner->socket_fd = fcntl(spawner->null_fd, F_DUPFD_CLOEXEC, 3);
	spawner->stderr_fd = fcntl(spawner->null_fd, F_DUPFD_CLOEXEC, 3);
	if (spawner->null_fd < 0 || spawner->socket_fd < 0 ||
	    spawner->stderr_fd < 0)
		return -errno;
	stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return -errno;
	if (mprotect(stack, 4096, PROT_NONE) < 0)
		return -errno;
	spawner->stack_top = stack + STACK_BYTES;
	return 0;
}

void spawner_pack(const struct spawner *spawner, struct bag *bag)
{
	uint64_t n_files = spawner->n_files;

	bag_put(bag, &n_files, sizeof(n_files));
	bag_put_fd(bag, spawner->null_fd);
	bag_put_fd(bag, spawner->socket_fd);
	bag_put_fd(bag, spawner->stderr_fd);
}

static void take_over(int *fd, struct bag *bag, uint8_t *is_base, int n_fds)
{
	int former = bag_get_fd(bag);

	if (former < 0 || former >= n_fds || former == *fd) {
		if (!bag->err)
			bag->err = -EBADMSG;
		return;
	}
	is_base[*fd] = 0;
	close(*fd);
	*fd = former;
	is_base[former] = 1;
}

void spawner_unpack(struct spawner *spawner, struct bag *bag, uint8_t *is_base,
		    int n_fds)
{
	uint64_t n_files;

	bag_get(bag, &n_files, sizeof(n_files));
	take_over(&spawner->null_fd, bag, is_base, n_fds);
	take_over(&spawner->socket_fd, bag, is_base, n_fds);
	take_over(&spawner->stderr_fd, bag, is_base, n_fds);
	if (!bag->err)
		spawner->n_files = (rlim_t)n_files;
}

/* To look up a name takes its time: such a child is on its own at once. */
static int flags_of(const struct program *program)
{
	if (program->wants_names)
		return SIGCHLD;
	return CLONE_FILES | CLONE_VM | CLONE_VFORK | SIGCHLD;
}

/*
 * AddressSanitizer notes what of a stack is in use, and takes that back when a
 * function returns. The child's never do, and the next child gets its stack.
 */
/* NOLINTNEXTLINE(bugprone-reserved-identifier): it is its name */
extern void __asan_unpoison_memory_region(const volatile void *at, size_t bytes)
	__attribute__((weak));

static pid_t clone_child(const struct spawner *spawner, struct child *child)
{
	pid_t pid;

	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region((uint8_t *)spawner->stack_top -
						      STACK_BYTES,
					      STACK_BYTES);
	pid = clone(become_program, spawner->stack_top,
		    flags_of(child->spawn->program), child);
	if (pid < 0) {
		child->err = errno;
		child->step = "process";
	}
	return child->err ? -child->err : pid;
}

static int put(int from, int to)
{
	return dup3(from, to, O_CLOEXEC) < 0 ? -errno : 0;
}

pid_t spawn_program(const struct spawner *spawner, struct spawn *spawn)
{
	static struct environment env;
	struct child child = { .spawner = spawner,
			       .spawn = spawn,
			       .env = &env };
	pid_t pid;
	int err = put(spawn->socket_fd, spawner->socket_fd);

	if (!err)
		err = put(spawn->stderr_fd, spawner->stderr_fd);
	if (!err) {
		env_make(&env, spawn);
		pid = clone_child(spawner, &child);
		spawn->step = child.step;
	} else {
		pid = err;
		spawn->step = "descriptors";
	}
	/* or the connection would stay open with us (cannot fail) */
	(void)put(spawner->null_fd, spawner->socket_fd);
	(void)put(spawner->null_fd, spawner->stderr_fd);
	return pid;
}
