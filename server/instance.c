/* SPDX-License-Identifier: ISC */
/*
 * instance.c - what a server has, whoever runs it at the moment
 */
#include "server/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "server/config_file.h"
#include "server/crash.h"
#include "server/rendezvous.h"
#include "server/store.h"

/* What keepers are to begin with from now on; takes @fd, or returns it. */
static int take_config(struct instance *instance, int fd)
{
	if (fd < 0)
		return fd;
	if (instance->config_fd >= 0)
		close(instance->config_fd);
	instance->config_fd = fd;
	return 0;
}

static int put_config(struct instance *instance)
{
	return take_config(instance, config_file_put(instance->config));
}

/* After an adoption, until there is another one: what keepers have by now. */
static void find_config(struct instance *instance)
{
	if (instance->config_fd < 0) /* or it is put later */
		(void)take_config(instance, config_file_open(instance->config));
}

/* ---- beginning ---- */

int instance_open(struct instance *instance, struct config *config)
{
	*instance = (struct instance){
		.config = config,
		.segment.fd = -1,
		.rendezvous_fd = -1,
		.config_fd = -1,
	};
	/* before we open any: a number that is given, and not open, is none */
	inherited_take_environment(&instance->inherited);
	instance->program_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	return instance->program_fd < 0 ? -errno : 0;
}

static int find_user(struct instance *instance)
{
	const char *name = instance->config->user;
	int err;

	if (geteuid() != 0 || !name[0])
		return 0;
	err = guard_find_user(name, &instance->user);
	if (err)
		log_error("user %s: %s", name,
			  err == -ENOENT ? "no such user" : strerror(-err));
	return err;
}

static int open_rendezvous(struct instance *instance)
{
	const struct config *config = instance->config;

	if (instance->rendezvous_fd >= 0)
		return 0;
	instance->rendezvous_fd =
		rendezvous_listen(config->runtime_dir, config->name);
	if (instance->rendezvous_fd >= 0)
		return 0;
	log_error("%s: cannot make %s.control: %s", config->runtime_dir,
		  config->name, strerror(-instance->rendezvous_fd));
	return instance->rendezvous_fd;
}

/* ---- listeners and their entries ---- */

/* Which listener of the configuration it is; ours to write. */
static struct listen_config *config_of(struct instance *instance,
				       const struct listener *listener)
{
	return &instance->config->listeners[listener->config -
					    instance->config->listeners];
}

static void name_entry(struct instance *instance, uint32_t entry,
		       const struct listener *listener)
{
	struct listen_config *config = config_of(instance, listener);

	config->entry[config->n_entries++] = entry;
}

static void give_entry(struct instance *instance, uint32_t entry,
		       const struct listener *listener)
{
	name_entry(instance, entry, listener);
	instance->listeners[entry - 1] = *listener;
}

/* A socket that another listener had is what it was: ours, file and all. */
static void know_again(const struct instance *instance,
		       struct listener *listener)
{
	const struct ledger_listener *entries = instance->segment.listeners;

	for (size_t e = 1; listener->is_given && e <= instance->n_listeners;
	     e++)
		if (entries[e].address[0] &&
		    entries[e].inode == listener->inode) {
			listener_know(listener, &entries[e]);
			return;
		}
}

static int make_entries(struct instance *instance)
{
	instance->n_listeners = instance->segment.shape.n_listeners - 1;
	instance->listeners =
		calloc(instance->n_listeners, sizeof(*instance->listeners));
	if (!instance->listeners)
		return -ENOMEM;
	for (size_t i = 0; i < instance->n_listeners; i++)
		instance->listeners[i].fd = -1;
	return 0;
}

/* Every listener has what it has; nobody will take what is left. */
static void settle_sockets(struct instance *instance)
{
	store_update(&instance->inherited, instance->listeners,
		     instance->n_listeners);
	inherited_close(&instance->inherited);
}

/* Those of @opened from @first on; frees it. */
static void give_all_back(struct instance *instance, struct listener *opened,
			  size_t first, size_t n)
{
	for (size_t i = first; i < n; i++)
		listener_give_back(&opened[i], &instance->inherited);
	free(opened);
}

/*
 * Who has claimed a ledger is the one, and prepares first all that may fail: a
 * former program cannot go back behind a new ledger. Else another one may be
 * quicker to make it, and only who did is the one.
 */
