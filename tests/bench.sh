#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What "make bench" says is right: its arithmetic, that results are compared with what they
# should be, that all of it runs on this machine and in a VM. How fast anything is, is no
# matter here. TAP.
. "$(dirname "$0")/vm/lib.sh"
. "$TOP/tests/tap.sh"

bench=$TOP/tests/bench out=$BUILD/tests/bench
mkdir -p "$out"
"$TOP/tests/vm/deps.sh" build

programs() { make -s -C "$bench" BUILD="$1" CC="$2" all participants test; }

check "with gcc" programs "$BUILD" gcc
if command -v clang >/dev/null; then
	check "with clang" programs "$BUILD/clang" clang
else
	skip "with clang" "not installed"
fi

for t in $(python3 "$bench/t_bench.py" --list); do
	check "arithmetic: ${t#test_}" python3 "$bench/t_bench.py" "$t"
done

run() {	# NAME OPTION...: $out/NAME.json, $out/NAME.txt
	"$bench/bench.py" --quick --cached --json "$out/$1.json" "${@:2}" >"$out/$1.txt"
}

reason() {	# PARTICIPANT: why it did not take part; nothing if it did
	python3 -c 'import json, sys
for row in json.load(open(sys.argv[1]))["missing"]:
    if row["participant"] == sys.argv[2] and "workload" not in row:
        print(row["reason"])' "$out/host.json" "$1"
}

# Only the device model takes part with the bits of the reference; these are within one of
# what their own rounding gives.
check "on this machine" run host --only host
check "what it says of this machine" \
	python3 "$bench/t_bench.py" --host "$out"/host.{json,txt}
for peer in XNNPACK oneDNN; do
	if [ -n "$(reason $peer)" ]; then
		skip "$peer takes part" "$(reason $peer)"
	else
		check "$peer takes part" grep -q "$peer \*" "$out/host.txt"
	fi
done

workloads=$BUILD/bench/workloads
model() {	# TEXT OPTION...: it says TEXT
	"$BUILD/bench/model" "${@:2}" </dev/null >"$out/model.txt"
	grep "$1" "$out/model.txt" || { cat "$out/model.txt"; return 1; }
}
all_right() {	# OPTION...: every workload
	"$BUILD/bench/model" "$@" "$workloads" digits mobilenet-v1 conv-1x1 </dev/null >"$out/model.txt"
	[ "$(grep -c '^has ' "$out/model.txt")" = 3 ] || { cat "$out/model.txt"; return 1; }
}
check "two cores compute the same" all_right --cores 2
check "scattered pages hold the same" all_right --pages

# One byte of what is expected is another one.
rm -rf "$out/wrong"
mkdir "$out/wrong"
cp "$workloads"/digits.* "$out/wrong/"
printf x | dd of="$out/wrong/digits.out" bs=1 seek=17 conv=notrunc status=none
check "wrong results do not take part" model "lacks digits its result" "$out/wrong" digits
check "nor are wrong layers of libraries right" "$BUILD/bench/t_layers" "$workloads" digits \
	mobilenet-v1 mobilenet-v2 gemm-512 depthwise-3x3

# Whoever has perf, and may use it.
flame() {
	local svg
	svg=$("$bench/flame.sh" model digits) && grep -q '<title>npu_model_step: ' "$svg"
}
if perf record -q -o "$out/perf.data" true 2>/dev/null; then
	check "a flame graph" flame
else
	skip "a flame graph" "perf cannot record here"
fi

check "no such workload" exits 2 "$bench/bench.py" --workloads nothing
check "no such inner loops" exits 1 "$bench/bench.py" --quick --cached --only host \
	--workloads digits --kernels nothing

case $KERNEL in
*-uml)	skip "in a VM" "User Mode Linux has no PCI" ;;
*)	check "in a VM" run guest --only guest --workloads digits,mobilenet-v1
	check "what it says of a VM" \
		python3 "$bench/t_bench.py" --guest "$out"/guest.{json,txt} ;;
esac
finish
