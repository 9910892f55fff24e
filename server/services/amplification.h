/* SPDX-License-Identifier: ISC */
/*
 * amplification.h - whether a larger answer than its question is allowed
 *
 * A datagram's sender may be forged. A service that answers with many times
 * what it was asked with multiplies what somebody sends to a third one, who
 * never asked for it (CERT CA-1996-01). So such a service serves datagrams
 * only where the operator has said that it may. (daytime and time are none:
 * their answers fit the smallest frame, or nearly.)
 */
#ifndef GUICHET_AMPLIFICATION_H
#define GUICHET_AMPLIFICATION_H

#include "server/service.h"

/* What the settings of such a service begin with. */
struct amplification {
	bool is_allowed;
};

/* The row `amplification = on|off` of its table of settings. */
#define AMPLIFICATION_SETTING                                     \
	{                                                         \
		.name = "amplification", .argument = "on|off",    \
		.fallback = "off",                                \
		.help = "on: answer datagrams, with larger ones", \
		.set = amplification_set,                         \
	}

const char *amplification_set(void *settings, const char *value);

/* Its ->check, or the begin of it. */
const char *amplification_check(void *settings, unsigned transports);

#endif
