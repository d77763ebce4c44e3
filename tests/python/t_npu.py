#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""npu.py on a device node:

    t_npu.py OPERATORS DIGITS NETWORKS [numpy]

Folders: OPERATORS has random models of small.tflite and their inputs, DIGITS the digits,
NETWORKS networks with what npu-reference makes of their inputs. numpy: it must be
there, else it must not. Prints TAP."""

import errno
import gc
import os
import sys
import threading

import npu

try:
    import numpy
except ImportError:
    numpy = None

operators, digits, networks = sys.argv[1:4]
count = failed = 0


def ok(good, text):
    global count, failed
    count += 1
    failed += not good
    print("%sok %d - %s" % ("" if good else "not ", count, text), flush=True)


# What goes wrong where nobody can catch it, as in a destructor.
sys.unraisablehook = lambda what: ok(False, "%r in %r" % (what.exc_value, what.object))


def fails(kind, want, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except kind as e:
        ok(want in str(e), "%s: %s" % (kind.__name__, e))
    except Exception as e:      # noqa: BLE001
        ok(False, "not %s but %r" % (kind.__name__, e))
    else:
        ok(False, "no %s: %s" % (kind.__name__, want))


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as f:
        return f.read()


def open_files():
    """Of the device, and memory of it."""
    gc.collect()
    names = [os.path.realpath("/proc/self/fd/" + fd) for fd in os.listdir("/proc/self/fd")]
    return sum(name.startswith("/dev/accel") or "memfd" in name for name in names)


def size_of(tensor):
    n = {"b": 1, "u": 1}.get(tensor.dtype[0], 1)
    n = int(tensor.dtype.lstrip("abcdefghijklmnopqrstuvwxyz") or 8) // 8 * n
    for d in tensor.shape:
        n *= d
    return n


def as_input(data, tensor):
    if numpy is None:
        return data
    return numpy.frombuffer(data, tensor.dtype).reshape(tensor.shape)


def run_all(model, data):
    """The outputs of all runs, as bytes."""
    out = []
    while data:
        values = []
        for t in model.inputs:
            values.append(as_input(data[:size_of(t)], t))
            data = data[size_of(t):]
        out += [y.tobytes() for y in model.run(*values)]
    return b"".join(out)


def test_digits():
    labels, images = read(digits, "heldout.labels").split(), read(digits, "heldout.raw")
    with npu.Model(os.path.join(digits, "digits.tflite")) as model:
        x, y = model.inputs[0], model.outputs[0]
        ok(len(model.inputs) == 1 and x.dtype == "int8" and x.shape == (1, 8, 8, 1) and
           x.scale > 0, "input %s" % (x,))
        ok(y.dtype == "int8" and y.shape == (1, 10) and y.scale == 1 / 256 and
           y.zero_point == -128, "output %s" % (y,))
        right = 0
        for i in range(100):
            score, = model.run(as_input(images[64 * i:64 * i + 64], x))
            score = score.tolist()[0]
            right += score.index(max(score)) == int(labels[i])
        ok(right >= 97, "%d of 100 images" % right)
        test_real(model, images[:64])
        test_misfits(model, images[:64])
    fails(ValueError, "this Model is closed", model.run, images[:64])
    with npu.Model(read(digits, "digits.tflite"), device=0) as again:
        ok(again.inputs == [x] and again.outputs == [y], "the same from memory")


def test_options():
    """As npu.h has them; what they do, others test."""
    path, images = os.path.join(digits, "digits.tflite"), read(digits, "heldout.raw")
    with npu.Model(path) as one, npu.Model(path, batch=4) as four:
        x = four.inputs[0]
        ok(x.shape == (4, 8, 8, 1) and four.outputs[0].shape == (4, 10), "a batch of 4")
        scores = run_all(four, images[:256])
        ok(scores == run_all(one, images[:256]), "gives what 4 runs give")
    with npu.Model(path, numerics="tflite") as model:
        ok(run_all(model, images[:256]) == scores, "other numerics")
    fails(ValueError, "'exact' is none of tflm, tflite", npu.Model, path, numerics="exact")
    fails(npu.Error, "none 'no_such'", npu.Model, path, signature="no_such")
    with npu.Model(path) as model:
        fails(ValueError, "'urgent' is none of", model.session, "urgent")


def test_real(model, image):
    """float32 is what scales and zero points say."""
    x, y = model.inputs[0], model.outputs[0]
    raw, = model.run(as_input(image, x))
    signed = [b - 256 if b > 127 else b for b in image]
    real = [(q - x.zero_point) * x.scale for q in signed]
    if numpy is None:
        value = memoryview(bytearray(256)).cast("f")
        for i, v in enumerate(real):
            value[i] = v
        value = bytes(value)
    else:
        value = numpy.array(real, "float32").reshape(x.shape)
    score, = model.run(value, real=True)
    ok(all(abs(s - (q - y.zero_point) * y.scale) < 1e-6
           for s, q in zip(score.tolist()[0], raw.tolist()[0])), "float32 in and out")
    ok(getattr(score, "format", "f") == "f" and str(getattr(score, "dtype", "float32")) == "float32",
       "really float32")


def test_misfits(model, image):
    fails(ValueError, "1 inputs, not 2", model.run, image, image)
    fails(ValueError, "64 bytes, not 63", model.run, image[1:])
    fails(TypeError, "", model.run, 64)
    if numpy is not None:
        x = numpy.frombuffer(image, "int8")
        fails(ValueError, "has shape (1, 8, 8, 1), not (64,)", model.run, x)
        fails(TypeError, "int8, not uint8", model.run, x.astype("uint8").reshape(1, 8, 8, 1))
        fails(ValueError, "has shape", model.run, x.astype("float32"), real=True)
        for dtype in ("int8", "int64", "bool", "float16", "U3"):
            fails(TypeError, "float32, not ", model.run, numpy.zeros((1, 8, 8, 1), dtype), real=True)
        good, = model.run(x.astype("float32").reshape(1, 8, 8, 1), real=True)
        again, = model.run(x.astype("float64").reshape(1, 8, 8, 1).tolist(), real=True)
        ok(good.tobytes() == again.tobytes(), "lists of floats, which are float64")
    fails(TypeError, "int8, not of the format 'h'", model.run, memoryview(image).cast("h"))
    fails(TypeError, "float32, not of the format 'b'", model.run, memoryview(4 * image).cast("b"),
          real=True)
    fails(ValueError, "batch is", npu.Model, os.path.join(digits, "digits.tflite"), batch=2**32 + 1)


def test_networks():
    for name in ("svdf_keywords", "resnet8"):
        with npu.Model(os.path.join(networks, name + ".tflite")) as model:
            data, want = read(networks, name + ".in"), read(networks, name + ".out")
            ok(run_all(model, data) == want, "%s to the bit" % name)
            if name == "svdf_keywords":
                ok(run_all(model, data) != want, "it remembers")
                model.reset()
                ok(run_all(model, data) == want, "but not what was before a reset")


def test_operators():
    """Of each type and number of inputs; what they compute, others test."""
    names = sorted(n for n in os.listdir(operators) if n.endswith(".tflite"))
    types, good = set(), 0
    for name in names:
        with npu.Model(os.path.join(operators, name)) as model:
            out = run_all(model, read(operators, name.replace(".tflite", ".in")))
            good += len(out) % sum(size_of(t) for t in model.outputs) == 0 and len(out) > 0
            types.update(t.dtype for t in model.inputs + model.outputs)
    ok(good == len(names) > 80, "%d of %d models of operators" % (good, len(names)))
    with npu.Model(os.path.join(operators, "arg_max_00.tflite")) as model:
        x, y = model.inputs[0], model.outputs[0]
        zeros = bytes(4 * size_of(x) // size_of(x._replace(shape=())))
        if numpy is not None:
            zeros = numpy.frombuffer(zeros, "float32").reshape(x.shape)
        out, = model.run(zeros, real=True)
        ok(y.scale == 0 and out.tobytes() == model.run(zeros, real=True)[0].tobytes() and
           len(out.tobytes()) == size_of(y), "real leaves what has no scale: %s" % (y,))
    ok(types >= {"int8", "uint8", "int16", "int32", "float32"}, "types %s" % sorted(types))


def test_sessions():
    name = os.path.join(networks, "ds_cnn")
    data, want, good = read(networks, "ds_cnn.in"), read(networks, "ds_cnn.out"), []
    model = npu.Model(name + ".tflite", npu.devices()[0])
    x = model.inputs[0]
    n = size_of(x)
    first, second = as_input(data[:n], x), as_input(data[n:], x)

    def work(session):
        for _ in range(5):
            out = session.run(first)[0].tobytes() + session.run(second)[0].tobytes()
            good.append(out == want)

    sessions = [model.session() for _ in range(3)]
    threads = [threading.Thread(target=work, args=(s,)) for s in sessions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    ok(len(good) == 15 and all(good), "three sessions in three threads")
    model.close()
    work(sessions[0])
    ok(good[-1], "a session outlives its model")
    sessions[0].close()
    fails(ValueError, "closed", sessions[0].run, first)


def test_errors():
    fails(npu.Error, "accel77", npu.Device, "/dev/accel/accel77")
    fails(npu.Error, "none.tflite", npu.Model, "/none.tflite")
    fails(npu.Error, "no TensorFlow Lite file", npu.Model, bytes(100))
    try:
        npu.Model("/none.tflite")
    except OSError as e:
        ok(e.errno == errno.ENOENT and "none.tflite" in e.strerror, "errno and strerror")
    with npu.Device() as device:
        ok(device.path in npu.devices(), device.path)
        fails(npu.Error, "damaged", npu.Model, read(digits, "digits.tflite")[:3000], device)
    fails(ValueError, "closed", npu.Model, "/none.tflite", device)


def test_handles():
    before = open_files()
    for _ in range(5):
        npu.Model(os.path.join(digits, "digits.tflite")).run(bytes(64))
        model = npu.Model(os.path.join(digits, "digits.tflite"))
        model.session()
        model.run(bytes(64))
        model.close()
        model.close()
        try:
            npu.Model(bytes(100))
        except npu.Error:
            pass
    del model
    ok(open_files() == before == 0, "%d files are open" % open_files())


ok((numpy is not None) == ("numpy" in sys.argv[4:]),
   "NumPy %s" % (numpy.__version__ if numpy else "is not there"))
for test in (test_digits, test_options, test_networks, test_operators, test_sessions, test_errors, test_handles):
    try:
        test()
    except Exception as e:      # noqa: BLE001
        ok(False, "%s: %r" % (test.__name__, e))
gc.collect()
print("1..%d" % count)
sys.exit(failed > 0)
