/* SPDX-License-Identifier: ISC */
/*
 * config_directive.c - every directive, declared once
 */
#include "server/config_directive.h"

#include <stddef.h>

#include "common/runtime.h"
#include "common/units.h"
#include "server/config.h"
#include "server/value.h"

#define DAY_NS  (24 * 3600 * NS_PER_S)
#define YEAR_NS (365 * DAY_NS)

static const struct directive server_rows[] = {
	{
		.name = "name",
		.argument = "NAME",
		.fallback = RUNTIME_DEFAULT_NAME,
		.help = "the instance's name, and of its ledger",
		.transports = ON_ALL,
		.kind = &value_name,
		.offset = offsetof(struct config, name),
	},
	{
		.name = "workers",
		.argument = "N|auto|MIN-MAX",
		.fallback = "auto",
		.help = "workers; auto: the processors it may run on",
		.transports = ON_ALL,
		.kind = &value_workers,
		.offset = 0,
		.min = 1,
		.max = CONFIG_WORKERS_MAX,
	},
	{
		.name = "min-spare",
		.argument = "N",
		.fallback = "1",
		.help = "idle workers to keep, at least, of MIN-MAX",
		.transports = ON_ALL,
		.kind = &value_number,
		.offset = offsetof(struct config, min_spare),
		.min = 1,
		.max = CONFIG_WORKERS_MAX,
	},
	{
		.name = "max-spare",
		.argument = "N",
		.fallback = "4",
		.help = "idle workers to keep, at most, of MIN-MAX",
		.transports = ON_ALL,
		.kind = &value_number,
		.offset = offsetof(struct config, max_spare),
		.min = 1,
		.max = CONFIG_WORKERS_MAX,
	},
	{
		.name = "worker-connections",
		.argument = "N",
		.fallback = "16384",
		.help = "connections that each worker may have",
		.transports = ON_ALL,
		.kind = &value_number,
		.offset = offsetof(struct config, worker_connections),
		.min = 1,
		.max = LEDGER_MAX_ROWS,
	},
	{
		.name = "max-worker-age",
		.argument = "DURATION|off",
		.fallback = "off",
		.help = "how old a worker may get before it is replaced",
		.transports = ON_ALL,
		.kind = &value_limit,
		.offset = offsetof(struct config, max_worker_age_ns),
		.min = NS_PER_S,
		.max = YEAR_NS,
	},
	{
		.name = "max-worker-memory",
		.argument = "SIZE|off",
		.fallback = "off",
		.help = "how much memory it may use before it is replaced",
		.transports = ON_ALL,
		.kind = &value_size_limit,
		.offset = offsetof(struct config, max_worker_memory_bytes),
		.min = 1ULL << 20,
		.max = 1ULL << 40,
	},
	{
		.name = "max-worker-connections",
		.argument = "N|off",
		.fallback = "off",
		.help = "how many it may accept before it is replaced",
		.transports = ON_ALL,
		.kind = &value_count_limit,
		.offset = offsetof(struct config, max_worker_connections),
		.min = 1,
		.max = UINT32_MAX,
	},
	{
		.name = "user",
		.argument = "USER",
		.fallback = "",
		.help = "whom to become when started as root; \"\": nobody else",
		.transports = ON_ALL,
		.kind = &value_user,
		.offset = offsetof(struct config, user),
	},
	{
		.name = "drain-timeout",
		.argument = "DURATION",
		.fallback = "30s",
		.help = "how long connections may take to end at a stop",
		.transports = ON_ALL,
		.kind = &value_duration,
		.offset = offsetof(struct config, drain_timeout_ns),
		.min = 0,
		.max = DAY_NS,
	},
	{
		.name = "hang-timeout",
		.argument = "DURATION|off",
		.fallback = "10s",
		.help = "how long a worker may be busy with one connection",
		.transports = ON_ALL,
		.kind = &value_limit,
		.offset = offsetof(struct config, hang_timeout_ns),
		.min = 10 * NS_PER_MS,
		.max = DAY_NS,
	},
	{
		.name = "orphan-timeout",
		.argument = "DURATION",
		.fallback = "10s",
		.help = "how long workers serve on without a master",
		.transports = ON_ALL,
		.kind = &value_duration,
		.offset = offsetof(struct config, orphan_timeout_ns),
		.min = 100 * NS_PER_MS,
		.max = DAY_NS,
	},
	{
		.name = "log-level",
		.argument = "LEVEL",
		.fallback = "info",
		.help = "what is logged: error, warning, notice, info or debug",
		.transports = ON_ALL,
		.kind = &value_log_level,
		.offset = offsetof(struct config, log_level),
	},
	{
		.name = "runtime-dir",
		.argument = "DIR",
		.help = "where NAME.ledger lives",
		.transports = ON_ALL,
		.kind = &value_runtime_dir,
		.offset = offsetof(struct config, runtime_dir),
	},
};

