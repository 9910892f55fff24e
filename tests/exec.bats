#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# exec.bats - a program for each connection
#
# Most of the programs are some that nobody here wrote: cat, bash, git daemon,
# rsync --daemon, micro-httpd.

load helpers

setup() {
	server_setup
}

teardown() {
	server_teardown
	# programs are sessions of their own, so the above does not see them
	wait_until 10 no_program_left
}

no_program_left() {
	local left

	left=$(grep -l -z -s "^MARK=$DIR\$" /proc/[0-9]*/environ || true)
	[ -z "$left" ] || { echo "still there: $left"; return 1; }
}

# run_programs WORKERS ADDRESS COMMAND [SETTING...]
run_programs() {
	local workers=$1 at=$2 command=$3

	shift 3
	{
		echo "[server]"
		echo "workers = $workers"
		echo "worker-connections = 512"
		echo "[listen $at]"
		echo "service = exec"
		echo "name = it"
		echo "command = $command"
		[[ " $* " = *" environment = "* ]] ||
			echo "environment = MARK=$DIR"
		[ $# = 0 ] || printf '%s\n' "$@"
	} | server_config
	server_start
	address=$(column listeners address name it)
}

# hears [INPUT]: what the program says to that, or to nothing
hears() {
	printf '%s' "${1-}" | "$GUICHET" talk -w 20s "$address"
}

# program_pids: of programs that run now
program_pids() {
	grep -l -z -s "^MARK=$DIR\$" /proc/[0-9]*/environ |
		sed 's/[^0-9]//g'
}

n_programs_is() {
	is "programs" "$1" "$(program_pids | wc -l)"
}

# storm_begin: workers are killed, again and again, until storm_end
storm_begin() {
	touch "$DIR/storm"
	{
		while [ -e "$DIR/storm" ]; do
			worker_pids | xargs -r kill -KILL || true
			sleep 0.05
		done
	} >/dev/null 2>&1 3>&- &
	BACKGROUND+=($!)
	STORM=$!
}

storm_end() {
	rm "$DIR/storm"
	wait "$STORM" || true
	stat_above workers.deaths "${1:-5}"
}

# bash takes a socket for rshd and would read ~/.bashrc: hence --norc, here and
# there

# --- what a program gets ------------------------------------------------------

@test "100 MB through cat come back as they were, and are counted exactly" {
	run_programs 1 tcp:127.0.0.1:0 /bin/cat
	head -c 100000000 /dev/urandom >"$DIR/in"
	"$GUICHET" talk -w 60s "$address" <"$DIR/in" | cmp - "$DIR/in"
	wait_until 10 stat_is connections.closed.eof 1
	is "bytes in" 100000000 "$(counter bytes.in)"
	is "bytes out" 100000000 "$(counter bytes.out)"
	is "of the connection" "100000000 100000000" \
		"$(column closed bytes_in) $(column closed bytes_out)"
	is "programs started" 1 "$(counter listener.it.programs.started)"
	is "programs failed" 0 "$(counter listener.it.programs.failed)"
}

@test "a program's environment is UCSPI's and systemd's, and no more" {
	local port

	SECRET=1 run_programs 1 tcp:127.0.0.1:0 /usr/bin/env \
		"environment = MARK=$DIR \"A=b c\" D="
	port=${address##*:}
	hears >"$DIR/got"
	is "values" "A=b c
D=
PROTO=TCP
REMOTE_ADDR=127.0.0.1
TCPCONNNUM=1
TCPLOCALIP=127.0.0.1
TCPLOCALPORT=$port
TCPREMOTEIP=127.0.0.1" \
		"$(grep -v -e '^MARK=' -e '^PATH=' -e 'REMOTE_\{0,1\}PORT=' \
			"$DIR/got" | sort)"
	is "PATH" "PATH=$PATH" "$(grep ^PATH= "$DIR/got")"
	is "the two ports of the peer" \
		"$(sed -n 's/^REMOTE_PORT=//p' "$DIR/got")" \
		"$(sed -n 's/^TCPREMOTEPORT=//p' "$DIR/got")"
	is "variables" 12 "$(wc -l <"$DIR/got")"
}

@test "over IPv6 the addresses are IPv6" {
	run_programs 1 'tcp:[::1]:0' /usr/bin/env
	is "addresses" "PROTO=TCP
REMOTE_ADDR=::1
TCPLOCALIP=::1
TCPREMOTEIP=::1" "$(hears | grep -e PROTO -e IP= -e ADDR | sort)"
}

@test "on a unix socket the environment says who the peer is" {
	run_programs 1 "unix:$DIR/socket" /usr/bin/env
	hears >"$DIR/got"
	is "values" "PROTO=UNIX
UNIXLOCALPATH=$DIR/socket
UNIXREMOTEEGID=$(id -g)
UNIXREMOTEEUID=$(id -u)" \
		"$(grep -e PROTO -e PATH=/.*socket -e REMOTEE "$DIR/got" |
			sort)"
	grep -q '^UNIXREMOTEPID=[1-9]' "$DIR/got"
}

@test "TCPCONNNUM counts the connections of an address" {
	run_programs 1 tcp:127.0.0.1:0 \
		"/bin/sh -c 'echo \$TCPCONNNUM; exec cat'"
	talk_begin one "$address"
	wait_until 10 grep -q 1 "$DIR/one.out"
	is "the second one's" 2 "$(hears)"
	talk_end
	wait_until 10 stat_is connections.open 0
	is "alone again" 1 "$(hears)"
}

@test "names of both ends are given only where they are asked for" {
	run_programs 1 tcp:127.0.0.1:0 /usr/bin/env
	is "without" "" "$(hears | grep HOST= || true)"
	server_stop
	getent hosts 127.0.0.1 >/dev/null || skip "127.0.0.1 has no name"
	run_programs 1 tcp:127.0.0.1:0 /usr/bin/env "lookup = on"
	is "with" "TCPLOCALHOST TCPREMOTEHOST" \
		"$(hears | sed -n 's/^\(.*HOST\)=..*/\1/p' | sort | xargs)"
}

@test "a program has no descriptor but its three" {
	run_programs 1 tcp:127.0.0.1:0 "/bin/bash --norc -c 'cd /proc/\$\$/fd && \
readlink 0 1 2 && echo *'"
	for _ in 1 2 3; do
		hears >/dev/null # so that there is what could be left
	done
	hears >"$DIR/got"
	is "its input is its output" "$(sed -n 1p "$DIR/got")" \
		"$(sed -n 2p "$DIR/got")"
	grep -q '^socket:' "$DIR/got"
	# 255 is bash's own
	is "descriptors" "0 1 2" \
		"$(sed -n 4p "$DIR/got" | sed 's/ 255$//; s/ 3$//')"
}

@test "a program's socket blocks, and no signal is ignored or blocked" {
	run_programs 1 tcp:127.0.0.1:0 "/bin/bash --norc -c 'cat \
/proc/self/fdinfo/0 /proc/self/status'"
	hears >"$DIR/got"
	is "flags" 02 "$(awk '$1 == "flags:" { print $2 }' "$DIR/got")"
	is "blocked and ignored" "0000000000000000 0000000000000000" \
		"$(awk '/^Sig(Blk|Ign)/ { print $2 }' "$DIR/got" | xargs)"
}

@test "directory, nice and limits are as they were set" {
	run_programs 1 tcp:127.0.0.1:0 \
		"/bin/bash --norc -c 'pwd; nice; ulimit -n; ulimit -Hn; ulimit -v; \
ulimit -t; ulimit -c; ulimit -f; ulimit -u'" \
		"directory = /usr" "nice = 7" "rlimit-nofile = 33" \
		"rlimit-as = 1g" "rlimit-cpu = 1h" "rlimit-core = 0" \
		"rlimit-fsize = 1m" "rlimit-nproc = 4000"
	is "as set" "/usr 7 33 33 1048576 3600 0 1024 4000" \
		"$(hears | xargs)"
}

@test "without rlimit-nofile a program has the server's own soft limit" {
	ulimit -S -n 777
	run_programs 1 tcp:127.0.0.1:0 "/bin/bash --norc -c 'ulimit -n'"
	is "soft limit" 777 "$(hears)"
}

@test "a program is run as its user, with its groups" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	run_programs 1 tcp:127.0.0.1:0 /usr/bin/id "user = nobody"
	is "id" "$(id nobody)" "$(hears)"
}

@test "words are split as a shell splits them, and no shell is run" {
	run_programs 1 tcp:127.0.0.1:0 \
		"/usr/bin/printf '<%s>' a\\ b 'c  \"d' \"e'\\\"f\\g\"'h' '' \
\$HOME *;#"
	is "words" "<a b><c  \"d><e'\"f\\gh><><\$HOME><*;#>" "$(hears)"
}

# --- standard error -----------------------------------------------------------

@test "standard error is logged, line by line, with listener and pid" {
	run_programs 1 tcp:127.0.0.1:0 \
		"/bin/sh -c 'echo \$\$; printf \"one\\ntwo\" >&2; exit'"
	hears >"$DIR/pid"
	wait_until 10 logged "^guichetd: it: $(cat "$DIR/pid"): one\$"
	wait_until 10 logged "^guichetd: it: $(cat "$DIR/pid"): two\$"
}

@test "a program's line cannot forge one of the log" {
	run_programs 1 tcp:127.0.0.1:0 \
		"/bin/sh -c 'printf \"a\\033[2Jb\\n\" >&2'"
	hears
	wait_until 10 logged 'it: [0-9]*: a\\x1b\[2Jb$'
}

@test "a worker's death between two lines loses none" {
	run_programs 1 tcp:127.0.0.1:0 \
		"/bin/sh -c 'cat >&2; echo last >&2; echo bye'"
	talk_begin one "$address"
	echo first >&5
	wait_until 10 logged 'it: [0-9]*: first$'
	worker_pids | xargs kill -KILL
	wait_until 10 logged 'took over 1'
	echo second >&5
	wait_until 10 logged 'it: [0-9]*: second$'
	talk_end
	wait_until 10 logged 'it: [0-9]*: last$'
	wait_until 10 grep -q bye "$DIR/one.out"
}

@test "standard error goes to the socket, or nowhere, where that is set" {
	run_programs 1 tcp:127.0.0.1:0 "/bin/sh -c 'echo oops >&2'" \
		"stderr = socket"
	is "to the socket" oops "$(hears)"
	server_stop
	run_programs 1 tcp:127.0.0.1:0 "/bin/sh -c 'echo oops >&2'" \
		"stderr = null"
	is "nowhere" "" "$(hears)"
	not logged oops
}

# --- how it ends --------------------------------------------------------------

@test "exit status and signal are told, and failures counted" {
	run_programs 1 tcp:127.0.0.1:0 "/bin/bash --norc"
	hears 'exit 0'
	hears 'exit 3'
	hears 'kill -SEGV $$' || true # it is reset
	wait_until 10 stat_is connections.closed 3
	is "closed, the latest first" "crash eof eof" \
		"$(column closed reason | xargs)"
	is "status" "signal:11 exit:3 exit:0" "$(column closed status | xargs)"
	is "started" 3 "$(counter listener.it.programs.started)"
	is "failed" 2 "$(counter listener.it.programs.failed)"
}

@test "a program that cannot be started ends its connection, and is told" {
	cp /bin/true "$DIR/program"
	run_programs 1 tcp:127.0.0.1:0 "$DIR/program"
	rm "$DIR/program"
	run "$GUICHET" talk -w 10s "$address" </dev/null
	wait_until 10 stat_is connections.closed.error 1
	logged "it: cannot start $DIR/program: command: No such file"
	is "failed" 1 "$(counter listener.it.programs.failed)"
	is "started" 0 "$(counter listener.it.programs.started)"
}

@test "a killed program closes its connection, and no other" {
	local pid

	run_programs 2 tcp:127.0.0.1:0 /bin/cat
	mkfifo "$DIR/go"
	"$GUICHET" bench --hold -c 20 -N 2000 -o json "$address" <"$DIR/go" \
		>"$DIR/bench.out" 2>"$DIR/bench.log" 3>&- &
	BACKGROUND+=($!)
	exec 6>"$DIR/go"
	wait_until 20 stat_is connections.open 20
	wait_until 20 n_programs_is 20
	talk_begin one "$address"
	echo hello >&5
	wait_until 10 grep -q hello "$DIR/one.out"
	pid=$(column connections pid | sort -n | tail -n 1)
	kill -KILL "$pid"
	wait_until 10 stat_is connections.closed.crash 1
	talk_end
	is "open" 20 "$(counter connections.open)"
	echo >&6
	exec 6>&-
	wait_until 20 stat_is connections.closed.eof 20
	is "failed" 0 "$(json "$DIR/bench.out" failed)"
	is "requests" 2000 "$(json "$DIR/bench.out" requests)"
}

@test "lifetime ends a program, one that will not end as well" {
	run_programs 1 tcp:127.0.0.1:0 \
		"/bin/bash --norc -c 'trap \"\" TERM; while :; do read -t 1; done'" \
		"lifetime = 300ms"
	talk_begin one "$address"
	wait_until 20 stat_is connections.closed.lifetime 1
	n_programs_is 0
	is "failed" 0 "$(counter listener.it.programs.failed)"
}

@test "idle-timeout ends a program that is silent, and not another" {
	run_programs 1 tcp:127.0.0.1:0 /bin/cat "idle-timeout = 2s"
	talk_begin one "$address"
	for _ in 1 2 3 4 5 6; do
		echo x >&5
		sleep 0.5
	done
	is "open" 1 "$(counter connections.open)"
	wait_until 10 stat_is connections.closed.idle 1
	n_programs_is 0
}

@test "a server that is stopped ends its programs" {
	run_programs 2 tcp:127.0.0.1:0 /bin/cat
	talk_begin one "$address"
	wait_until 10 n_programs_is 1
	server_stop
	wait_until 10 n_programs_is 0
	is "closed" 1 "$("$STAT" -f "$DIR/t.ledger" |
		sed -n 's/^guichet.t.connections.closed.drain:\(.*\)|c/\1/p')"
}

