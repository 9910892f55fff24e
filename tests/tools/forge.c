/* SPDX-License-Identifier: ISC */
/*
 * forge.c - writes small ledgers for the readout's tests, good and bad ones
 *
 *     forge FILE good              a dead server's ledger, of known contents
 *     forge FILE stopped           the same, of a server that was stopped
 *     forge FILE grown N           the good one, later: N more bytes in for
 *                                  each worker and listener
 *     forge FILE reloaded          the good one after a reload: with retired
 *                                  listeners, unused entries, and a slot that
 *                                  was retired
 *     forge FILE keeper PID BORN   the good one, whose first keeper is PID,
 *                                  born at BORN
 *     forge FILE hold              a live one: locked, and its listeners
 *                                  there, until standard input ends
 *     forge FILE field N VALUE     field N of the header says VALUE; exit 3
 *                                  when the header has no field N
 *     forge FILE truncate BYTES    only its first BYTES
 *     forge FILE busy              a connection that is always in change
 *     forge FILE garbage SEED      noise in everything that workers write
 *     forge FILE huge              the largest there can be, nearly all holes
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/ledger.h"

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILED);
}

/* --- a good one ----------------------------------------------------------- */

enum {
	FORMER,
	ECHO_4,
	ECHO_6,
	ECHO_UDP,
	CHAT,
	N_LISTENERS
};

static const struct ledger_shape small = {
	.n_listeners = N_LISTENERS,
	.n_slots = 3, /* the last one was never used */
	.n_rows = 8,
	.n_closed = 4,
};

static const struct ledger_listener listeners[] = {
	[FORMER] = { .name = "" },
	[ECHO_4] = { .name = "echo",
		     .address = "tcp:127.0.0.1:7007",
		     .service = "echo",
		     .transport = TRANSPORT_TCP,
		     .family = AF_INET,
		     .port = 7007,
		     .inode = 1 },
	[ECHO_6] = { .name = "echo",
		     .address = "tcp:[::1]:7007",
		     .service = "echo",
		     .transport = TRANSPORT_TCP,
		     .family = AF_INET6,
		     .port = 7007,
		     .inode = 2 },
	[ECHO_UDP] = { .name = "echo-2",
		       .address = "udp:127.0.0.1:7007",
		       .service = "echo",
		       .transport = TRANSPORT_UDP,
		       .family = AF_INET,
		       .port = 7007,
		       .inode = 3 },
	[CHAT] = { .name = "chat",
		   .address = "unix:/run/chat",
		   .service = "echo",
		   .transport = TRANSPORT_UNIX,
		   .family = AF_UNIX,
		   .inode = 4 },
};
_Static_assert(ARRAY_LEN(listeners) == N_LISTENERS, "all listeners");

/* A ledger in memory. */
struct forgery {
	struct ledger_header *header;
	uint8_t *bytes;
};

static void *part_of(const struct forgery *f, size_t slot, uint64_t offset)
{
	return f->bytes + f->header->parts_offset +
	       slot * f->header->part_bytes + offset;
}

static struct ledger_head *head_of(const struct forgery *f, size_t slot)
{
	return part_of(f, slot, 0);
}

static struct ledger_row *row_of(const struct forgery *f, size_t slot, size_t r)
{
	return (struct ledger_row *)part_of(f, slot, f->header->rows_offset) +
	       r;
}

static void read_boot_id(char *boot_id, size_t bytes)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || !fgets(boot_id, (int)bytes, file))
		fail("boot_id");
	boot_id[strcspn(boot_id, "\n")] = '\0';
	(void)fclose(file);
}

