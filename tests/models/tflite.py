# SPDX-License-Identifier: MIT
"""Write TensorFlow Lite models: a flatbuffer writer and the parts of the
schema that the tests need. Plain Python, nothing to install."""

import struct

TYPES = {"float32": (0, "f", 4), "int32": (2, "i", 4), "uint8": (3, "B", 1),
         "int64": (4, "q", 8), "bool": (6, "?", 1), "int16": (7, "h", 2), "int8": (9, "b", 1)}

OPERATORS = {"ADD": 0, "AVERAGE_POOL_2D": 1, "CONCATENATION": 2, "CONV_2D": 3,
             "DEPTHWISE_CONV_2D": 4, "DEQUANTIZE": 6, "FULLY_CONNECTED": 9, "LOGISTIC": 14,
             "MAX_POOL_2D": 17, "MUL": 18, "RELU": 19, "RELU6": 21, "RESHAPE": 22,
             "SOFTMAX": 25, "CUSTOM": 32, "PAD": 34, "MEAN": 40, "QUANTIZE": 114,
             "CONV_3D": 132}

ACTIVATIONS = {None: 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3, "TANH": 4}
PADDINGS = {"SAME": 0, "VALID": 1}


# ---- Flatbuffers ----

class Table(dict):
    """Field number -> value. None is left out. Scalars are (format, value)."""


class Vector:
    def __init__(self, fmt, values, align=4):
        self.fmt, self.values, self.align = fmt, values, align


