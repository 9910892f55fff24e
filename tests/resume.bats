#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# resume.bats - connections outlive the processes that serve them

load helpers

setup() {
	server_setup
}

teardown() {
	server_teardown
}

# kill_slot SLOT [SIGNAL]: its worker; waits until its successor serves
kill_slot() {
	local before

	before=$(counter workers.successions)
	kill -s "${2:-KILL}" "$(column workers pid slot "$1")"
	wait_until 30 stat_is workers.successions $((before + 1))
	wait_until 30 is_serving "$1"
}

is_serving() {
	is "the state of worker $1" serving "$(column workers state slot "$1")"
}

# --- at rest ------------------------------------------------------------------

@test "10,000 idle connections outlive a kill -9 of their worker" {
	[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 17000 ] ||
		skip "only $(ulimit -Hn) descriptors a process here"
	server_config <<-END
		[server]
		workers = 1
		worker-connections = 16384
		[listen tcp:127.0.0.1:0]
		service = echo
	END
	server_start
	hold 10000 "127.0.0.1:$(server_port echo)" -N 30000
	kill_slot 0
	stat_is connections.open 10000
	stat_is connections.resumed 10000
	stat_is connections.closed 0
	stat_is workers.deaths 1
	hold_end
	is "requests" 30000 "$(json "$DIR/hold.out" requests)"
	wait_until 30 stat_is connections.closed.eof 10000
	stat_is connections.accepted 10000
	stat_is messages 30000
}

@test "idle unix connections outlive a kill -9 of their worker" {
	server_start -w 1 -l "unix:$DIR/echo.sock=echo"
	hold 200 "unix:$DIR/echo.sock" -N 600
	kill_slot 0
	stat_is connections.resumed 200
	hold_end
	wait_until 10 stat_is connections.closed.eof 200
	stat_is messages 600
}

@test "a connection is resumed as often as its worker dies" {
	local n

	server_start -w 1 -l tcp:127.0.0.1:0=echo
	hold 50 "127.0.0.1:$(server_port echo)" -N 100
	for n in 1 2 3 4 5; do
		kill_slot 0
		stat_is connections.resumed $((50 * n))
	done
	stat_is workers.deaths 5
	stat_is workers.successions 5
	is "generation" 6 "$(column workers generation)"
	hold_end
	wait_until 20 stat_is connections.closed.eof 50
}

@test "a worker that gets SIGTERM is succeeded, and costs nothing" {
	server_start -w 1 -l tcp:127.0.0.1:0=echo
	hold 50 "127.0.0.1:$(server_port echo)" -N 100
	kill_slot 0 TERM
	stat_is connections.resumed 50
	stat_is connections.closed 0
	logged 'worker 0 (pid [0-9]*): killed by SIGTERM; 50 connections wait'
	logged 'worker 0: took over 50 connections'
	hold_end
}

@test "a connection that waits for its reader outlives a kill -9" {
	local bytes=40000000

	server_start -w 1 -l tcp:127.0.0.1:0=echo
	exec 5<>"/dev/tcp/127.0.0.1/$(server_port echo)"
	head -c "$bytes" /dev/zero >&5 3>&- &
	BACKGROUND+=($!)
	wait_until 20 column_is connections state writing
	kill_slot 0
	column_is connections state writing
	kill_slot 0
	head -c "$bytes" <&5 | cmp -n "$bytes" - /dev/zero
	wait_until 20 stat_is bytes.out "$bytes"
	stat_is bytes.in "$bytes"
	exec 5>&-
}

@test "the idle timeout goes on counting over a kill -9" {
	server_config <<-END
		[server]
		workers = 1
		[listen tcp:127.0.0.1:0]
		service = echo
		idle-timeout = 2s
	END
	server_start
	hold 5 "127.0.0.1:$(server_port echo)"
	kill_slot 0
	wait_until 10 stat_is connections.closed.idle 5
	is "connections open for 3 s" "" "$(column closed duration_s |
		awk '$1 < 1.9 || $1 >= 3')"
}

# --- in a storm ---------------------------------------------------------------

