#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# crash.bats - a worker may die between any two steps: each is tried
#
# The table of points is server/crash.h. Each test walks those that its kind
# of traffic passes, one death at each, and sees that the point was reached,
# that the client had an unbroken, exact stream, and that the totals say
# exactly what the client counted.

load helpers
load small

TABLE=$BATS_TEST_DIRNAME/../server/crash.h

setup() {
	crash_setup
	n_tries=0 n_in=0 n_out=0
}

teardown() {
	server_teardown
}

# points KINDS: the names of the points whose `on` is one of these letters
points() {
	sed -n "s/^\tP([A-Z_]*, \"\([a-z-]*\)\", \"[$1]\").*/\1/p" "$TABLE"
}

# start SERVICE ADDRESS [SETTING]: one worker, so that the same one is hit again
start() {
	server_config <<-END
		[server]
		workers = 1
		worker-connections = 64
		[listen $2]
		service = $1
		name = it
		${3-}
	END
	server_start
	address=$(column listeners address name it)
}

# question and answer of each service, in $DIR/in and $DIR/out
material_echo() {
	head -c 300000 /dev/urandom >"$DIR/in"
	cp "$DIR/in" "$DIR/out"
}

material_lines() {
	awk 'BEGIN {
		srand(7)
		for (i = 0; i < 40; i++) {
			line = i
			for (n = int(rand() * 12000); n > 0; n -= 7)
				line = line " and on"
			print line
		}
	}' >"$DIR/in"
	{ echo hello; awk '{ print NR " " $0 }' "$DIR/in"; } >"$DIR/out"
}

# material_give [BYTES]
material_give() {
	local n=${1:-3000000}

	echo "$n" >"$DIR/in"
	yes abcdefghijklmnopqrstuvwxyz | head -c "$n" >"$DIR/out" || true
}

material_discard() {
	head -c 300000 /dev/urandom >"$DIR/in"
	: >"$DIR/out"
}

# a conversation with conf/modules/kv.c, and what it counts: "SETS MISSES
# STORED" in $DIR/own
material_kv() {
	awk -v answers="$DIR/out" -v own="$DIR/own" 'BEGIN {
		srand(11)
		print "READY" >answers
		for (i = 0; i < 12000; i++) {
			key = "key" int(rand() * 9)
			value = substr("abcdefghijklmnopqrstuvwxyz " i,
				1 + int(rand() * 20))
			value = substr(value, 1, 27)
			if (rand() < 0.4) {
				print "GET " key
				misses += !(key in pad)
				print key in pad ? pad[key] : "NONE" >answers
			} else if (key in pad || n < 6) {
				print "SET " key " " value
				n += !(key in pad)
				pad[key] = value
				sets++
				stored += length(value)
				print "OK" >answers
			} else {
				print "SET " key " " value
				print "NO ROOM" >answers
			}
		}
		print sets, misses, stored >own
	}' >"$DIR/in"
}

# own_is NAME PER_TRY: the counter of the service's own
own_is() {
	is "$1" $((n_tries * $2)) "$(counter "listener.it.$1")"
}

count_try() {
	n_tries=$((n_tries + 1))
	n_in=$((n_in + $(stat -c %s "$DIR/in")))
	n_out=$((n_out + $(stat -c %s "$DIR/out")))
}

# errexit does not see into what stands before ||, so these return by hand

# try: one connection that asks all of in and must get all of out
try() {
	"$GUICHET" talk -w 30s "$address" <"$DIR/in" >"$DIR/got" || return
	cmp "$DIR/got" "$DIR/out" || return
	count_try
}

# try_heard: one that asks nothing, and must get what its service says
try_heard() {
	"$GUICHET" talk -w 30s "$address" </dev/null >"$DIR/got" || return
	"is_$service" "$DIR/got" || return
	: >"$DIR/in"
	cp "$DIR/got" "$DIR/out"
	count_try
}

# try_datagram: an empty one, that must get what its service says
try_datagram() {
	"$GUICHET" send -w 10s "$address" '' >"$DIR/got" || return
	"is_$service" "$DIR/got"
}

# try_endless: one that gets the begin of what has no end, and reads nothing
# until the server has had to wait
try_endless() {
	rm -f "$DIR/pipe"
	mkfifo "$DIR/pipe"
	"$GUICHET" talk -w 30s "$address" </dev/null >"$DIR/pipe" \
		2>"$DIR/talk.log" 3>&- &
	BACKGROUND+=($!)
	exec 4<"$DIR/pipe"
	wait_until 20 output_is_stuck || return
	# what had been sent by then, and as much as shows that more comes
	is_pattern $(($(column connections bytes_out) + 2000000)) <&4 || return
	exec 4<&-
	n_tries=$((n_tries + 1))
	wait_until 20 stat_is connections.closed "$n_tries"
}

# try_unread: the same, but reads nothing until the server has had to keep
# output, and the row says so
try_unread() {
	rm -f "$DIR/pipe"
	mkfifo "$DIR/pipe"
	# in the background before the pipe is opened: that waits for a reader
	"$GUICHET" talk -w 30s "$address" <"$DIR/in" >"$DIR/pipe" \
		2>"$DIR/talk.log" 3>&- &
	BACKGROUND+=($!)
	exec 4<"$DIR/pipe"
	wait_until 20 output_waits || return
	cmp - "$DIR/out" <&4 || return
	exec 4<&-
	count_try
}

