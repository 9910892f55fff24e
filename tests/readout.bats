#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# readout.bats - guichet-stat against ledgers that no server wrote
#
# tests/tools/forge.c says what stands in the good one: two workers, five
# listeners of which two share a name, a connection and a few closed ones in
# each. Every bad one must give one clear line, and no harm.

bats_require_minimum_version 1.5.0

setup() {
	BUILD=${GUICHET_BUILD:-${BUILD:-$BATS_TEST_DIRNAME/../build}}
	STAT=$BUILD/guichet-stat
	FORGE=$BUILD/test/forge
	DIR=$BATS_TEST_TMPDIR
	LEDGER=$DIR/forged.ledger
	: >"$DIR/pids" # of what teardown ends
	stderr='' stderr_lines=() # run sets them, which shellcheck cannot see
}

teardown() {
	local pid

	while read -r pid; do
		kill "$pid" 2>/dev/null || true
	done <"$DIR/pids"
}

# stat ARGUMENT...: the readout, in time; $output, $stderr, $status
stat() {
	run --separate-stderr timeout 20 "$STAT" "$@"
}

# is NAME EXPECTED ACTUAL: prints the two sides when they differ
is() {
	[ "$2" = "$3" ] && return
	printf '%s\nexpected: %s\nactual:   %s\n' "$1" "$2" "$3"
	return 1
}