static void forge_header(struct ledger_header *header,
			 const struct ledger_shape *shape)
{
	memcpy(header->magic, LEDGER_MAGIC, sizeof(header->magic));
	header->version = LEDGER_VERSION;
	header->header_bytes = sizeof(*header);
	ledger_lay_out(header, shape);
	(void)strcpy(header->instance, "forged");
	(void)strcpy(header->program, GUICHET_VERSION);
	read_boot_id(header->boot_id, sizeof(header->boot_id));
	/* 2026-01-02T03:04:05.678Z */
	header->created_real_ns = 1767323045678000000ULL;
	header->started_real_ns = header->created_real_ns;
	header->started_mono_ns = 1000 * NS_PER_S;
	header->master_pid = 4711;
	atomic_init(&header->state, LEDGER_SERVING);
}

/* What its service of the chat listener calls its own counters. */
static void forge_own(const struct forgery *f)
{
	static const struct ledger_own own[LEDGER_OWN_COUNTERS] = {
		{ "words.said", "", "Words, \\ and \" among them" },
		{ "stored", "bytes", "Length of it all" },
		{ "stored.bytes", "bytes", "The same, named for its unit" },
		{ "bad name\033!", "things{", "Not a name\n of a metric" },
	};

	memcpy(f->bytes + f->header->own_offset + CHAT * sizeof(own), own,
	       sizeof(own));
}

/* Slot @slot has counted 1000 for each listener, and 100 each, and so on. */
static void forge_totals(const struct forgery *f, size_t slot)
{
	struct ledger_totals *totals =
		part_of(f, slot, f->header->totals_offset);
	size_t l;

	for (l = 0; l < N_LISTENERS; l++) {
		ledger_set(totals[l].counter[COUNTER_BYTES_IN], 1000);
		ledger_set(totals[l].counter[COUNTER_BYTES_OUT], 900);
		ledger_set(totals[l].counter[COUNTER_MESSAGES], 50);
		ledger_set(totals[l].counter[COUNTER_ACCEPTED], 10 + (l == 1));
		ledger_set(totals[l].counter[COUNTER_CLOSED], 10);
		ledger_set(totals[l].counter[COUNTER_CLOSED_BY + CLOSE_EOF], 8);
		ledger_set(totals[l].counter[COUNTER_CLOSED_BY + CLOSE_RESET],
			   2);
		ledger_set(totals[l].own[0], 70);
		ledger_set(totals[l].own[1], 7000);
	}
	((uint64_t *)part_of(f, slot,
			     f->header->turns_offset))[histogram_bucket(5000)] =
		100;
}

static void forge_head(const struct forgery *f, size_t slot)
{
	struct ledger_head *head = head_of(f, slot);

	ledger_set(head->pid, 4713 + 2 * (int)slot);
	ledger_set(head->state, WORKER_SERVING);
	ledger_set(head->generation, 2);
	ledger_set(head->deaths, 1);
	ledger_set(head->successions, 1);
	ledger_set(head->heartbeat_mono_ns, 1060 * NS_PER_S);
	ledger_set(head->n_open, 1);
	ledger_set(head->rows_high, 3);
}

/* In row 1: a connection 50 s old that has said nothing for 10 s. */
static void forge_row(const struct forgery *f, size_t slot)
{
	struct ledger_row *row = row_of(f, slot, 1);
	const uint8_t mapped[16] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };

	ledger_set(row->seq, 2);
	row->id = 7 << 8 | slot;
	row->listener = ECHO_4;
	row->opened_mono_ns = 1010 * NS_PER_S;
	row->peer.family = AF_INET6;
	row->peer.port = 54231;
	memcpy(row->peer.ip, mapped, sizeof(mapped));
	row->local.family = AF_INET;
	row->local.port = 7007;
	memcpy(row->local.ip, mapped + 12, 4);
	ledger_set(row->record[1].consumed, 300);
	ledger_set(row->record[1].produced, 300);
	ledger_set(row->record[1].messages, 3);
	ledger_set(row->valid, 1);
	ledger_set(row->sent, 280);
	ledger_set(row->active_mono_ns, 1050 * NS_PER_S);
	ledger_set(row->state, ROW_WRITING);
}

