#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What of the device model and of libnpu do the host's suites run, and what of
# the driver those that boot User Mode Linux? Prints a table;
# build/coverage/uncovered.txt has the lines that nothing runs, with the reasons
# of tests/coverage.txt. Fails below 90 % of the lines of a folder, and if a
# reason is missing or nothing needs it any more.
. "$(dirname "$0")/vm/lib.sh"

"$TOP/tests/vm/deps.sh" coverage
out=$BUILD/coverage
mkdir -p "$out"
find "$out" -name '*.gcda' -delete

for suite in unit lib; do
	say "suite $suite, counted ..."
	make -s -C "$TOP/tests/$suite" BUILD="$out" SANITIZE=0 \
		CFLAGS="-O0 -g --coverage -fprofile-update=atomic" LDFLAGS=--coverage check \
		>"$out/$suite.tap" 2>&1 || {
		grep -E '^not ok|error' "$out/$suite.tap" >&2
		die "the suite $suite fails, see $out/$suite.tap"
	}
done

# The driver's counters are read in the VM. They point to the .gcno files beside
# the objects; of two boots, since KUnit leaves a device behind that never resets.
export KERNEL=$DEFAULT_KERNEL-uml NPU_SHARE=$out/driver MODULE_FLAGS=NPU_GCOV=y
rm -rf "$NPU_SHARE"
run_driver() {	# NAME ARGUMENTS COMMAND
	mkdir -p "$NPU_SHARE/$1"
	say "driver, counted: $1 ..."
	BUILD=$out/vm "$TOP/tests/vm/vm.sh" -n "$1" -t 900 -a "$2" "$3; code=\$?
		cd /sys/kernel/debug/gcov && for f in \$(find . -name '*.gcda'); do
			cat \$f >/share/$1/\$(basename \$f)
		done
		exit \$code" >"$out/$1.tap" 2>&1 || {
		grep -E '^not ok|error|clean' "$out/$1.tap" >&2
		die "tests of the driver fail, see $out/$1.tap"
	}
	find "$out/vm/modules" -path '*/driver/*.gcno' -exec cp -t "$NPU_SHARE/$1" {} +
}
timed "building modules that count" make -s -C "$TOP" BUILD="$out/vm" image
run_driver kunit "npu.load=0 kunit.filter_glob=npu* time-travel" 'modprobe npu'
run_driver user "" "/tests/run.sh && /tests/run.sh fail_nth hostile stress &&
	/tests/fuzz_ioctl 20 && cd /digits && npu-reference digits.tflite heldout.raw >/tmp/r &&
	/tests/t_session /digits /tmp/r"

python3 "$TOP/tests/coverage.py" "$TOP" "$out/uncovered.txt" \
	emu/core="$out" lib="$out" driver="$NPU_SHARE"
