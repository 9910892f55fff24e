/* SPDX-License-Identifier: ISC */
/*
 * value.h - the kinds of value that a directive may have
 */
#ifndef GUICHET_VALUE_H
#define GUICHET_VALUE_H

#include "server/directive.h"

/* Behind each stands what its field has to be. */
extern const struct directive_kind value_number, /* unsigned, from min to max */
	value_count_limit, /* uint64_t; "off" is UNITS_OFF */
	value_size_limit,  /* uint64_t, bytes; the same */
	value_duration,    /* uint64_t, ns */
	value_limit,       /* uint64_t, ns; "off" is UNITS_OFF */
	value_name,        /* char[]: as a file may be called */
	value_label,       /* char[]: the same, and dots */
	value_runtime_dir, /* char[] */
	value_user,        /* char[]; again: nobody is looked up */
	value_log_level,   /* enum log_level */
	value_mode,        /* mode_t */
	value_yes,         /* bool */
	value_service,     /* const struct service *; loads a module */
	value_workers,     /* all of struct config: it is two fields */
	value_entries;     /* all of struct listen_config */

#endif
