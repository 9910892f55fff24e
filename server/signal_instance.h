/* SPDX-License-Identifier: ISC */
/*
 * signal_instance.h - guichetd -s: tells the running instance to do something
 */
#ifndef GUICHET_SIGNAL_INSTANCE_H
#define GUICHET_SIGNAL_INSTANCE_H

#include "common/base.h"
#include "server/config.h"

/* "reload", "upgrade", "stop", "kill"; opaque. */
struct instance_order;

/*
 * The order that @word names. NULL when it names none; then *@wrong says what
 * would be right, good until the next call.
 */
const struct instance_order *instance_order_find(const char *word,
						 const char **wrong);

/*
 * Gives the order to the instance that @config names, and waits until it is
 * done, but not for ever. Failures, and what the instance has to say, are
 * told on standard error. Returns what it answers: EXIT_USAGE when a new
 * configuration is wrong.
 */
enum exit_code signal_instance(const struct config *config,
			       const struct instance_order *order);

#endif