static int begin_ledger(struct instance *instance, const char *path, int old_fd,
			const struct listener *opened, size_t n)
{
	bool is_claimed = old_fd >= 0;
	int err;

	for (size_t i = 0; i < n; i++)
		name_entry(instance, (uint32_t)i + 1, &opened[i]);
	err = is_claimed ? config_file_prepare(instance->config) : 0;
	if (err)
		return err;
	err = segment_create(&instance->segment, instance->config, path, old_fd,
			     opened, n, config_n_workers(instance->config));
	if (err && is_claimed)
		config_file_drop(instance->config);
	if (!err && !is_claimed)
		err = config_file_prepare(instance->config);
	return err ? err : make_entries(instance);
}

int instance_begin(struct instance *instance, const char *path, int old_fd)
{
	struct segment former = instance->segment;
	struct listener *opened = NULL;
	size_t n = 0;
	int err = find_user(instance);

	config_forget_entries(instance->config);
	if (!err)
		err = listeners_open(instance->config, &instance->inherited,
				     &opened, &n);
	if (!err)
		err = begin_ledger(instance, path, old_fd, opened, n);
	if (err) {
		give_all_back(instance, opened, 0, n);
		instance->segment = former;
		return err;
	}
	for (size_t i = 0; i < n; i++)
		instance->listeners[i] = opened[i];
	free(opened);
	settle_sockets(instance);
	err = open_rendezvous(instance);
	return err ? err : put_config(instance);
}

/* ---- going on ---- */

static const char *format_room(char *out, size_t size, const char *directive,
			       unsigned n)
{
	(void)snprintf(out, size, "%s: the ledger has room for %u, no more",
		       directive, n);
	return out;
}

static bool is_possible(const struct instance *instance,
			const struct config *former)
{
	const struct config *config = instance->config;
	const struct ledger_header *shape = &instance->segment.shape;
	const char *wrong = NULL;
	char room[80];

	if (config_n_workers_max(config) > shape->n_slots)
		wrong = format_room(room, sizeof(room), "workers",
				    shape->n_slots);
	else if (config->worker_connections > shape->n_rows)
		wrong = format_room(room, sizeof(room), "worker-connections",
				    shape->n_rows);
	else if (strcmp(config->user, former->user) != 0)
		wrong = "user: is another one";
	else if (strcmp(config->name, former->name) != 0 ||
		 strcmp(config->runtime_dir, former->runtime_dir) != 0)
		wrong = "name or runtime-dir: is another one";
	if (wrong)
		log_error("%s; that takes a restart", wrong);
	return !wrong;
}

/* Entries that a listener had to give up, by entry; NULL: none. */
struct given_up {
	const struct listen_config *by[LEDGER_MAX_LISTENERS];
};

/* One that has lost a socket is opened anew, as if it had had none. */
static void forget_incomplete(struct instance *instance,
			      struct given_up *given_up)
{
	for (size_t i = 0; i < instance->config->n_listeners; i++) {
		struct listen_config *config = &instance->config->listeners[i];
		bool is_whole = true;

		for (unsigned e = 0; e < config->n_entries; e++)
			is_whole &=
				instance->listeners[config->entry[e] - 1].fd >=
				0;
		if (is_whole || config->is_retired)
			continue;
		for (unsigned e = 0; e < config->n_entries; e++) {
			struct listener *listener =
				&instance->listeners[config->entry[e] - 1];

			listener_close(listener);
			listener->config = NULL;
			given_up->by[config->entry[e]] = config;
		}
		config->n_entries = 0;
	}
}

/* Those that find one are the instance's from then on: *@n_given. */
static int find_entries(struct instance *instance, struct listener *opened,
			size_t n, size_t *n_given)
{
	bool is_taken[LEDGER_MAX_LISTENERS] = { false };

	for (size_t i = 0; i < instance->n_listeners; i++)
		is_taken[i + 1] = listener_is_used(&instance->listeners[i]);
	for (*n_given = 0; *n_given < n; ++*n_given) {
		struct listener *listener = &opened[*n_given];
		uint32_t entry;

		know_again(instance, listener);
		entry = segment_find_entry(&instance->segment, listener,
					   is_taken);

		if (!entry) {
			log_error("%s: the ledger has no room for one more "
				  "listener; that takes a restart",
				  listener->config->name);
			return -EINVAL;
		}
		is_taken[entry] = true;
		give_entry(instance, entry, listener);
	}
	return 0;
}

