#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# services.bats - the small services say what their RFCs say, byte by byte

load helpers
load small

setup() {
	server_setup
}

teardown() {
	server_teardown
}

has_ipv6() {
	grep -q ' lo$' /proc/net/if_inet6 2>/dev/null
}

# serve SERVICE [LINE...]: on every kind of listener there is here, with one
# worker and these lines in each section; the addresses are in ADDRESSES, and
# that of UDP in UDP
serve() {
	local service=$1 section amplification=
	local -a sections=(tcp:127.0.0.1:0 "unix:$DIR/socket" udp:127.0.0.1:0)

	shift
	case $service in
	chargen | qotd) amplification='amplification = on' ;;
	esac
	has_ipv6 && sections+=('tcp:[::1]:0')
	{
		printf '%s\n' '[server]' 'workers = 1'
		for section in "${sections[@]}"; do
			printf '%s\n' "[listen $section]" \
				"service = $service" "$@"
			[ "${section%%:*}" != udp ] || echo "$amplification"
		done
	} | server_config
	server_start
	mapfile -t ADDRESSES < <(column listeners address | grep -v ^udp)
	UDP=$(column listeners address | grep ^udp)
	TCP=$(column listeners address | grep ^tcp:127)
}

# hear ADDRESS: all that it says to one who says nothing
hear() {
	timeout 60 "$GUICHET" talk -w 20s "$1" </dev/null
}

# ask QUESTION: what a datagram is answered
ask() {
	"$GUICHET" send -w 10s "$UDP" "$1"
}

# storm_begin: kills the worker over and over, until storm_end
storm_begin() {
	storm 2>/dev/null 3>&- &
	BACKGROUND+=($!)
}

storm() {
	local pid

	while sleep 0.05; do
		pid=$(worker_pids) && kill -KILL "$pid"
	done
}

storm_end() {
	local deaths

	kill "${BACKGROUND[-1]}"
	deaths=$(counter workers.deaths)
	[ "$deaths" -ge 5 ] || { echo "only $deaths deaths"; return 1; }
}

# slowly BYTES: passes on that many, a little at a time
slowly() {
	local left=$1

	while [ "$left" -gt 0 ]; do
		head -c 500000
		left=$((left - 500000))
		sleep 0.02
	done
}

# --- time and daytime ---------------------------------------------------------

