#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Gets the kernel that KERNEL names into the cache, with its headers.
# Usage: kernel.sh release|image|modules|headers|arch|tools|source
#   release	its release, as uname -r prints it
#   image	path of the kernel
#   modules	folder of its modules
#   headers	folder to build modules against
#   arch	what to call its architecture then
#   tools	root to build modules in, if the host's compiler does not suit it
#   source	folder with the parts of the default kernel's source that are used:
#		kselftest headers, checkpatch, kernel-doc with its Sphinx extension,
#		semantic patches
. "$(dirname "$0")/lib.sh"

find_release() {
	apt-cache "${APT[@]}" search --names-only "^linux-image-${VERSION//./\\.}\\.[0-9].*-$ARCH\$" |
		sed 's/ .*//; s/^linux-image-//' | grep -v -e cloud -e -rt- | sort -V | tail -n 1 || true
}

stock_release() {
	release=$(find_release)
	if [ -z "$release" ]; then
		apt_update_once
		release=$(find_release)
	fi
	if [ -z "$release" ]; then
		newer_debian
		release=$(find_release)
	fi
	[ -n "$release" ] ||
		die "neither this Debian nor $NEWER_DEBIAN-backports has a Linux $VERSION" \
		    "on Debian 12 enable bookworm-security in /etc/apt/sources.list.d"
}

# The kernel's package was split in 7.0; since the merge of /usr, its modules
# lie below usr.
stock_image() {
	if [ -n "$(apt_field "linux-binary-$release" SHA256)" ]; then
		echo "$(unpacked "linux-binary-$release")/usr/lib/modules/$release/vmlinuz"
	else
		echo "$(unpacked "linux-image-$release")/boot/vmlinuz-$release"
	fi
}

stock_modules() {
	local dir
	if [ -n "$(apt_field "linux-modules-$release" SHA256)" ]; then
		dir=$(unpacked "linux-modules-$release")
	else
		dir=$(unpacked "linux-image-$release")
	fi
	[ -d "$dir/lib/modules/$release" ] || dir=$dir/usr
	echo "$dir/lib/modules/$release"
}

# The headers of a newer Debian's kernel ask for its compiler, and its kbuild
# for its C library.
newer_tools() {
	newer_root "$NEWER_DEBIAN" "$(apt_field "linux-headers-$release" SHA256)" \
		"the compiler of Debian $NEWER_DEBIAN (100 MB)" \
		bash coreutils dash findutils diffutils grep sed mawk perl-base \
		xz-utils make bc gcc-14 "linux-kbuild-${release%-"$ARCH"}"
}

# The headers name each other by absolute paths below /usr; assemble them in
# one folder where they find each other.
headers() {
	local hash dir tmp base
	local common=linux-headers-${release%-"$ARCH"}-common
	local kbuild=linux-kbuild-${release%-"$ARCH"}
	hash=$(apt_field "linux-headers-$release" SHA256)
	dir=$CACHE/headers/${release}_${hash:0:12}
	if [ ! -d "$dir" ]; then
		mkdir -p "$CACHE/headers"
		tmp=$(mktemp -d "$CACHE/headers/tmp.XXXXXX")
		for package in "linux-headers-$release" "$common" "$kbuild"; do
			base=$(unpacked "$package")
			cp -a "$base/usr" "$tmp/"
		done
		sed -i "s,/usr/src/,$dir/usr/src/," "$tmp/usr/src/linux-headers-$release/Makefile"
		mv -T "$tmp" "$dir" 2>/dev/null || rm -rf "$tmp"	# somebody was faster
	fi
	echo "$dir/usr/src/linux-headers-$release"
}

source_parts() {
	local package=linux-source-$DEFAULT_KERNEL hash dir tmp base tar
	need_package "$package"
	hash=$(apt_field "$package" SHA256)
	dir=$CACHE/source/${package}_${hash:0:12}_2	# the list below, counted
	if [ ! -d "$dir" ]; then
		mkdir -p "$CACHE/source"
		tmp=$(mktemp -d "$CACHE/source/tmp.XXXXXX")
		base=$(unpacked "$package")
		tar=$(ls "$base"/usr/src/linux-source-*.tar.xz)
		say "taking test headers and checkers out of $(basename "$tar")"
		tar -C "$tmp" --strip-components=1 --wildcards -xf "$tar" \
			'*/tools/testing/selftests/kselftest*.h' \
			'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' \
			'*/scripts/const_structs.checkpatch' '*/scripts/kernel-doc' \
			'*/scripts/coccinelle' '*/Documentation/sphinx/*.py'
		mv -T "$tmp" "$dir" 2>/dev/null || rm -rf "$tmp"	# somebody was faster
	fi
	echo "$dir"
}

stock() {
	stock_release
	case $1 in
	release)	echo "$release" ;;
	image)		stock_image ;;
	modules)	stock_modules ;;
	headers)	headers ;;
	arch)		echo x86_64 ;;
	tools)		[ ${#APT[@]} = 0 ] || newer_tools ;;
	*)		usage ;;
	esac
}

custom() {
	local dir
	dir=$("$TOP/tests/vm/build-kernel.sh")
	case $1 in
	release)	cat "$dir/include/config/kernel.release" ;;
	image)		find "$dir" -maxdepth 1 -name vmlinux -o -maxdepth 1 -name linux ;;
	modules|headers)	echo "$dir" ;;
	arch)		if [ -e "$dir/linux" ]; then echo um; else echo x86_64; fi ;;
	tools)		;;
	*)		usage ;;
	esac
}

usage() { die "usage: kernel.sh release|image|modules|headers|arch|tools|source"; }

case $KERNEL,${1:-} in
*,source)	source_parts ;;
*-*)		custom "${1:-}" ;;
*)		stock "${1:-}" ;;
esac
