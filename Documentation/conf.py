# SPDX-License-Identifier: GPL-2.0-only OR MIT
# For Sphinx, which "make docs" calls. KERNEL_SOURCE has the kernel's kernel-doc.
import os
import sys

kernel = os.environ["KERNEL_SOURCE"]
sys.path.insert(0, kernel + "/Documentation/sphinx")

project = "An open NPU platform for Linux"
html_theme = "alabaster"
html_show_copyright = False
highlight_language = "none"

extensions = ["kerneldoc"]
kerneldoc_bin = kernel + "/scripts/kernel-doc"
kerneldoc_srctree = os.path.abspath("..")

# Types in prototypes: those of the kernel and opaque ones have no description.
nitpick_ignore_regex = [("c:identifier", ".*")]
