#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Many objects, in a VM whose clock are instructions: npu-scale has to get everything right,
# and one object may not cost more because there are others. TAP.
. "$(dirname "$0")/vm/lib.sh"
. "$TOP/tests/tap.sh"

new=$BUILD/scale.txt

case $KERNEL+${BUS:-emu} in
*-uml+*)	skip "scale" "User Mode Linux does not count instructions"; finish ;;
*+emu)	;;
*)	skip "scale" "for an NPU that the kernel emulates"; finish ;;
esac

NPU_MEM=4096 NPU_ICOUNT=1 "$TOP/tests/vm/vm.sh" -n "scale.$KERNEL" -t 1500 npu-scale >"$new" || {
	check "everything has the right result" eval 'cat "$new"; false'
	finish
}
check "everything has the right result" true

# Trees get deeper and caches colder, which is less than half.
linear() {	# FIRST LAST, per object
	[ "$1" -le 0 ] || [ $(($2 * 2)) -le $(($1 * 3)) ] || {
		echo "$1 each for the first tenth, $2 later"
		return 1
	}
}
while read -r first last bytes all count text; do
	check "$count $text: $first, then $last instructions" linear "$first" "$last"
	check "$count $text: $bytes, then $all bytes" linear "$bytes" "$all"
done <"$new"

per_interrupt() { sed -n "s/.*moderation of $1 us: \\([0-9]*\\).*/\\1/p" "$new"; }
check "with moderation an interrupt stands for several jobs" \
	test "$(per_interrupt 100)" -ge $((4 * $(per_interrupt 0)))
finish