output_waits() {
	[ "$(column connections state)" = writing ]
}

output_is_stuck() {
	local before

	output_waits || return
	before=$(column connections bytes_out)
	sleep 0.1
	is bytes_out "$before" "$(column connections bytes_out)"
}

# walk TRY KINDS [EXCEPT]: a death at each point of these kinds, except for
# those that the regular expression matches
walk() {
	local point

	for point in $(points "$2" | grep -v -x -e "${3:--}"); do
		arm "$point kill"
		"$1" || { echo "after a death at $point"; return 1; }
		wait_until 20 reached 0 || { echo "$point was not reached"; return 1; }
	done
}

# walk_resume [TRY]: a death in the middle of a turn, and then one at each
# point of the resume that follows
walk_resume() {
	local point

	for point in $(points r); do
		arm "committed kill" "$point kill"
		"${1:-try}" || { echo "after a death at $point"; return 1; }
		reached 1 || { echo "$point was not reached"; return 1; }
	done
}

# all_is_counted: the totals are what the clients counted
all_is_counted() {
	wait_until 10 stat_is connections.closed "$n_tries"
	is accepted "$n_tries" "$(counter connections.accepted)"
	is "closed with eof" "$n_tries" "$(counter connections.closed.eof)"
	is "bytes in" "$n_in" "$(counter bytes.in)"
	is "bytes out" "$n_out" "$(counter bytes.out)"
}

# walk_service SERVICE ADDRESS KINDS [EXCEPT]
walk_service() {
	start "$1" "$2"
	"material_$1"
	walk try "$3" "${4-}"
	walk_resume
	all_is_counted
	server_stop
}

# walk_speaker SERVICE ADDRESS: of a service that speaks first and then ends,
# so that it has nothing to receive
walk_speaker() {
	service=$1
	start "$1" "$2"
	walk try_heard se received
	walk_resume try_heard
	all_is_counted
	server_stop
}

# walk_datagrams SERVICE: all are answered, and each once
walk_datagrams() {
	local n

	service=$1
	start "$1" udp:127.0.0.1:0
	walk try_datagram d
	n=$(points d | wc -l)
	wait_until 20 stat_is datagrams.out "$n"
	is "datagrams in" "$n" "$(counter datagrams.in)"
	is messages "$n" "$(counter messages)"
	is "bytes in" 0 "$(counter bytes.in)"
	server_stop
}

# walk_endless ADDRESS KINDS: of chargen, which its clients have to end
walk_endless() {
	start chargen "$1"
	walk try_endless "$2" received
	walk_resume try_endless
	is accepted "$n_tries" "$(counter connections.accepted)"
	is open 0 "$(counter connections.open)"
	is "bytes in" 0 "$(counter bytes.in)"
	server_stop
}

@test "every point of the table belongs to a walk" {
	# m, b, w, a, k, o and t: lifecycle-crash.bats
	is "points that no walk takes" \
		"$(grep -c '^	P(' "$TABLE")" "$(points sipedrfxmbwakot | wc -l)"
}

@test "echo over TCP on IPv4 survives a death at every point" {
	walk_service echo tcp:127.0.0.1:0 s
}

@test "echo over TCP on IPv6 survives a death at every point" {
	walk_service echo 'tcp:[::1]:0' s
}

@test "echo over a unix socket survives a death at every point" {
	walk_service echo "unix:$DIR/socket" s
}

@test "a service with state and kept input survives a death at every point" {
	walk_service lines tcp:127.0.0.1:0 si
	own_is lines 40
	own_is length "$(stat -c %s "$DIR/in")"
}

@test "the same over a unix socket survives a death at every point" {
	walk_service lines "unix:$DIR/socket" si
	own_is lines 40
	own_is length "$(stat -c %s "$DIR/in")"
}

# walk_module ADDRESS
walk_module() {
	local sets misses stored

	start "$BUILD/modules/kv.so" "$1"
	material_kv
	walk try si
	walk_resume
	all_is_counted
	read -r sets misses stored <"$DIR/own"
	own_is sets "$sets"
	own_is misses "$misses"
	own_is stored "$stored"
	server_stop
}

@test "a module survives a death at every point, and what it counts is exact" {
	walk_module tcp:127.0.0.1:0
}

@test "a module on a unix socket does, too" {
	walk_module "unix:$DIR/socket"
}

@test "a service that ends first survives a death at every point" {
	walk_service give tcp:127.0.0.1:0 se
}

@test "the same service over a unix socket survives a death at every point" {
	walk_service give "unix:$DIR/socket" se
}

@test "discard survives a death at every point" {
	walk_service discard tcp:127.0.0.1:0 s 'sent.*'
}

@test "discard over a unix socket survives a death at every point" {
	walk_service discard "unix:$DIR/socket" s 'sent.*'
}

@test "time survives a death at every point" {
	walk_speaker time tcp:127.0.0.1:0
	walk_speaker time "unix:$DIR/socket"
}

