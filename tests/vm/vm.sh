#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Boots KERNEL in a VM and runs a command in it.
#
# Usage: vm.sh [-n NAME] [-t SECONDS] [-a KERNEL-ARGUMENTS] COMMAND...
#        vm.sh -i			interactive shell
#
# Prints what the command prints, checks the kernel's log (kept in
# build/vm/KERNEL/NAME.log) and returns the command's exit code, 124 if it took
# longer than SECONDS (default 600), 126 if the log is not clean.
#
# User Mode Linux is a process of the host. For the others there is QEMU, where
# NPU_ACCEL=kvm|tcg chooses the accelerator; else KVM is used if a short probe
# boot works in it. NPU_SMP and NPU_MEM: processors (2) and MiB (2048; with
# KASAN's shadow 4096).
# NPU_ICOUNT=1: instructions are the clock, of one processor: what runs is the same each
# time, whatever the host does. Nobody answers then who asks for what happens to the machine.
# NPU_REBOOT=1: it may restart, and begins with the same command again.
# The VM can write files to the folder NPU_SHARE, if set: its /share.
# NPU_QEMU: more arguments of QEMU, as of a plugin that shows where instructions go.
# NPU_ARCHIVE: file with more for its root, see archive() in lib.sh.
#
# BUS=pci: the NPU is a PCI device in a process of its own (npu-emu), not one that
# the kernel emulates. NPU_EMU has its options; "OPTIONS; OPTIONS" are two NPUs.
# NPU_IOMMU=1: there is an IOMMU, to be used with -a intel_iommu=on.
. "$(dirname "$0")/lib.sh"

name=command limit=600 append= interactive=
while getopts n:t:a:i option; do
	case $option in
	n)	name=$OPTARG ;;
	t)	limit=$OPTARG ;;
	a)	append=$OPTARG ;;
	i)	interactive=1 ;;
	*)	exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ -n "$interactive" ] || [ $# -gt 0 ] ||
	die "usage: vm.sh [-n NAME] [-t SECONDS] [-a ARGUMENTS] COMMAND..."

image=$("$TOP/tests/vm/kernel.sh" image)
case $KERNEL in
*-debug)	memory=${NPU_MEM:-4096} ;;
*)		memory=${NPU_MEM:-2048} ;;
esac
dir=$BUILD/vm/$KERNEL
work=$(mktemp -d "$dir/$name.XXXXXX")
sockets=$(mktemp -d)	# their paths must be short
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work" "$sockets"' EXIT

# overlay FILE TEXT: an archive with one file, to be appended to the initrd
overlay() {
	local tmp=$work/overlay
	rm -rf "$tmp"
	mkdir "$tmp"
	printf '%s\n' "$2" >"$tmp/$1"
	# The kernel is not to read another number each time, see NPU_ICOUNT.
	touch -d @0 "$tmp/$1"
	(cd "$tmp" && echo "$1" | cpio --quiet --reproducible -o -H newc -R 0:0)
}

# What every kernel is told; those with KUnit would run all tests of all modules.
base="loglevel=7 panic=-1 oops=panic kunit.filter_glob=none"

# Three serial ports: the kernel's log, what the command prints, its exit code.
[ -z "${NPU_ICOUNT:-}" ] || NPU_SMP=1
qemu=(qemu-system-x86_64 -M q35 -m "$memory" -smp "${NPU_SMP:-2}"
      -nodefaults -display none -kernel "$image")
[ -n "${NPU_REBOOT:-}" ] || qemu+=(-no-reboot)
base+=" npu.bus=${BUS:-emu}"
tcg=(-accel tcg,thread=multi -cpu max)
kvm=(-accel kvm -cpu host)
# A repeated string instruction counts as often as it repeats: eight bytes at a time, not one.
icount=(-accel tcg,thread=single -cpu max,-rdrand,-rdseed,-erms,-fsrm,-fsrs
	-icount shift=0,sleep=off -seed 1 -rtc base=2026-01-01,clock=vm)
pc="console=ttyS0 kfence.sample_interval=100 clocksource=tsc tsc=reliable $base"
[ -z "${NPU_SHARE:-}" ] ||
	qemu+=(-virtfs "local,path=$NPU_SHARE,mount_tag=share,security_model=none,multidevs=remap")

