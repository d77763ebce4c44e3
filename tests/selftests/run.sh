#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs in the VM: all test programs beside it, or those named. Prints their TAP,
# a comment before each, and returns 1 if anything failed.
cd "$(dirname "$0")" || exit 1
modprobe vgem 2>/dev/null
failed=0
for test in ${*:-$(ls npu_* | grep -v '\.')}; do
	echo "# program $test"
	before=$(awk '{print int($1)}' /proc/uptime)
	timeout "${NPU_TEST_TIMEOUT:-900}" ./"$test" || failed=1
	# What a test that was ended left behind must not fail the next ones.
	rmdir /sys/kernel/config/npu_emu/test-* 2>/dev/null
	[ "$NPU_BUS" != pci ] || ./bench cleanup
	echo "# program $test: $(($(awk '{print int($1)}' /proc/uptime) - before)) s"
done

# Where the kernel looks for leaks: what is found goes to its log, which must be
# clean. What was freed a moment ago may still look alive, so twice.
if grep -q kmemleak=on /proc/cmdline; then
	for scan in 1 2; do
		sleep 6
		echo scan >/sys/kernel/debug/kmemleak
	done
	sed 's/^/# /' /sys/kernel/debug/kmemleak
	echo "# kmemleak: $(grep -c unreferenced /sys/kernel/debug/kmemleak) leaks"
fi
exit $failed
