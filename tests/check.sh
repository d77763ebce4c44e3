#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Static checks. TAP, one test per tool.
. "$(dirname "$0")/vm/lib.sh"
. "$TOP/tests/tap.sh"

"$TOP/tests/vm/deps.sh" check
source=$("$TOP/tests/vm/kernel.sh" source)
mkdir -p "$BUILD"
cd "$TOP"

# each COMMAND...: for every line of the input, which it gets as last argument
each() { xargs -r -P "$(nproc)" -d '\n' -n 1 "$@"; }

# Left out of checkpatch:
# - MAINTAINERS and versions, which an out-of-tree module has none or many of;
#   CONSTANT_COMPARISON takes LINUX_VERSION_CODE for a constant;
# - PARENTHESIS_ALIGNMENT, OPEN_ENDED_LINE in *_trace.h: TRACE_EVENT() as everywhere;
# - BIT_MACRO: the user API and what the model shares have no BIT();
# - MACRO_ARG_REUSE, MACRO_ARG_PRECEDENCE, COMPLEX_MACRO: names of fields, lists of initialisers;
# - PREFER_DEFINED_ATTRIBUTE_MACRO: npu_port.h defines them.
# In user space also: types and macros that only the kernel has, strings that
# are messages, printf's PRIu64, enumerations line by line, an else that returns.
kernel_style=FILE_PATH_CHANGES,LINUX_VERSION_CODE,CONSTANT_COMPARISON,BIT_MACRO,MACRO_ARG_REUSE,COMPLEX_MACRO
kernel_style+=,MACRO_ARG_PRECEDENCE,PREFER_DEFINED_ATTRIBUTE_MACRO
user_style=$kernel_style,PREFER_KERNEL_TYPES,ARRAY_SIZE,STRCPY,VOLATILE
user_style+=,LONG_LINE_STRING,EMBEDDED_FUNCTION_NAME,CAMELCASE,LINE_SPACING,UNNECESSARY_ELSE,MULTIPLE_ASSIGNMENTS

checkpatch() {	# IGNORED FOLDER...
	local ignored=$1
	shift
	run_checkpatch "$ignored" "$@" ! -name '*_trace.h' &&
	run_checkpatch "$ignored,PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE" "$@" -name '*_trace.h'
}

run_checkpatch() {	# IGNORED ARGUMENT-OF-FIND...
	find "${@:2}" -name '*.[ch]' | each "$source/scripts/checkpatch.pl" --no-tree --strict \
		--terse --show-types --no-summary --ignore "$1" -f
}

kernel_doc() {
	find driver emu uapi lib tools delegate -name '*.[ch]' | xargs "$source/scripts/kernel-doc" -none -Werror
}

# sparse does not understand guard(), see Documentation/decisions.rst.
sparse() {
	BUILD=$BUILD/sparse MODULE_FLAGS="C=2 CF=-Wno-context" tests/vm/modules.sh
}

# The kernel's semantic patches, except those that need an OCaml compiler, one
# that warns of itself, and one that wants swap(), which portable C has not.
semantic_patches() {
	local reports
	reports=$(find "$source/scripts/coccinelle" -name '*.cocci' |
		grep -v -e badzero -e check_bq27xxx -e stream_open -e swap.cocci |
		each bash -c 'spatch -D report --very-quiet --no-show-diff --cocci-file "$1" \
			$(sed -n "s,^// Options: *,,p" "$1") $(find driver emu/core emu/kernel -name "*.[ch]") 2>&1' _) &&
	[ -z "$reports" ] || { echo "$reports"; return 1; }
}

include=(-D_GNU_SOURCE -I{lib,uapi,driver,emu/core,emu/pci,emu/host,tests/unit,tests/lib,tools}
	 -isystem "$source/tools/testing/selftests" $(pkg-config --cflags libdrm))
user_space=(lib tools emu/core emu/pci emu/host tests)
code=0
tflite=$(tests/vm/tflite.sh 2>"$BUILD/tflite.sh.log") || code=$?
if [ $code = 0 ]; then
	user_space+=(delegate)
	include+=(-Idelegate -Itests/selftests -isystem "$tflite/usr/include")
	without=
else
	without=tests/delegate
fi

# Programs that are linked with the libraries of the bench.
lacking=() suppress=()
for peer in xnnpack onednn; do
	if root=$(tests/vm/peers.sh $peer 2>"$BUILD/peers.sh.log"); then
		include+=(-isystem "$root/usr/include")
		suppress+=(--suppress="*:$root/*")
	else
		lacking+=(-not -path "tests/bench/$peer.c")
		suppress+=(-i "tests/bench/$peer.c")
	fi
done

# Its analyzer does not follow how many taps there are into arrays of vectors.
clang_tidy() {
	find "${user_space[@]}" ${without:+-path "$without" -prune -o} -name '*.c' \
		! -name 'npu_kernels_avx*.c' \
		"${lacking[@]}" -print |
		each bash -c 'clang-tidy --quiet "${@: -1}" -- -std=gnu11 "${@:1:$#-1}" 2>/dev/null' \
			_ "${include[@]}" | sed -n '/ error: /p'
}

cpp_check() {
	cppcheck -j "$(nproc)" -q --enable=warning,style,performance,portability --std=c11 \
		--error-exitcode=1 --template='{file}:{line}: {severity}: {message} [{id}]' \
		--suppressions-list=tests/cppcheck.txt --suppress="*:$source/*" \
		${tflite:+--suppress="*:$tflite/*"} ${without:+-i "$without"} \
		"${suppress[@]}" \
		"${include[@]/#-isystem/-I}" "${user_space[@]}"
}

# Not reported: paths have no spaces, lists of words are split deliberately,
# QEMU's options have commas, what a sourced file sets others use, and what a
# trap removes is known when it is set.
shell_check() {
	grep -rlE '^#!/bin/(ba)?sh' .ci tests |
		xargs shellcheck -x -P SCRIPTDIR -s bash -f gcc -S warning \
		-e SC1007,SC2034,SC2038,SC2046,SC2054,SC2064,SC2206,SC2207 tests/tap.sh tests/vm/lib.sh
}

spelling() {
	find . -path "./.git" -prune -o -path ./build -prune -o -type f -print |
		xargs codespell -q 2 -L filp,fo,inflight,inout
}

check "checkpatch, kernel" checkpatch "$kernel_style" driver emu/core emu/kernel uapi
check "checkpatch, user space" checkpatch "$user_style" lib tools delegate emu/pci emu/host tests/selftests tests/delegate
check "kernel-doc" kernel_doc
check "sparse" sparse
check "semantic patches" semantic_patches
check "clang-tidy" clang_tidy
case $code in
0)	;;
"$UNAVAILABLE")	skip "clang-tidy and cppcheck of the delegate" "no headers of TensorFlow Lite" ;;
*)	check "headers of TensorFlow Lite" eval 'cat "$BUILD/tflite.sh.log"; false' ;;
esac
[ ${#lacking[@]} = 0 ] ||
	skip "clang-tidy and cppcheck of peers of the bench" "no headers of their libraries"
check "cppcheck" cpp_check
check "shellcheck" shell_check
check "codespell" spelling
check "tests of the table of features" tests/features.sh
check "documentation" make -s docs
finish
