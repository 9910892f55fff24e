/* SPDX-License-Identifier: ISC */
/*
 * service.c - the table of services, and who is meant by a word
 */
#include "server/service.h"

#include <string.h>

#include "common/base.h"
#include "common/words.h"
#include "server/services/builtin.h"

const struct service *const services[] = {
	&service_echo,
	NULL,
};

/* More than there will ever be; words beyond are not suggested. */
#define NEAREST_MAX 64

const struct service *service_at(size_t i)
{
	size_t n_builtin = ARRAY_LEN(services) - 1;

	if (i < n_builtin)
		return services[i];
#ifdef GUICHET_TEST
	for (size_t t = 0; test_services[t]; t++)
		if (t == i - n_builtin)
			return test_services[t];
#endif
	return NULL;
}

const struct service *service_find(const char *name)
{
	const struct service *service;

	for (size_t i = 0; (service = service_at(i)); i++)
		if (!strcmp(service->name, name))
			return service;
	return NULL;
}

const char *service_nearest(const char *word)
{
	const char *names[NEAREST_MAX];
	const struct service *service;
	size_t n = 0;

	for (; n < NEAREST_MAX && (service = service_at(n)); n++)
		names[n] = service->name;
	return words_nearest(word, names, n);
}
