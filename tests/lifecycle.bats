#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# lifecycle.bats - whatever happens to its processes, no connection is closed
# and none is refused: reload, upgrade, the death of the master
#
# What nobody may notice happens under load: connections that are checked byte
# for byte in both directions, and others of one request each. Both the client
# and the server must count the same at the end, and nothing lost. Times are
# printed, never judged. How often things are done can be told by
# GUICHET_RELOADS, GUICHET_UPGRADES, GUICHET_ROUNDS and GUICHET_CHAOS_S.

load helpers

# under a sanitizer all of it is slow, and a fault shows the first time
if is_sanitized; then few=5; else few=1; fi
RELOADS=${GUICHET_RELOADS:-$((100 / few))}
UPGRADES=${GUICHET_UPGRADES:-$((20 / few))}
ROUNDS=${GUICHET_ROUNDS:-$((20 / few))}
CHAOS_S=${GUICHET_CHAOS_S:-6}

VERSION=$("$BUILD/guichetd" --version | sed 's/.* //')
NEXT_VERSION=${VERSION%?}$(((${VERSION: -1} + 1) % 10))

setup() {
	server_setup
}

teardown() {
	[ ! -e "$DIR/other.pid" ] || kill -INT "$(cat "$DIR/other.pid")"
	# the last master first: it has the keepers of those before it
	[ -z "$SERVER" ] || kill -INT "$SERVER" 2>/dev/null || true
	server_teardown
}

# --- what an operator does ----------------------------------------------------

# tell WORD: guichetd -s WORD; sets $status and $output
tell() {
	run timeout 100 "$BUILD/guichetd" -r "$DIR" -n t -s "$1"
}

# is_done: what was told last has been done, without a word
is_done() {
	is "what it says" "" "$output" || return
	is "its exit status" 0 "$status"
}

reload() {
	tell reload
	is_done
}

# configure LINE...: two workers, with these; in one step, for somebody may
# be reading
configure() {
	printf '%s\n' '[server]' 'workers = 2' 'worker-connections = 1000' \
		"$@" >"$DIR/guichetd.conf.new"
	mv "$DIR/guichetd.conf.new" "$DIR/guichetd.conf"
}

# begin_with LINE...: a server with these, from a program of its own
begin_with() {
	own_program
	configure "$@"
	server_start
}

# own_program: what the server runs is a copy in $DIR, which a test can replace
own_program() {
	cp "$GUICHETD" "$DIR/guichetd"
	GUICHETD=$DIR/guichetd
}

# put_program FILE: in one step, as an installation does
put_program() {
	cp "$1" "$DIR/guichetd.new"
	mv "$DIR/guichetd.new" "$DIR/guichetd"
}

upgrade_to() {
	put_program "$1"
	tell upgrade
	is_done
}

# next_program [FILE]: $DIR/next, the same but for its version
next_program() {
	LC_ALL=C sed -b "s/${VERSION//./\\.}/$NEXT_VERSION/g" \
		"${1:-$BUILD/guichetd}" >"$DIR/next"
	chmod +x "$DIR/next"
	is "the version" "guichetd $NEXT_VERSION" "$("$DIR/next" --version)"
}

echo_address() {
	column listeners address name echo | head -n 1
}

# --- who is there -------------------------------------------------------------

# all_pids: of the master, keepers and workers, whoever started them
all_pids() {
	echo "$SERVER"
	keeper_pids
	worker_pids
}

# everyone_is VERSION: each process says so in its title
everyone_is() {
	local pid

	for pid in $(all_pids); do
		tr '\0' ' ' <"/proc/$pid/cmdline"
		echo
	done >"$DIR/titles"
	is "titles without $1" "" "$(grep -v -- ", $1 *\$" "$DIR/titles")" ||
		return
	versions_are "$1"
}

# versions_are VERSION: in the readout, where it has them
versions_are() {
	readout -o tsv workers | head -n 1 | grep -q -w version || return 0
	is "versions" "$1" \
		"$(column workers version | grep -v -x -e - | sort -u | xargs)"
}

# none_left: of none of the masters that there were
none_left() {
	wait_until 15 server_has_no_process "${SERVERS[@]}"
}

# each_once N: N slots, each with one keeper that has one worker, and no
# other process is there
each_once() {
	is "processes" $((1 + 2 * $1)) \
		"$(server_pids "${SERVERS[@]}" | wc -l)" || return
	is "keepers" "$1" "$(keeper_pids | sort -u | wc -l)" || return
	is "workers" "$1" "$(worker_pids | sort -u | wc -l)" || return
	is "parents of workers" "$(keeper_pids | xargs)" \
		"$(worker_pids | while read -r pid; do parent_of "$pid"; done |
			xargs)"
}

parent_of() {
	sed 's/.*) . \([0-9]*\) .*/\1/' "/proc/$1/stat"
}

n_descriptors() {
	local pid

	for pid in "$SERVER" $(keeper_pids); do
		find "/proc/$pid/fd" -type l
	done | wc -l
}

# memory_kb: private memory of the master and the keepers
memory_kb() {
	local pid

	for pid in "$SERVER" $(keeper_pids); do
		sed -n 's/^RssAnon:\s*\([0-9]*\) kB/\1/p' "/proc/$pid/status"
	done | awk '{ n += $1 } END { print n }'
}

# --- load ---------------------------------------------------------------------

# load_begin ADDRESS: until load_end
load_begin() {
	# a rate leaves a processor to others: what is shown is not how fast
	background stream "$GUICHET" bench "$1" -c 200 -P 4 -R 8000 -s 1-20k \
		-d 10m -w 60s -o json
	stream=$!
	background churn "$GUICHET" bench "$1" -c 20 -R "${2:-1500}" --churn \
		-d 10m -w 60s -o json
	churn=$!
	wait_until 20 stat_above connections.accepted 300
}

# load_end: every byte came back, nobody was refused; and both sides say so
load_end() {
	kill -INT "$stream" "$churn"
	client_is_well stream "$stream"
	client_is_well churn "$churn"
	echo "# $(sum requests) requests checked," \
		"$(json "$DIR/churn.out" connects) connections of one" \
		"($(json "$DIR/churn.out" requests_per_s)/s)" >&3
	wait_until 20 stat_is connections.open 0
}

# counted_alike: nothing but the load was there, and no slot was lost
counted_alike() {
	stat_is connections.accepted "$(sum connects)"
	stat_is connections.closed.eof "$(sum connects)"
	stat_is connections.closed "$(sum connects)"
	stat_is bytes.in "$(sum bytes_sent)"
	stat_is bytes.out "$(sum bytes_received)"
}

sum() {
	echo $(($(json "$DIR/stream.out" "$1") + $(json "$DIR/churn.out" "$1")))
}

client_is_well() {
	local status=0

	wait "$2" || status=$?
	[ "$status" = 0 ] || cat "$DIR/$1.out" "$DIR/$1.log"
	is "the exit status of $1" 0 "$status" || return
	is "failed" 0 "$(json "$DIR/$1.out" failed)" || return
	is "lost requests" 0 "$(json "$DIR/$1.out" lost_requests)" || return
	is "lost bytes" 0 "$(json "$DIR/$1.out" lost_bytes)"
}

# rest_of MS SINCE: sleeps until that long after; not at all when it is over
rest_of() {
	local left=$(($1 - ($(now_ms) - $2)))

	[ "$left" -le 0 ] || sleep "$(printf '0.%03d' "$left")"
}

# --- reload -------------------------------------------------------------------

@test "100 reloads under load lose, refuse and falsify nothing, and leave nothing" {
	local n begun slowest=0 ms descriptors memory

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	load_begin "$(echo_address)"
	for n in $(seq "$RELOADS"); do
		begun=$(now_ms)
		reload
		ms=$(($(now_ms) - begun))
		[ "$ms" -le "$slowest" ] || slowest=$ms
		rest_of 100 "$begun"
		[ "$n" != 10 ] || { descriptors=$(n_descriptors)
			memory=$(memory_kb); }
	done
	echo "# the slowest reload took $slowest ms" >&3
	# connections of one request come and go
	wait_until 20 has_descriptors "$descriptors"
	echo "# memory: $memory kB after 10, $(memory_kb) kB after $n" >&3
	[ "$(memory_kb)" -le $((memory + 1024)) ]
	each_once 2
	load_end
	counted_alike
	stat_is workers.deaths 0
	stat_is connections.resumed "$(resumed_by_log)"
	is "reloads" "$RELOADS" "$(log_lines 'reload: done')"
}

