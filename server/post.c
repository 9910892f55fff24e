/* SPDX-License-Identifier: ISC */
/*
 * post.c - what a keeper prepares once, for each of its workers
 *
 * The keeper's part of the ledger is mapped through the master's descriptor,
 * which is closed again before there is a worker: nothing else of the file can
 * ever be written by either. NAME.config says what is served, the ledger's own
 * entries which socket is whose: a socket is known by its inode.
 */
#include "server/post.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "server/crash.h"
#include "server/fds.h"
#include "server/service_table.h"
#include "server/title.h"

_Noreturn static void fail(const struct posting *p, const char *what, int err)
{
	log_error("keeper %u: %s: %s", p->memory.slot, what, strerror(-err));
	_exit(EXIT_FAILED);
}

/* ---- the bag ---- */

void post_pack(const struct post_memory *memory, const struct post_fds *fds,
	       const int *sockets, size_t n_sockets, struct bag *bag)
{
	bag_put(bag, memory, sizeof(*memory));
	bag_put_fd(bag, fds->control);
	bag_put_fd(bag, fds->rendezvous);
	bag_put_fd(bag, fds->config);
	bag_put_fd(bag, fds->ledger);
	bag_put_fd(bag, fds->view);
	bag_put_fd(bag, fds->vault);
	bag_put(bag, &n_sockets, sizeof(n_sockets));
	for (size_t i = 0; i < n_sockets; i++)
		bag_put_fd(bag, sockets[i]);
}

void post_unpack(struct posting *p, struct bag *bag)
{
	size_t n;
	int err;

	*p = (struct posting){ 0 };
	bag_get(bag, &p->memory, sizeof(p->memory));
	p->fds.control = bag_get_fd(bag);
	p->fds.rendezvous = bag_get_fd(bag);
	p->fds.config = bag_get_fd(bag);
	p->fds.ledger = bag_get_fd(bag);
	p->fds.view = bag_get_fd(bag);
	p->fds.vault = bag_get_fd(bag);
	bag_get(bag, &n, sizeof(n));
	for (size_t i = 0; !bag->err && i < n; i++) {
		err = inherited_add(&p->sockets, bag_get_fd(bag), "");
		if (err)
			fail(p, "cannot take over its sockets", err);
	}
	if (bag->err)
		fail(p, "cannot read what it was given", bag->err);
}

/* ---- its configuration and memory ---- */

/*
 * Whether there is nobody yet whom it would cost anything: then it is to be
 * found out what is wrong.
 */
static bool is_to_be_strict(const struct posting *p)
{
	bool is_starting = ledger_get(p->post.view.shape.state) ==
			   LEDGER_STARTING;

	return p->memory.is_rehearsal || (is_starting && !p->memory.is_renewed);
}

/*
 * What can be missed goes on without it: a keeper must not end for want of a
 * file that was there when its master read it. Then a copy leaves it to the
 * keeper to say so.
 */
static void read_config(struct posting *p)
{
	struct log_stream errors;
	bool is_told;
	unsigned n;

	if (!log_stream_open(&errors))
		fail(p, "no memory", -ENOMEM);
	n = config_read_running(&p->config, p->fds.config, errors.out);
	is_told = log_stream_close(&errors, n || !p->memory.is_fitting ?
						    LOG_LEVEL_ERROR :
						    LOG_LEVEL_DEBUG);
	if (n || (is_told && is_to_be_strict(p)))
		fail(p, "cannot read the configuration in force", -EINVAL);
	log_set_level(p->config.log_level);
	close(p->fds.config);
	p->post.config = &p->config;
}

static size_t largest_copy(const struct config *config)
{
	size_t bytes = 0;

	for (size_t i = 0; i < config->n_listeners; i++)
		bytes = max_u64(bytes, service_copy_bytes(
					       config->listeners[i].service));
	return bytes;
}

/*
 * What a former keeper's vault knew of the step in hand is lost with it; so
 * totals stay what they are.
 */
static void forget_step(struct post *post, uint32_t n_rows)
{
	struct ledger_head *head = post->part.head;
	uint32_t row = ledger_get(head->turn_row);
	uint32_t listener = 0;

	ledger_set(head->datagram_listener, 0);
	if (row && row <= n_rows)
		listener = post->part.rows[row - 1].listener;
	if (!listener || listener > post->n_listeners)
		return;
	for (size_t i = 0; i < LEDGER_OWN_COUNTERS; i++)
		ledger_set(head->base_own[i],
			   ledger_get(post->part.totals[listener].own[i]));
}