/* One closed connection in slot 0 and a ring that went round in slot 1. */
static void forge_closed(const struct forgery *f, size_t slot, size_t n)
{
	struct ledger_closed *ring = part_of(f, slot, f->header->closed_offset);
	size_t i;

	for (i = 0; i < n; i++) {
		struct ledger_closed *closed = &ring[i % small.n_closed];

		memset(closed, 0, sizeof(*closed));
		ledger_set(closed->seq, 2);
		closed->id = i << 8 | slot;
		closed->closed_real_ns =
			f->header->created_real_ns + (i + 1) * NS_PER_S;
		closed->duration_ns = 1500 * NS_PER_MS;
		closed->bytes_in = closed->bytes_out = 64;
		closed->listener = CHAT;
		closed->reason = CLOSE_RESET;
		closed->peer.family = AF_UNIX;
		closed->peer.scope = 123;
	}
	ledger_set(head_of(f, slot)->ring_next, n);
}

static struct ledger_slot *slot_of(const struct forgery *f, size_t slot)
{
	return (struct ledger_slot *)(void *)(f->bytes +
					      f->header->slots_offset) +
	       slot;
}

static uint8_t *forged; /* the one forgery there is */

static void free_forged(void)
{
	free(forged);
}

static struct forgery forge_shape(const struct ledger_shape *shape)
{
	struct ledger_header header = { 0 };
	struct forgery f;
	size_t s;

	ledger_lay_out(&header, shape);
	forged = calloc(1, header.file_bytes);
	if (!forged || atexit(free_forged))
		fail("memory");
	f.bytes = forged;
	f.header = (struct ledger_header *)(void *)f.bytes;
	forge_header(f.header, shape);
	memcpy(f.bytes + f.header->listeners_offset, listeners,
	       sizeof(listeners));
	forge_own(&f);
	for (s = 0; s < 2; s++) {
		ledger_set(slot_of(&f, s)->keeper_pid, 4712 + 2 * (int)s);
		ledger_set(slot_of(&f, s)->is_used, 1);
		forge_totals(&f, s);
		forge_head(&f, s);
		forge_row(&f, s);
		forge_closed(&f, s, s ? 6 : 1);
	}
	return f;
}

static struct forgery forge_good(void)
{
	return forge_shape(&small);
}

/* Creates @path with the first @bytes of it; returns a descriptor. */
static int write_out(const struct forgery *f, const char *path, size_t bytes)
{
	int fd;

	(void)unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, f->bytes, bytes) != (ssize_t)bytes)
		fail(path);
	return fd;
}

static void write_all(const struct forgery *f, const char *path)
{
	(void)close(write_out(f, path, f->header->file_bytes));
}

/* --- the ways of forging -------------------------------------------------- */

static void forge_it(const char *path, char **arguments)
{
	const struct forgery f = forge_good();

	(void)arguments;
	write_all(&f, path);
}

static void forge_stopped(const char *path, char **arguments)
{
	const struct forgery f = forge_good();

	(void)arguments;
	ledger_set(f.header->state, LEDGER_STOPPED);
	ledger_set(f.header->stopped_real_ns,
		   f.header->created_real_ns + 60 * NS_PER_S);
	write_all(&f, path);
}

static void forge_grown(const char *path, char **arguments)
{
	const struct forgery f = forge_good();
	const uint64_t n = strtoull(arguments[0], NULL, 0);
	struct ledger_totals *totals;
	size_t s, l;

	for (s = 0; s < 2; s++) {
		totals = part_of(&f, s, f.header->totals_offset);
		for (l = 0; l < N_LISTENERS; l++)
			ledger_add(totals[l].counter[COUNTER_BYTES_IN], n);
	}
	write_all(&f, path);
}

/* The entries after a reload, behind those of the good one. */
enum {
	UNUSED = N_LISTENERS,
	ECHO_RETIRED,
	CHAT_RETIRED,
	GONE_RETIRED,
	UNUSED_LAST,
	N_RELOADED
};

