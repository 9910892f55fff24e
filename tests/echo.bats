#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# echo.bats - the echo service on every kind of listener, and exact counts

load helpers

setup() {
	server_setup
}

teardown() {
	server_teardown
}

has_ipv6() {
	grep -q ' lo$' /proc/net/if_inet6 2>/dev/null
}

# says ADDRESS: what it is told
says() {
	is "the answer of $1" "hello $1" \
		"$("$GUICHET" send -w 20s "$1" "hello $1")"
}

@test "every kind of listener echoes" {
	server_start -l tcp:127.0.0.1:0=echo -l "unix:$DIR/echo.sock=echo" \
		-l udp:127.0.0.1:0=echo
	says "tcp:127.0.0.1:$(server_port echo)"
	says "unix:$DIR/echo.sock"
	says "udp:127.0.0.1:$(server_port echo-3)"
	wait_until 20 stat_is connections.accepted 2
	wait_until 20 stat_is datagrams.in 1
}

@test "listeners on IPv6 echo" {
	has_ipv6 || skip "no IPv6 here"
	server_start -l 'tcp:[::1]:0=echo' -l 'udp:[::1]:0=echo'
	says "tcp:[::1]:$(server_port echo)"
	says "udp:[::1]:$(server_port echo-2)"
}

@test "a listener on * answers both families, at one port" {
	server_start -l 'tcp:*:0=echo' -l 'udp:*:0=echo'
	says "tcp:127.0.0.1:$(server_port echo)"
	says "udp:127.0.0.2:$(server_port echo-2)"
	has_ipv6 || return 0
	says "tcp:[::1]:$(server_port echo)"
	says "udp:[::1]:$(server_port echo-2)"
}

@test "a listener on a name serves all its addresses, at one port" {
	local address

	server_start -l tcp:localhost:0=echo
	is "ports" 1 "$(column listeners address |
		sed 's/.*://' | sort -u | wc -l)"
	for address in $(column listeners address); do
		says "$address"
	done
}

@test "all of the input is echoed before our end, when the client half-closes" {
	local port

	server_start -l tcp:127.0.0.1:0=echo -l "unix:$DIR/echo.sock=echo"
	port=$(server_port echo)
	head -c 20000000 /dev/urandom >"$DIR/data"
	timeout 60 "$GUICHET" talk 127.0.0.1 "$port" <"$DIR/data" |
		cmp - "$DIR/data"
	timeout 60 "$GUICHET" talk "unix:$DIR/echo.sock" <"$DIR/data" |
		cmp - "$DIR/data"
	wait_until 20 stat_is connections.closed.eof 2
	stat_is bytes.in 40000000
	stat_is bytes.out 40000000
}

is_writing() {
	is "state" writing "$(column connections state)"
	[ "$(column connections pending_out)" -gt 0 ]
}

is_stuck() {
	local before

	before=$(counter bytes.in)
	sleep 0.2
	is "bytes.in" "$before" "$(counter bytes.in)"
}

@test "a client that does not read is not read from, and loses nothing" {
	local bytes=40000000

	server_start -w 1 -l tcp:127.0.0.1:0=echo
	exec 5<>"/dev/tcp/127.0.0.1/$(server_port echo)"
	head -c "$bytes" /dev/zero >&5 3>&- &
	BACKGROUND+=($!)
	wait_until 20 is_writing
	wait_until 20 is_stuck
	[ "$(counter bytes.in)" -lt "$bytes" ]
	# What waits in the server is at most one turn's output.
	[ "$(column connections pending_out)" -le 262144 ]
	head -c "$bytes" <&5 | cmp -n "$bytes" - /dev/zero
	wait_until 20 column_is connections bytes_out "$bytes"
	wait_until 20 column_is connections pending_out 0
	wait_until 20 column_is connections state reading
	exec 5>&-
}

@test "a silent connection is closed after idle-timeout, a busy one is not" {
	local port

	server_config <<-END
		[listen tcp:127.0.0.1:0]
		service = echo
		idle-timeout = 1s
	END
	server_start
	port=$(server_port echo)
	talk_begin silent "127.0.0.1:$port"
	"$GUICHET" ping -i 0.2 -c 8 -w 20s "127.0.0.1:$port" >"$DIR/ping"
	grep -q '8 messages transmitted, 8 received' "$DIR/ping"
	is "connections of the busy one" 1 "$(grep -c '^connected' "$DIR/ping")"
	wait_until 10 stat_is connections.closed.idle 1
	wait_until 20 not is_running "${BACKGROUND[0]}"
	talk_end
	wait_until 20 stat_is connections.closed.eof 1
	is "reasons" "eof idle" "$(column closed reason | sort | xargs)"
}

@test "a connection is closed after its lifetime, busy or not" {
	server_config <<-END
		[listen tcp:127.0.0.1:0]
		service = echo
		lifetime = 500ms
	END
	server_start
	"$GUICHET" ping -i 0.1 -c 14 -w 20s "127.0.0.1:$(server_port echo)" \
		>"$DIR/ping"
	grep -q 'connection closed by the server' "$DIR/ping"
	wait_until 10 stat_above connections.closed.lifetime 0
}

@test "a client that goes away with unread answers is counted as reset" {
	server_start -w 1 -l tcp:127.0.0.1:0=echo
	exec 5<>"/dev/tcp/127.0.0.1/$(server_port echo)"
	echo "will you listen?" >&5
	wait_until 20 stat_is bytes.out 17
	exec 5>&-
	wait_until 20 stat_is connections.closed.reset 1
	stat_is connections.open 0
}

