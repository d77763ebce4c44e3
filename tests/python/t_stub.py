#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""npu.py on stub.c, which the environment variable NPU_LIBRARY names: no handle is
destroyed while a call has it, and nothing is converted that does not say so. Prints
what is wrong."""

import array
import ctypes
import gc
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import npu  # noqa: E402

stub = ctypes.CDLL(os.environ["NPU_LIBRARY"])
failed = 0


def ok(good, text):
    global failed
    if not good:
        failed += 1
        print("failed: " + text)


sys.unraisablehook = lambda what: ok(False, "%r in %r" % (what.exc_value, what.object))


def fails(kind, want, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except kind as e:
        ok(want in str(e), "%s: %s" % (kind.__name__, e))
    except Exception as e:      # noqa: BLE001
        ok(False, "not %s but %r" % (kind.__name__, e))
    else:
        ok(False, "no %s: %s %s" % (kind.__name__, want, args))


def during(close, function, *args):
    """What a call gives, or raises, that another thread closes something under."""
    result = []

    def work():
        try:
            result.append(function(*args))
        except Exception as e:      # noqa: BLE001
            result.append(e)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.02)
    close()
    thread.join()
    return result[0]


def clean(text):
    gc.collect()
    ok(stub.stub_bad() == 0, "%s: %d uses of a handle that was gone" % (text, stub.stub_bad()))
    ok(stub.stub_open() == 0, "%s: %d handles are left" % (text, stub.stub_open()))


def test_run():
    model = npu.Model("a")
    model.reset()
    out = during(model.close, model.run, bytes([1, 2]))
    ok(isinstance(out, list) and out[0].tobytes() == b"\1\2", "the run ends as always: %r" % out)
    fails(ValueError, "this Model is closed", model.run, bytes(2))
    fails(ValueError, "this Model is closed", model.session)
    fails(ValueError, "this Model is closed", lambda: model.inputs)
    clean("close during a run")


def test_session():
    with npu.Model("a") as model:
        session = model.session()
    out = during(session.close, session.run, bytes([3, 4]))
    ok(isinstance(out, list) and out[0].tobytes() == b"\3\4", "so does it here: %r" % out)
    fails(ValueError, "this Session is closed", session.run, bytes(2))
    clean("Session.close() during a run")


def test_session_made():
    """The model goes while its session is being made."""
    model = npu.Model("a")
    out = during(model.close, model.run, bytes(2))
    ok(isinstance(out, (list, ValueError)), "good or closed: %r" % out)
    fails(ValueError, "this Model is closed", model.run, bytes(2))
    clean("close while a session is made")


def test_load():
    device = npu.Device()
    model = during(device.close, npu.Model, "a", device)
    ok(isinstance(model, npu.Model), "the model is loaded: %r" % model)
    fails(ValueError, "this Device is closed", lambda: device.path)
    fails(ValueError, "this Device is closed", npu.Model, "a", device)
    del model
    clean("Device.close() during a load")


def test_queue():
    """Of those who wait for their turn, none begins after close()."""
    session, results = npu.Model("a").session(), []

    def work():
        try:
            results.append(session.run(bytes(2)))
        except ValueError:
            results.append(None)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    time.sleep(0.05)
    session.close()
    for t in threads:
        t.join()
    ok(len(results) == 4 and results.count(None) == 3, "one run, three refusals: %s" % results)
    del session
    clean("close with a queue")


def test_many():
    """Everybody at once."""
    for _ in range(5):
        model = npu.Model("a")

        def use(model=model):
            for _ in range(20):
                try:
                    model.inputs, model.outputs
                    model.run(bytes(2))
                except ValueError:
                    pass

        threads = [threading.Thread(target=use) for _ in range(3)]
        threads += [threading.Thread(target=model.close) for _ in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        del model, use, t, threads
        clean("many")


def given(model, value, **kwargs):
    """What the model is given, as the stub gives it back."""
    return model.run(value, **kwargs)[0].tobytes()


def test_buffers():
    """Bytes are as they are; what has a type has to have the model's."""
    real = array.array("f", [0.5, -1])
    with npu.Model("f") as model:
        for good in (real.tobytes(), bytearray(real.tobytes()), memoryview(real),
                     memoryview(real.tobytes()).cast("f"), memoryview(real.tobytes()).cast("c"),
                     memoryview(real.tobytes()).cast("B", (2, 4))):
            ok(given(model, good) == real.tobytes(), "float32: %r" % good)
            ok(given(model, good, real=True) == real.tobytes(), "float32, real: %r" % good)
        for format in ("b", "h", "i", "I", "q", "?", "d"):
            bad = memoryview(real.tobytes()).cast(format)
            fails(TypeError, "'x' is float32", model.run, bad)
            fails(TypeError, "'x' is float32", model.run, bad, real=True)
        fails(TypeError, "", model.run, "12345678")
    with npu.Model("a") as model:
        for good in (bytes([1, 255]), array.array("b", [1, -1]), array.array("B", [1, 255]),
                     memoryview(array.array("b", [1, -1]))):
            if npu.numpy is None or not isinstance(good, array.array) or good.typecode == "b":
                ok(given(model, good) == bytes([1, 255]), "int8: %r" % good)
        fails(TypeError, "'x' is int8", model.run, memoryview(array.array("h", [1])))
        fails(TypeError, "'x' is int8", model.run, memoryview(bytes(2)).cast("?"))
        ok(given(model, memoryview(real), real=True) == real.tobytes(), "quantised")
        # As many bytes as float32 would be.
        fails(TypeError, "'x' is float32", model.run, memoryview(bytes(8)).cast("b"), real=True)
        fails(ValueError, "8 bytes, not 2", model.run, bytes(2), real=True)
    clean("buffers")