# Guests hang in some KVMs (nested ones); the answer holds until the host boots.
kvm_works() {
	local key answer
	[ -w /dev/kvm ] || return 1
	key=$CACHE/kvm-probe-$(cat /proc/sys/kernel/random/boot_id "$image" | sha256sum | head -c 12)
	if [ ! -e "$key" ]; then
		say "probing KVM with a short boot (10 s at most)"
		{ cat "$dir/initrd"; overlay command true; } >"$work/probe"
		answer=no
		# Where KVM is broken, QEMU may even abort; the shell is not to say so.
		if (timeout 10 "${inside[@]}" "${qemu[@]}" "${kvm[@]}" -initrd "$work/probe" \
			-append "$pc npu.load=0" -serial null -serial null \
			-serial "file:$work/probe.code" </dev/null >/dev/null; exit $?) 2>/dev/null &&
		   grep -q '^0' "$work/probe.code"; then
			answer=yes
		fi
		echo $answer >"$key"
	fi
	grep -q yes "$key"
}

# Does somebody listen at PATH within five seconds?
await_socket() {	# PATH
	local i
	for ((i = 0; i < 100; i++)); do
		[ ! -S "$1" ] || return 0
		sleep 0.05
	done
	return 1
}

# Who does from outside what tests ask for.
ports=0 there=()
bench_start() {
	qemu+=(-qmp "unix:$sockets/qmp,server=on,wait=off" -chardev "socket,id=bench,path=$sockets/bench"
	       -device virtio-serial-pci -device virtserialport,chardev=bench,name=npu.bench)
	"$TOP/tests/vm/bench.py" "$sockets" "$BUILD/pci/npu-emu" "$ports" "${there[@]}" &
	await_socket "$sockets/bench" || die "the bench does not start"
}

boot_qemu() {
	local accel root
	root=$("$TOP/tests/vm/qemu.sh") || exit
	enter "$root"
	[ -z "$root" ] || inside+=(--bind "$sockets" "$sockets")
	[ -z "$root" ] || [ -z "${NPU_SHARE:-}" ] || inside+=(--bind "$NPU_SHARE" "$NPU_SHARE")
	case ${NPU_ICOUNT:+icount}${NPU_ACCEL:-} in
	icount*) accel=("${icount[@]}")
		pc+=" nokaslr norandmaps random.trust_cpu=0 kfence.sample_interval=0" ;;
	tcg)	accel=("${tcg[@]}") ;;
	kvm)	accel=("${kvm[@]}") ;;
	"")	if kvm_works; then accel=("${kvm[@]}"); else accel=("${tcg[@]}"); fi ;;
	*)	die "NPU_ACCEL is kvm or tcg, not '$NPU_ACCEL'" ;;
	esac
	case ${BUS:-emu} in
	emu)	;;
	pci)	. "$TOP/tests/vm/pci.sh" ;;
	*)	die "BUS is emu or pci, not '$BUS'" ;;
	esac
	[ -n "${NPU_ICOUNT:-}" ] || bench_start
	qemu+=("${accel[@]}" -initrd "$work/initrd" -append "$pc $append" -monitor none ${NPU_QEMU:-}
	       -serial "file:$work/kernel.log")
	if [ -n "$interactive" ]; then
		"${inside[@]}" "${qemu[@]}" -chardev stdio,id=ours,mux=on,signal=off \
			-serial chardev:ours -serial "file:$work/code"
	else
		# It must not find a terminal at its output.
		timeout --foreground "$limit" "${inside[@]}" "${qemu[@]}" -serial file:/dev/stdout \
			-serial "file:$work/code" </dev/null | cat
		return "${PIPESTATUS[0]}"
	fi
}

# Kernel and processes take turns; on two processors they would wake each other
# all the time.
# The last one that we may use.
last_cpu() { taskset -cp $$ | sed 's/.*[-:, ]//'; }

