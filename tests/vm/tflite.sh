#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Prints a folder of the cache with TensorFlow Lite, its headers and all libraries that
# it needs, the C library too: only a newer Debian has it. Exit code 77: it has not, or
# cannot be reached.
. "$(dirname "$0")/lib.sh"

newer_debian "$TFLITE_DEBIAN"
hash=$(apt_field libtensorflow-lite-dev SHA256)
[ -n "$hash" ] || unavailable "Debian $TFLITE_DEBIAN has no libtensorflow-lite-dev"
newer_root tflite "$hash" "TensorFlow Lite of Debian $TFLITE_DEBIAN and what it needs (8 MB)" \
	libtensorflow-lite-dev libdrm2
