#!/bin/bash
# SPDX-License-Identifier: MIT
# Replays the inputs that once failed, then fuzzes each target. Without an
# argument the same inputs each time, TAP; with one, for so many seconds each,
# on a corpus that grows in the cache. What fails lies in build/fuzz then.
. "$(dirname "$0")/../vm/lib.sh"

out=$BUILD/fuzz
here=$TOP/tests/fuzz
export ASAN_OPTIONS=allocator_may_return_null=1:${ASAN_OPTIONS:-}

targets=(fuzz_model fuzz_stream fuzz_model_file)
declare -A seeds=([fuzz_model]=model [fuzz_stream]=stream [fuzz_model_file]=file)
declare -A length=([fuzz_model]=512 [fuzz_stream]=4096 [fuzz_model_file]=20480)
declare -A runs=([fuzz_model]=25000 [fuzz_stream]=150000 [fuzz_model_file]=150000)

# Values that look like pointers get into the inputs.
fixed=()
setarch -R true 2>/dev/null && fixed=(setarch -R)

make_seeds() {
	mkdir -p "$out"/seeds.{model,stream,file}
	python3 "$TOP/tests/lib/generate.py" "$out/seeds.file" 1 1
	cp "$TOP/tests/models/digits/digits.tflite" "$out/seeds.file"
	"$out/seeds" "$out"/seeds.{stream,model,file} \
		"$out"/seeds.file/{digits,svdf_00,variables_00,float_00}.tflite
	rm -f "$out"/seeds.file/*.in
}

# TARGET CORPUS ARGUMENT...: prints libFuzzer's output
fuzz() {
	local target=$1 corpus=$2
	shift 2
	mkdir -p "$corpus"
	"${fixed[@]}" nice "$out/$target" -max_len="${length[$target]}" -len_control=0 -timeout=30 \
		-artifact_prefix="$out/$target-" -print_final_stats=1 "$@" \
		"$corpus" "$out/seeds.${seeds[$target]}" 2>&1
}

# What libFuzzer says of its run, in one line.
figures() {
	sed -n 's/.*DONE *\(cov.*corp: [0-9]*\).*/\1/p; s/^stat::number_of_executed_units: /executions: /p' |
		tr '\n' ' '
}

make_seeds

if [ $# -gt 0 ]; then
	for target in "${targets[@]}"; do
		say "$target: $1 s, corpus in $CACHE/fuzz/$target"
		fuzz "$target" "$CACHE/fuzz/$target" -max_total_time="$1" >"$out/$target.log" || {
			tail -n 40 "$out/$target.log" >&2
			die "$target has found something, see $out/$target.log" \
			    "repeat: $out/$target FILE; when it is mended, FILE belongs into $here/regress"
		}
		say "$target: $(figures <"$out/$target.log")"
	done
	exit
fi

. "$TOP/tests/tap.sh"

replay() { "$out/$1" "${@:2}" 2>&1; }
bounded() {
	rm -rf "$out/corpus"
	fuzz "$1" "$out/corpus" -seed=1 -runs="${runs[$1]}" >"$out/$1.log" ||
		{ cat "$out/$1.log"; return 1; }
}

syz() { python3 "$here/check_syz.py" "$here/npu.txt" "$1" "$out/syz"; }
check "npu.txt describes the user API" syz "$TOP/uapi"

changed() {	# SED-SCRIPT: is this change of the header noticed?
	mkdir -p "$out/uapi/drm"
	sed "$1" "$TOP/uapi/drm/npu_accel.h" >"$out/uapi/drm/npu_accel.h"
	! cmp -s "$out/uapi/drm/npu_accel.h" "$TOP/uapi/drm/npu_accel.h" && ! syz "$out/uapi"
}
check "a new field is noticed" changed '/^struct drm_npu_job {/a\	__u64 more;'
check "a field of another size is noticed" changed '/^struct drm_npu_sync {/,/}/s/__u32 pad/__u64 pad/'
check "a new flag is noticed" changed '/^#define DRM_NPU_BO_NO_MMAP/a#define DRM_NPU_BO_MORE 2'
check "a new ioctl is noticed" changed '/DRM_NPU_PERF_QUERY,$/a\	DRM_NPU_MORE,'
check "another direction is noticed" changed 's/DRM_IOCTL_NPU(IOW, SUBMIT/DRM_IOCTL_NPU(IOWR, SUBMIT/'
check "a lost struct is noticed" changed 's/struct drm_npu_time_info {/struct drm_npu_clock_info {/'
for target in "${targets[@]}"; do
	old=("$here/regress/$target"/*)
	[ ! -e "${old[0]}" ] ||
		check "$target: ${#old[@]} inputs that once failed" replay "$target" "${old[@]}"
	check "$target: ${runs[$target]} inputs" bounded "$target"
	echo "# $target: $(figures <"$out/$target.log")"
done
finish