# has_descriptors N: within the connections that are made at the moment
has_descriptors() {
	local off=$(($(n_descriptors) - $1))

	[ "${off#-}" -le 40 ] || { echo "$off more than $1"; return 1; }
}

# resumed_by_log: how many connections workers said to have taken over
resumed_by_log() {
	sed -n 's/.*: took over \([0-9]*\) connections.*/\1/p' "$LOG" |
		awk '{ n += $1 } END { print n }'
}

# --- upgrade ------------------------------------------------------------------

@test "20 upgrades to and fro under load lose nothing, and everyone is the new one" {
	local n begun

	cp "$GUICHETD" "$DIR/first"
	next_program
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	everyone_is "$VERSION"
	keeper_pids >"$DIR/keepers"
	load_begin "$(echo_address)"
	for n in $(seq "$UPGRADES"); do
		begun=$(now_ms)
		if [ $((n % 2)) = 1 ]; then
			upgrade_to "$DIR/next"
			everyone_is "$NEXT_VERSION"
		else
			upgrade_to "$DIR/first"
			everyone_is "$VERSION"
		fi
		rest_of 100 "$begun"
	done
	is "keepers" "$(cat "$DIR/keepers")" "$(keeper_pids)"
	each_once 2
	load_end
	counted_alike
	stat_is workers.deaths 0
	is "upgrades" "$UPGRADES" "$(log_lines 'upgrade: done')"
}

# changes_nothing STATUS: who served goes on with what there was, the talk too
changes_nothing() {
	changes_nobody "$1" || return
	everyone_is "$VERSION"
}

# changes_nobody STATUS: the same, but for what they say to be
changes_nobody() {
	is "the exit status" "$1" "$status" || return
	is "processes" "$before" "$(all_pids | xargs)" || return
	cmp "$DIR/t.config" "$DIR/before.config" || return
	is "an answer" hi "$("$GUICHET" send "$address" hi)" || {
		readout listeners; cat "$LOG"; return 1; }
}

# note_all: for changes_nothing
note_all() {
	address=$(echo_address)
	before=$(all_pids | xargs)
	cp "$DIR/t.config" "$DIR/before.config"
}

# talks WHAT: the open talk says it and hears it
talks() {
	echo "$1" >&5
	wait_until 10 grep -q -x -- "$1" "$DIR/talk.out"
}

@test "an upgrade to what is no such program changes nothing, and says why" {
	local before

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	talk_begin talk "$(echo_address)"
	talks hello
	note_all
	rm "$DIR/guichetd"
	tell upgrade
	changes_nothing 1
	is "what it says of a missing one" "$DIR/guichetd: No such \
file or directory" "$(first_line)"
	head -c 5000 /dev/urandom >"$DIR/noise"
	chmod +x "$DIR/noise"
	put_program "$DIR/noise"
	tell upgrade
	changes_nothing 1
	is "what it says of noise" "$DIR/guichetd: cannot be \
executed: not a program" "$(first_line)"
	is "how often it says that" 1 "$(grep -c 'not a program' <<<"$output")"
	put_program /bin/false
	tell upgrade
	changes_nothing 1
	is "what it says of false" "$DIR/guichetd: its test: left \
with status 1" "$(first_line)"
	put_program /bin/true
	tell upgrade
	changes_nothing 1
	is "what it says of true" "$DIR/guichetd: its test: is no \
guichetd, for it said nothing" "$(first_line)"
	put_program /bin/ls
	tell upgrade
	changes_nothing 2
	is "what it says of ls" "$DIR/guichetd: unrecognized option '--test'" \
		"$(first_line)"
	printf '#!/bin/sh\nexec true\n' >"$DIR/script"
	chmod +x "$DIR/script"
	put_program "$DIR/script"
	tell upgrade
	changes_nothing 1
	grep -q "^$DIR/guichetd: cannot be executed: " <<<"$(first_line)"
	chmod -x "$DIR/guichetd"
	tell upgrade
	changes_nothing 1
	is "what it says without x" "$DIR/guichetd: cannot be \
executed: Permission denied" "$(first_line)"
	talks "still here"
	talk_end
	put_program "$BUILD/guichetd"
	tell upgrade
	is_done
}

@test "an upgrade follows a link to the version that it leads to by now" {
	next_program
	mkdir "$DIR/old" "$DIR/new"
	cp "$BUILD/guichetd" "$DIR/old/guichetd"
	mv "$DIR/next" "$DIR/new/guichetd"
	ln -s old "$DIR/current"
	GUICHETD=$DIR/current/guichetd
	configure '[listen tcp:127.0.0.1:0]' 'service = echo'
	server_start
	ln -sfn new "$DIR/current"
	tell upgrade
	is_done
	everyone_is "$NEXT_VERSION"
	ln -sfn old "$DIR/current"
	tell upgrade
	is_done
	everyone_is "$VERSION"
}

first_line() {
	sed -n '1s/^guichetd: //p;1!d;p' <<<"$output" | head -n 1
}

# another_layout: what is true after a server of another layout took over:
# who was there talks on with the former worker, who comes is served
another_layout() {
	talks "still here"
	is "an answer to one who comes" hi \
		"$("$GUICHET" send -w 10s "$1" hi)"
	logged 'the ledger has another layout: workers that there are cannot'
	logged 'the totals begin anew'
	talk_end
	wait_until 10 not is_running "$2"
}

# begin_at_address: echo at an address that a configuration can name, and
# somebody who talks there; the next program is of another layout
begin_at_address() {
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	address=$(echo_address)
	configure "[listen $address]" 'service = echo'
	reload
	talk_begin talk "$address"
	talks hello
	put_program "$BUILD/test/guichetd-next"
}

@test "an upgrade over another layout drains who was there, and refuses nobody" {
	local address keeper

	begin_at_address
	keeper=$(column workers keeper open 1)
	tell upgrade
	is "the exit status" 0 "$status"
	[[ $output == *"the ledger has another layout"* ]]
	another_layout "$address" "$keeper"
	server_stop
}

@test "an upgrade over another layout that cannot begin changes nothing" {
	local address before taken

	taken=$(taken_address)
	begin_at_address
	note_all
	configure "[listen $address]" 'service = echo' "[listen $taken]" \
		'service = echo'
	tell upgrade
	changes_nothing 1
	[[ $output == *"address already in use"* ]]
	talks "still here"
	talk_end
	server_stop
}

@test "an upgrade over another layout that cannot be kept changes nothing" {
	local address before

	begin_at_address
	note_all
	mkdir "$DIR/t.config.new" # see below
	tell upgrade
	changes_nothing 1
	rmdir "$DIR/t.config.new"
	talks "still here"
	talk_end
	server_stop
}

@test "a master that dies as it begins another layout leaves what the next can use" {
	local address keeper

	crash_setup
	GUICHETD=$BUILD/guichetd
	begin_at_address
	keeper=$(column workers keeper open 1)
	arm "config-put kill"
	tell upgrade
	wait_until 10 not is_running "$SERVER"
	is "an answer" hi "$("$GUICHET" send -w 10s "$address" hi)"
	server_launch -c "$DIR/guichetd.conf" 5>&-
	wait_until 20 logged '^guichetd: ready: '
	logged 'the ledger has another layout: workers that there are cannot'
	is "an answer" hi "$("$GUICHET" send -w 10s "$address" hi)"
	talks "still here"
	talk_end
	wait_until 10 not is_running "$keeper"
	server_stop
	none_left
}

@test "an upgrade over another layout whose workers all die is taken back" {
	local address

	crash_setup
	GUICHETD=$BUILD/guichetd
	begin_at_address
	arm "resume-begun always"
	tell upgrade
	is "the exit status" 1 "$status"
	[[ $output == *"no worker ever served"* ]]
	arm
	is "an answer" hi "$("$GUICHET" send -w 10s "$address" hi)"
	everyone_is "$VERSION"
	talks "still here"
	talk_end
	wait_until 10 each_once 2
	server_stop
}

