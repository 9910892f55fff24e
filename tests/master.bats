#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# master.bats - signals, ends, shortages, and what a new start finds

load helpers

setup() {
	server_setup
}

teardown() {
	server_teardown
}

# talks WHAT NUMBER: the open talk says it, and hears it, its answer NUMBER
talks() {
	echo "$1" >&5
	wait_until 10 hears "$1" "$2"
}

hears() {
	is "line $2 of the answers" "$1" "$(sed -n "$2p" "$DIR/talk.out")"
}

is_refused() {
	local answer

	answer=$("$GUICHET" send -w 2s "$1" hi 2>&1) && return 1
	grep -q 'Connection refused' <<<"$answer"
}

# says_stopped: the ledger says that it was stopped; no socket file is left
says_stopped() {
	is "the state" stopped "$("$STAT" -f "$DIR/t.ledger" -o json |
		sed 's/.*"state":"\([a-z]*\)".*/\1/')"
	[ -z "$(find "$DIR" -type s)" ]
}

# --- signals ------------------------------------------------------------------

@test "TERM: connections talk on until they end, new ones are refused" {
	local port

	server_start -l tcp:127.0.0.1:0=echo -l "unix:$DIR/echo.sock=echo"
	port=$(server_port echo)
	talk_begin talk "127.0.0.1:$port"
	talks before 1
	kill -TERM "$SERVER"
	wait_until 20 logged 'draining'
	wait_until 20 is_refused "127.0.0.1:$port"
	[ ! -e "$DIR/echo.sock" ]
	talks after 2
	column workers state | grep -qx draining
	talk_end
	server_ends
	stat_is connections.closed.eof 1
	stat_is connections.closed 1
	says_stopped
}

@test "TERM: what is still open at the deadline is closed" {
	server_config <<-END
		[server]
		drain-timeout = 300ms
		[listen tcp:127.0.0.1:0]
		service = echo
	END
	server_start
	talk_begin talk "127.0.0.1:$(server_port echo)"
	talks before 1
	kill -TERM "$SERVER"
	server_ends
	stat_is connections.closed.drain 1
	says_stopped
	talk_end
}

# Two in a moment are one; so it is told until it listens.
is_told_again() {
	kill -TERM "$SERVER" 2>/dev/null || true # it may be gone by now
	logged 'stopping'
}

@test "a second TERM ends a drain at once" {
	server_start -l tcp:127.0.0.1:0=echo
	talk_begin talk "127.0.0.1:$(server_port echo)"
	talks before 1
	kill -TERM "$SERVER"
	wait_until 20 logged 'draining'
	wait_until 10 is_told_again
	server_ends
	stat_is connections.closed.drain 1
	says_stopped
	talk_end
}

@test "INT and QUIT close what is open, at once" {
	local signal

	for signal in INT QUIT; do
		server_start -l tcp:127.0.0.1:0=echo
		talk_begin talk "127.0.0.1:$(server_port echo)"
		talks before 1
		kill -s "$signal" "$SERVER"
		server_ends
		says_stopped
		talk_end
		rm "$DIR/talk.in"
	done
	stat_is connections.closed.drain 2
}

@test "TTIN adds a worker, TTOU retires one when its connections have ended" {
	server_start -w 1 -l tcp:127.0.0.1:0=echo
	kill -TTIN "$SERVER"
	wait_until 10 stat_is workers.running 2
	kill -TTIN "$SERVER"
	wait_until 10 stat_is workers.running 3
	kill -TTOU "$SERVER"
	wait_until 10 stat_is workers.running 2
	wait_until 10 is_state 2 ''
	is "an answer" hi "$("$GUICHET" send "127.0.0.1:$(server_port echo)" hi)"
	stat_is workers.deaths 0
}

# open_on SLOT: a talk whose worker is that one
open_on() {
	local tries=10

	while [ $((tries -= 1)) -gt 0 ]; do
		rm -f "$DIR/talk.in"
		talk_begin talk "127.0.0.1:$(server_port echo)"
		talks hello 1
		[ "$(column workers open slot "$1")" = 0 ] || return 0
		talk_end
		wait_until 20 stat_is connections.open 0
		# Whoever is first in the queue takes it: turn it over.
		"$GUICHET" bench "127.0.0.1:$(server_port echo)" -c 30 -N 30 \
			>/dev/null
	done
	return 1
}

