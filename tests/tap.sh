# SPDX-License-Identifier: GPL-2.0-only
# TAP for shell tests: check and skip count, finish prints the plan and exits.

n=0 failed=0
echo "TAP version 13"

check() {	# TEXT COMMAND...: succeeds, and without a compiler's warning
	n=$((n + 1))
	local text=$1 output
	shift
	if output=$("$@" 2>&1) && ! grep -q 'warning:' <<<"$output"; then
		echo "ok $n $text"
	else
		echo "not ok $n $text"
		tail -n 30 <<<"$output" | sed 's/^/# /'
		failed=1
	fi
}

skip() {	# TEXT REASON
	n=$((n + 1))
	echo "ok $n $1 # SKIP $2"
}

finish() {
	echo "1..$n"
	exit $failed
}