@test "a new master of another layout drains the keepers it finds" {
	local address keeper

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	address=$(echo_address)
	talk_begin talk "$address"
	talks hello
	keeper=$(column workers keeper open 1)
	master_dies
	put_program "$BUILD/test/guichetd-next"
	configure "[listen $address]" 'service = echo'
	server_launch -c "$DIR/guichetd.conf" 5>&-
	wait_until 20 logged '^guichetd: ready: '
	another_layout "$address" "$keeper"
	server_stop
}

# --- many at rest -------------------------------------------------------------

@test "10,000 idle connections outlive a reload and an upgrade, and all answer" {
	local begun

	[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 17000 ] ||
		skip "only $(ulimit -Hn) descriptors a process here"
	next_program
	own_program
	server_config <<-END
		[server]
		workers = 2
		worker-connections = 10000
		[listen tcp:127.0.0.1:0]
		service = echo
	END
	server_start
	hold 10000 "$(echo_address)" -N 20000
	begun=$(now_ms)
	reload
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)"
	echo "# the reload, and an answer: $(($(now_ms) - begun)) ms" >&3
	stat_is connections.resumed 10000
	stat_is connections.open 10000
	begun=$(now_ms)
	upgrade_to "$DIR/next"
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)"
	echo "# the upgrade, and an answer: $(($(now_ms) - begun)) ms" >&3
	stat_is connections.resumed 20000
	stat_is connections.closed 2
	everyone_is "$NEXT_VERSION"
	begun=$(now_ms)
	hold_end
	echo "# and an answer to each: $(($(now_ms) - begun)) ms," \
		"$(grep -o '"max": [0-9]*' "$DIR/hold.out") us" >&3
	is "requests" 20000 "$(json "$DIR/hold.out" requests)"
	wait_until 30 stat_is connections.closed.eof 10002
	stat_is workers.deaths 0
}

# --- the death of the master --------------------------------------------------

# master_returns: another start of the same instance, which finds the keepers
master_returns() {
	server_launch -c "$DIR/guichetd.conf" 5>&- # of a client of ours
	wait_until 20 has_taken_over
}

has_taken_over() {
	is_running "$SERVER" || { cat "$LOG"; return 1; }
	logged 'adoption: done' && logged 'took over from a master that died'
}

@test "kill -9 of the master, 20 times: nobody is refused, nothing is lost" {
	local n

	configure '[listen tcp:127.0.0.1:0]' 'service = echo'
	server_start
	keeper_pids >"$DIR/keepers"
	load_begin "$(echo_address)" 2000
	for n in $(seq "$ROUNDS"); do
		master_dies
		[ $((n % 2)) = 0 ] || sleep 0.1 # and at once, too
		master_returns
		each_once 2
	done
	is "keepers" "$(cat "$DIR/keepers")" "$(keeper_pids)"
	load_end
	counted_alike
	stat_is workers.deaths 0
	server_stop
	none_left
}

@test "a keeper that is renewed without a file says so once" {
	echo here >"$DIR/quotations"
	configure '[listen tcp:127.0.0.1:0]' 'service = qotd' \
		"file = $DIR/quotations"
	server_start
	master_dies
	rm "$DIR/quotations"
	master_returns
	is "lines" 2 "$(cat "$DIR"/server*.log |
		grep -c '^guichetd: configuration in force.* cannot be read')"
}

# slot_in_use: one that has connections
slot_in_use() {
	[ "$(column workers open slot 0)" = 0 ] && echo 1 || echo 0
}

@test "a keeper that is killed costs what it held, and the others nothing" {
	local slot n_held

	configure '[listen tcp:127.0.0.1:0]' 'service = echo'
	server_start
	hold 100 "$(echo_address)" -N 100
	slot=$(slot_in_use)
	n_held=$(column workers open slot "$slot")
	kill -KILL "$(column workers keeper slot "$slot")"
	wait_until 20 stat_is connections.closed.killed "$n_held"
	wait_until 20 stat_is workers.running 2
	stat_is connections.open $((100 - n_held))
	stat_is connections.closed "$n_held"
	logged "keeper $slot: killed by SIGKILL"
	reload # and the new pair is one like the others
	stat_is connections.open $((100 - n_held))
	each_once 2
}

@test "master and keeper killed at once: what the keeper held is said to be lost" {
	local slot n_held

	configure '[listen tcp:127.0.0.1:0]' 'service = echo'
	server_start
	hold 100 "$(echo_address)" -N 100
	slot=$(slot_in_use)
	n_held=$(column workers open slot "$slot")
	kill -KILL "$SERVER" "$(column workers keeper slot "$slot")"
	wait "$SERVER" 2>/dev/null || true
	master_returns
	logged "keeper $slot: died with the former master; its connections are"
	not logged "keeper $((1 - slot)): died"
	wait_until 20 stat_is connections.closed.killed "$n_held"
	wait_until 20 stat_is workers.running 2
	stat_is connections.open $((100 - n_held))
	stat_is connections.closed "$n_held"
	each_once 2
	server_stop
	none_left
}

@test "killed with all its keepers, a server begins anew, and says what was lost" {
	configure '[listen tcp:127.0.0.1:0]' 'service = echo'
	server_start
	hold 50 "$(echo_address)" -N 50
	server_kill
	server_start
	stat_is connections.closed.killed 50
	stat_is connections.open 0
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)"
	each_once 2
}

@test "without a new master keepers serve on, then drain, and are gone" {
	local address

	server_config <<-END
		[server]
		workers = 2
		worker-connections = 100
		orphan-timeout = 1s
		drain-timeout = 200ms
		[listen tcp:127.0.0.1:0]
		service = echo
	END
	server_start
	address=$(echo_address)
	talk_begin talk "$address"
	talks hello
	master_dies
	is "an answer" hi "$("$GUICHET" send "$address" hi)"
	talks again
	none_left
	is "what says so" 2 "$(log_lines 'no new master has come; draining')"
	talk_end
	server_start
	stat_is connections.accepted 2
	stat_is connections.closed.drain 1
	stat_is connections.closed 2
}

@test "a new master lets a keeper go on that was stopped, and loses nothing" {
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	hold 20 "$(echo_address)" -N 40
	keeper_pids | xargs kill -STOP
	master_dies
	master_returns
	stat_is connections.open 20
	hold_end
	each_once 2
}

@test "a handler that takes long outlives its worker and the master" {
	GUICHETD=$BUILD/test/guichetd # has the service "slow"
	server_config <<-END
		[server]
		workers = 1
		hang-timeout = off
		[listen tcp:127.0.0.1:0]
		service = slow
	END
	server_start
	talk_begin talk "$(address_of slow)"
	echo "sleep 8000" >&5
	wait_until 20 in_a_handler
	kill -KILL "$SERVER" "$(worker_pids)"
	wait "$SERVER" 2>/dev/null || true
	# for longer than a new master waits for a keeper's answer
	master_returns
	wait_until 20 grep -q "sleep 8000" "$DIR/talk.out"
	stat_is connections.closed 0
	talk_end
	each_once 1
}

in_a_handler() {
	[ "$(column connections in_bytes)" != 0 ]
}

# orphans_drain: nobody is served any more, but who was there
orphans_drain() {
	wait_until 10 refuses
}

# refuses: at once
refuses() {
	! "$GUICHET" send -w 2s "$it" hi >"$DIR/refused" 2>&1 &&
		grep -q refused "$DIR/refused"
}

# drain_config WORKERS DRAIN-TIMEOUT: one listener, $it; 22 connections at the
# most, so that 400 are with 19 workers of 20 at least
drain_config() {
	server_config <<-END
		[server]
		workers = $1
		worker-connections = 22
		orphan-timeout = 200ms
		drain-timeout = $2
		[listen $it]
		service = echo
		name = it
	END
}

@test "orphans that drain go on with that under a new master, and refuse" {
	local it=tcp:127.0.0.1:0

	drain_config 2 60s
	server_start
	it=$(address_of it) # a socket that is lost is bound again, as it was
	server_stop
	drain_config 2 60s
	server_start
	hold 10 "$it" -N 20
	master_dies
	orphans_drain
	master_returns
	stat_is connections.open 10
	is "an answer" hi "$("$GUICHET" send "$it" hi)"
	kill -TERM "$SERVER"
	wait_until 10 refuses
	stat_is connections.open 10
	hold_end
	server_ends
	none_left
}

