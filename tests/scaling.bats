#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# scaling.bats - as many workers as the load wants, and as fresh as is wished

load helpers

setup() {
	server_setup
	GUICHETD=$BUILD/test/guichetd # has the service "slow"
}

teardown() {
	server_teardown
}

# slow_config SERVER-LINE...: echo, and a service that does as clients say
slow_config() {
	{
		echo "[server]"
		printf '%s\n' "$@"
		cat <<-END
			hang-timeout = off
			[listen tcp:127.0.0.1:0]
			service = slow
			[listen tcp:127.0.0.1:0]
			service = echo
			[listen unix:$DIR/slow.sock]
			service = slow
		END
	} | server_config
}

# says NAME ADDRESS LINE: in the background; the answer is in $DIR/NAME.out
says() {
	# shellcheck disable=SC2016 # for the inner shell
	background "$1" sh -c 'echo "$3" | "$1" talk -w 30s "$2"' - \
		"$GUICHET" "$2" "$3"
}

# has_answer NAME LINE
has_answer() {
	is "the answer to $1" "$2" "$(cat "$DIR/$1.out")"
}

# n_workers STATE: how many are
n_workers() {
	column workers state | grep -cx "$1"
}

workers_are() {
	is "workers that are $1" "$2" "$(n_workers "$1")"
}

# says_in_a_row NAME ADDRESS LINE: again and again, each time a new connection,
# until $DIR/enough is there
says_in_a_row() {
	# shellcheck disable=SC2016 # for the inner shell
	background "$1" sh -c 'until [ -e "$4" ]; do
		echo "$3" | "$1" talk -w 30s "$2" || exit; done' - \
		"$GUICHET" "$2" "$3" "$DIR/enough"
}

# nothing_was_lost: no worker died, no client was turned away
nothing_was_lost() {
	stat_is workers.deaths 0
	stat_is connections.refused.full 0
	is "warnings" "" "$(grep -E 'lost|killed|left with' "$LOG")"
}

has_passed() {
	[ "$(now_ms)" -ge "$1" ] # milliseconds, of now_ms
}

pass_ms() {
	wait_until 60 has_passed $(($(now_ms) + $1))
}

# --- one connection a worker --------------------------------------------------

@test "six clients that block their workers are all served at once, of 2-8" {
	local i began took address

	slow_config "workers = 2-8" "worker-connections = 1" "max-spare = 2"
	server_start
	workers_are serving 2
	address=127.0.0.1:$(server_port slow)
	began=$(now_ms)
	for i in 1 2 3 4 5 6; do
		says "client$i" "$address" "sleep 3000"
	done
	for i in 1 2 3 4 5 6; do
		wait_until 20 has_answer "client$i" "sleep 3000"
	done
	took=$(($(now_ms) - began))
	echo "# took $took ms" >&3
	[ "$took" -lt 6000 ] # the third would have had to wait for the first
	# one is kept ready while all are busy; and when none is, no more than two
	[ "$(n_workers serving)" -ge 7 ]
	wait_until 30 workers_are serving 2
	workers_are absent "$(($(column workers slot | wc -l) - 2))"
	nothing_was_lost
}

@test "clients beyond the last worker wait for their turn, and are served" {
	local i address

	slow_config "workers = 1-2" "worker-connections = 1"
	server_start
	address=127.0.0.1:$(server_port slow)
	for i in 1 2 3 4 5; do
		says "client$i" "$address" "sleep 400"
	done
	wait_until 10 workers_are serving 2
	for i in 1 2 3 4 5; do
		wait_until 20 has_answer "client$i" "sleep 400"
	done
	workers_are serving 2
	stat_is connections.accepted 5
	nothing_was_lost
}

@test "those who wait at a unix socket bring more workers, too" {
	local i

	slow_config "workers = 1-4" "worker-connections = 1"
	server_start
	for i in 1 2 3; do
		says "client$i" "unix:$DIR/slow.sock" "sleep 20000"
	done
	wait_until 10 stat_is connections.open 3
	wait_until 20 workers_are serving 4
	nothing_was_lost
}

@test "min-spare workers are idle before anybody comes" {
	slow_config "workers = 1-8" "worker-connections = 1" "min-spare = 4"
	server_start
	wait_until 10 workers_are serving 4
	pass_ms 1000
	workers_are serving 4
	nothing_was_lost
}