static int open_new(struct instance *instance)
{
	struct listener *opened = NULL;
	size_t n = 0, n_given;
	int err = listeners_open(instance->config, &instance->inherited,
				 &opened, &n);

	if (err)
		return err;
	err = find_entries(instance, opened, n, &n_given);
	give_all_back(instance, opened, n_given, n);
	return err;
}

static bool is_given_up(const struct instance *instance, uint32_t entry)
{
	return !listener_is_used(&instance->listeners[entry - 1]) &&
	       segment_has_open(&instance->segment, entry);
}

static void keep_given_up_by(struct instance *instance, struct config *former,
			     const struct given_up *given_up,
			     const struct listen_config *listen)
{
	struct listen_config *retired = NULL;

	for (uint32_t e = 1; e <= instance->n_listeners; e++) {
		if (given_up->by[e] != listen || !is_given_up(instance, e))
			continue;
		if (!retired)
			retired =
				config_retire(instance->config, former, listen);
		if (!retired)
			return;
		retired->entry[retired->n_entries++] = e;
		instance->listeners[e - 1].config = retired;
	}
}

/*
 * It may have another address now, and so another entry: by a port that the
 * kernel chooses, or a name that means something else. Then connections of the
 * one that it gave up stay what they are, as those of one that is retired.
 */
static void keep_given_up(struct instance *instance, struct config *former,
			  const struct given_up *given_up)
{
	size_t n = instance->config->n_listeners;

	for (size_t i = 0; i < n; i++)
		keep_given_up_by(instance, former, given_up,
				 &instance->config->listeners[i]);
}

/* So that it can be tried with another configuration. */
static void give_back(struct instance *instance)
{
	for (size_t i = 0; i < instance->n_listeners; i++)
		listener_give_back(&instance->listeners[i],
				   &instance->inherited);
	free(instance->listeners);
	instance->listeners = NULL;
	instance->n_listeners = 0;
}

/* A master may have died before it settled: then the file is still there. */
static bool is_settled(const struct instance *instance, uint32_t entry)
{
	return ledger_get(instance->segment.listeners[entry].flags) &
	       LISTENER_RETIRED;
}

/* Those that were retired before, and whose last connection has ended. */
static void forget_ended(const struct instance *instance, struct config *former)
{
	for (size_t i = 0; i < former->n_listeners; i++) {
		struct listen_config *listen = &former->listeners[i];
		bool has_open = false;

		for (unsigned e = 0; e < listen->n_entries; e++)
			has_open |= !is_settled(instance, listen->entry[e]) ||
				    segment_has_open(&instance->segment,
						     listen->entry[e]);
		if (listen->is_retired && !has_open)
			listen->n_entries = 0;
	}
}

/* A module may have become another one, under the same name. */
static bool are_services_fit(const struct instance *instance)
{
	for (size_t i = 0; i < instance->config->n_listeners; i++) {
		const struct listen_config *listen =
			&instance->config->listeners[i];

		for (unsigned e = 0; e < listen->n_entries; e++) {
			if (segment_is_fit(&instance->segment, listen->entry[e],
					   listen->service))
				continue;
			log_error("%s: the state or the counters of service %s "
				  "are others now; that takes a restart",
				  listen->name, listen->service->name);
			return false;
		}
	}
	return true;
}

static int succeed(struct instance *instance, struct config *former)
{
	int err;

	if (!is_possible(instance, former))
		return -EINVAL;
	forget_ended(instance, former);
	err = config_succeed(instance->config, former);
	if (!err && !are_services_fit(instance))
		err = -EINVAL;
	return err;
}

void instance_drop_new(struct instance *instance)
{
	for (size_t i = 0; i < instance->n_listeners; i++)
		if (instance->listeners[i].is_new)
			listener_close(&instance->listeners[i]);
}

int instance_go_on(struct instance *instance, struct config *former)
{
	struct given_up given_up = { 0 };
	int err = make_entries(instance);

	if (!err)
		err = find_user(instance);
	if (!err && former)
		err = succeed(instance, former);
	if (err) {
		give_back(instance);
		return err;
	}
	listeners_find(instance->config, instance->segment.listeners,
		       &instance->inherited, instance->listeners,
		       instance->n_listeners);
	forget_incomplete(instance, &given_up);
	err = open_new(instance);
	if (!err && former)
		keep_given_up(instance, former, &given_up);
	if (!err)
		err = open_rendezvous(instance);
	if (err)
		give_back(instance);
	else
		find_config(instance);
	return err;
}