# master_of_twenty_returns: and finds that there are not as many slots, beside
# those that drain
master_of_twenty_returns() {
	local it=unix:$DIR/it.sock

	drain_config 20 8s
	server_start
	hold 400 "$it" -N 800
	master_dies
	orphans_drain
	master_returns
	logged 'no slot is free'
}

@test "as many as configured serve again when orphans have drained" {
	master_of_twenty_returns
	wait_until 20 twenty_serve
	wait_until 20 stat_is connections.closed.drain 400
}

@test "as many as configured serve again, though a reload failed meanwhile" {
	master_of_twenty_returns
	printf '%s\n' "[listen $(taken_address)]" 'service = echo' \
		>>"$DIR/guichetd.conf"
	tell reload
	is "the exit status" 1 "$status"
	stat_is connections.open 400
	wait_until 20 twenty_serve
}

twenty_serve() {
	is "who serves" 20 "$(column workers state | grep -c serving)"
}

@test "a first worker that has drained has a successor" {
	local other it=unix:$DIR/it.sock

	drain_config 2 60s
	server_start
	other=$(column workers pid slot 1)
	kill -STOP "$other"
	hold 10 "$it" -N 20
	kill -CONT "$other"
	master_dies
	orphans_drain
	master_returns
	column_is workers state "draining serving serving"
	hold_end
	# its keeper is the one that starts programs for datagrams
	wait_until 10 column_is workers state "serving serving"
	is "slots" "0 1" "$(column workers slot | xargs)"
}

@test "a new master brings the configuration into force that it is given" {
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo' \
		"[listen unix:$DIR/gone.sock]" 'service = echo' 'name = gone'
	hold 20 "$(echo_address)" -N 40
	configure '[listen tcp:127.0.0.1:0]' 'service = echo' \
		"[listen unix:$DIR/new.sock]" 'service = echo' 'name = new'
	sed -i 's/^workers = 2/workers = 3/' "$DIR/guichetd.conf"
	master_dies
	master_returns
	is "an answer" hi "$("$GUICHET" send "unix:$DIR/new.sock" hi)"
	[ ! -e "$DIR/gone.sock" ]
	wait_until 10 each_once 3
	stat_is connections.open 20
	hold_end
	server_stop
	none_left
}

@test "a new master whose configuration cannot follow serves on with what there was" {
	local address

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	address=$(echo_address)
	hold 20 "$address" -N 40
	sed -i 's/^\(worker-connections\) = .*/\1 = 5000/' "$DIR/guichetd.conf"
	master_dies
	master_returns
	logged 'worker-connections: the ledger has room for'
	logged 'serving on with the configuration in force'
	is "the address" "$address" "$(echo_address)"
	is "an answer" hi "$("$GUICHET" send "$address" hi)"
	each_once 2
	hold_end
	server_stop
	none_left
}

@test "a new master with a wrong configuration serves on with what there was" {
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	hold 20 "$(echo_address)" -N 40
	master_dies
	echo '[nonsense]' >>"$DIR/guichetd.conf"
	master_returns
	logged 'guichetd.conf:[0-9]*: unknown section'
	logged 'serving on with the configuration in force'
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)"
	stat_is connections.open 20
	hold_end
	server_stop
	none_left
}

# --- all of it at once --------------------------------------------------------

# anything: one of what can happen to a server; what is told may fail, for the
# master who was told may die, but it ends
anything() {
	case $((RANDOM % 6)) in
	0 | 1) tell_on reload ;;
	2)
		put_program "$DIR/$((RANDOM % 2))"
		tell_on upgrade
		;;
	3)
		tell_on reload
		tell_on upgrade
		;;
	4) kill -HUP "$SERVER" && kill -USR2 "$SERVER" ;;
	5)
		[ $((RANDOM % 2)) = 0 ] || tell_on reload
		[ $((RANDOM % 2)) = 0 ] || sleep "0.0$((RANDOM % 6))"
		master_dies
		server_launch -c "$DIR/guichetd.conf"
		# the next may kill it before it has adopted anybody
		[ $((RANDOM % 3)) = 0 ] || wait_until 20 has_begun_again
		;;
	esac
}

tell_on() {
	timeout 60 "$BUILD/guichetd" -r "$DIR" -n t -s "$1" \
		>>"$DIR/told.out" 2>&1 3>&- &
	told+=($!)
}

has_begun_again() {
	is_running "$SERVER" || { cat "$LOG"; return 1; }
	logged '^guichetd: ready: '
}

@test "reloads, upgrades, dying masters and workers, all during one another" {
	local told=() pid status storm

	next_program
	cp "$DIR/next" "$DIR/0"
	cp "$GUICHETD" "$DIR/1"
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	keeper_pids >"$DIR/keepers"
	load_begin "$(echo_address)"
	background storm "$TOOLS/storm" "$DIR/t.ledger" 10 30
	storm=$!
	RANDOM=${GUICHET_SEED:-7}
	SECONDS=0
	while [ "$SECONDS" -lt "$CHAOS_S" ]; do
		anything
		sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
	done
	for pid in "${told[@]}"; do
		status=0
		wait "$pid" || status=$?
		[ "$status" -lt 2 ] || { cat "$DIR/told.out"; return 1; }
	done
	kill -KILL "$storm"
	wait "$storm" 2>/dev/null || true
	wait_until 20 has_begun_again
	upgrade_to "$DIR/next"
	everyone_is "$NEXT_VERSION"
	wait_until 20 each_once 2
	is "keepers" "$(cat "$DIR/keepers")" "$(keeper_pids)"
	echo "# $(counter workers.deaths) workers killed," \
		"$((${#SERVERS[@]} - 1)) masters" >&3
	load_end
	counted_alike
	server_stop
	none_left
}

# --- what crashes again and again ---------------------------------------------

# crashing: the next program is one that a test can tell to die
crashing() {
	crash_setup
	next_program "$BUILD/test/guichetd"
	GUICHETD=$BUILD/guichetd
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	hold 20 "$(echo_address)" -N 40
}

# nothing_happened [CLOSED]: the version of before serves, with all its
# connections
nothing_happened() {
	everyone_is "$VERSION"
	each_once 2
	stat_is connections.open 20
	stat_is connections.closed "${1-0}"
	hold_end
	arm
}

@test "a new program whose worker dies in the rehearsal changes nothing" {
	crashing
	note_all
	arm "resume-begun always"
	put_program "$DIR/next"
	tell upgrade
	changes_nothing 1
	grep -q 'a worker of the new kind was tried;' <<<"$output"
	stat_is workers.deaths 0
	nothing_happened 1 # the one of changes_nothing
}

# The master reads that a keeper could not, and that its worker serves on, at
# once.
@test "a new program that no keeper can execute is taken back" {
	local told=()

	crash_setup
	next_program "$BUILD/test/guichetd"
	GUICHETD=$BUILD/test/guichetd
	own_program
	server_config < <(printf '%s\n' '[server]' 'workers = 1' \
		'worker-connections = 100' '[listen tcp:127.0.0.1:0]' \
		'service = echo')
	server_start
	arm "rehearsal-passed stop" "plan-sent stop"
	put_program "$DIR/next"
	tell_on upgrade
	wait_until 10 is_stopped "$SERVER"
	chmod -x "$DIR/guichetd"
	kill -CONT "$SERVER"
	wait_until 10 logged 'keeper 0: cannot be renewed: '
	logged 'keeper 0: its program cannot be executed: Permission denied'
	wait_until 10 is_stopped "$SERVER"
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)"
	kill -CONT "$SERVER"
	not wait "${told[0]}"
	everyone_is "$VERSION"
	each_once 1
}

@test "a keeper that is replaced while a new program is tried is no new one" {
	local told=() worker begun

	crash_setup
	next_program "$BUILD/test/guichetd"
	GUICHETD=$BUILD/guichetd
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	begun=$(now_ms)
	wait_until 5 is_past $((begun + 1000)) # then it is replaced at once
	arm "resume-begun stop"
	put_program "$DIR/next"
	tell_on upgrade
	wait_until 10 reached 0
	worker=$(stopped_worker)
	kill -KILL "$(column workers keeper slot 0)"
	wait_until 10 logged 'keeper 0: killed by SIGKILL'
	wait_until 10 stat_is workers.running 2
	kill -KILL "$(parent_of "$worker")"
	not wait "${told[0]}"
	wait_until 10 each_once 2
	everyone_is "$VERSION"
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)"
}

