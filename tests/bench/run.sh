#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# run.sh - what guichetd costs above the floor: both under the same load
#
#     tests/bench/run.sh [-m]                      -m: tables in Markdown
#     ROUNDS=5 SECONDS_EACH=1 IDLE=10000 tests/bench/run.sh
#
# Each server has one worker, on one core; the client is on another. No machine
# is quiet for long, so the two servers are measured in turn, in many short
# rounds, and compared within each round: what is said is the median of the
# rounds' ratios, and between which two ratios the middle half of them lies.
#
# CPU is what all processes of a server ran for (/proc/PID/schedstat, ns), from
# when the client's connections were made until it had closed them.
#
# Whatever the figures are, the exit status is 0; it is 1 when a request was
# lost or answered wrongly, or when a server did not start.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
BUILD=${BUILD:-$HERE/../../build}
ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-1}
IDLE=${IDLE:-10000}
ROUND_MS=$(awk -v s="$SECONDS_EACH" 'BEGIN { printf "%d", s * 1000 }')
FORMAT=text

# NAME|AIM|OPTIONS: AIM is what the ratio of CPU should not exceed
LOADS=(
	'64 bytes, 64 connections|1.03|-c 64'
	'64 bytes, 1,000 connections|1.03|-c 1000'
	'64 bytes, 64 connections, 16 in flight|1.03|-c 64 -P 16'
	'64 KiB, 8 connections|1.03|-c 8 -s 64k'
	'connect, echo, close; 64 at a time|1.10|-c 64 --churn'
)

usage() {
	echo "usage: tests/bench/run.sh [-m]" >&2
	exit 2
}

while getopts m option; do
	case $option in
	m) FORMAT=markdown ;;
	*) usage ;;
	esac
