/* SPDX-License-Identifier: ISC */
/*
 * config_running.c - the configuration in force: shown, kept, and succeeded
 *
 * A new configuration succeeds a former one: who listens as before goes on
 * with its entries in the ledger, and who is no longer configured is kept, as
 * retired, while it has connections.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/config.h"
#include "server/config_directive.h"
#include "server/config_own.h"
#include "server/config_text.h"
#include "server/module.h"

/* --- as text -------------------------------------------------------------- */

static void print_server(const struct config *config, FILE *out)
{
	fputs("[server]\n", out);
	directives_print(&server_directives, config, ON_ALL, out);
}

static void print_listen(const struct listen_config *listen, FILE *out)
{
	char typed[ADDR_TYPED_BYTES];

	fputs("\n[listen ", out);
	addr_format_typed(&listen->addr, typed);
	config_text_print_value(typed, out);
	fputs("]\n", out);
	directives_print(&listen_directives, listen,
			 1U << listen->addr.transport, out);
	config_own_print(listen, out);
}

void config_dump(const struct config *config, FILE *out)
{
	print_server(config, out);
	for (size_t i = 0; i < config->n_listeners; i++)
		if (!config->listeners[i].is_retired)
			print_listen(&config->listeners[i], out);
}

int config_write_running(const struct config *config, FILE *out)
{
	print_server(config, out);
	for (size_t i = 0; i < config->n_listeners; i++) {
		print_listen(&config->listeners[i], out);
		directives_print(&running_directives, &config->listeners[i],
				 ON_ALL, out);
	}
	errno = 0;
	if (!fflush(out) && !ferror(out))
		return 0;
	return errno ? -errno : -EIO;
}

/* --- succession ----------------------------------------------------------- */

static bool is_same_service(const struct service *a, const struct service *b)
{
	const char *a_path = module_path(a), *b_path = module_path(b);

	if (a_path || b_path)
		return a_path && b_path && !strcmp(a_path, b_path);
	return !strcmp(a->name, b->name);
}

static bool is_same_listener(const struct listen_config *a,
			     const struct listen_config *b)
{
	return addr_is_same_typed(&a->addr, &b->addr) &&
	       is_same_service(a->service, b->service) &&
	       !strcmp(a->name, b->name);
}

/* One that listens comes before one that is retired; NULL: there is none. */
static struct listen_config *find_former(const struct config *former,
					 const struct listen_config *listen)
{
	struct listen_config *retired = NULL;

	for (size_t i = 0; i < former->n_listeners; i++) {
		struct listen_config *other = &former->listeners[i];

		if (!is_same_listener(listen, other))
			continue;
		if (!other->is_retired)
			return other;
		if (!retired)
			retired = other;
	}
	return retired;
}

static void take_entries(struct listen_config *listen,
			 struct listen_config *former)
{
	memcpy(listen->entry, former->entry, sizeof(listen->entry));
	listen->n_entries = former->n_entries;
	former->n_entries = 0; /* it has nothing left to be retired for */
}

/* Who is retired, and has no entry to be retired for. */
static void drop_ended(struct config *config)
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_listeners; i++) {
		struct listen_config *listen = &config->listeners[i];

		if (listen->is_retired && !listen->n_entries)
			config_own_free(listen);
		else
			config->listeners[n++] = *listen;
	}
	config->n_listeners = n;
}

void config_forget_entries(struct config *config)
{
	for (size_t i = 0; i < config->n_listeners; i++)
		config->listeners[i].n_entries = 0;
	drop_ended(config);
}

int config_succeed(struct config *config, struct config *former)
{
	struct listen_config *larger;
	size_t n = config->n_listeners;

	larger = reallocarray(config->listeners, n + former->n_listeners + 1,
			      sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	config->listeners = larger;
	for (size_t i = 0; i < n; i++) {
		struct listen_config *same = find_former(former, &larger[i]);

		if (same)
			take_entries(&larger[i], same);
	}
	/* a way back: @former has its twin, or it ended meanwhile */
	drop_ended(config);
	for (size_t i = 0; i < former->n_listeners; i++) {
		struct listen_config *gone = &former->listeners[i];

		if (!gone->n_entries)
			continue;
		gone->is_retired = true;
		larger[config->n_listeners++] = *gone;
		*gone = (struct listen_config){ 0 }; /* not former's */
	}
	return 0;
}

struct listen_config *config_retire(struct config *config,
				    struct config *former,
				    const struct listen_config *listen)
{
	struct listen_config *retired;

	for (size_t i = 0; i < former->n_listeners; i++) {
		struct listen_config *other = &former->listeners[i];

		if (!other->service || !is_same_listener(listen, other))
			continue;
		/* there is room for all of former: see config_succeed() */
		retired = &config->listeners[config->n_listeners++];
		*retired = *other;
		retired->is_retired = true;
		retired->n_entries = 0;
		*other = (struct listen_config){ 0 }; /* not former's */
		return retired;
	}
	return NULL;
}
