#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# modules.bats - services that are loaded: refused in one clear line, or served
#
# The good one is conf/modules/kv.c, as `make` has built it. Bad ones are built
# here, each a few lines, against the installed header alone. (That a module's
# connections survive a death at every point is in crash.bats.)

load helpers

setup() {
	server_setup
	KV=$BUILD/modules/kv.so
	ROOT=$BATS_TEST_DIRNAME/..
}

teardown() {
	server_teardown
}

needs_compiler() {
	command -v cc >/dev/null || skip "no cc to build a module with"
}

# module NAME [CODE]: builds $DIR/NAME.so of CODE, else of standard input
module() {
	needs_compiler
	{
		echo '#include <guichet/service.h>'
		[ $# = 1 ] && cat || echo "$2"
	} >"$DIR/$1.c"
	cc -shared -fPIC -Wall -Werror -I"$BUILD/include" \
		-o "$DIR/$1.so" "$DIR/$1.c"
}

# service FIELDS [CODE]: the source of one that is well, but for these fields
service() {
	cat <<-END
		static enum verdict input(struct turn *turn)
		{
			turn->consumed = turn->in_bytes;
			return VERDICT_CONTINUE;
		}
		static inline const char *set(void *to, const char *value)
		{
			return NULL;
		}
		${2-}
		static const struct service it = {
			.name = "it", .help = "it", .transports = SERVICE_STREAM,
			.input = input,
			$1
		};
		GUICHET_SERVICE(it);
	END
}

# refused PATH WHY: by guichetd -t, with file and line
refused() {
	server_config <<-END
		[server]
		[listen tcp:127.0.0.1:0]
		service = $1
	END
	run "$GUICHETD" -r "$DIR" -t -c "$DIR/guichetd.conf"
	is "what it says" \
		"$DIR/guichetd.conf:3: service: \"$1\" $2" "$output"
	is "its status" 2 "$status"
}

# refused_service WHY FIELDS [CODE]
refused_service() {
	service "$2" "${3-}" | module it
	refused "$DIR/it.so" "is a module whose service $1"
}

# --- refused -------------------------------------------------------------------

@test "a module that is not there, or is no file, is told with file and line" {
	refused "$DIR/none.so" "cannot be loaded: No such file or directory"
	refused "$DIR" "is not a module: not a regular file"
	refused ./none.so "cannot be loaded: No such file or directory"
}

@test "a file that is no shared object is told with file and line" {
	local bytes

	echo "some text, a line or two of it" >"$DIR/text.so"
	: >"$DIR/empty.so"
	refused "$DIR/text.so" "cannot be loaded: file too short"
	refused "$DIR/empty.so" "cannot be loaded: file too short"
	head -c 3000 /dev/zero >"$DIR/zeros.so"
	refused "$DIR/zeros.so" "cannot be loaded: invalid ELF header"
	refused "$BUILD/obj/server/main.o" \
		"cannot be loaded: only ET_DYN and ET_EXEC can be loaded"
}

@test "a module that was cut short anywhere is refused, and harms nobody" {
	local bytes whole

	needs_compiler
	service '' | module whole
	strip "$DIR/whole.so"
	whole=$(stat -c %s "$DIR/whole.so")
	for bytes in 0 4 63 64 100 500 1000 2000 4000 4096 8192 12288 \
		$((whole / 2)); do
		head -c "$bytes" "$DIR/whole.so" >"$DIR/cut.so"
		run "$GUICHETD" -r "$DIR" -t -l "tcp:127.0.0.1:0=$DIR/cut.so"
		is "its status for $bytes of $whole bytes" 2 "$status"
		is "lines" 1 "${#lines[@]}"
	done
}

@test "a symbol that a module lacks is named at the start" {
	service '.open = input' 'enum verdict absent(struct turn *turn);
		enum verdict call(struct turn *turn);
		enum verdict call(struct turn *turn) { return absent(turn); }' |
		module lacking
	refused "$DIR/lacking.so" "cannot be loaded: undefined symbol: absent"
}

@test "a shared object that is no module is told so" {
	module other 'int other = 1;'
	refused "$DIR/other.so" "is not a module: it has no symbol \
guichet_module (see guichet-service(3))"
	module strange 'const struct guichet_module guichet_module = { 7 };'
	refused "$DIR/strange.so" \
		"is not a module: its symbol guichet_module is something else"
	module bare 'const struct guichet_module guichet_module = {
		GUICHET_MODULE_MAGIC, GUICHET_SERVICE_VERSION, NULL };'
	refused "$DIR/bare.so" "is a module without a service"
}

