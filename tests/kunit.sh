#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs the driver's KUnit tests in a VM; prints flat TAP, a line per test or, of
# one with parameters, per parameter. Usage: kunit.sh [SUITE.TEST]
#
# KERNEL must have KUnit: KERNEL=6.12-uml, for example. Time travel, which other
# kernels than UML ignore, makes the time of waiting cost nothing.
. "$(dirname "$0")/vm/lib.sh"

"$TOP/tests/vm/vm.sh" -n kunit -t 600 -a "npu.load=0 kunit.filter_glob=${1:-npu*} time-travel" \
	'modprobe npu && cat /sys/kernel/debug/kunit/npu*/results' | awk '
	/^ *# Subtest: / { name[index($0, "#")] = $3 }
	!/^ *(not )?ok / {
		sub(/^ *#? */, "# ")
		if (!/KTAP version|Subtest|^# 1\.\./)
			print
		next
	}
	{ depth = index($0, "ok") - ($1 == "not" ? 4 : 0) }
	depth > 8 { parameters = 1 }
	depth == 5 && parameters && $1 == "ok" { parameters = 0; next }
	depth > 1 {
		result = $1 == "not" ? "not ok" : "ok"
		sub(/^ *(not )?ok [0-9]+ */, "")
		test = depth > 8 ? name[9] "." $0 : $0
		print result, ++count, name[5] "." test
	}
	END { print "1.." count }'
