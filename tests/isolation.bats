#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# isolation.bats - who may write what of the ledger, as the kernel sees it
#
# The service `probe` of the test build (tests/services/probe.c) tries from
# inside of a worker.

load helpers

setup() {
	server_setup
	# shellcheck disable=SC2034 # helpers.bash starts it
	GUICHETD=$TOOLS/guichetd
}

teardown() {
	server_teardown
}

# layout: sets parts_offset and part_bytes of the ledger
layout() {
	read -r parts_offset part_bytes < <("$TOOLS/layout" "$DIR/t.ledger")
}

# maps PID: its mappings of the ledger: "RIGHTS OFFSET BYTES"
maps() {
	local range rights offset rest

	while read -r range rights offset rest; do
		[[ $rest == *.ledger* ]] || continue
		echo "$rights $((16#$offset))" \
			$((16#${range#*-} - 16#${range%-*}))
	done <"/proc/$1/maps"
}

# only_its_part PID SLOT
only_its_part() {
	local parts_offset part_bytes

	layout
	is "what pid $1 may write" \
		"rw-s $((parts_offset + $2 * part_bytes)) $part_bytes" \
		"$(maps "$1" | grep w)"
	is "what else it has mapped" "r--s 0 $(wc -c <"$DIR/t.ledger")" \
		"$(maps "$1" | grep -v w)"
}

# probe WORD: what the service answers to it, which ends with an empty line
probe() {
	local n

	n=$(n_answers)
	echo "$1" >&5
	wait_until 10 has_answered $((n + 1))
	awk -v RS= 'END { print }' "$DIR/probe.out"
}

n_answers() {
	grep -c '^$' "$DIR/probe.out" || true
}

has_answered() {
	is "answers" "$1" "$(n_answers)"
}

# only_their_parts: all workers and keepers
only_their_parts() {
	local slot

	for slot in $(column workers slot); do
		only_its_part "$(column workers pid slot "$slot")" "$slot"
		only_its_part "$(column workers keeper slot "$slot")" "$slot"
	done
}

# order WORD: `guichetd -s` of the server
order() {
	"$GUICHETD" -r "$DIR" -n t -s "$1"
}

@test "a worker and its keeper can write their own part, and read the rest" {
	server_start -w 2 -l tcp:127.0.0.1:0=echo
	is "workers" "0 1" "$(column workers slot | xargs)"
	only_their_parts
}

@test "after a reload and an upgrade they can write no more than before" {
	server_start -w 2 -l tcp:127.0.0.1:0=echo
	order reload
	is "workers" "0 1" "$(column workers slot | xargs)"
	only_their_parts
	only_the_masters
	order upgrade
	only_their_parts
	only_the_masters
}

@test "a successor can write no more than its predecessor" {
	server_start -w 1 -l tcp:127.0.0.1:0=echo
	kill -KILL "$(worker_pids)"
	wait_until 10 stat_is workers.successions 1
	only_its_part "$(worker_pids)" 0
}

# only_the_masters: what the master has mapped
only_the_masters() {
	local parts_offset part_bytes

	layout
	# shellcheck disable=SC2153 # of helpers.bash
	is "what the master has mapped" "rw-s 0 $parts_offset" \
		"$(maps "$SERVER")"
}

@test "the master has mapped nothing that a worker can write" {
	server_start -w 2 -l tcp:127.0.0.1:0=echo
	only_the_masters
}

# no_descriptor WHEN: of the ledger, in any worker or keeper
no_descriptor() {
	local pid

	for pid in $(worker_pids) $(keeper_pids); do
		is "descriptors of pid $pid $1" "" \
			"$(find "/proc/$pid/fd" -lname '*ledger*')"
	done
}

@test "no worker or keeper has a descriptor of the ledger, renewed or not" {
	server_start -w 2 -l tcp:127.0.0.1:0=echo
	no_descriptor "at first"
	order reload
	no_descriptor "after a reload"
	order upgrade
	no_descriptor "after an upgrade"
	kill -KILL "$SERVER"
	server_start -w 2 -l tcp:127.0.0.1:0=echo
	wait_until 20 logged 'adoption: done in'
	no_descriptor "after an adoption"
}

@test "a worker cannot make what it reads of the ledger writable" {
	server_start -w 1 -l tcp:127.0.0.1:0=probe
	talk_begin probe "127.0.0.1:$(server_port probe)"
	is "rights" "r--s rw-s" \
		"$(probe maps | awk '{ print $2 }' | sort | xargs)"
	is "mprotect" EACCES "$(probe mprotect)"
	talk_end
}

@test "a worker of another user cannot open the ledger for writing" {
	[ "$(id -u)" = 0 ] || skip "only root can start it as another user"
	chmod 755 "$DIR"
	server_config <<-END
		[server]
		workers = 1
		user = nobody
		[listen tcp:127.0.0.1:0]
		service = probe
	END
	server_start
	is "the worker's uid" "$(id -u nobody)" "$(awk \
		'/^Uid:/ { print $2 }' "/proc/$(worker_pids)/status")"
	talk_begin probe "127.0.0.1:$(server_port probe)"
	is "open" EACCES "$(probe open)"
	is "mprotect" EACCES "$(probe mprotect)"
	talk_end
}

@test "what a worker keeps of clients' bytes is for nobody else" {
	local pid secret="a secret of the client"

	server_start -w 1 -l tcp:127.0.0.1:0=echo
	pid=$(worker_pids)
	# It is mapped, and has no name; who may open the descriptor that is
	# kept for the keeper's next program is told by its mode.
	grep -q 'rw-s .*/memfd:guichet-vault' "/proc/$pid/maps"
	is "its mode" 600 "$(find "/proc/$pid/fd" -lname '*guichet-vault*' \
		-exec stat -L -c %a {} +)"
	is "others" "" "$(find "/proc/$pid/fd" -lname '*memfd:*' \
		! -lname '*guichet-vault*')"
	# shellcheck disable=SC2153 # of helpers.bash
	is "the answer" "$secret" "$("$GUICHET" send \
		"127.0.0.1:$(server_port echo)" "$secret")"
	not grep -q -a "$secret" "$DIR/t.ledger"
}

@test "the master's sources name nothing that a worker can write" {
	local server=$BATS_TEST_DIRNAME/../server

	is "uses" "" "$(grep -nE \
		'ledger_(head\b|totals|row|closed|record)|part_(map|point)|ledger_view' \
		"$server"/{master,crew,instance,renewal,succession}.[ch] \
		"$server"/{adoption,scaling,slot}.[ch])"
}

@test "a descriptor of the ledger that a worker sends does not free its lock" {
	server_start -w 1 -l tcp:127.0.0.1:0=probe
	talk_begin probe "127.0.0.1:$(server_port probe)"
	is "sent" "done" "$(probe send)"
	is "and again" "done" "$(probe send | tail -1)"
	stat_is workers.running 1 # which fails when nobody holds the lock
	run timeout 10 "$GUICHETD" -r "$DIR" -n t -l tcp:127.0.0.1:0=echo
	is "a second server" 1 "$status"
	[[ $output == *"already running"* ]]
	talk_end
	server_stop
}