@test "a module of another version names both versions" {
	service '' '#undef GUICHET_SERVICE_VERSION
		#define GUICHET_SERVICE_VERSION 3' | module newer
	refused "$DIR/newer.so" "was built for version 3 of the service \
interface; this server has 2"
	service '' '#undef GUICHET_SERVICE_VERSION
		#define GUICHET_SERVICE_VERSION 1' | module older
	refused "$DIR/older.so" "was built for version 1 of the service \
interface; this server has 2"
}

@test "a module whose service is not whole is told what is wrong" {
	refused_service "is for streams, and has no input handler" \
		'.input = NULL' '#pragma GCC diagnostic ignored "-Woverride-init"'
	refused_service "is for datagrams, and has no datagram handler" \
		'.transports = SERVICE_DATAGRAM'
	refused_service "has transports that are none" '.transports = 4'
	refused_service "wants 257 bytes of state; 256 is the most" \
		'.state_bytes = 257'
	refused_service "counts settings, and has no table of them" \
		'.n_settings = 1'
	refused_service 'has a setting "name", which every listener has' \
		'.settings = s, .n_settings = 1' \
		'static const struct service_setting s[] = {
			{ "name", "X", NULL, "x", set } };'
	refused_service 'has two settings "file"' \
		'.settings = s, .n_settings = 2' \
		'static const struct service_setting s[] = {
			{ "file", "X", NULL, "x", set },
			{ "file", "X", NULL, "x", set } };'
	refused_service "has 9 counters; 8 is the most" '.n_counters = 9'
	refused_service 'has a counter "messages", which every listener has' \
		'.counters = c, .n_counters = 1' \
		'static const struct service_counter c[] = {
			{ "messages", "", "x" } };'
	refused_service 'has two counters "words.said_bytes"' \
		'.counters = c, .n_counters = 2' \
		'static const struct service_counter c[] = {
			{ "words.said", "bytes", "x" },
			{ "words.said_bytes", "bytes", "x" } };'
	refused_service "has a counter (number 0) with a bad name \
(small letters, digits, \"_\" and \".\")" \
		'.counters = c, .n_counters = 1' \
		'static const struct service_counter c[] = {
			{ "Words", "", "x" } };'
	refused_service "has a counter \"words\" without help, or with more \
than 79 bytes of it" \
		'.counters = c, .n_counters = 1' \
		'static const struct service_counter c[] = {
			{ "words", "", "" } };'
}

@test "a service's name that no readout could show is refused" {
	local name

	for name in '""' NULL '"Kv"' '"k v"' '"../kv"' '"7kv"' \
		'"a234567890123456789012345678901x"'; do
		service '' | sed "s|\.name = \"it\"|.name = $name|" | module it
		refused "$DIR/it.so" "is a module whose service has no name, \
or a bad one (small letters, digits, \"-\" and \"_\")"
	done
}

@test "a module's settings are checked like those of a built-in service" {
	server_config <<-END
		[listen tcp:127.0.0.1:0]
		service = $KV
		greeting = $(printf 'x%.0s' {1..64})
		[listen tcp:127.0.0.1:0]
		service = $KV
		greating = hi
		[listen udp:127.0.0.1:0]
		service = $KV
	END
	run "$GUICHETD" -r "$DIR" -t -c "$DIR/guichetd.conf"
	is "its status" 2 "$status"
	is "problems" 3 "${#lines[@]}"
	[[ ${lines[0]} = *'conf:3: greeting: "xxx'*' is too long (63 bytes at most)' ]]
	is "misspelt" "$DIR/guichetd.conf:6: unknown directive \"greating\"; \
did you mean \"greeting\"?" "${lines[1]}"
	is "transport" "$DIR/guichetd.conf:8: service \"kv\" serves streams \
only, not udp" "${lines[2]}"
}