# weather SECONDS ADDRESS OPTION...: a bench in a storm, its JSON in $DIR/bench.
# Half as long or less when sanitized.
weather() {
	local seconds=$1 status=0

	shift
	is_sanitized && seconds=$(((seconds + 2) / 3))
	background storm "$TOOLS/storm" "$DIR/t.ledger" 10 30
	timeout $((seconds + 60)) "$GUICHET" bench -o json -w 30s \
		-d "${seconds}s" "$@" >"$DIR/bench" || status=$?
	kill -KILL "${BACKGROUND[-1]}"
	wait "${BACKGROUND[-1]}" 2>/dev/null || true
	echo "# $(json "$DIR/bench" requests) requests," \
		"$(counter workers.deaths) workers killed" >&3
	return "$status"
}

# nothing_lost: the client's counts are good, and the server's are the same
nothing_lost() {
	cat "$DIR/bench"
	is "failed" 0 "$(json "$DIR/bench" failed)"
	is "lost requests" 0 "$(json "$DIR/bench" lost_requests)"
	is "bytes received" "$(json "$DIR/bench" bytes_sent)" \
		"$(json "$DIR/bench" bytes_received)"
	wait_until 20 stat_is connections.open 0
	stat_is bytes.in "$(json "$DIR/bench" bytes_sent)"
	stat_is bytes.out "$(json "$DIR/bench" bytes_received)"
	stat_is connections.accepted "$(json "$DIR/bench" connects)"
	stat_is connections.closed.eof "$(json "$DIR/bench" connects)"
	stat_is connections.closed "$(json "$DIR/bench" connects)"
	stat_above workers.deaths 20
}

@test "a storm: 200 busy connections lose no byte to a worker killed every 20 ms" {
	server_start -w 2 -l tcp:127.0.0.1:0=echo
	weather 10 "127.0.0.1:$(server_port echo)" -c 200 -P 4 -s 1-200k
	nothing_lost
}

@test "a storm over connections for one request each loses none" {
	server_start -w 2 -l tcp:127.0.0.1:0=echo
	weather 4 "127.0.0.1:$(server_port echo)" -c 50 -s 1-64k --churn
	nothing_lost
}

@test "a storm over unix sockets loses no byte" {
	server_start -w 2 -l "unix:$DIR/echo.sock=echo"
	weather 4 "unix:$DIR/echo.sock" -c 50 -P 4 -s 1-200k
	nothing_lost
}

@test "a storm over UDP: every datagram is answered once or lost, none twice" {
	server_start -w 2 -l udp:127.0.0.1:0=echo
	# Its exit status is 1 when one was lost.
	weather 4 "udp:127.0.0.1:$(server_port echo)" -c 50 -s 8-1k -w 500ms ||
		true
	cat "$DIR/bench"
	is "failures but for unanswered ones" "" \
		"$(sed -n 's/^  "failures": //p' "$DIR/bench" |
			grep -o '"[a-zA-Z:]*": [0-9]*' | grep -v unanswered)"
	wait_until 20 stat_is datagrams.out $(($(json "$DIR/bench" requests) +
		$(json "$DIR/bench" late)))
	stat_above workers.deaths 10
}

# --- the keeper, too ----------------------------------------------------------

# none_went_back BEFORE AFTER: files of counters
none_went_back() {
	awk 'NR == FNR { before[$1] = $2; next }
		$1 in before && $2 < before[$1] {
			print $1 " went from " before[$1] " back to " $2
			bad = 1
		}
		{ delete before[$1] }
		END {
			for (name in before) {
				print name " is gone"; bad = 1
			}
			exit bad
		}' "$1" "$2"
}

# busiest_slot: the one with the most connections
busiest_slot() {
	paste <(column workers open) <(column workers slot) | sort -n |
		tail -n 1 | cut -f 2
}