@test "a retired worker serves its connections until they end" {
	server_start -w 2 -l tcp:127.0.0.1:0=echo
	open_on 1
	kill -TTOU "$SERVER"
	wait_until 20 is_state 1 draining
	talks "still there" 2
	talk_end
	wait_until 10 is_state 1 ''
	stat_is workers.deaths 0
	stat_is connections.closed.eof "$(counter connections.closed)"
	# And its slot can be used again.
	kill -TTIN "$SERVER"
	wait_until 10 is_state 1 serving
}

is_state() {
	is "the state of worker $1" "$2" "$(column workers state slot "$1")"
}

@test "the last worker is not retired" {
	server_start -w 1 -l tcp:127.0.0.1:0=echo
	kill -TTOU "$SERVER"
	wait_until 20 logged 'the last worker is not retired'
	stat_is workers.running 1
}

@test "HUP and USR2 renew every worker, under the same master and keepers" {
	local keepers former

	server_start -w 2 -l tcp:127.0.0.1:0=echo
	keepers=$(keeper_pids | xargs)
	talk_begin talk "127.0.0.1:$(server_port echo)"
	talks before 1
	former=$(worker_pids)
	kill -HUP "$SERVER"
	wait_until 20 logged 'reload: done in'
	not is_any_of "$former" "$(worker_pids)"
	talks between 2
	former=$(worker_pids)
	kill -USR2 "$SERVER"
	wait_until 20 logged 'upgrade: done in'
	not is_any_of "$former" "$(worker_pids)"
	talks after 3
	talk_end
	is "the keepers" "$keepers" "$(keeper_pids | xargs)"
	stat_is workers.deaths 0
	is "the pid in the ledger" "$SERVER" "$(master_pid)"
}

# is_any_of LINES OTHERS: whether a line of the one is one of the others
is_any_of() {
	grep -q -x -F "$1" <<<"$2"
}

master_pid() {
	readout -o json | sed 's/.*"pid":\([0-9]*\).*/\1/'
}

# log_has N PATTERN
log_has() {
	is "lines of $2" "$1" "$(log_lines "$2")"
}

@test "signals meant for the master do not harm keepers" {
	local keepers signal

	server_start -l tcp:127.0.0.1:0=echo
	mapfile -t keepers < <(keeper_pids)
	for signal in TERM INT QUIT HUP USR1 USR2 TTIN TTOU; do
		kill -s "$signal" "${keepers[@]}"
	done
	is "an answer" hi "$("$GUICHET" send "127.0.0.1:$(server_port echo)" hi)"
	column_is workers keeper "${keepers[*]}"
	stat_is workers.deaths 0
}

@test "when the master dies, its workers serve on; a new one adopts them" {
	local address keepers

	server_start -w 4 -l tcp:127.0.0.1:0=echo
	address=127.0.0.1:$(server_port echo)
	keepers=$(keeper_pids | xargs)
	talk_begin talk "$address"
	talks before 1
	master_dies
	talks alone 2
	is "an answer" hi "$("$GUICHET" send "$address" hi)"
	server_start -w 4 -l tcp:127.0.0.1:0=echo
	logged 'took over from a master that died: 4 of its keepers'
	wait_until 20 logged 'adoption: done in'
	is "the address" "$address" "127.0.0.1:$(server_port echo)"
	is "the keepers" "$keepers" "$(keeper_pids | xargs)"
	talks after 3
	talk_end
	wait_until 10 stat_is connections.open 0
	stat_is connections.closed.eof 2
	stat_is connections.closed 2
	stat_is workers.deaths 0
	server_stop
	is "what is left of the orphans" "" "$(server_pids "${SERVERS[0]}")"
	says_stopped
}

@test "orphans to whom no master comes are gone after orphan-timeout" {
	local began ms

	server_config <<-END
		[server]
		workers = 4
		orphan-timeout = 300ms
		[listen tcp:127.0.0.1:0]
		service = echo
	END
	server_start
	[ "$(server_pids "$SERVER" | wc -l)" = 9 ]
	began=$(now_ms)
	master_dies
	wait_until 8 server_has_no_process "$SERVER"
	ms=$(($(now_ms) - began))
	echo "# gone after $ms ms" >&3
	[ "$ms" -ge 300 ]
}