/* Of the first one the socket is another listener's by now. */
static const struct ledger_listener retired[] = {
	{ .name = "echo",
	  .address = "tcp:127.0.0.2:7007",
	  .service = "echo",
	  .flags = LISTENER_RETIRED,
	  .inode = 1 },
	{ .name = "chat",
	  .address = "tcp:127.0.0.1:7008",
	  .service = "talk",
	  .flags = LISTENER_RETIRED },
	{ .name = "gone",
	  .address = "tcp:127.0.0.1:7009",
	  .service = "echo",
	  .flags = LISTENER_RETIRED },
};

/* The chat listener's former service counted words, too, and something else. */
static const struct ledger_own own_of_retired[] = {
	{ "smiles", "", "Smiles smiled" },
	{ "words.said", "", "Words" },
};

/* 2000 bytes for each retired listener; of the first one 2 are open. */
static void forge_retired_totals(const struct forgery *f)
{
	struct ledger_totals *totals = part_of(f, 0, f->header->totals_offset);
	size_t l;

	for (l = ECHO_RETIRED; l <= GONE_RETIRED; l++) {
		ledger_set(totals[l].counter[COUNTER_BYTES_IN], 2000);
		ledger_set(totals[l].counter[COUNTER_ACCEPTED],
			   5 + 2 * (l == ECHO_RETIRED));
		ledger_set(totals[l].counter[COUNTER_CLOSED], 5);
	}
	ledger_set(totals[CHAT_RETIRED].own[0], 3);
	ledger_set(totals[CHAT_RETIRED].own[1], 4);
}

/* One that has served and was retired; and what the others' programs are. */
static void forge_retired_slot(const struct forgery *f)
{
	struct ledger_totals *totals = part_of(f, 2, f->header->totals_offset);
	struct ledger_head *head = head_of(f, 2);

	ledger_set(slot_of(f, 2)->is_used, 1);
	ledger_set(head->state, WORKER_ABSENT);
	ledger_set(head->deaths, 5);
	ledger_set(totals[ECHO_4].counter[COUNTER_BYTES_IN], 100000);
	(void)strcpy(head_of(f, 0)->program, "1.2.3");
	memset(head_of(f, 1)->program, '\033', sizeof(head->program));
}

static void forge_reloaded(const char *path, char **arguments)
{
	struct ledger_shape shape = small;
	struct ledger_listener *entries;
	struct forgery f;

	(void)arguments;
	shape.n_listeners = N_RELOADED;
	f = forge_shape(&shape);
	entries =
		(struct ledger_listener *)(void *)(f.bytes +
						   f.header->listeners_offset);
	memcpy(&entries[ECHO_RETIRED], retired, sizeof(retired));
	memcpy(f.bytes + f.header->own_offset +
		       CHAT_RETIRED * LEDGER_OWN_COUNTERS *
			       sizeof(own_of_retired[0]),
	       own_of_retired, sizeof(own_of_retired));
	forge_retired_totals(&f);
	forge_retired_slot(&f);
	write_all(&f, path);
}

static void forge_keeper(const char *path, char **arguments)
{
	const struct forgery f = forge_good();

	ledger_set(slot_of(&f, 0)->keeper_pid, atoi(arguments[0]));
	ledger_set(slot_of(&f, 0)->keeper_born,
		   strtoull(arguments[1], NULL, 0));
	write_all(&f, path);
}

#define FIELD(name)                                               \
	{                                                         \
		offsetof(struct ledger_header, name),             \
			sizeof(((struct ledger_header *)0)->name) \
	}

