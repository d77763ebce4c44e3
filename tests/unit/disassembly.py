#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What compilers make of inner loops with vectors:

    disassembly.py CC OBJECT...

For each npu_kernels_SET.o: no instruction saturates products, no accumulator is kept on the stack
while products are added up, and whoever calls the set gets clean upper halves of vector
registers, without which code that has no AVX is several times slower. TAP."""

import collections
import os
import re
import subprocess
import sys
import tempfile

PRODUCT = re.compile(r"vpdpbusd|vpdpwssd|vpmaddwd")
SATURATES = re.compile(r"vpdpbusds|vpdpwssds|vpmaddubsw|pmaddubsw")
VECTOR = re.compile(r"%[xyz]mm\d+")
DIRTY = re.compile(r"%[yz]mm(\d|1[0-5])\b")
# Functions that must have such a loop: a name that changes must change here.
LOOPS = {"avx512": ["npu_mac_%s_%d" % (t, v) for t in ("s8", "u8") for v in (1, 2, 3)],
         "avx2": ["npu_mac_%d_%d" % (v, c) for v in (1, 2) for c in range(1, 7)]}
RETURNS = ("ret", "__x86_return_thunk")

# All that must be found. The way through "good" is clean, the other one is not.
BROKEN = """
	.section .data.rel.ro, "aw"
	.globl npu_kernels_broken
	.type npu_kernels_broken, @object
npu_kernels_broken: .quad name, entry, clean
	.size npu_kernels_broken, 24
name:	.asciz "broken"
	.text
	.type entry, @function
entry:	test %edi, %edi
	je good
	vmovdqu (%rsi), %ymm0
	ret
good:	vpmaddubsw %ymm1, %ymm2, %ymm3
	vzeroupper
	ret
	.type clean, @function
clean:	call *%rax
	vpxor %ymm1, %ymm1, %ymm1
	vzeroupper
	jmp elsewhere
	.type loop, @function
loop:	mov $3, %eax
0:	mov $5, %ecx
	vmovdqu %ymm1, 8(%rsp)
1:	vpmaddwd (%rdi), %ymm0, %ymm2
	vpaddd 32(%rsp), %ymm2, %ymm2
	dec %ecx
	jne 1b
	dec %eax
	jne 0b
	ret
	.type frame, @function
frame:	mov %rsp, %rbp
1:	vpmaddwd (%rdi), %ymm0, %ymm2
	vmovdqu %ymm2, -64(%rbp)
	loop 1b
	ret
	.type pointer, @function
pointer: mov %rdi, %rbp
1:	vpmaddwd (%rdi), %ymm0, %ymm2
	vmovdqu %ymm2, -64(%rbp)
	loop 1b
	ret