@test "a module that cannot be loaded is one problem, whatever its settings" {
	server_config <<-END
		[listen tcp:127.0.0.1:0]
		service = $DIR/none.so
		greeting = hi
	END
	run "$GUICHETD" -r "$DIR" -t -c "$DIR/guichetd.conf"
	is "problems" 1 "${#lines[@]}"
	is "its status" 2 "$status"
}

@test "-T prints a module's path and settings back, and takes them again" {
	server_config <<-END
		[listen tcp:127.0.0.1:9]
		service = $KV
		greeting = "a # in it"
		[listen tcp:127.0.0.1:10]
		service = $KV
	END
	"$GUICHETD" -r "$DIR" -T -c "$DIR/guichetd.conf" >"$DIR/dump"
	is services "service = $KV service = $KV" \
		"$(grep ^service "$DIR/dump" | xargs)"
	grep -qx 'greeting = "a # in it"' "$DIR/dump"
	grep -qx 'greeting = READY' "$DIR/dump"
	is names "name = kv name = kv-2" \
		"$(sed -n '/^\[listen/,$p' "$DIR/dump" | grep ^name | xargs)"
	"$GUICHETD" -T -c "$DIR/dump" | diff "$DIR/dump" -
}

# --- built as the manual says ---------------------------------------------------

@test "the header compiles alone, as C11 and as C++" {
	needs_compiler
	cc -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
		-x c "$BUILD/include/guichet/service.h"
	command -v c++ >/dev/null || skip "no c++"
	c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
		-x c++ "$BUILD/include/guichet/service.h"
}

@test "the line in kv.c builds it, in under 150 lines of source" {
	local line

	needs_compiler
	line=$(sed -n 's/^ \*     \(cc .*\)/\1/p' "$ROOT/conf/modules/kv.c")
	cp "$ROOT/conf/modules/kv.c" "$DIR"
	(cd "$DIR" && CPATH=$BUILD/include sh -e -c "$line")
	"$GUICHETD" -r "$DIR" -t -l "tcp:127.0.0.1:0=$DIR/kv.so"
	[ "$(wc -l <"$ROOT/conf/modules/kv.c")" -lt 150 ]
}

@test "the example in conf/modules is a configuration that is right" {
	sed "s|= build/modules|= $BUILD/modules|" "$ROOT/conf/modules/kv.conf" \
		>"$DIR/kv.conf"
	"$GUICHETD" -r "$DIR" -t -c "$DIR/kv.conf"
}

@test "the example in guichet-service(3) is a module, and does what it says" {
	needs_compiler
	sed -n '/^#include <guichet/,/^GUICHET_SERVICE/p' \
		"$ROOT/server/guichet-service.3" | sed 's/\\e/\\/g' \
		>"$DIR/shout.c"
	cc -Wall -Wextra -Werror -shared -fPIC -I"$BUILD/include" \
		-o "$DIR/shout.so" "$DIR/shout.c"
	server_start -w 1 -l "tcp:127.0.0.1:0=$DIR/shout.so"
	is "the answer" "HELLO, YOU" "$("$GUICHET" send \
		"127.0.0.1:$(server_port shout)" "hello, you")"
	stat_is listener.shout.letters 8
}

@test "a path relative to where guichetd is started is taken, too" {
	cp "$KV" "$DIR/mine.so"
	cd "$DIR"
	server_start -w 1 -l "tcp:127.0.0.1:0=./mine.so"
	is "the answer" READY "$("$GUICHET" talk -w 10s \
		"127.0.0.1:$(server_port kv)" </dev/null)"
}

# --- served ----------------------------------------------------------------------

start_kv() {
	server_config <<-END
		[server]
		workers = ${1:-1}
		[listen tcp:127.0.0.1:0]
		service = $KV
		name = pad
		greeting = hello
	END
	server_start
	address=127.0.0.1:$(server_port pad)
}

# say TEXT N: writes the line, and waits until N lines have come in all
say() {
	echo "$1" >&5
	wait_until 10 has_lines "$2"
}

