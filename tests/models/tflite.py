# SPDX-License-Identifier: MIT
"""Write TensorFlow Lite models: a flatbuffer writer and the parts of the
schema that the tests need. Plain Python, nothing to install."""

import struct

TYPES = {"float32": (0, "f", 4), "int32": (2, "i", 4), "uint8": (3, "B", 1),
         "int64": (4, "q", 8), "bool": (6, "?", 1), "int16": (7, "h", 2), "int8": (9, "b", 1),
         "resource": (13, "i", 4)}

OPERATORS = {"ADD": 0, "AVERAGE_POOL_2D": 1, "CONCATENATION": 2, "CONV_2D": 3,
             "DEPTHWISE_CONV_2D": 4, "DEPTH_TO_SPACE": 5, "DEQUANTIZE": 6, "FULLY_CONNECTED": 9,
             "L2_NORMALIZATION": 11, "LOGISTIC": 14, "MAX_POOL_2D": 17, "MUL": 18, "RELU": 19,
             "RELU_N1_TO_1": 20, "RELU6": 21, "RESHAPE": 22, "RESIZE_BILINEAR": 23, "SOFTMAX": 25,
             "SPACE_TO_DEPTH": 26, "SVDF": 27, "TANH": 28, "CUSTOM": 32, "PAD": 34, "GATHER": 36,
             "TRANSPOSE": 39, "MEAN": 40, "SUB": 41, "SQUEEZE": 43,
             "UNIDIRECTIONAL_SEQUENCE_LSTM": 44, "STRIDED_SLICE": 45, "SPLIT": 49,
             "LOG_SOFTMAX": 50, "PRELU": 54, "MAXIMUM": 55, "ARG_MAX": 56, "MINIMUM": 57,
             "PADV2": 60, "SLICE": 65, "TRANSPOSE_CONV": 67, "EXPAND_DIMS": 70, "SUM": 74,
             "RSQRT": 76, "REDUCE_MAX": 82, "PACK": 83, "UNPACK": 88, "FLOOR_DIV": 90,
             "RESIZE_NEAREST_NEIGHBOR": 97, "LEAKY_RELU": 98, "SQUARED_DIFFERENCE": 99,
             "MIRROR_PAD": 100, "ABS": 101, "SPLIT_V": 102, "CEIL": 104, "ELU": 111,
             "QUANTIZE": 114, "HARD_SWISH": 117, "WHILE": 119, "BATCH_MATMUL": 126,
             "CALL_ONCE": 129, "CONV_3D": 132, "VAR_HANDLE": 142, "READ_VARIABLE": 143,
             "ASSIGN_VARIABLE": 144}