@test "urgent data is ordinary data" {
	server_start -l tcp:127.0.0.1:0=echo
	is "the answer" "before urgent after" "$("$TOOLS/urgent" \
		"tcp:127.0.0.1:$(server_port echo)" "before " "urgent " after)"
	wait_until 20 stat_is bytes.in 19
}

# --- UDP ----------------------------------------------------------------------

@test "a datagram is answered from the address that was asked" {
	local port

	server_start -l 'udp:*:0=echo'
	port=$(server_port echo)
	is "who answered" "127.0.0.2:$port hi" \
		"$("$TOOLS/udpfrom" udp:127.0.0.1:0 "udp:127.0.0.2:$port" hi)"
	is "who answered" "127.0.0.1:$port hi" \
		"$("$TOOLS/udpfrom" udp:127.0.0.1:0 "udp:127.0.0.1:$port" hi)"
	has_ipv6 || return 0
	is "who answered" "[::1]:$port hi" \
		"$("$TOOLS/udpfrom" 'udp:[::1]:0' "udp:[::1]:$port" hi)"
}

@test "an empty datagram is answered by an empty one" {
	local port

	server_start -l udp:127.0.0.1:0=echo
	port=$(server_port echo)
	is "the answer" "127.0.0.1:$port " \
		"$("$TOOLS/udpfrom" udp:127.0.0.1:0 "udp:127.0.0.1:$port" '')"
}

@test "a datagram from a port below 1024 is counted, not answered" {
	server_start -l udp:127.0.0.1:0=echo
	"$TOOLS/plainbind" udp:127.0.0.2:1019 >/dev/null ||
		skip "ports below 1024 are not for us"
	is "the answer" - "$("$TOOLS/udpfrom" udp:127.0.0.2:1019 \
		"udp:127.0.0.1:$(server_port echo)" hi 200)"
	wait_until 20 stat_is datagrams.refused 1
	stat_is datagrams.in 1
	stat_is datagrams.out 0
}

@test "a datagram from one of our own ports is counted, not answered" {
	local port other

	server_start -l udp:127.0.0.1:0=echo -l udp:127.0.0.1:0=echo
	port=$(server_port echo)
	other=$(server_port echo-2)
	is "the answer" - "$("$TOOLS/udpfrom" "udp:127.0.0.2:$port" \
		"udp:127.0.0.1:$port" hi 200)"
	is "the answer" - "$("$TOOLS/udpfrom" "udp:127.0.0.2:$other" \
		"udp:127.0.0.1:$port" hi 200)"
	wait_until 20 stat_is datagrams.refused 2
	stat_is datagrams.out 0
}

# --- exact counts -------------------------------------------------------------

# counts_match FILE: the server's are the bench's, which may be first to know
counts_match() {
	wait_until 20 stat_is messages "$(json "$1" requests)"
	wait_until 20 stat_is bytes.in "$(json "$1" bytes_sent)"
	wait_until 20 stat_is bytes.out "$(json "$1" bytes_received)"
}

# connections_match FILE
connections_match() {
	wait_until 20 stat_is connections.open 0
	is "accepted" "$(json "$1" connects)" "$(counter connections.accepted)"
	is "closed" "$(json "$1" connects)" "$(counter connections.closed)"
	is "closed.eof" "$(json "$1" connects)" \
		"$(counter connections.closed.eof)"
}

bench() {
	"$GUICHET" bench -o json -w 30s "$@" >"$DIR/bench"
}

@test "TCP: bytes, messages and connections are counted exactly" {
	server_start -l tcp:127.0.0.1:0=echo
	bench "127.0.0.1:$(server_port echo)" -c 50 -N 20000 -s 1-1k
	is "requests" 20000 "$(json "$DIR/bench" requests)"
	is "connects" 50 "$(json "$DIR/bench" connects)"
	counts_match "$DIR/bench"
	connections_match "$DIR/bench"
}

@test "a connection for each request: all are counted exactly" {
	server_start -l tcp:127.0.0.1:0=echo
	bench "127.0.0.1:$(server_port echo)" -c 20 -N 2000 -s 1-1k --churn
	is "connects" 2000 "$(json "$DIR/bench" connects)"
	counts_match "$DIR/bench"
	connections_match "$DIR/bench"
}

@test "unix sockets: bytes, messages and connections are counted exactly" {
	server_start -l "unix:$DIR/echo.sock=echo"
	bench "unix:$DIR/echo.sock" -c 50 -N 20000 -s 1-1k
	counts_match "$DIR/bench"
	connections_match "$DIR/bench"
}

@test "UDP: datagrams, bytes and messages are counted exactly" {
	server_start -l udp:127.0.0.1:0=echo
	bench "udp:127.0.0.1:$(server_port echo)" -c 20 -N 20000 -s 8-1k
	counts_match "$DIR/bench"
	wait_until 20 stat_is datagrams.in 20000
	wait_until 20 stat_is datagrams.out 20000
	stat_is datagrams.refused 0
}

@test "the listeners' counts add up to the instance's" {
	server_start -l tcp:127.0.0.1:0=echo -l "unix:$DIR/echo.sock=echo"
	bench "127.0.0.1:$(server_port echo)" -c 3 -N 300 -s 100
	bench "unix:$DIR/echo.sock" -c 2 -N 200 -s 100
	wait_until 20 stat_is connections.closed 5
	stat_is listener.echo.bytes.in 30000
	stat_is listener.echo-2.bytes.in 20000
	stat_is bytes.in 50000
	stat_is listener.echo.messages 300
	stat_is listener.echo-2.messages 200
}
