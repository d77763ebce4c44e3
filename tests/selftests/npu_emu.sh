#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# npuctl emu: emulated devices from beginning to end, faults on demand, and what is
# refused, by message and exit code. TAP.
root=/sys/kernel/config/npu_emu
. "$(dirname "$0")/tap.sh"
tmp=$(mktemp -d)

says() {	# PATTERN COMMAND...
	pattern=$1
	shift
	"$@" >"$tmp/said" || return 1
	cat "$tmp/said"
	grep -q "$pattern" "$tmp/said"
}

as_nobody() {
	su -s /bin/sh nobody -c "$*"
}

gone() { [ ! -e "$root/$1" ]; }

check "create with a size" npuctl emu create tap cores=3 slots=9 irqs=1
check "it is not enabled" says '^tap *not enabled' npuctl emu list
check "the size" says '^cores *3$' npuctl emu show tap
check "no fault before it is enabled" exits 3 npuctl emu fault tap hang 1
check "enable names the node" says '^/dev/accel/accel' npuctl emu enable tap
node=$(npuctl emu list | awk '/^tap / { print $3 }')
check "list has it" [ -c "$node" ]
check "the device is there" says 'cores *3\|3 cores' npuctl -d "$node" list
check "no size while enabled" exits 6 npuctl emu create tap cores=2
check "a fault" npuctl emu fault tap hang 3
check "what is left of it" says '^faults hang *3$' npuctl emu show tap
check "for each" npuctl emu fault tap overflow all
check "of each" says '^faults overflow *all$' npuctl emu show tap
for kind in hang corrupt memory walk status event overflow deaf clock_khz latency_us \
		memory_limit irq_lost irq_double irq_spurious; do
	check "fault $kind" npuctl emu fault tap $kind 1
	check "no fault $kind" npuctl emu fault tap $kind 0
done
check "out of range" exits 6 npuctl emu fault tap deaf 8
check "no number" exits 6 npuctl emu fault tap hang x
check "no such fault" exits 2 npuctl emu fault tap thunder 1
check "no way out of the directory" exits 2 npuctl emu fault tap ../cores 1
check "hostile only before" exits 6 npuctl emu fault tap hostile 10 1
check "JSON of all" says '"name": "tap"' npuctl --json emu list
check "JSON of one" says '"irq_lost": "0"' npuctl --json emu show tap
check "disable" npuctl emu disable tap
check "the node has gone" [ ! -e "$node" ]
check "hostile before" npuctl emu fault tap hostile 0 1
check "and not" npuctl emu fault tap hostile 0 0
check "enable again" npuctl emu enable tap
check "remove while enabled" npuctl emu remove tap
check "nothing is left" gone tap
check "no such device" exits 3 npuctl emu show tap
check "no such device to enable" exits 3 npuctl emu enable tap
check "a bad size" exits 6 npuctl emu create tap cores=99
check "leaves nothing behind" gone tap
check "a bad key" exits 2 npuctl emu create tap colour=red
check "leaves nothing behind" gone tap
check "no value" exits 2 npuctl emu create tap cores
check "leaves nothing behind" gone tap
check "a key that is a path" exits 2 npuctl emu create tap faults/hang=1
check "a name that is a path" exits 2 npuctl emu create ../tap
check "no name" exits 2 npuctl emu create ""
check "twice" sh -c 'npuctl emu create tap && ! npuctl emu create tap 2>/dev/null'
check "twice, the code" exits 6 npuctl emu create tap
check "no permission" exits 4 as_nobody npuctl emu fault tap hang 1
check "nor to create" exits 4 as_nobody npuctl emu create mine
check "remove" npuctl emu remove tap
check "no command" exits 2 npuctl emu
check "no such command" exits 2 npuctl emu frobnicate
check "too few arguments" exits 2 npuctl emu fault tap
check "too many arguments" exits 2 npuctl emu list tap

# Inner loops with vector registers: which, and the same bits.
parameter=/sys/module/npu_emu/parameters/simd
network=$(ls /networks/*.tflite | head -n 1)
network=${network%.tflite}
has() { grep -q "^flags.* $1\( \|$\)" /proc/cpuinfo && ! grep -q skas /proc/cpuinfo; }
in_use() { [ "$(cat $parameter)" = "$1" ]; }
load() { rmmod npu_emu && modprobe npu_emu simd="$1"; }
refused() { rmmod npu_emu 2>/dev/null; ! modprobe npu_emu simd="$1" 2>/dev/null; }
same_bits() {
	npuctl run --batch "$network.in" --raw "$tmp/out" "$network.tflite" &&
		cmp "$tmp/out" "$network.out"
}

best=portable
! has avx2 || best=avx2
check "simd is auto: $best" in_use $best
for set in portable $best; do
	check "simd=$set" load $set
	check "simd=$set is in use" in_use $set
	check "simd=$set, to the bit of the reference" same_bits
done
check "no such simd" refused mmx
has avx512_vnni || check "no AVX-512 where there is none" refused avx512
[ $best = avx2 ] || check "no AVX2 where there is none" refused avx2
check "simd=auto" modprobe npu_emu simd=auto
check "simd=auto: $best" in_use $best

rm -rf "$tmp"
finish
