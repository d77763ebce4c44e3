# SPDX-License-Identifier: MIT
"""TensorFlow Lite models on an NPU of /dev/accel:

    import npu

    with npu.Model("digits.tflite") as model:
        scores, = model.run(image)

It is libnpu by ctypes: install the library (libnpu.so.0, or the one that the
environment variable NPU_LIBRARY names). With NumPy inputs and outputs are
arrays; without it inputs are bytes, outputs memoryviews with type and shape.

What fails raises npu.Error, an OSError: errno and the sentence of libnpu. What
does not fit a model raises ValueError or TypeError.

Objects may be used by several threads. Runs of one Session take turns; for
parallel ones take more sessions. with, close() or the end of the object's life
give back what it holds. close() does not wait for what other threads are doing with
the object: that ends as always, then the handle goes; new calls raise ValueError."""

import collections
import contextlib
import ctypes
import operator
import os
import struct
import sys
import threading

try:
    import numpy
except ImportError:
    numpy = None

__all__ = ["Device", "Error", "Model", "Session", "Tensor", "devices"]

MAX_RANK = 6
BATCH_MAX = 2**31 - 1
NUMERICS = {"tflm": 0, "tflite": 1}
PRIORITIES = {"low": 0, "normal": 1, "high": 2, "realtime": 3}

# enum npu_type: names as NumPy has them, and letters of the struct module
TYPES = {1: ("bool", "?"), 2: ("uint8", "B"), 3: ("int8", "b"), 4: ("int16", "h"),
         5: ("int32", "i"), 6: ("int64", "q"), 10: ("float32", "f")}
FLOAT32 = 10


class Error(OSError):
    """What libnpu says: errno, and a sentence as strerror."""


# key: name in the model's signature, or None; real value = scale * (value - zero_point),
# scale 0: there is none.
Tensor = collections.namedtuple("Tensor", "name key shape dtype scale zero_point")

# ---- lib/npu.h ----


class _Error(ctypes.Structure):
    _fields_ = [("detail", ctypes.c_uint32), ("offset", ctypes.c_uint32),
                ("text", ctypes.c_char * 248)]


class _DeviceId(ctypes.Structure):
    _fields_ = [("path", ctypes.c_char * 64), ("driver", ctypes.c_char * 32),
                ("version", ctypes.c_int32 * 3), ("error", ctypes.c_int32)]


class _CompileOptions(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint32), ("macs_max_order", ctypes.c_uint32),
                ("bytes_max_order", ctypes.c_uint32), ("numerics", ctypes.c_uint32),
                ("batch", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
                ("signature", ctypes.c_char_p), ("reserved1", ctypes.c_uint64 * 4)]


class _TensorInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("type", ctypes.c_int), ("device_type", ctypes.c_int),
                ("rank", ctypes.c_uint32), ("dim", ctypes.c_uint32 * MAX_RANK),
                ("size", ctypes.c_uint64), ("device_size", ctypes.c_uint64),
                ("scale", ctypes.c_float), ("zero_point", ctypes.c_int32),
                ("base", ctypes.c_uint32), ("key", ctypes.c_char_p)]


