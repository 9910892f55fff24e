#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# config.bats - the configuration: what is taken, what is refused, in what words
#
# The file in hand is always t.conf of the test's own directory, so that a
# problem reads "t.conf:LINE: what is wrong".

load helpers

setup() {
	server_setup
	cd "$DIR" || return
}

# guichetd ARGUMENT...: it ends by itself; $output has both streams
guichetd() {
	run timeout 20 "$GUICHETD" "$@"
}

# conf LINE...: writes t.conf
conf() {
	printf '%s\n' "$@" >t.conf
}

# server LINE...: t.conf with these in [server], from line 2 on, and a listener
server() {
	conf '[server]' "$@" '[listen tcp:127.0.0.1:7]' 'service = echo'
}

# listener LINE...: t.conf with these in a TCP listener, from line 3 on
listener() {
	conf '[listen tcp:127.0.0.1:7]' 'service = echo' "$@"
}

# refused PROBLEM...: t.conf has exactly these, told with exit 2
refused() {
	guichetd -c t.conf -t
	is "the problems" "$(printf '%s\n' "$@")" "$output"
	is "the exit status" 2 "$status"
}

accepted() {
	guichetd -c t.conf -t
	is "the output" "" "$output"
	is "the exit status" 0 "$status"
}

# in_force NAME VALUE...: all directives of that name in what -T prints
in_force() {
	guichetd -c t.conf -T
	is "$1" "$2" "$(sed -n "s/^$1 = //p" <<<"$output" | xargs)"
}

# --- what is taken ------------------------------------------------------------

@test "-t says nothing of a good configuration and exits 0" {
	listener
	accepted
}

@test "a configuration of a listener alone gets every default" {
	listener
	guichetd -c t.conf -T -r /run/x
	is "the dump" "[server]
name = default
workers = auto
min-spare = 1
max-spare = 4
worker-connections = 16384
max-worker-age = off
max-worker-memory = off
max-worker-connections = off
user = \"\"
drain-timeout = 30s
hang-timeout = 10s
orphan-timeout = 10s
log-level = info
runtime-dir = /run/x

[listen tcp:127.0.0.1:7]
service = echo
name = echo
idle-timeout = off
lifetime = off
backlog = 4096" "$output"
}

@test "what -T prints gives the same when it is read again" {
	conf '[server]' 'name = a-b_9' 'workers = 3-9' 'worker-connections=77' \
		'min-spare = 2' 'max-spare = 2' 'max-worker-age = 36h' \
		'max-worker-memory = 65536k' 'max-worker-connections = 5' \
		'orphan-timeout = 1500ms' 'user = nobody' 'drain-timeout = 90s' 'hang-timeout = off' \
		'log-level = debug' 'runtime-dir = "/tmp/a #b\"\\ "' \
		'[listen tcp:*:7]' 'service = echo' 'idle-timeout = 1500ms' \
		'[listen udp:[::1]:0]' 'service = echo' \
		'[listen tcp:LocalHost:0]' 'service = echo' 'name = echo' \
		'[listen "unix:/tmp/a #] b"]' 'service = echo' 'mode = 600' \
		'lifetime = 120m' 'backlog = 5'
	"$GUICHETD" -c t.conf -T >once.conf
	"$GUICHETD" -c once.conf -T >twice.conf
	diff once.conf twice.conf
	grep -q -F 'runtime-dir = "/tmp/a #b\"\\ "' once.conf
	grep -q -F '[listen "unix:/tmp/a #] b"]' once.conf
	grep -q -x 'mode = 0600' once.conf
	grep -q -x 'lifetime = 2h' once.conf
	grep -q -x 'workers = 3-9' once.conf
	grep -q -x 'max-worker-memory = 64m' once.conf
}

@test "# begins a comment at the line's begin and after white space only" {
	conf '# [server]' '  # name = x' '[server] # here' \
		'runtime-dir = /tmp/a#b	# c' 'log-level = debug #d' \
		'[listen tcp:127.0.0.1:7]#x' 'service = echo'
	refused 't.conf:6: a section'\''s line ends with "]"'
	sed -i 's/]#x/] #x/' t.conf
	in_force runtime-dir '/tmp/a#b'
	in_force log-level debug
}