is_past() {
	[ "$(now_ms)" -gt "$1" ]
}

stopped_worker() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v leader="$SERVER" '
		{ pid = $1; sub(/^[0-9]+ \(.*\) /, "") }
		$4 == leader && $1 == "T" { print pid }'
}

@test "a new program whose worker dies of the connections there are is taken back" {
	crashing
	arm "watched always"
	put_program "$DIR/next"
	tell upgrade
	cat "$LOG"
	is "the exit status" 1 "$status"
	grep -q 'dies before it serves' <<<"$output"
	logged 'everything is as it was before'
	stat_above workers.deaths 0
	nothing_happened
}

# crashes_in_use: whoever is served, until the upgrade is taken back; $n: the
# first who was answered then
crashes_in_use() {
	arm "handled always"
	for n in $(seq 40); do
		! "$GUICHET" send -w 20s "$(echo_address)" hi >/dev/null 2>&1 ||
			break
	done
	wait_until 20 logged 'everything is as it was before'
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)" || return
	[ "$n" -lt 40 ]
	logged 'since the upgrade; going back to what was before' || return
	wait_until 20 everyone_is "$VERSION"
}

@test "a reload that is refused does not keep a new program that crashes" {
	local n

	crashing
	put_program "$DIR/next"
	tell upgrade
	is_done
	echo '[nonsense]' >>"$DIR/guichetd.conf"
	tell reload
	is "the exit status" 2 "$status"
	crashes_in_use
	hold_end
}

@test "a new program that crashes in use is taken back, others serve meanwhile" {
	local n

	crashing
	put_program "$DIR/next"
	tell upgrade
	is_done
	everyone_is "$NEXT_VERSION"
	crashes_in_use
	wait_until 10 stat_is connections.open 20
	is "the crashed, and two answered" $((n + 1)) "$(counter connections.closed)"
	hold_end
}

@test "a new program whose keeper crashes in use is taken back" {
	next_program
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	upgrade_to "$DIR/next"
	kill -ABRT "$(column workers keeper slot 0)"
	wait_until 20 logged 'everything is as it was before'
	logged 'keeper 0: has died of itself since the upgrade; going back'
	wait_until 10 each_once 2
	everyone_is "$VERSION"
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)"
}

@test "with a program that is taken back, removed listeners come back, too" {
	local address gone

	crash_setup
	next_program "$BUILD/test/guichetd"
	GUICHETD=$BUILD/guichetd
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo' \
		'[listen tcp:127.0.0.1:0]' 'service = echo' 'name = gone'
	address=$(echo_address)
	gone=$(address_of gone)
	configure "[listen $address]" 'service = echo' "[listen $gone]" \
		'service = echo' "[listen unix:$DIR/gone.sock]" 'service = echo'
	reload
	hold 20 "$address" -N 40
	configure "[listen $address]" 'service = echo'
	arm "watched always"
	put_program "$DIR/next"
	tell upgrade
	is "the exit status" 1 "$status"
	arm
	is "an answer" hi "$("$GUICHET" send "$gone" hi)"
	is "an answer" hi "$("$GUICHET" send "unix:$DIR/gone.sock" hi)"
	everyone_is "$VERSION"
	hold_end
	reload
	is_refused "$gone"
	[ ! -e "$DIR/gone.sock" ]
}

@test "a new program that crashes under load costs what crashed, no other" {
	local address status=0

	crashing
	address=$(echo_address)
	put_program "$DIR/next"
	tell upgrade
	is_done
	background stream "$GUICHET" bench "$address" -c 100 -s 1-20k -R 300 \
		-d 10m -w 60s -o json
	stream=$!
	wait_until 10 stat_is connections.open 120
	arm "sent always"
	wait_until 20 logged 'everything is as it was before'
	wait_until 20 everyone_is "$VERSION"
	kill -INT "$stream"
	wait "$stream" || status=$?
	is "the client's exit status" 1 "$status"
	wait_until 10 stat_is connections.open 20
	echo "# $(counter workers.deaths) deaths cost" \
		"$(counter connections.closed.crash) connections" >&3
	stat_is connections.closed.crash "$(json "$DIR/stream.out" failed)"
	stat_is connections.closed.eof \
		$((100 - $(json "$DIR/stream.out" failed)))
	BACKGROUND=("${BACKGROUND[1]}" "${BACKGROUND[0]}") # for hold_end
	hold_end
}

@test "a new configuration that crashes in use is taken back" {
	local n address

	crash_setup
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo' 'name = it'
	address=$(column listeners address name it)
	hold 20 "$address" -N 40
	configure "[listen $address]" 'service = poison' 'name = it'
	reload
	for n in $(seq 40); do
		! "$GUICHET" send -w 20s "$address" abort >/dev/null 2>&1 ||
			break
	done
	wait_until 20 logged 'everything is as it was before'
	is "an answer" hi "$("$GUICHET" send "$address" hi)"
	logged 'since the reload; going back to what was before'
	[ "$n" -lt 40 ]
	wait_until 10 stat_is connections.open 20
	hold_end
}

# --- a configuration that is wrong --------------------------------------------

# wrong LINE WHAT TEXT: with a configuration of that text (as printf %b takes
# it) a reload says so, and changes nothing
wrong() {
	printf '%b' "$3" >"$DIR/guichetd.conf"
	tell reload
	grep -F -- "$DIR/guichetd.conf:$1: " <<<"$output" |
		grep -q -F -- "$2" || {
		printf 'not said: %s\nbut:      %s\n' "$1: $2" "$output"
		return 1
	}
	changes_nobody 2 || { printf 'after: %b' "$3"; return 1; }
	n_wrong=$((n_wrong + 1))
}

# in_server LINE..., in_listen LINE...: the text for wrong, its line 3, or 4
in_server() {
	local text="[server]\nworkers = 2\n$1\n[listen tcp:127.0.0.1:0]\n"

	wrong 3 "$2" "${text}service = echo\n"
}

in_listen() {
	wrong 3 "$2" "[listen tcp:127.0.0.1:0]\nservice = ${3-echo}\n$1\n"
}

begin_for_wrong() {
	n_wrong=0
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	talk_begin talk "$(echo_address)"
	talks hello
	note_all
}

end_for_wrong() {
	everyone_is "$VERSION"
	talks "still here"
	talk_end
	configure '[listen tcp:127.0.0.1:0]' 'service = echo'
	reload
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)"
}

