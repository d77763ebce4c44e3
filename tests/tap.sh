# SPDX-License-Identifier: GPL-2.0-only
# TAP for shell tests, also of busybox: check and skip count, finish prints the plan
# and exits.

n=0 failed=0
echo "TAP version 13"

check() {	# TEXT COMMAND...: succeeds, and without a compiler's warning
	n=$((n + 1))
	local text=$1 output
	shift
	if output=$("$@" 2>&1) && case $output in *warning:*) false ;; esac; then
		echo "ok $n $text"
	else
		echo "not ok $n $text"
		printf '%s\n' "$output" | tail -n 30 | sed 's/^/# /'
		failed=1
	fi
}

skip() {	# TEXT REASON
	n=$((n + 1))
	echo "ok $n $1 # SKIP $2"
}

exits() {	# CODE COMMAND...: the code, and a message
	local want=$1 code=0 message
	shift
	message=$("$@" 2>&1 >/dev/null) || code=$?
	[ $code = "$want" ] || { echo "exit code $code, not $want: $message"; return 1; }
	[ -n "$message" ]
}

finish() {
	echo "1..$n"
	exit $failed
}
