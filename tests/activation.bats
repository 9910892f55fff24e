#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# activation.bats - sockets that the server is given, as systemd gives them
#
# tests/tools/activate opens them and becomes the server. Under a real systemd:
# systemd.bats.

load helpers

setup() {
	server_setup
	PROGRAM=$GUICHETD
}

# A given unix socket's file is the giver's, and stays.
teardown() {
	rm -f "$DIR/given.socket"
	server_teardown
}

# given [NAME=]ADDRESS... : the next server gets these, and the configuration
# of standard input, where GIVEN1, GIVEN2... are their real addresses
given() {
	cat >"$DIR/template"
	cat >"$DIR/begin" <<-'EOT'
		#!/bin/bash
		# begin PROGRAM ARGUMENT...
		text=$(<"${0%/*}/template")
		n=0
		for address in $GIVEN; do
			text=${text//GIVEN$((++n))/$address}
		done
		printf '%s\n' "$text" >"${0%/*}/guichetd.conf"
		exec "$@"
	EOT
	{
		echo '#!/bin/bash'
		printf 'exec %q' "$TOOLS/activate"
		printf ' %q' "$@" -- bash "$DIR/begin" "$PROGRAM"
		echo ' "$@"'
	} >"$DIR/guichetd"
	chmod +x "$DIR/guichetd"
	GUICHETD=$DIR/guichetd
}

# echoes ADDRESS: somebody answers there
echoes() {
	is "answer of $1" "hello there" "$("$GUICHET" send "$1" "hello there")"
}

# address_of LISTENER: where it really listens
address_of() {
	column listeners address name "$1"
}

@test "a given socket is the listener's of its address, whatever its name" {
	given other=tcp:127.0.0.1:0 udp:127.0.0.1:0 <<-EOF
		[listen GIVEN1]
		service = echo
		name = stream
		[listen GIVEN2]
		service = echo
		name = other
	EOF
	server_start
	echoes "tcp:127.0.0.1:$(server_port stream)"
	echoes "udp:127.0.0.1:$(server_port other)"
	is "sockets left over" 0 "$(log_lines inherited)"
	column_is listeners name "stream other"
}

@test "a given socket is the listener's of its name, whatever its address" {
	given a=tcp:127.0.0.1:0 b=tcp:127.0.0.2:0 a=udp:127.0.0.3:0 <<-EOF
		# GIVEN1
		# GIVEN2
		# GIVEN3
		[listen tcp:127.0.0.1:0]
		service = echo
		name = b
		[listen udp:*:0]
		service = echo
		name = a
	EOF
	server_start
	mapfile -t given < <(sed -n 's/^# //p' "$DIR/guichetd.conf")
	is "address of b" "${given[1]}" "$(address_of b)"
	is "address of a" "${given[2]}" "$(address_of a)"
	echoes "${given[1]}"
	echoes "${given[2]}"
	# a stream's name does not fit a datagram listener
	wait_until 20 logged \
		"${given[0]}: inherited as a, but no listener is configured"
}

@test "of given sockets with one name each is the listener's of its address" {
	given echo=tcp:127.0.0.1:0 echo=tcp:127.0.0.1:0 echo=tcp:127.0.0.2:0 \
		<<-EOF
		# GIVEN3
		[listen GIVEN1]
		service = echo
		name = echo
		[listen GIVEN2]
		service = discard
		name = discard
	EOF
	server_start
	mapfile -t given < <(sed -n 's/^# //p;s/^.listen \(.*\)./\1/p' \
		"$DIR/guichetd.conf")
	# what is at no listener's address is there for its name
	is "addresses of echo" "${given[1]} ${given[0]}" \
		"$(address_of echo | xargs)"
	is "address of discard" "${given[2]}" "$(address_of discard)"
	echoes "${given[0]}"
	echoes "${given[1]}"
	is "sockets left over" 0 "$(log_lines inherited)"
}

@test "a given socket that nobody wants is closed, with a warning" {
	given spare=tcp:127.0.0.1:0 udp:127.0.0.1:0 <<-EOF
		# GIVEN1
		# GIVEN2
		[listen tcp:127.0.0.1:0]
		service = echo
		name = echo
	EOF
	server_start
	mapfile -t given < <(sed -n 's/^# //p' "$DIR/guichetd.conf")
	is "warnings" 2 "$(log_lines 'no listener is configured for it: closed')"
	logged "${given[0]}: inherited as spare, "
	logged "${given[1]}: inherited as unknown, "
	echoes "tcp:127.0.0.1:$(server_port echo)"
	# closed: nobody listens there any more
	run "$TOOLS/plainbind" "${given[0]}"
	is "the address is free" "${given[0]##*:}" "$output"
	run "$TOOLS/plainbind" "${given[1]}"
	is "the address is free" "${given[1]##*:}" "$output"
}

@test "more given sockets than one listener can have are closed, with a warning" {
	local given=()

	for _ in {1..17}; do
		given+=(web=tcp:127.0.0.1:0)
	done
	given "${given[@]}" <<-EOF
		[listen tcp:127.0.0.1:1]
		service = echo
		name = web
	EOF
	server_start
	is "sockets" 16 "$(address_of web | wc -l)"
	for address in $(address_of web); do
		echoes "$address"
	done
	is "closed" 1 "$(log_lines 'inherited as web, but no listener is .*: closed$')"
	server_stop
}

@test "a given unix socket is served, and its file stays when the server stops" {
	given "unix:$DIR/given.socket" <<-EOF
		[listen unix:$DIR/given.socket]
		service = echo
		name = echo
	EOF
	server_start
	echoes "unix:$DIR/given.socket"
	is "sockets left over" 0 "$(log_lines inherited)"
	server_stop
	[ -S "$DIR/given.socket" ]
}

@test "who came before the server did is served, urgent data and all" {
	local bench

	given tcp:127.0.0.1:0 <<-EOF
		[listen GIVEN1]
		service = echo
		name = echo
	EOF
	# it waits where the server would begin, until a client is there
	sed -i -e '2a echo "$GIVEN" >"${0%/*}/address"' \
		-e '2a until [ -e "${0%/*}/go" ]; do sleep 0.02; done' \
		"$DIR/begin"
	server_launch -c "$DIR/guichetd.conf"
	wait_until 10 [ -s "$DIR/address" ]
	background bench "$GUICHET" bench "$(<"$DIR/address")" -c 20 -N 200 \
		-w 30s -o json
	bench=$!
	# its socket was made by a listener that did not know it yet
	background urgent "$TOOLS/urgent" "$(<"$DIR/address")" \
		"before " "urgent " after
	wait_until 10 queue_has 21
	touch "$DIR/go"
	wait "$!"
	is "the answer" "before urgent after" "$(<"$DIR/urgent.out")"
	wait "$bench"
	is "requests" 200 "$(json "$DIR/bench.out" requests)"
	wait_until 20 stat_is connections.accepted 21
}

# queue_has N: connections wait to be accepted at $DIR/address
queue_has() {
	local port

	port=$(printf '%04X' "$(sed 's/.*://' "$DIR/address")")
	is "waiting" "$(printf '%08X' "$1")" "$(awk -v at=":$port" '
		index($2, at) && $4 == "0A" { sub(/.*:/, "", $5); print $5 }' \
		/proc/net/tcp)"
}

@test "sockets that are meant for another process are not touched" {
	given "tcp:127.0.0.1:0" <<-EOF
		[listen tcp:127.0.0.1:0]
		service = echo
		name = echo
	EOF
	sed -i '2a export LISTEN_PID=1' "$DIR/begin"
	server_start
	echoes "tcp:127.0.0.1:$(server_port echo)"
	not logged inherited
	not logged LISTEN_
}

@test "given sockets that are none are said once, and the server serves" {
	given "tcp:127.0.0.1:0" <<-EOF
		[listen GIVEN1]
		service = echo
		name = echo
	EOF
	sed -i '2a export LISTEN_FDS=3; exec 4</dev/null' "$DIR/begin"
	server_start
	echoes "tcp:127.0.0.1:$(server_port echo)"
	is "warnings" 2 "$(log_lines LISTEN_FDS)"
	logged "LISTEN_FDS: descriptor 4 is closed, no socket to serve: "
	logged "LISTEN_FDS: 1 of 3 descriptors are not open"
}

@test "a worker, a program and a keeper inherit no LISTEN_ variable" {
	local pid

	given "tcp:127.0.0.1:0" <<-EOF
		[listen GIVEN1]
		service = exec
		name = exec
		command = /usr/bin/env
	EOF
	server_start
	run "$GUICHET" send "tcp:127.0.0.1:$(server_port exec)" ""
	[[ $output != *LISTEN_* ]]
	for pid in $(keeper_pids); do
		not grep -q LISTEN_ "/proc/$pid/environ"
	done
}
