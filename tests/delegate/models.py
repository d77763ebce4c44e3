#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write models for the delegate that are not the NPU's alone:

    models.py DIRECTORY

NAME.tflite, NAME.in (raw inputs of 2 runs) and NAME.want: partitions and nodes that
the NPU shall get, and nodes of the graph; none: it gets nothing. Plain Python."""

import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "models"))
import tflite  # noqa: E402

RUNS = 2
SHAPE = [1, 8, 8, 4]


class Graph:
    def __init__(self, name):
        self.r = random.Random(name)
        self.m = tflite.Model()
        self.sizes = []     # of inputs, in bytes

    def act(self, shape=None, type="int8", scale=0.05, zero_point=3):
        scale = None if type == "float32" else scale
        return self.m.tensor("t%d" % len(self.m.tensors), shape or SHAPE, type, scale, zero_point)

    def input(self, shape=None):
        x = self.act(shape)
        self.m.inputs.append(x)
        size = 1
        for d in shape or SHAPE:
            size *= d
        self.sizes.append(size)
        return x

    def conv(self, x):
        """1x1, so that shapes stay."""
        c = SHAPE[3]
        w = self.m.tensor("w%d" % len(self.m.tensors), [c, 1, 1, c], "int8", [0.01] * c,
                          data=[self.r.randint(-127, 127) for _ in range(c * c)])
        b = self.m.tensor("b%d" % len(self.m.tensors), [c], "int32", [0.05 * 0.01] * c,
                          data=[self.r.randint(-999, 999) for _ in range(c)])
        y = self.act()
        self.m.conv_2d(x, w, b, y)
        return y

    def op(self, name, x, type="int8", **kwargs):
        y = self.act(type=type, **kwargs)
        self.m.op(name, [x], [y])
        return y

    def inputs(self):
        return b"".join(struct.pack("<%db" % n, *(self.r.randint(-128, 127) for _ in range(n)))
                        for _ in range(RUNS) for n in self.sizes)


def model_float_between(g):
    """A LOGISTIC of float32 in the middle, which the NPU does not have."""
    x = g.conv(g.input())
    f = g.op("LOGISTIC", g.op("DEQUANTIZE", x, "float32"), "float32")
    g.m.outputs.append(g.conv(g.op("QUANTIZE", f, scale=1 / 256, zero_point=-128)))
    return 2, 4, 5


def model_float_edge(g):
    """Each node is a model to libnpu, all together are none: float32 in the middle."""
    x = g.op("QUANTIZE", g.op("DEQUANTIZE", g.conv(g.input()), "float32"))
    g.m.outputs.append(g.conv(x))
    return 2, 3, 4


def model_integer_between(g):
    """An int8 operator that libnpu does not have."""
    x = g.op("ABS", g.conv(g.input()))
    g.m.outputs.append(g.op("RELU", g.conv(x)))
    return 2, 3, 4


def model_many_outputs(g):
    """More inputs and outputs than a model may have, but not than a node."""
    x = g.input()
    for _ in range(40):
        g.m.outputs.append(g.op("RELU", x))
    return 1, 27, 40


def model_two_branches(g):
    """What the CPU computes is between two parts of the NPU that need each other."""
    x = g.conv(g.input())
    f = g.op("CEIL", g.op("DEQUANTIZE", x, "float32"), "float32")
    y = g.act(scale=0.1)
    g.m.add(g.op("RELU", x), g.op("QUANTIZE", f), y)
    g.m.outputs += [y, f]
    return 2, 5, 6


def model_no_input(g):
    """Nothing for the NPU."""
    x = g.input()
    f = g.op("DEQUANTIZE", x, "float32")
    g.m.outputs.append(g.op("CEIL", f, "float32"))
    return 1, 1, 2


def model_no_node(g):
    x = g.m.tensor("x", SHAPE, "float32")
    g.m.inputs.append(x)
    g.sizes.append(4 * 256)
    g.m.outputs.append(g.op("CEIL", x, "float32"))
    return 0, 0, 1


def model_unknown_shape(g):
    """A shape that is an input: TensorFlow Lite takes no delegate of fixed shapes."""
    x = g.conv(g.input())
    shape = g.m.tensor("shape", [2], "int32")
    g.m.inputs.append(shape)
    y = g.act([1, 256])
    g.m.op("RESHAPE", [x, shape], [y], 17, tflite.Table())
    g.m.outputs.append(y)
    g.sizes.append(0)
    return None


def model_variable(g):
    """A sum over the runs, in a variable that stays on the CPU."""
    init = g.m.subgraph("init")
    zeros = init.tensor("zeros", SHAPE, "int8", 0.05, 3, data=[3] * 256)
    init.assign_variable(init.var_handle("", "sum"), zeros)
    g.m.call_once(init)
    handle, old, new = g.m.var_handle("", "sum"), g.act(), g.act()
    g.m.read_variable(handle, old)
    g.m.add(g.conv(g.input()), old, new)
    g.m.assign_variable(handle, new)
    g.m.outputs.append(new)
    return 1, 2, 6


def model_shared_state(g):
    """Two SVDF with one state: both stay where it is."""
    x = g.input([1, 4])
    state = g.m.tensor("state", [1, 6], "int16", 0.001, variable=True)
    for i in range(2):
        feature = g.m.tensor("f%d" % i, [2, 4], "int8", 0.01,
                             data=[g.r.randint(-127, 127) for _ in range(8)])
        time = g.m.tensor("time%d" % i, [2, 3], "int16", 0.001,
                          data=[g.r.randint(-999, 999) for _ in range(6)])
        bias = g.m.tensor("bias%d" % i, [2], "int32", 0.000001, data=[100, -100])
        y = g.act([1, 2])
        g.m.svdf(x, feature, time, bias, state, y, 1)
        g.m.outputs.append(y)
    return 0, 0, 2


def main():
    where = sys.argv[1]
    os.makedirs(where, exist_ok=True)
    for name in sorted(k[6:] for k in globals() if k.startswith("model_")):
        g = Graph(name)
        want = globals()["model_" + name](g)
        path = os.path.join(where, name)
        g.m.save(path + ".tflite")
        with open(path + ".in", "wb") as f:
            f.write(g.inputs())
        if want:
            with open(path + ".want", "w") as f:
                f.write("%d %d %d\n" % want)


if __name__ == "__main__":
    main()