# wait_until SECONDS COMMAND...
wait_until() {
	local deadline=$((SECONDS + $1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.02
	done
}

# hold: a live ledger, as long as the test lasts
hold() {
	mkfifo "$DIR/held"
	"$FORGE" "$LEDGER" hold <>"$DIR/held" 3>&- &
	echo $! >>"$DIR/pids"
	wait_until 10 test -e "$LEDGER"
}

# refuses FILE WHY: one line that says so, exit 1, nothing else
refuses() {
	stat -f "$1"
	is "status for $1" 1 "$status"
	is "standard error for $1" "guichet-stat: $1: $2" "$stderr"
	is "standard output for $1" "" "$output"
}

# column VIEW NAME: the values of a field, one a line
column() {
	"$STAT" -f "$LEDGER" -o tsv "$1" | awk -F '\t' -v name="$2" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i }
		NR > 1 { print $c }'
}

@test "every view of a dead server's ledger is shown with -f, with exit 0" {
	local view

	"$FORGE" "$LEDGER" good
	for view in totals workers listeners connections closed top; do
		stat -f "$LEDGER" "$view"
		is "status of $view" 0 "$status"
		is "standard error of $view" "" "$stderr"
		[ -n "$output" ]
	done
}

@test "without -f a dead server's ledger is shown, but exits 1 saying so" {
	"$FORGE" "$LEDGER" good
	stat -r "$DIR" -n forged workers -o tsv
	is "status" 1 "$status"
	is "rows" 3 "${#lines[@]}"
	is "standard error" "guichet-stat: forged: its server (pid 4711) is \
not alive; this is what it left" "$stderr"
}

@test "a ledger of a stopped server says when it was stopped" {
	"$FORGE" "$LEDGER" stopped
	stat -r "$DIR" -n forged
	is "status" 1 "$status"
	is "standard error" "guichet-stat: forged: its server (pid 4711) was \
stopped at 2026-01-02T03:05:05.678Z; this is what it left" "$stderr"
}

@test "TSV has the fields of the interface, in their order" {
	local tab=$'\t' fields

	"$FORGE" "$LEDGER" good
	while read -r view fields; do
		stat -f "$LEDGER" -o tsv "$view"
		is "fields of $view" "${fields// /$tab}" "${lines[0]}"
	done <<-END
		workers slot pid keeper state generation open accepted resumed deaths bytes_in bytes_out heartbeat_ms version
		listeners name address service open accepted queue queue_limit time_wait state
		connections id worker listener peer local state age_s idle_s bytes_in bytes_out messages pending_out pid
		closed time id worker listener peer duration_s bytes_in bytes_out reason pid status
	END
}

@test "a connection's row is told as the ledger has it" {
	local tab=$'\t' row

	"$FORGE" "$LEDGER" good
	stat -f "$LEDGER" -o tsv connections
	row="1792 0 echo 127.0.0.1:54231 127.0.0.1:7007 writing 50.000 10.000"
	row+=" 300 280 3 20 -"
	is "the first row" "${row// /$tab}" "${lines[1]}"
	is "rows" 3 "${#lines[@]}"
}

@test "a table has a heading and a line for each row, without blanks" {
	"$FORGE" "$LEDGER" good
	run -0 bash -c "'$STAT' -f '$LEDGER' workers | cat -A"
	is "lines" 3 "${#lines[@]}"
	is "lines that end in blanks" "" "$(grep ' [$]' <<<"$output")"
	[[ ${lines[0]} = SLOT*'HEARTBEAT  VERSION$' ]]
	[[ ${lines[2]} = *" 1  4715    4714  serving "*" 4.8K "*" -  -$" ]]
}

@test "closed connections of all workers come the latest first" {
	"$FORGE" "$LEDGER" good
	is "ids" "1281 1025 769 513 0" "$(column closed id | xargs)"
	is "reasons" reset "$(column closed reason | sort -u)"
	is "peers" "unix:pid=123,uid=0" "$(column closed peer | sort -u)"
	is "the latest" 2026-01-02T03:04:11.678Z \
		"$(column closed time | head -n 1)"
}

@test "a single statsd output tells totals, same-named listeners summed" {
	"$FORGE" "$LEDGER" good
	stat -f "$LEDGER"
	grep -qx 'guichet.forged.bytes.in:10000|c' <<<"$output"
	grep -qx 'guichet.forged.connections.open:2|g' <<<"$output"
	grep -qx 'guichet.forged.connections.closed.reset:20|c' <<<"$output"
	grep -qx 'guichet.forged.listener.echo.bytes.in:4000|c' <<<"$output"
	grep -qx 'guichet.forged.uptime_seconds:60|g' <<<"$output"
	is "lines that come twice" "" "$(sort <<<"$output" | uniq -d)"
	is "lines that are not statsd's" "" "$(grep -vxE \
		'guichet\.forged\.[a-z0-9_.-]+:[0-9]+\|[cg]' <<<"$output")"
}

# in order: a name of two words, one without and one with its unit, and one
# that is no name at all
@test "a service's own counters are told in every format, by their names" {
	"$FORGE" "$LEDGER" good
	stat -f "$LEDGER"
	is "statsd" "words.said:140|c stored:14000|c stored.bytes:0|c \
bad_name__:0|c" "$(sed -n 's/^guichet\.forged\.listener\.chat\.\([^:]*:\)/\1/p' \
		<<<"$output" | tail -n 4 | xargs)"
	stat -f "$LEDGER" -o table
	grep -qxF "chat: words.said 140, stored 14000, stored.bytes 0, \
bad_name__ 0" <<<"$output"
	stat -f "$LEDGER" -o json
	[[ $output = *'"own_counters":{"words_said":140,"stored":14000,'* ]]
	stat -f "$LEDGER" -o prometheus
	is "families" "guichet_echo_bad_name___things__total \
guichet_echo_stored_bytes_total guichet_echo_words_said_total" \
		"$(sed -n 's/^# TYPE \(guichet_echo_.*\) counter/\1/p' \
			<<<"$output" | xargs)"
	grep -qxF 'guichet_echo_words_said_total{instance="forged",'\
'listener="chat"} 140' <<<"$output"
	grep -qxF '# HELP guichet_echo_words_said_total Words, \\ and " '\
'among them' <<<"$output"
	is "series that come twice" "" \
		"$(grep -v '^#' <<<"$output" | sed 's/ [^ ]*$//' | sort | uniq -d)"
}

@test "unused entries of the ledger are in no view and in no format" {
	local format

	"$FORGE" "$LEDGER" reloaded
	is "names" "echo echo echo-2 chat echo" \
		"$(column listeners name | xargs)"
	for format in table json prometheus statsd; do
		stat -f "$LEDGER" -o "$format"
		is "status of $format" 0 "$status"
	done
	is "listeners" "chat echo echo-2 gone" "$(sed -n \
		's/^guichet\.forged\.listener\.\([^.]*\)\..*/\1/p' \
		<<<"$output" | sort -u | xargs)"
	stat -f "$LEDGER" -o prometheus
	is "listeners" '"" "chat" "echo" "echo-2" "gone"' \
		"$(sed -n 's/.*,listener=\("[^"]*"\).*/\1/p' <<<"$output" |
			LC_ALL=C sort -u | tr '\n' ' ' | sed 's/ $//')"
}