@test "a drain lets programs end, until its time is up" {
	run_programs 1 tcp:127.0.0.1:0 /bin/cat
	talk_begin one "$address"
	echo hello >&5
	wait_until 10 grep -q hello "$DIR/one.out"
	kill -TERM "$SERVER"
	echo again >&5
	wait_until 10 grep -q again "$DIR/one.out"
	talk_end
	server_ends
}

@test "programs whose keeper is killed go on, uncounted" {
	run_programs 1 tcp:127.0.0.1:0 /bin/cat
	talk_begin one "$address"
	echo hello >&5
	wait_until 10 grep -q hello "$DIR/one.out"
	keeper_pids | xargs kill -KILL
	wait_until 10 stat_is connections.closed.killed 1
	echo again >&5
	wait_until 10 grep -q again "$DIR/one.out"
	talk_end
	wait_until 10 n_programs_is 0
	is "the server goes on" hello "$(hears hello)"
}

@test "max-processes refuses the connections that are too many" {
	run_programs 2 tcp:127.0.0.1:0 /bin/cat "max-processes = 3"
	mkfifo "$DIR/go"
	"$GUICHET" bench --hold -c 3 -N 3 "$address" <"$DIR/go" \
		>"$DIR/bench.out" 2>"$DIR/bench.log" 3>&- &
	BACKGROUND+=($!)
	exec 6>"$DIR/go"
	wait_until 20 n_programs_is 3
	run "$GUICHET" talk -w 10s "$address" <<<x
	wait_until 10 stat_is connections.refused.full 1
	is "accepted" 3 "$(counter connections.accepted)"
	n_programs_is 3
	exec 6>&-
}

