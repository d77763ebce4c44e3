#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What of the device model and of libnpu do the host's suites run? Prints a
# table; build/coverage/uncovered.txt has the lines that nothing runs, with the
# reasons of tests/coverage.txt. Fails below 90 % of the lines of a folder, and
# if a reason is missing or nothing needs it any more.
#
# Usage: coverage.sh [SOURCE=FOLDER...]: also of SOURCE, as "driver", whose
# .gcno and .gcda another build has left in FOLDER.
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
python3 "$TOP/tests/coverage.py" "$TOP" "$out/uncovered.txt" emu/core="$out" lib="$out" "$@"
