#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# Two NPUs of different size that are there from the beginning, NPU_EMU="--cores 1
# --queues 4; --cores 8 --queues 128": each is what it is, both compute the same. TAP.
digits=/digits
. "$(dirname "$0")/tap.sh"
tmp=$(mktemp -d)

# Which is which, the bus decides.
small=/dev/accel/accel0 large=/dev/accel/accel1
if npuctl -d 0 list | grep -q 'cores *8,'; then
	small=/dev/accel/accel1 large=/dev/accel/accel0
fi

says() {	# NODE PATTERN
	npuctl -d "$1" list | grep -q "$2"
}

raw() {	# NODE FILE
	npuctl -d "$1" run --batch $digits/heldout.raw --raw "$2" $digits/digits.tflite
}

both() {
	raw $small "$tmp/small" & raw $large "$tmp/large"
	wait
	npu-reference $digits/digits.tflite $digits/heldout.raw >"$tmp/reference" &&
	cmp "$tmp/small" "$tmp/reference" && cmp "$tmp/large" "$tmp/reference"
}

check "the small one has a core" says $small 'cores *1,'
check "and four queues" says $small 'queues *4 '
check "the large one has eight cores" says $large 'cores *8,'
check "and 128 queues" says $large 'queues *128 '
check "both at once compute what the reference does" both

rm -rf "$tmp"
finish