@test "quotes keep a # and the spaces at a value's ends" {
	server 'runtime-dir = " /a # b "  # c'
	guichetd -c t.conf -T
	grep -q -x -F 'runtime-dir = " /a # b "' <<<"$output"
}

@test "CRLF line ends, a byte order mark and a missing last end are taken" {
	printf '\xef\xbb\xbf[server]\r\nname = x\r\n\r\n[listen tcp:*:7]\r\n' \
		>t.conf
	printf 'service = echo' >>t.conf
	accepted
	in_force name 'x echo'
}

@test "UTF-8 is text" {
	server 'runtime-dir = /tmp/größe # très bien'
	in_force runtime-dir /tmp/größe
}

@test "a configuration may come through a pipe" {
	listener
	run bash -c "'$GUICHETD' -T -c <(cat t.conf) | grep -c listen"
	is "listeners" 1 "$output"
}

@test "listeners are named for their service, around the names given" {
	conf '[listen tcp:*:1]' 'service = echo' \
		'[listen tcp:*:2]' 'service = echo' 'name = echo-2' \
		'[listen tcp:*:3]' 'service = echo' \
		'[listen tcp:*:4]' 'service = echo' 'name = web.1' \
		'[listen tcp:*:5]' 'service = echo'
	in_force name 'default echo echo-2 echo-3 web.1 echo-4'
}

@test "port 0 may be listened on twice: it is another port each time" {
	conf '[listen tcp:*:0]' 'service = echo' \
		'[listen tcp:*:0]' 'service = echo'
	accepted
}

# --- the command line ---------------------------------------------------------

@test "-l needs no file, and gives a listener each" {
	guichetd -T -l tcp:127.0.0.1:7=echo -l udp:*:7=echo -l unix:/a=b=echo
	is "listeners" "[listen tcp:127.0.0.1:7]
[listen udp:*:7]
[listen unix:/a=b]" "$(grep listen <<<"$output")"
}

@test "-n, -r and -w win over the file" {
	server 'name = a' 'runtime-dir = /a' 'workers = 1'
	guichetd -c t.conf -n b -r /b -w auto -T
	is "the section" "name = b
workers = auto
runtime-dir = /b" "$(sed '/^$/,$d' <<<"$output" |
		grep -e name -e workers -e runtime)"
}

@test "-l takes the place of the file's listener of the same address" {
	listener 'idle-timeout = 3s' 'name = old'
	guichetd -c t.conf -l tcp:127.0.0.1:7=echo -T
	is "listeners" 1 "$(grep -c -F '[listen' <<<"$output")"
	is "idle-timeout" 'idle-timeout = off' "$(grep idle <<<"$output")"
	is "the name" 'name = echo' "$(grep '^name' <<<"$output" | tail -n 1)"
}

@test "each problem of the command line is told with its option" {
	guichetd -t -n 'a b' -r '' -w 129 -l tcp:*:7 -l nonsense=echo \
		-l tcp:*:8=ecko -l unix:=echo -l tcp:*:9=echo -l tcp:*:9=echo
	is "the problems" \
'-n a b: is not a name (letters, digits, "-" and "_")
-r : is not a directory'\''s name
-w 129: is not "auto", a number from 1 to 128 or a range of these like 2-8
-l tcp:*:7: no service: add "=echo", or another
-l nonsense=echo: does not begin with tcp:, udp: or unix:
-l tcp:*:8=ecko: "ecko" is not a service; did you mean "echo"?
-l unix:=echo: no path
-l tcp:*:9=echo: tcp:*:9 twice on the command line' "$output"
	is "the exit status" 2 "$status"
}

@test "a line end in an argument is refused" {
	guichetd -t -l $'unix:/a\nb=echo'
	is "the exit status" 2 "$status"
	[[ $output == *": is not text" ]]
}

