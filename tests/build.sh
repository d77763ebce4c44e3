#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Everything builds without a warning, and "make install" installs it. TAP.
. "$(dirname "$0")/vm/lib.sh"
. "$TOP/tests/tap.sh"

library() {	# COMPILER
	make -s -C "$TOP/lib" BUILD="$BUILD/$1" CC="$1" all examples &&
	make -s -C "$TOP/tools" BUILD="$BUILD/$1" CC="$1"
}

model() {	# COMPILER
	make -s -C "$TOP/tests/unit" BUILD="$BUILD/$1" CC="$1" SANITIZE=0
}

modules() {	# FLAG...
	BUILD=$BUILD/w1 MODULE_FLAGS="W=1 KCFLAGS=-Werror $*" "$TOP/tests/vm/modules.sh"
}

# Against a kernel that was configured for clang, but not built: nobody knows its symbols.
modules_clang() {
	KERNEL=$DEFAULT_KERNEL-clang modules CC=clang KBUILD_MODPOST_WARN=1
}

install_all() {
	local dest=$BUILD/install
	rm -rf "$dest"
	make -s -C "$TOP" install DESTDIR="$dest" PREFIX=/usr &&
	test -x "$dest/usr/bin/npuctl" && test -e "$dest/usr/lib/libnpu.so.0" &&
	test -e "$dest/usr/include/libnpu/npu.h" && test -e "$dest/usr/lib/pkgconfig/libnpu.pc" &&
	test -e "$dest/usr/lib/python3/dist-packages/npu.py"
}

# A program builds against what was installed, through pkg-config alone.
use_installed() {
	local dest=$BUILD/install
	PKG_CONFIG_PATH=$dest/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dest \
		pkg-config --cflags --libs libnpu >"$BUILD/flags" &&
	gcc -o "$BUILD/digit" "$TOP/lib/examples/digit.c" $(sed "s,$dest/usr/include/libdrm,/usr/include/libdrm,g" "$BUILD/flags")
}

# Nothing but the public functions leaves the libraries.
symbols() {
	local extra
	extra=$({ nm -D --defined-only "$BUILD/lib/libnpu.so"
		  nm -g --defined-only "$BUILD/lib/libnpu.a"; } | awk 'NF == 3 { print $3 }' |
		grep -v -E '^(npu_|NPU_)' || true)
	[ -z "$extra" ] || { echo "$extra"; return 1; }
}

for compiler in gcc clang; do
	if ! command -v $compiler >/dev/null; then
		skip $compiler "not installed"
		continue
	fi
	check "library and tools with $compiler" library $compiler
	check "device model with $compiler" model $compiler
done
check "modules with gcc, W=1" modules
check "modules with clang, W=1" modules_clang
check "install" install_all
check "a program against the installed library" use_installed
check "symbols of the libraries" symbols
finish
