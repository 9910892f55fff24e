#!/bin/bash
# SPDX-License-Identifier: ISC
#
# systemd-lab.sh - boots a throw-away systemd and runs one command in it
#
#     systemd-lab.sh TREE COMMAND [ARGUMENT...]
#     systemd-lab.sh --check      says why it cannot be done here, if so
#
# The lab is process 1 of namespaces of its own (processes, mounts, network
# with lo only, host name, IPC, control groups). Its root is what this machine
# has, with the directory TREE laid over it; what is written there goes to a
# tmpfs and is gone with it. Of this machine's own units none is started but
# the journal. COMMAND is run there as root, as a service, with no terminal;
# its output comes to standard output. When COMMAND ends, systemd shuts down
# and hands its exit status out.
#
# Exit status: COMMAND's; 124 when $LAB_LIMIT seconds (60) were not enough,
# 125 when there was no lab to run it in. Unless it is 0, the lab's journal
# comes to standard error. Needs root, cgroup v2 and overlayfs. Its directory
# and its control group are called guichet-lab.$LAB_TAG and six letters more.
#
# Who ends whom, should this script be killed: each of the processes between
# it and the lab's process 1 dies with its parent, and the kernel ends all
# that live under a process 1 with it.
set -uo pipefail
export LC_ALL=C.UTF-8

me=$(readlink -f -- "${BASH_SOURCE[0]}")
readonly me

fail() {
	printf 'systemd-lab: %s\n' "$*" >&2
	exit 125
}

# --- can it be done here? ----------------------------------------------------

check() {
	local tool

	[ "$(id -u)" = 0 ] || fail "needs root"
	[ -x /lib/systemd/systemd ] || fail "needs systemd"
	for tool in unshare setpriv pivot_root mount timeout; do
		command -v "$tool" >/dev/null || fail "needs $tool"
	done
	grep -qw overlay /proc/filesystems || fail "needs overlayfs"
	grep -qw cgroup2 /proc/filesystems || fail "needs cgroup v2"
	unshare --mount --pid --fork --uts --ipc --net --propagation private \
		bash "$me" --check-inside 2>/dev/null ||
		fail "needs to make mounts and control groups, which it may not"
}

# In namespaces of its own: is what the lab mounts refused?
check_inside() {
	local dir

	# /proc and /sys may well be there, but masked, and then none is given
	mount -t tmpfs tmpfs /mnt && mkdir /mnt/{up,work,root,proc,sys,cgroup} &&
		mount -t overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work \
			overlay /mnt/root &&
		mount -t proc proc /mnt/proc && mount -t sysfs sysfs /mnt/sys &&
		mount -t cgroup2 cgroup2 /mnt/cgroup || return
	dir=$(mktemp -d /mnt/cgroup/guichet-lab-XXXXXX) && rmdir "$dir"
}

# --- inside: process 1 of the lab, before it is systemd ----------------------

# The machine's files, with a tmpfs on top of each of its file systems.
mount_root() {
	local layer

	mount -t tmpfs -o mode=0755 upper "$work/upper" || return
	for layer in / /usr /etc /var; do
		[ "$layer" = / ] || mountpoint -q "$layer" || continue
		mkdir -p "$work/upper$layer/.up" "$work/upper$layer/.work"
		chmod --reference="$layer" "$work/upper$layer/.up"
		mount -t overlay -o "lowerdir=$layer" \
			-o "upperdir=$work/upper$layer/.up" \
			-o "workdir=$work/upper$layer/.work" \
			lab "$root$layer" || return
	done
}

# What is the kernel's, and not only this lab's, is read-only.
mount_kernel() {
	mount -t proc -o nosuid,nodev,noexec proc "$root/proc" &&
		mount --bind "$root/proc/sys" "$root/proc/sys" &&
		mount -o remount,bind,ro "$root/proc/sys" || return
	[ ! -e "$root/proc/sysrq-trigger" ] ||
		mount --bind /dev/null "$root/proc/sysrq-trigger" || return
	mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
}

# A /dev of its own: systemd would put things into this machine's.
mount_dev() {
	local node

	mount -t tmpfs -o mode=0755,nosuid dev "$root/dev" || return
	for node in null zero full random urandom tty; do
		: >"$root/dev/$node"
		mount --bind "/dev/$node" "$root/dev/$node" || return
	done
	mkdir "$root/dev/"{pts,shm,mqueue,hugepages}
	mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts" &&
		mount -t tmpfs -o mode=1777,nosuid,nodev shm "$root/dev/shm" ||
		return
	ln -s pts/ptmx "$root/dev/ptmx"
	ln -s /proc/self/fd "$root/dev/fd"
	ln -s fd/0 "$root/dev/stdin"
	ln -s fd/1 "$root/dev/stdout"
	ln -s fd/2 "$root/dev/stderr"
}