@test "an operand is refused" {
	guichetd -t -l tcp:*:7=echo start
	is "the exit status" 2 "$status"
	is "the problem" "guichetd: start: takes options only; see guichetd\
 --help" "$output"
}

@test "--help tells every directive" {
	guichetd --help
	is "the exit status" 0 "$status"
	for word in name workers min-spare max-spare worker-connections \
		max-worker-age max-worker-memory max-worker-connections user \
		drain-timeout hang-timeout orphan-timeout log-level \
		runtime-dir service idle-timeout \
		lifetime backlog mode; do
		grep -q "^  $word = " <<<"$output" || {
			echo "--help lacks $word"
			return 1
		}
	done
}

@test "-T into a full disk fails" {
	run bash -c "'$GUICHETD' -T -l tcp:*:7=echo >/dev/full"
	is "the exit status" 1 "$status"
	is "the problem" \
		"guichetd: standard output: No space left on device" "$output"
}

# --- the file as a whole ------------------------------------------------------

@test "a file that is not there" {
	refused 't.conf: No such file or directory'
}

@test "the default file that is not there comes with advice" {
	[ ! -e /etc/guichet/guichetd.conf ] || skip "it is there"
	guichetd -t
	is "the problem" "/etc/guichet/guichetd.conf: No such file or\
 directory (name another with -c, or a listener with -l)" "$output"
	is "the exit status" 2 "$status"
}

@test "a file that may not be read" {
	[ "$(id -u)" != 0 ] || skip "root may read every file"
	listener
	chmod 0 t.conf
	refused 't.conf: Permission denied'
}

@test "a directory" {
	mkdir t.conf
	refused 't.conf: Is a directory'
}

@test "an empty file has no listener" {
	: >t.conf
	refused "t.conf: no listener: add a section [listen ADDRESS], or\
 -l ADDRESS=SERVICE"
}

@test "a file with a NUL byte is no text, and is read no further" {
	printf '[server]\nname = a\0b\nnonsense\n' >t.conf
	refused 't.conf:2: not text (it has a NUL byte)'
}

@test "a line with a control character is no text" {
	listener $'name = a\033[1mb'
	refused 't.conf:3: not text (byte 0x1b at column 9)'
}

@test "a line of 4096 bytes is taken, a longer one is not" {
	listener "# $(printf '%4094s' '')" "# $(printf '%4095s' '')"
	refused 't.conf:4: line is longer than 4096 bytes'
}

@test "a line of 4096 bytes may end with CRLF" {
	listener "# $(printf '%4094s' '')"$'\r'
	accepted
}

@test "noise never does more than be refused" {
	for i in $(seq 20); do
		head -c $((i * 100)) /dev/urandom | tr -d '\0' >t.conf
		guichetd -c t.conf -t
		[ "$status" = 2 ]
		not grep -v '^t.conf:' <<<"$output"
	done
}

@test "all problems are listed, in the order of their lines" {
	conf '[server]' 'wokers = 4' 'log-level = inof' '' \
		'[listen tcp:*:7]' 'service = ehco' '[listn udp:*:7]' \
		'[listen tcp:*:7]' 'service = echo'
	refused \
't.conf:2: unknown directive "wokers"; did you mean "workers"?' \
't.conf:3: log-level: "inof" is not a log level; did you mean "info"?' \
't.conf:6: service: "ehco" is not a service; did you mean "echo"?' \
't.conf:7: unknown section [listn]; did you mean [listen]?' \
't.conf:8: [listen tcp:*:7] twice; the first is on line 5'
}

# --- sections -----------------------------------------------------------------

@test "an unknown section, near to a known one" {
	listener '[sever]' 'name = x'
	refused 't.conf:3: unknown section [sever]; did you mean [server]?'
}

@test "an unknown section, near to none" {
	listener '[proxy]'
	refused "t.conf:3: unknown section [proxy] (there are [server] and\
 [listen ADDRESS])"
}

@test "a section without its closing bracket" {
	listener '[server' 'name = x'
	refused 't.conf:3: a section'\''s line ends with "]"'
}