@test "a retired listener is shown while it has connections, without a queue" {
	"$FORGE" "$LEDGER" reloaded
	is "states" "listening listening listening listening retired" \
		"$(column listeners state | xargs)"
	is "addresses of retired ones" tcp:127.0.0.2:7007 \
		"$(column listeners address | tail -n 1)"
	is "open" "2 0 0 0 2" "$(column listeners open | xargs)"
	is "queues" "-" "$(column listeners queue | sort -u)"
	is "limits" "-" "$(column listeners queue_limit | sort -u)"
	is "TIME_WAIT" "-" "$(column listeners time_wait | sort -u)"
}

@test "a retired listener and its successor of one name are one metric" {
	"$FORGE" "$LEDGER" reloaded
	stat -f "$LEDGER"
	grep -qx 'guichet.forged.listener.echo.bytes.in:106000|c' <<<"$output"
	grep -qx 'guichet.forged.listener.gone.bytes.in:2000|c' <<<"$output"
	grep -qx 'guichet.forged.listener.gone.connections.open:0|g' \
		<<<"$output"
	# nothing is missing in the whole: 5 listeners, 3 retired, a former slot
	grep -qx 'guichet.forged.bytes.in:116000|c' <<<"$output"
	grep -qx 'guichet.forged.listener.chat.words.said:144|c' <<<"$output"
	grep -qx 'guichet.forged.listener.chat.smiles:3|c' <<<"$output"
	is "lines that come twice" "" \
		"$(cut -d : -f 1 <<<"$output" | sort | uniq -d)"
	stat -f "$LEDGER" -o prometheus
	is "series that come twice" "" \
		"$(grep -v '^#' <<<"$output" | sed 's/ [^ ]*$//' | sort | uniq -d)"
	grep -qxF 'guichet_echo_words_said_total{instance="forged",'\
'listener="chat"} 144' <<<"$output"
	grep -qxF 'guichet_talk_smiles_total{instance="forged",'\
'listener="chat"} 3' <<<"$output"
}

@test "a slot that was retired is no worker, but counts in the totals" {
	"$FORGE" "$LEDGER" reloaded
	is "slots" "0 1" "$(column workers slot | xargs)"
	stat -f "$LEDGER"
	grep -qx 'guichet.forged.workers.deaths:7|c' <<<"$output"
	stat -f "$LEDGER" -o prometheus
	is "workers" '"0" "1"' "$(sed -n \
		's/^guichet_worker_up.*worker=\("[0-9]*"\).*/\1/p' \
		<<<"$output" | tr '\n' ' ' | sed 's/ $//')"
}

@test "a worker's version is shown, and what is none harms no terminal" {
	"$FORGE" "$LEDGER" reloaded
	is "versions" "1.2.3 ???????????????????????" \
		"$(column workers version | tr '\n' ' ' | sed 's/ $//')"
}

# born PID: when it was started, in ticks since the boot
born() {
	sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20
}

