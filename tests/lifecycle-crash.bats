#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# lifecycle-crash.bats - masters and keepers may die at every step, too
#
# Of a reload, a birth, an adoption and a way back: a master's death costs
# nothing, a keeper's what it held. Under it all lie connections that are
# silent, in the middle of a message, and new all the time, over TCP and unix
# sockets. The table of points is server/crash.h.

load helpers

TABLE=$BATS_TEST_DIRNAME/../server/crash.h

setup() {
	crash_setup
	LOADS=() HELD=()
}

teardown() {
	server_teardown
}

# points KINDS: the names of the points whose `on` is one of these letters
points() {
	sed -n "s/^\tP([A-Z_]*, \"\([a-z-]*\)\", \"[$1]\").*/\1/p" "$TABLE"
}

# --- the server ---------------------------------------------------------------

# config_with [WORKERS [LISTENER]]: that one is there or not
config_with() {
	server_config <<-END
		[server]
		workers = ${1:-2}
		worker-connections = 256
		orphan-timeout = 30s
		[listen tcp:127.0.0.1:0]
		service = echo
		name = tcp
		[listen unix:$DIR/echo.sock]
		service = echo
		name = unix
		[listen tcp:127.0.0.1:0]
		service = lines
		name = lines
		${2:+[listen $2]}
		${2:+service = echo}
		${2:+name = extra}
	END
}

# config_turns: a listener comes, and goes again
config_turns() {
	if [ -n "${EXTRA-}" ]; then EXTRA=; else EXTRA=unix:$DIR/extra.sock; fi
	config_with 2 "$EXTRA"
}

start() {
	EXTRA=
	config_with
	server_start
	echo "$SERVER" >"$DIR/leaders"
	background doubles watch_for_doubles
	DOUBLES=$!
	tcp=$(column listeners address name tcp)
	lines=$(column listeners address name lines)
}

# master_again: the master is dead; another one adopts what there is
master_again() {
	wait_until 10 not is_running "$SERVER"
	wait "$SERVER" 2>/dev/null || true
	# nor may it keep open what a client reads
	server_launch -c "$DIR/guichetd.conf" 5>&- 6>&- 7>&-
	echo "${SERVERS[*]}" >"$DIR/leaders"
}

adopts() {
	master_again
	wait_until 20 logged 'adoption: done' || { cat "$LOG"; return 1; }
}

reload() {
	local status=0

	"$GUICHETD" -r "$DIR" -n t -s reload >"$DIR/reload.out" 2>&1 3>&- ||
		status=$?
	is "the reload's exit status" "${1:-0}" "$status" ||
		{ cat "$DIR/reload.out" "$LOG"; return 1; }
}

# titles: what each of our processes calls itself: "keeper 0 keeper 1 ..."
titles() {
	local pid title

	server_pids "${SERVERS[@]}" | while read -r pid; do
		{ read -r -d '' title <"/proc/$pid/cmdline"; } 2>/dev/null &&
			echo "$title"
	done | sed -n 's/^guichetd: \([a-z]*\( [0-9]*\)\{0,1\}\).*/\1/p' |
		sort | xargs
}

titles_are() {
	is "the processes" "$1" "$(titles)"
}

# watch_for_doubles: says so when two workers were in one slot at a time; all
# that it sees was there when it began to look. Keepers are counted in the end:
# who has just been cloned from one has its title.
watch_for_doubles() {
	while sleep 0.05; do
		# it may be just being written
		read -r -a SERVERS <"$DIR/leaders" || continue
		titles | grep -o 'worker [0-9]*' | sort | uniq -d
	done
}

two_workers='keeper 0 keeper 1 master worker 0 worker 1'

# is_whole: each slot has a keeper and a worker, and no second one
is_whole() {
	wait_until 10 titles_are "$two_workers" || return
	is "states" "serving serving" "$(column workers state | head -2 |
		xargs)" || return
	is "what the master wrote" t.config \
		"$(cd "$DIR" && echo t.config*)" || return
	if [ -n "$EXTRA" ]; then
		is "an answer" hi "$("$GUICHET" send "$EXTRA" hi)" || return
	else
		[ ! -e "$DIR/extra.sock" ] || { echo "still there"; return 1; }
	fi
}

