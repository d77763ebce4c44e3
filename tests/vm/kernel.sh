#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Gets a stock Debian kernel with its headers into the cache.
# Usage: kernel.sh release|image|modules|headers|source
#   release	its release, as uname -r prints it
#   image	path of the kernel
#   modules	folder of its modules
#   headers	folder to build modules against
#   source	folder with the parts of its source that the project uses: kselftest
#		headers, checkpatch, kernel-doc and its Sphinx extension, semantic patches
. "$(dirname "$0")/lib.sh"

find_release() {
	apt-cache search --names-only "^linux-image-${KERNEL//./\\.}\\.[0-9].*-$ARCH\$" |
		sed 's/ .*//; s/^linux-image-//' | grep -v -e cloud -e -rt- | sort -V | tail -n 1
}

release=$(find_release)
if [ -z "$release" ]; then
	apt_update_once
	release=$(find_release)
fi
[ -n "$release" ] ||
	die "apt knows no Linux $KERNEL kernel image" \
	    "on Debian 12 enable bookworm-security or bookworm-backports in /etc/apt/sources.list.d"

image=linux-image-$release
common=linux-headers-${release%-"$ARCH"}-common
kbuild=linux-kbuild-${release%-"$ARCH"}

# The headers name each other by absolute paths below /usr; assemble them in
# one folder where they find each other.
headers() {
	local hash dir tmp base
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
	local package=linux-source-$KERNEL hash dir tmp base tar
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

case ${1:-} in
release)	echo "$release" ;;
image)		echo "$(unpacked "$image")/boot/vmlinuz-$release" ;;
modules)	dir=$(unpacked "$image")
		# Since the merge of /usr they lie below usr.
		[ -d "$dir/lib/modules/$release" ] || dir=$dir/usr
		echo "$dir/lib/modules/$release" ;;
headers)	headers ;;
source)		source_parts ;;
*)		die "usage: kernel.sh release|image|modules|headers|source" ;;
esac
