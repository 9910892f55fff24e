/* SPDX-License-Identifier: ISC */
/*
 * config_check.c - what only the whole of a configuration can tell
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "server/config_draft.h"
#include "server/program.h"

static bool is_same_address(const struct draft *a, const struct draft *b)
{
	const struct addr *x = &a->listen.addr, *y = &b->listen.addr;

	if (!a->has_address || !b->has_address)
		return false;
	/* one that is retired listens no more; port 0 is another each time */
	if (a->listen.is_retired || b->listen.is_retired ||
	    (x->transport != TRANSPORT_UNIX && !x->port))
		return false;
	return addr_is_same_typed(x, y);
}

static void check_address(struct reading *r, const struct draft *first,
			  struct draft *second)
{
	char typed[ADDR_TYPED_BYTES];

	if (!is_same_address(first, second))
		return;
	addr_format_typed(&first->listen.addr, typed);
	if (second->place.argument)
		config_problem_add(&r->problems, second->place,
				   "%s twice on the command line", typed);
	else
		config_problem_add(&r->problems, second->place,
				   "[listen %s] twice; the first is on line %u",
				   typed, first->place.line);
}

static void check_addresses(struct reading *r)
{
	for (size_t i = 0; i < r->n_drafts; i++) {
		struct draft *draft = &r->draft[i];

		for (size_t j = 0; j < i; j++) {
			struct draft *former = &r->draft[j];
			bool is_other_source = !former->place.argument !=
					       !draft->place.argument;

			if (former->is_replaced)
				continue;
			if (!is_other_source)
				check_address(r, former, draft);
			else if (is_same_address(former, draft))
				former->is_replaced = true;
		}
	}
}

static const struct draft *find_name(const struct reading *r, const char *name,
				     size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!r->draft[i].is_replaced &&
		    !r->draft[i].listen.is_retired &&
		    !strcmp(r->draft[i].listen.name, name))
			return &r->draft[i];
	return NULL;
}

static void check_names(struct reading *r)
{
	for (size_t i = 0; i < r->n_drafts; i++) {
		const struct draft *draft = &r->draft[i], *first;

		if (!draft->name_line || draft->is_replaced ||
		    draft->listen.is_retired)
			continue;
		first = find_name(r, draft->listen.name, i);
		if (first)
			config_problem_add(&r->problems,
					   place_of(r, draft->name_line),
					   "name \"%s\" twice; the first is on "
					   "line %u",
					   draft->listen.name,
					   first->name_line);
	}
}

/*
 * echo, echo-2, echo-3, ...: the first that no other listener has. @n_before:
 * how many listeners of that service have one of these already.
 */
static void choose_name(const struct reading *r, struct draft *draft,
			size_t n_before)
{
	const char *service = draft->listen.service->name;
	char name[LEDGER_NAME_BYTES];

	for (size_t i = n_before + 1;; i++) {
		if (i == 1)
			snprintf(name, sizeof(name), "%s", service);
		else
			snprintf(name, sizeof(name), "%.*s-%zu",
				 LEDGER_NAME_BYTES - 8, service, i);
		if (!find_name(r, name, r->n_drafts))
			break;
	}
	strcpy(draft->listen.name, name);
}

/* Listeners before @draft that have the same service, and no name given. */
static size_t count_like(const struct reading *r, const struct draft *draft)
{
	size_t n = 0;

	for (const struct draft *other = r->draft; other < draft; other++)
		n += !other->is_replaced && !other->name_line &&
		     other->listen.service == draft->listen.service;
	return n;
}

static void choose_names(struct reading *r)
{
	for (size_t i = 0; i < r->n_drafts; i++) {
		struct draft *draft = &r->draft[i];

		if (!draft->is_replaced && draft->listen.service &&
		    !draft->listen.name[0])
			choose_name(r, draft, count_like(r, draft));
	}
}

void config_check_listeners(struct reading *r, bool is_read)
{
	struct config_place place = { .file = r->text.file };

	if (!r->n_drafts && is_read && !r->has_unknown)
		config_problem_add(&r->problems, place,
				   "no listener: add a section [listen "
				   "ADDRESS], or -l ADDRESS=SERVICE");
	if (r->n_drafts > LEDGER_MAX_LISTENERS - 1)
		config_problem_add(&r->problems, place,
				   "%zu listeners are more than %d",
				   r->n_drafts, LEDGER_MAX_LISTENERS - 1);
	check_addresses(r);
	check_names(r);
	choose_names(r);
}

/* Keepers start programs, and one that became a user can become no other. */
static void check_program_users(struct reading *r)
{
	for (size_t i = 0; i < r->n_drafts; i++) {
		const struct draft *draft = &r->draft[i];
		const struct program *program = NULL;

		if (draft->listen.service && draft->listen.settings)
			program = program_of(&draft->listen);
		if (program && program->has_user && r->config->user[0])
			config_problem_add(&r->problems, draft->place,
					   "a program's user needs a server "
					   "that stays root, not user = %s",
					   r->config->user);
	}
}

/*
 * Each worker has a descriptor table of its own, that is as large as the hard
 * limit allows. Our own default makes do with less than it would like.
 */
static void check_descriptors(struct reading *r)
{
	struct config *config = r->config;
	const struct config_setting *setting = NULL;
	rlim_t spare = CONFIG_SPARE_DESCRIPTORS + 2 * r->n_drafts;
	struct rlimit limit;
	rlim_t room;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_max == RLIM_INFINITY)
		return;
	room = limit.rlim_max > spare ? limit.rlim_max - spare : 0;
	if (config->worker_connections <= room)
		return;
	if (r->server)
		setting = config_section_find(r->server, "worker-connections");
	if (!setting && room) {
		config->worker_connections = (unsigned)room;
		return;
	}
	config_problem_add(&r->problems,
			   place_of(r, setting ? setting->line : 0),
			   "worker-connections: %u do not fit the hard limit "
			   "of %llu descriptors (at most %llu do)",
			   config->worker_connections,
			   (unsigned long long)limit.rlim_max,
			   (unsigned long long)room);
}

/*
 * Idle workers to keep, from some to some. Our own default makes do with what
 * was set for the other.
 */
void config_check_server(struct reading *r)
{
	struct config *config = r->config;
	const struct config_setting *setting = NULL;

	if (config->max_spare >= config->min_spare)
		return;
	if (r->server)
		setting = config_section_find(r->server, "max-spare");
	if (!setting) {
		config->max_spare = config->min_spare;
		return;
	}
	config_problem_add(&r->problems, place_of(r, setting->line),
			   "max-spare: %u is less than min-spare, which is %u",
			   config->max_spare, config->min_spare);
}

void config_check_machine(struct reading *r)
{
	check_program_users(r);
	check_descriptors(r);
}
