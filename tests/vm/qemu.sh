#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Finds a QEMU that takes PCI devices from other processes (vfio-user-pci, from
# 10.1 on) and whose processors see code that another one has just changed (from
# 8.1 on; with older ones a kernel panics at int3 in one boot of a hundred). Prints
# nothing if the host's does, else a folder with a newer Debian's, see enter() in
# lib.sh.
. "$(dirname "$0")/lib.sh"

help=$(qemu-system-x86_64 -device help 2>/dev/null || true)
[[ $help != *vfio-user-pci* ]] || exit 0
newer_debian
version=$(apt-cache "${APT[@]}" madison qemu-system-x86 |
	awk -v suite="$NEWER_DEBIAN-backports/" 'index($0, suite) { print $3; exit }')
[ -n "$version" ] || die "neither this Debian nor $NEWER_DEBIAN-backports has QEMU 10.1 or newer"
hash=$(apt-cache "${APT[@]}" show "qemu-system-x86=$version" | sed -n 's/^SHA256: //p' | head -n 1)
newer_root qemu "$hash" "QEMU $version and what it needs (40 MB)" \
	-t "$NEWER_DEBIAN-backports" qemu-system-x86