# --- many connections a worker ------------------------------------------------

@test "workers who wait in handlers get help, up to the last one" {
	local i address

	slow_config "workers = 1-3"
	server_start
	address=127.0.0.1:$(server_port slow)
	for i in 1 2 3 4 5 6; do
		says_in_a_row "client$i" "$address" "sleep 100"
	done
	wait_until 10 workers_are serving 3
	pass_ms 1000
	workers_are serving 3
	touch "$DIR/enough"
	nothing_was_lost
}

@test "a worker that computes all the time gets help, once" {
	slow_config "workers = 1-4"
	server_start
	says_in_a_row client "127.0.0.1:$(server_port slow)" "burn 500"
	wait_until 20 workers_are serving 2
	pass_ms 2000
	# there is work for one, and room to say so
	[ "$(n_workers serving)" -le 3 ]
	touch "$DIR/enough"
}

@test "connections that come and go quickly bring nobody" {
	slow_config "workers = 1-4"
	server_start
	"$GUICHET" bench "127.0.0.1:$(server_port echo)" -c 2 -R 100 -d 3s \
		--churn -o json >"$DIR/bench.json"
	is "failed" 0 "$(json "$DIR/bench.json" failed)"
	workers_are serving 1
}

@test "who finds all workers full waits for one more, while there may be more" {
	slow_config "workers = 1-3" "worker-connections = 10"
	server_start
	hold 30 "127.0.0.1:$(server_port echo)" -N 300
	workers_are serving 3
	nothing_was_lost
	# and only then it is refused
	run "$GUICHET" send -w 10s "127.0.0.1:$(server_port echo)" hi
	is "the client's exit status" 1 "$status"
	stat_is connections.refused.full 1
	hold_end
}

# each_has_a_connection PORT: of the workers that serve; of this shell's
each_has_a_connection() {
	local fd

	for _ in {1..100}; do
		column workers open state serving | grep -qx 0 || return 0
		# shellcheck disable=SC2034 # closed when the test ends
		exec {fd}<>"/dev/tcp/127.0.0.1/$1"
	done
	return 1
}

# says_states STATES: of slots 0 to 2
says_states() {
	is "states" "$1" "$(column workers state | head -n 3 | xargs)"
}

@test "retiring workers keep what they have, and return when load does" {
	local i address n_open

	slow_config "workers = 1-3"
	server_start
	kill -TTIN "$SERVER"
	wait_until 10 workers_are serving 2
	kill -TTIN "$SERVER"
	wait_until 10 workers_are serving 3
	hold 30 "127.0.0.1:$(server_port echo)" -N 300
	each_has_a_connection "$(server_port echo)"
	n_open=$(counter connections.open)
	[ "$n_open" -ge 30 ]
	wait_until 20 says_states "serving draining draining"
	stat_is connections.open "$n_open"
	address=127.0.0.1:$(server_port slow)
	for i in 1 2 3 4 5 6; do
		says_in_a_row "client$i" "$address" "sleep 100"
	done
	wait_until 10 says_states "serving serving serving"
	touch "$DIR/enough"
	is "who returned" 2 "$(log_lines 'worker [12]: returns')"
	is "who was added" 2 "$(log_lines 'worker [12]: added')"
	BACKGROUND=("${BACKGROUND[@]:1}" "${BACKGROUND[0]}") # for hold_end
	hold_end
	nothing_was_lost
	is "closed by us" 0 "$(counter connections.closed.drain)"
}

@test "the first worker, whose keeper starts programs for datagrams, stays" {
	local first

	server_config <<-END
		[server]
		workers = 1-2
		[listen tcp:127.0.0.1:0]
		service = echo
		[listen udp:127.0.0.1:0]
		service = exec
		command = cat
		protocol = inetd-wait
	END
	server_start
	kill -TTIN "$SERVER"
	wait_until 10 workers_are serving 2
	first=$(column workers pid slot 0)
	kill -STOP "$first"
	hold 10 "127.0.0.1:$(server_port echo)" -N 20
	kill -CONT "$first"
	wait_until 20 says_states "serving draining"
	hold_end
	nothing_was_lost
}

# --- by hand ------------------------------------------------------------------

# notified PATTERN: what the service manager was told last of such a line
notified() {
	grep -- "$1" "$DIR/notified.out" | tail -n 1
}