static const struct {
	size_t offset, bytes;
} fields[] = {
	FIELD(magic),
	FIELD(version),
	FIELD(header_bytes),
	FIELD(file_bytes),
	FIELD(n_listeners),
	FIELD(n_slots),
	FIELD(n_rows),
	FIELD(n_closed),
	FIELD(n_counters),
	FIELD(n_turns),
	FIELD(listener_bytes),
	FIELD(slot_bytes),
	FIELD(totals_bytes),
	FIELD(closed_bytes),
	FIELD(row_bytes),
	FIELD(own_bytes),
	FIELD(listeners_offset),
	FIELD(own_offset),
	FIELD(slots_offset),
	FIELD(parts_offset),
	FIELD(part_bytes),
	FIELD(totals_offset),
	FIELD(turns_offset),
	FIELD(closed_offset),
	FIELD(rows_offset),
	/* the reader believes these, whatever they are */
	FIELD(instance),
	FIELD(boot_id),
	FIELD(program),
	FIELD(created_real_ns),
	FIELD(started_real_ns),
	FIELD(started_mono_ns),
	FIELD(stopped_real_ns),
	FIELD(master_pid),
	FIELD(state),
};

/* A text is filled with the value's lowest byte, and so has no end. */
static void forge_field(const char *path, char **arguments)
{
	const struct forgery f = forge_good();
	const size_t n = strtoul(arguments[0], NULL, 0);
	const uint64_t value = strtoull(arguments[1], NULL, 0);
	const uint64_t file_bytes = f.header->file_bytes;

	if (n >= ARRAY_LEN(fields))
		exit(3);
	if (fields[n].bytes <= sizeof(value))
		memcpy(f.bytes + fields[n].offset, &value, fields[n].bytes);
	else
		memset(f.bytes + fields[n].offset, (int)(value & 0xff),
		       fields[n].bytes);
	(void)close(write_out(&f, path, file_bytes));
}

static void forge_truncated(const char *path, char **arguments)
{
	const struct forgery f = forge_good();

	(void)close(write_out(&f, path,
			      min_u64(f.header->file_bytes,
				      strtoull(arguments[0], NULL, 0))));
}

static void forge_busy(const char *path, char **arguments)
{
	const struct forgery f = forge_good();

	(void)arguments;
	ledger_set(row_of(&f, 0, 1)->seq, 7);
	write_all(&f, path);
}

static void forge_garbage(const char *path, char **arguments)
{
	const struct forgery f = forge_good();
	unsigned seed = (unsigned)strtoul(arguments[0], NULL, 0);
	const uint64_t parts_bytes = small.n_slots * f.header->part_bytes;
	uint8_t *part = part_of(&f, 0, 0);
	size_t i;

	for (i = 0; i < parts_bytes; i++)
		part[i] = (uint8_t)(rand_r(&seed) >> 8);
	/* Else nearly every seq is odd or unequal, and nothing is shown. */
	for (i = 0; i < small.n_rows; i++) {
		ledger_set(row_of(&f, 0, i)->seq, 2);
		row_of(&f, 0, i)->peer.family = i % 2 ? AF_INET6 : AF_UNIX;
	}
	write_all(&f, path);
}

/* 2^20 rows and 256 slots, all said to be used: 100 GB, a few KiB of it real */
static void forge_huge(const char *path, char **arguments)
{
	const struct forgery f = forge_good();
	const struct ledger_shape largest = {
		.n_listeners = LEDGER_MAX_LISTENERS,
		.n_slots = LEDGER_MAX_SLOTS,
		.n_rows = LEDGER_MAX_ROWS,
		.n_closed = LEDGER_MAX_ROWS,
	};
	const struct ledger_slot slot = { .is_used = 1 };
	const struct ledger_head head = { .rows_high = UINT32_MAX,
					  .ring_next = UINT64_MAX };
	struct ledger_header *header = f.header;
	size_t s;
	int fd;

	(void)arguments;
	ledger_lay_out(header, &largest);
	fd = write_out(&f, path, sizeof(*header));
	if (ftruncate(fd, (off_t)header->file_bytes) < 0)
		fail("ftruncate");
	for (s = 0; s < largest.n_slots; s++) {
		if (pwrite(fd, &slot, sizeof(slot),
			   (off_t)(header->slots_offset + s * sizeof(slot))) <
			    0 ||
		    pwrite(fd, &head, sizeof(head),
			   (off_t)(header->parts_offset +
				   s * header->part_bytes)) < 0)
			fail("pwrite");
	}
	(void)close(fd);
}