@test "kill -9 of a keeper: a new pair, its connections count as killed" {
	local slot pair n_held

	server_start -w 2 -l tcp:127.0.0.1:0=echo
	"$GUICHET" bench "127.0.0.1:$(server_port echo)" -c 10 -N 500 >/dev/null
	hold 100 "127.0.0.1:$(server_port echo)" -N 100
	slot=$(busiest_slot)
	pair=$(pair_of "$slot")
	n_held=$(column workers open slot "$slot")
	counters >"$DIR/before"
	kill -KILL "${pair% *}"
	wait_until 20 stat_is connections.closed.killed "$n_held"
	wait_until 20 is_new_pair "$slot" "$pair"
	stat_is workers.running 2
	counters >"$DIR/after"
	none_went_back "$DIR/before" "$DIR/after"
	stat_is connections.open $((100 - n_held))
	stat_is connections.accepted 110
	stat_is connections.closed $((10 + n_held))
	[ "$n_held" -gt 0 ]
	# The new pair serves.
	is "an answer" hi "$("$GUICHET" send "127.0.0.1:$(server_port echo)" hi)"
	logged "keeper $slot: killed by SIGKILL"
}

# pair_of SLOT: its keeper and its worker
pair_of() {
	echo "$(column workers keeper slot "$1") $(column workers pid slot "$1")"
}

# is_new_pair SLOT OLD: neither is the old one, nor missing; and they serve
is_new_pair() {
	local pair

	pair=$(pair_of "$1")
	echo "the pair was $2, is $pair"
	[ "${pair% *}" != - ] && [ "${pair#* }" != - ] &&
		[ "${pair% *}" != "${2% *}" ] &&
		[ "${pair#* }" != "${2#* }" ] && is_serving "$1"
}

@test "keepers killed over and over: accepted is closed and open, always" {
	local slot pair

	server_start -w 2 -l tcp:127.0.0.1:0=echo
	background bench "$GUICHET" bench "127.0.0.1:$(server_port echo)" \
		-c 20 -d 3s --churn
	for slot in 0 1 1 0 0 1; do
		pair=$(pair_of "$slot")
		counters >"$DIR/before"
		kill -KILL "${pair% *}"
		wait_until 30 is_new_pair "$slot" "$pair"
		counters >"$DIR/after"
		none_went_back "$DIR/before" "$DIR/after"
	done
	wait "${BACKGROUND[-1]}" || true # some were lost
	wait_until 20 stat_is connections.open 0
	stat_is connections.closed "$(counter connections.accepted)"
}

# --- stopped workers ----------------------------------------------------------

# strand: a connection that wakes a worker which is stopped before it accepts.
# Sets ms, after which another one has answered; "-": the worker was quicker,
# accepted it, and was stopped then.
strand() {
	local port slot pid before

	port=$(server_port echo)
	# Who is first in the queue of waiters takes one after the other.
	before=$(column workers accepted slot 0)
	"$GUICHET" send "127.0.0.1:$port" hi >/dev/null
	slot=0
	[ "$before" != "$(column workers accepted slot 0)" ] || slot=1
	pid=$(column workers pid slot "$slot")
	before=$(column workers accepted slot "$slot")
	ms=$("$TOOLS/strand" "127.0.0.1:$port" "$pid" hi)
	kill -CONT "$pid"
	[ "$ms" != - ] ||
		not is "accepted" "$before" "$(column workers accepted slot "$slot")"
}

@test "a connection that only woke a stopped worker is served by another" {
	local ms n=0 tries=0 worst=0

	server_start -w 2 -l tcp:127.0.0.1:0=echo
	while [ "$n" -lt 3 ] && [ "$tries" -lt 6 ]; do
		tries=$((tries + 1))
		strand
		[ "$ms" != - ] || continue
		n=$((n + 1))
		[ "$ms" -le "$worst" ] || worst=$ms
	done
	[ "$n" -gt 0 ] || skip "each worker was quicker than we could stop it"
	echo "# the slowest of $n was served after $worst ms" >&3
	[ "$worst" -lt 2000 ]
	stat_is connections.accepted $((2 * tries))
	stat_is workers.deaths 0
}

@test "with all workers stopped the readout still answers" {
	local pids

	server_start -w 2 -l tcp:127.0.0.1:0=echo
	hold 10 "127.0.0.1:$(server_port echo)" -N 10
	mapfile -t pids < <(worker_pids)
	kill -STOP "${pids[@]}"
	is "connections" 10 "$(timeout 10 "$STAT" -r "$DIR" -n t -o tsv \
		connections | grep -c '^[0-9]')"
	stat_is connections.open 10
	kill -CONT "${pids[@]}"
	hold_end
}