status_is() {
	is "the status" "STATUS=$1" "$(notified ^STATUS=)"
}

@test "the service manager is not told of retiring workers as of those wanted" {
	local first

	command -v python3 >/dev/null || skip "needs python3"
	cat >"$DIR/manager" <<-'END'
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind("\0" + sys.argv[1])
		while True:
		    print(s.recv(4096).decode(), flush=True)
	END
	background notified python3 "$DIR/manager" "$DIR"
	wait_until 20 grep -q -F "@$DIR" /proc/net/unix
	server_config < <(printf '%s\n' '[server]' 'workers = 2' \
		'[listen tcp:127.0.0.1:0]' 'service = echo')
	NOTIFY_SOCKET=@$DIR server_start
	wait_until 20 status_is "serving: 2 of 2 workers"
	first=$(column workers pid slot 0)
	kill -STOP "$first"
	hold 10 "127.0.0.1:$(server_port echo)" -N 20 # by the one that retires
	kill -CONT "$first"
	kill -TTOU "$SERVER"
	wait_until 20 status_is "serving: 1 of 1 workers"
	column_is workers state "serving draining"
	hold_end
}

@test "a reload keeps the number that the load had, within the new range" {
	slow_config "workers = 1-4"
	server_start
	kill -TTIN "$SERVER"
	wait_until 10 workers_are serving 2
	kill -TTIN "$SERVER"
	wait_until 10 workers_are serving 3
	"$GUICHETD" -r "$DIR" -n t -c "$DIR/guichetd.conf" -s reload
	workers_are serving 3
	slow_config "workers = 1-2"
	"$GUICHETD" -r "$DIR" -n t -c "$DIR/guichetd.conf" -s reload
	wait_until 10 workers_are serving 2
	slow_config "workers = 4-5"
	"$GUICHETD" -r "$DIR" -n t -c "$DIR/guichetd.conf" -s reload
	workers_are serving 4
	nothing_was_lost
}

@test "a new master keeps the number that the load had" {
	slow_config "workers = 1-4" "worker-connections = 1"
	server_start
	hold 3 "127.0.0.1:$(server_port echo)" -N 30
	wait_until 10 workers_are serving 4
	kill -KILL "$SERVER"
	server_start
	wait_until 10 logged 'adoption: done'
	workers_are serving 4
	hold_end
	nothing_was_lost
	server_stop
}

@test "by hand there may be more than the range, and fewer" {
	slow_config "workers = 2-3"
	server_start
	kill -TTOU "$SERVER"
	wait_until 10 workers_are serving 1
	pass_ms 1000
	workers_are serving 1
	for n in 2 3 4; do
		kill -TTIN "$SERVER"
		wait_until 10 workers_are serving "$n"
	done
	pass_ms 1000
	workers_are serving 4
	nothing_was_lost
}

@test "workers sent away and called back at once lose nothing" {
	server_start -w 3 -l tcp:127.0.0.1:0=echo
	"$GUICHET" bench "127.0.0.1:$(server_port echo)" -c 10 -R 500 -d 4s \
		--churn -o json >"$DIR/bench.json" 3>&- &
	BACKGROUND+=($!)
	while is_running "${BACKGROUND[0]}"; do
		kill -TTOU "$SERVER"
		pass_ms $((RANDOM % 15))
		kill -TTIN "$SERVER"
		pass_ms $((RANDOM % 60))
	done
	wait "${BACKGROUND[0]}"
	is "failed" 0 "$(json "$DIR/bench.json" failed)"
	# signals that wait count once; so there may be more or fewer by now
	"$GUICHETD" -r "$DIR" -n t -l tcp:127.0.0.1:0=echo -w 3 -s reload
	wait_until 10 workers_are serving 3
	nothing_was_lost
}

# --- what it costs ------------------------------------------------------------

# n_naps PID...: how often they went to sleep, all together
n_naps() {
	local pid

	for pid in "$@"; do
		cat "/proc/$pid/status"
	done | awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }'
}

# naps_of_idle PID...: in two seconds; sets naps
naps_of_idle() {
	local before

	before=$(n_naps "$@")
	pass_ms 2000
	naps=$(($(n_naps "$@") - before))
	echo "$naps naps of $# processes"
}

