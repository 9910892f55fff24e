# SPDX-License-Identifier: ISC
# shellcheck shell=bash
#
# helpers.bash - servers for tests: started, asked, watched and cleared away
#
# A file of tests begins with `load helpers` and has
#
#     setup() { server_setup; }
#     teardown() { server_teardown; }
#
# Every test has a directory of its own, $DIR, which is the runtime directory
# of its server (the instance `t`) and the place of all else that it writes.
# Whatever is started in the background writes its standard error into a file
# $DIR/*.log: teardown looks for reports of sanitizers there.

BUILD=${BUILD:-$BATS_TEST_DIRNAME/../build}
GUICHETD=$BUILD/guichetd
GUICHET=$BUILD/guichet
STAT=$BUILD/guichet-stat
# shellcheck disable=SC2034 # for the tests
TOOLS=$BUILD/test

# Whether what we test was built with a sanitizer, and is slow therefore.
is_sanitized() {
	grep -q -- -fsanitize= "$BUILD/flags"
}

server_setup() {
	DIR=$BATS_TEST_TMPDIR
	LOG=
	SERVER=
	SERVERS=()   # pids of masters: each is the leader of a session
	BACKGROUND=()
}

# Bats 1.8 sleeps for a second when it finds no job free, and most tests take
# less than that: here it goes on as soon as one is. This is no test's sleep; and
# in a test there is none of it, for Bats kills the sleep that limits its time.
begin_soon() {
	local slots

	for _ in {1..20}; do
		command sleep 0.05
		slots=("$BATS_SEMAPHORE_DIR"/slot-*)
		[ "${#slots[@]}" -ge "$BATS_SEMAPHORE_NUMBER_OF_SLOTS" ] ||
			return 0
	done
}
if [ -z "${BATS_TEST_NUMBER-}" ]; then
	sleep() {
		if [ "${FUNCNAME[1]-}" = bats_semaphore_acquire_slot ]; then
			begin_soon
		else
			command sleep "$@"
		fi
	}
fi

# --- waiting and comparing ----------------------------------------------------

now_ms() {
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

# wait_until SECONDS COMMAND...: until it succeeds; else shows its last try
wait_until() {
	local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000)) # µs

	shift
	until "$@" >"$DIR/last-try" 2>&1; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$deadline" ] &&
			sleep 0.02 && continue
		echo "waited in vain for: $*"
		cat "$DIR/last-try"
		return 1
	done
}

# is WHAT EXPECTED ACTUAL: prints the two sides when they differ
is() {
	[ "$2" = "$3" ] && return
	printf '%s\nexpected: %s\nactual:   %s\n' "$1" "$2" "$3"
	return 1
}

# not COMMAND...: for wait_until; and because errexit does not see a bare !
not() {
	! "$@"
}

# background NAME COMMAND...: stopped by teardown; writes $DIR/NAME.{out,log};
# its pid is $!
background() {
	local name=$1

	shift
	"$@" >"$DIR/$name.out" 2>"$DIR/$name.log" 3>&- &
	BACKGROUND+=($!)
}

# talk_begin NAME ADDRESS: a client that says what is written to descriptor 5,
# and ends its side at talk_end; its answers are in $DIR/NAME.out
talk_begin() {
	mkfifo "$DIR/$1.in"
	# shellcheck disable=SC2016 # for the inner shell
	background "$1" sh -c 'exec "$1" talk "$2" <"$3"' - \
		"$GUICHET" "$2" "$DIR/$1.in"
	exec 5>"$DIR/$1.in"
}

talk_end() {
	exec 5>&-
}

# --- the server ---------------------------------------------------------------

# server_config: standard input as $DIR/guichetd.conf
server_config() {
	cat >"$DIR/guichetd.conf"
}

