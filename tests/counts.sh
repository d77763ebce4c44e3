#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Counts the instructions of the driver's calls, in a VM whose clock they are, and compares
# them with tests/bench/counts.txt. TAP. UPDATE=1 writes that table instead.
#
# The same image gives the same numbers, whatever the host does. Another one, with a longer
# test program perhaps, moves the timer's interrupts, which changes medians by one in a
# thousand.
. "$(dirname "$0")/vm/lib.sh"
. "$TOP/tests/tap.sh"

table=$TOP/tests/bench/counts.txt
module=$BUILD/modules/$("$TOP/tests/vm/kernel.sh" release)/npu.ko
new=$BUILD/counts.txt

case $KERNEL+${BUS:-emu} in
*-uml+*)	skip "instructions of calls" "User Mode Linux has no such clock"; finish ;;
*+emu)	;;
*)	skip "instructions of calls" "for an NPU that the kernel emulates"; finish ;;
esac

# What the numbers depend on.
root=$("$TOP/tests/vm/qemu.sh")
enter "$root"
key="$("$TOP/tests/vm/kernel.sh" release), gcc $(readelf -p .comment "$module" |
	sed -n 's/.*GCC: (.*) //p' | head -n 1), QEMU $("${inside[@]}" qemu-system-x86_64 --version |
	sed -n 's/.*version \([0-9.]*\).*/\1/p')"

section() {	# KEY: its rows
	awk -v key="[$1]" '/^\[/ { on = $0 == key; next } on && NF && !/^#/' "$table"
}

NPU_ICOUNT=1 "$TOP/tests/vm/vm.sh" -n "counts.$KERNEL" -t 600 npu-counts >"$new" || {
	check "instructions of calls" eval 'cat "$new"; false'
	finish
}

if [ -n "${UPDATE:-}" ]; then
	awk -v key="[$key]" '/^\[/ { on = $0 == key } !on' "$table" >"$new.table"
	{ cat -s "$new.table"; echo "[$key]"; cat "$new"; echo; } >"$table"
	check "written: ${table#"$TOP"/}" test -n "$(section "$key")"
	finish
fi
if [ -z "$(section "$key")" ]; then
	sed 's/^/# /' "$new"
	skip "instructions of calls" "no table for $key"
	finish
fi

compare() {	# TEXT NOW THEN
	local more=$(($2 - $3))
	[ "$3" != 0 ] && [ $((${more#-} * 100)) -le "$3" ] || {
		echo "$2 instructions, $3 in ${table#"$TOP"/}: more than 1 % of difference"
		echo "UPDATE=1 tests/run counts changes the table; say in the commit why"
		return 1
	}
}

value() {	# TEXT FILE
	awk -v text="$1" '{ count = $1; sub(/^ *[^ ]+ +[^ ]+ +/, "") } $0 == text { print count }' "$2"
}

section "$key" >"$new.then"
while read -r count ratio text; do
	then=$(value "$text" "$new.then")
	check "$text: $count, $ratio x getpid" compare "$text" "$count" "${then:-0}"
	[ "$count" = "$then" ] || echo "# $count, not $then"
done <"$new"
check "nothing is missing" diff <(cut -c 24- "$new") <(cut -c 24- "$new.then")

# SUBMIT has one lock for all that is private to its address space.
same() {
	local one many
	one=$(value "SUBMIT with 1 private buffer mapped" "$new")
	many=$(value "SUBMIT with 100000 private buffers mapped" "$new")
	[ $((many * 100)) -le $((one * 102)) ] || { echo "$one, $many"; return 1; }
}
check "SUBMIT costs the same with 1 private buffer and with 100000" same
finish
