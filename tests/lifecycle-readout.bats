#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# lifecycle-readout.bats - what guichet-stat shows of a server that reloads,
# and of one that has lost its master

load helpers

setup() { server_setup; }
teardown() { orphans_end; server_teardown; }

# orphans_end: keepers whose master a test has killed, and what it left
orphans_end() {
	local pid

	[ -n "$SERVER" ] && not is_running "$SERVER" || return 0
	for pid in $(server_pids "$SERVER"); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	rm -f "$DIR/t.control"
}

# talks TEXT N: says it, and is answered by the N-th line
talks() {
	echo "$1" >&5
	wait_until 10 answer_is "$2" "$1"
}

answer_is() {
	is "answer $1" "$2" "$(sed -n "${1}p" "$DIR/talk.out")"
}

reload() {
	timeout 30 "$GUICHETD" -c "$DIR/guichetd.conf" -r "$DIR" -n t -s reload
}

# with_extra PORT, without_extra: the configuration
with_extra() {
	without_extra
	cat >>"$DIR/guichetd.conf" <<-END
		[listen tcp:127.0.0.1:${1-0}]
		service = echo
		name = extra
	END
}

without_extra() {
	server_config <<-'END'
		[server]
		workers = 2
		[listen tcp:127.0.0.1:0]
		service = echo
		name = echo
	END
}

# no_counter_fell FILE: against what it was
no_counter_fell() {
	is "counters that fell or went" "" "$(counters |
		awk 'NR == FNR { now[$1] = $2; next } now[$1] < $2' - "$1")"
}

@test "a removed listener is shown as retired until its connections end" {
	with_extra
	server_start
	talk_begin talk "127.0.0.1:$(server_port extra)"
	talks hello 1
	counters >"$DIR/before"
	without_extra
	reload
	is "states" "listening retired" \
		"$(column listeners state | sort | xargs)"
	is "the retired one" "extra 1 - -" "$(for field in name open queue \
		queue_limit; do column listeners $field state retired; done |
		xargs)"
	no_counter_fell "$DIR/before"
	talks "still there" 2
	counters >"$DIR/before"
	talk_end
	wait_until 10 column_is listeners name echo
	no_counter_fell "$DIR/before"
	is "its bytes" 18 "$(counter listener.extra.bytes.in)"
	is "all bytes" 18 "$(counter bytes.in)"
}

@test "a listener that comes back under its name goes on in one metric" {
	with_extra
	server_start
	[ "$("$GUICHET" send "127.0.0.1:$(server_port extra)" hi)" = hi ]
	wait_until 10 stat_is listener.extra.connections.closed 1
	without_extra
	reload
	counters >"$DIR/before"
	# another port, so another entry of the ledger
	with_extra "$(timeout 10 "$TOOLS/plainbind" tcp:127.0.0.1:0)"
	reload
	is "names" "echo extra" "$(column listeners name | sort | xargs)"
	[ "$("$GUICHET" send "127.0.0.1:$(server_port extra)" hi)" = hi ]
	wait_until 10 stat_is listener.extra.connections.closed 2
	no_counter_fell "$DIR/before"
	is "metrics that come twice" "" \
		"$(readout | sed 's/:.*//' | sort | uniq -d)"
}

@test "a worker that retires is shown until it is gone, its totals for good" {
	without_extra
	server_start
	[ "$("$GUICHET" send "127.0.0.1:$(server_port echo)" hi)" = hi ]
	wait_until 10 stat_is connections.closed 1
	counters >"$DIR/before"
	kill -TTOU "$SERVER"
	wait_until 10 column_is workers slot 0
	no_counter_fell "$DIR/before"
	kill -TTIN "$SERVER"
	wait_until 10 column_is workers state "serving serving"
}

@test "every worker tells the version of its program" {
	without_extra
	server_start
	column_is workers version \
		"$("$GUICHETD" --version | sed '1s/.* //;1!d' |
			awk '{ print $0, $0 }')"
}

@test "of a server without its master the readout says so, and goes on" {
	local status=0

	without_extra
	server_start
	talk_begin talk "127.0.0.1:$(server_port echo)"
	talks hello 1
	master_dies
	readout -o tsv workers >"$DIR/workers" 2>"$DIR/said" || status=$?
	is "status" 1 "$status"
	is "what it says" "guichet-stat: t: its master (pid $SERVER) is not \
alive; its keepers serve on" "$(cat "$DIR/said")"
	is "rows" 3 "$(wc -l <"$DIR/workers")"
	is "heartbeats" 2 "$(column workers heartbeat_ms 2>/dev/null |
		grep -c '^[0-9]*$')"
	is "queue" 0 "$(column listeners queue 2>/dev/null)"
	talk_end
	orphans_end
	wait_until 10 server_has_no_process "$SERVER"
	readout >/dev/null 2>"$DIR/said" || true
	is "afterwards" "guichet-stat: t: its server (pid $SERVER) is not \
alive; this is what it left" "$(cat "$DIR/said")"
}