@test "a section without a name" {
	listener '[]'
	refused 't.conf:3: a section has no name'
}

@test "a directive before the first section" {
	conf 'name = x' '[listen tcp:*:7]' 'service = echo'
	refused 't.conf:1: "name" stands before the first section'
}

@test "[server] twice" {
	server 'workers = 2' '[server]'
	refused 't.conf:3: [server] twice; the first is on line 1'
}

@test "[server] with an argument" {
	listener '[server main]'
	refused 't.conf:3: [server] takes no "main"'
}

@test "[listen] without an address" {
	conf '[listen]' 'service = echo'
	refused "t.conf:1: [listen] without an address: [listen\
 tcp:HOST:PORT], udp:HOST:PORT or unix:PATH"
}

@test "[listen] with a wrong address" {
	conf '[listen tcp:127.0.0.1:70000]' 'service = echo'
	refused \
't.conf:1: [listen tcp:127.0.0.1:70000]: the port is above 65535'
}

@test "[listen] without a service" {
	conf '[listen tcp:*:7]' 'name = x'
	refused "t.conf:1: [listen tcp:*:7] without a service: add\
 \"service = echo\", or another"
}

@test "the same address twice, in letters of another case" {
	conf '[listen tcp:localhost:7]' 'service = echo' \
		'[listen tcp:LOCALHOST:7]' 'service = echo'
	refused \
't.conf:3: [listen tcp:localhost:7] twice; the first is on line 1'
}

@test "the same listener name twice" {
	conf '[listen tcp:*:7]' 'service = echo' 'name = a' \
		'[listen udp:*:7]' 'service = echo' 'name = a'
	refused 't.conf:6: name "a" twice; the first is on line 3'
}

@test "more listeners than the ledger has room for" {
	for i in $(seq 1024); do
		printf '[listen tcp:*:%d]\nservice = echo\n' "$i"
	done >t.conf
	refused 't.conf: 1024 listeners are more than 1023'
}

@test "a service that does not serve datagrams" {
	local test_build=$BUILD/test/guichetd name service=

	for name in $("$test_build" --help | sed -n 's/.*SERVICE: //p' |
		tr -d ,.); do
		"$test_build" -t -l "udp:*:7=$name" >/dev/null 2>&1 ||
			service=$name
	done
	[ -n "$service" ] || skip "all of them do"
	run "$test_build" -t -l "udp:*:7=$service"
	is "the problem" "-l udp:*:7=$service: service \"$service\" serves\
 streams only, not udp" "$output"
	is "the exit status" 2 "$status"
}

# --- directives ---------------------------------------------------------------

@test "an unknown directive, near to a known one" {
	listener 'idle-timout = 3s'
	refused "t.conf:3: unknown directive \"idle-timout\"; did you mean\
 \"idle-timeout\"?"
}

@test "an unknown directive, near to none" {
	server 'gzip = on'
	refused 't.conf:2: unknown directive "gzip" in [server]'
}

@test "a directive in the other section" {
	conf '[server]' 'service = echo' '[listen tcp:*:7]' 'workers = 2' \
		'service = echo'
	refused \
't.conf:2: "service" belongs into [listen ADDRESS], not [server]' \
't.conf:4: "workers" belongs into [server], not [listen]'
}

@test "a directive twice" {
	server 'workers = 1' 'workers = 2'
	refused 't.conf:3: "workers" twice; the first is on line 2'
}

@test "a directive without =" {
	server 'workers 4' 'user'
	refused 't.conf:2: no "=" after "workers"' \
		't.conf:3: no "=" after "user"'
}

@test "= without a directive" {
	server '= 4'
	refused 't.conf:2: no name before "="'
}

@test "a directive without a value" {
	server 'workers =' 'user = # nobody'
	refused 't.conf:2: "workers" has no value' \
		't.conf:3: "user" has no value'
}

@test "quotes without an end, and text after their end" {
	server 'runtime-dir = "/a' 'name = "b" c'
	refused 't.conf:2: runtime-dir: the quote has no end' \
		't.conf:3: name: text follows the closing quote'
}

