#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Is a syzkaller description what the headers say?

check_syz.py NPU.TXT UAPI OUT: compares names with UAPI/drm/npu_accel.h, and
writes OUT.c, whose static assertions compare sizes, offsets and numbers.
"""
import os
import re
import subprocess
import sys

INTS = {"int8": 1, "int16": 2, "int32": 4, "int64": 8, "intptr": 8, "fd": 4, "fileoff": 8}

errors = []


def need(good, text):
    if not good:
        errors.append(text)


def same(what, here, there):
    for name in sorted(set(there) - set(here)):
        need(False, f"{what} {name}: in the header only")
    for name in sorted(set(here) - set(there)):
        need(False, f"{what} {name}: not in the header")


def arguments(text):
    """Splits at the commas that no bracket encloses."""
    parts, depth = [""], 0
    for c in text:
        depth += (c == "[") - (c == "]")
        if c == "," and not depth:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts]


class Description:
    def __init__(self, text):
        text = re.sub(r"(?m)^#.*\n", "", text)
        self.resources = dict(re.findall(r"(?m)^resource (\w+)\[(\w+)\]", text))
        self.calls = re.findall(r"(?m)^ioctl\$NPU_(\w+)\(fd fd_npu, cmd const\[(\w+)\], "
                                r"arg ptr\[(\w+), ([\w$]+)\]\)$", text)
        need(len(self.calls) == len(re.findall(r"(?m)^ioctl\$", text)), "an ioctl that is not understood")
        self.flags = {name: values.split(", ") for name, values in
                      re.findall(r"(?m)^(\w+) = (.*)$", text)}
        self.structs = {}
        for name, body in re.findall(r"(?ms)^(?:type )?([\w$]+)(?:\[[\w, ]*\])? \{\n(.*?)^\}", text):
            self.structs[name] = [(f[0], re.sub(r"\s*\((?:in|out|inout)\)$", "", f[1]))
                                  for f in (line.split(None, 1) for line in body.splitlines())]
        self.arrays = set(re.findall(r"\tdrm_npu_array\[(\w+), (\d+)\]", text))
        for name in self.flags:
            need(f"flags[{name}" in text, f"flags {name}: not used")

    def size(self, kind):
        """Bytes, as a C expression."""
        name, _, args = kind.partition("[")
        args = arguments(args[:-1]) if args else []
        if name in INTS:
            return str(INTS[name])
        if name in self.resources:
            return self.size(self.resources[name])
        if name in ("const", "flags", "len", "bytesize"):
            if name == "flags":
                need(args[0] in self.flags, f"flags {args[0]}: not defined")
            return self.size(args[-1])
        if name in ("ptr64", "ptr"):
            return "8"
        if name in self.structs:
            return f"sizeof(struct {c_name(name)})"
        need(False, f"type {kind}: not understood")
        return "0"


def c_name(name):
    name = name.partition("$")[0]
    return name if name.startswith("drm_npu_") else "drm_" + name[len("npu_"):]


def header_names(text):
    text = re.sub(r"(?s)/\*.*?\*/", "", text)
    structs = {name: re.findall(r"(\w+);", body) for name, body in
               re.findall(r"(?s)struct (drm_npu_\w+) \{(.*?)\n\}", text)}
    values = re.findall(r"(?m)^#define (DRM_NPU_\w+)\s", text)
    calls = []
    for name, body in re.findall(r"(?s)enum (\w+) \{(.*?)\}", text):
        members = re.findall(r"\b(DRM_NPU_\w+)", body)
        if name == "drm_npu_ioctl_id":
            calls = [m[len("DRM_NPU_"):] for m in members]
        else:
            values += members
    return structs, [v for v in values if not re.search(r"_MAX(_MS)?$", v)], calls


def program(d):
    """Compiles if numbers agree."""
    out = ["#include <fcntl.h>", "#include <stddef.h>", "#include <sys/mman.h>",
           "#include <drm/npu_accel.h>",
           "#define SAME(a, b) _Static_assert((unsigned long long)(a) == (b), #a)",
           "#define ALIGN(at, x) (((at) + _Alignof(__typeof__(x)) - 1) & -_Alignof(__typeof__(x)))"]
    for name, fields in sorted(d.structs.items()):
        struct, at = f"struct {c_name(name)}", "0"
        for field, kind in fields:
            member = f"(({struct} *)0)->{field}"
            out += [f"SAME(offsetof({struct}, {field}), ALIGN({at}, {member}));",
                    f"SAME(sizeof({member}), {d.size(kind)});"]
            at = f"offsetof({struct}, {field}) + {d.size(kind)}"
        out.append(f"SAME(sizeof({struct}), {at});")
    for elem, size in sorted(d.arrays):
        out.append(f"SAME(sizeof(struct {elem}), {size});")
    for name, cmd, way, arg in d.calls:
        size = f"sizeof(struct {c_name(arg)})"
        access = {"in": "_IOC_WRITE", "out": "_IOC_READ", "inout": "_IOC_READ | _IOC_WRITE"}[way]
        nr = f"DRM_COMMAND_BASE + DRM_NPU_{name}" if cmd.startswith("DRM_IOCTL_NPU_") else f"_IOC_NR({cmd})"
        out.append(f"SAME({cmd}, _IOC({access}, DRM_IOCTL_BASE, {nr}, {size}));")
    for name, values in sorted(d.flags.items()):
        out.append(f"static const unsigned long long {name}[] = {{ {', '.join(values)} }};")
    out.append("int main(void)\n{\n\treturn (int)(" +
               " + ".join(f"{name}[0]" for name in sorted(d.flags)) + ");\n}")
    return "\n".join(out) + "\n"


def main():
    description, uapi, out = sys.argv[1:]
    with open(description) as f:
        text = f.read()
    d = Description(text)
    with open(os.path.join(uapi, "drm/npu_accel.h")) as f:
        structs, values, calls = header_names(f.read())

    same("ioctl", [name for name, cmd, _, _ in d.calls if cmd.startswith("DRM_IOCTL_NPU_")], calls)
    same("struct", [name for name in d.structs if name.startswith("drm_npu_")], structs)
    for name, fields in structs.items():
        same(f"struct {name}: field", [f for f, _ in d.structs.get(name, [])], fields)
        need(len(re.findall(rf"\b{name}\b", text)) > 1, f"struct {name}: not used")
    used = {v for vs in d.flags.values() for v in vs} | set(re.findall(r"const\[(\w+)", text))
    same("value", [v for v in used if v.startswith("DRM_NPU_")], values)
    for name, cmd, _, _ in d.calls:
        need(cmd in (f"DRM_IOCTL_NPU_{name}", f"DRM_IOCTL_{name}"), f"ioctl {name} is {cmd}")

    with open(out + ".c", "w") as f:
        f.write(program(d))
    flags = subprocess.run(["pkg-config", "--cflags", "libdrm"], capture_output=True, text=True,
                           check=True).stdout.split()
    cc = subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-Wall", "-Werror",
                         "-I" + uapi, *flags, "-o", out, out + ".c"],
                        capture_output=True, text=True)
    need(not cc.returncode, cc.stderr)
    for text in errors:
        print(text)
    if not errors:
        print(f"{len(d.calls)} ioctls, {len(structs)} structs, {len(values)} values agree")
    return bool(errors)


sys.exit(main())