static void map_ledger(struct posting *p)
{
	struct post *post = &p->post;
	int err = ledger_view_open(p->fds.view, &post->view);

	if (!err)
		err = part_map(p->fds.ledger, &post->view.shape, post->slot,
			       p->memory.is_fitting, &post->part);
	if (err)
		fail(p, "cannot map the ledger", err);
	/* the last descriptor through which the ledger could be written */
	close(p->fds.ledger);
	close(p->fds.view);
	post->n_listeners = post->view.shape.n_listeners - 1;
	if (!ledger_get(post->part.head->next_id))
		ledger_set(post->part.head->next_id,
			   LEDGER_MAX_SLOTS + post->slot);
	(void)snprintf(post->part.head->program,
		       sizeof(post->part.head->program), "%s", title_version());
}

/* After the configuration: it tells how much state a connection may have. */
static void map_vault(struct posting *p)
{
	struct post *post = &p->post;
	uint32_t n_rows = post->view.shape.n_rows;
	size_t bytes = largest_copy(&p->config);
	int err;

	if (p->fds.vault >= 0) {
		err = vault_open(&post->vault, p->fds.vault, n_rows,
				 p->memory.vault_state_bytes, bytes,
				 p->memory.is_fitting);
	} else {
		err = vault_create(&post->vault, n_rows, bytes);
		forget_step(post, n_rows);
	}
	if (err)
		fail(p, "cannot map its memory", err);
	post->order = (void *)vault_at(&post->vault, post->vault.orders);
}

/* ---- its descriptors ---- */

static void find_listeners(struct posting *p)
{
	struct post *post = &p->post;

	p->listeners = calloc(post->n_listeners, sizeof(*p->listeners));
	if (!p->listeners)
		fail(p, "no memory", -ENOMEM);
	listeners_find(&p->config, ledger_view_listeners(&post->view),
		       &p->sockets, p->listeners, post->n_listeners);
	post->listeners = p->listeners;
	inherited_close(&p->sockets);
}

/*
 * While a keeper is renewed it has each listener twice: its own, and that of
 * the plan. Its table never gets smaller, whatever the new configuration can
 * do with: connections have any numbers in it.
 */
static int n_fds_wanted(const struct posting *p)
{
	const struct ledger_header *shape = &p->post.view.shape;
	int n = (int)(shape->n_rows + 2 * shape->n_listeners) +
		KEEPER_SPARE_FDS + runner_n_fds(&p->config);
	int n_former = fds_limit();

	return p->memory.is_renewed && n_former > n ? n_former : n;
}

/*
 * The keeper's are those that were not there before it opened its own, and
 * those that it was given by name. What else was there are connections.
 */
static void mark_base(struct posting *p, const uint8_t *was_open, int n)
{
	struct post *post = &p->post;
	const int named[] = {
		STDIN_FILENO,   STDOUT_FILENO,     STDERR_FILENO,
		p->fds.control, p->fds.rendezvous, post->vault.fd
	};

	post->n_fds = n;
	fds_find_open(post->is_base, n);
	for (int fd = 0; fd < n; fd++)
		post->is_base[fd] &= !was_open[fd];
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (named[i] >= 0 && named[i] < n)
			post->is_base[named[i]] = 1;
	for (size_t i = 0; i < post->n_listeners; i++)
		if (p->listeners[i].fd >= 0 && p->listeners[i].fd < n)
			post->is_base[p->listeners[i].fd] = 1;
}

/* From here on the table has its full size, and these are the keeper's. */
static void settle_fds(struct posting *p, struct bag *bag)
{
	struct post *post = &p->post;
	int wanted = n_fds_wanted(p), n, err;
	uint8_t *was_open = malloc((size_t)wanted);

	post->is_base = malloc((size_t)wanted);
	if (!was_open || !post->is_base)
		fail(p, "no memory", -ENOMEM);
	fds_find_open(was_open, wanted);
	err = runner_open(&p->runner, post);
	if (err)
		fail(p, "cannot prepare to run programs", err);
	n = fds_grow(wanted);
	if (n < 0)
		fail(p, "cannot have the descriptors it needs", n);
	post->order_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (post->order_fd < 0)
		fail(p, "cannot give orders", -errno);
	mark_base(p, was_open, n);
	free(was_open);
	p->runner.voices.is_base = post->is_base;
	p->runner.voices.n_fds = n;
	if (p->memory.is_renewed)
		runner_unpack(&p->runner, bag);
	if (bag->err)
		fail(p, "cannot take over its programs", bag->err);
}

void post_prepare(struct posting *p, struct bag *bag)
{
	int err;

	p->post.slot = p->memory.slot;
	p->post.keeper = getpid();
	p->post.control_fd = p->fds.control;
	map_ledger(p);
	err = guard_drop(&p->memory.user);
	if (err)
		fail(p, "cannot become its user", err);
	read_config(p);
	map_vault(p);
	CRASH_POINT(KEEPER_MAPPED);
	find_listeners(p);
	CRASH_POINT(KEEPER_LISTENING);
	settle_fds(p, bag);
	p->memory.vault_state_bytes = p->post.vault.state_bytes;
}