static const struct directive listen_rows[] = {
	{
		.name = "service",
		.argument = "SERVICE|PATH",
		.help = "what is said to those who connect; PATH: a module",
		.transports = ON_ALL,
		.kind = &value_service,
		.offset = offsetof(struct listen_config, service),
	},
	{
		.name = "name",
		.argument = "NAME",
		.help = "its name in metrics; else the service's, with -2, -3, ...",
		.transports = ON_ALL,
		.kind = &value_label,
		.offset = offsetof(struct listen_config, name),
	},
	{
		.name = "idle-timeout",
		.argument = "DURATION|off",
		.fallback = "off",
		.help = "how long a connection may be silent",
		.transports = ON_STREAM,
		.kind = &value_limit,
		.offset = offsetof(struct listen_config, idle_timeout_ns),
		.min = NS_PER_MS,
		.max = YEAR_NS,
	},
	{
		.name = "lifetime",
		.argument = "DURATION|off",
		.fallback = "off",
		.help = "how long a connection may be open",
		.transports = ON_STREAM,
		.kind = &value_limit,
		.offset = offsetof(struct listen_config, lifetime_ns),
		.min = NS_PER_MS,
		.max = YEAR_NS,
	},
	/* 4096: net.core.somaxconn since 5.4; more would be cut to it */
	{
		.name = "backlog",
		.argument = "N",
		.fallback = "4096",
		.help = "connections that may wait to be accepted",
		.transports = ON_STREAM,
		.kind = &value_number,
		.offset = offsetof(struct listen_config, backlog),
		.min = 1,
		.max = 65535,
	},
	{
		.name = "mode",
		.argument = "MODE",
		.fallback = "0666",
		.help = "mode of a unix socket's file, in octal",
		.transports = ON_UNIX,
		.kind = &value_mode,
		.offset = offsetof(struct listen_config, mode),
		.max = 0777,
	},
};

static const struct directive running_rows[] = {
	{
		.name = "entries",
		.argument = "N...",
		.help = "its entries in the ledger, one for each socket",
		.transports = ON_ALL,
		.kind = &value_entries,
		.offset = 0,
		.min = LEDGER_FORMER + 1,
		.max = LEDGER_MAX_LISTENERS - 1,
	},
	{
		.name = "retired",
		.argument = "yes|no",
		.fallback = "no",
		.help = "whether it is no longer configured",
		.transports = ON_ALL,
		.kind = &value_yes,
		.offset = offsetof(struct listen_config, is_retired),
	},
};

const struct directive_table server_directives = {
	.row = server_rows,
	.n_rows = ARRAY_LEN(server_rows),
};
const struct directive_table listen_directives = {
	.row = listen_rows,
	.n_rows = ARRAY_LEN(listen_rows),
};
const struct directive_table running_directives = {
	.row = running_rows,
	.n_rows = ARRAY_LEN(running_rows),
};
