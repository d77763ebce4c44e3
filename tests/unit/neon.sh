#!/bin/bash
# SPDX-License-Identifier: MIT
# The inner loops for 64-bit Arm processors, where there is none: built by a cross compiler, run
# by QEMU. TAP.
. "$(dirname "$0")/../vm/lib.sh"
. "$TOP/tests/tap.sh"

out=$BUILD/arm64 cc=aarch64-linux-gnu-gcc

build() {
	make -s -C "$TOP/tests/unit" BUILD="$out" CC=$cc SANITIZE=0 CFLAGS="-O2 -static" \
		"$out"/unit/{kernels,commands,commands-small}
}

clang_too() {
	local core=$TOP/emu/core
	clang --target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include -std=gnu11 -O2 -Wall \
		-Wextra -Werror -I"$core" -I"$TOP/driver" -I"$TOP/uapi" -c \
		-o "$out/clang.o" "$core/npu_kernels_neon.c"
}

run() {	# PROGRAM
	NPU_KERNELS=neon qemu-aarch64-static -cpu max "$out/unit/$1"
}

# Accumulators are whole vectors, other than what a function saves for its caller.
registers() {
	aarch64-linux-gnu-objdump -d "$out/unit/core/npu_kernels_neon.o" | awk '
	/^[0-9a-f]+ <.*>:$/ { name = $2 }
	name !~ /npu_mac/ { next }
	/\tsdot/ { products++ }
	/\tq[0-9]+,.*\[sp/ { print name, $0; bad++ }
	END { if (products < 100) print "there are no inner loops"; exit bad || products < 100 }'
}

# QEMU has other processors, too: those without SDOT must get the portable set.
without() {
	! NPU_KERNELS=neon qemu-aarch64-static -cpu cortex-a53 "$out/unit/commands" >/dev/null 2>&1 &&
	NPU_CASES=10 qemu-aarch64-static -cpu cortex-a53 "$out/unit/commands" >/dev/null
}

if [ "$(uname -m)" = aarch64 ]; then
	skip "neon" "the processor runs them itself"
elif ! command -v $cc qemu-aarch64-static >/dev/null; then
	skip "neon" "there is no cross compiler, or no QEMU for its programs"
else
	check "neon: builds" build
	if command -v clang >/dev/null; then
		check "neon: builds with clang" clang_too
	else
		skip "neon: builds with clang" "not installed"
	fi
	check "neon: accumulators are registers in the inner loops" registers
	check "neon: random cases" run kernels
	check "neon: commands" run commands
	check "neon: commands, with small tiles" run commands-small
	check "neon: not on a processor without dot products" without
fi
finish