has_lines() {
	is "lines of answers" "$1" "$(wc -l <"$DIR/talk.out")"
}

kill_worker() {
	local deaths

	deaths=$(counter workers.deaths)
	kill -KILL "$(column workers pid slot 0)"
	wait_until 10 stat_is workers.deaths $((deaths + 1))
	wait_until 10 column_is workers state serving
}

@test "a module keeps its state and its counts over kill -9 of its worker" {
	start_kv
	talk_begin talk "$address"
	wait_until 10 has_lines 1
	say "SET a the value" 2
	kill_worker
	say "GET a" 3
	printf 'GE' >&5 # half a command, which the dead worker has received
	wait_until 10 column_is connections bytes_in 22
	kill_worker
	say "T b" 4
	kill_worker
	say "QUIT" 5
	talk_end
	is answers "hello OK the value NONE BYE" "$(xargs <"$DIR/talk.out")"
	stat_is listener.pad.sets 1
	stat_is listener.pad.misses 1
	stat_is listener.pad.stored 9
	stat_is workers.deaths 3
	stat_is connections.resumed 3
}

@test "a module's counters stand in statsd, table, JSON and Prometheus" {
	start_kv 2
	printf 'SET a 12345\nGET a\nGET b\nGET c\nQUIT\n' |
		"$GUICHET" talk "$address" >"$DIR/out"
	wait_until 10 stat_is connections.closed 1
	is statsd "sets:1|c misses:2|c stored:5|c" "$(readout |
		sed -n 's/^guichet\.t\.listener\.pad\.\([a-z]*:\)/\1/p' |
		tail -n 3 | xargs)"
	readout -o table | grep -qx "pad: sets 1, misses 2, stored 5"
	readout -o table top | grep -qx "pad: sets 1, misses 2, stored 5"
	[[ $(readout -o json) = *'"own_counters":{"sets":1,"misses":2,"stored":5}'* ]]
	readout -o prometheus >"$DIR/page"
	grep -qxF '# TYPE guichet_kv_stored_bytes_total counter' "$DIR/page"
	grep -qxF '# HELP guichet_kv_sets_total Values that were set' "$DIR/page"
	grep -qxF 'guichet_kv_stored_bytes_total{instance="t",listener="pad"} 5' \
		"$DIR/page"
	! command -v promtool >/dev/null || promtool check metrics <"$DIR/page"
}

@test "input that is none of its protocol costs a connection, and no count" {
	start_kv
	# one piece: what comes alone is answered, and counts
	{ echo SET a b; head -c 64 /dev/zero; } >"$DIR/in"
	run bash -c '"$1" talk "$2" <"$3"' - "$GUICHET" "$address" "$DIR/in"
	wait_until 10 stat_is connections.closed.protocol 1
	stat_is listener.pad.sets 0
	stat_is bytes.in 0
	stat_is workers.deaths 0
}

@test "a module's counters go on over a restart, by their names" {
	service '.counters = c, .n_counters = 2,' \
		'static const struct service_counter c[] = {
			{ "new.ones", "", "x" }, { "sets", "", "x" } };' |
		module later
	start_kv
	printf 'SET a b\nSET c d\nQUIT\n' | "$GUICHET" talk "$address" >/dev/null
	wait_until 10 stat_is listener.pad.sets 2
	server_stop
	start_kv 2
	stat_is listener.pad.sets 2
	printf 'SET a b\n' | "$GUICHET" talk "$address" >/dev/null
	wait_until 10 stat_is listener.pad.sets 3
	server_kill
	KV=$DIR/later.so
	sed -i /greeting/d "$DIR/guichetd.conf"
	sed -i "s|^service = .*|service = $KV|" "$DIR/guichetd.conf"
	server_start
	stat_is listener.pad.sets 3
	stat_is listener.pad.new.ones 0
	is "the ones that are no more" "" "$(counter listener.pad.stored)"
}

@test "a keeper that is killed takes no count back" {
	start_kv
	talk_begin talk "$address"
	wait_until 10 has_lines 1
	say "SET a b" 2
	kill -KILL "$(column workers keeper slot 0)"
	wait_until 10 stat_is connections.closed.killed 1
	stat_is listener.pad.sets 1
	printf 'SET a b\nQUIT\n' | "$GUICHET" talk "$address" >/dev/null
	wait_until 10 stat_is listener.pad.sets 2
}