@test "keepers that outlived their master are told, and times go on" {
	"$FORGE" "$LEDGER" keeper $$ "$(born $$)"
	stat -r "$DIR" -n forged -o tsv workers
	is "status" 1 "$status"
	is "standard error" "guichet-stat: forged: its master (pid 4711) is \
not alive; its keepers serve on" "$stderr"
	column workers heartbeat_ms | grep -qx '[0-9]*'
	stat -r "$DIR" -n forged -o prometheus
	grep -qx 'guichet_up{instance="forged"} 0' <<<"$output"
	grep -qx 'guichet_workers_running{instance="forged"} 2' <<<"$output"
	stat -f "$LEDGER" -o json
	[[ $output = *'"alive":false,'*'"served":true,'* ]]
	stat -f "$LEDGER" -o table
	is "status with -f" "0 " "$status $stderr"
	[[ ${lines[0]} = "forged: without its master, serving, pid 4711,"* ]]
}

@test "a process that has a dead keeper's pid is not taken for it" {
	"$FORGE" "$LEDGER" keeper $$ $(($(born $$) + 1))
	stat -r "$DIR" -n forged
	is "standard error" "guichet-stat: forged: its server (pid 4711) is \
not alive; this is what it left" "$stderr"
	is "heartbeats" "-" "$(column workers heartbeat_ms | sort -u)"
}

# deltas N: the first N lines of bytes.in came
deltas() {
	[ "$(grep -c '^guichet.forged.bytes.in:' "$DIR/out")" -ge "$1" ]
}

@test "repeated statsd counters are deltas, over a replaced ledger too" {
	"$FORGE" "$LEDGER" grown 7
	"$STAT" -f "$LEDGER" -i 0.1 >"$DIR/out" 3>&- &
	echo $! >>"$DIR/pids"
	wait_until 10 deltas 2
	"$FORGE" "$DIR/new" grown 12 && mv "$DIR/new" "$LEDGER"
	wait_until 10 grep -q '^guichet.forged.bytes.in:50|c' "$DIR/out"
	# One that counts from the beginning again.
	"$FORGE" "$DIR/new" good && mv "$DIR/new" "$LEDGER"
	wait_until 10 grep -q '^guichet.forged.bytes.in:10000|c' "$DIR/out"
	is "deltas that are not 0" "10070 50 10000" \
		"$(sed -n 's/^guichet.forged.bytes.in:\(.*\)|c$/\1/p' \
			"$DIR/out" | grep -vx 0 | xargs)"
	is "negative ones" "" "$(grep -e ':-' "$DIR/out")"
}

@test "JSON of every view is valid and names its schema" {
	local view

	command -v python3 >/dev/null || skip "no python3 to check JSON with"
	"$FORGE" "$LEDGER" good
	for view in totals workers listeners connections closed; do
		"$STAT" -f "$LEDGER" -o json "$view" | python3 -c '
import json, sys
document = json.load(sys.stdin)
assert document["schema"] == 1, document
assert document["view"] == sys.argv[1], document
assert isinstance(document[sys.argv[1]], (list, dict)), document' "$view"
	done
}

@test "the Prometheus format has no series twice" {
	"$FORGE" "$LEDGER" good
	stat -f "$LEDGER" -o prometheus
	is "series that come twice" "" \
		"$(grep -v '^#' <<<"$output" | sed 's/ [^ ]*$//' | sort | uniq -d)"
	grep -q '^guichet_turn_seconds_bucket{.*le="+Inf"} 200$' <<<"$output"
}

@test "promtool is content with the Prometheus format" {
	command -v promtool >/dev/null || skip "no promtool here"
	"$FORGE" "$LEDGER" good
	"$STAT" -f "$LEDGER" -o prometheus >"$DIR/page"
	run promtool check metrics <"$DIR/page"
	is "promtool" "0 " "$status $output"
}

@test "an instance that is not there is one line and exit 1" {
	stat -r "$DIR" -n absent
	is "status" 1 "$status"
	is "standard error" "guichet-stat: absent: no such instance \
($DIR/absent.ledger does not exist)" "$stderr"
}

