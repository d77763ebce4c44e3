#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# Networks as they are known on a real device node, to the bit of the reference,
# which has run on the host. TAP.
networks=/networks
. "$(dirname "$0")/tap.sh"
tmp=$(mktemp -d)

same_bits() {
	npuctl run --batch "$1.in" --raw "$tmp/out" "$1.tflite" && cmp "$tmp/out" "$1.out"
}

for m in $networks/*.tflite; do
	m=${m%.tflite}
	check "$(basename "$m") to the bit" same_bits "$m"
done
check "there were networks" [ "$n" -gt 5 ]
rm -r "$tmp"
finish
