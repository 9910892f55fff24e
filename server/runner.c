/* SPDX-License-Identifier: ISC */
/*
 * runner.c - the keeper's part of programs: starts them, waits for them
 *
 * They are the keeper's children, so that no worker's death touches them. It
 * trusts nothing in a row: a pid that it signals is one of its own table.
 */
#include "server/runner.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "server/bag.h"
#include "server/fds.h"

/*
 * So many are started before those that have ended are looked at, for more
 * come while we start them.
 */
#define BATCH 8

/* ---- the table of those that run ---- */

static uint32_t *bucket_of_pid(struct runner *r, pid_t pid)
{
	return &r->by_pid[(uint32_t)pid % RUNNER_BUCKETS];
}

static uint32_t *find_pid(struct runner *r, pid_t pid)
{
	uint32_t *link = bucket_of_pid(r, pid);

	while (*link && r->running[*link - 1].pid != pid)
		link = &r->running[*link - 1].next;
	return link;
}

static const struct running *find_row(struct runner *r, uint32_t row)
{
	/* the row names its program; whether that is true we know */
	pid_t pid = ledger_get(r->post->part.rows[row].pid);
	uint32_t at = pid > 0 ? *find_pid(r, pid) : 0;

	return at && r->running[at - 1].row == row ? &r->running[at - 1] : NULL;
}

static bool is_source(const struct source *s, const struct ledger_addr *addr)
{
	return s->family == addr->family && !memcmp(s->ip, addr->ip, 16);
}

static uint32_t *find_source(struct runner *r, const struct ledger_addr *addr)
{
	uint32_t hash = addr->family;
	uint32_t *link;

	for (size_t i = 0; i < sizeof(addr->ip); i++)
		hash = hash * 31 + addr->ip[i];
	link = &r->by_source[hash % RUNNER_BUCKETS];
	while (*link && !is_source(&r->sources[*link - 1], addr))
		link = &r->sources[*link - 1].next;
	return link;
}

/* The count of that address; one is free for each that may run. */
static uint32_t source_add(struct runner *r, const struct ledger_addr *addr)
{
	uint32_t *link = find_source(r, addr);
	struct source *s;

	if (!*link) {
		uint32_t at = r->free_source;

		if (!at)
			return 0;
		s = &r->sources[at - 1];
		r->free_source = s->next;
		*s = (struct source){ .family = addr->family };
		memcpy(s->ip, addr->ip, sizeof(s->ip));
		*link = at;
	}
	r->sources[*link - 1].n++;
	return *link;
}

static void source_remove(struct runner *r, uint32_t at)
{
	struct source *s;
	struct ledger_addr addr = { 0 };
	uint32_t *link;

	if (!at)
		return;
	s = &r->sources[at - 1];
	if (--s->n)
		return;
	addr.family = s->family;
	memcpy(addr.ip, s->ip, sizeof(addr.ip));
	link = find_source(r, &addr);
	*link = s->next;
	s->next = r->free_source;
	r->free_source = at;
}

static void running_add(struct runner *r, pid_t pid, uint32_t row, uint64_t id,
			uint32_t source)
{
	uint32_t at = r->free_running;
	uint32_t *bucket = bucket_of_pid(r, pid);
	struct running *running = &r->running[at - 1];

	r->free_running = running->next;
	*running = (struct running){
		.pid = pid,
		.row = row,
		.id = id,
		.source = source,
		.next = *bucket,
	};
	*bucket = at;
	r->n_running++;
}

/* ---- telling the worker ---- */

/* If the row is still in @from: a worker that stops closes it meanwhile. */
static bool move_row(struct ledger_row *row, uint32_t from, uint32_t to)
{
	/* release: what was said of the program is there before */
	return atomic_compare_exchange_strong_explicit(&row->state, &from, to,
						       memory_order_release,
						       memory_order_relaxed);
}

static void end_row(struct runner *r, uint32_t at, uint32_t from, int status)
{
	struct ledger_row *row = &r->post->part.rows[at];

	ledger_set(row->status, status);
	if (!move_row(row, from, ROW_ENDED))
		return;
	handover_put(&r->post->order->programs.to_worker, at);
	fds_poke(r->post->ended_fd);
}

/* With all of its group; one that looks up names may not have it yet. */
static void signal_program(pid_t pid, int sig)
{
	if (kill(-pid, sig) < 0)
		(void)kill(pid, sig); /* our child: it is not another's pid */
}

/* ---- starting ---- */

static const struct listen_config *listen_of(const struct runner *r,
					     const struct ledger_row *row)
{
	uint32_t l = row->listener;

	return l && l <= r->post->n_listeners ?
		       r->post->listeners[l - 1].config :
		       NULL;
}