@test "orphans let connections end, within drain-timeout" {
	server_config <<-END
		[server]
		workers = 1
		orphan-timeout = 100ms
		drain-timeout = 500ms
		[listen tcp:127.0.0.1:0]
		service = echo
	END
	server_start
	talk_begin talk "127.0.0.1:$(server_port echo)"
	talks before 1
	master_dies
	wait_until 20 logged 'no new master has come; draining'
	talks draining 2
	wait_until 8 server_has_no_process "$SERVER"
	talk_end
}

@test "processes tell in ps what they are, and of what version" {
	local version

	version=$("$GUICHETD" --version | sed -n '1s/.* //p')
	server_start -w 1 -l tcp:127.0.0.1:0=echo
	is "titles" "$(titles "$version")" "$(shown_titles)"
	"$GUICHETD" -r "$DIR" -n t -s reload
	is "titles after a reload" "$(titles "$version")" "$(shown_titles)"
}

titles() {
	printf '%s\n' "guichetd: keeper 0, $1" \
		"guichetd: master, instance t, $1" "guichetd: worker 0, $1"
}

shown_titles() {
	local pid

	for pid in $(server_pids "$SERVER"); do
		tr '\0' '\n' <"/proc/$pid/cmdline" | sed 's/ *$//' | head -n 1
	done | sort
}

# --- a second server ----------------------------------------------------------

@test "a second instance of the same name is refused, naming the first" {
	server_start -l tcp:127.0.0.1:0=echo
	run "$GUICHETD" -r "$DIR" -n t -l tcp:127.0.0.1:0=echo
	is "status" 1 "$status"
	is "what it says" "guichetd: instance t: is already running in $DIR \
(pid $SERVER)" "$output"
	is "an answer" hi "$("$GUICHET" send "127.0.0.1:$(server_port echo)" hi)"
}

@test "instances of other names live side by side" {
	server_start -l tcp:127.0.0.1:0=echo
	server_launch -n u -l tcp:127.0.0.1:0=echo
	wait_until 30 logged '^guichetd: ready: instance u'
	is "the first one's" serving "$(column workers state | sort -u)"
	server_stop
}

@test "a port that another program holds is refused, naming that program" {
	local port

	background holder "$TOOLS/plainbind" tcp:127.0.0.1:0 hold
	wait_until 20 grep -q . "$DIR/holder.out"
	port=$(cat "$DIR/holder.out")
	run timeout 20 "$GUICHETD" -r "$DIR" -n t -l "tcp:*:$port=echo"
	is "status" 1 "$status"
	is "what it says" "guichetd: tcp:[::]:$port: address already in use \
by plainbind (pid ${BACKGROUND[0]})" "$output"
	[ ! -e "$DIR/t.ledger" ]
}

# --- shortages ----------------------------------------------------------------

# used_few_ticks PID TICKS BEFORE
used_few_ticks() {
	local used=$(($(cpu_ticks "$1") - $3))

	echo "pid $1 used $used ticks, of at most $2"
	[ "$used" -le "$2" ]
}

@test "out of descriptors: counted, said once, no spinning, nobody lost" {
	local worker ticks client

	server_start -w 1 -l tcp:127.0.0.1:0=echo
	worker=$(worker_pids)
	prlimit --pid "$worker" --nofile=3: # open ones stay
	background client "$GUICHET" send -w 30s \
		"127.0.0.1:$(server_port echo)" "at last"
	client=${BACKGROUND[-1]}
	wait_until 20 stat_above accept.errors 0
	stat_is queue.length 1
	ticks=$(cpu_ticks "$worker")
	wait_until 20 stat_above accept.errors 9
	used_few_ticks "$worker" 10 "$ticks"
	is_running "$client"
	log_has 1 'accept on echo: Too many open files'
	stat_is connections.accepted 0
	prlimit --pid "$worker" --nofile=1000:
	wait "$client"
	is "the answer" "at last" "$(cat "$DIR/client.out")"
	stat_is connections.accepted 1
	stat_is workers.deaths 0
	# The next shortage is another one.
	prlimit --pid "$worker" --nofile=3:
	background again "$GUICHET" send -w 30s \
		"127.0.0.1:$(server_port echo)" "again"
	wait_until 20 log_has 2 'accept on echo: Too many open files'
	prlimit --pid "$worker" --nofile=1000:
	wait "${BACKGROUND[-1]}"
}

