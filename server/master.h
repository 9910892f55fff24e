/* SPDX-License-Identifier: ISC */
/*
 * master.h - the process that binds, forks keepers, and answers to the operator
 */
#ifndef GUICHET_MASTER_H
#define GUICHET_MASTER_H

#include "common/base.h"
#include "server/config.h"

/*
 * Runs the server that @config asks for, in the foreground, until it is
 * stopped. Returns what the program is to exit with; what went wrong was
 * logged.
 */
enum exit_code master_run(const struct config *config);

#endif
