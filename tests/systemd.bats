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
	[ -z "${LAB_RAN:-}" ] && return
	is "mounts left behind" "" "$(grep guichet-lab /proc/self/mountinfo)"
	is "groups left behind" "" \
		"$(find /sys/fs/cgroup -name 'guichet-lab.*')"
	is "files left behind" "" \
		"$(find "$BATS_TEST_TMPDIR" -name 'guichet-lab.*')"
}

# lab FUNCTION: runs it in a lab where guichet.service is ready to be started
lab() {
	local why

	why=$("$BATS_TEST_DIRNAME/tools/systemd-lab.sh" --check 2>&1) ||
		skip "${why#systemd-lab: }"
	LAB_RAN=1
	TMPDIR=$BATS_TEST_TMPDIR LAB_LIMIT=60 run \
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
	is "socket file" "" "$(find /run/guichet -type s)"
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
	wait_until 5 grep -q before answer
	worker=$(guichet-stat -o tsv connections | awk 'NR == 2 { print $2 }')
	kill -KILL "$(guichet-stat -o tsv workers |
		awk -v slot="$worker" '$1 == slot { print $2 }')"
	echo after >&4
	wait_until 5 grep -q after answer
	exec 4>&-
	wait "$!"
	is "answers" "before after" "$(xargs <answer)"
	is "deaths" 1 "$(in_count workers.deaths)"
	is "resumed" 1 "$(in_count connections.resumed)"
	is "the unit" "active $master 0" "$(in_show ActiveState) \
$(in_show MainPID) $(in_show NRestarts)"
	wait_until 5 in_says_status "serving: $(nproc) of $(nproc) workers"
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
	wait_until 10 in_is_back "$master"
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
	wait_until 5 in_has_open 1
	systemctl stop --no-block guichet
	wait_until 5 in_says_status "draining: connections left: 1"
	is "the unit" deactivating "$(in_show ActiveState)"
	not in_echo tcp:127.0.0.1:7
	kill "$!"
	wait_until 5 in_is_state inactive
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

	in_drop_in watchdog WatchdogSec=1s
	systemctl start guichet
	master=$(in_show MainPID)
	sleep 2.5
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
	is "the unit" active "$(in_show ActiveState)"
	in_echo "tcp:[::1]:7"
	in_echo udp:127.0.0.1:7
	in_echo "udp:[::1]:7"
	is "connections" 2 "$(in_count connections.accepted)"
	# who comes while it is stopped starts it again, and is served
	systemctl stop guichet.service
	is "the unit, stopped" inactive "$(in_show ActiveState)"
	in_echo udp:127.0.0.1:7
	in_echo tcp:127.0.0.1:7
	is "connections" 3 "$(in_count connections.accepted)"
	not journalctl -q -o cat -u guichet --grep "no listener is configured"
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
	is "the unit" active "$(in_show ActiveState)"
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

in_restart() {
	systemctl start guichet
	guichet bench tcp:127.0.0.1:7 -c 16 -d 60s -N 20000 -R 2500 -s 8-1k \
		--churn -o json >bench &
	for _ in 1 2 3 4 5; do
		systemctl restart guichet
	done
	is "the unit" "active 0" "$(in_show ActiveState) $(in_show NRestarts)"
	wait "$!" || { cat bench; return 1; }
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
}

@test "restarts refuse nobody whose socket is guichet.socket's" {
	lab in_restart_socket
}
