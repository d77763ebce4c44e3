#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# What "make run" runs in the VM: recognises handwritten digits on the NPU.
cd "$(dirname "$0")" || exit 1
echo "modules loaded, /dev/accel/accel0 there after $NPU_LOAD_TIME s"
echo
npuctl list || exit
for image in 3a.pgm 7a.pgm 8a.pgm; do
	echo
	sed 's/#.*//' $image | awk -v RS='[ \n\t]+' '
		$0 == "" { next }
		++n == 2 { width = $0 }
		n == 4 { most = $0 }
		n > 4 {
			line = line substr(" .:-=+*#%@", int($0 * 9 / most) + 1, 1) " "
			if ((n - 4) % width == 0) {
				print "    " line
				line = ""
			}
		}'
	npuctl run --top 2 digits.tflite $image || exit
done
echo
echo "all images that the network has not seen in its training:"
exec npuctl run --batch heldout.raw --expect heldout.labels digits.tflite