# Of this machine's units and settings only what units need to be started.
make_units() {
	local dir system=$root/etc/systemd/system

	mount -t tmpfs -o mode=0755 units "$system" || return
	for dir in "$root"/{usr,}/lib/systemd/{system,system-environment}-generators \
		"$root"/usr/lib/systemd/system/{sysinit,sockets,timers,local-fs,multi-user}.target.wants; do
		[ ! -d "$dir" ] || mount -t tmpfs -o ro none "$dir" || return
	done
	ln -s /dev/null "$system/systemd-journald-audit.socket"
	: >"$root/etc/fstab"
	echo 677569636865746c6162000000000000 >"$root/etc/machine-id"
	mkdir -p "$root/etc/systemd/"{system,journald}.conf.d
	printf '[Manager]\nDefaultTimeoutStopSec=10s\n' \
		>"$root/etc/systemd/system.conf.d/lab.conf"
	printf '[Journal]\nStorage=volatile\nAudit=no\nForwardToWall=no\n' \
		>"$root/etc/systemd/journald.conf.d/lab.conf"
	cat >"$system/lab.target" <<-EOF
		[Unit]
		Requires=basic.target lab.service
		Wants=systemd-journald.service
		AllowIsolate=yes
	EOF
	# Its end, good or bad, is the lab's; the status is handed out.
	cat >"$system/lab.service" <<-EOF
		[Unit]
		After=basic.target
		SuccessAction=exit-force
		FailureAction=exit-force
		[Service]
		Type=oneshot
		WorkingDirectory=/lab
		ExecStart=/bin/bash /lab/command
		ExecStopPost=/bin/sh -c 'journalctl -q --no-pager >/lab/journal'
		StandardOutput=file:/lab/output
		StandardError=inherit
	EOF
}

build_root() {
	mount_root && mount_kernel && mount_dev && make_units || return
	mount -t tmpfs -o mode=0755,nosuid,nodev run "$root/run" || return
	cp -a --no-preserve=ownership -- "$tree/." "$root/" || return
	mkdir -p "$root/lab" && mount --bind "$work/lab" "$root/lab"
}

inside() {
	build_root || fail "cannot build its root"
	echo 0 >"$group/cgroup.procs" || fail "cannot enter its control group"
	exec unshare --cgroup bash "$me" --become-systemd
}

# At the root of its control groups now. It may not touch this machine's
# clock, modules, hardware and log.
become_systemd() {
	mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup" ||
		fail "cannot mount its control groups"
	cd "$root" || fail "cannot enter its root"
	pivot_root . mnt || fail "cannot make that its root"
	exec chroot . /bin/sh -c 'umount -l /mnt && exec env -i \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		container=lab setpriv --bounding-set \
		-sys_time,-sys_module,-sys_rawio,-syslog,-wake_alarm \
		/lib/systemd/systemd --system --unit=lab.target \
		--log-target=journal --show-status=0 \
		--crash-reboot=0 --crash-shell=0' </dev/null
}

# --- outside -----------------------------------------------------------------

clean_up() {
	trap - EXIT
	# its process 1 takes all others with it; the last may need a moment
	[ -z "${lab:-}" ] || { kill -KILL "$lab"; wait "$lab"; } 2>/dev/null
	for _ in {1..100}; do
		find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
		[ -d "$group" ] || break
		sleep 0.02
	done
	umount "$work/cgroup" 2>/dev/null
	rm -rf --one-file-system -- "$work"
}

# In a mount namespace of its own already: nothing it mounts is seen outside.
outside() {
	trap clean_up EXIT
	trap 'exit 130' INT TERM HUP
	mkdir "$work"/{root,upper,lab,cgroup}
	printf '%q ' "$@" >"$work/lab/command"
	: >"$work/lab/output"
	mount -t cgroup2 cgroup2 "$work/cgroup" ||
		fail "cannot mount control groups"
	mkdir "$group" || fail "cannot make its control group"
	setpriv --pdeathsig KILL timeout -s KILL "$limit" \
		setpriv --pdeathsig KILL \
		unshare --pid --fork --kill-child=KILL --mount --uts --ipc --net \
		--propagation private \
		bash "$me" --inside >"$work/console" 2>&1 </dev/null 3>&- &
	lab=$!
	{ wait "$lab"; } 2>/dev/null
	status=$?
	lab=
	cat "$work/lab/output"
	if [ "$status" = 137 ]; then
		echo "systemd-lab: $limit s were not enough" >&2
		status=124
	fi
	[ "$status" = 0 ] ||
		cat "$work/console" "$work/lab/journal" >&2 2>/dev/null
	exit "$status"
}

case ${1:-} in
--check) check; exit ;;
--check-inside) check_inside; exit ;;
--outside) shift; outside "$@" ;;
--inside) inside ;;
--become-systemd) become_systemd ;;
esac

[ "$#" -ge 2 ] || fail "usage: systemd-lab.sh TREE COMMAND [ARGUMENT...]"
check
tree=$(readlink -e -- "$1") || fail "no such directory: $1"
shift
work=$(mktemp -d "${TMPDIR:-/tmp}/guichet-lab.${LAB_TAG:-}XXXXXX") ||
	exit 125
root=$work/root
group=$work/cgroup/${work##*/}
limit=${LAB_LIMIT:-60}
export tree work root group limit
exec unshare --mount --propagation private bash "$me" --outside "$@"
