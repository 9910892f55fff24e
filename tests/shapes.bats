#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# shapes.bats - input of any size and shape comes back as it was
#
# Of echo and of cat under exec, over TCP and a unix socket: nothing at all,
# one byte at a time, every byte there is, and a gibibyte.

load helpers

setup() {
	server_setup
	server_config <<-END
		[server]
		workers = 2
		[listen tcp:127.0.0.1:0]
		service = echo
		name = echo-tcp
		[listen unix:$DIR/echo]
		service = echo
		name = echo-unix
		[listen tcp:127.0.0.1:0]
		service = exec
		command = /bin/cat
		name = cat-tcp
		[listen unix:$DIR/cat]
		service = exec
		command = /bin/cat
		name = cat-unix
	END
	server_start
	mapfile -t ADDRESSES < <(column listeners address)
}

teardown() {
	server_teardown
}

# same FILE: what it asks comes back, from each
same() {
	local address

	for address in "${ADDRESSES[@]}"; do
		"$GUICHET" talk -w 30s "$address" <"$1" >"$DIR/got"
		cmp "$1" "$DIR/got" || { echo "from $address"; return 1; }
	done
}

@test "nothing at all gets nothing, and an orderly end" {
	: >"$DIR/in"
	same "$DIR/in"
	wait_until 10 stat_is connections.closed.eof 4
	is "bytes in" 0 "$(counter bytes.in)"
}

@test "every byte there is comes back, in any order" {
	for code in {0..255}; do
		# shellcheck disable=SC2059 # the format is the byte
		printf "\\x$(printf %x "$code")"
	done >"$DIR/all"
	is "bytes" 256 "$(stat -c %s "$DIR/all")"
	same "$DIR/all"
	head -c 1000003 /dev/urandom >"$DIR/noise"
	same "$DIR/noise"
}

@test "one byte at a time comes back, one by one" {
	local address

	for address in "${ADDRESSES[@]}"; do
		"$GUICHET" bench "$address" -c 1 -s 1 -N 3000 -w 30s
	done
	wait_until 10 stat_is connections.closed.eof 4
	is "echo's messages" 3000 "$(counter listener.echo-tcp.messages)"
	is "bytes through cat" 3000 "$(counter listener.cat-tcp.bytes.out)"
}

# zeros MIB: quicker than head -c, and cksum is quicker than cmp
zeros() {
	dd if=/dev/zero bs=64K count=$(($1 * 16)) status=none
}

@test "a gibibyte comes back whole, as it was" {
	local address mib=1024 n sum

	is_sanitized && mib=128
	n=$((mib * 1048576))
	sum=$(zeros "$mib" | cksum)
	for address in "${ADDRESSES[@]}"; do
		is "the sum and size of what $address says" "$sum" \
			"$(zeros "$mib" | "$GUICHET" talk -w 100s "$address" |
				cksum)"
	done
	wait_until 10 stat_is connections.closed.eof 4
	for address in echo-tcp echo-unix cat-tcp; do
		is "$address: bytes in" "$n" \
			"$(counter "listener.$address.bytes.in")"
		is "$address: bytes out" "$n" \
			"$(counter "listener.$address.bytes.out")"
	done
}
