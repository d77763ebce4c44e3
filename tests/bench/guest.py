# SPDX-License-Identifier: GPL-2.0-only
"""The part of the bench that runs in a VM: npu_emu.ko, whose device the guest's kernel
computes, and npu-emu, a process of the host. guest.sh is what runs there."""

import json
import os
import shutil
import subprocess

import tables

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "../.."))
LIMIT = 1800            # seconds


class Lines:
    """What guest.sh prints, line by line, into @rows, @missing and @text."""

    def __init__(self, name, macs, tell):
        self.device, self.name, self.macs, self.tell = name, name, macs, tell
        self.machine, self.rows, self.missing, self.text = {}, [], [], []

    def take(self, line):
        try:
            data = json.loads(line)
        except ValueError:
            self.text.append(line)
            return
        if "set" in data:
            self.name = "%s, %s" % (self.device, data["set"])
        row = {"participant": self.name, "peer": False}
        if "reason" in data:
            row.update({k: data[k] for k in ("workload", "reason") if k in data})
            self.missing.append(row)
            self.tell("%s: %s" % (self.name, data["reason"]))
        elif "workload" in data:
            row.update(data, macs=self.macs[data["workload"]])
            row["gmacs"] = row["macs"] / row["ns"]
            row["loop_ratio"] = row["macs"] / row.pop("loop_macs")
            self.rows.append(row)
            self.tell("%s: %s, %s" % (self.name, data["workload"], tables.short_time(row["ns"])))
        elif "set" not in data:
            self.machine.update(data)


def pack(build, models, names):
    """An archive for the root of the VM; returns its name."""
    out = os.path.join(build, "bench/guest")
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(os.path.join(out, "bench"))
    files = [os.path.join(models, name + end) for name in names
             for end in (".tflite", ".in", ".out")]
    for file in files + [os.path.join(build, "bench/npu-compute"), os.path.join(HERE, "guest.sh")]:
        shutil.copy(file, os.path.join(out, "bench"))
    with open(out + ".archive", "wb") as f:
        subprocess.run(["bash", "-c", '. "$1"; archive "$2"', "bash",
                        os.path.join(TOP, "tests/vm/lib.sh"), out], stdout=f, check=True)
    return out + ".archive"


def boot(lines, bus, archive, command, kernels=""):
    """Runs it in the VM; @kernels: of npu-emu. What goes wrong is missing, and says why."""
    vm = [os.path.join(TOP, "tests/vm/vm.sh"), "-n", "bench-" + bus, "-t", str(LIMIT), command]
    env = dict(os.environ, BUS=bus, NPU_ARCHIVE=archive, NPU_EMU="--cores 1")
    if kernels:
        env["NPU_KERNELS"] = kernels
    with subprocess.Popen(vm, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", env=env) as process:
        for line in process.stdout:
            lines.take(line.rstrip("\r\n"))
        errors = process.stderr.read()
    if process.returncode:
        said = [s for s in lines.text + errors.splitlines() if s.strip()]
        lines.text = []
        lines.missing.append({"participant": lines.name, "peer": False,
                              "reason": "the VM ended with code %d: %s" % (
                                  process.returncode, said[-1] if said else "it said nothing")})
        lines.tell(lines.missing[-1]["reason"])
        for line in said[-20:]:
            lines.tell("  " + line)