class Buffer:
    """Parents are written before their children, so offsets are positive."""

    def __init__(self):
        self.data = bytearray()

    def pad(self, align, ahead=0):
        while (len(self.data) + ahead) % align:
            self.data.append(0)

    def put(self, obj):
        if isinstance(obj, Table):
            return self.put_table(obj)
        if isinstance(obj, str):
            return self.put_vector(Vector("B", obj.encode()), b"\0")
        if isinstance(obj, list):
            return self.put_list(obj)
        return self.put_vector(obj)

    def put_vector(self, vector, end=b""):
        size = struct.calcsize("<" + vector.fmt)
        self.pad(max(vector.align, size, 4), 4)
        at = len(self.data)
        self.data += struct.pack("<I", len(vector.values))
        if vector.fmt == "B":
            self.data += bytes(vector.values)
        else:
            self.data += struct.pack("<%d%s" % (len(vector.values), vector.fmt), *vector.values)
        self.data += end
        return at

    def put_list(self, children):
        self.pad(4)
        at = len(self.data)
        self.data += struct.pack("<I", len(children)) + bytes(4 * len(children))
        for i, child in enumerate(children):
            self.patch(at + 4 + 4 * i, self.put(child))
        return at

    def put_table(self, table):
        fields = {k: v for k, v in table.items() if v is not None}
        offsets, size = {}, 4
        # Large fields first, so that there is little padding.
        for k in sorted(fields, key=lambda k: (-self.width(fields[k]), k)):
            width = self.width(fields[k])
            size = -(-size // width) * width
            offsets[k] = size
            size += width
        size = -(-size // 4) * 4
        count = max(fields) + 1 if fields else 0
        self.pad(8, 4 + 2 * count)
        vtable = len(self.data)
        self.data += struct.pack("<HH", 4 + 2 * count, size)
        for k in range(count):
            self.data += struct.pack("<H", offsets.get(k, 0))
        at = len(self.data)
        self.data += struct.pack("<i", at - vtable) + bytes(size - 4)
        for k, v in fields.items():
            if isinstance(v, tuple):
                struct.pack_into("<" + v[0], self.data, at + offsets[k], v[1])
        for k, v in fields.items():
            if not isinstance(v, tuple):
                self.patch(at + offsets[k], self.put(v))
        return at

    @staticmethod
    def width(value):
        return struct.calcsize("<" + value[0]) if isinstance(value, tuple) else 4

    def patch(self, where, target):
        struct.pack_into("<I", self.data, where, target - where)


def finish(root, identifier=b"TFL3"):
    buf = Buffer()
    buf.data += bytes(4) + identifier
    buf.patch(0, buf.put(root))
    buf.pad(16)
    return bytes(buf.data)


# ---- Models ----

class Model:
    def __init__(self, description="made by tests/models/tflite.py"):
        self.description = description
        self.buffers = [Table()]        # buffer 0 is empty by convention
        self.tensors, self.operators, self.codes = [], [], []
        self.inputs, self.outputs = [], []

    def tensor(self, name, shape, type="int8", scale=None, zero_point=None, axis=0, data=None,
               variable=False):
        """scale and zero_point are numbers or lists; data is a list of values."""
        code, fmt, _ = TYPES[type]
        buffer = 0
        if data is not None:
            raw = struct.pack("<%d%s" % (len(data), fmt), *data)
            buffer = len(self.buffers)
            self.buffers.append(Table({0: Vector("B", raw, 16)}))
        quant = None
        if scale is not None:
            scale = scale if isinstance(scale, (list, tuple)) else [scale]
            zero_point = 0 if zero_point is None else zero_point
            if not isinstance(zero_point, (list, tuple)):
                zero_point = [zero_point] * len(scale)
            quant = Table({2: Vector("f", scale), 3: Vector("q", zero_point),
                           6: ("i", axis) if axis else None})
        self.tensors.append(Table({0: Vector("i", list(shape)), 1: ("b", code),
                                   2: ("I", buffer), 3: name, 4: quant,
                                   5: ("?", True) if variable else None}))
        return len(self.tensors) - 1

    def op(self, name, inputs, outputs, tag=0, options=None, custom=None):
        code = OPERATORS[name]
        key = (code, custom)
        if key not in self.codes:
            self.codes.append(key)
        self.operators.append(Table({
            0: ("I", self.codes.index(key)), 1: Vector("i", inputs), 2: Vector("i", outputs),
            3: ("B", tag) if options is not None else None, 4: options}))

    # Options as in the schema; fields with their default value are left out.

    def conv_2d(self, x, w, b, y, padding="SAME", stride=(1, 1), act=None, dilation=(1, 1)):
        self.op("CONV_2D", [x, w] + ([] if b is None else [b]), [y], 1, Table({
            0: ("b", PADDINGS[padding]), 1: ("i", stride[1]), 2: ("i", stride[0]),
            3: ("b", ACTIVATIONS[act]), 4: ("i", dilation[1]), 5: ("i", dilation[0])}))

    def depthwise_conv_2d(self, x, w, b, y, padding="SAME", stride=(1, 1), act=None,
                          dilation=(1, 1), multiplier=1):
        self.op("DEPTHWISE_CONV_2D", [x, w] + ([] if b is None else [b]), [y], 2, Table({
            0: ("b", PADDINGS[padding]), 1: ("i", stride[1]), 2: ("i", stride[0]),
            3: ("i", multiplier), 4: ("b", ACTIVATIONS[act]), 5: ("i", dilation[1]),
            6: ("i", dilation[0])}))

    def fully_connected(self, x, w, b, y, act=None):
        self.op("FULLY_CONNECTED", [x, w, -1 if b is None else b], [y], 8,
                Table({0: ("b", ACTIVATIONS[act])}))

    def pool(self, name, x, y, size, stride, padding="VALID", act=None):
        self.op(name, [x], [y], 5, Table({
            0: ("b", PADDINGS[padding]), 1: ("i", stride[1]), 2: ("i", stride[0]),
            3: ("i", size[1]), 4: ("i", size[0]), 5: ("b", ACTIVATIONS[act])}))

    def add(self, a, b, y, act=None):
        self.op("ADD", [a, b], [y], 11, Table({0: ("b", ACTIVATIONS[act])}))

    def mul(self, a, b, y, act=None):
        self.op("MUL", [a, b], [y], 21, Table({0: ("b", ACTIVATIONS[act])}))

    def softmax(self, x, y, beta=1.0):
        self.op("SOFTMAX", [x], [y], 9, Table({0: ("f", beta)}))

    def mean(self, x, axes, y, keep_dims=False):
        self.op("MEAN", [x, axes], [y], 27, Table({0: ("?", keep_dims)}))

    def pad(self, x, pads, y):
        self.op("PAD", [x, pads], [y], 22, Table())

    def reshape(self, x, shape, y):
        new_shape = self.tensor("shape%d" % len(self.tensors), [len(shape)], "int32", data=shape)
        self.op("RESHAPE", [x, new_shape], [y], 17, Table({0: Vector("i", shape)}))

    def serialise(self):
        codes = [Table({0: ("b", min(code, 127)), 1: custom, 2: ("i", 1), 3: ("i", code)})
                 for code, custom in self.codes]
        subgraph = Table({0: self.tensors, 1: Vector("i", self.inputs),
                          2: Vector("i", self.outputs), 3: self.operators, 4: "main"})
        return finish(Table({0: ("I", 3), 1: codes, 2: [subgraph], 3: self.description,
                             4: self.buffers}))

    def save(self, path):
        with open(path, "wb") as f:
            f.write(self.serialise())
