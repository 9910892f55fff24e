/* SPDX-License-Identifier: ISC */
/*
 * master.h - the process that binds, forks keepers, and answers to the operator
 */
#ifndef GUICHET_MASTER_H
#define GUICHET_MASTER_H

#include "common/base.h"
#include "server/bag.h"
#include "server/config.h"

/*
 * Runs an instance by @config, which it takes, until it is stopped; by
 * @command and @argv it can be called again. Returns what main() is to.
 */
enum exit_code master_run(struct config *config,
			  const struct config_command *command, char **argv);

/* The same in the program that a master has become, with its bag. */
enum exit_code master_go_on(const struct config_command *command, char **argv,
			    struct bag *bag);

#endif