@test "daytime survives a death at every point" {
	walk_speaker daytime tcp:127.0.0.1:0
	walk_speaker daytime "unix:$DIR/socket"
}

@test "qotd survives a death at every point" {
	walk_speaker qotd tcp:127.0.0.1:0
	walk_speaker qotd "unix:$DIR/socket"
}

@test "chargen over TCP survives a death at every point" {
	# whether TCP takes a part of a turn or all is a matter of chance
	walk_endless tcp:127.0.0.1:0 s
}

@test "chargen over a unix socket survives a death at every point" {
	walk_endless "unix:$DIR/socket" sp
}

@test "output that waits for a slow reader survives a death at every point" {
	start give tcp:127.0.0.1:0
	material_give 30000000
	walk try_unread p
	all_is_counted
	server_stop
}

@test "output that waits on a unix socket survives a death at every point" {
	start give "unix:$DIR/socket"
	material_give 3000000
	walk try_unread p
	all_is_counted
	server_stop
}

# one that leaves by _exit is taken for its own fault, and waited for; a new
# server each time, so that the waiting does not grow
@test "leaving without clean-up at any point costs nothing either" {
	local point

	material_echo
	for point in $(points sr); do
		start echo tcp:127.0.0.1:0
		case " $(points r) " in
		*[[:space:]]"$point"[[:space:]]*)
			arm "committed kill" "$point exit" ;;
		*)
			# a turn that two died in is given up
			arm "$point exit" ;;
		esac
		try || { echo "after leaving at $point"; return 1; }
		reached 0 || { echo "$point was not reached"; return 1; }
		server_stop
		n_tries=0 n_in=0 n_out=0
	done
}

@test "a datagram is answered, and once, after a death at every point" {
	local point n=0

	start echo udp:127.0.0.1:0
	for point in $(points d); do
		arm "$point kill"
		is "the answer" "after $point" \
			"$("$GUICHET" send -w 10s "$address" "after $point")"
		wait_until 20 reached 0 || { echo "$point was not reached"; return 1; }
		n=$((n + 1))
	done
	wait_until 20 stat_is datagrams.out "$n"
	is "datagrams in" "$n" "$(counter datagrams.in)"
	is messages "$n" "$(counter messages)"
}

@test "an empty datagram is answered, and once, after a death at every point" {
	walk_datagrams time
}

@test "a datagram's own counts are exact, after a death at every point" {
	local point n=0

	start lines udp:127.0.0.1:0
	for point in $(points d); do
		arm "$point kill"
		is "the answer" "after it" \
			"$("$GUICHET" send -w 10s "$address" "after it")"
		wait_until 20 reached 0 || { echo "$point was not reached"; return 1; }
		n=$((n + 1))
	done
	wait_until 20 stat_is listener.it.lines "$n"
	stat_is listener.it.length $((8 * n))
}

@test "a refusal is counted once, after a death at every point of it" {
	local point n=0

	server_config <<-END
		[server]
		workers = 1
		worker-connections = 2
		[listen tcp:127.0.0.1:0]
		service = echo
		name = it
	END
	server_start
	address=$(column listeners address name it)
	hold 2 "${address#tcp:}" -N 2
	for point in $(points f); do
		arm "$point kill"
		run "$GUICHET" send -w 10s "$address" x
		is "the client's status" 1 "$status"
		n=$((n + 1))
		wait_until 10 reached 0
		wait_until 10 stat_is connections.refused.full "$n"
	done
	is accepted 2 "$(counter connections.accepted)"
	is open 2 "$(counter connections.open)"
	hold_end
}

# try_counted: one whose program has taken and given all, as its row says by
# and by, before it ends
try_counted() {
	talk_begin "talk$n_tries" "$address"
	cat "$DIR/in" >&5
	wait_until 20 column_is connections bytes_in "$(stat -c %s "$DIR/in")"
	talk_end
	wait_until 20 not is_running $!
	cmp "$DIR/talk$n_tries.out" "$DIR/out"
	count_try
}

# a worker neither receives nor sends what a program does
@test "a program's connection survives a death at every point" {
	local not_ours='received\|handled\|sent.*\|settled'

	start exec tcp:127.0.0.1:0 "command = /bin/cat"
	material_echo
	walk try sx "$not_ours"
	arm "settled kill"
	try_counted
	reached 0 || { echo "settled was not reached"; return 1; }
	walk_resume
	all_is_counted
	is "programs started" "$n_tries" \
		"$(counter listener.it.programs.started)"
	is "programs failed" 0 "$(counter listener.it.programs.failed)"
	server_stop
}

@test "a program on a unix socket survives a death at every point" {
	local not_ours='received\|handled\|sent.*\|settled'

	start exec "unix:$DIR/socket" "command = /bin/cat"
	material_echo
	walk try sx "$not_ours"
	walk_resume
	wait_until 10 stat_is connections.closed "$n_tries"
	is "closed with eof" "$n_tries" "$(counter connections.closed.eof)"
	is "programs started" "$n_tries" \
		"$(counter listener.it.programs.started)"
	server_stop
}
