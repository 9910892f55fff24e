/* SPDX-License-Identifier: ISC */
/*
 * dial.h - from an address as typed to a connected socket
 */
#ifndef GUICHET_DIAL_H
#define GUICHET_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/options.h"

/* What every sub-command that dials can be told. */
struct dial_options {
	uint64_t wait_ns; /* for connecting and answers; 0: not told */
	int family;       /* AF_UNSPEC, AF_INET, AF_INET6 */
	bool is_verbose;
};

/* Default of wait_ns for connecting. */
#define DIAL_WAIT_NS (10 * NS_PER_S)

/*
 * The rows of struct dial_options for a command's table; the struct must be
 * the first member of what the table's set() functions are given.
 */
#define DIAL_ROW_WAIT(help)                                  \
	{                                                    \
		'w', "wait", "DURATION", help, dial_set_wait \
	}
#define DIAL_ROW_IPV4                                             \
	{                                                         \
		'4', "ipv4", NULL, "use IPv4 only", dial_set_ipv4 \
	}
#define DIAL_ROW_IPV6                                             \
	{                                                         \
		'6', "ipv6", NULL, "use IPv6 only", dial_set_ipv6 \
	}
#define DIAL_ROW_VERBOSE                                       \
	{                                                      \
		'v', "verbose", NULL, "say who talks to whom", \
			dial_set_verbose                       \
	}

const char *dial_set_wait(void *into, const char *value);
const char *dial_set_ipv4(void *into, const char *value);
const char *dial_set_ipv6(void *into, const char *value);
const char *dial_set_verbose(void *into, const char *value);

/* One duration above zero into *@ns: NULL, or what is wrong with @value. */
const char *dial_parse_duration(const char *value, uint64_t *ns);

/*
 * Reads ADDRESS or HOST PORT from @words; @program and @synopsis are for the
 * message when that cannot be. Ends the process with EXIT_USAGE then.
 */
void dial_parse_address(const char *program, char **words, int n_words,
			struct addr *addr);

/*
 * Says that the operands do not fit @options' synopsis, and ends the process
 * with EXIT_USAGE.
 */
_Noreturn void dial_refuse_operands(const struct options *options);

/*
 * Every socket address of @addr. Logs and returns false when there is none.
 */
bool dial_resolve(const struct addr *addr, const struct dial_options *options,
		  struct addr_list *list);

/*
 * Connects to the first of @addr's socket addresses that takes us, each
 * within @wait_ns, and tells which in @peer. Returns a non-blocking socket,
 * or -errno of the last try, which is logged.
 */
int dial_connect(const struct addr *addr, const struct dial_options *options,
		 uint64_t wait_ns, struct addr_socket *peer);

/* One socket address only; logs nothing. A non-blocking socket or -errno. */
int dial_connect_one(const struct addr_socket *peer, uint64_t wait_ns);

/* A new non-blocking socket for @transport's streams or datagrams, or -errno. */
int dial_socket(const struct addr_socket *peer);

/* The local address of a connected @fd, bare; "-" for one without a name. */
const char *dial_format_local(int fd, enum transport transport, char *out);

/* The line of -v: "127.0.0.1:54231 -> 127.0.0.1:7007". */
void dial_print(int fd, const struct addr_socket *peer);

/* Names the error of @addr on standard error. */
void dial_log(const struct addr *addr, int err);

#endif
