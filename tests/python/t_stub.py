#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""npu.py on stub.c, which the environment variable NPU_LIBRARY names: no handle is
destroyed while a call has it. Prints what is wrong."""

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


for test in (test_run, test_session, test_session_made, test_load, test_queue, test_many):
    try:
        test()
    except Exception as e:      # noqa: BLE001
        ok(False, "%s: %r" % (test.__name__, e))
sys.exit(failed > 0)
