#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""npuctl without a device: exit codes, and one complete JSON object whatever happens.

t_npuctl.py NPUCTL MODELS-DIRECTORY
"""
import json
import os
import random
import resource
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../models"))
from tflite import Model, Table, Vector  # noqa: E402

npuctl, models = sys.argv[1:]
digits = os.path.join(models, "digits.tflite")
count = failed = 0


def ok(good, text):
    global count, failed
    count += 1
    failed += not good
    print(f"{'' if good else 'not '}ok {count} - {text}")


def run(*args):
    return subprocess.run([npuctl, *args], capture_output=True, timeout=60, check=False)


def run_json(code, *args):
    """The object, or None if there is not exactly one or the exit code differs."""
    p = run("--json", *args)
    try:
        found = json.loads(p.stdout)
    except ValueError:
        found = None
    line = p.stderr.decode().split("\n")[-2:] or [""]
    good = p.returncode == code and isinstance(found, dict)
    if good and code:
        good = found.get("error") and line[0] == "npuctl: " + found["error"]
    ok(good, f"{' '.join(os.path.basename(a) for a in args).replace(chr(10), '?') or 'nothing'}: exit {p.returncode}"
       + (f", {line[0]}" if line[0] else ""))
    return found if good else {}


whole = run_json(0, "dis", digits)
ok(len(whole.get("commands", [])) > 8 and len(whole.get("bases", [])) == 4, "all of a model")
run_json(2)
run_json(2, "frob")
run_json(2, "--repeat", "x", "run")
run_json(2, "run", digits)
run_json(2, "--raw", "-", "run", digits, "x")
run_json(3, "--device", "/dev/null", "run", digits, "x")
run_json(3, "--device", "/dev/null", "list")
run_json(5, "dis", os.path.join(models, "missing"))
run_json(5, "dis", "/dev/null")
ok(run("--json", "--version").stdout.startswith(b"npuctl "), "a version is no JSON")

# What could be read before the damage is there, and the error behind it.
bad = os.path.join(models, "damaged\n\"stream")
with open(digits, "rb") as f:
    data = f.read()
with open(bad, "wb") as f:
    f.write(data[:100])
found = run_json(5, "--stream", "dis", bad)
ok("commands" in found, "a damaged stream still has commands")
with open(bad, "wb") as f:
    f.write(data[:len(data) // 2])
run_json(5, "dis", bad)
os.unlink(bad)

# A core dump, whole and not.
DUMP = b"""npu-coredump 1
[incident]
reason fault
recovery stop
time_us 5
missed 0
[queue]
id 1
[fault]
job 2
command 0x18
status 5
detail 3
access 3
va 0x1000
offset 0x18
[stream]
va 0x1000
size 40
0: 4e5055530100000028000000000000000000000000000000
18: 00000000080000000000000008000000
[end]
"""
dump = os.path.join(models, "dump")
with open(dump, "wb") as f:
    f.write(DUMP)
found = run_json(0, "coredump", dump)
ok([c["offset"] for c in found.get("commands", []) if c.get("blamed")] == [24]
   and "page-table walk failed" in found.get("text", ""), "a dump: " + found.get("text", ""))
ok(b"=> 000018  nop" in run("coredump", dump).stdout.lower(), "an arrow at the command")
with open(dump, "wb") as f:
    f.write(DUMP[:-10])
run_json(5, "coredump", dump)
run_json(5, "coredump", "/dev/null")
run_json(5, "coredump", digits)
os.unlink(dump)
run_json(6, "coredump", dump)
run_json(2, "coredump", dump, dump)

run_json(2, "emu")
run_json(2, "emu", "frob")
run_json(2, "emu", "list", "x")
run_json(2, "emu", "fault", "x", "hang")
run_json(2, "emu", "show", "../x")
run_json(3, "emu", "show", "no such device")

# Models on the device model, to the bit of the reference.
sims = sim_bad = 0
out = os.path.join(models, "sim.out")
for name in sorted(os.listdir(models)):
    base, suffix = os.path.splitext(os.path.join(models, name))
    if suffix != ".tflite":
        continue
    whose = "tflite" if name.startswith("tflite_") else "tflm"
    p = run("--raw", out, "--batch", base + ".in", "--numerics", whose, "sim", base + ".tflite")
    if p.returncode == 2 and b"one input and one output" in p.stderr:
        continue
    sims += 1
    with open(base + ".out", "rb") as f:
        want = f.read()
    got = None
    if p.returncode == 0:
        with open(out, "rb") as f:
            got = f.read()
    if got != want:
        sim_bad += 1
        print(f"# {name}: {p.stderr.decode().strip() or 'differs'}")
os.unlink(out)
ok(sims > 100 and not sim_bad, f"sim: {sims - sim_bad} of {sims} models equal the reference")

# Whatever takes a batch gives what single runs give.
pairs = pairs_bad = 0
two = os.path.join(models, "two.in")
for name in sorted(os.listdir(models)):
    base, suffix = os.path.splitext(os.path.join(models, name))
    if suffix != ".tflite" or name.startswith("float_"):
        continue
    whose = "tflite" if name.startswith("tflite_") else "tflm"
    p = run("--json", "--batch-size", "2", "--numerics", whose, "dis", base + ".tflite")
    if p.returncode:
        continue
    bases = json.loads(p.stdout)["bases"]
    with open(base + ".in", "rb") as f:
        data = f.read(bases[2]["size"])
    if len(bases) != 4 or len(data) != bases[2]["size"]:
        continue
    with open(two, "wb") as f:
        f.write(data)
    p = run("--raw", out, "--batch", two, "--batch-size", "2", "--numerics", whose, "sim", base + ".tflite")
    with open(base + ".out", "rb") as f:
        want = f.read(bases[3]["size"])
    with open(out, "rb") as f:
        got = f.read()
    pairs += 1
    if p.returncode or got != want:
        pairs_bad += 1
        print(f"# {name}: {p.stderr.decode().strip() or 'differs'}")
os.unlink(two)
os.unlink(out)
ok(pairs > 30 and not pairs_bad, f"{pairs - pairs_bad} of {pairs} models give for a batch of 2 what they give for each")

# Saved programs, whole and damaged.
program = os.path.join(models, "digits.npu")
heldout = os.path.join(models, "digits.in")


def raw(*args):
    """Raw outputs of the held-out digits."""
    p = run("--raw", "-", "--batch", heldout, "sim", *args)
    return p.stdout[:5400] if p.returncode == 0 else p.stderr


with open(os.path.join(models, "digits.out"), "rb") as f:
    want = f.read()
found = run_json(0, "compile", digits, "-o", program)
ok(found.get("operators") == 9 and found.get("arena") == 3072, "a model is compiled into a file")
ok(raw(program) == want, "which gives the same results")
ok(run("dis", program).stdout == run("dis", digits).stdout, "and is the same program")
run_json(5, "--profile", "dis", program)
run_json(5, "--numerics", "tflite", "dis", program)
run_json(5, "--batch-size", "2", "dis", program)
run_json(0, "--profile", "compile", digits, "-o", program)
run_json(0, "--profile", "dis", program)
ok(raw(program) == want, "a program with time stamps runs without asking for them")
run_json(0, "compile", digits, "--macs-order", "12", "--bytes-order", "12", "-o", program)
ok(raw(program) == want, "and one of small commands")
run_json(2, "compile", digits, "--macs-order", "64", "-o", program)
run_json(2, "compile", digits)
run_json(2, "compile", "-o", program)
run_json(1, "compile", digits, "-o", "/nonexistent/program")
run_json(1, "compile", digits, "-o", "/dev/full")
run_json(5, "compile", "/dev/null", "-o", program)
os.unlink(program)

# Batches, and what has none.
ok(raw("--batch-size", "5", digits) == want, "five images per run give the same results")
run_json(2, "--batch-size", "0", "dis", digits)
run_json(2, "--batch-size", "4294967296", "dis", digits)
run_json(5, "--batch-size", "2147483647", "dis", digits)
run_json(2, "--numerics", "best", "dis", digits)


def save(m):
    path = os.path.join(models, "made.model")
    m.save(path)
    return path


def open_batch(shape, signature):
    m = Model()
    m.inputs.append(m.tensor("x", shape, "int8", 0.1, 0, signature=signature))
    m.outputs.append(m.tensor("y", shape, "int8", 0.1, 0, signature=signature))
    m.op("RELU", m.inputs, m.outputs)
    return save(m)


def size_of(*args):
    return run_json(0, "dis", *args).get("bases", [{}] * 3)[2].get("size")


path = open_batch([1, 3], [-1, 3])
ok(size_of(path) == 3 and size_of("--batch-size", "4", path) == 12, "a batch that is left open")
run_json(5, "--batch-size", "4", "dis", open_batch([2, 3], None))


def over_batch(kind):
    """Models of one image whose results would be of all of them, or of one."""
    m = Model()
    x = m.tensor("x", [1, 4, 8], "int8", 0.1, 0)
    y = m.tensor("y", [4, 8], "int8", 0.1, 0)
    m.inputs.append(x)
    m.outputs.append(y)
    if kind == "mean":
        m.mean(x, m.tensor("axes", [1], "int32", data=[0]), y)
    elif kind == "shrink":
        three = [m.tensor(n, [3], "int32", data=d) for n, d in
                 (("begin", [0, 0, 0]), ("end", [1, 4, 8]), ("strides", [1, 1, 1]))]
        m.strided_slice(x, *three, y, begin_mask=6, end_mask=6, shrink_mask=1)
    elif kind == "gather":
        m.gather(x, m.tensor("index", [], "int32", data=[0]), y)
    elif kind == "unpack":
        m.unpack(x, [y], 0)
    else:
        m.reshape(x, [4, 8], y)
    return save(m)


def mixed_batch(kind):
    m = Model()
    a = m.tensor("a", [1, 2] if kind == "add" else [1], "int8", 0.05, 0)
    m.inputs.append(a)
    if kind == "add":
        m.inputs.append(m.tensor("b", [1, 4, 2], "int8", 0.05, 0))
        m.outputs.append(m.tensor("y", [1, 4, 2], "int8", 0.1, 0))
        m.add(*m.inputs, m.outputs[0])
    else:
        m.outputs.append(m.tensor("y", [1], "int8", 1 / 256, -128))
        m.softmax(a, m.outputs[0])
    return save(m)


for kind in ("add", "softmax"):
    path = mixed_batch(kind)
    run_json(0, "dis", path)
    run_json(5, "--batch-size", "4", "dis", path)
for kind in ("mean", "shrink", "gather", "unpack", "reshape"):
    path = over_batch(kind)
    run_json(0, "dis", path)
    run_json(5, "--batch-size", "4", "dis", path)
    run_json(5, "--batch-size", "1", "dis", path)
run_json(5, "dis", open_batch([1, 1], [1, -1]))

# A PAD that only a convolution reads is part of it. Whether it is, or not because somebody else
# reads it as well: results are the same, of all values of an input.


def padded(rng, kind, pads, seen):
    zp = rng.randint(-128, 127)
    m = Model()
    x = m.tensor("x", [1, 16, 16, 1], "int8", 0.1, zp)
    shape = [1, 16 + pads[0] + pads[1], 16 + pads[2] + pads[3], 1]
    wide = m.tensor("padded", shape, "int8", 0.1, zp)
    amounts = m.tensor("pads", [4, 2], "int32", data=[0, 0, *pads, 0, 0])
    w = m.tensor("w", [1, 3, 3, 1], "int8", 0.01, 0, data=[rng.randint(-127, 127) for _ in range(9)])
    y = m.tensor("y", [1, shape[1] - 2, shape[2] - 2, 1], "int8", 0.2, rng.randint(-128, 127))
    m.pad(x, amounts, wide)
    getattr(m, kind)(wide, w, None, y, padding="VALID")
    m.inputs.append(x)
    m.outputs += [y, wide] if seen else [y]
    return save(m), (shape[1] - 2) * (shape[2] - 2)


values = os.path.join(models, "all.values")
with open(values, "wb") as f:
    f.write(bytes(range(256)))
rng = random.Random(1)
fused = same = tries = 0
for kind in ("conv_2d", "depthwise_conv_2d"):
    for i in range(10):
        pads = [rng.randint(0, 2) for _ in range(4)]
        results = []
        for seen in (False, True):
            path, size = padded(random.Random(i), kind, pads, seen)
            results.append(run("--raw", out, "sim", path, values).returncode)
            with open(out, "rb") as f:
                results.append(f.read()[:size])
            text = run("dis", path).stdout
            fused += not seen and b"operator 0: PAD" not in text and b"operator 1" in text
        tries += 1
        same += results[0] == results[2] == 0 and results[1] == results[3] and len(results[1]) == size
os.unlink(values)
os.unlink(out)
ok(fused == same == tries == 20, f"{fused} fused PADs, {same} with the same results as before")

# Bombs: small files that ask for much.


def bomb(m, what, ops):
    path = save(m)
    p = subprocess.run([npuctl, "dis", path], capture_output=True, timeout=60, check=False,
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)))
    ok(p.returncode in (0, 5), f"{what}: {ops} operators, exit {p.returncode}, {p.stderr.decode().strip()[:120]}")


m = Model()
before = m.tensor("x" * 200000, [1, 8], "int8", 0.1, 0)
m.inputs.append(before)
for i in range(5000):
    after = m.tensor("y", [1, 8], "int8", 0.1, 0)
    m.tensors[-1][3] = m.tensors[0][3]
    m.op("RELU", [before], [after])
    before = after
m.outputs.append(before)
bomb(m, "long names", 5000)
m = Model()
m.inputs.append(m.tensor("x", [1, 8], "int8", 0.1, 0))
m.outputs.append(m.tensor("y", [1, 8], "int8", 0.1, 0))
g = m.subgraph("once")
for i in range(200):
    g.var_handle("", "v" * 250 + str(i))
for i in range(100):
    m.call_once(g)
m.op("RELU", m.inputs, m.outputs)
bomb(m, "names of variables", 20000)
m = Model()
m.inputs.append(m.tensor("x" * 256, [1, 8], "int8", 0.1, 0))
m.outputs.append(m.tensor("y", [1, 8], "int8", 0.1, 0))
m.op("RELU", m.inputs, m.outputs)
run_json(5, "dis", save(m))
# One pixel that is spread over the largest image there can be.
m = Model()
m.inputs.append(m.tensor("x", [1, 1, 1, 64], "int8", 0.1, 0))
sizes = m.tensor("sizes", [4], "int32", data=[1, 32768, 32768, 1])
m.outputs.append(m.tensor("y", [1, 32768, 32768, 1], "int8", 0.1, 0))
w = m.tensor("w", [1, 1, 1, 64], "int8", 0.1, 0, data=[1] * 64)
m.transpose_conv(sizes, w, m.inputs[0], None, m.outputs[0], stride=(32768, 32768))
run_json(0, "dis", save(m))
m.tensors[0][0] = Vector("i", [1, 1, 1, 256])
m.tensors[w][0] = Vector("i", [1, 1, 1, 256])
m.buffers[-1] = Table({0: Vector("B", [1] * 256, 16)})
run_json(5, "dis", save(m))
m = Model()
m.inputs.append(m.tensor("x", [1, 8], "int8", 0.1, 0))
m.outputs.append(m.tensor("y", [1, 8], "int8", 0.1, 0))
h = m.tensor("h", [1, 8], "int8", 0.1, 0)
m.op("VAR_HANDLE", [], [h], 111, Table({0: "", 1: "v"}))
m.add(m.inputs[0], h, m.outputs[0])
run_json(5, "dis", save(m))

# Two signatures of two graphs.
m = Model()
m.inputs.append(m.tensor("a", [1, 3], "int8", 0.1, 0))
m.outputs.append(m.tensor("b", [1, 3], "int8", 0.1, 0))
m.op("RELU", m.inputs, m.outputs)
m.signature("serve", {"image": 0}, {"score": 1})
g = m.subgraph("other")
g.inputs.append(g.tensor("c", [1, 5], "int8", 0.1, 0))
g.outputs.append(g.tensor("d", [1, 5], "int8", 0.1, 0))
g.op("TANH", g.inputs, [g.tensor("e", [1, 5], "int8", 1 / 128, 0)])
g.op("RELU", [2], g.outputs)
g.signature("learn", {"picture": 0}, {"value": 1})
path = save(m)


def names(*args):
    return [b.get("name") for b in run_json(0, *args, "dis", path).get("bases", [])[2:4]]


ok(names() == ["image", "score"] and names("--signature", "serve") == ["image", "score"] and
   names("--signature", "learn") == ["picture", "value"], "inputs and outputs of two signatures")
run_json(5, "--signature", "none", "dis", path)
os.unlink(path)

image = os.path.join(models, "digit.in")
with open(os.path.join(models, "digits.in"), "rb") as f:
    data = f.read(64)
with open(image, "wb") as f:
    f.write(data)
trace = os.path.join(models, "trace")
found = run_json(0, "--profile", "--trace", trace, "sim", digits, image)
with open(trace) as f:
    ok(0 < int(f.readlines()[2].split()[0]) < 60 * 10 ** 9, "time since power-on")
ok(found.get("device") == "sim" and len(found.get("profile", [])) > 5, "sim: a profile")
found = run_json(0, "--replay", "trace", trace)
ok(found.get("calls", 0) > 20 and found.get("lines", 0) > 500, "a replay")
records = run_json(0, "trace", trace)["records"]
kinds = {r["kind"] for r in records}
ok({"power", "read", "write", "doorbell", "step", "job", "command", "report", "event", "irq"} <= kinds
   and not kinds & {"mem", "put", "now"}, "kinds of lines: " + ", ".join(sorted(kinds)))
ok(any("conv2d in=s8[1,8,8,1]" in r["text"] for r in records if r["kind"] == "command")
   and any("job 1 complete" in r["text"] for r in records if r["kind"] == "report")
   and any(r["text"].startswith("CONTROL ") for r in records if r["kind"] == "write"), "in words")
some = run_json(0, "--only", "mem,put", "trace", trace)["records"]
ok({r["kind"] for r in some} == {"mem", "put"}, "only memory")
some = run_json(0, "--slot", "1", "trace", trace)["records"]
ok(some and all(r["slot"] == 1 for r in some) and len(some) < len(records), "only a slot")
middle = records[len(records) // 2]["time_ns"]
some = run_json(0, "--from", f"{middle / 1000:.3f}", "trace", trace)["records"]
more = run_json(0, "--to", f"{(middle - 1) / 1000:.3f}", "trace", trace)["records"]
ok(some and more and len(some) + len(more) == len(records), "from and to")
ok(len(run("trace", trace).stdout.splitlines()) == len(records), "a line each")
with open(trace) as f:
    text = f.read()
with open(trace, "w") as f:
    f.write(text.replace(" report 1 01", " report 1 02", 1))
found = run_json(1, "--replay", "trace", trace)
ok("recorded" in found.get("error", ""), "a replay that differs")
with open(trace, "w") as f:
    f.write(text[:len(text) // 2] + "\nfrob\n")
run_json(6, "trace", trace)
run_json(1, "--replay", "trace", trace)
with open(trace, "w") as f:
    f.write(text[:len(text) // 2] + "\n" + text)
run_json(0, "trace", trace)
run_json(0, "--replay", "trace", trace)
with open(trace, "w") as f:
    f.write("npu-trace 1\n5 job 1 \x1b\xff\n")
ok(b"\x1b" not in run("trace", trace).stdout, "a record cannot reach the terminal")
os.unlink(trace)
run_json(6, "--replay", "trace", digits)
run_json(6, "--replay", "trace", "/")
run_json(1, "--trace", "/dev/full", "sim", digits, image)
run_json(2, "--device", "0", "sim", digits, image)
run_json(2, "--priority", "low", "sim", digits, image)
run_json(2, "--trace", "x", "run", digits, image)
run_json(2, "--trace", "x", "trace", digits)
os.unlink(image)
run_json(6, "trace", trace)
run_json(6, "trace", digits)
run_json(2, "trace")
run_json(2, "--only", "job,luck", "trace", digits)
run_json(2, "--slot", "256", "trace", digits)
run_json(2, "--from", "-1", "trace", digits)
run_json(2, "--to", "x", "trace", digits)
run_json(2, "sim", digits)
run_json(5, "sim", os.path.join(models, "missing"), "x")
run_json(6, "sim", digits, os.path.join(models, "missing"))
run_json(6, "--trace", "/nowhere/x", "sim", digits, "x")

full = subprocess.run(f"'{npuctl}' dis '{digits}' > /dev/full", shell=True, capture_output=True,
                      check=False)
ok(full.returncode == 1, "standard output is full: " + full.stderr.decode().strip())
print(f"1..{count}")
sys.exit(failed != 0)