@test "a reload to a configuration that is wrong in any way changes nothing" {
	local listen='[listen tcp:127.0.0.1:0]\nservice = echo\n' before

	begin_for_wrong
	# the file
	wrong 1 'not text (it has a NUL byte)' 'na\0000me = x\n'
	wrong 1 'not text (byte 0x1b' '\0033[server]\n'
	wrong 1 'line is longer than 4096 bytes' "#$(printf '%4096s' '')\n"
	# sections
	wrong 1 'unknown section [sever]' "[sever]\n$listen"
	wrong 1 'a section'\''s line ends with "]"' "[server\n$listen"
	wrong 1 'a section has no name' "[]\n$listen"
	wrong 1 '"workers" stands before' "workers = 2\n$listen"
	wrong 2 '[server] twice' "[server]\n[server]\n$listen"
	wrong 1 '[server] takes no "main"' "[server main]\n$listen"
	wrong 1 '[listen] without an address' '[listen]\nservice = echo\n'
	wrong 1 '[listen nonsense]: does not begin' \
		'[listen nonsense]\nservice = echo\n'
	wrong 1 '[listen tcp:*:70000]: the port is above 65535' \
		'[listen tcp:*:70000]\nservice = echo\n'
	wrong 1 '[listen tcp:*:7] without a service' '[listen tcp:*:7]\n'
	wrong 3 '[listen tcp:*:7] twice' '[listen tcp:*:7]\nservice = echo
[listen tcp:*:7]\nservice = echo\n'
	wrong 6 'name "a" twice' '[listen tcp:*:7]\nservice = echo\nname = a
[listen udp:*:7]\nservice = echo\nname = a\n'
	# directives
	in_server 'wokers = 2' 'unknown directive "wokers"; did you mean'
	in_server 'service = echo' '"service" belongs into [listen ADDRESS]'
	in_server 'workers = 3' '"workers" twice'
	in_server 'user' 'no "=" after "user"'
	in_server '= 4' 'no name before "="'
	in_server 'user =' '"user" has no value'
	in_server 'user = "a' 'user: the quote has no end'
	in_server 'user = "a" b' 'user: text follows the closing quote'
	in_listen 'mode = 0600' '"mode" means nothing for'
	in_listen 'entries = 1' 'unknown directive "entries"'
	# values
	wrong 2 'workers: "0" is not' "[server]\nworkers = 0\n$listen"
	in_server 'worker-connections = many' 'is not a number from 1 to'
	in_server 'worker-connections = 1048576' 'do not fit the hard limit'
	in_server 'drain-timeout = 10' 'is not a duration'
	in_server 'hang-timeout = 9ms' 'is not from 10ms to 1d'
	in_server 'max-worker-memory = 64M' 'is not a size'
	in_server 'max-spare = 0' 'is not a number from 1 to 128'
	in_server 'log-level = inof' 'did you mean "info"?'
	in_server 'name = a/b' 'is not a name'
	in_server 'user = no-such-user' 'is not a user of this machine'
	in_listen 'backlog = 0' 'is not a number from 1 to 65535'
	in_listen 'idle-timeout = soon' 'is not a duration'
	wrong 2 'service: "ehco" is not a service; did you mean "echo"?' \
		'[listen tcp:*:7]\nservice = ehco\n'
	# what a service, a program or a module says
	in_listen 'file = nowhere' 'file: "nowhere" cannot be read' qotd
	in_listen 'command = /nosuch' 'cannot be run: /nosuch: No such' exec
	in_listen 'amplification = on' \
		'amplification: is a setting of service' echo
	wrong 1 '[listen udp:*:19]: answers larger' \
		'[listen udp:*:19]\nservice = chargen\n'
	wrong 2 "\"$DIR/no.so\"" \
		"[listen tcp:*:7]\nservice = $DIR/no.so\n"
	[ "$n_wrong" -ge 40 ]
	end_for_wrong
}

# impossible STATUS WHAT LINE...: what is right by itself, but cannot be now
impossible() {
	local status_wanted=$1 what=$2

	shift 2
	server_config < <(printf '%s\n' "$@")
	tell reload
	grep -q -F -- "$what" <<<"$output" || {
		printf 'not said: %s\nbut:      %s\n' "$what" "$output"
		return 1
	}
	changes_nothing "$status_wanted"
}

# taken_address: of a server that will stay
taken_address() {
	"$GUICHETD" -r "$DIR" -n other -w 1 -l tcp:127.0.0.1:0=echo \
		>"$DIR/other.log" 2>&1 3>&- </dev/null &
	echo $! >"$DIR/other.pid"
	wait_until 10 grep -q ready: "$DIR/other.log"
	sed -n 's/.* listening on //p' "$DIR/other.log"
}

@test "a reload to what is impossible now changes nothing" {
	local before taken good=('[server]' 'workers = 2'
		'worker-connections = 1000' '[listen tcp:127.0.0.1:0]'
		'service = echo')

	taken=$(taken_address)
	begin_for_wrong
	impossible 1 'address already in use' "${good[@]}" "[listen $taken]" \
		'service = echo'
	: >"$DIR/file"
	impossible 1 'there is a file that is no socket' "${good[@]}" \
		"[listen unix:$DIR/file]" 'service = echo'
	[ -f "$DIR/file" ]
	impossible 1 'No such file or directory' "${good[@]}" \
		"[listen unix:$DIR/not/there]" 'service = echo'
	impossible 1 'not an address of this machine' "${good[@]}" \
		'[listen tcp:192.0.2.1:7]' 'service = echo'
	impossible 2 'worker-connections: the ledger has room for 1000, no' \
		"${good[@]:0:2}" 'worker-connections = 1001' "${good[@]:3}"
	impossible 2 'workers: the ledger has room for 18, no more' '[server]' \
		'workers = 128' "${good[@]:2}"
	impossible 2 'user: is another one' "${good[@]:0:3}" 'user = nobody' \
		"${good[@]:3}"
	end_for_wrong
}

@test "a configuration that is gone, or cannot be read, changes nothing" {
	local before

	begin_for_wrong
	mv "$DIR/guichetd.conf" "$DIR/away"
	tell reload
	changes_nothing 2
	is "what it says" \
		"$DIR/guichetd.conf: No such file or directory" "$(first_line)"
	mkdir "$DIR/guichetd.conf"
	tell reload
	changes_nothing 2
	is "what it says" "$DIR/guichetd.conf: Is a directory" "$(first_line)"
	rmdir "$DIR/guichetd.conf"
	end_for_wrong
}

# In a directory that is full, or is not ours to write any more, t.config.new
# cannot be written; and neither can it be where a directory is.

@test "a reload whose configuration cannot be kept changes nothing" {
	local before gone

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo' \
		'[listen tcp:127.0.0.1:0]' 'service = echo' 'name = gone' \
		"[listen unix:$DIR/gone.sock]" 'service = echo' 'name = file'
	gone=$(address_of gone)
	talk_begin talk "$(echo_address)"
	talks hello
	note_all
	configure '[listen tcp:127.0.0.1:0]' 'service = echo' \
		"[listen unix:$DIR/new.sock]" 'service = echo' 'name = new'
	mkdir "$DIR/t.config.new"
	tell reload
	changes_nothing 1
	is "what it says" "$DIR: cannot keep the configuration in force: File \
exists" "$(first_line)"
	is "an answer" hi "$("$GUICHET" send "$gone" hi)"
	is "an answer" hi "$("$GUICHET" send "unix:$DIR/gone.sock" hi)"
	[ ! -e "$DIR/new.sock" ]
	talks "still here"
	talk_end
	rmdir "$DIR/t.config.new"
	reload
	is_refused "$gone"
	is "an answer" hi "$("$GUICHET" send "unix:$DIR/new.sock" hi)"
}

@test "a new master whose configuration cannot be kept serves on all the same" {
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	talk_begin talk "$(echo_address)"
	talks hello
	mkdir "$DIR/t.config.new"
	master_dies
	server_launch -c "$DIR/guichetd.conf" 5>&-
	wait_until 20 logged 'adoption: failed; workers stay what they are'
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)"
	wait_until 20 stat_is connections.open 1
	kill -KILL "$(column workers keeper open 0)"
	wait_until 10 each_once 2
	tell reload
	is "the exit status" 1 "$status"
	rmdir "$DIR/t.config.new"
	reload
	each_once 2
	talks "still here"
	talk_end
	server_stop
}

@test "a stop after an adoption that could not be kept refuses who comes" {
	local gone

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo' \
		'[listen tcp:127.0.0.1:0]' 'service = echo' 'name = gone'
	gone=$(address_of gone)
	talk_begin talk "$(echo_address)"
	talks hello
	configure '[listen tcp:127.0.0.1:0]' 'service = echo'
	mkdir "$DIR/t.config.new"
	master_dies
	server_launch -c "$DIR/guichetd.conf" 5>&-
	wait_until 20 logged 'adoption: failed; workers stay what they are'
	is "an answer" hi "$("$GUICHET" send "$gone" hi)"
	kill -TERM "$SERVER"
	wait_until 20 is_refused "$gone"
	talks "still here"
	talk_end
	server_ends
}

# --- what a reload changes ----------------------------------------------------

is_refused() {
	local answer

	answer=$("$GUICHET" send -w 2s "$1" hi 2>&1) && return 1
	grep -q 'Connection refused' <<<"$answer"
}

address_of() {
	column listeners address name "$1" | head -n 1
}