no_process() {
	titles_are ''
}

# ends: the server stops, and nothing of it is left
ends() {
	[ -z "${DOUBLES-}" ] || kill "$DOUBLES"
	is "doubles" '' "$(cat "$DIR"/doubles.out 2>/dev/null)" || return
	server_stop
	wait_until 20 no_process
	[ -z "$(find "$DIR" -name 't.con*')" ]
}

# --- what is under way meanwhile ----------------------------------------------

# load_begin ADDRESS OPTION...: a bench, until loads_end
load_begin() {
	background "load${#LOADS[@]}" "$GUICHET" bench "$1" -o json -w 20s \
		-d 300s "${@:2}" 5>&- 6>&- 7>&-
	LOADS+=($!)
}

# silent FD NAME ADDRESS N: connections that say nothing until FD is closed
silent() {
	mkfifo "$DIR/$2.in"
	# shellcheck disable=SC2016 # for the inner shell
	background "$2" sh -c 'in=$1; shift; exec "$@" <"$in"' - \
		"$DIR/$2.in" "$GUICHET" bench "$3" -c "$4" -N "$4" --hold \
		-w 20s
	LOADS+=($!)
	eval "exec $1>\"\$DIR/$2.in\""
	wait_until 20 grep -q "^holding $4\$" "$DIR/$2.out"
}

# loads_begin: 24 that are silent, 1 in the middle of a line, 6 that are busy
loads_begin() {
	silent 6 silent-tcp "$tcp" 12
	silent 7 silent-unix "unix:$DIR/echo.sock" 12
	talk_begin talk "$lines"
	printf 'one\nha' >&5
	wait_until 10 grep -q '^1 one' "$DIR/talk.out"
	load_begin "$tcp" --churn -c 2 -R 300
	load_begin "unix:$DIR/echo.sock" --churn -c 2 -R 300
	load_begin "$tcp" -c 2 -R 100 -s 1-30000
}

