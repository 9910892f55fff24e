#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# poison.bats - input that crashes or hangs a handler costs one connection

load helpers

setup() {
	crash_setup
}

teardown() {
	server_teardown
}

# start WORKERS
start() {
	server_config <<-END
		[server]
		workers = $1
		hang-timeout = 1s
		[listen tcp:127.0.0.1:0]
		service = poison
		name = it
		[listen udp:127.0.0.1:0]
		service = poison
		name = datagrams
	END
	server_start
	address=$(column listeners address name it)
}

# costs_one WORD REASON
costs_one() {
	start 1
	hold 1000 "${address#tcp:}" -N 2000
	run "$GUICHET" send -w 20s "$address" "$1"
	is "the client's status" 1 "$status"
	[[ $output == *reset* ]] || { echo "$output"; return 1; }
	wait_until 10 stat_is "connections.closed.$2" 1
	is "the closed ring" "$2" "$(column closed reason)"
	is deaths 1 "$(counter workers.deaths)"
	hold_end
	wait_until 10 stat_is connections.open 0
	is "closed with eof" 1000 "$(counter connections.closed.eof)"
	is resumed 1000 "$(counter connections.resumed)"
	server_stop
}

@test "a handler that segfaults costs its connection and no other" {
	costs_one segv crash
}

@test "a handler that aborts costs its connection and no other" {
	costs_one abort crash
}

@test "a handler that overflows the stack costs its connection and no other" {
	costs_one overflow crash
}

@test "a handler that calls exit costs its connection and no other" {
	costs_one exit crash
}

@test "a handler that loops for ever is ended by hang-timeout, and only it" {
	costs_one hang killed
}

@test "a datagram that crashes the handler is lost, and the next is answered" {
	local address

	start 1
	address=$(column listeners address name datagrams)
	run "$GUICHET" send -w 1s "$address" segv
	is "the client's status" 1 "$status"
	wait_until 10 stat_is workers.deaths 1
	is "the next answer" well "$("$GUICHET" send -w 10s "$address" well)"
	is "datagrams in" 2 "$(counter datagrams.in)"
	is "datagrams out" 1 "$(counter datagrams.out)"
}

@test "guichetd gives up, and says why, when no worker ever serves" {
	server_config <<-END
		[server]
		workers = 2
		[listen tcp:127.0.0.1:0]
		service = echo
	END
	arm "resume-begun always"
	server_launch -c "$DIR/guichetd.conf"
	wait_until 20 not is_running "$SERVER"
	local status=0
	wait "$SERVER" || status=$?
	is "the exit status" 1 "$status"
	logged 'no worker ever served: .*killed by SIGABRT' || { cat "$LOG"; return 1; }
	server_has_no_process "$SERVER"
}

worker_0_is() {
	[ "$(column workers state slot 0)" = "$1" ]
}

@test "a worker that dies at once, always, is waited for, and others serve" {
	local pid ticks

	start 2
	ticks=$(cpu_ticks "$SERVER")
	pid=$(column workers pid slot 0)
	arm "resume-begun always"
	kill -KILL "$pid"
	# the waits are 100, 200, 400, 800 ms and so on: not many in a while
	wait_until 20 died_often
	worker_0_is backoff || worker_0_is starting
	is "an answer meanwhile" well \
		"$("$GUICHET" send -w 10s "$address" well)"
	[ $(($(cpu_ticks "$SERVER") - ticks)) -le 20 ]
	arm
	wait_until 30 worker_0_is serving
}

died_often() {
	[ "$(counter workers.deaths)" -ge 5 ]
}

@test "a worker that scribbles over all it can write harms only itself" {
	local view

	server_config <<-END
		[server]
		workers = 2
		worker-connections = 256
		[listen unix:$DIR/mad]
		service = scribble
		[listen tcp:127.0.0.1:0]
		service = poison
		name = it
	END
	server_start
	address=$(column listeners address name it)
	for _ in 1 2 3; do
		# nothing is left to tell whose it was: it ends, somehow
		run "$GUICHET" send -w 1s "unix:$DIR/mad" now
		for _ in 1 2 3 4 5 6 7 8; do
			is "an answer after it" well \
				"$("$GUICHET" send -w 10s "$address" well)"
		done
		for view in totals workers listeners connections closed; do
			readout "$view" >/dev/null
		done
	done
	wait_until 20 all_serve
	server_stop
}

all_serve() {
	[ "$(column workers state | sort -u)" = serving ]
}