@test "a ledger that was cut anywhere is refused" {
	local bytes size

	"$FORGE" "$LEDGER" good
	size=$(wc -c <"$LEDGER")
	for bytes in 8 9 319 320 321 4095 4096 4097 $((size - 1)) \
		$(seq 500 1999 "$size"); do
		"$FORGE" "$LEDGER" truncate "$bytes"
		refuses "$LEDGER" "is truncated"
	done
	"$FORGE" "$LEDGER" truncate 7
	refuses "$LEDGER" "is not a ledger"
	: >"$LEDGER"
	refuses "$LEDGER" "is empty"
}

@test "a ledger with a byte too many is refused" {
	"$FORGE" "$LEDGER" good
	echo >>"$LEDGER"
	refuses "$LEDGER" "is longer than its header says"
}

@test "a header field that is wrong is refused, or only shown" {
	local field value n_refused=0 n_shown=0 status=0

	for ((field = 0; ; field++)); do
		for value in 0 255 1048577 0xffffffff 0xffffffffffffffff; do
			"$FORGE" "$LEDGER" field "$field" "$value" ||
				{ status=$?; break 2; }
			stat -f "$LEDGER"
			if [ "$status" = 0 ]; then
				n_shown=$((n_shown + 1))
				is "standard error" "" "$stderr"
				continue
			fi
			n_refused=$((n_refused + 1))
			is "status with field $field = $value" 1 "$status"
			is "standard output" "" "$output"
			is "lines on standard error" 1 "${#stderr_lines[@]}"
			status=0
		done
	done
	is "forge's end of the fields" 3 "$status"
	[ "$n_refused" -gt 80 ] && [ "$n_shown" -gt 40 ]
}

@test "a ledger of another layout version names both versions" {
	"$FORGE" "$LEDGER" field 1 7
	refuses "$LEDGER" "has layout version 7; this program reads 1"
}

@test "what is no ledger at all is refused in its own words" {
	refuses "$DIR" "is a directory"
	refuses "$DIR/absent" "does not exist"
	refuses /dev/null "is not a regular file"
	mkfifo "$DIR/fifo"
	refuses "$DIR/fifo" "is not a regular file"
	echo "just some text" >"$DIR/text"
	refuses "$DIR/text" "is not a ledger"
	cp "$STAT" "$DIR/program"
	chmod 700 "$DIR/program"
	refuses "$DIR/program" "is not a ledger"
}

@test "a ledger that others could have put there is refused" {
	"$FORGE" "$LEDGER" good
	ln -s forged.ledger "$DIR/link"
	refuses "$DIR/link" "is a symbolic link"
	chmod 664 "$LEDGER"
	refuses "$LEDGER" "can be written by other users"
	chmod 646 "$LEDGER"
	refuses "$LEDGER" "can be written by other users"
	chmod 644 "$LEDGER"
	ln "$LEDGER" "$DIR/twin"
	refuses "$LEDGER" "has another name too (a hard link)"
	rm "$DIR/twin"
	stat -f "$LEDGER"
	is "status of the good one" 0 "$status"
}

@test "a ledger of another user is refused" {
	[ "$(id -u)" = 0 ] || skip "needs root to give a file away"
	"$FORGE" "$LEDGER" good
	chown 12345 "$LEDGER"
	refuses "$LEDGER" "belongs to another user"
}

@test "a connection that is always in change is left out and counted" {
	"$FORGE" "$LEDGER" busy
	stat -f "$LEDGER" -o tsv connections
	is "status" 0 "$status"
	is "lines" 2 "${#lines[@]}"
	is "standard error" "guichet-stat: $LEDGER: 1 connections were in \
change and are left out" "$stderr"
}