done
[ $OPTIND -gt $# ] || usage

say() {
	echo "bench: $*" >&2
}

fail() {
	say "$@"
	exit 1
}

# --- servers ------------------------------------------------------------------

# The ledger belongs on a tmpfs, as it is in /run.
if [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi
DIR=$(mktemp -d)
STARTED=()  # pids of servers
N_WRONG=0

# Twice: the first time guichetd would let connections end.
finish() {
	exec 4>&-
	for _ in 1 2; do
		[ ${#STARTED[@]} = 0 ] ||
			kill "${STARTED[@]}" 2>/dev/null || true
	done
	wait
	rm -rf "$DIR"
}
trap finish EXIT
trap 'exit 1' INT TERM

# The first two processors that we may run on, or the only one twice.
pick_processors() {
	local list range

	list=$(taskset -pc $$ | sed 's/.*: //')
	for range in ${list//,/ }; do
		seq "${range%-*}" "${range#*-}"
	done | sed -n '1p;2p'
}

# wait_for WHAT COMMAND...: until it succeeds, at most 10 s; else shows what a
# server of that name has said
wait_for() {
	local what=$1

	shift
	for _ in {1..500}; do
		"$@" && return
		sleep 0.02
	done
	[ ! -e "$DIR/$what.log" ] || cat "$DIR/$what.log" >&2
	fail "waited in vain for $what"
}

# background NAME COMMAND...: runs it on the servers' core, its output in files;
# its pid is in $PID then
background() {
	local name=$1

	shift
	rm -f "$DIR/$name".* # of one before
	taskset -c "$SERVER_CPU" "$@" >"$DIR/$name.out" 2>"$DIR/$name.log" &
	PID=$!
	STARTED+=("$PID")
}

start_floor() {
	background floor "$BUILD/bench/floor" 1
	wait_for floor test -s "$DIR/floor.out"
	PORT=$(<"$DIR/floor.out")
}

# start_guichetd NAME OPTIONS...
start_guichetd() {
	local name=$1

	shift
	background "$name" "$BUILD/guichetd" -n "$name" -r "$DIR" -w 1 "$@"
	wait_for "$name" grep -qs '^guichetd: ready' "$DIR/$name.log"
	PORT=$("$BUILD/guichet-stat" -n "$name" -r "$DIR" -o tsv listeners |
		awk -F '\t' 'NR == 2 { sub(/.*:/, "", $2); print $2 }')
}

start_echo() {
	start_guichetd "${1:-echo}" -l tcp:127.0.0.1:0=echo
}

# stop PID
stop() {
	kill "$1"
	wait "$1" 2>/dev/null || true # by that signal
}

# family PID: it and all its descendants
family() {
	local child children

	echo "$1"
	# a program that served a connection may be gone meanwhile
	children=$(cat "/proc/$1/task/$1/children" 2>/dev/null) || true
	for child in $children; do
		family "$child"
	done
}

# cpu_ns PID: what it and all its descendants ran for
cpu_ns() {
	local pid

	for pid in $(family "$1"); do
		cat "/proc/$pid/schedstat" 2>/dev/null || true
	done | awk '{ n += $1 } END { printf "%.0f", n }'
}

# --- the client ---------------------------------------------------------------

# client PORT OPTIONS...: what it says is in $DIR/said
client() {
	local port=$1

	shift
	exec taskset -c "$CLIENT_CPU" "$BUILD/guichet" bench -o json \
		"tcp:127.0.0.1:$port" "$@" >"$DIR/said"
}

# connect PORT OPTIONS...: starts a client that waits when it is connected;
# disconnect lets it go on and returns its exit status
connect() {
	rm -f "$DIR/said" # of the client before
	mkfifo "$DIR/go"
	client "$@" --hold <"$DIR/go" &
	exec 4>"$DIR/go"
	wait_for "the client to connect" grep -qs '^holding' "$DIR/said"
}

disconnect() {
	rm "$DIR/go"
	exec 4>&- # the end of its input is a line, too
	wait $!
}

# run_client SERVER_PID PORT OPTIONS...: the CPU that the server used for it is
# in $CPU_NS then
run_client() {
	local before pid=$1 code=0

	shift
	if [[ " $* " = *" --churn "* ]]; then
		before=$(cpu_ns "$pid")
		(client "$@") || code=$?
	else
		connect "$@"
		before=$(cpu_ns "$pid")
		disconnect || code=$?
	fi
	CPU_NS=$(($(cpu_ns "$pid") - before))
	[ "$code" != 0 ] || return 0
	N_WRONG=$((N_WRONG + 1))
	say "bench $*: exit status $code: $(grep -E 'fail|lost' "$DIR/said" ||
		true)"
}

# said KEY: a number of what the client said
said() {
	sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p" "$DIR/said"
}

# measure LOAD AIM SERVER SERVER_PID PORT OPTIONS...: adds to the results
measure() {
	local load=$1 aim=$2 server=$3

	shift 3
	run_client "$@" -d "$ROUND_MS"ms
	printf '%s\t' "$load" "$aim" "$server" "$(said requests)" \
		"$(said requests_per_s)" "$CPU_NS" "$(said p50)" >>"$DIR/results"
	said p99 >>"$DIR/results"
}

# rounds LOAD AIM NAME_A PID_A PORT_A NAME_B PID_B PORT_B OPTIONS...: now the
# one is first, now the other
rounds() {
	local what=("$1" "$2") a=("${@:3:3}") b=("${@:6:3}") round

	shift 8
	say "${what[0]}"
	for ((round = 0; round < ROUNDS; round++)); do
		((round % 2)) || measure "${what[@]}" "${a[@]}" "$@"
		measure "${what[@]}" "${b[@]}" "$@"
		((round % 2 == 0)) || measure "${what[@]}" "${a[@]}" "$@"
	done
}

# --- what is measured ---------------------------------------------------------

compare_echo() {
	local floor guichetd load name aim options

	start_floor
	floor=(floor "$PID" "$PORT")
	start_echo echo
	guichetd=(guichetd "$PID" "$PORT")
	for load in "${LOADS[@]}"; do
		IFS='|' read -r name aim options <<<"$load"
		read -ra options <<<"$options"
		rounds "$name" "$aim" "${floor[@]}" "${guichetd[@]}" \
			"${options[@]}"
	done
	stop "${floor[1]}"
	stop "${guichetd[1]}"
}

# pss_kib PID
pss_kib() {
	local pid

	for pid in $(family "$1"); do
		cat "/proc/$pid/smaps_rollup"
	done | awk '$1 == "Pss:" { n += $2 } END { print n }'
}

holds_all() {
	local open=("/proc/$1/fd/"*)

	[ ${#open[@]} -ge "$IDLE" ]
}

# idle SERVER: adds the bytes that each of $IDLE idle connections takes
idle() {
	local before after worker

	worker=$(family "$PID" | tail -n 1)
	before=$(pss_kib "$PID")
	connect "$PORT" -c "$IDLE" -N 1
	wait_for "$1 to accept" holds_all "$worker"
	after=$(pss_kib "$PID")
	disconnect || N_WRONG=$((N_WRONG + 1))
	printf '%s\t%s\n' "$1" $(((after - before) * 1024 / IDLE)) \
		>>"$DIR/idle"
	stop "$PID"
}

compare_idle() {
	if ! ulimit -n $((IDLE + 1000)) 2>/dev/null; then
		say "memory is not measured: $IDLE connections take more" \
			"descriptors than ulimit -Hn"
		return
	fi
	say "$IDLE idle connections"
	start_floor
	idle floor
	start_echo idle
	idle guichetd
}

# What keeps us from comparing programs, or nothing.
why_no_exec() {
	printf '%s\n' '[listen tcp:127.0.0.1:0]' 'service = exec' \
		"command = $(command -v cat)" >"$DIR/exec-conf"
	"$BUILD/guichetd" -t -c "$DIR/exec-conf" 2>&1 | head -n 1
	command -v tcpserver >/dev/null ||
		echo "there is no tcpserver (package ucspi-tcp)"
}

answers() {
	"$BUILD/guichet" send "127.0.0.1:$1" hello >/dev/null 2>&1
}

# It cannot be told to take any free port: one that the kernel gives to no
# client is most likely free.
start_tcpserver() {
	PORT=$((10000 + RANDOM % 20000))
	background tcpserver tcpserver -H -R -l0 127.0.0.1 "$PORT" cat
	wait_for tcpserver answers "$PORT"
}

compare_exec() {
	local guichetd why

	why=$(why_no_exec)
	if [ -n "$why" ]; then
		say "a program for each connection is not measured: $why"
		return
	fi
	start_guichetd exec -c "$DIR/exec-conf"
	guichetd=(guichetd "$PID" "$PORT")
	start_tcpserver
	rounds "exec cat; 16 at a time" rate tcpserver "$PID" "$PORT" \
		"${guichetd[@]}" -c 16 --churn
}

report() {
	touch "$DIR/idle"
	awk -F '\t' -v format="$FORMAT" -v n_idle="$IDLE" \
		-f "$HERE/report.awk" "$DIR/results" "$DIR/idle"
}

for program in guichetd guichet guichet-stat bench/floor; do
	[ -x "$BUILD/$program" ] ||
		fail "$BUILD/$program is not there: make bench builds it"
done
mapfile -t CPUS < <(pick_processors)
CLIENT_CPU=${CPUS[0]}
SERVER_CPU=${CPUS[-1]}
[ "$CLIENT_CPU" != "$SERVER_CPU" ] ||
	say "one processor only: the client competes with the server"
compare_echo
compare_idle
compare_exec
report
[ "$N_WRONG" = 0 ] || fail "$N_WRONG runs lost something; see above"