class _ProgramInfo(ctypes.Structure):
    _fields_ = [("stream", ctypes.c_void_p), ("constants", ctypes.c_void_p),
                ("bases", ctypes.c_void_p), ("inputs", ctypes.POINTER(_TensorInfo)),
                ("outputs", ctypes.POINTER(_TensorInfo)), ("ops", ctypes.c_void_p),
                ("stream_size", ctypes.c_uint32), ("nbases", ctypes.c_uint32),
                ("ninputs", ctypes.c_uint32), ("noutputs", ctypes.c_uint32),
                ("nops", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("state", ctypes.c_void_p), ("state_base", ctypes.c_uint32)]


_HANDLE = ctypes.c_void_p
_OUT = ctypes.POINTER(ctypes.c_void_p)
_ERR = ctypes.POINTER(_Error)
_INFO = ctypes.POINTER(_TensorInfo)
_FUNCTIONS = {
    "npu_device_list": (ctypes.c_int, ctypes.POINTER(_DeviceId), ctypes.c_uint),
    "npu_device_open": (ctypes.c_int, ctypes.c_char_p, _OUT, _ERR),
    "npu_device_close": (None, _HANDLE),
    "npu_device_path": (ctypes.c_char_p, _HANDLE),
    "npu_model_load": (ctypes.c_int, _HANDLE, ctypes.c_char_p, ctypes.POINTER(_CompileOptions),
                       _OUT, _ERR),
    "npu_model_destroy": (None, _HANDLE),
    "npu_model_get_info": (ctypes.POINTER(_ProgramInfo), _HANDLE),
    "npu_session_create": (ctypes.c_int, _HANDLE, ctypes.c_int, _OUT, _ERR),
    "npu_session_destroy": (None, _HANDLE),
    "npu_session_write": (ctypes.c_int, _HANDLE, ctypes.c_uint, ctypes.c_void_p, ctypes.c_size_t,
                          _ERR),
    "npu_session_read": (ctypes.c_int, _HANDLE, ctypes.c_uint, ctypes.c_void_p, ctypes.c_size_t,
                         _ERR),
    "npu_session_run": (ctypes.c_int, _HANDLE, _ERR),
    "npu_session_reset": (ctypes.c_int, _HANDLE, _ERR),
    "npu_tensor_encode": (None, _INFO, ctypes.c_void_p, ctypes.c_void_p),
    "npu_tensor_decode": (None, _INFO, ctypes.c_void_p, ctypes.c_void_p),
}

_lib = ctypes.CDLL(os.environ.get("NPU_LIBRARY", "libnpu.so.0"))
for _name, (_result, *_arguments) in _FUNCTIONS.items():
    getattr(_lib, _name).restype = _result
    getattr(_lib, _name).argtypes = _arguments


def _choose(table, word):
    if word not in table:
        raise ValueError("%r is none of %s" % (word, ", ".join(table)))
    return table[word]


def _string(value):
    """For C, which ends it at a zero byte."""
    value = value.encode() if isinstance(value, str) else value
    if b"\0" in value:
        raise ValueError("%r has a zero byte" % value)
    return value


def _call(name, *args):
    """Call a function whose last argument is a struct npu_error."""
    err = _Error()
    code = getattr(_lib, name)(*args, ctypes.byref(err))
    if code < 0:
        raise Error(-code, err.text.decode(errors="replace") or os.strerror(-code))


class _Object:
    """A handle that is given back once: when it is closed and nobody uses it any more."""
    _destroy = None

    def __new__(cls, *_args, **_kwargs):
        self = super().__new__(cls)
        # A signal's handler may close what it interrupts, so it is an RLock.
        self._guard = threading.RLock()
        self._handle, self._users, self._closed = None, 0, False
        return self

    def _make(self, name, *args):
        handle = ctypes.c_void_p()
        _call(name, *args, ctypes.byref(handle))
        self._handle = handle

    @contextlib.contextmanager
    def _use(self):
        """The handle, which stays as long as the with does."""
        with self._guard:
            self._users += 1
        try:
            # Only now: a close() from here on sees the user.
            if self._closed or self._handle is None:
                raise ValueError("this %s is closed" % type(self).__name__)
            yield self._handle
        finally:
            with self._guard:
                self._users -= 1
            self._release()

    def _release(self):
        with self._guard:
            if not self._closed or self._users:
                return
            handle, self._handle = self._handle, None
        if handle is not None:
            self._destroy(handle)

    def close(self):
        """Give back what it holds, at once or when the last call that is under way ends;
        further calls do nothing."""
        self._closed = True
        self._release()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self._users = 0     # whoever uses it has a reference
        _Object.close(self)


# ---- Devices ----

def devices():
    """Paths of the NPUs of this machine."""
    count = _lib.npu_device_list(None, 0)
    ids = (_DeviceId * max(count, 1))()
    count = min(_lib.npu_device_list(ids, len(ids)), len(ids))
    return [os.fsdecode(ids[i].path) for i in range(count)]


class Device(_Object):
    """An open NPU. name: path of the node, or index; None: any."""
    _destroy = staticmethod(_lib.npu_device_close)

    def __init__(self, name=None):
        if name is not None and not isinstance(name, (str, bytes, os.PathLike)):
            name = str(operator.index(name))
        self._make("npu_device_open", None if name is None else _string(os.fsencode(name)))

    @property
    def path(self):
        with self._use() as handle:
            return os.fsdecode(_lib.npu_device_path(handle))


# ---- Values ----

def _describe(info):
    key = None if info.key is None else info.key.decode(errors="replace")
    return Tensor(info.name.decode(errors="replace"), key, tuple(info.dim[:info.rank]),
                  TYPES[info.type][0], info.scale, info.zero_point)


def _as_real(info):
    """The same tensor, but with float32 outside; None if it has no scale, or is so already."""
    if not info.scale > 0 or info.type == FLOAT32:
        return None
    real = _TensorInfo.from_buffer_copy(info)
    real.type = FLOAT32
    real.size = info.device_size // struct.calcsize("=" + TYPES[info.device_type][1]) * 4
    return real


def _is_type(view, letter):
    """Are the items of a buffer of this type? Unsigned bytes may be the bytes of any."""
    mine = view.format.lstrip("@=" + ("<" if sys.byteorder == "little" else ">"))
    kinds = ("?", "bhilqn", "BHILQN", "efd")
    return mine in ("B", "c") or (view.itemsize == struct.calcsize("=" + letter) and
                                  any(mine in kind and letter in kind for kind in kinds))


def _take(value, info):
    """The bytes of an input, which has to be what info says."""
    name, (dtype, letter) = info.name.decode(errors="replace"), TYPES[info.type]
    if numpy is not None and not isinstance(value, (bytes, bytearray, memoryview)):
        array = numpy.asarray(value)
        if info.type == FLOAT32 and array.dtype == "float64":
            array = array.astype(dtype)
        if array.dtype != dtype:
            raise TypeError("'%s' is %s, not %s" % (name, dtype, array.dtype))
        if array.shape != tuple(info.dim[:info.rank]):
            raise ValueError("'%s' has shape %s, not %s" % (name, tuple(info.dim[:info.rank]),
                                                            array.shape))
        return array.tobytes()
    view = memoryview(value)
    if not _is_type(view, letter):
        raise TypeError("'%s' is %s, not of the format '%s'" % (name, dtype, view.format))
    if view.nbytes != info.size:
        raise ValueError("'%s' has %d bytes, not %d" % (name, info.size, view.nbytes))
    return view.tobytes()


def _give(data, info):
    shape, (dtype, letter) = tuple(info.dim[:info.rank]), TYPES[info.type]
    if numpy is not None:
        return numpy.frombuffer(data, dtype).reshape(shape)
    return memoryview(data).cast(letter, shape or (1,))


# ---- Models ----

def _info(model):
    return _lib.npu_model_get_info(model).contents


class Session(_Object):
    """Runs of a model, in order; from Model.session()."""
    _destroy = staticmethod(_lib.npu_session_destroy)

    def __init__(self, model, priority="normal"):
        self._lock = threading.Lock()
        with model._use() as handle:
            # The session keeps libnpu's model alive, not this one: no circle of objects.
            self._info = _info(handle)
            self._make("npu_session_create", handle, _choose(PRIORITIES, priority))

    def run(self, *inputs, real=False):
        """Outputs of a run, a list. real: values are float32 outside, and are quantised
        and dequantised with scale and zero point, where there is a scale; else they are as
        the model has them."""
        with self._lock, self._use() as handle:
            info = self._info
            if len(inputs) != info.ninputs:
                raise ValueError("the model has %d inputs, not %d" % (info.ninputs, len(inputs)))
            for i, value in enumerate(inputs):
                self._write(handle, i, info.inputs[i], value, real)
            _call("npu_session_run", handle)
            return [self._read(handle, i, info.outputs[i], real) for i in range(info.noutputs)]

    @staticmethod
    def _write(handle, i, info, value, real):
        outside = _as_real(info) if real else None
        if outside:
            data = ctypes.create_string_buffer(info.device_size)
            _lib.npu_tensor_encode(outside, _take(value, outside), data)
        else:
            data = _take(value, info)
        _call("npu_session_write", handle, i, data, info.size)

    @staticmethod
    def _read(handle, i, info, real):
        data = bytearray(info.size)
        _call("npu_session_read", handle, i, (ctypes.c_char * len(data)).from_buffer(data),
              len(data))
        outside = _as_real(info) if real else None
        if not outside:
            return _give(data, info)
        values = bytearray(outside.size)
        _lib.npu_tensor_decode(outside, bytes(data),
                               (ctypes.c_char * len(values)).from_buffer(values))
        return _give(values, outside)

    def reset(self):
        """Forget a failure, and what earlier runs left in variables of the model."""
        with self._lock, self._use() as handle:
            _call("npu_session_reset", handle)


class Model(_Object):
    """A model on a device. source: path of a TensorFlow Lite file, or its bytes;
    device: a Device, or what Device() takes; numerics: "tflm" or "tflite"; batch: inputs
    per run, 0 as in the file; signature: its key, None: the first. As in npu.h."""
    _destroy = staticmethod(_lib.npu_model_destroy)
    _session = None

    def __init__(self, source, device=None, *, numerics="tflm", batch=0, signature=None):
        # ctypes would cut off what is too much.
        if not 0 <= operator.index(batch) <= BATCH_MAX:
            raise ValueError("batch is 0 to %d, not %d" % (BATCH_MAX, batch))
        options = _CompileOptions(numerics=_choose(NUMERICS, numerics), batch=batch)
        options.signature = None if signature is None else _string(signature)
        mine = None if isinstance(device, Device) else Device(device)
        # libnpu keeps the device open as long as the model needs it.
        try:
            with (mine or device)._use() as handle:
                self._load(handle, source, options)
        finally:
            if mine:
                mine.close()

    def _load(self, device, source, options):
        options = ctypes.byref(options)
        if not isinstance(source, (bytes, bytearray, memoryview)):
            self._make("npu_model_load", device, _string(os.fsencode(source)), options)
            return
        fd = os.memfd_create("model", os.MFD_CLOEXEC)
        with os.fdopen(fd, "wb") as file:
            file.write(source)
            file.flush()
            self._make("npu_model_load", device, b"/proc/self/fd/%d" % fd, options)

    @property
    def inputs(self):
        """What run() takes: a list of Tensor."""
        with self._use() as handle:
            info = _info(handle)
            return [_describe(info.inputs[i]) for i in range(info.ninputs)]

    @property
    def outputs(self):
        """What run() returns: a list of Tensor."""
        with self._use() as handle:
            info = _info(handle)
            return [_describe(info.outputs[i]) for i in range(info.noutputs)]

    def session(self, priority="normal"):
        """A Session of its own. More than "normal" needs CAP_SYS_NICE."""
        return Session(self, priority)

    def _own(self):
        with self._guard:
            if self._session is None:
                self._session = self.session()
            return self._session

    def run(self, *inputs, real=False):
        """As Session.run(), in a session that the model has."""
        return self._own().run(*inputs, real=real)

    def reset(self):
        """As Session.reset(), of that session."""
        self._own().reset()

    def close(self):
        super().close()     # first: from now on nobody makes a session
        with self._guard:
            session, self._session = self._session, None
        if session is not None:
            session.close()