# starting them all first would leave the ended ones their rows
@test "programs that have ended are noticed while others are being started" {
	run_programs 1 tcp:127.0.0.1:0 /bin/cat
	sed -i 's/^worker-connections.*/worker-connections = 128/' \
		"$DIR/guichetd.conf"
	server_stop
	server_start
	address=$(column listeners address name it)
	"$GUICHET" bench -c 20 -d 3s --churn -w 30s -o json "$address" \
		>"$DIR/bench.out" || true
	is "refused" 0 "$(counter connections.refused.full)"
	is "failed" 0 "$(json "$DIR/bench.out" failed)"
}

# --- deaths -------------------------------------------------------------------

@test "bytes are counted while the program runs, and over a death" {
	run_programs 1 tcp:127.0.0.1:0 /bin/cat
	talk_begin one "$address"
	head -c 1000 /dev/zero >&5
	wait_until 10 column_is connections bytes_out 1000
	worker_pids | xargs kill -KILL
	head -c 1000 /dev/zero >&5
	wait_until 10 column_is connections bytes_in 2000
	is "state" running "$(column connections state)"
	is "its pid" "$(program_pids)" "$(column connections pid)"
	talk_end
	wait_until 10 stat_is connections.closed.eof 1
	is "total" 2000 "$(counter bytes.in)"
}