@test "a module that consumes more than there is costs its connection only" {
	service '' | sed 's/= turn->in_bytes;/= turn->in_bytes + 1;/' |
		module greedy
	server_start -w 1 -l "tcp:127.0.0.1:0=$DIR/greedy.so" \
		-l tcp:127.0.0.1:0=echo
	talk_begin talk "127.0.0.1:$(server_port echo)"
	say before 1
	run "$GUICHET" send -w 10s "127.0.0.1:$(server_port it)" x
	wait_until 10 stat_is connections.closed.crash 1
	say after 2
	stat_is connections.open 1
	talk_end
}

@test "a drain closes idle connections of a service that allows it at once" {
	start_kv
	talk_begin talk "$address"
	wait_until 10 has_lines 1
	say "SET a b" 2
	kill -TERM "$SERVER"
	server_ends # well before drain-timeout, which is 30 s
	stat_is connections.closed.drain 1
	is answers "hello OK" "$(xargs <"$DIR/talk.out")"
	talk_end
}

@test "a drain lets a command that is under way be answered, and ends then" {
	start_kv
	talk_begin talk "$address"
	wait_until 10 has_lines 1
	# one piece: when the first is answered, half of the second is there
	printf 'GET a\nGET' >&5
	wait_until 10 has_lines 2
	kill -TERM "$SERVER"
	wait_until 20 column_is workers state draining
	stat_is connections.open 1
	say b 3
	server_ends
	stat_is connections.closed.drain 1
	is answers "hello NONE WHAT?" "$(xargs <"$DIR/talk.out")"
	talk_end
}

# --- in a storm ------------------------------------------------------------------

# conversation: 2000 commands in $DIR/in, all answers in $DIR/out; every one
# sets a value of 10 bytes, which the next one asks for, and one that misses
conversation() {
	awk -v answers="$DIR/out" 'BEGIN {
		print "hello" >answers
		for (i = 0; i < 2000; i++) {
			value = sprintf("value%05d", i)
			print "SET key" i % 6 " " value
			print "GET key" i % 6
			print "GET none"
			print "OK\n" value "\nNONE" >answers
		}
	}' >"$DIR/in"
}

# chat NUMBER: conversations, one after another, until $DIR/enough is there
chat() {
	local n=0

	until [ -e "$DIR/enough" ]; do
		timeout 60 "$GUICHET" talk -w 30s "$address" <"$DIR/in" \
			>"$DIR/got.$1" || break
		cmp "$DIR/got.$1" "$DIR/out" || break
		n=$((n + 1))
	done
	[ -e "$DIR/enough" ] || echo "client $1 failed" >"$DIR/failed.$1"
	echo "$n" >"$DIR/talked.$1"
}

nobody_failed() {
	! cat "$DIR"/failed.* 2>/dev/null
}

@test "a storm: a module's answers and counts are exact, worker after worker" {
	local i n=0 pids=()

	start_kv 2
	conversation
	for i in 1 2 3 4 5 6; do
		chat "$i" 2>"$DIR/chat.$i.log" 3>&- &
		pids+=($!)
		BACKGROUND+=($!)
	done
	background storm "$TOOLS/storm" "$DIR/t.ledger" 10 30
	wait_until 60 stat_above workers.deaths 60
	: >"$DIR/enough"
	wait "${pids[@]}"
	kill -KILL "${BACKGROUND[-1]}"
	nobody_failed
	n=$(cat "$DIR"/talked.* | awk '{ n += $1 } END { print n }')
	echo "# $n conversations, $(counter workers.deaths) workers killed" >&3
	wait_until 20 stat_is connections.closed.eof "$n"
	stat_is listener.pad.sets $((2000 * n))
	stat_is listener.pad.misses $((2000 * n))
	stat_is listener.pad.stored $((20000 * n))
	stat_is bytes.in $((n * $(stat -c %s "$DIR/in")))
	stat_is bytes.out $((n * $(stat -c %s "$DIR/out")))
}