# server_launch ARGUMENT...: guichetd with these, not waited for
server_launch() {
	LOG=$DIR/server-${#SERVERS[@]}.log
	# a session of its own, so that all its processes can be found; and it
	# ends with the test, however that ends. It holds no talk's input open
	setpriv --pdeathsig KILL setsid "$GUICHETD" -r "$DIR" -n t "$@" \
		</dev/null >"$LOG" 2>&1 3>&- 5>&- &
	SERVER=$!
	SERVERS+=("$SERVER")
}

# server_start ARGUMENT...: the same, and waits until it serves. Without
# arguments: what server_config wrote.
server_start() {
	[ $# != 0 ] || set -- -c "$DIR/guichetd.conf"
	server_launch "$@"
	wait_until 30 server_has_begun
	logged '^guichetd: ready: ' || { cat "$LOG"; return 1; }
}

server_has_begun() {
	logged '^guichetd: ready: ' || not is_running "$SERVER"
}

# logged PATTERN: whether the server has logged such a line
logged() {
	grep -q -- "$1" "$LOG"
}

# log_lines PATTERN: how many of them
log_lines() {
	grep -c -- "$1" "$LOG" || true
}

# server_stop [SIGNAL]: ends the server at once (INT); it must exit with 0
server_stop() {
	kill -s "${1:-INT}" "$SERVER"
	server_ends
}

# server_ends: waits until all its processes have ended, the master with 0
server_ends() {
	local status=0

	wait_until 30 not is_running "$SERVER" || return 1
	wait "$SERVER" || status=$?
	wait_until 10 server_has_no_process "$SERVER" || return 1
	is "the server's exit status" 0 "$status" || { cat "$LOG"; return 1; }
}

# master_dies: kill -9 of it, and only it; the rest lives
master_dies() {
	kill -KILL "$SERVER"
	wait "$SERVER" 2>/dev/null || true
}

# server_kill: kill -9 of all its processes
server_kill() {
	local pids

	pids=$(server_pids "$SERVER")
	# shellcheck disable=SC2086 # one word each
	kill -KILL $pids
	wait_until 10 server_has_no_process "$SERVER"
	wait "$SERVER" 2>/dev/null || true
}

# --- its processes ------------------------------------------------------------

# is_running PID: it is there, and no zombie
is_running() {
	local line

	{ read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
	[[ ${line##*) } != [ZX]* ]]
}

# server_pids LEADER...: all that live in their sessions
server_pids() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v leaders="$*" '
		BEGIN { n = split(leaders, l); while (n) ours[l[n--]] = 1 }
		{ pid = $1; sub(/^[0-9]+ \(.*\) /, "") }
		$4 in ours && $1 !~ /[ZX]/ { print pid }'
}

server_has_no_process() {
	local pids

	pids=$(server_pids "$@")
	[ -z "$pids" ] || { echo "still there: $pids"; return 1; }
}

worker_pids() {
	column workers pid | grep -v -x -e -
}

keeper_pids() {
	column workers keeper | grep -v -x -e -
}

# cpu_ticks PID: user and system time it has used, in 1/100 s
cpu_ticks() {
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

# --- deaths that a test asks for: tests/services/crash.c ----------------------

# crash_setup: the test build, with no crash point armed
crash_setup() {
	server_setup
	GUICHETD=$BUILD/test/guichetd
	ARMED=$DIR/armed
	printf '%-512s' '' >"$ARMED"
	export GUICHETD_CRASH=$ARMED
}

# arm [LINE]...: "POINT HOW" each; without one none is armed any more
arm() {
	printf '%-64s' "${1-}" "${2-}" '' '' '' '' '' '' 1<>"$ARMED"
}

# reached N: whether a process died at the N-th armed point
reached() {
	local content

	content=$(<"$ARMED")
	[ "${content:$1*64:1}" = '#' ]
}

# --- clients ------------------------------------------------------------------

# hold N ADDRESS [OPTION]...: N silent connections, until hold_end: then there
# are two requests for each
hold() {
	mkfifo "$DIR/hold.in"
	# shellcheck disable=SC2016 # for the inner shell
	background hold sh -c 'in=$1; shift; exec "$@" <"$in"' - \
		"$DIR/hold.in" "$GUICHET" bench "$2" -c "$1" -N $((2 * $1)) \
		--hold -w 30s -o json "${@:3}"
	exec 5>"$DIR/hold.in"
	wait_until 60 grep -q "^holding $1\$" "$DIR/hold.out"
	wait_until 30 stat_is connections.open "$1"
}

# hold_end: now they talk, and end; fails when one of them failed
hold_end() {
	local status=0

	echo >&5
	exec 5>&-
	wait "${BACKGROUND[-1]}" || status=$?
	[ "$status" = 0 ] || cat "$DIR/hold.out" "$DIR/hold.log"
	is "the client's exit status" 0 "$status"
}

# --- the readout --------------------------------------------------------------

# readout ARGUMENT...: guichet-stat of the server
readout() {
	"$STAT" -r "$DIR" -n t "$@"
}

# column VIEW FIELD [KEY VALUE]: the field's values, one a line; only of rows
# whose field KEY is VALUE
column() {
	readout -o tsv "$1" | awk -F '\t' -v field="$2" -v key="${3-}" \
		-v value="${4-}" '
		NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		key == "" || $at[key] == value { print $at[field] }'
}

# counter METRIC: its value in the statsd readout
counter() {
	readout | sed -n "s/^guichet\.t\.${1//./\\.}:\([0-9]*\)|[cg]\$/\1/p"
}

# counters: all of them that only grow, "NAME VALUE"
counters() {
	readout | sed -n 's/^\(.*\):\([0-9]*\)|c$/\1 \2/p'
}

# stat_is METRIC VALUE
stat_is() {
	is "$1" "$2" "$(counter "$1")"
}

# stat_above METRIC VALUE
stat_above() {
	local value

	value=$(counter "$1")
	[ "$value" -gt "$2" ] || { echo "$1 is $value, not above $2"; return 1; }
}

# column_is VIEW FIELD VALUES: all rows, the values joined by spaces
column_is() {
	is "$1 $2" "$3" "$(column "$1" "$2" | xargs)"
}

# server_port NAME: of that listener; the same for all its addresses
server_port() {
	column listeners address name "$1" | sed -n '1s/.*://p'
}

# json FILE KEY: a top-level number of a bench's JSON
json() {
	sed -n "s/^  \"$2\": \([0-9.]*\),\{0,1\}\$/\1/p" "$1"
}

# --- afterwards ---------------------------------------------------------------

server_teardown() {
	local i left failed=0

	for pid in "${BACKGROUND[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	# the last one first: it may have adopted what earlier ones left
	for ((i = ${#SERVERS[@]} - 1; i >= 0; i--)); do
		server_has_no_process "${SERVERS[@]:0:i+1}" >/dev/null && break
		server_clear_away "${SERVERS[i]}" || failed=1
	done
	left=$(sockets_left)
	[ -z "$left" ] || { echo "left behind: $left"; failed=1; }
	no_sanitizer_report || failed=1
	[ "$failed" = 0 ]
}

# server_clear_away MASTER: ends it, and then nobody of its session may be left;
# but orphans are, when it had died: they go at once
server_clear_away() {
	local failed=0

	# shellcheck disable=SC2046 # one word each
	kill -CONT $(server_pids "$1") 2>/dev/null || true
	if is_running "$1"; then
		kill -INT "$1" 2>/dev/null || true
		wait_until 15 server_has_no_process "$1" || failed=1
	fi
	# shellcheck disable=SC2046
	kill -KILL $(server_pids "$1") 2>/dev/null || true
	wait_until 10 server_has_no_process "$1" || failed=1
	return "$failed"
}

# sockets_left: files of sockets; that of an instance whose last master was
# killed is to be there, for it is what orphans are met at
sockets_left() {
	local last=$DIR/server-$((${#SERVERS[@]} - 1)).log

	if grep -q '^guichetd: stopped$' "$last" 2>/dev/null; then
		find "$DIR" -type s
	else
		find "$DIR" -type s ! -name t.control
	fi
}

no_sanitizer_report() {
	local pattern='ERROR: AddressSanitizer|runtime error:|LeakSanitizer'

	! grep -E -A 40 "$pattern" "$DIR"/*.log 2>/dev/null
}
