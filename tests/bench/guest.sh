#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# What bench.py runs in the VM: jobs on the device that is there. Lines of JSON; all others
# are npu-bench's.
#
#	SETS="avx2 portable" sh /bench/guest.sh [--quick] NAME...
#
# SETS: inner loops, for a device that the kernel emulates. SUBMISSION=1: npu-bench, too.
parameter=/sys/module/npu_emu/parameters/simd

cd /bench || exit
quick="" choice=""
if [ "$1" = --quick ]; then
	quick=$1
	shift
fi
printf '{"cpu": "%s", "kernel": "%s"}\n' \
	"$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" "$(uname -r)"

# Before the module goes, perhaps not to come back.
[ ! -e $parameter ] || choice=1

# One core, as of the processor that the plain loop runs on.
load() {	# SET: returns why not
	local option="" i=0
	if [ -n "$choice" ]; then
		option="simd=$1"
	elif [ "$1" != portable ]; then
		echo "npu_emu.ko has no choice of inner loops"
		return 1
	fi
	modprobe -r npu_emu
	if ! modprobe npu_emu cores=1 $option || { [ -n "$option" ] && [ "$(cat $parameter)" != "$1" ]; }
	then
		echo "npu_emu.ko cannot use them on this processor"
		return 1
	fi
	while [ ! -e /dev/accel/accel0 ] && [ $i -lt 500 ]; do
		usleep 10000
		i=$((i + 1))
	done
}

if [ "$NPU_BUS" = pci ]; then
	./npu-compute $quick . "$@"
	exit
fi
for set in $SETS; do
	if why=$(load "$set" 2>/dev/null); then
		echo "{\"set\": \"$set\"}"
		./npu-compute $quick . "$@" || exit
	else
		echo "{\"set\": \"$set\", \"reason\": \"$why\"}"
	fi
done
[ -z "$SUBMISSION" ] || npu-bench
