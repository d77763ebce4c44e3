#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# npu.py: its structures are those of npu.h, and it runs models in a VM that has a device,
# with and without NumPy. TAP.
. "$(dirname "$0")/vm/lib.sh"
. "$TOP/tests/tap.sh"

out=$BUILD/tests/python

# It needs no device: whoever installs the library has it.
layout() {
	NPU_LIBRARY=$BUILD/lib/libnpu.so.0 PYTHONDONTWRITEBYTECODE=1 python3 "$TOP/tests/python/t_layout.py" \
		gcc "-I$TOP/lib" "-I$TOP/uapi" $(pkg-config --cflags libdrm)
}

# Nor does it need one to close what others use, and to refuse what fits no model.
stub() {
	mkdir -p "$out" &&
	gcc -shared -fPIC -std=c11 -Wall -Wextra -Werror "-I$TOP/lib" "-I$TOP/uapi" \
		$(pkg-config --cflags libdrm) -o "$out/libstub.so" "$TOP/tests/python/stub.c" -pthread &&
	NPU_LIBRARY=$out/libstub.so PYTHONDONTWRITEBYTECODE=1 python3 "$TOP/tests/python/t_stub.py"
}

# What is left out: tests, headers, what no test imports.
pack() {
	local root=$1 to=$out/root/python
	rm -rf "$out/root"
	mkdir -p "$to/lib" "$to/models" &&
	cp "$root"/usr/bin/python3.[0-9]* "$to/" &&
	cp -P "$root"/usr/lib/*-linux-gnu*/lib*.so* "$root"/usr/lib/*-linux-gnu*/ld-linux*.so* \
		"$root"/usr/lib/*-linux-gnu*/{blas,lapack}/lib*.so* "$BUILD"/lib/libnpu.so* "$to/lib/" &&
	tar -C "$root/usr" --exclude=tests --exclude=test --exclude=include --exclude='*.a' \
		--exclude=idlelib --exclude=f2py -c lib/python3 $(cd "$root/usr" && echo lib/python3.*) |
		tar -C "$to" -x &&
	cp "$TOP/python/npu.py" "$TOP/tests/python/t_npu.py" "$to/" &&
	python3 "$TOP/tests/lib/generate.py" "$to/models" 2 "${SEED:-1}" &&
	rm -f "$to"/models/bad_* &&
	archive "$out/root" >"$out/archive"
}

check "structures and constants" layout
check "handles and types, without a device" stub
need_root "Python for the VM" "$TOP/tests/vm/python.sh"
check "what the VM needs" pack "$root"

# -S: without the folder that NumPy is in.
NPU_ARCHIVE=$out/archive "$TOP/tests/vm/vm.sh" -n python -t 600 'cd /python
	export PYTHONHOME=/python NPU_LIBRARY=libnpu.so.0 PYTHONDONTWRITEBYTECODE=1
	python="lib/ld-linux*.so.* --library-path lib ./python3.[0-9]*"
	$python t_npu.py models /digits /networks numpy && $python -S t_npu.py models /digits /networks' ||
	failed=$?
finish
