#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds npu.ko and npu_emu.ko in build/modules/RELEASE and prints that folder.
# The kernel's build system leaves its files beside the sources, so it gets a
# tree of links to them.
. "$(dirname "$0")/lib.sh"

if [ -n "${KDIR:-}" ]; then
	[ -e "$KDIR/Makefile" ] ||
		die "no kernel to build against at $KDIR" "install linux-headers-$(uname -r)"
	headers=$KDIR arch= root=
	release=$(make -s -C "$KDIR" kernelrelease)
else
	headers=$("$TOP/tests/vm/kernel.sh" headers)
	release=$("$TOP/tests/vm/kernel.sh" release)
	arch=ARCH=$("$TOP/tests/vm/kernel.sh" arch)
	root=$("$TOP/tests/vm/kernel.sh" tools)
fi
dir=$BUILD/modules/$release
mkdir -p "$dir"

# Links for new files; dead ones go, so that a rebuild notices.
for part in Kbuild driver emu uapi; do
	(cd "$TOP" && find "$part" -type f) | while read -r file; do
		[ -L "$dir/$file" ] && continue
		mkdir -p "$dir/$(dirname "$file")"
		ln -s "$TOP/$file" "$dir/$file"
	done
done
find "$dir" -xtype l -delete

enter "$root"
"${inside[@]}" make -s -C "$headers" M="$dir" $arch CONFIG_DEBUG_INFO_BTF_MODULES= NPU_KUNIT=y \
	${MODULE_FLAGS:-} -j"$(nproc)" modules >&2
echo "$dir"
