#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Makes build/vm/KERNEL/initrd: busybox, the modules with what they depend on, our
# programs and tests. Usage: image.sh
. "$(dirname "$0")/lib.sh"

release=$("$TOP/tests/vm/kernel.sh" release)
stock=$("$TOP/tests/vm/kernel.sh" modules)
ours=$BUILD/modules/$release
dir=$BUILD/vm/$KERNEL
root=$dir/root
busybox=$(unpacked busybox-static)
# Since the merge of /usr it lies below usr.
busybox=$(find "$busybox" -path '*bin/busybox' -type f)

# Beside what our modules need: what the tests exchange buffers with and swap to, what
# wakes the machine, whom they ask for it.
extra=(configfs vgem brd button virtio_console)

rm -rf "$root"
mkdir -p "$root"/{bin,sbin,etc,proc,sys,dev,tmp,lib/modules/"$release"}

add_module() {	# name: copies a stock module and all that it depends on
	local name=${1//-/_} file dep
	file=$(find "$stock" -name "$1.ko*" -o -name "${name}.ko*" -o -name "${name//_/-}.ko*" |
	       head -n 1)
	[ -n "$file" ] || return 0	# built in
	[ -e "$root/lib/modules/$release/$name.ko" ] && return 0
	case $file in
	*.xz)	xz -dc "$file" >"$root/lib/modules/$release/$name.ko" ;;
	*)	cp "$file" "$root/lib/modules/$release/$name.ko" ;;
	esac
	for dep in $(modinfo -F depends "$root/lib/modules/$release/$name.ko" | tr , ' '); do
		add_module "$dep"
	done
}

for module in npu npu_emu; do
	cp "$ours/$module.ko" "$root/lib/modules/$release/"
	strip -g "$root/lib/modules/$release/$module.ko"
	for dep in $(modinfo -F depends "$ours/$module.ko" | tr , ' '); do
		add_module "$dep"
	done
done
for module in "${extra[@]}"; do
	add_module "$module"
done
for file in "$stock"/modules.{builtin,builtin.modinfo,order}; do
	[ ! -e "$file" ] || cp "$file" "$root/lib/modules/$release/"
done
depmod -b "$root" "$release"

cp "$busybox" "$root/bin/busybox"
cp "$TOP/tests/vm/init" "$root/init"

# Programs: NAME=PATH pairs or folders of programs, as the Makefile lists them.
for item in ${NPU_IMAGE_FILES:-}; do
	from=${item#*=} dest=$root/${item%%=*}
	if [ -d "$from" ]; then
		mkdir -p "$dest"
		cp -r "$from/." "$dest"
	else
		mkdir -p "$(dirname "$dest")"
		cp "$from" "$dest"
	fi
done

# The same files make the same image: suite counts compares to the instruction.
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc -R 0:0) \
	>"$dir/initrd.tmp"
mv "$dir/initrd.tmp" "$dir/initrd"