@test "the master and a keeper of an idle server wake up once a second" {
	local naps

	server_start -w 2 -l tcp:127.0.0.1:0=echo
	pass_ms 500
	# shellcheck disable=SC2046 # one word each
	naps_of_idle $(keeper_pids)
	[ "$naps" -le 10 ]
	naps_of_idle "$SERVER"
	[ "$naps" -le 10 ]
}

@test "with a range, too, the master does not spin, be it idle or draining" {
	local naps ticks

	slow_config "workers = 2-4"
	server_start
	pass_ms 500
	naps_of_idle "$SERVER"
	[ "$naps" -le 40 ]
	talk_begin talk "127.0.0.1:$(server_port echo)"
	echo hello >&5
	wait_until 10 has_answer talk hello
	kill -TERM "$SERVER"
	wait_until 20 logged draining
	ticks=$(cpu_ticks "$SERVER")
	naps_of_idle "$SERVER"
	[ "$naps" -le 10 ]
	[ "$(($(cpu_ticks "$SERVER") - ticks))" -le 10 ]
	talk_end
	server_ends
}

# --- recycling ----------------------------------------------------------------

# generations_above N: all workers' are
generations_above() {
	local generation

	for generation in $(column workers generation); do
		[ "$generation" -gt "$1" ] || { echo "$generation"; return 1; }
	done
}

@test "workers of an age are replaced under load, with all they have" {
	server_config <<-END
		[server]
		workers = 2
		max-worker-age = 1s
		[listen tcp:127.0.0.1:0]
		service = echo
	END
	server_start
	hold 20 "127.0.0.1:$(server_port echo)" -N 200
	"$GUICHET" bench "127.0.0.1:$(server_port echo)" -c 50 -P 8 -s 10000 \
		-R 2000 -d 5s -o json >"$DIR/bench.json"
	is "failed" 0 "$(json "$DIR/bench.json" failed)"
	wait_until 10 generations_above 3
	stat_is connections.open 20
	stat_above connections.resumed 99
	hold_end
	nothing_was_lost
	[ "$(log_lines 'is replaced: max-worker-age')" -ge 6 ]
}

@test "with a limit of one connection a worker lives for a second, and serves" {
	server_config <<-END
		[server]
		workers = 2
		max-worker-connections = 1
		[listen tcp:127.0.0.1:0]
		service = echo
	END
	server_start
	talk_begin talk "127.0.0.1:$(server_port echo)"
	echo hello >&5
	wait_until 10 has_answer talk hello
	"$GUICHET" bench "127.0.0.1:$(server_port echo)" -c 20 -R 1000 -d 4s \
		--churn -o json >"$DIR/bench.json"
	is "failed" 0 "$(json "$DIR/bench.json" failed)"
	stat_above connections.resumed 1
	[ "$(log_lines 'is replaced: max-worker-connections')" -ge 2 ]
	[ "$(log_lines 'is replaced')" -le 14 ]
	is_running "${BACKGROUND[0]}"
	talk_end
	nothing_was_lost
}

@test "a worker that has grown is replaced, and its successor stays" {
	local worker

	! is_sanitized || skip "its memory is not what the worker takes"
	slow_config "workers = 1" "max-worker-memory = 16m"
	server_start
	worker=$(worker_pids)
	talk_begin talk "127.0.0.1:$(server_port slow)"
	echo "leak 8000" >&5
	pass_ms 1500
	is "the worker" "$worker" "$(worker_pids)"
	echo "leak 12000" >&5
	wait_until 10 column_is workers generation 2
	echo "sleep 1" >&5
	wait_until 10 grep -qx "sleep 1" "$DIR/talk.out"
	pass_ms 2500
	column_is workers generation 2
	is "how often" 1 "$(log_lines 'is replaced: max-worker-memory')"
	stat_is connections.resumed 1
	talk_end
	nothing_was_lost
}

@test "one who is in a handler is asked once, and leaves when that is done" {
	slow_config "workers = 1" "max-worker-age = 1s"
	server_start
	says client "127.0.0.1:$(server_port slow)" "sleep 4000"
	wait_until 10 logged 'is replaced'
	column_is workers generation 1
	wait_until 10 has_answer client "sleep 4000"
	wait_until 10 generations_above 1
	is "how often" 1 "$(log_lines "pid $(sed -n \
		's/.*(pid \([0-9]*\)): is replaced.*/\1/p' "$LOG" |
		head -n 1)")"
	nothing_was_lost
}
