/* SPDX-License-Identifier: ISC */
/*
 * layout.c - where the parts of a ledger's slots lie
 *
 *     layout LEDGER
 *
 * Prints the offset of the first part, and the bytes of each.
 */
#include <fcntl.h>
#include <unistd.h>

#include "common/ledger.h"
#include "tests/tools/peer.h"

int main(int argc, char **argv)
{
	struct ledger_header header;
	int fd;

	if (argc != 2)
		return EXIT_USAGE;
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &header, sizeof(header)) != sizeof(header))
		peer_fail(argv[1]);
	printf("%llu %llu\n", (unsigned long long)header.parts_offset,
	       (unsigned long long)header.part_bytes);
	return EXIT_DONE;
}
