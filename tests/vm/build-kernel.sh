#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds a kernel of configs/ from Debian's kernel source, once: the cache keeps
# what running it and building modules for it need, by the hash of all inputs.
# Usage: KERNEL=VERSION-FLAVOUR build-kernel.sh; prints the folder.
. "$(dirname "$0")/lib.sh"

configs=$TOP/tests/vm/configs
flavour=${KERNEL#*-} arch=x86_64 target=vmlinux compiler=gcc
case $flavour in
debug)	fragments="common x86 debug debug-x86" ;;
kcsan)	fragments="common x86 kcsan" ;;
uml)	arch=um target=linux fragments="common um debug" ;;
clang)	compiler=clang target=scripts/module.lds fragments="common x86" ;;	# no kernel
*)	die "no such kernel: $KERNEL" "there are VERSION-debug, VERSION-kcsan, VERSION-uml and," \
		"to build modules only, VERSION-clang" ;;
esac
fragments=("$configs/Kconfig.tail" $(printf "$configs/%s.config " $fragments))

# What is wrong in the checkers themselves; each says what.
patches=()
case $flavour in
debug | uml)	mapfile -t patches < <(find "$TOP/tests/vm/patches" -name "$VERSION-*.patch" | sort) ;;
esac

package=linux-source-$VERSION
need_package "$package"
recipe=2	# to be counted up when what is built or kept changes
hash=$({ echo $recipe; apt_field "$package" SHA256; gcc -dumpfullversion
	[ "$compiler" = gcc ] || "$compiler" -dumpversion; cat "${fragments[@]}" "${patches[@]}"; } |
	sha256sum | head -c 12)
dir=$CACHE/kernels/${KERNEL}_$hash
if [ -d "$dir" ]; then
	echo "$dir"
	exit
fi

"$TOP/tests/vm/deps.sh" kernel
mkdir -p "$CACHE/kernels"
exec 8>"$CACHE/kernels/lock-$KERNEL"	# one build at a time, whoever else wants the same
flock 8
if [ -d "$dir" ]; then
	echo "$dir"
	exit
fi

tmp=$(mktemp -d "$CACHE/kernels/tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
log=$BUILD/vm/build-$KERNEL.log
mkdir -p "$BUILD/vm"
source=$(unpacked "$package")

in_tree() {
	make -C "$tmp/linux" ARCH="$arch" CC="$compiler" KBUILD_KCONFIG=Kconfig.npu \
		KBUILD_BUILD_USER=npu KBUILD_BUILD_HOST=npu "$@"
}

unpack() {
	mkdir "$tmp/linux"
	tar -C "$tmp/linux" --strip-components=1 -xf "$source/usr/src/linux-source-$VERSION.tar.xz"
	local patch
	for patch in "${patches[@]}"; do
		patch -s -d "$tmp/linux" -p1 <"$patch"
	done
}

# What a fragment asks for and Kconfig does not grant would go unnoticed. Of several
# fragments the last one counts.
configure() {
	cat "$tmp/linux/Kconfig" "${fragments[0]}" >"$tmp/linux/Kconfig.npu"
	{ cat "${fragments[@]:1}"; echo "CONFIG_LOCALVERSION=\"-$flavour\""; } >"$tmp/wanted"
	in_tree -s allnoconfig KCONFIG_ALLCONFIG="$tmp/wanted" >"$log" 2>&1 || {
		cat "$log" >&2
		die "the kernel's configuration failed"
	}
	local lost
	lost=$(awk -F= '/^CONFIG_/ { last[$1] = $0 } END { for (i in last) print last[i] }' \
		"$tmp/wanted" | grep '=[^n]' | grep -v -x -F -f "$tmp/linux/.config" || true)
	[ -z "$lost" ] || die "the kernel's configuration drops these:" $lost
}

compile() {
	local targets="$target modules"
	[ "$flavour" != clang ] || targets=modules_prepare
	in_tree -j"$(nproc)" $targets 2>&1 </dev/null | tee -a "$log" | awk '
		NR % 400 == 0 { printf "    %d files\n", NR; fflush() }' >&2
}

# What running it and building modules for it need: 100 of 1,800 MB.
keep() {
	local makefiles=(arch/x86)
	[ "$arch" = x86_64 ] || makefiles+=(arch/um)
	mkdir "$tmp/keep"
	cd "$tmp/linux"
	{
		ls -d Makefile .config "$target"
		find . -maxdepth 1 -name Module.symvers -o -maxdepth 1 -name 'modules.*'
		find scripts include tools/objtool "${makefiles[@]/%/\/include}" -type f,l
		find "${makefiles[@]}" -name 'Makefile*' -type f
		find arch/x86/um -name '*.h'
		find arch/x86/entry/syscalls -name '*.tbl'
		find . -name '*.ko'
	} | grep -v -e '\.[oa]$' -e '^tools/.*/.*\.[ch]$' -e '\.cmd$' | sort -u | cpio --quiet -pdm "$tmp/keep"
}

timed "unpacking the source of Linux $VERSION" unpack
configure
say "building $KERNEL: 1 (clang) to 10 minutes on two cores, once; output in ${log#"$TOP"/}"
timed "building $KERNEL" compile
[ -e "$tmp/linux/$target" ] || { tail -n 30 "$log" >&2; die "the build of $KERNEL failed"; }
keep
mv -T "$tmp/keep" "$dir"
echo "$dir"
