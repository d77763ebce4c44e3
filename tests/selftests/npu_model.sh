#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# Models and npuctl on a real device node: the results must be those of the
# independent reference to the bit; bad input must be told, by message and exit
# code. TAP.
digits=/digits
. "$(dirname "$0")/tap.sh"
tmp=$(mktemp -d)

same_bits() {
	npuctl run --batch $digits/heldout.raw --raw "$tmp/npu.raw" $digits/digits.tflite &&
	npu-reference $digits/digits.tflite $digits/heldout.raw >"$tmp/reference.raw" &&
	cmp "$tmp/npu.raw" "$tmp/reference.raw"
}

accuracy() {
	npuctl run --batch $digits/heldout.raw --expect $digits/heldout.labels \
		$digits/digits.tflite >"$tmp/accuracy" && cat "$tmp/accuracy" >&2
	awk '/^accuracy:/ { good = $2 >= 97 } END { exit !good }' "$tmp/accuracy"
}

right_class() {
	npuctl run --top 1 $digits/digits.tflite $digits/7a.pgm | grep -q '^ *7 '
}

json() {
	npuctl --json list | grep -q '"driver"' &&
	npuctl --json run $digits/digits.tflite $digits/7a.pgm | grep -q '"class": 7' &&
	npuctl --json dis $digits/digits.tflite | grep -q CONV
}

profile() {
	npuctl run --profile $digits/digits.tflite $digits/7a.pgm | grep -q 'CONV_2D.*conv1'
}

at_once() {
	for i in 1 2 3 4; do
		npuctl run --repeat 50 $digits/digits.tflite $digits/7a.pgm &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid" || return 1
	done
}

# Somebody uses the device; a loaded machine may take a while to get there.
while_used() {	# COMMAND...
	npuctl run --repeat 100000 $digits/digits.tflite $digits/7a.pgm >/dev/null 2>&1 &
	pid=$!
	for i in 1 2 3 4 5 6 7 8 9 10; do
		"$@" && break
		sleep 1
	done
	code=$?
	kill $pid
	wait $pid 2>/dev/null
	cat "$tmp/top" >&2
	return $code
}

top_text() {
	npuctl top --once --interval 0.5 >"$tmp/top"
	awk -v pid=$pid '$1 == pid && $2 == "npuctl" && $4 > 0 && $5 != "0.00s" { found = 1 }
		END { exit !found }' "$tmp/top"
}

top_json() {
	npuctl --json top -i 0.5 >"$tmp/top"
	grep -A 8 "\"pid\": $pid," "$tmp/top" >"$tmp/process" &&
	grep -q '"command": "npuctl"' "$tmp/process" &&
	grep -q '"share": 0.[0-9]*[1-9]' "$tmp/process" &&
	grep -q '"busy_ns": [1-9]' "$tmp/process" && grep -q '"total_bytes": [1-9]' "$tmp/process"
}

nobody_there() {
	npuctl top -1 -i 0.1 >"$tmp/top" && [ "$(wc -l <"$tmp/top")" = 1 ]
}

info_shows() {
	npuctl info >"$tmp/info" && cat "$tmp/info" >&2 &&
	grep -q '^   cores  *2,' "$tmp/info" && grep -q '^   power  *[as]' "$tmp/info" &&
	grep -q '^   temperature  *[1-9][0-9.]* C' "$tmp/info" &&
	npuctl --json info | grep -q '"power_uw": [1-9]'
}

as_nobody() {
	chmod 600 /dev/accel/accel0
	su -s /bin/sh nobody -c "$*"
}

head -c 3000 $digits/digits.tflite >"$tmp/short.tflite"
head -c 6000 /dev/zero >"$tmp/zero.tflite"
printf 'P5\n5 5\n255\n1234512345123451234512345' >"$tmp/small.pgm"
head -c 100 /dev/zero >"$tmp/odd.raw"
head -c 64 $digits/heldout.raw >"$tmp/first.raw"

check "a device is listed" sh -c 'npuctl list | grep -q "driver npu"'
check "the class of an image is right" right_class
check "the held-out images are recognised, 97 % or better" accuracy
check "the outputs are those of the reference to the bit" same_bits
check "profiles count per operator" profile
check "output for machines" json
check "what a device does" info_shows
check "who uses a device" while_used top_text
check "who uses a device, for machines" while_used top_json
check "nobody uses a device" nobody_there
check "an interval that makes no sense" exits 2 npuctl top --interval 0
check "top of a device that is not there" exits 3 npuctl -d 77 top --once
check "info about a device that is not there" exits 3 npuctl -d 77 info
check "four processes at once" at_once
check "no such model" exits 5 npuctl run "$tmp/none.tflite" $digits/7a.pgm
check "a truncated model" exits 5 npuctl run "$tmp/short.tflite" $digits/7a.pgm
check "a model of zeros" exits 5 npuctl run "$tmp/zero.tflite" $digits/7a.pgm
check "an image of the wrong size" exits 6 npuctl run $digits/digits.tflite "$tmp/small.pgm"
check "a raw input of the wrong size" exits 6 npuctl run $digits/digits.tflite "$tmp/odd.raw"
check "no such input" exits 6 npuctl run $digits/digits.tflite "$tmp/none.pgm"
check "no such device" exits 3 npuctl -d 77 list
check "no permission" exits 4 as_nobody npuctl run $digits/digits.tflite $digits/7a.pgm
check "no such command" exits 2 npuctl frobnicate
check "the example of the README" sh -c "digit $digits/digits.tflite $tmp/first.raw | grep -w $(head -n 1 $digits/heldout.labels)"
check "the device still works" right_class

rm -rf "$tmp"
finish