@test "a listener that is added opens, and one that is removed keeps its connections" {
	local kept gone

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo' 'name = kept' \
		"[listen unix:$DIR/gone.sock]" 'service = echo' 'name = file' \
		'[listen tcp:*:0]' 'service = echo' 'name = gone'
	kept=$(address_of kept)
	gone=127.0.0.1:$(server_port gone)
	talk_begin talk "$gone"
	talks hello
	configure '[listen tcp:127.0.0.1:0]' 'service = echo' 'name = kept' \
		"[listen unix:$DIR/new.sock]" 'service = echo' 'name = new'
	reload
	is "the kept one's address" "$kept" "$(address_of kept)"
	is "its answer" hi "$("$GUICHET" send "$kept" hi)"
	is "the new one's" hi "$("$GUICHET" send "unix:$DIR/new.sock" hi)"
	[ ! -e "$DIR/gone.sock" ]
	is_refused "$gone"
	talks "still here"
	reload # once more, with what is left of it
	talks "and again"
	is "open" 1 "$(counter listener.gone.connections.open)"
	talk_end
	wait_until 20 stat_is connections.open 0
	stat_is connections.closed.eof 3
	server_stop
	[ ! -e "$DIR/new.sock" ]
}

@test "a listener that comes again on another port leaves who was there alone" {
	local other=("[listen unix:$DIR/other.sock]" 'service = echo'
		'name = other')

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo' "${other[@]}"
	hold 20 "$(address_of echo)" -N 40
	configure "${other[@]}"
	reload
	# the kernel chooses the port, so the former one's entry is of no use
	configure '[listen tcp:127.0.0.1:0]' 'service = echo' "${other[@]}"
	reload
	is "an answer" hi "$("$GUICHET" send "$(new_address)" hi)"
	reload
	master_dies
	master_returns
	stat_is connections.open 20
	hold_end
	wait_until 10 stat_is connections.open 0
	stat_is connections.closed.eof 21
	stat_is connections.closed 21
}

# new_address: of the listener that accepts, not of the one that is retired
new_address() {
	readout -o tsv listeners | awk '$1 == "echo" && /listening/ { print $2 }'
}

@test "a listener may come and go as often as one likes" {
	local n

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	for n in $(seq 8); do
		configure '[listen tcp:127.0.0.1:0]' 'service = echo' \
			"[listen unix:$DIR/$n.sock]" 'service = echo' \
			'[listen udp:127.0.0.1:0]' 'service = echo' \
			"name = d$n"
		reload
		is "an answer" hi "$("$GUICHET" send "unix:$DIR/$n.sock" hi)"
		is "a datagram's" hi "$("$GUICHET" send "$(address_of "d$n")" hi)"
		[ ! -e "$DIR/$((n - 1)).sock" ]
	done
	stat_is workers.deaths 0
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)"
}

@test "more workers, then fewer: each comes or goes, and no connection notices" {
	server_config < <(printf '%s\n' '[server]' 'workers = 2' \
		'worker-connections = 100' '[listen tcp:127.0.0.1:0]' \
		'service = echo')
	server_start
	hold 60 "$(echo_address)" -N 120
	sed -i 's/^workers = .*/workers = 4/' "$DIR/guichetd.conf"
	reload
	stat_is workers.running 4
	each_once 4
	sed -i 's/^workers = .*/workers = 1/' "$DIR/guichetd.conf"
	reload
	stat_is connections.open 60
	logged 'reload: done in .*, 1 workers$'
	hold_end
	wait_until 10 stat_is workers.running 1
	wait_until 10 each_once 1
	stat_is connections.closed.eof 60
	stat_is workers.deaths 0
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)"
}

@test "a new idle-timeout holds for connections that there are" {
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	hold 20 "$(echo_address)"
	configure '[listen tcp:127.0.0.1:0]' 'service = echo' \
		'idle-timeout = 300ms'
	reload
	wait_until 10 stat_is connections.closed.idle 20
	stat_is connections.closed 20
}

@test "no idle-timeout any more: it does not close whom there are" {
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo' \
		'idle-timeout = 3s' '[listen tcp:127.0.0.1:0]' \
		'service = echo' 'idle-timeout = 4s' 'name = clock'
	hold 20 "$(echo_address)" -N 40
	configure '[listen tcp:127.0.0.1:0]' 'service = echo' \
		'[listen tcp:127.0.0.1:0]' 'service = echo' \
		'idle-timeout = 4s' 'name = clock'
	reload
	"$GUICHET" talk "$(address_of clock)" < <(sleep 30) >/dev/null
	stat_is listener.clock.connections.closed.idle 1
	stat_is listener.echo.connections.closed 0
	hold_end
}

@test "settings of a service hold for the connections that come" {
	echo first >"$DIR/q"
	begin_with '[listen tcp:127.0.0.1:0]' 'service = qotd' "file = $DIR/q"
	is "the quotation" first "$(quotation)"
	echo second >"$DIR/q"
	is "before the reload" first "$(quotation)"
	reload
	is "after the reload" second "$(quotation)"
	echo third >"$DIR/other"
	configure '[listen tcp:127.0.0.1:0]' 'service = qotd' \
		"file = $DIR/other"
	reload
	is "of another file" third "$(quotation)"
	rm "$DIR/other"
	tell reload
	is "the exit status without it" 2 "$status"
	is "after that" third "$(quotation)"
}

quotation() {
	"$GUICHET" talk "$(address_of qotd)" </dev/null | tr -d '\r'
}

@test "another service on the same address: who was there keeps what he had" {
	local address

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo' 'name = it' \
		"[listen unix:$DIR/it.sock]" 'service = echo' 'name = file'
	address=$(address_of it)
	configure "[listen $address]" 'service = echo' 'name = it' \
		"[listen unix:$DIR/it.sock]" 'service = echo' 'name = file'
	reload
	is "the address" "$address" "$(address_of it)"
	talk_begin talk "$address"
	talks hello
	configure "[listen $address]" 'service = discard' 'name = it' \
		"[listen unix:$DIR/it.sock]" 'service = discard' 'name = file'
	reload
	talks "still an echo"
	is "what new ones hear" "" "$("$GUICHET" talk "$address" <<<hi)"
	is "and there" "" "$("$GUICHET" talk "unix:$DIR/it.sock" <<<hi)"
	configure "[listen $address]" 'service = echo' 'name = it' \
		"[listen unix:$DIR/it.sock]" 'service = echo' 'name = file'
	reload
	talks "the same one"
	is "what new ones hear" hi "$("$GUICHET" send "$address" hi)"
	is "and there" hi "$("$GUICHET" send "unix:$DIR/it.sock" hi)"
	talk_end
	stat_is workers.deaths 0
}

@test "a socket's file is the new listener's, while the former has connections" {
	begin_with "[listen unix:$DIR/it.sock]" 'service = echo'
	talk_begin talk "unix:$DIR/it.sock"
	talks hello
	configure '[listen tcp:127.0.0.1:0]' 'service = echo'
	reload
	[ ! -e "$DIR/it.sock" ]
	configure "[listen unix:$DIR/it.sock]" 'service = echo' 'name = new'
	reload
	is "an answer" hi "$("$GUICHET" send "unix:$DIR/it.sock" hi)"
	reload
	is "an answer" hi "$("$GUICHET" send "unix:$DIR/it.sock" hi)"
	talks "still here"
	talk_end
}

@test "programs run on over a reload, an upgrade, and another master" {
	local pid

	next_program
	begin_with '[listen tcp:127.0.0.1:0]' 'service = exec' \
		'command = /bin/cat'
	talk_begin talk "$(address_of exec)"
	talks hello
	pid=$(column connections pid)
	is_running "$pid"
	reload
	talks "after a reload"
	upgrade_to "$DIR/next"
	talks "after an upgrade"
	is "the program" "$pid" "$(column connections pid)"
	configure '[listen tcp:127.0.0.1:0]' 'service = exec' \
		'command = /bin/echo another one'
	reload
	talks "after another command"
	is "what new ones hear" "another one" \
		"$("$GUICHET" talk "$(address_of exec)" </dev/null)"
	master_dies
	master_returns
	talks "after the master died"
	is "the program" "$pid" "$(column connections pid)"
	talk_end
	wait_until 10 not is_running "$pid"
	wait_until 10 stat_is connections.closed.eof 2
	stat_is connections.closed 2
	server_stop
	none_left
}

# programs_say WHERE: a keeper has a pipe for each program, or none
programs_say() {
	configure '[listen tcp:127.0.0.1:0]' 'service = exec' \
		'command = cat' "stderr = $1" \
		'[listen tcp:127.0.0.1:0]' 'service = echo'
	sed -i -e 's/^workers = 2/workers = 1/' \
		-e 's/^\(worker-connections\) = .*/\1 = 300/' \
		"$DIR/guichetd.conf"
}

