#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Prints a folder of the cache with Python, NumPy and all that they need: the VM has none.
# Exit code 77: Debian has none, or cannot be reached.
. "$(dirname "$0")/lib.sh"

newer_debian
hash=$(apt_field python3-numpy SHA256)
[ -n "$hash" ] || unavailable "Debian $NEWER_DEBIAN has no python3-numpy"
newer_root python "$hash" "Python and NumPy of Debian $NEWER_DEBIAN and what they need (28 MB)" \
	python3-numpy libdrm2