@test "a program that ends while there is no worker is known by the next" {
	local pid

	run_programs 1 tcp:127.0.0.1:0 /bin/cat
	talk_begin one "$address"
	echo hello >&5
	wait_until 10 grep -q hello "$DIR/one.out"
	pid=$(program_pids)
	keeper_pids | xargs kill -STOP
	kill -KILL "$pid"
	worker_pids | xargs kill -KILL
	keeper_pids | xargs kill -CONT
	wait_until 10 stat_is connections.closed.crash 1
	is "status" signal:9 "$(column closed status)"
	is "bytes" "6 6" "$(column closed bytes_in) $(column closed bytes_out)"
}

@test "killed workers do not disturb programs: nothing is lost" {
	run_programs 2 tcp:127.0.0.1:0 /bin/cat
	storm_begin
	"$GUICHET" bench -c 40 -d 4s -w 30s -o json "$address" >"$DIR/bench.out"
	"$GUICHET" bench -c 10 -d 2s -w 30s --churn -o json "$address" \
		>"$DIR/churn.out"
	storm_end 20
	is "failed" "0 0" "$(json "$DIR/bench.out" failed) \
$(json "$DIR/churn.out" failed)"
	wait_until 10 stat_is connections.open 0
	is "bytes in" "$(counter bytes.out)" "$(counter bytes.in)"
	is "bytes out" "$(($(json "$DIR/bench.out" bytes_sent) +
		$(json "$DIR/churn.out" bytes_sent)))" \
		"$(counter bytes.out)"
	is "started" "$(counter connections.accepted)" \
		"$(counter listener.it.programs.started)"
	n_programs_is 0
}