boot_uml() {
	local uml=(taskset -c "$(last_cpu)" "$image" "mem=${memory}M"
		"initrd=$work/initrd" "uml_dir=$work" umid=vm con0=null,fd:5 con=null
		ssl2=null,fd:6 ssl=null $base $append)
	[ -z "${NPU_SHARE:-}" ] || uml+=("npu.share=$NPU_SHARE")
	if [ -n "$interactive" ]; then
		"${uml[@]}" ssl1=fd:0,fd:1
	else
		timeout --foreground -k 5 "$limit" "${uml[@]}" ssl1=null,fd:7 \
			</dev/null 7>&1 >>"$work/kernel.log" 2>&1 | cat
		return "${PIPESTATUS[0]}"
	fi 5>>"$work/kernel.log" 6>"$work/code"
}

boot() {
	case $image in
	*/linux)	boot_uml ;;
	*)		boot_qemu ;;
	esac
}

if [ -n "$interactive" ]; then
	say "a shell in the VM; leave it with 'exit' or (in QEMU) Ctrl-A x"
	command='npuctl list; exec sh'
else
	command=$*
fi
{ cat "$dir/initrd" ${NPU_ARCHIVE:+"$NPU_ARCHIVE"}; overlay command "$command"; } >"$work/initrd"

code=0
boot || code=$?

cp "$work/kernel.log" "$dir/$name.log" 2>/dev/null || true
if [ "$code" = 124 ]; then
	tail -n 30 "$dir/$name.log" >&2
	say "no end after $limit s; the kernel log is in ${dir#"$TOP"/}/$name.log"
	exit 124
fi
result=$(tr -dc 0-9 <"$work/code" 2>/dev/null || true)

# What a healthy kernel never prints.
dirty='WARNING:|BUG:|kernel BUG|Oops|KASAN|KFENCE|UBSAN|general protection|Kernel panic|Call Trace|blocked for more|soft lockup|possible (circular|recursive) locking|inconsistent lock state|suspicious RCU|refcount_t|list_(add|del) corruption|unable to handle|bad page|Trying to push to a killed entity|nobody cared|bus error|suspected memory leak'
# Data races between two functions of the kernel itself are not ours to mend;
# those of modules have the module behind their names.
core_race='BUG: KCSAN: data-race in [^[]*$'
# Nor is flush_tlb_mm() of User Mode Linux, which walks the areas of a process without its
# lock when a driver zaps what the process is about to unmap as well.
without_uml_report() {
	awk '
	{ line[NR] = $0 }
	/WARNING: suspicious RCU usage/ { begin = NR; maple = tlb = trace = 0 }
	/lib\/maple_tree.c/ { maple = 1 }
	/Call Trace:/ { trace = 1; next }
	/ flush_tlb_mm\+|\? flush_tlb_mm\+/ { tlb = trace }
	trace && !/\[<[0-9a-f]+>\]/ {
		if (begin && maple && tlb)
			for (; begin < NR; begin++)
				line[begin] = ""
		begin = trace = 0
	}
	END { for (i = 1; i <= NR; i++) print line[i] }'
}
# And the debugging of the DMA API counts to seven where user memory, which is not pinned,
# may be mapped in any number of address spaces.
without_count_to_seven() {
	awk '
	{ line[NR] = $0 }
	/WARNING: .* at kernel\/dma\/debug.c/ { begin = NR; known = 0 }
	/DMA-API: exceeded [0-9]+ overlapping mappings/ { known = begin }
	/---\[ end trace/ {
		for (; known && known < NR; known++)
			line[known] = ""
		known = 0
	}
	END { for (i = 1; i <= NR; i++) print line[i] }'
}
if without_uml_report <"$dir/$name.log" | without_count_to_seven | grep -E -n "$dirty" | grep -v "$core_race" \
	>"$work/dirty" &&
   [ -z "$interactive" ]; then
	printf '\033[1;31mthe kernel log is not clean:\033[0m %s\n' "${dir#"$TOP"/}/$name.log" >&2
	head -n 20 "$work/dirty" >&2
	exit 126
fi
races=$(grep -c "$core_race" "$dir/$name.log" || true)
[ "$races" = 0 ] || echo "# $races data races within the kernel itself, none in a module"
if [ -z "$result" ]; then
	tail -n 20 "$dir/$name.log" >&2
	die "the VM ended without a result; its log is in ${dir#"$TOP"/}/$name.log"
fi
exit "$result"