@test "time is 32 bits of seconds since 1900, on every kind of socket" {
	local address

	serve time
	for address in "${ADDRESSES[@]}"; do
		hear "$address" >"$DIR/got"
		is_time "$DIR/got"
	done
	ask '' >"$DIR/got"
	is_time "$DIR/got"
	ask 'what time is it?' >"$DIR/got"
	is_time "$DIR/got"
	wait_until 20 stat_is bytes.out $((4 * (${#ADDRESSES[@]} + 2)))
}

@test "daytime is the first example of RFC 867, on every kind of socket" {
	local address

	serve daytime
	for address in "${ADDRESSES[@]}"; do
		hear "$address" >"$DIR/got"
		is_daytime "$DIR/got"
	done
	ask '' >"$DIR/got"
	is_daytime "$DIR/got"
	ask 'what day is it?' >"$DIR/got"
	is_daytime "$DIR/got"
}

@test "daytime does not depend on the server's time zone and locale" {
	export TZ=Asia/Tokyo LC_ALL=de_DE.UTF-8
	serve daytime
	hear "$TCP" >"$DIR/got"
	is_daytime "$DIR/got"
}

@test "time, daytime and qotd do not wait for a question, and end first" {
	local service n=0

	for service in time daytime qotd; do
		serve "$service"
		exec 5<>"/dev/tcp/127.0.0.1/${TCP##*:}"
		# to its end, though we have not ended ours
		timeout 10 cat <&5 >"$DIR/got"
		"is_$service" "$DIR/got"
		exec 5>&-
		n=$((n + 1))
		wait_until 20 stat_is connections.closed.eof "$n"
		server_stop
	done
}

@test "what is said to time and daytime loses nothing of the answer" {
	local service

	for service in time daytime; do
		serve "$service"
		head -c 300000 /dev/zero |
			timeout 20 "$GUICHET" talk -w 10s "$TCP" >"$DIR/got"
		"is_$service" "$DIR/got"
		server_stop
	done
}

@test "no death costs one who asks for the time or a quotation his answer" {
	local service deadline

	for service in time daytime qotd; do
		serve "$service"
		storm_begin
		deadline=$(($(now_ms) + 2000))
		while [ "$(now_ms)" -lt "$deadline" ]; do
			hear "$TCP" >"$DIR/got"
			"is_$service" "$DIR/got"
		done
		storm_end
		server_stop
	done
}

# --- discard ------------------------------------------------------------------

@test "discard takes everything and says nothing, on every kind of socket" {
	local address

	serve discard
	head -c 20000000 /dev/urandom >"$DIR/in"
	for address in "${ADDRESSES[@]}"; do
		timeout 60 "$GUICHET" talk "$address" <"$DIR/in" >"$DIR/got"
		is "bytes said" 0 "$(stat -c %s "$DIR/got")"
	done
	wait_until 20 stat_is connections.closed.eof ${#ADDRESSES[@]}
	stat_is bytes.in $((20000000 * ${#ADDRESSES[@]}))
	stat_is bytes.out 0
}

@test "discard answers no datagram, and counts each" {
	serve discard
	is "the answer" - "$("$TOOLS/udpfrom" udp:127.0.0.1:0 "$UDP" hi 200)"
	is "the answer" - "$("$TOOLS/udpfrom" udp:127.0.0.1:0 "$UDP" '' 200)"
	wait_until 20 stat_is datagrams.in 2
	stat_is datagrams.out 0
	stat_is bytes.in 2
}

@test "discard counts every byte, whatever dies meanwhile" {
	serve discard
	storm_begin
	reference 30000000 | slowly 30000000 |
		timeout 60 "$GUICHET" talk "$TCP" >"$DIR/got"
	storm_end
	is "bytes said" 0 "$(stat -c %s "$DIR/got")"
	wait_until 10 stat_is connections.closed.eof 1
	stat_is bytes.in 30000000
}

@test "discard takes a gibibyte" {
	serve discard
	dd if=/dev/zero bs=64K count=16384 status=none |
		timeout 120 "$GUICHET" talk "$TCP" >"$DIR/got"
	wait_until 10 stat_is connections.closed.eof 1
	stat_is bytes.in 1073741824
}

@test "discard takes one byte at a time, and the end of one who says nothing" {
	serve discard
	talk_begin slow "$TCP"
	for _ in $(seq 50); do
		printf x >&5
		sleep 0.01
	done
	wait_until 20 stat_is bytes.in 50
	talk_end
	hear "$TCP" >"$DIR/got"
	wait_until 20 stat_is connections.closed.eof 2
}

# --- chargen ------------------------------------------------------------------

@test "chargen says the pattern of RFC 864, on every kind of socket" {
	local address

	serve chargen
	is "the first line of RFC 864" \
		" !\"#\$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ\
[\\]^_\`abcdefg" "$(hear "$TCP" | head -n 1 | tr -d '\r')"
	for address in "${ADDRESSES[@]}"; do
		hear "$address" | head -c 100000 | is_pattern 100000
	done
}

@test "chargen goes on for one who has ended his own side" {
	serve chargen
	hear "$TCP" | head -c 50000000 | is_pattern 50000000
}

@test "chargen ends when its peer does, whether that has read or not" {
	local address n=0

	serve chargen
	for address in "${ADDRESSES[@]}"; do
		hear "$address" | head -c 1000 >/dev/null
		n=$((n + 1))
		wait_until 20 stat_is connections.closed "$n"
	done
	exec 5<>"/dev/tcp/127.0.0.1/${TCP##*:}"
	wait_until 10 column_is connections state writing
	exec 5>&-
	wait_until 20 stat_is connections.open 0
}

@test "chargen looks at nothing that it is told" {
	serve chargen
	head -c 10000 /dev/urandom | timeout 60 "$GUICHET" talk "$TCP" |
		head -c 1000000 | is_pattern 1000000
}

is_stuck() {
	local before

	[ "$(column connections state)" = writing ] || return
	before=$(counter bytes.out)
	sleep 0.3
	[ "$before" -gt 0 ] || return
	is "bytes.out" "$before" "$(counter bytes.out)"
}

@test "chargen waits for a peer that stops reading, and uses no time" {
	local worker before used

	serve chargen
	exec 5<>"/dev/tcp/127.0.0.1/${TCP##*:}"
	wait_until 20 is_stuck
	# what waits in the server is one turn's at most
	[ "$(column connections pending_out)" -le 65536 ]
	worker=$(worker_pids)
	before=$(cpu_ticks "$worker")
	sleep 1
	used=$(($(cpu_ticks "$worker") - before))
	[ "$used" -le 2 ] || { echo "used $used ticks in a second"; return 1; }
	head -c 30000000 <&5 | is_pattern 30000000
	exec 5>&-
}

@test "after each death the pattern goes on at the very column" {
	serve chargen
	storm_begin
	hear "$TCP" | slowly 50000000 | is_pattern 50000000
	storm_end
	stat_is connections.accepted 1
}

@test "chargen answers a datagram, even an empty one, by 0 to 512 characters" {
	local i bytes who

	serve chargen
	for i in $(seq 200); do
		"$TOOLS/udpfrom" udp:127.0.0.1:0 "$UDP" "$((i % 2))" >"$DIR/got"
		read -r who _ <"$DIR/got" || true # there may be no newline
		is "who answered" "$UDP" "udp:$who"
	done
	stat_is datagrams.out 200
	bytes=$(counter bytes.out)
	# 256 each on average
	[ "$bytes" -gt 40000 ] && [ "$bytes" -lt 62000 ]
	reference 14060 >"$DIR/lines"
	for i in $(seq 50); do
		ask '' >"$DIR/got"
		[ "$(stat -c %s "$DIR/got")" -le 512 ]
		[ -s "$DIR/got" ] || continue
		# a piece of the pattern, from a line's begin; it has a
		# backslash, of which -v would make something else
		PIECE=$(head -c 72 "$DIR/got" | tr -d '\r') LC_ALL=C \
			awk -v RS='\r\n' '
			BEGIN {
				piece = ENVIRON["PIECE"]
				if (piece ~ /^ *$/) exit found = 1
			}
			index($0, piece) == 1 { found = 1; exit }
			END { exit !found }' "$DIR/lines"
	done
}

# --- qotd ---------------------------------------------------------------------

@test "qotd has a quotation of its own, of at most 512 bytes" {
	local address

	serve qotd
	hear "$TCP" >"$DIR/built-in"
	is_qotd "$DIR/built-in"
	for address in "${ADDRESSES[@]}"; do
		hear "$address" | cmp - "$DIR/built-in"
	done
	ask '' | cmp - "$DIR/built-in"
	ask 'another one' | cmp - "$DIR/built-in"
}

@test "qotd says each quotation of its file, as it stands there, with CRLF" {
	printf '%s\n' 'one' '	of two lines' '%' '%' 'two %' '%' \
		'drei, größer' >"$DIR/quotations"
	serve qotd "file = $DIR/quotations"
	printf 'one\r\n\tof two lines\r\n' >"$DIR/1"
	printf 'two %%\r\n' >"$DIR/2"
	printf 'drei, größer\r\n' >"$DIR/3"
	for _ in $(seq 60); do
		hear "$TCP" >"$DIR/got"
		ask '' >>"$DIR/got"
		cat "$DIR/got"
	done >"$DIR/all"
	is "quotations" "120" "$(grep -c -e one -e two\ % -e drei "$DIR/all")"
	for i in 1 2 3; do
		grep -q -F -f <(head -n 1 "$DIR/$i") "$DIR/all"
	done
	for _ in 1 2 3 4; do
		hear "$TCP" >"$DIR/got"
		cmp -s "$DIR/got" "$DIR/1" || cmp -s "$DIR/got" "$DIR/2" ||
			cmp "$DIR/got" "$DIR/3"
	done
}

@test "a changed file of quotations is not looked at before a new start" {
	echo before >"$DIR/quotations"
	serve qotd "file = $DIR/quotations"
	rm "$DIR/quotations"
	kill -KILL "$(worker_pids)"
	wait_until 10 stat_is workers.successions 1
	is "the quotation" before "$(hear "$TCP" | tr -d '\r')"
}

@test "a server whose user may not read the quotations does not begin" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	echo secret >"$DIR/quotations"
	chmod 600 "$DIR/quotations"
	server_config <<-END
		[server]
		workers = 1
		user = nobody
		[listen tcp:127.0.0.1:0]
		service = qotd
		file = $DIR/quotations
	END
	server_launch -c "$DIR/guichetd.conf"
	wait_until 20 not is_running "$SERVER"
	wait "$SERVER" && return 1
	logged "file: \"$DIR/quotations\" cannot be read: Permission denied"
	logged 'no worker ever served'
	not logged ready
}