# loads_end: nobody has missed anything
loads_end() {
	local pid status

	printf 'lf\n' >&5
	wait_until 10 grep -q '^2 half' "$DIR/talk.out"
	talk_end
	echo >&6
	echo >&7
	exec 6>&- 7>&-
	for pid in "${LOADS[@]:2}"; do
		kill -INT "$pid"
	done
	for pid in "${LOADS[@]}"; do
		status=0
		wait "$pid" || status=$?
		[ "$status" = 0 ] || { cat "$DIR"/load*.out "$DIR"/*.log; return 1; }
	done
	wait_until 10 stat_is connections.open 0
	stat_is connections.closed.killed 0
	stat_is connections.closed.crash 0
	is "closed by eof" "$(counter connections.accepted)" \
		"$(counter connections.closed.eof)"
}

@test "every point of a master or a keeper belongs to a walk" {
	is "points" "$(grep -c '^	P(.*-' "$TABLE")" \
		"$(points sipedrfxmbwakot | grep -c -e -)"
}

# --- the master ---------------------------------------------------------------

# dies_at ARMED COMMAND...: the master does, when that is asked
dies_at() {
	arm "$1"
	"${@:2}"
	wait_until 20 reached 0 || { echo "$1 was not reached"; cat "$LOG"; return 1; }
	wait_until 10 not is_running "$SERVER"
}

hup() {
	kill -HUP "$SERVER"
}

@test "a master's death at every step of a reload costs nothing" {
	local point

	start
	loads_begin
	for point in $(points m); do
		config_turns
		dies_at "$point kill" hup
		adopts
		is_whole || { echo "after a death at $point"; cat "$LOG"; return 1; }
	done
	reload
	is_whole
	loads_end
	ends
}

upgrade() {
	kill -USR2 "$SERVER"
}

@test "a master's death at every step of an upgrade costs nothing" {
	local point

	start
	loads_begin
	for point in $(points m); do
		dies_at "$point kill" upgrade
		adopts
		is_whole || { echo "after a death at $point"; cat "$LOG"; return 1; }
	done
	# with some slots renewed, and others not
	for point in slot-asked plan-sent slot-renewed; do
		dies_at "$point 1 kill" upgrade
		adopts
		is_whole || { echo "after a death at $point"; cat "$LOG"; return 1; }
	done
	loads_end
	ends
}

# one_more: TTIN
one_more() {
	kill -TTIN "$SERVER"
}

@test "a binary that hangs when it is tried dies with the master" {
	start
	arm "trial-tested stop"
	upgrade
	wait_until 10 reached 0
	kill -KILL "$SERVER"
	adopts
	is_whole
	ends
}

@test "a new master keeps the workers that the load had asked for" {
	EXTRA=
	config_with 1-3
	server_start
	one_more
	wait_until 10 stat_is workers.running 2
	kill -KILL "$SERVER"
	adopts
	is "those that retire" 0 "$(log_lines 'retires')"
	ends
}

@test "a master's death while a keeper is born costs nothing" {
	local point

	start
	loads_begin
	for point in $(points b); do
		dies_at "$point kill" one_more
		adopts
		is_whole || { echo "after a death at $point"; cat "$LOG"; return 1; }
		is "lines that speak of a loss" 0 "$(log_lines 'are lost')"
	done
	loads_end
	ends
}

@test "a master's death in its first start leaves what the next can use" {
	local point n

	EXTRA=
	config_with
	for point in $(points b) config-written config-put; do
		for n in 0 1; do
			[[ $point$n != config-*1 ]] || continue
			arm "$point $n kill"
			server_launch -c "$DIR/guichetd.conf"
			wait_until 10 reached 0
			master_again
			wait_until 10 logged '^guichetd: ready: '
			is_whole || { echo "after $point $n"; cat "$LOG"; return 1; }
			ends
		done
	done
}

# die_again: the one that adopts, at the armed point
die_again() {
	kill -KILL "$SERVER"
	master_again
}

@test "a master's death at every step of an adoption costs nothing" {
	local point

	start
	loads_begin
	for point in $(points a) "adoption-one 1" \
		entries-put config-written config-put slot-asked plan-sent \
		slot-renewed "slot-asked 1" "plan-sent 1" "slot-renewed 1" \
		all-renewed probation-begun; do
		config_turns
		dies_at "$point kill" die_again
		adopts
		is_whole || { echo "after a death at $point"; cat "$LOG"; return 1; }
	done
	reload
	loads_end
	ends
}

# dies_on_the_way_back WHY ARMED: WHY is armed, too
dies_on_the_way_back() {
	arm "$2" "$1"
	hup
	wait_until 20 reached 0 || { echo "$2 was not reached"; cat "$LOG"; return 1; }
	adopts
	is_whole || { echo "after a death at $2"; cat "$LOG"; return 1; }
}

@test "a master's death on the way back costs nothing" {
	local point

	start
	loads_begin
	# the rehearsal fails
	for point in back-begun "master-packed 1" "master-executed 1" \
		"master-unpacked 1" "config-read 1" "listeners-opened 1" \
		all-renewed; do
		config_turns
		dies_on_the_way_back "keeper-executed exit" "$point kill"
	done
	# what is to be opened cannot be
	for point in return-begun "master-packed 1" "master-executed 1"; do
		config_with 2 "unix:$DIR/nowhere/extra.sock"
		dies_at "$point kill" hup
		master_again
		wait_until 20 logged 'adoption: done' || { cat "$LOG"; return 1; }
		logged 'serving on with the configuration in force'
		is_whole || { echo "after a death at $point"; cat "$LOG"; return 1; }
	done
	loads_end
	ends
}

# --- a keeper -----------------------------------------------------------------

# held_begin N: N more silent connections, until held_end
held_begin() {
	local name=held${#HELD[@]} fd

	mkfifo "$DIR/$name.in"
	# shellcheck disable=SC2016 # for the inner shell
	background "$name" sh -c 'in=$1; shift; exec "$@" <"$in"' - \
		"$DIR/$name.in" "$GUICHET" bench "$tcp" -c "$1" -N "$1" \
		--hold -w 20s
	exec {fd}<>"$DIR/$name.in"
	HELD+=("$fd")
	wait_until 20 grep -q "^holding $1\$" "$DIR/$name.out"
}

# held_end: they talk, and end; none that was not killed misses anything
held_end() {
	local fd killed

	killed=$(counter connections.closed.killed)
	for fd in "${HELD[@]}"; do
		echo >&"$fd"
	done
	wait_until 20 stat_is connections.open 0
	stat_is connections.closed.killed "$killed"
	is "closed by eof" "$(($(counter connections.accepted) - killed))" \
		"$(counter connections.closed.eof)"
}

# open_of SLOT: how many it holds
open_of() {
	column workers open slot "$1"
}

# held_by SLOT: until it has some, too
held_by() {
	while [ "$(open_of "$1")" = 0 ]; do
		held_begin 8 || return
	done
}

# lost SLOT COMMAND...: its keeper dies by that, and all that it holds is
# lost, and no more
lost() {
	local slot=$1 killed open held

	held_by "$slot" || return
	wait_until 10 is_settled
	killed=$(counter connections.closed.killed)
	open=$(counter connections.open)
	held=$(open_of "$slot")
	"${@:2}"
	is_whole || return
	wait_until 10 stat_is connections.closed.killed $((killed + held)) ||
		return
	is "open" $((open - held)) "$(counter connections.open)" || return
	is "an answer" hi "$("$GUICHET" send "$tcp" hi)"
}

is_settled() {
	local rows

	rows=$(column connections id | wc -l)
	is "rows" "$(counter connections.open)" "$rows"
}

# reload_at ARMED: that keeper dies in it
reload_at() {
	arm "$1"
	reload
	reached 0 || { echo "$1 was not reached"; return 1; }
}

@test "a keeper's death at every step of a reload costs what it held" {
	local point slot=0 n

	start
	for point in $(points k); do
		n=$slot
		case $point in
		keeper-executed | keeper-mapped | keeper-listening | \
			keeper-ready)
			# a rehearsal comes there too, and a copy of each
			n=$((2 * slot + 2))
			;;
		esac
		held_begin 16
		lost "$slot" reload_at "$point $n kill" ||
			{ echo "after a death at $point"; cat "$LOG"; return 1; }
		slot=$((1 - slot)) # or it would have to wait for long
	done
	held_end
	ends
}

# canary_fails ARMED: it leaves by itself in a reload, which is taken back
canary_fails() {
	arm "$1"
	reload 1
	reached 0
	logged 'everything is as it was before'
}

@test "a keeper that fails at its renewal takes it back, at what it held" {
	local point

	for point in keeper-executed keeper-mapped keeper-listening; do
		start
		held_begin 16
		lost 0 canary_fails "$point 2 exit" ||
			{ echo "after a failure at $point"; cat "$LOG"; return 1; }
		reload
		held_end
		ends
	done
}

@test "a keeper whose copy fails in the new program stays what it is" {
	local point how

	start
	held_begin 16
	for point in keeper-executed keeper-mapped keeper-listening \
		keeper-ready; do
		for how in kill exit; do
			canary_fails "$point 1 $how"
			logged 'a copy of it tried the program'
			is_whole
		done
	done
	canary_fails "keeper-executed 3 exit" # of the other keeper
	stat_is connections.closed.killed 0
	held_end
	ends
}

@test "a keeper whose copy hangs in the new program stays what it is" {
	start
	held_begin 16
	canary_fails "keeper-mapped 1 stop"
	logged 'a copy of it tried the program.*: hung, and was killed'
	is_whole
	stat_is connections.closed.killed 0
	held_end
	ends
}

# one_is_lost COMMAND...: one of the keepers is, whichever it is
one_is_lost() {
	local killed held was

	wait_until 10 is_settled
	killed=$(counter connections.closed.killed)
	read -r -a held <<<"$(column workers open | xargs)"
	read -r -a was <<<"$(column workers keeper | xargs)"
	"$@" || return
	is_whole || return
	read -r -a now <<<"$(column workers keeper | xargs)"
	[ "${was[0]} ${was[1]}" != "${now[0]} ${now[1]}" ] || return
	[ "${was[0]}" = "${now[0]}" ] || was[0]=
	[ "${was[1]}" = "${now[1]}" ] || was[1]=
	[ -n "${was[0]}${was[1]}" ] || { echo "both are new"; return 1; }
	[ -z "${was[0]}" ] || held[0]=${held[1]}
	wait_until 10 stat_is connections.closed.killed $((killed + held[0]))
}

# adopts_all_but ARMED: the new master comes, and a keeper dies of that
adopts_all_but() {
	arm "$1 kill"
	kill -KILL "$SERVER"
	adopts || return
	reached 0 || { echo "$1 was not reached"; return 1; }
}

@test "a keeper's death when a new master comes costs what it held" {
	local point

	start
	for point in $(points o) keeper-asked keeper-bare keeper-fitted; do
		held_begin 16
		one_is_lost adopts_all_but "$point" ||
			{ echo "after a death at $point"; cat "$LOG"; return 1; }
	done
	held_end
	ends
}

# losses_told: lines of any log that tell of one
losses_told() {
	cat "$DIR"/server-*.log | grep -c 'keeper [01]: .*are lost' || true
}

# both_die KEEPER'S MASTER'S: at these points of one reload
both_die() {
	local told

	told=$(losses_told)
	arm "$1" "$2"
	hup
	wait_until 20 reached 0 || return
	wait_until 20 reached 1 || return
	adopts || return
	is "losses told" $((told + 1)) "$(losses_told)"
}

@test "the death of a master and a keeper in one reload costs what it held" {
	start
	held_begin 16
	lost 0 both_die "keeper-asked kill" "slot-asked kill"
	lost 0 both_die "keeper-planned kill" "plan-sent kill"
	lost 0 both_die "keeper-executed 2 kill" "plan-sent kill"
	held_end
	ends
}

@test "the death of a master that takes back what a keeper died of costs no more" {
	start
	held_begin 16
	lost 0 both_die "keeper-executed 2 exit" "back-begun kill"
	lost 0 both_die "keeper-executed 2 exit" "master-unpacked 1 kill"
	lost 0 both_die "keeper-executed 2 exit" "slot-asked 1 kill"
	held_end
	ends
}

@test "the death of a master and all its keepers leaves exact totals" {
	local pids

	start
	held_begin 16
	wait_until 10 is_settled
	pids=$(keeper_pids)
	# shellcheck disable=SC2086 # one word each
	kill -KILL "$SERVER" $pids
	master_again
	wait_until 20 logged '^guichetd: ready: '
	is_whole
	stat_is connections.closed.killed 16
	stat_is connections.open 0
	ends
}

@test "a retiring keeper's death costs what it held, and the totals say so" {
	local held

	start
	held_by 1
	wait_until 10 is_settled
	held=$(open_of 1)
	kill -TTOU "$SERVER"
	wait_until 10 logged 'worker 1: retires'
	kill -KILL "$(column workers keeper slot 1)"
	wait_until 10 stat_is connections.closed.killed "$held"
	wait_until 10 titles_are 'keeper 0 master worker 0'
	held_end
	ends
}

@test "what a keeper held whose slot no new master keeps is settled, too" {
	local held

	start
	held_by 1
	wait_until 10 is_settled
	held=$(open_of 1)
	config_with 1
	kill -KILL "$SERVER" "$(column workers keeper slot 1)"
	adopts
	wait_until 10 stat_is connections.closed.killed "$held"
	wait_until 10 titles_are 'keeper 0 master worker 0'
	held_end
	ends
}

# whichever of the two it is that stops when it is asked
@test "what a keeper held that did not answer a new master is settled, too" {
	local held silent

	start
	held_begin 16
	wait_until 10 is_settled
	held=("$(open_of 0)" "$(open_of 1)")
	config_with 1
	arm "suitor-accepted stop"
	kill -KILL "$SERVER"
	adopts
	silent=$(sed -n 's/.*keeper \([01]\): does not answer.*/\1/p' "$LOG")
	wait_until 10 stat_is connections.closed.killed "${held[$silent]}"
	held_end
	ends
}
