/* SPDX-License-Identifier: ISC */
/*
 * module.h - a service that comes in a shared object
 *
 * A module is loaded when the configuration that names it is read, all its
 * symbols resolved, so that what is wrong with it is told with file and line.
 * It stays loaded: keepers and workers are clones of who read it.
 */
#ifndef GUICHET_MODULE_H
#define GUICHET_MODULE_H

#include <stdbool.h>

#include "server/service.h"

/* Whether @word names a module rather than a built-in service. */
bool module_is_path(const char *word);

/*
 * The service of the module at @path, which is loaded once. Returns NULL when
 * there is none, and in @wrong what is wrong with @path, to be read after it:
 * "is not ..."; good until the next call.
 */
const struct service *module_load(const char *path, const char **wrong);

/* Where @service came from; NULL when it is built in. */
const char *module_path(const struct service *service);

#endif