@test "a keeper that needs less descriptors than before keeps every connection" {
	programs_say log
	server_start
	hold 290 "$(address_of exec)" -N 580
	exec 6>&5
	talk_begin talk "$(echo_address)"
	talks hello
	programs_say null
	reload
	talks again
	stat_is connections.open 291
	stat_is connections.closed 0
	talk_end
	exec 5>&6 6>&-
	BACKGROUND=("${BACKGROUND[@]:1}" "${BACKGROUND[0]}") # for hold_end
	hold_end
	stat_is workers.deaths 0
}

@test "a worker that is full, with 300 listeners, is renewed all the same" {
	{
		printf '%s\n' '[server]' 'workers = 1' 'worker-connections = 400'
		for i in {1..300}; do
			printf '%s\n' "[listen unix:$DIR/$i.sock]" \
				'service = echo' "name = l$i"
		done
	} | server_config
	server_start
	hold 400 "unix:$DIR/1.sock" -N 800
	reload
	stat_is connections.open 400
	hold_end
}

@test "unix connections, and datagrams, over reloads and an upgrade" {
	local n

	next_program
	begin_with "[listen unix:$DIR/it.sock]" 'service = echo' 'name = it' \
		'[listen udp:127.0.0.1:0]' 'service = echo' 'name = datagrams'
	background stream "$GUICHET" bench "unix:$DIR/it.sock" -c 50 -P 4 \
		-s 1-20k -d 10m -w 60s -o json
	stream=$!
	background datagrams "$GUICHET" bench "$(address_of datagrams)" -c 20 \
		-R 1000 -d 10m -w 5s -o json
	wait_until 10 stat_above messages 100
	for n in $(seq 10); do reload; done
	upgrade_to "$DIR/next"
	kill -INT "$stream" "$!"
	client_is_well datagrams "$!"
	client_is_well stream "$stream"
	wait_until 20 stat_is connections.open 0
	stat_is connections.accepted 50
	stat_is connections.closed.eof 50
	stat_is datagrams.in "$(json "$DIR/datagrams.out" requests)"
	stat_is datagrams.out "$(json "$DIR/datagrams.out" requests)"
}

# --- asking -------------------------------------------------------------------

@test "those who ask while a reload is under way are answered, too" {
	local pids=() pid

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	for pid in 1 2 3 4 5; do
		"$BUILD/guichetd" -r "$DIR" -n t -s reload \
			>>"$DIR/told" 2>&1 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	is "what they say" "" "$(cat "$DIR/told")"
	each_once 2
}

@test "who asks while a reload is under way hears of one that began later" {
	local n first

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	for n in $(seq 8); do
		"$BUILD/guichetd" -r "$DIR" -n t -s reload >"$DIR/told" 2>&1 \
			3>&- &
		first=$!
		sleep "0.00$n"
		configure '[listen tcp:127.0.0.1:0]' 'service = echo' \
			"[listen unix:$DIR/$n.sock]" 'service = echo'
		reload
		is "an answer" hi "$("$GUICHET" send "unix:$DIR/$n.sock" hi)"
		wait "$first"
	done
}

@test "HUP and USR2 do what -s reload and -s upgrade do" {
	next_program
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	hold 20 "$(echo_address)" -N 40
	configure '[listen tcp:127.0.0.1:0]' 'service = echo' \
		"[listen unix:$DIR/new.sock]" 'service = echo' 'name = new'
	kill -HUP "$SERVER"
	wait_until 20 logged 'reload: done'
	is "an answer" hi "$("$GUICHET" send "unix:$DIR/new.sock" hi)"
	put_program "$DIR/next"
	kill -USR2 "$SERVER"
	wait_until 20 logged 'upgrade: done'
	everyone_is "$NEXT_VERSION"
	echo '[nonsense]' >>"$DIR/guichetd.conf"
	kill -HUP "$SERVER"
	wait_until 20 logged "guichetd.conf:[0-9]*: unknown section"
	stat_is connections.open 20
	hold_end
}

@test "a server that is stopping refuses a reload, and ends as it was told" {
	local word

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	talk_begin talk "$(echo_address)"
	talks hello
	kill -TERM "$SERVER"
	wait_until 10 logged 'draining'
	for word in reload upgrade; do
		tell "$word"
		is "the exit status of $word" 1 "$status"
		is "what it says" "$word: the server is stopping" \
			"$(first_line)"
	done
	talks "still here"
	talk_end
	server_ends
}

@test "a stop during a reload stops: nobody is left" {
	local told

	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	hold 20 "$(echo_address)"
	"$BUILD/guichetd" -r "$DIR" -n t -s reload >"$DIR/told" 2>&1 3>&- &
	told=$!
	sleep 0.0$((RANDOM % 3))
	server_stop
	wait "$told" || is "the exit status" 1 "$?"
	none_left
	[ ! -e "$DIR/t.config" ]
}

# stop_when_over POINT: TERM, when what the master tries at that point has ended
# and it does not know yet
stop_when_over() {
	crash_setup
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	talk_begin talk "$(echo_address)"
	talks hello
	arm "$1 stop"
	kill -HUP "$SERVER"
	wait_until 10 is_stopped "$SERVER"
	wait_until 10 has_zombies 1
	kill -TERM "$SERVER"
	kill -CONT "$SERVER"
	wait_until 10 logged 'draining'
	talks "still here"
	talk_end
	server_ends
	is "what it says of the reload" 'given up, for the server is stopping' \
		"$(sed -n 's/^guichetd: reload: //p' "$LOG")"
	not logged 'go back\|its keeper\|its test'
}

is_stopped() {
	grep -q '^State:.T' "/proc/$1/status"
}

# has_zombies N: children that the master has not waited for
has_zombies() {
	is "zombies" "$1" "$(cat /proc/[0-9]*/stat 2>/dev/null |
		sed 's/.*) //' | grep -c "^Z $SERVER ")"
}

@test "a stop at the end of a reload's trial is obeyed, and loses nothing" {
	stop_when_over trial-begun
}

@test "a stop at the end of a reload's rehearsal is obeyed, and loses nothing" {
	stop_when_over rehearsal-begun
}

@test "a keeper that dies as a reload fails is replaced" {
	local taken trial keeper

	crash_setup
	taken=$(taken_address)
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	configure '[listen tcp:127.0.0.1:0]' 'service = echo' \
		"[listen $taken]" 'service = echo'
	arm "trial-tested stop"
	kill -HUP "$SERVER"
	wait_until 10 trial_is_stopped
	kill -TTIN "$SERVER" # a keeper that is younger than the trial
	wait_until 10 stat_is workers.running 3
	keeper=$(column workers keeper slot 2)
	kill -STOP "$SERVER"
	wait_until 10 is_stopped "$SERVER"
	kill -KILL "$keeper"
	kill -CONT "$trial"
	wait_until 10 has_zombies 3 # the trial, the keeper, and its worker
	kill -CONT "$SERVER"
	wait_until 10 logged 'everything is as it was before'
	wait_until 10 logged 'keeper 2: killed by SIGKILL'
	wait_until 10 each_once 3
}

# trial_is_stopped: the one child of the master that is; its pid is $trial
trial_is_stopped() {
	trial=$(cat /proc/[0-9]*/stat 2>/dev/null |
		sed -n "s/^\([0-9]*\) (.*) T $SERVER .*/\1/p")
	[ -n "$trial" ]
}

@test "after a reload that failed late, what it had opened is closed again" {
	crash_setup
	begin_with '[listen tcp:127.0.0.1:0]' 'service = echo'
	configure '[listen tcp:127.0.0.1:0]' 'service = echo' \
		"[listen unix:$DIR/new.sock]" 'service = echo' 'name = new'
	arm "resume-begun always"
	tell reload
	is "the exit status" 1 "$status"
	arm
	[ ! -e "$DIR/new.sock" ]
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)"
	reload
	is "an answer" hi "$("$GUICHET" send "unix:$DIR/new.sock" hi)"
	is "an answer" hi "$("$GUICHET" send "$(echo_address)" hi)"
}