@test "noise in all that workers write is shown without harm" {
	local seed view format

	for seed in 1 2 3 4 5 6 7 8; do
		"$FORGE" "$LEDGER" garbage "$seed"
		for view in totals workers listeners connections closed top; do
			stat -f "$LEDGER" "$view"
			is "status of $view, seed $seed" 0 "$status"
		done
		for format in statsd table json prometheus; do
			stat -f "$LEDGER" -o "$format"
			is "status of $format, seed $seed" 0 "$status"
			is "control characters" "" \
				"$(tr -d '\n' <<<"$output" |
					LC_ALL=C tr -d ' -~')"
		done
	done
}

@test "a ledger that claims 100 GB costs what it really holds" {
	local view

	"$FORGE" "$LEDGER" huge || skip "no file so large on this file system"
	for view in totals connections closed; do
		stat -f "$LEDGER" "$view"
		is "status of $view" 0 "$status"
	done
}

@test "of a live server the kernel tells queues and TIME_WAIT" {
	hold
	stat -r "$DIR" -n forged listeners -o tsv
	is "status" 0 "$status"
	is "standard error" "" "$stderr"
	is "queues" "1 - - 0" "$(column listeners queue | xargs)"
	is "limits" "5 - - 7" "$(column listeners queue_limit | xargs)"
	# One of each family, both at the listener on [::].
	is "TIME_WAIT" "2 - - -" "$(column listeners time_wait | xargs)"
	stat -r "$DIR" -n forged
	grep -qx 'guichet.forged.workers.running:2|g' <<<"$output"
	grep -qx 'guichet.forged.listener.echo.queue.limit:5|g' <<<"$output"
	is "queues of UDP" "" "$(grep 'echo-2.queue' <<<"$output")"
	column workers heartbeat_ms | grep -qx '[0-9]*'
}

@test "-W waits until the instance serves" {
	local waiting

	"$STAT" -r "$DIR" -n forged -W 30 >"$DIR/out" 3>&- &
	waiting=$!
	hold
	wait "$waiting"
	grep -q '^guichet.forged.workers.running:2|g' "$DIR/out"
}

@test "-W ends with one line and exit 1 when nobody comes" {
	stat -r "$DIR" -n absent -W 0.1
	is "status" 1 "$status"
	is "lines on standard error" 1 "${#stderr_lines[@]}"
	"$FORGE" "$LEDGER" good
	stat -r "$DIR" -n forged -W 0.1
	is "status" 1 "$status"
	is "standard error" \
		"guichet-stat: forged: no server serves it yet" "$stderr"
	is "standard output" "" "$output"
}

@test "a misspelt view or format names the nearest one, with exit 2" {
	stat -f "$LEDGER" conections
	is "view" "2 guichet-stat: conections: no such view; did you mean \
connections?" "$status $stderr"
	stat -f "$LEDGER" -o jsn
	is "format" "2 guichet-stat: jsn: no such format; did you mean json?" \
		"$status $stderr"
	stat -f "$LEDGER" -o statsd workers
	is "another view's" "2 guichet-stat: statsd: the view workers does not \
come in this format; it has: table, tsv or json" "$status $stderr"
	stat -f "$LEDGER" -n forged
	is "both" 2 "$status"
	stat -i 0
	is "no interval" 2 "$status"
}

@test "a reader that goes away ends a repeated output quietly" {
	"$FORGE" "$LEDGER" good
	set -o pipefail
	timeout 20 "$STAT" -f "$LEDGER" -i 0.01 2>"$DIR/errors" |
		head -n 1 >/dev/null
	is "standard error" "" "$(cat "$DIR/errors")"
}

@test "an output that cannot be written is one line and exit 1" {
	"$FORGE" "$LEDGER" good
	run --separate-stderr sh -c "'$STAT' -f '$LEDGER' >/dev/full"
	is "status" 1 "$status"
	is "standard error" "guichet-stat: standard output: No space left on \
device" "$stderr"
}

@test "no escape sequence is written where there is no terminal" {
	local view

	"$FORGE" "$LEDGER" good
	for view in totals workers top; do
		stat -f "$LEDGER" -o table "$view"
		is "escapes" "" "$(tr -cd '\033' <<<"$output")"
	done
}