/*
 * The file of a unix socket whose listener is gone goes, too. It was nobody's
 * socket any more, and is closed with those that nobody has taken.
 */
static void retire(struct instance *instance, uint32_t entry)
{
	const struct ledger_listener *known =
		&instance->segment.listeners[entry];
	const char *path = known->address + strlen("unix:");
	uint32_t flags = ledger_get(known->flags);
	bool has_file = flags & LISTENER_OWN_FILE;

	if (flags & LISTENER_RETIRED)
		return; /* what is there by now is another's */
	for (size_t i = 0; has_file && i < instance->n_listeners; i++) {
		const struct listener *other = &instance->listeners[i];

		if (other->fd >= 0 && other->inode == known->inode)
			has_file = false; /* the same socket, another service */
	}
	if (has_file)
		(void)unlink(path);
	segment_retire_listener(&instance->segment, entry, true);
}

int instance_commit(struct instance *instance)
{
	int err = config_file_prepare(instance->config);

	if (err)
		return err; /* a full file system: nothing has changed */
	for (size_t i = 0; i < instance->n_listeners; i++) {
		struct listener *listener = &instance->listeners[i];
		uint32_t entry = (uint32_t)i + 1;

		if (!listener_accepts(listener))
			continue;
		listener_tune(listener);
		segment_put_listener(&instance->segment, entry, listener);
	}
	CRASH_POINT(ENTRIES_PUT);
	return put_config(instance);
}

void instance_settle(struct instance *instance)
{
	for (size_t i = 0; i < instance->n_listeners; i++)
		if (listener_is_used(&instance->listeners[i]) &&
		    !listener_accepts(&instance->listeners[i]))
			retire(instance, (uint32_t)i + 1);
	settle_sockets(instance);
}

/* ---- plans ---- */

int instance_plan(const struct instance *instance, struct keeper_plan *plan)
{
	const struct inherited *left = &instance->inherited;

	plan->fd = calloc(PLAN_SOCKETS + instance->n_listeners + left->n,
			  sizeof(*plan->fd));
	if (!plan->fd)
		return -ENOMEM;
	plan->fd[PLAN_PROGRAM] = instance->program_fd;
	plan->fd[PLAN_CONFIG] = instance->config_fd;
	plan->fd[PLAN_LEDGER] = instance->segment.fd;
	plan->fd[PLAN_VIEW] = instance->segment.view_fd;
	plan->fd[PLAN_RENDEZVOUS] = instance->rendezvous_fd;
	plan->n_fds = PLAN_SOCKETS;
	for (size_t i = 0; i < instance->n_listeners; i++)
		if (listener_accepts(&instance->listeners[i]))
			plan->fd[plan->n_fds++] = instance->listeners[i].fd;
	/* until it is settled, the configuration in force may have them */
	for (size_t i = 0; i < left->n; i++)
		if (left->socket[i].fd >= 0)
			plan->fd[plan->n_fds++] = left->socket[i].fd;
	return 0;
}

/* As much of a ledger as a keeper reads, and room for its part. */
static int make_ledger(const struct segment *segment)
{
	const struct ledger_header *shape = &segment->shape;
	int fd = memfd_create("guichet-rehearsal", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) == 0 &&
	    ftruncate(fd, (off_t)shape->file_bytes) == 0 &&
	    write(fd, segment->header, shape->parts_offset) ==
		    (ssize_t)shape->parts_offset)
		return fd;
	close(fd);
	return -ENOMEM;
}

int instance_plan_rehearsal(const struct instance *instance,
			    struct keeper_plan *plan)
{
	int fd = make_ledger(&instance->segment);
	int err = fd < 0 ? fd : instance_plan(instance, plan);

	if (err) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	plan->fd[PLAN_LEDGER] = fd;
	plan->fd[PLAN_VIEW] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return plan->fd[PLAN_VIEW] < 0 ? -errno : 0;
}

/* ---- ending ---- */

/*
 * A unix socket that the service manager keeps has its file, too: who comes
 * before we are started again waits there, as he does at a port.
 */
void instance_close_listeners(struct instance *instance)
{
	for (size_t i = 0; i < instance->n_listeners; i++) {
		struct listener *listener = &instance->listeners[i];

		if (store_has(listener))
			listener->file_ino = 0;
		listener_close(listener);
	}
}

void instance_end(struct instance *instance)
{
	instance_close_listeners(instance);
	config_file_remove(instance->config);
	rendezvous_unlink(instance->config->runtime_dir,
			  instance->config->name);
}