@test "a listener at rest does not keep the others from serving" {
	local worker

	server_start -w 1 -l tcp:127.0.0.1:0=echo -l udp:127.0.0.1:0=echo
	talk_begin talk "127.0.0.1:$(server_port echo)"
	talks before 1
	worker=$(worker_pids)
	prlimit --pid "$worker" --nofile=3:
	background client "$GUICHET" send -w 30s \
		"127.0.0.1:$(server_port echo)" "at last"
	wait_until 20 stat_above accept.errors 0
	talks "meanwhile" 2
	is "a datagram's answer" hi \
		"$("$GUICHET" send -w 20s "udp:127.0.0.1:$(server_port echo-2)" hi)"
	prlimit --pid "$worker" --nofile=1000:
	wait "${BACKGROUND[-1]}"
	talk_end
}

@test "when rows run out, more are refused and counted, the others live" {
	local n_refused

	server_config <<-END
		[server]
		workers = 1
		worker-connections = 4
		[listen tcp:127.0.0.1:0]
		service = echo
	END
	server_start
	talk_begin talk "127.0.0.1:$(server_port echo)"
	talks before 1
	run "$GUICHET" bench "127.0.0.1:$(server_port echo)" -c 10 -d 300ms
	is "the client's exit status" 1 "$status"
	n_refused=$(counter connections.refused.full)
	is "refused" 7 "$n_refused"
	talks after 2
	wait_until 20 stat_is connections.open 1
	stat_is connections.accepted 4
	stat_is connections.closed 3
	is "an answer" hi "$("$GUICHET" send "127.0.0.1:$(server_port echo)" hi)"
	talk_end
}

# full_config CONNECTIONS: three workers with so many each
full_config() {
	server_config <<-END
		[server]
		workers = 3
		worker-connections = $1
		[listen tcp:127.0.0.1:0]
		service = echo
	END
}

@test "with one connection a worker, a client too many waits for its turn" {
	local address

	full_config 1
	server_start
	address=127.0.0.1:$(server_port echo)
	hold 3 "$address"
	column_is workers open "1 1 1"
	background fourth "$GUICHET" send -w 20s "$address" hi
	wait_until 10 column_is listeners queue 1
	# some ticks later, nobody has taken it who is full
	wait_until 20 stat_above uptime_seconds 1
	column_is listeners queue 1
	stat_is connections.accepted 3
	BACKGROUND=("${BACKGROUND[1]}" "${BACKGROUND[0]}") # for hold_end
	hold_end
	wait_until 10 grep -qx hi "$DIR/fourth.out"
	stat_is connections.refused.full 0
	stat_is connections.accepted 4
}

@test "with one connection a worker, each client gets a free one at once" {
	local slowest_us

	full_config 1
	server_start
	# again where the machine was too busy for a moment
	for _ in 1 2 3; do
		"$GUICHET" bench "127.0.0.1:$(server_port echo)" -c 2 -R 20 \
			-N 40 --churn -o json >"$DIR/bench.json"
		is "failed" 0 "$(json "$DIR/bench.json" failed)"
		slowest_us=$(sed -n 's/.*"max": \([0-9]*\).*/\1/p' \
			"$DIR/bench.json")
		[ "$slowest_us" -ge 200000 ] || break
	done
	# a client whom nobody was woken for would wait for a tick
	[ "$slowest_us" -lt 200000 ]
	stat_is connections.refused.full 0
}

@test "a full worker leaves what comes to those with room" {
	local address

	full_config 4
	server_start
	address=127.0.0.1:$(server_port echo)
	hold 12 "$address"
	column_is workers open "4 4 4"
	stat_is connections.refused.full 0
	# and only when there is none, it is refused
	run "$GUICHET" send -w 10s "$address" hi
	is "the client's exit status" 1 "$status"
	stat_is connections.refused.full 1
	hold_end
	wait_until 10 stat_is connections.open 0
	rm "$DIR/hold.in"
	hold 12 "$address"
	stat_is connections.refused.full 1
	hold_end
}

