#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# timewait.bats - a crash and a restart over a port full of TIME_WAIT

load helpers

setup() {
	server_setup
}

teardown() {
	server_teardown
}

# in_time_wait PORT: sockets on it, as the kernel counts them
in_time_wait() {
	awk -v port="$(printf ':%04X' "$1")" '
		substr($2, length($2) - 4) == port && $4 == "06" { n++ }
		END { print n + 0 }' /proc/net/tcp /proc/net/tcp6
}

# is_table_full: nearly; then the kernel forgets what is over its limit
is_table_full() {
	local limit used

	read -r limit </proc/sys/net/ipv4/tcp_max_tw_buckets
	used=$(awk '$1 == "TCP:" { print $7 }' /proc/net/sockstat)
	[ "$used" -gt $((limit * 9 / 10)) ]
}

# fill_port: the server closes thousands of connections first; sets port
fill_port() {
	server_config <<-END
		[listen tcp:127.0.0.1:0]
		service = echo
		idle-timeout = 1s
	END
	server_start
	port=$(server_port echo)
	is "ended by the server" 3000 \
		"$(timeout 60 "$TOOLS/outwait" "127.0.0.1:$port" 3000)"
	wait_until 10 stat_is connections.closed.idle 3000
}

# serves_on ADDRESS: a server there starts at once, and answers
serves_on() {
	local began

	began=$(now_ms)
	server_start -l "$1=echo"
	echo "# serves on $1 after $(($(now_ms) - began)) ms" >&3
	is "an answer" hi "$("$GUICHET" send "127.0.0.1:$port" hi)"
}

@test "a server killed with thousands in TIME_WAIT starts again at once" {
	local port n

	fill_port
	n=$(in_time_wait "$port")
	echo "# $n connections in TIME_WAIT" >&3
	[ "$n" -gt 1000 ] || ! is_table_full ||
		skip "the kernel's table of TIME_WAIT is full"
	[ "$n" -gt 1000 ]
	n=$(column listeners time_wait)
	echo "guichet-stat shows $n"
	[ "$n" -gt 1000 ]

	server_kill
	# The condition is real: who does not ask for more cannot bind.
	is "a plain bind" EADDRINUSE \
		"$("$TOOLS/plainbind" "tcp:127.0.0.1:$port" || true)"
	serves_on "tcp:127.0.0.1:$port"
	[ "$(in_time_wait "$port")" -gt 1000 ]
	n=$(column listeners time_wait)
	[ "$n" -gt 1000 ]

	# And so it does on every address, over a bind to one of them.
	server_kill
	serves_on "tcp:*:$port"
	[ "$(in_time_wait "$port")" -gt 1000 ]
}

# load_begin: 100 connections that talk, and wait for it
load_begin() {
	"$GUICHET" bench "127.0.0.1:$port" -c 100 -d "$1" -w 30s -o json \
		>"$DIR/bench" 2>"$DIR/bench.log" 3>&- &
	BACKGROUND+=($!)
	wait_until 20 stat_is connections.open 100
}

kill_master() {
	kill -KILL "$SERVER"
	wait_until 10 not is_running "$SERVER"
	wait "$SERVER" 2>/dev/null || true
}

@test "a master that was killed under load is followed without a loss" {
	local port

	server_start -w 4 -l tcp:127.0.0.1:0=echo
	port=$(server_port echo)
	load_begin 5s
	kill_master
	serves_on "tcp:127.0.0.1:$port"
	wait_until 20 logged 'adoption: done in'
	wait "${BACKGROUND[-1]}"
	is "failed" 0 "$(json "$DIR/bench" failed)"
}

@test "orphans under load give the port back when their time is over" {
	local port

	server_config <<-END
		[server]
		workers = 4
		orphan-timeout = 300ms
		drain-timeout = 300ms
		[listen tcp:127.0.0.1:0]
		service = echo
	END
	server_start
	port=$(server_port echo)
	load_begin 60s
	kill_master
	wait_until 8 server_has_no_process "$SERVER"
	serves_on "tcp:127.0.0.1:$port"
	not logged 'took over'
}

@test "a second server on the live port is refused, naming the holder" {
	local port first

	server_start -l tcp:127.0.0.1:0=echo
	port=$(server_port echo)
	first=$SERVER
	mkdir "$DIR/other"
	run timeout 20 "$GUICHETD" -r "$DIR/other" -l "tcp:127.0.0.1:$port=echo"
	is "status" 1 "$status"
	is "what it says" "guichetd: tcp:127.0.0.1:$port: address already in \
use by guichetd (pid $first)" "$output"
	is "an answer" hi "$("$GUICHET" send "127.0.0.1:$port" hi)"
}