ACTIVATIONS = {None: 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3, "TANH": 4}
PADDINGS = {"SAME": 0, "VALID": 1}
MIRRORS = {"REFLECT": 0, "SYMMETRIC": 1}


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
    """A model and its main graph; subgraph() makes further ones."""

    def __init__(self, description="made by tests/models/tflite.py", name="main", main=None):
        self.description, self.name = description, name
        # Graphs have these in common; buffer 0 is empty by convention.
        self.buffers = main.buffers if main else [Table()]
        self.codes = main.codes if main else []
        self.graphs = main.graphs if main else []
        self.signatures = main.signatures if main else []
        self.graphs.append(self)
        self.tensors, self.operators = [], []
        self.inputs, self.outputs = [], []

    def subgraph(self, name):
        return Model(name=name, main=self)

    def tensor(self, name, shape, type="int8", scale=None, zero_point=None, axis=0, data=None,
               variable=False, signature=None, sparse=False):
        """scale and zero_point are numbers or lists; data is a list of values; signature
        is the shape with -1 for what is not fixed."""
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
                                   5: ("?", True) if variable else None,
                                   6: Table() if sparse else None,
                                   7: Vector("i", signature) if signature else None}))
        return len(self.tensors) - 1

    def op(self, name, inputs, outputs, tag=0, options=None, custom=None, intermediates=None):
        code = OPERATORS[name]
        key = (code, custom)
        if key not in self.codes:
            self.codes.append(key)
        self.operators.append(Table({
            0: ("I", self.codes.index(key)), 1: Vector("i", inputs), 2: Vector("i", outputs),
            3: ("B", tag) if options is not None else None, 4: options,
            8: Vector("i", intermediates) if intermediates else None}))

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

    def transpose_conv(self, shape, w, x, b, y, padding="SAME", stride=(1, 1), act=None):
        self.op("TRANSPOSE_CONV", [shape, w, x] + ([] if b is None else [b]), [y], 49, Table({
            0: ("b", PADDINGS[padding]), 1: ("i", stride[1]), 2: ("i", stride[0]),
            3: ("b", ACTIVATIONS[act]) if act else None}))

    def fully_connected(self, x, w, b, y, act=None):
        self.op("FULLY_CONNECTED", [x, w, -1 if b is None else b], [y], 8,
                Table({0: ("b", ACTIVATIONS[act])}))

    def pool(self, name, x, y, size, stride, padding="VALID", act=None):
        self.op(name, [x], [y], 5, Table({
            0: ("b", PADDINGS[padding]), 1: ("i", stride[1]), 2: ("i", stride[0]),
            3: ("i", size[1]), 4: ("i", size[0]), 5: ("b", ACTIVATIONS[act])}))

    def add(self, a, b, y, act=None, pot_scale=None):
        self.op("ADD", [a, b], [y], 11, Table({
            0: ("b", ACTIVATIONS[act]), 1: None if pot_scale is None else ("?", pot_scale)}))

    def mul(self, a, b, y, act=None):
        self.op("MUL", [a, b], [y], 21, Table({0: ("b", ACTIVATIONS[act])}))

    def softmax(self, x, y, beta=1.0):
        self.op("SOFTMAX", [x], [y], 9, Table({0: ("f", beta)}))

    def log_softmax(self, x, y):
        self.op("LOG_SOFTMAX", [x], [y], 36, Table())

    def l2_normalization(self, x, y, act=None):
        self.op("L2_NORMALIZATION", [x], [y], 12, Table({0: ("b", ACTIVATIONS[act])}))

    def sub(self, a, b, y, act=None, pot_scale=None):
        self.op("SUB", [a, b], [y], 28, Table({
            0: ("b", ACTIVATIONS[act]), 1: None if pot_scale is None else ("?", pot_scale)}))

    def minimum(self, a, b, y):
        self.op("MINIMUM", [a, b], [y], 39, Table())

    def maximum(self, a, b, y):
        self.op("MAXIMUM", [a, b], [y], 39, Table())

    def squared_difference(self, a, b, y):
        self.op("SQUARED_DIFFERENCE", [a, b], [y], 76, Table())

    def leaky_relu(self, x, y, alpha):
        self.op("LEAKY_RELU", [x], [y], 75, Table({0: ("f", alpha)}))

    def hard_swish(self, x, y):
        self.op("HARD_SWISH", [x], [y], 91, Table())

    def batch_matmul(self, a, b, y, adj_x=False, adj_y=False):
        self.op("BATCH_MATMUL", [a, b], [y], 101, Table({0: ("?", adj_x), 1: ("?", adj_y)}))

    def reduce(self, name, x, axes, y, keep_dims=False):
        self.op(name, [x, axes], [y], 27, Table({0: ("?", keep_dims)}))

    def mean(self, x, axes, y, keep_dims=False):
        self.reduce("MEAN", x, axes, y, keep_dims)

    def arg_max(self, x, axis, y, type="int64"):
        self.op("ARG_MAX", [x, axis], [y], 40, Table({0: ("b", TYPES[type][0])}))

    def concatenation(self, xs, y, axis):
        self.op("CONCATENATION", xs, [y], 10, Table({0: ("i", axis), 1: ("b", 0)}))

    def split(self, axis, x, ys):
        self.op("SPLIT", [axis, x], ys, 35, Table({0: ("i", len(ys))}))

    def split_v(self, x, sizes, axis, ys):
        self.op("SPLIT_V", [x, sizes, axis], ys, 79, Table({0: ("i", len(ys))}))

    def pack(self, xs, y, axis):
        self.op("PACK", xs, [y], 59, Table({0: ("i", len(xs)), 1: ("i", axis)}))

    def unpack(self, x, ys, axis):
        self.op("UNPACK", [x], ys, 64, Table({0: ("i", len(ys)), 1: ("i", axis)}))

    def slice(self, x, begin, size, y):
        self.op("SLICE", [x, begin, size], [y], 48, Table())

    def strided_slice(self, x, begin, end, strides, y, begin_mask=0, end_mask=0, shrink_mask=0,
                      ellipsis_mask=0, new_axis_mask=0, offset=False):
        self.op("STRIDED_SLICE", [x, begin, end, strides], [y], 32, Table({
            0: ("i", begin_mask), 1: ("i", end_mask), 2: ("i", ellipsis_mask),
            3: ("i", new_axis_mask), 4: ("i", shrink_mask),
            5: ("?", True) if offset else None}))

    def transpose(self, x, perm, y):
        self.op("TRANSPOSE", [x, perm], [y], 26, Table())

    def space_to_depth(self, x, y, block):
        self.op("SPACE_TO_DEPTH", [x], [y], 19, Table({0: ("i", block)}))

    def depth_to_space(self, x, y, block):
        self.op("DEPTH_TO_SPACE", [x], [y], 94, Table({0: ("i", block)}))

    def squeeze(self, x, y, dims):
        self.op("SQUEEZE", [x], [y], 30, Table({0: Vector("i", dims)}))

    def expand_dims(self, x, axis, y):
        self.op("EXPAND_DIMS", [x, axis], [y], 52, Table())

    def gather(self, x, indices, y, axis=0, batch_dims=0):
        self.op("GATHER", [x, indices], [y], 23, Table({0: ("i", axis), 1: ("i", batch_dims)}))

    def mirror_pad(self, x, pads, y, mode):
        self.op("MIRROR_PAD", [x, pads], [y], 77, Table({0: ("b", MIRRORS[mode])}))

    def pad_v2(self, x, pads, value, y):
        self.op("PADV2", [x, pads, value], [y], 43, Table())

    def resize_nearest_neighbor(self, x, size, y, align_corners=False, half_pixel=False):
        self.op("RESIZE_NEAREST_NEIGHBOR", [x, size], [y], 74, Table({
            0: ("?", align_corners), 1: ("?", half_pixel)}))

    def resize_bilinear(self, x, size, y, align_corners=False, half_pixel=False):
        self.op("RESIZE_BILINEAR", [x, size], [y], 15, Table({
            2: ("?", align_corners), 3: ("?", half_pixel)}))

    def pad(self, x, pads, y):
        self.op("PAD", [x, pads], [y], 22, Table())

    def reshape(self, x, shape, y):
        new_shape = self.tensor("shape%d" % len(self.tensors), [len(shape)], "int32", data=shape)
        self.op("RESHAPE", [x, new_shape], [y], 17, Table({0: Vector("i", shape)}))

    def svdf(self, x, feature, time, b, state, y, rank, act="RELU"):
        self.op("SVDF", [x, feature, time, -1 if b is None else b, state], [y], 6,
                Table({0: ("i", rank), 1: ("b", ACTIVATIONS[act])}))

    def lstm(self, x, weights, recurrent, biases, hidden, cell, y, clip=0.0, time_major=False,
             peephole=(-1, -1, -1), projection=(-1, -1), norm=(-1, -1, -1, -1),
             intermediates=None, diagonal=False):
        """Gates are in the order input, forget, cell, output."""
        self.op("UNIDIRECTIONAL_SEQUENCE_LSTM",
                [x, *weights, *recurrent, *peephole, *biases, *projection, hidden, cell, *norm],
                [y], 71, Table({0: ("b", ACTIVATIONS["TANH"]), 1: ("f", clip), 2: ("f", 0.0),
                                3: ("?", time_major),
                                5: ("?", True) if diagonal else None}),
                intermediates=intermediates)

    def call_once(self, graph):
        self.op("CALL_ONCE", [], [], 103, Table({0: ("i", self.graphs.index(graph))}))

    def var_handle(self, container, shared_name):
        y = self.tensor("handle%d" % len(self.tensors), [], "resource")
        self.op("VAR_HANDLE", [], [y], 111, Table({0: container, 1: shared_name}))
        return y

    def read_variable(self, handle, y):
        self.op("READ_VARIABLE", [handle], [y], 112, Table())

    def assign_variable(self, handle, x):
        self.op("ASSIGN_VARIABLE", [handle, x], [], 113, Table())

    def signature(self, key, inputs, outputs):
        """Names of the graph's tensors, as name -> tensor."""
        def maps(names):
            return [Table({0: name, 1: ("I", at)}) for name, at in names.items()]
        self.signatures.append(Table({0: maps(inputs), 1: maps(outputs), 2: key,
                                      4: ("I", self.graphs.index(self))}))

    def serialise(self):
        codes = [Table({0: ("b", min(code, 127)), 1: custom, 2: ("i", 1), 3: ("i", code)})
                 for code, custom in self.codes]
        graphs = [Table({0: graph.tensors, 1: Vector("i", graph.inputs),
                         2: Vector("i", graph.outputs), 3: graph.operators, 4: graph.name})
                  for graph in self.graphs]
        return finish(Table({0: ("I", 3), 1: codes, 2: graphs, 3: self.description,
                             4: self.buffers, 7: self.signatures or None}))

    def save(self, path):
        with open(path, "wb") as f:
            f.write(self.serialise())