@test "a directive that means nothing for its listener" {
	conf '[listen udp:*:7]' 'service = echo' 'backlog = 3' \
		'[listen tcp:*:7]' 'service = echo' 'mode = 0600'
	refused 't.conf:3: "backlog" means nothing for [listen udp:*:7]' \
		't.conf:6: "mode" means nothing for [listen tcp:*:7]'
}

# --- values -------------------------------------------------------------------

# takes SECTION NAME VALUE...: each is taken
takes() {
	local section=$1 name=$2 value

	shift 2
	for value; do
		"$section" "$name = $value"
		accepted || { echo "refused: $name = $value"; return 1; }
	done
}

# refuses SECTION LINE NAME WHAT VALUE...: each is refused, for being WHAT
refuses() {
	local section=$1 line=$2 name=$3 what=$4 value

	shift 4
	for value; do
		"$section" "$name = $value"
		refused "t.conf:$line: $name: \"$value\" $what"
	done
}

@test "workers: auto, 1 to 128, or a range of these" {
	takes server workers auto 1 128 1-128 2-2
	refuses server 2 workers "is not \"auto\", a number from 1 to 128 or a\
 range of these like 2-8" 0 129 -1 +1 1.5 4x many 99999999999999999999999 \
		0-2 1-129 1- - 1-2-3 '1 - 2' auto-3 2-auto \
		00000000000000000000000000000000001-2
}

@test "workers: a range that ends before it begins is told the other way round" {
	refuses server 2 workers 'is no range; did you mean "3-4"?' 4-3
}

@test "-w takes a range, too" {
	listener
	guichetd -c t.conf -w 2-8 -T
	is "workers" "workers = 2-8" "$(grep '^workers' <<<"$output")"
}

@test "min-spare and max-spare: 1 to 128, the second not below the first" {
	takes server min-spare 1 128
	takes server max-spare 1 128
	refuses server 2 min-spare 'is not a number from 1 to 128' 0 129 off
	refuses server 2 max-spare 'is not a number from 1 to 128' 0 129 auto
	server 'max-spare = 2' 'min-spare = 3'
	refused 't.conf:2: max-spare: 2 is less than min-spare, which is 3'
	server 'max-spare = 3' 'min-spare = 3'
	accepted
}

@test "the default of max-spare makes do with a larger min-spare" {
	server 'min-spare = 7'
	in_force max-spare 7
}

@test "limits of a worker: off, or within what makes sense" {
	takes server max-worker-age off 1s 365d
	takes server max-worker-memory off 1m 1024k 1048576 1024g
	takes server max-worker-connections off 1 4294967295
	refuses server 2 max-worker-age 'is not from 1s to 365d, or "off"' \
		0 999ms 366d
	refuses server 2 max-worker-memory 'is not from 1m to 1024g, or "off"' \
		0 1023k 1025g 99999999999999999999g
	refuses server 2 max-worker-memory \
		'is not a size like 64k, 512m, 2g or "off"' 64M much -1 1.5m
	refuses server 2 max-worker-connections \
		'is not "off" or a number from 1 to 4294967295' 0 4294967296 1k
}

@test "orphan-timeout: 100ms to 1d, never off" {
	takes server orphan-timeout 100ms 24h
	refuses server 2 orphan-timeout 'is not from 100ms to 1d' 0 99ms 25h
	refuses server 2 orphan-timeout \
		'is not a duration like 500ms, 10s, 5m, 1h' off 10
}

@test "what only a configuration in force has, no file may have" {
	listener 'entries = 1' 'retired = yes'
	refused 't.conf:3: unknown directive "entries" in [listen]' \
		't.conf:4: unknown directive "retired" in [listen]'
}

@test "worker-connections: 1 to 1048576" {
	takes server worker-connections 1 64
	refuses server 2 worker-connections \
		'is not a number from 1 to 1048576' 0 1048577 auto
}