# --- a new start --------------------------------------------------------------

created() {
	"$STAT" -f "$DIR/t.ledger" -o json |
		sed 's/.*"created":"\([^"]*\)".*/\1/'
}

some_load() {
	"$GUICHET" bench "127.0.0.1:$(server_port echo)" -c 10 -N 200 \
		>"$DIR/bench" 2>"$DIR/bench.log"
	wait_until 20 stat_is connections.open 0
}

@test "totals go on over a restart, and no id is used twice" {
	local since

	server_start -w 2 -l tcp:127.0.0.1:0=echo
	some_load
	column closed id | sort >"$DIR/ids"
	counters >"$DIR/before"
	since=$(created)
	server_stop
	server_start -w 2 -l tcp:127.0.0.1:0=echo
	counters >"$DIR/after"
	is "counters" "$(cat "$DIR/before")" "$(cat "$DIR/after")"
	is "created" "$since" "$(created)"
	some_load
	stat_is connections.accepted 20
	stat_is connections.closed.eof 20
	stat_is messages 400
	server_kill
	server_start -w 2 -l tcp:127.0.0.1:0=echo
	some_load
	column closed id | sort >>"$DIR/ids"
	stat_is messages 600
	is "created" "$since" "$(created)"
	is "ids used twice" "" "$(sort "$DIR/ids" | uniq -d)"
}

@test "connections that were open when the server was killed count as killed" {
	server_start -w 1 -l tcp:127.0.0.1:0=echo
	talk_begin talk "127.0.0.1:$(server_port echo)"
	talks before 1
	server_kill
	talk_end
	server_start -w 1 -l tcp:127.0.0.1:0=echo
	stat_is connections.accepted 1
	stat_is connections.closed.killed 1
	stat_is connections.closed 1
	stat_is connections.open 0
	stat_is bytes.in 7
}

@test "with another configuration the instance's totals do not go back" {
	server_start -w 2 -l tcp:127.0.0.1:0=echo -l "unix:$DIR/echo.sock=echo"
	some_load
	"$GUICHET" send "unix:$DIR/echo.sock" hello
	wait_until 20 stat_is connections.closed 11
	server_stop
	server_start -w 1 -l tcp:127.0.0.1:0=echo
	stat_is connections.accepted 11
	stat_is connections.closed 11
	stat_is messages 201
	some_load
	stat_is messages 401
}

# starts_over WHAT: a server starts although that stands for its ledger
starts_over() {
	server_start -w 1 -l tcp:127.0.0.1:0=echo || { echo "over $1"; return 1; }
	stat_is workers.running 1
	is "an answer" hi "$("$GUICHET" send "127.0.0.1:$(server_port echo)" hi)"
	server_stop
}

@test "no ledger of whatever contents keeps a server from starting" {
	local field

	: >"$DIR/t.ledger"
	starts_over "an empty one"
	head -c 100000 /dev/urandom >"$DIR/t.ledger"
	starts_over "noise"
	truncate -s 5000 "$DIR/t.ledger"
	starts_over "a truncated one"
	"$TOOLS/forge" "$DIR/t.ledger" good
	starts_over "one of other listeners"
	"$TOOLS/forge" "$DIR/t.ledger" garbage 3
	starts_over "noise in all that workers write"
	for field in 1 3 8 12 20; do
		"$TOOLS/forge" "$DIR/t.ledger" field "$field" 0xffffffff
		starts_over "one whose header field $field is wrong"
	done
}

# in_the_way WHAT: what a start says of it
in_the_way() {
	run timeout 20 "$GUICHETD" -r "$DIR" -n t -l tcp:127.0.0.1:0=echo
	is "status" 1 "$status"
	is "what it says" \
		"guichetd: $DIR/t.ledger: cannot be used as the ledger: $1" \
		"$output"
}

