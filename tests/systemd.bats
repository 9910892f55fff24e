#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# systemd.bats - guichet.service under a real systemd
#
# What `make install` would put onto this machine is put into a tree, and that
# is laid over a lab: tests/tools/systemd-lab.sh. The functions whose names
# begin with in_ run there, each in a lab of its own; $output is what they say.

load helpers

setup_file() {
	# one lab at a time: teardown looks for what any left behind
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	BUILD=$(realpath "$BUILD")
	TREE=$BATS_FILE_TMPDIR/tree
	UNIT=$TREE/usr/local/lib/systemd/system/guichet.service
	export BUILD TREE UNIT
	# what is built is installed, not built again
	env -u MAKEFLAGS make -s -C "$BATS_TEST_DIRNAME/.." -o all install \
		BUILD="$BUILD" DESTDIR="$TREE" PREFIX=/usr/local
}

# The lab leaves nothing behind: no mount, no control group, no process.
teardown() {
	[ -z "${LAB_TAG:-}" ] && return
	is "mounts left behind" "" \
		"$(grep -F "guichet-lab.$LAB_TAG" /proc/self/mountinfo)"
	is "groups left behind" "" \
		"$(find /sys/fs/cgroup -name "guichet-lab.$LAB_TAG*")"
	is "files left behind" "" \
		"$(find "$BATS_TEST_TMPDIR" -name 'guichet-lab.*')"
}

# lab FUNCTION: runs it in a lab where guichet.service is ready to be started
lab() {
	local why

	why=$("$BATS_TEST_DIRNAME/tools/systemd-lab.sh" --check 2>&1) ||
		skip "${why#systemd-lab: }"
	# others may have labs on this machine, too
	export LAB_TAG=$$.
	TMPDIR=$BATS_TEST_TMPDIR LAB_LIMIT=120 run \
		"$BATS_TEST_DIRNAME/tools/systemd-lab.sh" "$TREE" \
		bash -c "set -eu; $(declare -f); DIR=/lab; in_prepare; $1" 3>&-
	echo "$output"
	[ "$status" = 0 ]
}

in_prepare() {
	local SERVICE

	systemd-sysusers
	# the leak checker would have to trace its own process
	for SERVICE in guichet guichet-sealed; do
		in_drop_in sanitizer \
			"Environment=ASAN_OPTIONS=detect_leaks=0"
	done
}

# in_drop_in NAME SETTING...: more settings of [Service], of $SERVICE
in_drop_in() {
	local dir=/etc/systemd/system/${SERVICE:-guichet}.service.d name=$1

	shift
	mkdir -p "$dir"
	printf '%s\n' '[Service]' "$@" >"$dir/$name.conf"
	systemctl daemon-reload
}

# in_show PROPERTY: of $SERVICE
in_show() {
	systemctl show --value -p "$1" "${SERVICE:-guichet}.service"
}

# in_count METRIC: the instance's
in_count() {
	guichet-stat 2>/dev/null |
		sed -n "s/^guichet\.default\.$1:\([0-9]*\)|.*/\1/p"
}

# in_field NAME: of the readout's JSON head
in_field() {
	guichet-stat -o json 2>/dev/null |
		grep -o "\"$1\":[^,}]*" | head -n 1 | cut -d : -f 2-
}

# in_run COMMAND...: what Bats' own run does: $status and $output
in_run() {
	status=0
	output=$("$@" 2>&1) || status=$?
}

# in_echo ADDRESS: somebody answers there
in_echo() {
	[ "$(guichet send "$1" "hello there")" = "hello there" ]
}

