#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Prints a folder of the cache with a library that the bench compares with, its headers
# and all libraries that it needs, the C library too: the newest that Debian packages.
# Usage: peers.sh xnnpack|onednn [cached]
# cached: nothing is downloaded. Exit code 77: there is none, or Debian cannot be reached.
. "$(dirname "$0")/lib.sh"

case ${1:-} in
xnnpack)	packages=(libxnnpack-dev libpthreadpool-dev) what=XNNPACK size=6 ;;
onednn)		packages=(libdnnl-dev) what=oneDNN size=18 ;;
*)		die "usage: peers.sh xnnpack|onednn [cached]" ;;
esac
if [ "${2:-}" = cached ]; then
	root=$(ls -td "$CACHE/tools/$1"_* 2>/dev/null | head -n 1 || true)
	[ -n "$root" ] || unavailable "$what is not in the cache"
	echo "$root"
	exit 0
fi
newer_debian "$PEERS_DEBIAN"
hash=$(apt_field "${packages[0]}" SHA256)
[ -n "$hash" ] || unavailable "Debian $PEERS_DEBIAN has no ${packages[0]}"
newer_root "$1" "$hash" "$what of Debian $PEERS_DEBIAN and what it needs ($size MB)" "${packages[@]}"
