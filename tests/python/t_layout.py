#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Are the structures of npu.py those of npu.h, and its functions those of the library?

    t_layout.py COMPILER [OPTION]...

The environment variable NPU_LIBRARY names the library. Prints what differs."""

import ctypes
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import npu  # noqa: E402

STRUCTURES = {"npu_error": npu._Error, "npu_device_id": npu._DeviceId,
              "npu_tensor_info": npu._TensorInfo, "npu_program_info": npu._ProgramInfo,
              "npu_compile_options": npu._CompileOptions}
VALUES = {"NPU_ISA_MAX_RANK": npu.MAX_RANK, "NPU_TYPE_F32": npu.FLOAT32, "NPU_TYPE_BOOL": 1,
          "NPU_TYPE_U8": 2, "NPU_TYPE_S8": 3, "NPU_TYPE_S16": 4, "NPU_TYPE_S32": 5,
          "NPU_TYPE_S64": 6, "NPU_NUMERICS_TFLM": npu.NUMERICS["tflm"],
          "NPU_NUMERICS_TFLITE": npu.NUMERICS["tflite"], "DRM_NPU_PRIORITY_LOW": npu.PRIORITIES["low"],
          "DRM_NPU_PRIORITY_NORMAL": npu.PRIORITIES["normal"],
          "DRM_NPU_PRIORITY_HIGH": npu.PRIORITIES["high"],
          "DRM_NPU_PRIORITY_REALTIME": npu.PRIORITIES["realtime"]}


def expected():
    """(what C shall say, what Python says)"""
    for name, value in VALUES.items():
        yield name, value
    for name, structure in STRUCTURES.items():
        yield "sizeof(struct %s)" % name, ctypes.sizeof(structure)
        for field, _ in structure._fields_:
            place = getattr(structure, field)
            yield "offsetof(struct %s, %s)" % (name, field), place.offset
            yield "sizeof(((struct %s *)0)->%s)" % (name, field), place.size


def main():
    checks = list(expected())
    lines = "".join('\tcheck("%s", %s, %d);\n' % (what, what, value) for what, value in checks)
    source = """#include <npu.h>
#define check(what, is, want) do { \\
	if ((long)(is) != (want)) { printf("%%s: %%ld, not %%d\\n", what, (long)(is), want); bad = 1; } \\
} while (0)
int main(void) { int bad = 0;
%s	return bad; }
""" % lines
    with tempfile.TemporaryDirectory() as where:
        program = os.path.join(where, "layout")
        subprocess.run([*sys.argv[1:], "-x", "c", "-o", program, "-"], input=source, text=True,
                       check=True)
        sys.exit(subprocess.run([program], check=False).returncode or len(checks) < 50)


if __name__ == "__main__":
    main()