static pid_t start_program(struct runner *r, const struct listen_config *listen,
			   const struct program *program,
			   const struct ledger_row *row, uint32_t source)
{
	struct ledger_addr peer = row->peer, local = row->local;
	struct spawn spawn = {
		.program = program,
		.socket_fd = row->fd,
		.peer = &peer,
		.local = &local,
		.local_path = listen->addr.path,
		.n_of_source = source ? r->sources[source - 1].n : 1,
	};
	struct voice *voice = voice_of_program(&r->voices, listen, program,
					       r->spawner.null_fd,
					       &spawn.stderr_fd);
	pid_t pid = spawn_program(&r->spawner, &spawn);

	voice_settle(&r->voices, voice, spawn.stderr_fd, pid);
	if (pid < 0)
		log_warning("%s: cannot start %s: %s: %s", listen->name,
			    spawn.program->path, spawn.step, strerror(-pid));
	return pid;
}

/* A descriptor that can be a connection's: not one of ours. */
static bool is_conn_fd(const struct runner *r, int fd)
{
	return fd >= 0 && fd < r->post->n_fds && !r->post->is_base[fd];
}

static void start(struct runner *r, uint32_t at)
{
	struct ledger_row *row = &r->post->part.rows[at];
	const struct listen_config *listen = listen_of(r, row);
	const struct program *program = listen ? program_of(listen) : NULL;
	struct ledger_addr peer = row->peer;
	uint32_t source;
	pid_t pid;

	if (!program || !is_conn_fd(r, row->fd) || !r->free_running) {
		end_row(r, at, ROW_STARTING, -EBADF);
		return;
	}
	if (ledger_get(row->ending)) {
		end_row(r, at, ROW_STARTING, -ECANCELED);
		return;
	}
	source = source_add(r, &peer);
	pid = start_program(r, listen, program, row, source);
	if (pid < 0) {
		source_remove(r, source);
		end_row(r, at, ROW_STARTING, pid);
		return;
	}
	running_add(r, pid, at, row->id, source);
	ledger_set(row->pid, pid);
	ledger_set(row->began_mono_ns, clock_mono_ns());
	if (!move_row(row, ROW_STARTING, ROW_RUNNING))
		signal_program(pid, SIGTERM); /* its connection is closed */
}

/* ---- ending ---- */

static void end(struct runner *r, uint32_t at)
{
	uint32_t ending = ledger_get(r->post->part.rows[at].ending);
	const struct running *running = find_row(r, at);

	if (!ending || !running)
		return;
	signal_program(running->pid, ending & ROW_END_NOW ? SIGKILL : SIGTERM);
}

void runner_kill_all(struct runner *r, int sig)
{
	for (uint32_t b = 0; r->is_used && b < RUNNER_BUCKETS; b++)
		for (uint32_t at = r->by_pid[b]; at;
		     at = r->running[at - 1].next)
			signal_program(r->running[at - 1].pid, sig);
	waiters_kill_all(&r->waiters, sig);
}

void runner_reap(struct runner *r, pid_t pid, int status)
{
	struct running *running;
	struct ledger_row *row;
	uint32_t *link, at;

	if (!r->is_used)
		return;
	link = find_pid(r, pid);
	at = *link;
	if (!at) { /* or it could not be started: that is known */
		(void)waiters_reap(&r->waiters, pid, status);
		return;
	}
	running = &r->running[at - 1];
	row = &r->post->part.rows[running->row];
	if (row->id == running->id && ledger_get(row->pid) == pid)
		end_row(r, running->row, ROW_RUNNING, status);
	*link = running->next;
	source_remove(r, running->source);
	running->next = r->free_running;
	r->free_running = at;
	r->n_running--;
}

/* ---- what the worker tells ---- */

static void look_at(struct runner *r, uint32_t at)
{
	uint32_t state;

	if (at >= r->n_room)
		return;
	/* acquire: pairs with the worker's release; the row is whole */
	state = atomic_load_explicit(&r->post->part.rows[at].state,
				     memory_order_acquire);
	if (state == ROW_STARTING)
		start(r, at);
	else if (state == ROW_RUNNING)
		end(r, at);
}

/*
 * Only while a worker serves: one that takes over closes every descriptor
 * that it does not know, and would close a pipe that we had just made.
 */
static bool has_worker(const struct runner *r)
{
	uint32_t state = ledger_get(r->post->part.head->state);

	return state == WORKER_SERVING || state == WORKER_DRAINING;
}

void runner_look_at_waiters(struct runner *r, bool may_start)
{
	waiters_look(&r->waiters, &r->spawner, &r->voices,
		     may_start && has_worker(r));
}