@test "what is no file in the ledger's place is one clear error" {
	mkdir "$DIR/t.ledger"
	in_the_way "Is a directory"
	rmdir "$DIR/t.ledger"
	ln -s elsewhere "$DIR/t.ledger"
	in_the_way "Too many levels of symbolic links"
	[ ! -e "$DIR/elsewhere" ]
	rm "$DIR/t.ledger"
	mkfifo "$DIR/t.ledger"
	in_the_way "not a regular file"
}

@test "a runtime directory that cannot be made is one clear error" {
	run timeout 20 "$GUICHETD" -r "$DIR/not/there" -n t \
		-l tcp:127.0.0.1:0=echo
	is "status" 1 "$status"
	is "what it says" "guichetd: $DIR/not/there: cannot make the runtime \
directory: No such file or directory" "$output"
}

@test "a keeper that was stopped is let go on, and costs nothing" {
	local keeper

	server_start -w 1 -l tcp:127.0.0.1:0=echo
	talk_begin stopped "tcp:127.0.0.1:$(server_port echo)"
	echo before >&5
	wait_until 20 grep -q before "$DIR/stopped.out"
	keeper=$(keeper_pids)
	kill -STOP "$keeper"
	wait_until 15 logged "keeper 0: says nothing"
	wait_until 20 not grep -q '^State:.*stopped' "/proc/$keeper/status"
	echo after >&5
	wait_until 20 grep -q after "$DIR/stopped.out"
	talk_end
	is "keeper" "$keeper" "$(keeper_pids)"
	server_stop
}

@test "-s tells keepers without a master, too, and leaves nothing" {
	local word

	for word in stop kill; do
		server_start -w 2 -l tcp:127.0.0.1:0=echo
		master_dies
		run timeout 10 "$GUICHETD" -r "$DIR" -n t -s reload
		is "the exit status of reload" 1 "$status"
		[[ $output == *"has no master; start it again, and it takes over" ]]
		run timeout 20 "$GUICHETD" -r "$DIR" -n t -s "$word"
		is "what $word says" "" "$output"
		is "the exit status of $word" 0 "$status"
		wait_until 20 server_has_no_process "$SERVER"
		[ ! -e "$DIR/t.control" ]
	done
}

@test "-s does not say that keepers are gone that do not answer" {
	server_start -w 2 -l tcp:127.0.0.1:0=echo
	# shellcheck disable=SC2046 # one word each
	kill -STOP $(keeper_pids)
	master_dies
	run timeout 20 "$GUICHETD" -r "$DIR" -n t -s stop
	is "its exit status" 1 "$status"
	[[ $output == *"has no master, and keepers that do not answer" ]]
	# shellcheck disable=SC2046
	kill -CONT $(keeper_pids)
	run timeout 20 "$GUICHETD" -r "$DIR" -n t -s stop
	is "its exit status" 0 "$status"
	wait_until 20 server_has_no_process "$SERVER"
}

@test "-s stop goes by the drain-timeout in force, whatever it is started with" {
	server_config <<-END
		[server]
		workers = 1
		drain-timeout = 500ms
		[listen tcp:127.0.0.1:0]
		service = echo
	END
	server_start
	talk_begin talk "127.0.0.1:$(server_port echo)"
	talks before 1
	master_dies
	run timeout 10 "$GUICHETD" -l tcp:127.0.0.1:0=echo -r "$DIR" -n t -s stop
	is "what it says" "" "$output"
	is "the exit status" 0 "$status"
	wait_until 20 server_has_no_process "$SERVER"
	is "who was there" 1 "$(counter connections.closed.drain)"
	talk_end
}

@test "a reload does not wait for ever for a handler, nor cut it short" {
	crash_setup # the test build has the service slow
	server_config <<-END
		[server]
		workers = 2
		hang-timeout = off
		[listen tcp:127.0.0.1:0]
		service = slow
	END
	server_start
	talk_begin talk "127.0.0.1:$(server_port slow)"
	echo "sleep 23000" >&5
	run timeout 60 "$GUICHETD" -r "$DIR" -n t -s reload
	is "the exit status" 0 "$status"
	logged 'is busy in a handler, or stopped, and is renewed when it goes on'
	wait_until 20 grep -q . "$DIR/talk.out"
	wait_until 10 all_are_second
	stat_is workers.deaths 0
	talk_end
	server_stop
}

all_are_second() {
	column_is workers generation "2 2"
}