@test "worker-connections must fit the hard limit of descriptors" {
	server 'worker-connections = 235'
	run bash -c "ulimit -n 300; '$GUICHETD' -c t.conf -t"
	is "the problem" "t.conf:2: worker-connections: 235 do not fit the\
 hard limit of 300 descriptors (at most 234 do)" "$output"
	is "the exit status" 2 "$status"
	server 'worker-connections = 234'
	run bash -c "ulimit -n 300; '$GUICHETD' -c t.conf -t"
	is "the exit status" 0 "$status"
}

@test "the default of worker-connections makes do with the hard limit" {
	listener
	run bash -c "ulimit -n 300; '$GUICHETD' -c t.conf -T"
	is "the directive" "worker-connections = 234" \
		"$(grep ^worker-c <<<"$output")"
}

@test "name: letters, digits, - and _, 31 of them" {
	takes server name a Z-9_ "$(printf '%031d' 0)"
	refuses server 2 name 'is longer than 31 characters' \
		"$(printf '%032d' 0)"
	refuses server 2 name \
		'is not a name (letters, digits, "-" and "_")' a.b a/b 'a b' é
}

@test "a listener's name may have dots" {
	takes listener name a.b A-9_
	refuses listener 3 name \
		'is not a name (letters, digits, "-", "_" and ".")' a:b 'a b'
}

@test "user: one of this machine, or nobody else" {
	takes server user root '""'
	refuses server 2 user 'is not a user of this machine' no-such-user
}

@test "durations: a number and a unit, within what makes sense" {
	takes server drain-timeout 0 1ms 1h 1d
	takes server hang-timeout off 10ms 1d
	takes listener idle-timeout off 1ms 365d
	takes listener lifetime off 1ms 365d
	refuses server 2 drain-timeout \
		'is not a duration like 500ms, 10s, 5m, 1h' off 10 -1s 1y s
	refuses server 2 hang-timeout \
		'is not a duration like 500ms, 10s, 5m, 1h or "off"' 10 never
	refuses server 2 hang-timeout 'is not from 10ms to 1d, or "off"' \
		9ms 2d 99999999999999999999s
	refuses listener 3 idle-timeout 'is not from 1ms to 365d, or "off"' \
		0 366d
}

@test "log-level: a level's name" {
	takes server log-level error warning notice info debug
	refuses server 2 log-level 'is not a log level; did you mean "debug"?' \
		debgu
	refuses server 2 log-level "is not a log level (error, warning, notice,\
 info or debug)" 7
}

@test "service: nearest words, and the list where none is near" {
	conf '[listen tcp:*:7]' 'service = gopher'
	guichetd -c t.conf -t
	[[ $output == \
't.conf:2: service: "gopher" is not a service (there are: echo'* ]]
}

@test "backlog: 1 to 65535" {
	takes listener backlog 1 65535
	refuses listener 3 backlog 'is not a number from 1 to 65535' 0 65536 x
}

@test "mode: octal, 0000 to 0777" {
	unix() { conf '[listen unix:/tmp/x]' 'service = echo' "$@"; }
	takes unix mode 0 600 0777
	refuses unix 3 mode 'is not a file mode in octal, 0000 to 0777' \
		888 1777 rw 0x1ff
}

# --- settings of a service's own ----------------------------------------------

# qotd LINE...: t.conf with these in a listener of it, from line 2 on; the
# service is named after them
qotd() {
	conf '[listen tcp:127.0.0.1:17]' "$@" 'service = qotd'
}

@test "a service's own settings may stand before it is named" {
	echo hello >q
	qotd 'file = q'
	accepted
	in_force file q
}

@test "own settings come back from -T, with defaults, but for those unset" {
	conf '[listen tcp:127.0.0.1:17]' 'service = qotd' \
		'[listen udp:*:19]' 'service = chargen' 'amplification = on'
	guichetd -c t.conf -T
	is "the listeners" "[listen tcp:127.0.0.1:17]
service = qotd
name = qotd
idle-timeout = off
lifetime = off
backlog = 4096
amplification = off

[listen udp:*:19]
service = chargen
name = chargen
amplification = on" "$(sed -n '/^\[listen/,$p' <<<"$output")"
}

