#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The public headers compile alone, as C and as C++, without a warning. TAP.
. "$(dirname "$0")/vm/lib.sh"
. "$TOP/tests/tap.sh"

flags="-Wall -Wextra -Werror -pedantic -fsyntax-only -I$TOP/uapi -I$TOP/lib $(pkg-config --cflags libdrm)"
compile() {	# LANGUAGE STANDARD INCLUDE COMPILER
	echo "#include <$3>" | "$4" -x "$1" -std="$2" $flags -Wno-variadic-macros -
}

for compiler in gcc clang; do
	command -v $compiler >/dev/null || {
		skip $compiler "not installed"
		continue
	}
	for header in drm/npu_accel.h drm/npu_isa.h npu.h; do
		check "$header as C with $compiler" compile c c11 "$header" $compiler
		if $compiler -x c++ -fsyntax-only - </dev/null 2>/dev/null; then
			check "$header as C++ with $compiler" compile c++ c++17 "$header" $compiler
		else
			skip "$header as C++ with $compiler" "no C++ compiler"
		fi
	done
done

# Every file says its licence.
missing() {
	local files
	files=$(git -C "$TOP" ls-files | grep -v -E '\.(tflite|raw|pgm|labels)$|^LICENSES/|\.gitignore$' |
		while read -r f; do
			head -n 3 "$TOP/$f" | grep -q SPDX-License-Identifier || echo "$f"
		done)
	[ -z "$files" ] || { echo "$files"; return 1; }
}
if git -C "$TOP" rev-parse 2>/dev/null; then
	check "an SPDX line in every file" missing
fi

# The example of the README is the one that the library builds.
same_example() {
	diff <(sed -n '/^```c$/,/^```$/p' "$TOP/README.md" | sed '1d;$d') \
	     <(sed 1d "$TOP/lib/examples/digit.c")
}
check "the README's example is lib/examples/digit.c" same_example

finish
