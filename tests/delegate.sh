#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The delegate of TensorFlow Lite: it builds, takes graphs of any kind, and runs them in
# a VM that has a device, with the library as Debian packages it. TAP.
. "$(dirname "$0")/vm/lib.sh"
. "$TOP/tests/tap.sh"

mkdir -p "$BUILD"
need_root "TensorFlow Lite" "$TOP/tests/vm/tflite.sh"
out=$BUILD/tests/delegate tests=$TOP/tests/delegate

# Beside what a host that has the headers may have built.
delegate() {	# FOLDER ARGUMENT...
	make -s -C "$TOP/delegate" BUILD="$BUILD" OUT="$out/$1" TFLITE="$root/usr" "${@:2}"
}

symbols() {
	nm -D --defined-only "$out/gcc/libnpu_delegate.so" | awk '{ print $3 }' |
		diff - <(printf 'tflite_plugin_%s_delegate\n' create destroy)
}

install_it() {
	local dest=$BUILD/install-delegate
	rm -rf "$dest"
	delegate gcc DESTDIR="$dest" PREFIX=/usr install &&
	test -x "$dest/usr/lib/libnpu_delegate.so"
}

# Who has no headers is told, and gets everything else.
without_headers() {
	make -s -C "$TOP/delegate" BUILD="$BUILD/none" TFLITE=/nowhere | grep -q 'not built' &&
	test ! -e "$BUILD/none"
}

hostile() { make -s -C "$tests" BUILD="$BUILD" TFLITE="$root" check; }

# Models, inputs, and what is right: of the operators to the bit of the reference.
models() {
	local m
	rm -rf "$out/operators" "$out/mixed"
	python3 "$TOP/tests/lib/generate.py" "$out/operators" "${COUNT:-4}" "${SEED:-1}" &&
	python3 "$tests/models.py" "$out/mixed" || return
	rm -f "$out"/operators/bad_* "$out"/operators/variables_*
	# As the top Makefile does, for whoever did not begin there.
	make -s -C "$TOP/tests/models/reference" BUILD="$BUILD/static" SANITIZE=0 LDFLAGS=-static ||
		return
	for m in "$out"/operators/*.tflite; do
		m=${m%.tflite}
		"$BUILD/static/tests/reference/npu-reference" -n tflite "$m.tflite" "$m.in" >"$m.out" || return
	done
}

pack() {
	local to=$out/root/delegate
	rm -rf "$out/root"
	mkdir -p "$to/lib" &&
	make -s -C "$tests" BUILD="$BUILD" TFLITE="$root" "$out/t_delegate" &&
	cp -P "$root"/usr/lib/*/*.so* "$BUILD"/lib/libnpu.so* "$out/gcc/libnpu_delegate.so" \
		"$to/lib/" &&
	cp -r "$out/t_delegate" "$out/operators" "$out/mixed" "$to/" &&
	archive "$out/root" >"$out/archive"
}

for compiler in gcc clang; do
	if command -v $compiler >/dev/null; then
		check "with $compiler" delegate $compiler CC=$compiler
	else
		skip "with $compiler" "not installed"
	fi
done
check "symbols" symbols
check "install" install_it
check "without headers" without_headers
check "graphs that are damaged" hostile
check "models" models
check "what the VM needs" pack

NPU_ARCHIVE=$out/archive "$TOP/tests/vm/vm.sh" -n delegate -t 1200 "cd /delegate &&
	lib/ld-linux*.so.* --library-path lib ./t_delegate lib/libnpu_delegate.so /networks operators mixed" ||
	failed=$?
finish
