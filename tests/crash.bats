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

GUICHETD=$BUILD/test/guichetd
TABLE=$BATS_TEST_DIRNAME/../server/crash.h

setup() {
	server_setup
	ARMED=$DIR/armed
	printf '%-512s' '' >"$ARMED"
	export GUICHETD_CRASH=$ARMED
	n_tries=0 n_in=0 n_out=0
}

teardown() {
	server_teardown
}

# points KINDS: the names of the points whose `on` is one of these letters
points() {
	sed -n "s/^\tP([A-Z_]*, \"\([a-z-]*\)\", \"[$1]\").*/\1/p" "$TABLE"
}

# arm LINE...: "POINT HOW" each
arm() {
	printf '%-64s' "${1-}" "${2-}" '' '' '' '' '' '' 1<>"$ARMED"
}

# reached N: whether a process died at the N-th armed point
reached() {
	local content

	content=$(<"$ARMED")
	[ "${content:$1*64:1}" = '#' ]
}

# start SERVICE ADDRESS: one worker, so that the same one is hit again
start() {
	server_config <<-END
		[server]
		workers = 1
		worker-connections = 64
		[listen $2]
		service = $1
		name = it
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

count_try() {
	n_tries=$((n_tries + 1))
	n_in=$((n_in + $(stat -c %s "$DIR/in")))
	n_out=$((n_out + $(stat -c %s "$DIR/out")))
}

# try: one connection that asks all of in and must get all of out
try() {
	"$GUICHET" talk -w 30s "$address" <"$DIR/in" >"$DIR/got"
	cmp "$DIR/got" "$DIR/out"
	count_try
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
	wait_until 20 output_waits
	cmp - "$DIR/out" <&4
	exec 4<&-
	count_try
}

output_waits() {
	[ "$(column connections state)" = writing ]
}

# walk TRY KINDS: a death at each point of these kinds
walk() {
	local point

	for point in $(points "$2"); do
		arm "$point kill"
		"$1" || { echo "after a death at $point"; return 1; }
		reached 0 || { echo "$point was not reached"; return 1; }
	done
}

# walk_resume: a death in the middle of a turn, and then one at each point of
# the resume that follows
walk_resume() {
	local point

	for point in $(points r); do
		arm "committed kill" "$point kill"
		try || { echo "after a death at $point"; return 1; }
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

# walk_service SERVICE ADDRESS KINDS
walk_service() {
	start "$1" "$2"
	"material_$1"
	walk try "$3"
	walk_resume
	all_is_counted
	server_stop
}

@test "every point of the table belongs to a walk" {
	is "points outside s, i, p, e, r, d and f" \
		"$(grep -c '^	P(' "$TABLE")" "$(points sipedrf | wc -l)"
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
}

@test "the same over a unix socket survives a death at every point" {
	walk_service lines "unix:$DIR/socket" si
}

@test "a service that ends first survives a death at every point" {
	walk_service give tcp:127.0.0.1:0 se
}

@test "the same service over a unix socket survives a death at every point" {
	walk_service give "unix:$DIR/socket" se
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
			arm "$point exit" "$point exit" ;;
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
		reached 0 || { echo "$point was not reached"; return 1; }
		n=$((n + 1))
	done
	wait_until 5 stat_is datagrams.out "$n"
	is "datagrams in" "$n" "$(counter datagrams.in)"
	is messages "$n" "$(counter messages)"
}

@test "a refusal is counted once, after a death at every point of it" {
	local point n=0

	server_config <<-END
		[server]
		workers = 1
		worker-connections = 1
		[listen tcp:127.0.0.1:0]
		service = echo
		name = it
	END
	server_start
	address=$(column listeners address name it)
	background holder "$GUICHET" bench --hold -c 1 -N 1 "$address"
	wait_until 10 stat_is connections.open 1
	for point in $(points f); do
		arm "$point kill"
		run "$GUICHET" send -w 10s "$address" x
		is "the client's status" 1 "$status"
		n=$((n + 1))
		wait_until 10 reached 0
		wait_until 10 stat_is connections.refused.full "$n"
	done
	is accepted 1 "$(counter connections.accepted)"
	is open 1 "$(counter connections.open)"
}
