#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# listen.bats - addresses that are bound, refused, left behind and given back

load helpers

setup() { server_setup; }
teardown() { server_teardown; }

# second ARGUMENT...: another server of the same directory, that fails to start
second() {
	run timeout 20 "$GUICHETD" -r "$DIR" -n second "$@"
	is "the second server's exit status" 1 "$status"
}

@test "a server on an address in use is refused, and told who holds it" {
	local tcp udp

	server_start -l tcp:127.0.0.1:0=echo -l udp:127.0.0.1:0=echo \
		-l "unix:$DIR/socket=echo"
	tcp=$(server_port echo)
	udp=$(server_port echo-2)
	second -l "tcp:127.0.0.1:$tcp=echo" -l "tcp:*:$tcp=echo" \
		-l "udp:127.0.0.1:$udp=echo" -l "unix:$DIR/socket=echo"
	for address in "tcp:127.0.0.1:$tcp" "tcp:[::]:$tcp" \
		"udp:127.0.0.1:$udp" "unix:$DIR/socket"; do
		echo "guichetd: $address: address already in use by guichetd\
 (pid $SERVER)"
	done >"$DIR/expected"
	is "the problems" "$(cat "$DIR/expected")" "$output"
	[ -S "$DIR/socket" ]
}

@test "an address twice, in two spellings, is held by the server itself" {
	local port

	# a port that is free, most likely
	server_start -l tcp:127.0.0.1:0=echo
	port=$(server_port echo)
	server_stop
	second -l "tcp:127.0.0.1:$port=echo" -l "tcp:0.0.0.0:$port=echo"
	is "the problem" "guichetd: tcp:0.0.0.0:$port: address already in use\
 by this server itself" "$output"
}

@test "every address that fails is told" {
	touch "$DIR/file"
	second -l tcp:203.0.113.7:7007=echo -l "unix:$DIR/no/socket=echo" \
		-l "unix:$DIR/file=echo" -l tcp:127.0.0.1:0=echo
	is "the problems" \
"guichetd: tcp:203.0.113.7:7007: not an address of this machine
guichetd: unix:$DIR/no/socket: No such file or directory
guichetd: unix:$DIR/file: there is a file that is no socket" "$output"
	[ -f "$DIR/file" ]
}

@test "a server whose address gets free within two seconds starts" {
	local port

	server_start -l tcp:127.0.0.1:0=echo
	port=$(server_port echo)
	background second "$GUICHETD" -r "$DIR" -n second \
		-l "tcp:127.0.0.1:$port=echo"
	server_stop
	wait_until 20 grep -q 'ready: ' "$DIR/second.log"
	"$GUICHETD" -r "$DIR" -n second -s kill
}

@test "* is one socket for both families, and [::] is IPv6 alone" {
	local port

	server_start -l 'tcp:*:0=echo' -l 'tcp:[::]:0=echo'
	port=$(server_port echo)
	is "over IPv4" hello "$("$GUICHET" send "tcp:127.0.0.1:$port" hello)"
	is "over IPv6" hello "$("$GUICHET" send "tcp:[::1]:$port" hello)"
	port=$(server_port echo-2)
	is "over IPv6" hello "$("$GUICHET" send "tcp:[::1]:$port" hello)"
	not "$GUICHET" send "tcp:127.0.0.1:$port" hello
}

@test "a socket file that a dead server left is replaced" {
	server_start -l "unix:$DIR/socket=echo"
	server_kill
	[ -S "$DIR/socket" ]
	server_start -l "unix:$DIR/socket=echo"
	is "the answer" hello "$("$GUICHET" send "unix:$DIR/socket" hello)"
	server_stop
	[ ! -e "$DIR/socket" ]
}

@test "a socket file has the mode that was asked for" {
	server_config <<-END
		[listen unix:$DIR/all]
		service = echo
		[listen unix:$DIR/owner]
		service = echo
		mode = 0600
	END
	server_start
	is "the modes" "666 600" \
		"$(stat -c %a "$DIR/all" "$DIR/owner" | xargs)"
}

@test "-s stop returns when the server has ended in order" {
	server_start -l "unix:$DIR/socket=echo"
	"$GUICHETD" -r "$DIR" -n t -s stop
	not is_running "$SERVER"
	server_ends
	[ ! -e "$DIR/socket" ]
	logged draining
}

@test "-s kill returns when the server has ended at once" {
	server_start -l tcp:127.0.0.1:0=echo
	"$GUICHETD" -r "$DIR" -n t -s kill
	not is_running "$SERVER"
	server_ends
}

@test "-s stop gives up on a server that does not end, and says so" {
	server_config <<-END
		[server]
		drain-timeout = 0
		[listen tcp:127.0.0.1:0]
		service = echo
	END
	server_start
	kill -STOP "$SERVER"
	run "$GUICHETD" -c "$DIR/guichetd.conf" -r "$DIR" -n t -s stop
	kill -CONT "$SERVER"
	is "the exit status" 1 "$status"
	is "the problem" "guichetd: instance t (pid $SERVER): was told to stop\
 and still runs after 10s" "$output"
	server_ends
}
