#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The public headers compile alone, as C and as C++, without a warning; the user
# API has one layout in 32 and 64 bit, without hidden padding. TAP.
. "$(dirname "$0")/vm/lib.sh"
. "$TOP/tests/tap.sh"

flags="-Wall -Wextra -Werror -pedantic -Wno-variadic-macros -fsyntax-only
	-I$TOP/uapi -I$TOP/lib $(pkg-config --cflags libdrm)"
# The user API needs the kernel's headers alone, so 32 bit needs no C library.
uapi_flags="-ffreestanding -idirafter /usr/include/$(gcc -print-multiarch)"

compile() {	# LANGUAGE STANDARD INCLUDE COMPILER [OPTION...]
	local header=$3
	echo "#include <$header>" | "$4" -x "$1" -std="$2" $flags "${@:5}" -
}

languages() {	# HEADER COMPILER TEXT [OPTION...]
	check "$1 as C with $2$3" compile c c11 "$1" "$2" "${@:4}"
	if $2 -x c++ -fsyntax-only - </dev/null 2>/dev/null; then
		check "$1 as C++ with $2$3" compile c++ c++17 "$1" "$2" "${@:4}"
	else
		skip "$1 as C++ with $2$3" "no C++ compiler"
	fi
}

# offsets HEADER BITS: the structures that it defines, each member with its place
offsets() {
	local object=$BUILD/headers/${1##*/}.$2.o
	mkdir -p "$BUILD/headers"
	echo "#include <$1>" | gcc -m"$2" $uapi_flags -I"$TOP/uapi" $(pkg-config --cflags libdrm) -g \
		-fno-eliminate-unused-debug-types -x c -c -o "$object" - &&
	pahole -C "$(sed -n 's/^struct \(\w*\) {.*/\1/p' "$TOP/uapi/$1" | paste -sd,)" "$object"
}

layout() {	# HEADER
	local in32 in64
	in32=$(offsets "$1" 32) && in64=$(offsets "$1" 64) &&
	diff <(echo "$in32") <(echo "$in64") || return
	[ "$(grep -c '^struct' <<<"$in64")" = "$(grep -c '^struct .*{' "$TOP/uapi/$1")" ] ||
		{ echo "pahole does not see every structure"; return 1; }
	! grep -E 'XXX|padding:' <<<"$in64"
}

for compiler in gcc clang; do
	command -v $compiler >/dev/null || {
		skip $compiler "not installed"
		continue
	}
	languages npu.h $compiler ""
	for header in drm/npu_accel.h drm/npu_isa.h; do
		for bits in 32 64; do
			languages $header $compiler ", $bits bit" -m$bits $uapi_flags
		done
	done
done

for header in drm/npu_accel.h drm/npu_isa.h; do
	check "one layout of $header in 32 and 64 bit" layout $header
done

# Every file says its licence, but for ABI files, whose form has no comments.
missing() {
	local files
	files=$(git -C "$TOP" ls-files | grep -v -E '\.(tflite|raw|pgm|labels|patch)$|^(LICENSES|Documentation/ABI)/|\.gitignore$' |
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
