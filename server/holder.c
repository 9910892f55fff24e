/* SPDX-License-Identifier: ISC */
/*
 * holder.c - who holds an address that we cannot have
 *
 * The kernel's tables in /proc/net give the socket's inode, and the links in
 * /proc/PID/fd tell who has it open. A server has it open in all its
 * processes: the one meant is that whose parent has not. The tables are read
 * only when a bind has failed, so their length does not matter.
 */
#include "server/holder.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/base.h"
#include "common/process.h"

/* What /proc/net/tcp calls TCP_LISTEN. */
#define STATE_LISTEN 0x0aU

/* More processes than any server has; the rest does not count. */
#define HOLDERS_MAX 512

/* --- the socket ----------------------------------------------------------- */

/* An address as /proc/net has it: words in hexadecimal, in the host's order. */
struct hex_addr {
	uint8_t ip[16];
	size_t ip_bytes;
	unsigned port;
};

static bool parse_hex_addr(const char *hex, struct hex_addr *addr)
{
	const char *colon = strchr(hex, ':');
	size_t digits = colon ? (size_t)(colon - hex) : 0;

	if (digits != 8 && digits != 32)
		return false;
	addr->ip_bytes = digits / 2;
	for (size_t i = 0; i < digits / 8; i++) {
		uint32_t word;

		if (sscanf(hex + 8 * i, "%8" SCNx32, &word) != 1)
			return false;
		memcpy(addr->ip + 4 * i, &word, sizeof(word));
	}
	return sscanf(colon + 1, "%x", &addr->port) == 1;
}

/* The address as 16 bytes, IPv4 mapped into IPv6; whether it is "every". */
static bool map_ip(const uint8_t *ip, size_t bytes, uint8_t mapped[16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t zero[16];

	if (bytes == 16) {
		memcpy(mapped, ip, 16);
	} else {
		memcpy(mapped, prefix, sizeof(prefix));
		memcpy(mapped + 12, ip, 4);
	}
	return !memcmp(ip, zero, bytes);
}

/* Whether binding @addr may have failed because of the socket at @other. */
static bool is_in_the_way(const struct addr_socket *addr,
			  const struct hex_addr *other)
{
	bool is_ipv6 = addr->u.any.sa_family == AF_INET6;
	const void *ip = is_ipv6 ? (const void *)&addr->u.in6.sin6_addr :
				   (const void *)&addr->u.in.sin_addr;
	uint8_t a[16], b[16];
	bool is_any, is_other_any;

	if (addr_port(addr) != other->port)
		return false;
	is_any = map_ip(ip, is_ipv6 ? 16 : 4, a);
	is_other_any = map_ip(other->ip, other->ip_bytes, b);
	return is_any || is_other_any || !memcmp(a, b, sizeof(a));
}

/* One line of /proc/net/tcp and its like; 0: it is not the one. */
static uint64_t match_inet(const struct addr_socket *addr, const char *line,
			   bool *is_listening)
{
	char local[40];
	struct hex_addr other;
	uint64_t inode;
	unsigned state;

	if (sscanf(line, " %*u: %39s %*s %x %*s %*s %*s %*u %*u %" SCNu64,
		   local, &state, &inode) != 3)
		return 0;
	*is_listening = state == STATE_LISTEN;
	if (!parse_hex_addr(local, &other) || !is_in_the_way(addr, &other))
		return 0;
	return inode;
}

/* One line of /proc/net/unix. */
static uint64_t match_unix(const struct addr_socket *addr, const char *line,
			   bool *is_listening)
{
	uint64_t inode;
	unsigned flags;
	int path_at = 0;

	if (sscanf(line, "%*s %*x %*x %x %*x %*x %" SCNu64 " %n", &flags,
		   &inode, &path_at) != 2 ||
	    !path_at)
		return 0;
	if (strcmp(line + path_at, addr->u.un.sun_path) != 0)
		return 0;
	*is_listening = flags & 0x10000; /* __SO_ACCEPTCON */
	return inode;
}

/* The socket in the way, one that listens first; 0: none in this table. */
static uint64_t find_in_table(const char *table, const struct addr_socket *addr)
{
	FILE *in = fopen(table, "re");
	uint64_t found = 0;
	char line[512];

	if (!in)
		return 0;
	while (fgets(line, sizeof(line), in)) {
		bool is_listening = false;
		uint64_t inode;

		line[strcspn(line, "\n")] = 0;
		inode = addr->transport == TRANSPORT_UNIX ?
				match_unix(addr, line, &is_listening) :
				match_inet(addr, line, &is_listening);
		if (inode && (is_listening || !found))
			found = inode;
		if (inode && is_listening)
			break;
	}
	fclose(in);
	return found;
}

/*
 * An IPv4 address may be held by a socket of either family; an IPv6 one by
 * IPv4 sockets only when it stands for every address.
 */
static uint64_t find_inode(const struct addr_socket *addr)
{
	static const char *const tables[TRANSPORTS][2] = {
		[TRANSPORT_TCP] = { "/proc/net/tcp", "/proc/net/tcp6" },
		[TRANSPORT_UDP] = { "/proc/net/udp", "/proc/net/udp6" },
	};
	bool is_ipv6 = addr->u.any.sa_family == AF_INET6;
	uint64_t inode;

	if (addr->transport == TRANSPORT_UNIX)
		return find_in_table("/proc/net/unix", addr);
	inode = find_in_table(tables[addr->transport][is_ipv6], addr);
	if (inode ||
	    (is_ipv6 && !IN6_IS_ADDR_UNSPECIFIED(&addr->u.in6.sin6_addr)))
		return inode;
	return find_in_table(tables[addr->transport][!is_ipv6], addr);
}

/* --- its process ---------------------------------------------------------- */

static bool has_open(const char *pid, uint64_t inode)
{
	char dir_path[32], wanted[40], target[40];
	const struct dirent *entry;
	ssize_t n;
	DIR *dir;

	snprintf(dir_path, sizeof(dir_path), "/proc/%.10s/fd", pid);
	snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
	dir = opendir(dir_path);
	if (!dir)
		return false;
	while ((entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, target,
			       sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = 0;
		if (!strcmp(target, wanted))
			break;
	}
	closedir(dir);
	return entry;
}

static size_t find_processes(uint64_t inode, pid_t *pid, size_t max)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	size_t n = 0;

	if (!proc)
		return 0;
	while (n < max && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    has_open(entry->d_name, inode))
			pid[n++] = (pid_t)strtol(entry->d_name, NULL, 10);
	closedir(proc);
	return n;
}

static bool is_among(pid_t wanted, const pid_t *pid, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pid[i] == wanted)
			return true;
	return false;
}

const char *holder_describe(const struct addr_socket *addr, char *out)
{
	struct process_stat stat;
	pid_t pid[HOLDERS_MAX];
	uint64_t inode = find_inode(addr);
	size_t n;

	out[0] = 0;
	if (!inode)
		return out;
	n = find_processes(inode, pid, ARRAY_LEN(pid));
	snprintf(out, HOLDER_TEXT_BYTES, "by a process that cannot be seen");
	for (size_t i = 0; i < n; i++) {
		if (pid[i] == getpid()) {
			snprintf(out, HOLDER_TEXT_BYTES,
				 "by this server itself");
			break;
		}
		if (!process_read_stat(pid[i], &stat) ||
		    is_among(stat.parent, pid, n))
			continue;
		/* of "guichetd: master" the first word is its name */
		snprintf(out, HOLDER_TEXT_BYTES, "by %.*s (pid %d)",
			 (int)strcspn(stat.name, ":"), stat.name, (int)pid[i]);
		break;
	}
	return out;
}