@test "what -T prints of own settings is read again, quotes and all" {
	echo hello >'a #b"\ '
	qotd 'file = "a #b\"\\ "'
	"$GUICHETD" -c t.conf -T >once.conf
	grep -q -x -F 'file = "a #b\"\\ "' once.conf
	"$GUICHETD" -c once.conf -T | diff once.conf -
}

@test "--help tells the settings of each service" {
	guichetd --help
	is "qotd's" "file amplification" "$(sed -n \
		'/^Beside service = qotd:/,/^$/s/^  \([a-z]*\) = .*/\1/p' \
		<<<"$output" | xargs)"
}

@test "a setting of another service" {
	conf '[listen tcp:*:7]' 'file = /etc/passwd' 'service = echo'
	refused 't.conf:2: file: is a setting of service qotd, not of echo'
}

@test "an unknown directive, near to a setting of the service" {
	qotd 'fiel = q' 'amplificaton = off' 'idle-timout = 3s'
	refused \
't.conf:2: unknown directive "fiel"; did you mean "file"?' \
't.conf:3: unknown directive "amplificaton"; did you mean "amplification"?' \
't.conf:4: unknown directive "idle-timout"; did you mean "idle-timeout"?'
	conf '[listen tcp:*:7]' 'service = echo' 'amplificaton = off'
	refused 't.conf:3: unknown directive "amplificaton" in [listen]'
}

@test "what a misspelt service may have is not complained of" {
	conf '[listen tcp:*:7]' 'service = qodt' 'file = q' 'flie = q'
	refused \
't.conf:2: service: "qodt" is not a service; did you mean "qotd"?' \
't.conf:4: unknown directive "flie" in [listen]'
}

@test "own settings in [server], twice, and without a value" {
	echo hello >q
	conf '[server]' 'file = q' '[listen tcp:*:17]' 'service = qotd' \
		'file = q' 'file = q' 'amplification ='
	refused \
		't.conf:2: "file" belongs into [listen ADDRESS], not [server]' \
		't.conf:6: "file" twice; the first is on line 5' \
		't.conf:7: "amplification" has no value'
}

@test "amplification: on or off" {
	takes qotd amplification off
	refuses qotd 2 amplification 'is neither "on" nor "off"' yes ON 1
}

@test "what answers with much more than it was asked needs leave for UDP" {
	local service what='answers larger than their questions let forged
 senders flood others; add "amplification = on" to allow that'

	what=${what/$'\n'/}
	for service in chargen qotd; do
		conf '[server]' '[listen udp:*:19]' "service = $service"
		refused "t.conf:2: [listen udp:*:19]: $what"
		guichetd -t -l "udp:*:19=$service"
		is "the problem" "-l udp:*:19=$service: $what" "$output"
		is "the exit status" 2 "$status"
		conf '[server]' '[listen udp:*:19]' "service = $service" \
			'amplification = on'
		accepted
		conf '[listen tcp:*:19]' "service = $service" \
			'amplification = on'
		refused "t.conf:1: [listen tcp:*:19]: \"amplification = on\"\
 means nothing for streams"
	done
	guichetd -t -l udp:*:7=echo -l udp:*:9=discard -l udp:*:13=daytime \
		-l udp:*:37=time
	is "the exit status" 0 "$status"
}

# quotations LINE...: the file q
quotations() {
	printf '%s\n' "$@" >q
}

@test "a file of quotations must be there, a file, and readable" {
	qotd 'file = q'
	refused 't.conf:2: file: "q" cannot be read: No such file or directory'
	mkdir q
	refused 't.conf:2: file: "q" is no regular file'
	rmdir q
	mkfifo q
	refused 't.conf:2: file: "q" is no regular file'
	rm q
	truncate -s 16777217 q
	refused 't.conf:2: file: "q" is larger than 16 MiB'
	[ "$(id -u)" != 0 ] || return 0
	chmod 0 q
	refused 't.conf:2: file: "q" cannot be read: Permission denied'
}

