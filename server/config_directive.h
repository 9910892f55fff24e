/* SPDX-License-Identifier: ISC */
/*
 * config_directive.h - every directive, declared once
 */
#ifndef GUICHET_CONFIG_DIRECTIVE_H
#define GUICHET_CONFIG_DIRECTIVE_H

#include "server/directive.h"

/* [server]: fields of struct config. [listen]: of struct listen_config. */
extern const struct directive_table server_directives;
extern const struct directive_table listen_directives;
/* [listen] as well, but in a configuration in force only. */
extern const struct directive_table running_directives;

#endif
