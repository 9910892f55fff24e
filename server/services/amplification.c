/* SPDX-License-Identifier: ISC */
/*
 * amplification.c - whether a larger answer than its question is allowed
 */
#include "server/services/amplification.h"

const char *amplification_set(void *settings, const char *value)
{
	struct amplification *amplification = settings;

	amplification->is_allowed = !strcmp(value, "on");
	if (!amplification->is_allowed && strcmp(value, "off") != 0)
		return "is neither \"on\" nor \"off\"";
	return NULL;
}

const char *amplification_check(void *settings, unsigned transports)
{
	const struct amplification *amplification = settings;

	if (transports & SERVICE_DATAGRAM && !amplification->is_allowed)
		return "answers larger than their questions let forged "
		       "senders flood others; add \"amplification = on\" to "
		       "allow that";
	if (transports & SERVICE_STREAM && amplification->is_allowed)
		return "\"amplification = on\" means nothing for streams";
	return NULL;
}