@test "a quotation may have 512 bytes, its line ends counted as two" {
	qotd 'file = q'
	quotations one % "$(printf '%254s' '')" "$(printf '%254s' '')" %
	accepted
	quotations one '' % "$(printf '%254s' '')" "$(printf '%255s' '')" % x
	refused "t.conf:2: file: \"q\" has a quotation of 513 bytes from line\
 4 on, of which RFC 865 allows 512"
	# as many, with CRLF in the file itself and no end of the last line
	printf 'one\r\n%%\r\n%510s\r\n%%\r\nx' '' >q
	accepted
	printf '%511s' '' >q
	refused "t.conf:2: file: \"q\" has a quotation of 513 bytes from line\
 1 on, of which RFC 865 allows 512"
}

@test "a file without a quotation, and one that is no text" {
	qotd 'file = q'
	: >q
	refused 't.conf:2: file: "q" has no quotation'
	quotations % % %
	refused 't.conf:2: file: "q" has no quotation'
	printf 'a\nb\0c\n' >q
	refused 't.conf:2: file: "q" is no text: it has a NUL byte on line 2'
}

@test "a listener that -l replaces is checked all the same" {
	conf '[listen tcp:127.0.0.1:7]' 'service = qotd' 'file = nowhere'
	guichetd -c t.conf -l tcp:127.0.0.1:7=echo -t
	is "the problem" "t.conf:3: file: \"nowhere\" cannot be read: No such\
 file or directory" "$output"
	is "the exit status" 2 "$status"
}

@test "the example of the small services is right" {
	guichetd -t -c "$BATS_TEST_DIRNAME/../conf/small-services.conf"
	is "the output" "" "$output"
	is "the exit status" 0 "$status"
}

# --- -s -----------------------------------------------------------------------

@test "-s with an unknown word tells the nearest one" {
	guichetd -s stpo
	is "the problem" \
		'guichetd: -s: "stpo" is none; did you mean "stop"?' "$output"
	is "the exit status" 2 "$status"
}

@test "-s with -t or -T does neither" {
	listener
	for option in t T; do
		guichetd -c t.conf -r "$DIR" "-$option" -s reload
		is "the problem" "guichetd: -s: not with -$option; a reload\
 and an upgrade begin with such a test themselves" "$output"
		is "the exit status" 2 "$status"
	done
}

@test "-s reload and upgrade fail in one line when there is no server" {
	for word in reload upgrade; do
		guichetd -r "$DIR" -s "$word"
		is "the problem" \
			"guichetd: instance default: not running (there is no\
 $DIR/default.ledger)" "$output"
		is "the exit status" 1 "$status"
	done
}

@test "-s without a running instance fails in one line" {
	guichetd -r "$DIR" -n t -s stop
	is "the problem" \
		"guichetd: instance t: not running (there is no\
 $DIR/t.ledger)" "$output"
	is "the exit status" 1 "$status"
	echo rubbish >t.ledger
	guichetd -r "$DIR" -n t -s kill
	is "the problem" "guichetd: instance t: not running ($DIR/t.ledger is\
 of a server that ended)" "$output"
	is "the exit status" 1 "$status"
}

@test "-s finds the instance by the configuration, listeners aside" {
	conf '[server]' 'name = other' "runtime-dir = $DIR" '[listen nonsense]'
	guichetd -c t.conf -s stop
	is "the problem" "guichetd: instance other: not running (there is no\
 $DIR/other.ledger)" "$output"
	conf '[server]' 'nmae = other'
	guichetd -c t.conf -s stop
	is "the problem" \
't.conf:2: unknown directive "nmae"; did you mean "name"?' "$output"
	is "the exit status" 2 "$status"
}

@test "-s follows no link to a ledger" {
	ln -s /etc/passwd t.ledger
	guichetd -r "$DIR" -n t -s kill
	is "the problem" "guichetd: instance t: $DIR/t.ledger: Too many levels\
 of symbolic links" "$output"
	is "the exit status" 1 "$status"
}