@test "git clones and pushes while workers are being killed" {
	local git="git -c user.name=t -c user.email=t@example.org"

	command -v git >/dev/null || skip "needs git"
	[ -x "$(git --exec-path)/git-daemon" ] || skip "needs git daemon"
	export HOME=$DIR GIT_CONFIG_NOSYSTEM=1
	git init -q --bare "$DIR/it.git"
	git init -q "$DIR/work"
	head -c 20000000 /dev/urandom >"$DIR/work/large"
	for i in $(seq 200); do echo "$i" >"$DIR/work/small-$i"; done
	$git -C "$DIR/work" add .
	$git -C "$DIR/work" commit -q -m one
	run_programs 2 tcp:127.0.0.1:0 "git daemon --inetd --export-all \
--enable=receive-pack --base-path=$DIR $DIR" \
		"environment = HOME=$DIR MARK=$DIR"
	storm_begin
	for i in 1 2 3; do
		git -C "$DIR/work" push -q "git://${address#tcp:}/it.git" \
			"HEAD:branch-$i"
		git clone -q -b "branch-$i" "git://${address#tcp:}/it.git" \
			"$DIR/clone-$i"
		cmp "$DIR/work/large" "$DIR/clone-$i/large"
	done
	storm_end
	git --git-dir="$DIR/it.git" fsck --full
	wait_until 10 stat_is connections.closed.eof 6
}

@test "rsync copies there and back while workers are being killed" {
	command -v rsync >/dev/null || skip "needs rsync"
	cat >"$DIR/rsyncd.conf" <<-END
		use chroot = no
		[it]
		path = $DIR/there
		read only = no
		uid = $(id -u)
		gid = $(id -g)
	END
	mkdir "$DIR/there" "$DIR/here"
	head -c 30000000 /dev/urandom >"$DIR/here/large"
	cp -r "$BATS_TEST_DIRNAME" "$DIR/here"
	run_programs 2 tcp:127.0.0.1:0 \
		"rsync --daemon --config=$DIR/rsyncd.conf"
	storm_begin
	for i in 1 2 3; do
		rsync -a "$DIR/here/" "rsync://${address#tcp:}/it/$i/"
		rsync -a "rsync://${address#tcp:}/it/$i/" "$DIR/back-$i/"
		diff -r "$DIR/here" "$DIR/back-$i"
	done
	storm_end
}

