/* SPDX-License-Identifier: ISC */
/*
 * succession.c - the master becomes another program, under the same pid
 */
#include "server/succession.h"

#include <errno.h>
#include <string.h>

#include "server/crash.h"
#include "server/master_state.h"
#include "server/notify.h"

/* What goes over as it is. Of its descriptors each is put by itself. */
struct memory {
	struct renewal renewal;
	struct scaling scaling;
	unsigned n_slots, n_wanted, n_short, n_strangers;
	char program_path[sizeof(((struct master *)NULL)->program_path)];
	char ledger_path[sizeof(((struct segment *)NULL)->path)];
};

static void pack_memory(const struct master *m, struct bag *bag)
{
	static struct memory memory; /* zero: no padding of ours goes out */

	memory.renewal = m->renewal;
	memory.scaling = m->scaling;
	memory.n_slots = m->n_slots;
	memory.n_wanted = m->n_wanted;
	memory.n_short = m->n_short;
	memory.n_strangers = m->n_strangers;
	memcpy(memory.program_path, m->program_path,
	       sizeof(memory.program_path));
	memcpy(memory.ledger_path, m->instance.segment.path,
	       sizeof(memory.ledger_path));
	bag_put(bag, &memory, sizeof(memory));
	bag_keep_fd(bag, m->renewal.former_program_fd);
	bag_keep_fd(bag, m->renewal.former_config_fd);
}

static void pack_instance(const struct instance *instance, struct bag *bag)
{
	size_t n = 0;

	bag_put_fd(bag, instance->segment.fd);
	bag_put_fd(bag, instance->segment.view_fd);
	bag_put_fd(bag, instance->rendezvous_fd);
	bag_put_fd(bag, instance->config_fd);
	for (size_t i = 0; i < instance->n_listeners; i++)
		n += listener_accepts(&instance->listeners[i]);
	for (size_t i = 0; i < instance->inherited.n; i++)
		n += instance->inherited.socket[i].fd >= 0;
	bag_put(bag, &n, sizeof(n));
	for (size_t i = 0; i < instance->n_listeners; i++)
		if (listener_accepts(&instance->listeners[i]))
			bag_put_fd(bag, instance->listeners[i].fd);
	for (size_t i = 0; i < instance->inherited.n; i++)
		if (instance->inherited.socket[i].fd >= 0)
			bag_put_fd(bag, instance->inherited.socket[i].fd);
}

static void pack_people(const struct master *m, struct bag *bag)
{
	for (unsigned s = 0; s < m->n_slots; s++) {
		bag_put(bag, &m->slots[s], sizeof(m->slots[s]));
		bag_keep_fd(bag, m->slots[s].control_fd);
		bag_keep_fd(bag, m->slots[s].keeper_pidfd);
	}
	for (unsigned i = 0; i < m->n_strangers; i++)
		bag_put_fd(bag, m->strangers[i]);
	bag_put(bag, &m->operators, sizeof(m->operators));
	for (size_t i = 0; i < OPERATORS_MAX; i++)
		bag_keep_fd(bag, m->operators.of[i].fd);
}

int succession_exec(struct master *m, int program_fd)
{
	struct bag bag;
	int err = bag_open(&bag);

	if (err)
		return err;
	bag_mark(&bag, BAG_MASTER);
	pack_memory(m, &bag);
	pack_instance(&m->instance, &bag);
	pack_people(m, &bag);
	notify_export();
	CRASH_POINT(MASTER_PACKED);
	err = bag_exec(&bag, program_fd, m->argv);
	notify_open(); /* out of the environment again */
	bag_close(&bag);
	return err;
}

static void unpack_memory(struct master *m, struct bag *bag)
{
	static struct memory memory;

	bag_get(bag, &memory, sizeof(memory));
	m->renewal = memory.renewal;
	m->scaling = memory.scaling;
	m->n_slots = memory.n_slots;
	m->n_wanted = memory.n_wanted;
	m->n_short = memory.n_short;
	m->n_strangers = memory.n_strangers;
	memcpy(m->program_path, memory.program_path, sizeof(m->program_path));
	memcpy(m->instance.segment.path, memory.ledger_path,
	       sizeof(m->instance.segment.path));
}

static void unpack_instance(struct instance *instance, struct bag *bag)
{
	size_t n;

	instance->segment.fd = bag_get_fd(bag);
	instance->segment.view_fd = bag_get_fd(bag);
	instance->rendezvous_fd = bag_get_fd(bag);
	instance->config_fd = bag_get_fd(bag);
	bag_get(bag, &n, sizeof(n));
	for (size_t i = 0; !bag->err && i < n; i++)
		(void)inherited_add(&instance->inherited, bag_get_fd(bag), "");
}

static void unpack_people(struct master *m, struct bag *bag)
{
	for (unsigned s = 0; s < m->n_slots && s < LEDGER_MAX_SLOTS; s++)
		bag_get(bag, &m->slots[s], sizeof(m->slots[s]));
	for (unsigned i = 0; i < m->n_strangers && i < LEDGER_MAX_SLOTS; i++)
		m->strangers[i] = bag_get_fd(bag);
	bag_get(bag, &m->operators, sizeof(m->operators));
}

int succession_unpack(struct master *m, struct bag *bag)
{
	int err;

	unpack_memory(m, bag);
	unpack_instance(&m->instance, bag);
	unpack_people(m, bag);
	err = bag->err;
	bag_close(bag);
	return err;
}