/* --- a live one ----------------------------------------------------------- */

static uint64_t inode_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		fail("fstat");
	return st.st_ino;
}

/* A listener on every address of both families. */
static int bind_tcp(struct ledger_listener *listener)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(address);
	struct sockaddr *any = (struct sockaddr *)(void *)&address;
	const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, any, len) < 0 || listen(fd, 5) < 0 ||
	    getsockname(fd, any, &len) < 0)
		fail("listen");
	listener->port = ntohs(address.sin6_port);
	listener->inode = inode_of(fd);
	(void)snprintf(listener->address, sizeof(listener->address),
		       "tcp:[::]:%u", listener->port);
	return fd;
}

static int connect_tcp(const char *ip, uint16_t port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
	struct sockaddr *any = (struct sockaddr *)(void *)&address;
	const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin6_port = htons(port);
	(void)inet_pton(AF_INET6, ip, &address.sin6_addr);
	if (connect(fd, any, sizeof(address)) < 0)
		fail(ip);
	return fd;
}

/* Leaves a socket in TIME_WAIT of either family, and one in the queue. */
static void listen_tcp(struct ledger_listener *listener)
{
	static const char *const ips[] = { "::1", "::ffff:127.0.0.1" };
	const int fd = bind_tcp(listener);
	int peer, accepted;
	size_t i;

	for (i = 0; i < ARRAY_LEN(ips); i++) {
		peer = connect_tcp(ips[i], listener->port);
		accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (accepted < 0)
			fail("accept");
		(void)close(accepted);
		(void)close(peer);
	}
	(void)connect_tcp(ips[0], listener->port);
}

static void listen_unix(struct ledger_listener *listener, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct sockaddr *any = (struct sockaddr *)(void *)&address;
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s.sock",
		       path);
	(void)unlink(address.sun_path);
	if (bind(fd, any, sizeof(address)) < 0 || listen(fd, 7) < 0)
		fail(address.sun_path);
	listener->inode = inode_of(fd);
	(void)snprintf(listener->address, sizeof(listener->address),
		       "unix:%.108s", address.sun_path);
}

static void forge_live(const char *path, char **arguments)
{
	const struct forgery f = forge_good();
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct ledger_listener *own;
	char new_path[4096], byte;
	size_t s;
	int fd;

	(void)arguments;
	own = (struct ledger_listener *)(void *)(f.bytes +
						 f.header->listeners_offset);
	listen_tcp(&own[ECHO_4]);
	listen_unix(&own[CHAT], path);
	f.header->master_pid = getpid();
	for (s = 0; s < 2; s++)
		ledger_set(head_of(&f, s)->heartbeat_mono_ns, clock_mono_ns());
	(void)snprintf(new_path, sizeof(new_path), "%s.new", path);
	fd = write_out(&f, new_path, f.header->file_bytes);
	if (fcntl(fd, F_SETLK, &lock) < 0 || rename(new_path, path) < 0)
		fail(path);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static const struct {
	const char *name;
	int n_arguments;
	void (*forge)(const char *path, char **arguments);
} ways[] = {
	{ "good", 0, forge_it },       { "stopped", 0, forge_stopped },
	{ "grown", 1, forge_grown },   { "hold", 0, forge_live },
	{ "field", 2, forge_field },   { "truncate", 1, forge_truncated },
	{ "busy", 0, forge_busy },     { "garbage", 1, forge_garbage },
	{ "huge", 0, forge_huge },     { "reloaded", 0, forge_reloaded },
	{ "keeper", 2, forge_keeper },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc >= 3 && i < ARRAY_LEN(ways); i++) {
		if (!strcmp(argv[2], ways[i].name) &&
		    argc == 3 + ways[i].n_arguments) {
			ways[i].forge(argv[1], argv + 3);
			return EXIT_DONE;
		}
	}
	(void)fprintf(stderr, "forge: FILE and what to forge; see forge.c\n");
	return EXIT_USAGE;
}