@test "micro-httpd serves curl" {
	local program

	program=$(command -v micro-httpd /usr/sbin/micro-httpd | head -n 1) ||
		true
	[ -n "$program" ] || skip "needs micro-httpd"
	command -v curl >/dev/null || skip "needs curl"
	mkdir "$DIR/www"
	head -c 1000000 /dev/urandom >"$DIR/www/file"
	run_programs 2 tcp:127.0.0.1:0 "$program $DIR/www"
	storm_begin
	for i in $(seq 30); do
		curl -s "http://${address#tcp:}/file" | cmp - "$DIR/www/file"
	done
	storm_end
	wait_until 10 stat_is connections.closed 30
	is "failed" 0 "$(counter listener.it.programs.failed)"
}

@test "bash obeys commands of its peer" {
	run_programs 1 tcp:127.0.0.1:0 "/bin/bash --norc"
	# shellcheck disable=SC2016 # for the other bash
	is "answers" "42
done" "$(hears 'echo $((6 * 7))
echo done
')"
}

# shutdown(2) makes a FIN, which the kernel counts as a byte
@test "the bytes of a program that ends its own side first are exact" {
	command -v python3 >/dev/null || skip "needs python3"
	cat >"$DIR/first" <<-'END'
		import socket, sys
		s = socket.socket(fileno=0)
		s.sendall(b"x" * 1000)
		s.shutdown(socket.SHUT_WR)
		n = 0
		while True:
		    b = s.recv(65536)
		    if not b:
		        break
		    n += len(b)
	END
	run_programs 1 tcp:127.0.0.1:0 "python3 $DIR/first"
	for _ in 1 2 3; do
		is "said" 1000 "$(hears hello | wc -c)"
	done
	wait_until 10 stat_is connections.closed 3
	is "bytes in" 15 "$(counter bytes.in)"
	is "bytes out" 3000 "$(counter bytes.out)"
}

# --- datagrams ----------------------------------------------------------------

@test "a program that waits has the datagram socket until it ends" {
	local first

	command -v python3 >/dev/null || skip "needs python3"
	cat >"$DIR/wait" <<-'END'
		import os, socket
		s = socket.socket(fileno=0)
		s.settimeout(1)
		try:
		    while True:
		        said, peer = s.recvfrom(65536)
		        s.sendto(b"%d " % os.getpid() + said, peer)
		except socket.timeout:
		    pass
	END
	run_programs 2 udp:127.0.0.1:0 "python3 $DIR/wait" \
		"protocol = inetd-wait"
	first=$("$GUICHET" send -w 10s "$address" one)
	is "the answer" one "${first#* }"
	is "of the same program" "${first% *} two" \
		"$("$GUICHET" send -w 10s "$address" two)"
	worker_pids | xargs kill -KILL
	is "over a worker's death" "${first% *} three" \
		"$("$GUICHET" send -w 10s "$address" three)"
	wait_until 10 n_programs_is 0
	is "of another one" four "$("$GUICHET" send -w 10s "$address" four |
		sed "/^${first% *} /d; s/.* //")"
	n_programs_is 1
	server_stop
	wait_until 10 n_programs_is 0
}

# answers_on_socket: what a program says to "x": its pid, and whether its
# socket blocks
answers_on_socket() {
	"$GUICHET" send -w 10s "$address" x
}