void runner_look(struct runner *r)
{
	struct handover_ring *ring = &r->post->order->programs.to_keeper;
	uint32_t row, high;
	uint64_t n;

	(void)!read(r->post->starting_fd, &n, sizeof(n)); /* to silence it */
	if (!has_worker(r))
		return; /* its successor tells of all again */
	for (unsigned i = 0; i < BATCH && handover_take(ring, &row); i++)
		look_at(r, row);
	if (handover_has(ring))
		fds_poke(r->post->starting_fd);
	if (!handover_takes_all(ring))
		return;
	high = (uint32_t)min_u64(ledger_get(r->post->part.head->rows_high),
				 r->n_room);
	for (row = 0; row < high; row++)
		look_at(r, row);
}

/* ---- opening ---- */

static bool has_programs(const struct config *config)
{
	for (size_t i = 0; i < config->n_listeners; i++)
		if (program_of(&config->listeners[i]))
			return true;
	return false;
}

int runner_n_fds(const struct config *config)
{
	const struct program *program;

	for (size_t i = 0; i < config->n_listeners; i++) {
		program = program_of(&config->listeners[i]);
		if (program && program->stderr_to == PROGRAM_STDERR_LOG)
			return (int)config->worker_connections;
	}
	return 0;
}

static int make_tables(struct runner *r)
{
	uint32_t n = r->n_room;

	r->running = calloc(n, sizeof(*r->running));
	r->sources = calloc(n, sizeof(*r->sources));
	if (!r->running || !r->sources)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		r->running[i].next = i + 1 < n ? i + 2 : 0;
		r->sources[i].next = i + 1 < n ? i + 2 : 0;
	}
	r->free_running = r->free_source = 1;
	r->is_used = true;
	return 0;
}

int runner_open(struct runner *r, struct post *post)
{
	int err;

	r->post = post;
	r->n_room = post->view.shape.n_rows;
	post->starting_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	post->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (post->starting_fd < 0 || post->ended_fd < 0)
		return -errno;
	r->voices.epoll_fd = -1;
	r->waiters.epoll_fd = -1;
	/* without programs, too: later, when there are some, connections have
	   all low numbers */
	err = spawner_open(&r->spawner);
	if (err || !has_programs(post->config))
		return err;
	err = voices_open(&r->voices);
	if (!err)
		err = waiters_open(&r->waiters, post);
	return err ? err : make_tables(r);
}

/* ---- over to another program ---- */

/* What a bag has of one that runs. */
struct running_record {
	int32_t pid;
	uint32_t row;
	uint64_t id;
	uint8_t ip[16];
	uint16_t family;
	uint16_t has_source;
	uint32_t pad;
};

_Static_assert(sizeof(struct running_record) == 40, "no padding");

static void pack(const struct runner *r, const struct running *running,
		 struct bag *bag)
{
	struct running_record record = {
		.pid = running->pid,
		.row = running->row,
		.id = running->id,
		.has_source = running->source != 0,
	};

	if (running->source) {
		const struct source *s = &r->sources[running->source - 1];

		record.family = s->family;
		memcpy(record.ip, s->ip, sizeof(record.ip));
	}
	bag_put(bag, &record, sizeof(record));
}

void runner_pack(struct runner *r, struct bag *bag)
{
	spawner_pack(&r->spawner, bag);
	bag_put(bag, &r->n_running, sizeof(r->n_running));
	for (uint32_t b = 0; b < RUNNER_BUCKETS; b++)
		for (uint32_t at = r->by_pid[b]; at;
		     at = r->running[at - 1].next)
			pack(r, &r->running[at - 1], bag);
	voices_pack(&r->voices, bag);
	waiters_pack(&r->waiters, r->post, bag);
}

static void unpack(struct runner *r, struct bag *bag)
{
	struct ledger_addr addr = { 0 };
	struct running_record record;

	bag_get(bag, &record, sizeof(record));
	if (bag->err)
		return;
	if (record.pid <= 0 || record.row >= r->n_room || !r->free_running) {
		bag->err = -EBADMSG;
		return;
	}
	addr.family = record.family;
	memcpy(addr.ip, record.ip, sizeof(addr.ip));
	running_add(r, record.pid, record.row, record.id,
		    record.has_source ? source_add(r, &addr) : 0);
}

void runner_unpack(struct runner *r, struct bag *bag)
{
	uint32_t n;
	int err;

	spawner_unpack(&r->spawner, bag, r->post->is_base, r->post->n_fds);
	bag_get(bag, &n, sizeof(n));
	if (n && !r->is_used) {
		err = make_tables(r);
		if (err && !bag->err)
			bag->err = err;
	}
	for (uint32_t i = 0; !bag->err && i < n; i++)
		unpack(r, bag);
	voices_unpack(&r->voices, bag);
	waiters_unpack(&r->waiters, r->post, bag);
	if (r->waiters.n) /* they are to be reaped */
		r->is_used = true;
}