def test_arrays():
    if npu.numpy is None:
        return
    want = array.array("f", [0.5, -1]).tobytes()
    with npu.Model("f") as real, npu.Model("a") as quantised:
        for model, kwargs in ((real, {}), (real, {"real": True}), (quantised, {"real": True})):
            for good in ([0.5, -1], (0.5, -1.0), npu.numpy.array([0.5, -1]),
                         npu.numpy.array([0.5, -1], "float32")):
                ok(given(model, good, **kwargs) == want, "real: %r" % (good,))
            for bad in (["0.5", "-1"], [1, 2], [True, False], [None, 1], [1j, 2]):
                fails(TypeError, "'x' is float32", model.run, bad, **kwargs)
            for dtype in ("int8", "uint8", "int64", "bool", "float16", "complex64", ">f4", "S1"):
                fails(TypeError, "'x' is float32", model.run, npu.numpy.zeros(2, dtype), **kwargs)
        for bad in ([1, 2], [0.5, 1], npu.numpy.zeros(2, "uint8")):
            fails(TypeError, "'x' is int8", quantised.run, bad)
    clean("arrays")


def test_numbers():
    with npu.Model("a", batch=2**31 - 1):
        ok(stub.stub_batch() == 2**31 - 1, "a large batch")
    for bad in (-1, 2**31, 2**32, 2**32 + 1, 2**64):
        fails(ValueError, "batch is 0 to 2147483647", npu.Model, "a", batch=bad)
    for bad in (1.5, "1", None):
        fails(TypeError, "", npu.Model, "a", batch=bad)
    clean("numbers")


class Path:
    def __fspath__(self):
        return "/dev/path"


def test_paths():
    for name, want in ((None, b""), (b"/dev/x\xff", b"/dev/x\xff"), ("/dev/y\udcff", b"/dev/y\xff"),
                       (3, b"3"), ("3", b"3"), (Path(), b"/dev/path")):
        with npu.Device(name) as device:
            ok(stub.stub_path() == want, "%r is %r" % (name, stub.stub_path()))
            ok(os.fsencode(device.path) == want, "%r again" % name)
    with npu.Model("a", b"/dev/z"):
        ok(stub.stub_path() == b"/dev/z", "path for a model")
    for bad in (1.5, [], object()):
        fails(TypeError, "", npu.Device, bad)
    fails(ValueError, "zero byte", npu.Device, "/dev/x\0y")
    fails(ValueError, "zero byte", npu.Model, "a\0b")
    fails(ValueError, "zero byte", npu.Model, "a", signature="a\0b")
    clean("paths")


stub.stub_path.restype = ctypes.c_char_p
for test in (test_run, test_session, test_session_made, test_load, test_queue, test_many,
             test_buffers, test_arrays, test_numbers, test_paths):
    try:
        test()
    except Exception as e:      # noqa: BLE001
        ok(False, "%s: %r" % (test.__name__, e))
sys.exit(failed > 0)
