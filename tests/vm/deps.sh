#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Installs the Debian packages that building and running need, if any of them
# is missing. Usage: deps.sh [build|run|kernel|newer|fuzz|coverage|docs|perf|arm64|check|all]
. "$(dirname "$0")/lib.sh"

build=(gcc make libc6-dev pkg-config libdrm-dev)
kernel=(flex bison libelf-dev patch)	# to build kernels from source
newer=(bubblewrap)	# to build modules with a newer Debian's compiler
fuzz=(clang libclang-rt-dev llvm python3-minimal)
coverage=(python3)
docs=(python3-sphinx perl)
check=(clang clang-tidy codespell coccinelle cppcheck g++ pahole shellcheck sparse)
perf=(linux-perf)
arm64=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static)	# tests of NEON
run=(bubblewrap cpio xz-utils kmod bc python3)

case ${1:-all} in
build)	want=("${build[@]}") ;;
run)	want=("${run[@]}") ;;
kernel)	want=("${build[@]}" "${kernel[@]}" bc cpio xz-utils kmod) ;;
newer)	want=("${newer[@]}") ;;
fuzz)	want=("${build[@]}" "${fuzz[@]}") ;;
coverage)	want=("${build[@]}" "${coverage[@]}") ;;
docs)	want=("${docs[@]}") ;;
perf)	want=("${build[@]}" "${perf[@]}") ;;
arm64)	want=("${build[@]}")
	[ "$(uname -m)" = aarch64 ] || want+=("${arm64[@]}") ;;
check)	want=("${build[@]}" "${docs[@]}" "${check[@]}") ;;
all)	want=("${build[@]}" "${run[@]}") ;;
*)	die "usage: deps.sh [build|run|kernel|newer|fuzz|coverage|docs|perf|arm64|check|all]" ;;
esac

missing=()
for package in "${want[@]}"; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
		missing+=("$package")
done
[ ${#missing[@]} = 0 ] && exit 0

say "installing Debian packages (as root): ${missing[*]}"
apt_update_once
as_root env DEBIAN_FRONTEND=noninteractive \
	apt-get -q install -y --no-install-recommends "${missing[@]}" >&2 ||
	die "apt-get could not install: ${missing[*]}"