@test "a datagram socket blocks as its program wants, whatever is reloaded" {
	local wanted before

	command -v python3 >/dev/null || skip "needs python3"
	cat >"$DIR/wait" <<-'END'
		import os, select, socket, sys
		s = socket.socket(fileno=0)
		before = os.get_blocking(0)
		os.set_blocking(0, sys.argv[1] == "True")
		while True:
		    select.select([s], [], [])
		    _, peer = s.recvfrom(65536)
		    said = f"{os.getpid()} {before} {os.get_blocking(0)}"
		    s.sendto(said.encode(), peer)
	END
	for wanted in False True; do
		run_programs 2 udp:127.0.0.1:0 "python3 $DIR/wait $wanted" \
			"protocol = inetd-wait"
		before=$(answers_on_socket)
		is "blocking" "True $wanted" "${before#* }"
		"$GUICHETD" -r "$DIR" -n t -s reload
		is "after a reload" "$before" "$(answers_on_socket)"
		program_pids | xargs kill -KILL
		wait_until 10 n_programs_is 0
		is "of the next" "True $wanted" \
			"$(answers_on_socket | cut -d ' ' -f 2-)"
		server_stop
		wait_until 10 n_programs_is 0
	done
}

@test "a program that fails to take its datagram is not started for ever" {
	run_programs 1 udp:127.0.0.1:0 false "protocol = inetd-wait"
	"$GUICHET" send -w 100ms "$address" one || true
	wait_until 10 logged 'it: [0-9]*: ended with status 1'
	sleep 1
	[ "$(log_lines 'ended with status')" -le 8 ]
}

# --- the configuration --------------------------------------------------------

# problem_of SETTING...: what -t says to a listener with these, on line 4
problem_of() {
	{
		echo "[listen tcp:127.0.0.1:0]"
		echo "service = exec"
		echo "name = it"
		printf '%s\n' "$@"
	} | server_config
	run "$GUICHETD" -t -c "$DIR/guichetd.conf"
	is "status" 2 "$status"
	echo "${output//$DIR\//}"
}

@test "what is wrong with a program is told at -t, with file and line" {
	is "no such" 'guichetd.conf:4: command: "/nosuch x" cannot be run: /nosuch: No such file or directory' \
		"$(problem_of 'command = /nosuch x')"
	is "not executable" 'guichetd.conf:4: command: "/etc/passwd" cannot be run: /etc/passwd: Permission denied' \
		"$(problem_of 'command = /etc/passwd')"
	is "not in PATH" 'guichetd.conf:4: command: "nosuch -x" names "nosuch", which is not a program in PATH' \
		"$(problem_of 'command = nosuch -x')"
	is "relative" 'guichetd.conf:4: command: "./x" names "./x": neither an absolute path nor without a slash' \
		"$(problem_of 'command = ./x')"
	is "quote" "guichetd.conf:4: command: \"cat 'x\" has a quote without an end" \
		"$(problem_of "command = cat 'x")"
	is "none" 'guichetd.conf:1: [listen tcp:127.0.0.1:0]: no program to run: add "command = ..."' \
		"$(problem_of 'stderr = log')"
	is "protocol" 'guichetd.conf:1: [listen tcp:127.0.0.1:0]: "protocol = inetd-wait" is for udp only' \
		"$(problem_of 'command = cat' 'protocol = inetd-wait')"
	is "stderr" 'guichetd.conf:5: stderr: "x" is not "log", "socket" or "null"' \
		"$(problem_of 'command = cat' 'stderr = x')"
	is "directory" 'guichetd.conf:5: directory: "/nosuch" cannot be entered: No such file or directory' \
		"$(problem_of 'command = cat' 'directory = /nosuch')"
	is "environment" 'guichetd.conf:5: environment: "A" has "A", which is not NAME=VALUE' \
		"$(problem_of 'command = cat' 'environment = A')"
}

@test "-T prints a program's settings so that they are read back the same" {
	{
		echo "[listen tcp:127.0.0.1:0]"
		echo "service = exec"
		echo "command = cat -u 'a b' \\\"x"
		echo "nice = 3"
	} | server_config
	"$GUICHETD" -T -c "$DIR/guichetd.conf" >"$DIR/once.conf"
	"$GUICHETD" -T -c "$DIR/once.conf" >"$DIR/twice.conf"
	cmp "$DIR/once.conf" "$DIR/twice.conf"
	grep -q "^command = cat -u 'a b' \\\\\"x\$" "$DIR/once.conf"
}

@test "the example configuration is right" {
	run "$GUICHETD" -t -c "$BATS_TEST_DIRNAME/../conf/exec.conf"
	is "what -t says" "" "$output"
	is "status" 0 "$status"
}
