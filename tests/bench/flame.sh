#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Flame graphs: where time goes, function by function. Prints the name of the SVG file.
#
# Usage: flame.sh model WORKLOAD	the device model on this machine
#	 flame.sh npu-emu COMMAND	the process that is a VM's NPU, while COMMAND runs there
#	 flame.sh guest COMMAND		all of a VM, its driver and npu_emu.ko, while it runs
#
# WORKLOAD: as of bench.py. COMMAND: as of vm.sh.
. "$(dirname "$0")/../vm/lib.sh"

[ $# -ge 2 ] || die "usage: flame.sh model WORKLOAD | npu-emu COMMAND | guest COMMAND"
what=$1
shift
"$TOP/tests/vm/deps.sh" perf
out=$BUILD/bench/flame
# Stacks that perf can follow at any time, at the cost of a register.
flags="-O2 -g -fno-omit-frame-pointer"
mkdir -p "$out"

draw() {	# TITLE: of the output of perf script
	"$TOP/tests/bench/flame.py" "$1" >"$out/$what.svg" ||
		die "perf has recorded nothing" "may users record here? /proc/sys/kernel/perf_event_paranoid"
	echo "$out/$what.svg"
}

flame_model() {	# WORKLOAD
	local models=$BUILD/bench/workloads
	[ -e "$models/done" ] || "$TOP/tests/bench/bench.py" --quick --cached --only host >/dev/null
	make -s -C "$TOP/tests/bench" OUT="$out" CFLAGS="$flags" participants
	say "recording two seconds of $1"
	echo "$1 2000" | perf record -q -o "$out/perf.data" -F 1999 --call-graph fp -- \
		"$out/model" "$models" "$1" >&2
	perf script -i "$out/perf.data" -F comm,ip,sym | draw "$1 on the device model"
}

# Waits for the process before it records, and ends with it.
flame_npu-emu() {	# COMMAND
	local vm pid=
	make -s -C "$TOP" image BUS=pci >&2
	make -s -B -C "$TOP/emu/pci" BUILD="$out" CFLAGS="$flags"
	cp -f "$out/pci/npu-emu" "$BUILD/pci/npu-emu"
	trap 'rm -f "$BUILD/pci/npu-emu"' EXIT	# the next make links it again
	BUS=pci "$TOP/tests/vm/vm.sh" -n flame "$*" >&2 &
	vm=$!
	while [ -z "$pid" ] && kill -0 $vm 2>/dev/null; do
		sleep 0.1
		pid=$(pgrep -f "^$BUILD/pci/npu-emu " || true)
	done
	[ -n "$pid" ] || die "the VM does not start"
	perf record -q -o "$out/perf.data" -F 1999 --call-graph fp -p "$pid" >&2
	wait $vm || die "the VM ended with code $?"
	perf script -i "$out/perf.data" -F comm,ip,sym | draw "npu-emu: $*"
}

# perf goes into the VM with its libraries.
flame_guest() {	# COMMAND
	local root=$out/root perf
	perf=$(readlink -f "$(command -v perf)")
	rm -rf "$root"
	mkdir -p "$root/perf/lib"
	cp "$perf" "$root/perf/perf"
	ldd "$perf" | grep -o '/[^ ]*' | xargs -I{} cp -L {} "$root/perf/lib/"
	archive "$root" >"$out/archive"
	make -s -C "$TOP" image >&2
	NPU_ARCHIVE=$out/archive "$TOP/tests/vm/vm.sh" -n flame "p='/perf/lib/ld-linux-x86-64.so.2 \
		--library-path /perf/lib /perf/perf'
		\$p record -q -a -F 499 -g -o /tmp/perf.data -- sh -c '$*' >/tmp/log 2>&1 || {
			cat /tmp/log; exit 1; }
		\$p script -i /tmp/perf.data -F comm,ip,sym" >"$out/guest.txt" || {
		tail -n 5 "$out/guest.txt" >&2
		die "the VM ended with an error"
	}
	# What waits for work is not of interest.
	awk -v RS= -v ORS="\n\n" '!/^swapper/' "$out/guest.txt" | draw "$*"
}

case $what in
model | npu-emu | guest)	"flame_$what" "$@" ;;
*)	die "usage: flame.sh model WORKLOAD | npu-emu COMMAND | guest COMMAND" ;;
esac