@test "systemd-analyze verify has nothing to say about any unit" {
	local prefix=$BATS_TEST_TMPDIR/usr man=no unit

	command -v systemd-analyze >/dev/null || skip "needs systemd"
	command -v man >/dev/null && man=yes
	# at a place where its programs and manual pages really are
	env -u MAKEFLAGS make -s -C "$BATS_TEST_DIRNAME/.." -o all install \
		BUILD="$BUILD" PREFIX="$prefix" \
		SYSCONFDIR="$BATS_TEST_TMPDIR/etc"
	is "units" "$(cd "$BATS_TEST_DIRNAME/../systemd" &&
		ls -- *.service *.socket)" "$(ls "$prefix/lib/systemd/system")"
	for unit in "$prefix"/lib/systemd/system/*; do
		MANPATH=$prefix/share/man: SYSTEMD_UNIT_PATH=$(dirname "$unit"): \
			run systemd-analyze verify --man="$man" \
			--recursive-errors=no "$unit"
		is "what it says of $unit" "" "$output"
		is "status" 0 "$status"
	done
}

# rated FILE TENTHS
rated() {
	command -v systemd-analyze >/dev/null || skip "needs systemd"
	run systemd-analyze security --offline=true --threshold="$2" "$1"
	echo "$output"
	[ "$status" = 0 ]
}

@test "systemd-analyze security rates guichet.service 1.6 at most" {
	rated "$UNIT" 16
}

@test "systemd-analyze security rates guichet-sealed.service 0.5 at most" {
	rated "${UNIT%/*}/guichet-sealed.service" 5
}

in_start() {
	systemctl start guichet
	# it is ready when all workers serve, and not before
	is "workers" "$(nproc)" "$(in_count workers.running)"
	is "status text" "serving: $(nproc) of $(nproc) workers" \
		"$(in_show StatusText)"
	in_echo tcp:127.0.0.1:7
	in_echo "tcp:[::1]:7"
	in_echo udp:127.0.0.1:7
	in_echo "udp:[::1]:7"
	is "its user" guichet "$(ps -o user= -C guichetd | sort -u)"
	# anybody may read the ledger
	setpriv --reuid=nobody --clear-groups \
		guichet-stat -r /run/guichet >/dev/null
}

@test "the unit serves as configured, as a user of its own, once it is active" {
	lab in_start
}

in_listen() {
	cat >/etc/guichet/guichetd.conf <<-EOF
		[listen tcp:localhost:7007]
		service = echo
		[listen unix:/run/guichet/echo.socket]
		service = echo
	EOF
	systemctl start guichet
	in_echo tcp:127.0.0.1:7007
	in_echo unix:/run/guichet/echo.socket
	systemctl stop guichet
	in_is_refused unix:/run/guichet/echo.socket
	systemctl start guichet
	in_echo unix:/run/guichet/echo.socket
}

@test "inside the unit names resolve and unix sockets can be made" {
	lab in_listen
}

in_kill_worker() {
	local master worker

	systemctl start guichet
	master=$(in_show MainPID)
	mkfifo input
	guichet talk tcp:127.0.0.1:7 <input >answer &
	exec 4>input
	echo before >&4
	wait_until 20 grep -q before answer
	worker=$(guichet-stat -o tsv connections | awk 'NR == 2 { print $2 }')
	kill -KILL "$(guichet-stat -o tsv workers |
		awk -v slot="$worker" '$1 == slot { print $2 }')"
	echo after >&4
	wait_until 20 grep -q after answer
	exec 4>&-
	wait "$!"
	is "answers" "before after" "$(xargs <answer)"
	is "deaths" 1 "$(in_count workers.deaths)"
	is "resumed" 1 "$(in_count connections.resumed)"
	is "the unit" "active $master 0" "$(in_show ActiveState) \
$(in_show MainPID) $(in_show NRestarts)"
	wait_until 20 in_says_status "serving: $(nproc) of $(nproc) workers"
}

in_says_status() {
	[ "$(in_show StatusText)" = "$1" ]
}

@test "a worker killed inside the unit costs no connection and no restart" {
	lab in_kill_worker
}

in_is_back() {
	local master

	master=$(in_show MainPID)
	[ "$master" != 0 ] && [ "$master" != "$1" ] &&
		[ "$(in_show ActiveState)" = active ]
}

in_kill_master() {
	local master created accepted

	systemctl start guichet
	in_echo tcp:127.0.0.1:7
	in_echo tcp:127.0.0.1:7
	master=$(in_show MainPID)
	created=$(in_field created)
	accepted=$(in_count connections.accepted)
	is "connections before" 2 "$accepted"
	[ -n "$created" ]
	kill -KILL "$master"
	wait_until 20 in_is_back "$master"
	is "restarts" 1 "$(in_show NRestarts)"
	in_echo tcp:127.0.0.1:7
	is "created" "$created" "$(in_field created)"
	is "connections after" 3 "$(in_count connections.accepted)"
	is "bytes after" 33 "$(in_count bytes.in)"
}

@test "a master killed with kill -9 comes back, and its totals go on" {
	lab in_kill_master
}

in_stop() {
	systemctl start guichet
	in_echo tcp:127.0.0.1:7
	systemctl stop guichet
	is "the unit" "inactive success" \
		"$(in_show ActiveState) $(in_show Result)"
	is "processes" "" "$(ps -o args= -C guichetd)"
	is "state" '"stopped"' "$(in_field state)"
	is "connections" 1 "$(in_count connections.accepted)"
	journalctl -q -o cat -u guichet | grep -x stopped
	in_run guichet-stat
	is "readout's status" 1 "$status"
	echo "$output" | grep "was stopped at"
	# and its totals go on
	systemctl start guichet
	in_echo tcp:127.0.0.1:7
	is "connections after" 2 "$(in_count connections.accepted)"
}

@test "systemctl stop is clean, and the ledger it leaves says so" {
	lab in_stop
}

in_drain() {
	systemctl start guichet
	guichet talk tcp:127.0.0.1:7 < <(sleep 60) &
	wait_until 20 in_has_open 1
	systemctl stop --no-block guichet
	wait_until 20 in_says_status "draining: connections left: 1"
	is "the unit" deactivating "$(in_show ActiveState)"
	# who comes now waits in the queue of the socket that systemd keeps
	not guichet send -w 100ms tcp:127.0.0.1:7 hello
	kill "$!"
	wait_until 20 in_is_state inactive
	is "result" success "$(in_show Result)"
}

in_has_open() {
	[ "$(in_count connections.open)" = "$1" ]
}

in_is_state() {
	[ "$(in_show ActiveState)" = "$1" ]
}

@test "systemctl stop lets connections end, and ends when they have" {
	lab in_drain
}

in_watchdog() {
	local master

	in_drop_in watchdog WatchdogSec=2s
	systemctl start guichet
	master=$(in_show MainPID)
	sleep 4.5
	is "master, fed in time" "$master" "$(in_show MainPID)"
	kill -STOP "$master"
	wait_until 20 in_is_back "$master"
	in_echo tcp:127.0.0.1:7
	journalctl -q -o cat -u guichet | grep "Watchdog timeout"
}

@test "a master that hangs is replaced: the watchdog" {
	lab in_watchdog
}

in_misconfigure() {
	echo "[lisen tcp:*:7]" >/etc/guichet/guichetd.conf
	in_run systemctl start guichet
	[ "$status" != 0 ]
	sleep 0.5
	is "the unit" "failed 0 2" "$(in_show ActiveState) \
$(in_show NRestarts) $(in_show ExecMainStatus)"
	journalctl -q -o cat -u guichet | grep -F "guichetd.conf:1: "
}

@test "a wrong configuration is said once, not tried again and again" {
	lab in_misconfigure
}

# --- sockets that systemd opens, and keeps ------------------------------------

in_activate() {
	systemctl start guichet.socket
	is "the unit before" inactive "$(in_show ActiveState)"
	in_echo tcp:127.0.0.1:7
	# one of its workers may be quicker than the others
	wait_until 20 in_is_state active
	in_echo "tcp:[::1]:7"
	in_echo udp:127.0.0.1:7
	in_echo "udp:[::1]:7"
	is "connections" 2 "$(in_count connections.accepted)"
	in_is_tuned_by_kernel
	# who comes while it is stopped starts it again, and is served
	systemctl stop guichet.service
	is "the unit, stopped" inactive "$(in_show ActiveState)"
	in_echo udp:127.0.0.1:7
	in_echo tcp:127.0.0.1:7
	is "connections" 4 "$(in_count connections.accepted)"
	not journalctl -q -o cat -u guichet --grep "no listener is configured"
}

# What a connection may have unread is the kernel's to say, by how it is read.
in_is_tuned_by_kernel() {
	local pid

	guichet talk tcp:127.0.0.1:7 < <(sleep 60) &
	pid=$!
	wait_until 20 in_has_open 1
	! command -v ss >/dev/null ||
		is "buffers" "rb$(cut -f 2 /proc/sys/net/ipv4/tcp_rmem)" \
			"$(ss -Htmn '( sport = :7 )' | grep -o 'rb[0-9]*')"
	kill "$pid"
	wait_until 20 in_has_open 0
}

@test "guichet.socket starts the service when the first client comes" {
	lab in_activate
}

in_seal() {
	local SERVICE=guichet-sealed pid

	systemctl start guichet-sealed.socket
	in_echo tcp:127.0.0.1:7
	in_echo "tcp:[::1]:7"
	in_echo udp:127.0.0.1:7
	in_echo "udp:[::1]:7"
	wait_until 20 in_is_state active
	is "addresses" "tcp:[::]:7 udp:[::]:7" \
		"$(guichet-stat -o tsv listeners | awk 'NR > 1 { print $2 }' |
			xargs)"
	is "interfaces" "lo" \
		"$(nsenter -n -t "$(in_show MainPID)" ls /sys/class/net |
			xargs)"
	for pid in $(pidof guichetd); do
		is "capabilities" "0000000000000000" \
			"$(awk '$1 == "CapBnd:" { print $2 }' "/proc/$pid/status")"
	done
	[ "$(readlink "/proc/$(in_show MainPID)/ns/net")" != \
		"$(readlink /proc/self/ns/net)" ]
	guichet-stat connections >/dev/null
	not journalctl -q -o cat -u guichet-sealed \
		--grep "no listener is configured"
}

@test "the sealed service serves without a network or capability of its own" {
	lab in_seal
}

in_seal_and_back() {
	in_configure
	systemctl start guichet.socket
	in_echo tcp:127.0.0.1:7
	systemctl start guichet-sealed.socket
	in_echo tcp:127.0.0.1:7
	SERVICE=guichet-sealed wait_until 20 in_is_state active
	is "the other unit" inactive "$(in_show ActiveState)"
	systemctl start guichet
	in_echo tcp:127.0.0.1:7
	is "the unit" "active 0" "$(in_show ActiveState) $(in_show NRestarts)"
	is "the other unit" inactive \
		"$(SERVICE=guichet-sealed in_show ActiveState)"
}

@test "the sealed service and the other one take turns when they are told to" {
	lab in_seal_and_back
}

in_restart() {
	systemctl start guichet
	in_load churn -c 16 -R 2500 -s 8-1k --churn &
	LOADS=$!
	for _ in 1 2 3 4 5; do
		systemctl restart guichet
	done
	is "the unit" "active 0" "$(in_show ActiveState) $(in_show NRestarts)"
	in_load_end
	in_echo "tcp:[::1]:7"
}

in_restart_stored() {
	in_restart
	# each socket once, however often it was stored
	is "stored" 2 "$(in_show NFileDescriptorStore)"
}

@test "restarts refuse nobody: systemd keeps the sockets meanwhile" {
	lab in_restart_stored
}

in_restart_socket() {
	systemctl start guichet.socket
	in_restart
	# the manager has them there already
	is "stored" 0 "$(in_show NFileDescriptorStore)"
}

@test "restarts refuse nobody whose socket is guichet.socket's" {
	lab in_restart_socket
}

in_restart_unix() {
	local at=unix:/run/guichet/echo.socket

	in_configure "[listen $at]" 'service = echo'
	systemctl start guichet
	AT=$at in_load churn -c 8 -R 800 --churn &
	LOADS=$!
	for _ in 1 2 3; do
		systemctl restart guichet
	done
	in_load_end
	in_is_orphaned_by_all "$(in_show MainPID)"
	in_echo "$at"
	# one whose file somebody has removed is no use
	rm "${at#*:}"
	systemctl restart guichet
	in_echo "$at"
	is "stored" 2 "$(in_show NFileDescriptorStore)"
	# it is still the server's, to open to others and to remove
	in_configure "[listen $at]" 'service = echo' 'mode = 0600'
	systemctl restart guichet
	is "mode" 600 "$(stat -c %a "${at#*:}")"
	in_configure "[listen $at]" 'service = echo' 'mode = 0620'
	systemctl reload guichet
	is "mode" 620 "$(stat -c %a "${at#*:}")"
	in_configure
	systemctl reload guichet
	is "socket file" "" "$(find /run/guichet -name echo.socket)"
	is "stored" 1 "$(in_show NFileDescriptorStore)"
}

@test "restarts refuse nobody who comes to a unix socket" {
	lab in_restart_unix
}

in_restart_sealed_socket() {
	local SERVICE=guichet-sealed

	systemctl start guichet-sealed.socket
	in_echo tcp:127.0.0.1:7
	wait_until 20 in_is_state active
	systemctl restart guichet-sealed.socket
	in_echo tcp:127.0.0.1:7
	in_echo udp:127.0.0.1:7
}

@test "the sockets of the sealed service can be restarted, and it with them" {
	lab in_restart_sealed_socket
}

# --- what an operator or an accident does to its processes --------------------

# in_configure LINE...: the echo service on TCP port 7, with these lines
in_configure() {
	printf '%s\n' '[server]' 'workers = 2' "orphan-timeout = ${ORPHAN:-20s}" \
		"drain-timeout = ${DRAIN:-5s}" "hang-timeout = ${HANG:-10s}" \
		'[listen tcp:*:7]' 'service = echo' "$@" >/etc/guichet/guichetd.conf
}

# in_load_begin: connections of one request each, and others that talk both
# ways all the time, until in_load_end; every byte is checked
in_load_begin() {
	in_load churn -c 16 -R 800 --churn &
	LOADS=$!
	in_load duplex -c 32 -R 1600 -s 8-4k -P 4 &
	LOADS+=" $!"
}

in_load() {
	local name=$1

	shift
	while [ ! -e quiet ]; do
		guichet bench "${AT:-tcp:127.0.0.1:7}" -d 1s "$@" \
			>"$name" 2>&1 ||
			return
	done
}

in_load_end() {
	local pid

	touch quiet
	for pid in $LOADS; do
		wait "$pid" || { tail -n 20 churn duplex; return 1; }
	done
	rm quiet
}

# in_hold N: silent connections, until in_hold_end; then they must answer
in_hold() {
	rm -f hold hold.in
	mkfifo hold.in
	guichet bench tcp:127.0.0.1:7 -c "$1" -N "$(($1 * 2))" --hold \
		-w 30s <hold.in >hold 2>&1 &
	HOLD=$!
	exec 6>hold.in
	wait_until 20 grep -q "^holding $1\$" hold
}

in_hold_end() {
	echo >&6
	exec 6>&-
	wait "$HOLD" || { cat hold; return 1; }
}

# in_pids: all processes of $SERVICE
in_pids() {
	cat "/sys/fs/cgroup/system.slice/${SERVICE:-guichet}.service/$(
		)cgroup.procs" 2>/dev/null || true
}

in_has_no_process() {
	is "processes" "" "$(in_pids)"
}

in_has_processes() {
	is "processes" "$1" "$(in_pids | wc -l)"
}

# in_is_active MASTER RESTARTS: it is, with that one, after so many
in_is_active() {
	is "the unit" "active running $1 $2" "$(in_show ActiveState) $(
		)$(in_show SubState) $(in_show MainPID) $(in_show NRestarts)"
}

# in_logs TEXT: $SERVICE does, or has
in_logs() {
	wait_until 20 in_has_logged "$1"
}

in_has_logged() {
	journalctl -q -o cat -u "${SERVICE:-guichet}" | grep -F -- "$1"
}

# in_put_program FILE: in one step, as an installation does
in_put_program() {
	cp "$1" /usr/local/sbin/guichetd.new
	chmod 755 /usr/local/sbin/guichetd.new
	mv /usr/local/sbin/guichetd.new /usr/local/sbin/guichetd
}

# in_next_program: the one that is installed becomes $NEXT but for its version
in_next_program() {
	local version

	version=$(guichetd --version)
	version=${version##* }
	NEXT=${version%?}$(((${version: -1} + 1) % 10))
	LC_ALL=C sed -b "s/${version//./\\.}/$NEXT/g" \
		/usr/local/sbin/guichetd >next
	in_put_program next
	is "its version" "guichetd $NEXT" "$(guichetd --version)"
}

# in_all_are VERSION: each process says so in its title
in_all_are() {
	local pid

	for pid in $(in_pids); do
		tr '\0' ' ' <"/proc/$pid/cmdline"
		echo
	done >titles
	[ -s titles ]
	is "those that are not $1" "" "$(grep -v -- ", $1 *\$" titles)"
}

# in_is_refused ADDRESS: nobody listens there
in_is_refused() {
	in_run guichet send "$1" hello
	[[ $output = *"efused"* ]] || { echo "$1: $output"; return 1; }
}

in_reload() {
	local master i n

	in_configure
	systemctl start guichet
	master=$(in_show MainPID)
	in_hold 50
	in_load_begin
	for ((i = 1; i <= 20; i++)); do
		# now and then while another one is under way, or about to be
		((i % 5)) || systemctl kill -s HUP --kill-who=main guichet
		in_configure "[listen tcp:127.0.0.1:$((7000 + i))]" \
			"service = echo"
		systemctl reload guichet
		in_is_active "$master" 0
		in_echo "tcp:127.0.0.1:$((7000 + i))"
		in_is_refused "tcp:127.0.0.1:$((6999 + i))"
	done
	in_load_end
	in_hold_end
	# a HUP that comes before the one before was seen is one with it
	n=$(journalctl -q -o cat -u guichet | grep -c "reload: done")
	echo "$n reloads were done"
	[ "$n" -ge 20 ] && [ "$n" -le 24 ]
	is "successions" $((2 * n)) "$(in_count workers.successions)"
	is "stored" 2 "$(in_show NFileDescriptorStore)"
}

@test "20 reloads under load: each holds when systemctl returns, and loses nothing" {
	lab in_reload
}

in_reload_wrong() {
	local master

	in_configure
	systemctl start guichet
	master=$(in_show MainPID)
	in_hold 10
	echo "[lisen tcp:*:7]" >/etc/guichet/guichetd.conf
	in_run systemctl reload guichet
	[ "$status" != 0 ]
	in_is_active "$master" 0
	in_logs "guichetd.conf:1: "
	in_hold_end
	in_echo tcp:127.0.0.1:7
	is "successions" 0 "$(in_count workers.successions)"
	# and it is no trouble for the next one
	in_configure
	systemctl reload guichet
	in_is_active "$master" 0
	is "successions" 2 "$(in_count workers.successions)"
}

@test "a reload to a wrong configuration fails, and the unit stays what it was" {
	lab in_reload_wrong
}

in_reload_long() {
	local master

	in_configure
	in_drop_in watchdog WatchdogSec=3s
	systemctl start guichet
	in_drop_in short TimeoutStartSec=2s
	master=$(in_show MainPID)
	# it is let go on after four seconds, and renewed then
	kill -STOP "$(guichet-stat -o tsv workers |
		awk '$1 == "0" { print $3 }')"
	systemctl reload guichet
	in_is_active "$master" 0
	in_logs "if it was stopped, it goes on"
	in_logs "reload: done in"
	# nobody answers at this name server
	rm -f /etc/resolv.conf
	printf '%s\n' 'nameserver 127.0.0.1' 'options timeout:4 attempts:2' \
		>/etc/resolv.conf
	echo 'hosts: files dns' >/etc/nsswitch.conf
	in_configure '[listen udp:127.0.0.1:53]' 'service = discard'
	systemctl reload guichet
	in_configure '[listen udp:127.0.0.1:53]' 'service = discard' \
		'[listen tcp:no.example:7001]' 'service = echo'
	in_run systemctl reload guichet
	[ "$status" != 0 ]
	in_logs "tcp:no.example:7001: "
	in_is_active "$master" 0
	is "state" serving "$(in_field state | tr -d '"')"
}

@test "a reload may take long, and is not taken for a hang or a failure" {
	lab in_reload_long
}

in_upgrade() {
	local master

	in_configure
	systemctl start guichet
	master=$(in_show MainPID)
	in_hold 50
	in_load_begin
	in_next_program
	systemctl kill -s USR2 "${1:---kill-who=main}" guichet
	in_logs "upgrade: done in"
	in_all_are "$NEXT"
	# one that is asked for while another one is under way comes after it
	systemctl kill -s USR2 --kill-who=main guichet
	in_next_program
	guichetd -s upgrade
	in_all_are "$NEXT"
	in_is_active "$master" 0
	in_load_end
	in_hold_end
	# one that cannot even be tried
	printf '#!/bin/sh\nexit 1\n' >broken
	in_put_program broken
	systemctl kill -s USR2 --kill-who=main guichet
	in_logs "upgrade: failed; nothing was changed"
	in_is_active "$master" 0
	in_all_are "$NEXT"
	in_echo tcp:127.0.0.1:7
	is "deaths" 0 "$(in_count workers.deaths)"
}

@test "an upgrade inside the unit keeps its main process, and all connections" {
	lab in_upgrade
}

in_signal_all() {
	in_configure
	systemctl start guichet
	for _ in {1..15}; do
		systemctl kill -s HUP guichet
		guichetd -s reload
	done
	not in_has_logged "nothing was changed"
	systemctl stop guichet
	in_upgrade --kill-who=all
}

@test "systemctl kill, which means all processes, reloads and upgrades as well" {
	lab in_signal_all
}

in_adopt() {
	local round

	in_configure
	systemctl start guichet
	in_hold 50
	in_load_begin
	for round in 1 2 3 4; do
		in_kill_and_wait
		in_is_active "$(in_show MainPID)" "$round"
		sleep 0.2
	done
	in_load_end
	is "open" 50 "$(in_count connections.open)"
	is "stored" 1 "$(in_show NFileDescriptorStore)"
	in_hold_end
	is "deaths" 0 "$(in_count workers.deaths)"
	# whoever started them, they end with the unit
	systemctl stop guichet
	is "the unit" "inactive success" \
		"$(in_show ActiveState) $(in_show Result)"
	in_has_no_process
	is "files left" "default.ledger" "$(ls /run/guichet)"
}

@test "a master killed four times under load costs no connection" {
	lab in_adopt
}

in_adopt_restart() {
	ORPHAN=8s in_configure
	systemctl start guichet
	in_kill_and_wait
	in_pids >before
	systemctl restart guichet
	in_echo tcp:127.0.0.1:7
	is "processes of before" "" "$(in_pids | grep -x -f before)"
	# again, and stopped while nobody is there yet who could be told
	in_drop_in slow RestartSec=60s
	in_hold 10
	in_kill_and_stop
	in_echo tcp:127.0.0.1:7
	# for orphan-timeout there are those whom a start can adopt
	systemctl start guichet
	in_logs "took over from a master that died: 2 of its keepers"
	in_hold_end
	in_kill_and_stop
	wait_until 20 in_has_no_process
	systemctl start guichet
	in_echo tcp:127.0.0.1:7
	is "connections" 13 "$(in_count connections.accepted)"
}

# in_kill_and_wait: the master, and for the next one
in_kill_and_wait() {
	local master

	master=$(in_show MainPID)
	kill -KILL "$master"
	wait_until 20 in_is_back "$master"
}

in_kill_and_stop() {
	kill -KILL "$(in_show MainPID)"
	wait_until 20 in_is_substate auto-restart
	systemctl stop guichet
	is "the unit" inactive "$(in_show ActiveState)"
}

in_is_substate() {
	[ "$(in_show SubState)" = "$1" ]
}

@test "restart and stop end everybody, also while there is no master" {
	lab in_adopt_restart
}

in_die_reloading() {
	local round reload

	in_configure
	systemctl start guichet
	in_hold 50
	in_load_begin
	for round in 0 1 2 3 4 5; do
		systemctl reload guichet 2>reload.log &
		reload=$!
		sleep "0.0$((round * 15 + 10))"
		in_kill_and_wait
		wait "$reload" || true
	done
	systemctl reload guichet
	in_is_active "$(in_show MainPID)" 6
	in_load_end
	in_hold_end
	is "deaths" 0 "$(in_count workers.deaths)"
	# the master, two keepers and two workers
	is "processes" 5 "$(in_pids | wc -l)"
}

@test "a master killed in the middle of reloads costs no connection either" {
	lab in_die_reloading
}

in_hang() {
	local master

	in_configure
	in_drop_in watchdog WatchdogSec=2s
	systemctl start guichet
	in_hold 50
	in_load_begin
	master=$(in_show MainPID)
	kill -STOP "$master"
	wait_until 20 in_is_back "$master"
	in_load_end
	in_hold_end
	in_logs "Watchdog timeout"
	is "deaths" 0 "$(in_count workers.deaths)"
}

@test "a master that hangs is replaced, and no connection is" {
	lab in_hang
}

in_hang_all() {
	local SERVICE master

	in_configure
	for SERVICE in guichet guichet-sealed; do
		in_drop_in watchdog WatchdogSec=2s
		systemctl start "$SERVICE"
		in_hold 20
		master=$(in_show MainPID)
		systemctl kill -s STOP "$SERVICE"
		wait_until 20 in_is_back "$master"
		# the workers are still as whoever stopped them wants them
		systemctl kill -s CONT "$SERVICE"
		in_hold_end
		in_logs "Watchdog timeout"
		# nobody has a double
		wait_until 20 in_has_processes 5
		systemctl stop "$SERVICE"
	done
}

@test "a master that hangs with all others is replaced, and no connection is" {
	lab in_hang_all
}

in_adopt_wrong() {
	in_configure
	systemctl start guichet
	in_hold 10
	echo "[lisen tcp:*:7]" >/etc/guichet/guichetd.conf
	in_kill_and_wait
	in_is_active "$(in_show MainPID)" 1
	in_logs "guichetd.conf:1: "
	in_logs "serving on with the configuration in force"
	in_hold_end
	in_echo tcp:127.0.0.1:7
	in_run systemctl reload guichet
	[ "$status" != 0 ]
	in_configure
	systemctl reload guichet
	in_is_active "$(in_show MainPID)" 1
}

@test "a master killed while its configuration is wrong has a successor" {
	lab in_adopt_wrong
}

# has_been MS SINCE: so long ago, by now_ms
has_been() {
	[ "$(now_ms)" -ge $(($1 + $2)) ]
}

in_drain_long() {
	local began

	DRAIN=30s in_configure
	in_drop_in timeout TimeoutStopSec=1s
	systemctl start guichet
	mkfifo input
	guichet talk tcp:127.0.0.1:7 <input >answer &
	exec 4>input
	echo before >&4
	wait_until 20 grep -q before answer
	began=$(now_ms)
	systemctl stop --no-block guichet
	wait_until 20 in_says_status "draining: connections left: 1"
	wait_until 5 has_been 2500 "$began"
	is "the unit" deactivating "$(in_show ActiveState)"
	echo after >&4
	wait_until 20 grep -q after answer
	exec 4>&-
	wait_until 20 in_is_state inactive
	is "result" success "$(in_show Result)"
	in_has_no_process
	wait "$!" || true
}

in_stop_twice() {
	DRAIN=60s in_configure
	systemctl start guichet
	in_hold 10
	systemctl stop --no-block guichet
	wait_until 20 in_says_status "draining: connections left: 10"
	systemctl kill --kill-who=main -s TERM guichet
	wait_until 20 in_is_state inactive
	is "result" success "$(in_show Result)"
	in_has_no_process
}

@test "a second TERM ends a stop that waits for connections" {
	lab in_stop_twice
}

@test "a stop may take longer than TimeoutStopSec, as long as drain-timeout" {
	lab in_drain_long
}

in_seal_lifecycle() {
	local SERVICE=guichet-sealed master

	in_configure
	systemctl start guichet-sealed.socket
	in_hold 50
	in_load_begin
	wait_until 20 in_is_state active
	master=$(in_show MainPID)
	systemctl reload guichet-sealed
	in_is_active "$master" 0
	# what the seal does not allow: nothing is changed
	in_configure '[listen tcp:127.0.0.1:7001]' 'service = echo'
	in_run systemctl reload guichet-sealed
	[ "$status" != 0 ]
	in_is_active "$master" 0
	in_echo tcp:127.0.0.1:7
	in_configure
	in_next_program
	systemctl kill -s USR2 --kill-who=main guichet-sealed
	in_logs "upgrade: done in"
	in_all_are "$NEXT"
	in_is_active "$master" 0
	# twice: the first one's children have been adopted already
	in_kill_and_wait
	in_kill_and_wait
	in_load_end
	in_hold_end
	is "deaths" 0 "$(in_count workers.deaths)"
	systemctl reload guichet-sealed
	in_is_active "$(in_show MainPID)" 2
	systemctl stop guichet-sealed.socket guichet-sealed
	in_has_no_process
}

@test "the sealed service is reloaded, upgraded and adopted within its seal" {
	lab in_seal_lifecycle
}

in_adopt_slowly() {
	local SERVICE

	HANG=off in_configure
	for SERVICE in guichet guichet-sealed; do
		in_drop_in slow ExecStart= \
			"ExecStart=/bin/sh -c 'sleep 1; exec guichetd'"
		systemctl start "$SERVICE.socket"
		in_echo tcp:127.0.0.1:7
		wait_until 20 in_is_state active
		in_kill_and_wait
		# a worker that waits for a client does not leave
		wait_until 15 in_has_logged "adoption: done in"
		is "deaths" 0 "$(in_count workers.deaths)"
		systemctl stop "$SERVICE.socket" "$SERVICE"
	done
}

@test "workers without a master never wait at a socket that systemd gives" {
	lab in_adopt_slowly
}

in_is_orphaned_by_all() {
	local master=$1

	systemctl kill --kill-who=all -s KILL guichet
	# nobody accepts; who comes waits
	in_echo tcp:127.0.0.1:7
	wait_until 20 in_is_back "$master"
}

in_kill_all() {
	in_configure '[listen udp:*:7]' 'service = echo' 'name = echo-udp'
	systemctl start guichet
	in_is_orphaned_by_all "$(in_show MainPID)"
	in_echo tcp:127.0.0.1:7
	is "connections" 2 "$(in_count connections.accepted)"
	systemctl stop guichet
	# and from a .socket unit
	systemctl start guichet.socket
	in_echo tcp:127.0.0.1:7
	in_is_orphaned_by_all "$(in_show MainPID)"
	is "connections" 4 "$(in_count connections.accepted)"
}

@test "who comes after all processes were killed waits, and is served" {
	lab in_kill_all
}

# in_address NAME: where that listener is
in_address() {
	guichet-stat -o tsv listeners | awk -v name="$1" '$1 == name { print $2 }'
}

in_move() {
	local address

	in_configure '[listen tcp:127.0.0.1:7001]' 'service = echo' 'name = fix' \
		'[listen tcp:127.0.0.1:0]' 'service = echo' 'name = any'
	systemctl start guichet
	address=$(in_address any)
	is "stored" 3 "$(in_show NFileDescriptorStore)"
	in_configure '[listen tcp:127.0.0.1:7002]' 'service = echo' 'name = fix' \
		'[listen tcp:127.0.0.1:0]' 'service = echo' 'name = any'
	systemctl restart guichet
	in_is_refused tcp:127.0.0.1:7001
	in_echo tcp:127.0.0.1:7002
	is "port chosen by the kernel" "$address" "$(in_address any)"
	in_echo "$address"
	is "stored" 3 "$(in_show NFileDescriptorStore)"
	in_configure
	systemctl restart guichet
	in_is_refused tcp:127.0.0.1:7002
	in_is_refused "$address"
	in_echo tcp:127.0.0.1:7
	is "stored" 1 "$(in_show NFileDescriptorStore)"
}

@test "a restart keeps a port that was chosen, and none that is no more wanted" {
	lab in_move
}

in_rename() {
	in_configure '[listen tcp:127.0.0.1:7001]' 'service = echo' 'name = a' \
		'[listen tcp:127.0.0.1:7002]' 'service = echo' 'name = b'
	systemctl start guichet
	in_configure '[listen tcp:127.0.0.1:7002]' 'service = echo' 'name = a'
	systemctl restart guichet
	in_echo tcp:127.0.0.1:7002
	in_configure
	systemctl reload guichet
	in_is_refused tcp:127.0.0.1:7002
	is "stored" 1 "$(in_show NFileDescriptorStore)"
}

@test "a listener that had another name before a restart can be removed" {
	lab in_rename
}