"""

Instruction = collections.namedtuple("Instruction", "address name operands target")


def objdump(*args):
    return subprocess.run(["objdump"] + list(args), check=True, stdout=subprocess.PIPE,
                          universal_newlines=True).stdout


def functions(path):
    """Instructions by function; targets of jumps and calls are addresses, or names of others.
    Sections lie far from each other."""
    found, at, section = {}, None, None
    sections = [".text"]

    def far(name):
        if name not in sections:
            sections.append(name)
        return sections.index(name) << 32

    for line in objdump("-dr", "--no-show-raw-insn", path).splitlines():
        head = re.match(r"[0-9a-f]+ <(.+)>:$", line)
        reloc = re.match(r"\s+[0-9a-f]+: R_X86_64_(PC32|PLT32)\s+(\S+?)([+-]0x[0-9a-f]+)?$", line)
        insn = re.match(r"\s+([0-9a-f]+):\s+(?:(?:notrack|bnd|rep|repz|cs|ds) )*(\S+)\s*([^#<]*)",
                        line)
        if line.startswith("Disassembly of section "):
            section = line[len("Disassembly of section "):-1]
        elif head:
            at = found.setdefault(head.group(1), [])
        elif reloc and at and at[-1].name.startswith(("j", "call")):
            target = reloc.group(2)
            if target.startswith("."):
                target = far(target) + int(reloc.group(3) or "0", 16) + 4
            at[-1] = at[-1]._replace(target=target)
        elif insn and at is not None:
            address, name, operands = insn.groups()
            target = None
            if name.startswith(("j", "call", "loop")) and re.match(r"[0-9a-f]+\s*$", operands):
                target = far(section) + int(operands, 16)
            at.append(Instruction(far(section) + int(address, 16), name, operands.strip(), target))
    return found


def entries(path, code):
    """The functions of a set, as its table has them."""
    table = re.search(r"^([0-9a-f]+) .* (\S+)\s+([0-9a-f]+) (?:\.hidden )?npu_kernels_(?!portable)\w+$",
                      objdump("-t", path), re.M)
    first, section, size = int(table.group(1), 16), table.group(2), int(table.group(3), 16)
    names = {body[0].address: name for name, body in code.items() if body}
    found, inside = [], False
    for line in objdump("-r", path).splitlines():
        if line.startswith("RELOCATION"):
            inside = "[%s]" % section in line
        reloc = re.match(r"([0-9a-f]+) R_X86_64_64\s+([\w.]+)(?:\+0x([0-9a-f]+))?$", line)
        if not inside or not reloc or not first <= int(reloc.group(1), 16) < first + size:
            continue
        symbol, offset = reloc.group(2), int(reloc.group(3) or "0", 16)
        if symbol == ".text":
            symbol = names[offset]
        if symbol in code:
            found.append(symbol)
    return found


def inner_loops(body):
    """Smallest loops with products."""
    loops = []
    for insn in body:
        if isinstance(insn.target, int) and insn.target <= insn.address and \
                not insn.name.startswith("call"):
            loop = [i for i in body if insn.target <= i.address <= insn.address]
            if loop[0].address == insn.target and any(PRODUCT.match(i.name) for i in loop):
                loops.append(loop)
    return [a for a in loops if not any(b is not a and a[0].address <= b[0].address and
                                        b[-1].address <= a[-1].address for b in loops)]


def stack_traffic(body):
    frame = any(i.name == "mov" and i.operands == "%rsp,%rbp" for i in body)
    stack = re.compile(r"\(%rsp|\(%rbp" if frame else r"\(%rsp")
    return ["%x: %s %s" % i[:3] for loop in inner_loops(body) for i in loop
            if VECTOR.search(i.operands) and stack.search(i.operands)]


def ways(insn, following):
    """What runs after an instruction: places here, and whether it is the end."""
    if insn.name == "ret" or insn.target == "__x86_return_thunk":
        return [], True
    if not insn.name.startswith(("j", "loop")):
        return following, False
    there = [insn.target] if isinstance(insn.target, int) else []
    if insn.name != "jmp":
        return there + following, False
    # An end, too, if it leaves the file, or nobody knows.
    return there, not there


def dirty_ends(code, entry):
    """Where a function ends with something in upper halves of registers."""
    whose = {body[0].address: body for body in code.values() if body}
    # Nothing follows the last instruction of a function: this is a call that does not return.
    place = {insn.address: (insn, [i.address for i in body[n:n + 1]])
             for body in code.values() for n, insn in enumerate(body, 1)}
    todo, seen, bad = [(code[entry][0].address, False)], set(), set()
    while todo:
        state = todo.pop()
        if state in seen or state[0] not in place:
            continue
        seen.add(state)
        (insn, following), dirty = place[state[0]], state[1]
        if insn.name in ("vzeroupper", "vzeroall"):
            dirty = False
        elif DIRTY.search(insn.operands):
            dirty = True
        elif insn.name.startswith("call") and insn.target in whose:
            # What it leaves is not looked at. Calls through a table are of the portable set.
            dirty = dirty or any(DIRTY.search(i.operands) for i in whose[insn.target])
        there, end = ways(insn, following)
        if end and dirty:
            bad.add("%x: %s %s" % insn[:3])
        todo += [(address, dirty) for address in there]
    return sorted(bad)


def vzeroupper(code, entry):
    """Functions that a compiler has cut have the rest of their name behind a dot."""
    return any(i.name == "vzeroupper" for name, body in code.items()
               if name.split(".")[0] == entry for i in body)


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def ok(self, good, text, why=()):
        self.n += 1
        self.failed += not good
        print("%s %d - %s" % ("ok" if good else "not ok", self.n, text))
        for line in why if not good else ():
            print("# " + line)

    def done(self):
        print("1..%d" % self.n)
        return self.failed != 0


def check(tap, path):
    code, kind = functions(path), re.search(r"npu_kernels_(\w+)\.o$", path).group(1)
    where = os.path.relpath(path)
    bad = ["%s: %s" % (f, i.name) for f, body in code.items() for i in body
           if SATURATES.match(i.name)]
    tap.ok(not bad, "%s: nothing saturates" % where, bad)
    bad = ["%s has no loop" % f for f in LOOPS[kind] if not inner_loops(code.get(f, []))]
    bad += ["%s, %s" % (f, i) for f, body in code.items() if f.startswith("npu_mac")
            for i in stack_traffic(body)]
    tap.ok(not bad, "%s: accumulators are registers in the inner loops" % where, bad)
    table = entries(path, code)
    bad = ["%s has no vzeroupper" % f for f in table if not vzeroupper(code, f)]
    bad += ["%s, %s" % (f, i) for f in table for i in dirty_ends(code, f)]
    tap.ok(table and not bad, "%s: %d functions leave clean registers" % (where, len(table)), bad)


def check_itself(tap, cc):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "broken.o")
        subprocess.run(cc.split() + ["-c", "-x", "assembler", "-o", path, "-"], check=True,
                       input=BROKEN.encode())
        code = functions(path)
        found = [sorted(f for f, body in code.items() if stack_traffic(body)),
                 [len(inner_loops(code[f])) for f in ("loop", "frame", "pointer")],
                 entries(path, code), len(dirty_ends(code, "entry")),
                 dirty_ends(code, "clean"), vzeroupper(code, "loop"),
                 [i.name for body in code.values() for i in body if SATURATES.match(i.name)]]
    want = [["frame", "loop"], [1, 1, 1], ["entry", "clean"], 1, [], False, ["vpmaddubsw"]]
    tap.ok(found == want, "it finds what is wrong on purpose",
           ["%s, not %s" % (f, w) for f, w in zip(found, want) if f != w])


def main():
    tap = Tap()
    check_itself(tap, sys.argv[1])
    for path in sys.argv[2:]:
        check(tap, path)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
