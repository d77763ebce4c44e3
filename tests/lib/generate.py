#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write small random models, some per operator, and inputs for them:

    generate.py DIRECTORY [COUNT [SEED]]

NAME.tflite and NAME.in (raw inputs of some runs); bad_NAME.bad and
bad_NAME.want: a model to be refused, and what the message must have. Plain
Python."""

import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "models"))
import tflite  # noqa: E402

RUNS = 3


class Graph:
    """A model under construction, with random quantisation."""

    def __init__(self, rng):
        self.r = rng
        self.m = tflite.Model()
        self.types = {}
        self.count = 0

    def scale(self, around=0.05):
        return around * 2 ** self.r.uniform(-2, 2)

    def zero_point(self, low=-128, high=127):
        return self.r.choice([low, high, 0, self.r.randint(low, high), self.r.randint(low, high)])

    def act(self, shape, scale=None, zero_point=None, type="int8", name=None):
        """An activation; returns its index."""
        low, high = {"int8": (-128, 127), "uint8": (0, 255), "int16": (0, 0)}[type]
        scale = self.scale() if scale is None else scale
        zero_point = self.zero_point(low, high) if zero_point is None else zero_point
        self.count += 1
        at = self.m.tensor(name or "t%d" % self.count, shape, type, scale, zero_point)
        self.types[at] = (type, shape, scale, zero_point)
        return at

    def like(self, at, shape):
        return self.act(shape, self.types[at][2], self.types[at][3], self.types[at][0])

    def input(self, shape, **kwargs):
        at = self.act(shape, **kwargs)
        self.m.inputs.append(at)
        return at

    def weights(self, shape, channels=None, axis=0):
        """int8 weights; per channel along @axis if @channels; returns index and scales."""
        n = 1
        for d in shape:
            n *= d
        scales = [self.scale(0.02) for _ in range(channels or 1)]
        values = [self.r.choice([-127, 127, 0, self.r.randint(-127, 127),
                                 self.r.randint(-127, 127), self.r.randint(-127, 127)])
                  for _ in range(n)]
        self.count += 1
        return self.m.tensor("w%d" % self.count, shape, "int8", scales, axis=axis,
                             data=values), scales

    def bias(self, n):
        self.count += 1
        big = self.r.choice([100, 10000, 2 ** 31 - 1])
        return self.m.tensor("b%d" % self.count, [n], "int32", 1e-3,
                             data=[self.r.randint(-big, big) for _ in range(n)])

    def constant(self, values, type="int32", shape=None):
        self.count += 1
        return self.m.tensor("c%d" % self.count, shape or [len(values)], type, data=values)

    def fused(self):
        return self.r.choice([None, None, "RELU", "RELU6", "RELU_N1_TO_1"])


def window_out(padding, size, window, stride):
    if padding == "SAME":
        return -(-size // stride)
    return (size - window) // stride + 1


def conv(g, x, depthwise=False):
    """Append a convolution of random shape to activation @x; returns its output."""
    r = g.r
    _, shape, scale, _ = g.types[x]
    n, h, w, c = shape
    padding = r.choice(["SAME", "VALID"])
    for _ in range(100):
        k = [r.choice([1, 2, 3, 3, 5]), r.choice([1, 2, 3, 3, 4])]
        dilation = [r.choice([1, 1, 2, 3]), r.choice([1, 1, 2])]
        reach = [(k[i] - 1) * dilation[i] + 1 for i in range(2)]
        if padding == "SAME" or (reach[0] <= h and reach[1] <= w):
            break
    else:
        k, dilation, reach = [1, 1], [1, 1], [1, 1]
    stride = [r.choice([1, 1, 2, 3]), r.choice([1, 1, 2, 4])]
    oh = window_out(padding, h, reach[0], stride[0])
    ow = window_out(padding, w, reach[1], stride[1])
    if depthwise:
        multiplier = r.choice([1, 1, 1, 2, 3])
        o = c * multiplier
        shape, axis, terms = [1] + k + [o], 3, k[0] * k[1]
    else:
        groups = r.choice([d for d in range(1, c + 1) if c % d == 0]) if r.random() < 0.3 else 1
        o = groups * r.randint(1, 6)
        shape, axis, terms = [o] + k + [c // groups], 0, k[0] * k[1] * c // groups
    weights, scales = g.weights(shape, o if r.random() < 0.8 else None, axis)
    bias = g.bias(o) if r.random() < 0.8 else None
    y = g.act([n, oh, ow, o], scale * scales[0] * 60 * terms ** 0.5 * 2 ** r.uniform(-4, 2))
    if depthwise:
        g.m.depthwise_conv_2d(x, weights, bias, y, padding, stride, g.fused(), dilation,
                              multiplier)
    else:
        g.m.conv_2d(x, weights, bias, y, padding, stride, g.fused(), dilation)
    return y


def make_conv_2d(g):
    r = g.r
    return conv(g, g.input([r.randint(1, 3), r.randint(1, 9), r.randint(1, 9),
                            r.choice([1, 3, 4, 8, 12])]))


def make_depthwise_conv_2d(g):
    r = g.r
    return conv(g, g.input([r.randint(1, 2), r.randint(1, 9), r.randint(1, 9),
                            r.randint(1, 10)]), True)


def fully_connected(g, x):
    r = g.r
    _, shape, scale, _ = g.types[x]
    size = 1
    for d in shape[1:]:
        size *= d
    n = r.randint(1, 20)
    weights, scales = g.weights([n, size], n if r.random() < 0.4 else None)
    y = g.act([shape[0], n], scale * scales[0] * 60 * size ** 0.5 * 2 ** r.uniform(-4, 2))
    g.m.fully_connected(x, weights, g.bias(n) if r.random() < 0.8 else None, y, g.fused())
    return y


def make_fully_connected(g):
    r = g.r
    shape = r.choice([[r.randint(1, 4), r.randint(1, 70)],
                      [r.randint(1, 3), r.randint(1, 4), r.randint(1, 4), r.randint(1, 9)]])
    return fully_connected(g, g.input(shape))


def pool(g, x, name):
    r = g.r
    n, h, w, c = g.types[x][1]
    padding = r.choice(["SAME", "VALID"])
    k = [r.randint(1, min(4, h)), r.randint(1, min(5, w))]
    stride = [r.randint(1, 3), r.randint(1, 3)]
    y = g.like(x, [n, window_out(padding, h, k[0], stride[0]),
                   window_out(padding, w, k[1], stride[1]), c])
    g.m.pool(name, x, y, k, stride, padding, g.fused())
    return y


def pool_input(g):
    r = g.r
    return g.input([r.randint(1, 3), r.randint(1, 10), r.randint(1, 10), r.randint(1, 20)])


def make_max_pool_2d(g):
    return pool(g, pool_input(g), "MAX_POOL_2D")


def make_average_pool_2d(g):
    return pool(g, pool_input(g), "AVERAGE_POOL_2D")


def binary(g, name):
    r = g.r
    rank = r.randint(0, 5)
    out = [r.randint(1, 6) for _ in range(rank)]
    shapes = []
    for _ in range(2):
        s = [d if r.random() < 0.7 else 1 for d in out]
        if r.random() < 0.3:
            s = s[r.randint(0, rank):]
        shapes.append(s)
    rank = max(len(s) for s in shapes)
    pad = [[1] * (rank - len(s)) + s for s in shapes]
    out = [max(a, b) for a, b in zip(*pad)]
    a, b = g.input(shapes[0]), g.input(shapes[1])
    if name == "ADD":
        y = g.act(out, (g.types[a][2] + g.types[b][2]) * 2 ** r.uniform(-3, 1))
        g.m.add(a, b, y, g.fused())
    else:
        y = g.act(out, g.types[a][2] * g.types[b][2] * 64 * 2 ** r.uniform(-3, 2))
        g.m.mul(a, b, y, g.fused())
    return y


def make_add(g):
    return binary(g, "ADD")


def make_mul(g):
    return binary(g, "MUL")


def random_shape(g, rank_min=0, rank_max=5, most=7):
    return [g.r.randint(1, most) for _ in range(g.r.randint(rank_min, rank_max))]


def make_relu(g):
    x = g.input(random_shape(g))
    y = g.act(g.types[x][1], g.types[x][2] * 2 ** g.r.uniform(-2, 2))
    g.m.op("RELU", [x], [y])
    return y


def make_relu6(g):
    x = g.input(random_shape(g))
    y = g.like(x, g.types[x][1]) if g.r.random() < 0.5 else \
        g.act(g.types[x][1], g.types[x][2] * 2 ** g.r.uniform(-2, 2))
    g.m.op("RELU6", [x], [y])
    return y


def make_softmax(g):
    r = g.r
    shape = random_shape(g, 0, 3, 5) + [r.choice([1, 2, 10, 37, 300])]
    x = g.input(shape, scale=g.scale(r.choice([0.01, 0.1, 1.0])))
    y = g.act(shape, 1 / 256, -128)
    g.m.softmax(x, y, r.choice([1.0, 1.0, 0.5, 2.0]))
    return y


def make_mean(g):
    r = g.r
    shape = random_shape(g, 1, 5)
    x = g.input(shape)
    axes = [i for i in range(len(shape)) if r.random() < 0.5]
    keep = r.random() < 0.5
    out = [1 if i in axes else d for i, d in enumerate(shape) if keep or i not in axes]
    y = g.like(x, out) if r.random() < 0.4 else g.act(out, g.types[x][2] * 2 ** r.uniform(-2, 1))
    signed = [a - len(shape) if r.random() < 0.5 else a for a in axes]
    if axes:
        g.m.mean(x, g.constant(signed), y, keep)
    else:
        g.m.mean(x, g.constant([0]), g.like(x, [1] + shape[1:] if keep else shape[1:]), keep)
        y = len(g.m.tensors) - 1
    return y


def make_pad(g):
    r = g.r
    shape = random_shape(g, 1, 5, 5)
    x = g.input(shape)
    pads = [[r.randint(0, 3), r.randint(0, 3)] for _ in shape]
    flat = [v for p in pads for v in p]
    y = g.like(x, [d + p[0] + p[1] for d, p in zip(shape, pads)])
    g.m.pad(x, g.constant(flat, r.choice(["int32", "int64"]), [len(shape), 2]), y)
    return y


def make_reshape(g):
    r = g.r
    shape = random_shape(g, 1, 4)
    x = g.input(shape)
    size = 1
    for d in shape:
        size *= d
    y = g.like(x, [size])
    g.m.reshape(x, [size], y)
    if r.random() < 0.5:        # an intermediate one as well
        z = g.like(y, [1, size, 1])
        g.m.reshape(y, [1, size, 1], z)
        y = z
        if r.random() < 0.5:
            z = g.act([1, size, 1])
            g.m.add(y, y, z)
            y = g.like(z, [size])
            g.m.reshape(z, [size], y)
    return y


def make_quantize(g):
    r = g.r
    types = ["int8", "uint8", "int16"]
    x = g.input(random_shape(g), type=r.choice(types))
    kind = r.choice(types)
    ratio = 256 if g.types[x][0] == "int16" and kind != "int16" else 1
    y = g.act(g.types[x][1], g.types[x][2] * ratio * 2 ** r.uniform(-2, 2), type=kind)
    g.m.op("QUANTIZE", [x], [y])
    return y


def make_float(g):
    """float32 in, int8 inside, float32 out."""
    r = g.r
    shape = [1, r.randint(1, 6), r.randint(1, 6), r.randint(1, 4)]
    f = g.m.tensor("float_in", shape, "float32")
    g.types[f] = ("float32", shape, 1, 0)
    g.m.inputs.append(f)
    x = g.act(shape)
    g.m.op("QUANTIZE", [f], [x])
    y = conv(g, x) if r.random() < 0.7 else x
    out = g.m.tensor("float_out", g.types[y][1], "float32")
    g.types[out] = ("float32", g.types[y][1], 1, 0)
    g.m.op("DEQUANTIZE", [y], [out])
    return out


def make_network(g):
    """A chain with a branch, so that memory is used again."""
    r = g.r
    x = g.input([1, r.randint(4, 12), r.randint(4, 12), r.randint(1, 4)])
    for _ in range(r.randint(2, 5)):
        kind = r.choice(["conv", "depthwise", "max", "average", "residual", "pad"])
        n, h, w, c = g.types[x][1]
        if kind == "conv":
            x = conv(g, x)
        elif kind == "depthwise":
            x = conv(g, x, True)
        elif kind == "max":
            x = pool(g, x, "MAX_POOL_2D")
        elif kind == "average":
            x = pool(g, x, "AVERAGE_POOL_2D")
        elif kind == "pad":
            y = g.like(x, [n, h + 1, w + 2, c])
            g.m.pad(x, g.constant([0, 0, 1, 0, 1, 1, 0, 0], shape=[4, 2]), y)
            x = y
        else:
            weights, scales = g.weights([c, 1, 1, c], c)
            y = g.act([n, h, w, c], g.types[x][2] * scales[0] * 60 * c ** 0.5)
            g.m.conv_2d(x, weights, g.bias(c), y, "SAME", (1, 1), "RELU")
            z = g.act([n, h, w, c], g.types[x][2] + g.types[y][2])
            g.m.add(x, y, z)
            x = z
    y = fully_connected(g, x)
    z = g.act(g.types[y][1], 1 / 256, -128)
    g.m.softmax(y, z)
    g.m.outputs.append(y)       # an output that is read again
    return z


# ---- Models that must be refused, and a word that the message must have ----

def bad_models(r):
    def image(g, **kwargs):
        return g.input([1, 4, 4, 2], scale=0.1, zero_point=0, **kwargs)

    def unsupported(g):
        x = image(g)
        g.m.op("LOGISTIC", [x], [g.like(x, [1, 4, 4, 2])])
        return "operator 0, LOGISTIC"

    def newer_operator(g):
        x = image(g)
        g.m.op("CONV_3D", [x], [g.like(x, [1, 4, 4, 2])])
        return "operator 0, CONV_3D"

    def custom(g):
        x = image(g)
        g.m.op("CUSTOM", [x], [g.like(x, [1, 4, 4, 2])], custom="MyOperator")
        return "MyOperator"

    def float_inside(g):
        x = g.m.tensor("x", [1, 4, 4, 2], "float32")
        g.types[x] = ("float32", [1, 4, 4, 2], 1, 0)
        g.m.inputs.append(x)
        y = g.m.tensor("y", [1, 4, 4, 2], "float32")
        g.m.op("RELU", [x], [y])
        return "float32"

    def float_middle(g):
        x = image(g)
        f = g.m.tensor("middle", [1, 4, 4, 2], "float32")
        g.m.op("DEQUANTIZE", [x], [f])
        g.m.op("QUANTIZE", [f], [g.like(x, [1, 4, 4, 2])])
        return "middle"

    def shape(g):
        x = image(g)
        g.m.pool("MAX_POOL_2D", x, g.like(x, [1, 3, 2, 2]), (2, 2), (2, 2))
        return "dimension 1"

    def window(g):
        x = image(g)
        g.m.pool("MAX_POOL_2D", x, g.like(x, [1, 1, 1, 2]), (5, 5), (1, 1))
        return "window"

    def stride(g):
        x = image(g)
        g.m.pool("MAX_POOL_2D", x, g.like(x, [1, 1, 1, 2]), (2, 2), (0, 2))
        return "stride"

    def pool_scales(g):
        x = image(g)
        g.m.pool("AVERAGE_POOL_2D", x, g.act([1, 2, 2, 2], 0.5, 1), (2, 2), (2, 2))
        return "quantised alike"

    def no_scale(g):
        x = image(g)
        y = g.m.tensor("bare", [1, 4, 4, 2])
        g.m.op("RELU", [x], [y])
        return "bare"

    def scale_zero(g):
        x = image(g)
        g.m.op("RELU", [x], [g.act([1, 4, 4, 2], 0.0)])
        return "scale 0"

    def zero_point(g):
        x = image(g)
        g.m.op("RELU", [x], [g.act([1, 4, 4, 2], 0.1, 128)])
        return "zero point 128"

    def channels(g):
        x = image(g)
        w, _ = g.weights([3, 1, 1, 2], 2)
        g.m.conv_2d(x, w, None, g.act([1, 4, 4, 3]))
        return "2 scales"

    def activation(g):
        x = image(g)
        g.m.add(x, x, g.like(x, [1, 4, 4, 2]), "TANH")
        return "activation 4"

    def order(g):
        x = image(g)
        y = g.like(x, [1, 4, 4, 2])
        g.m.op("RELU", [y], [g.like(x, [1, 4, 4, 2])])
        return "before it is computed"

    def twice(g):
        x = image(g)
        y = g.like(x, [1, 4, 4, 2])
        g.m.op("RELU", [x], [y])
        g.m.op("RELU", [x], [y])
        return "has a value already"

    def options(g):
        x = image(g)
        g.m.op("SOFTMAX", [x], [g.act([1, 4, 4, 2], 1 / 256, -128)])
        return "options"

    def softmax(g):
        x = image(g)
        g.m.softmax(x, g.act([1, 4, 4, 2], 1 / 128, -128))
        return "1/256"

    def axis(g):
        x = image(g)
        g.m.mean(x, g.constant([4]), g.like(x, [1, 4, 4, 2]))
        return "axis 4"

    def dynamic(g):
        x = g.input([1, -1, 4, 2])
        g.m.op("RELU", [x], [g.like(x, [1, -1, 4, 2])])
        return "dimension 1"

    def rank(g):
        x = g.input([1] * 7)
        g.m.op("RELU", [x], [g.like(x, [1] * 7)])
        return "rank 7"

    def variable(g):
        x = image(g)
        v = g.m.tensor("state", [1, 4, 4, 2], scale=0.1, variable=True)
        g.m.add(x, v, g.like(x, [1, 4, 4, 2]))
        return "variable"

    def tensor_index(g):
        x = image(g)
        g.m.op("RELU", [x + 99], [g.like(x, [1, 4, 4, 2])])
        return "tensor 99"

    def data_size(g):
        x = image(g)
        w = g.m.tensor("w", [2, 1, 1, 2], scale=0.1, data=[1, 2, 3])
        g.m.conv_2d(x, w, None, g.act([1, 4, 4, 2]))
        return "bytes of data"

    def reshape(g):
        x = image(g)
        g.m.reshape(x, [33], g.like(x, [33]))
        return "RESHAPE"

    def many_inputs(g):
        for _ in range(31):
            x = image(g)
        g.m.op("RELU", [x], [g.like(x, [1, 4, 4, 2])])
        return "31 inputs"

    for name, make in sorted(locals().items()):
        if callable(make) and name not in ("image", "r"):
            g = Graph(random.Random(name))
            want = make(g)
            g.m.outputs.append(len(g.m.tensors) - 1)
            yield name, g, want


def inputs(g):
    out = b""
    for _ in range(RUNS):
        for at in g.m.inputs:
            type, shape, scale, zp = g.types[at]
            n = 1
            for d in shape:
                n *= d
            if type == "float32":
                values = [g.r.choice([0.0, -0.0, 1e30, -1e30, g.r.uniform(-8, 8),
                                      g.r.uniform(-8, 8), g.r.uniform(-1, 1)]) for _ in range(n)]
            else:
                bits = 16 if type == "int16" else 8
                low = 0 if type == "uint8" else -(1 << (bits - 1))
                high = low + (1 << bits) - 1
                values = [g.r.choice([low, high, g.r.randint(low, high), g.r.randint(low, high),
                                      g.r.randint(low, high)]) for _ in range(n)]
            out += struct.pack("<%d%s" % (n, tflite.TYPES[type][1]), *values)
    return out


def main():
    where = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    os.makedirs(where, exist_ok=True)
    kinds = sorted(k[5:] for k in globals() if k.startswith("make_"))
    for kind in kinds:
        for i in range(count):
            g = Graph(random.Random("%s %d %d" % (kind, seed, i)))
            g.m.outputs.append(globals()["make_" + kind](g))
            name = os.path.join(where, "%s_%02d" % (kind, i))
            g.m.save(name + ".tflite")
            with open(name + ".in", "wb") as f:
                f.write(inputs(g))
    for name, g, want in bad_models(random.Random(seed)):
        name = os.path.join(where, "bad_" + name)
        g.m.save(name + ".bad")
        with open(name + ".want", "w") as f:
            f.write(want)


if __name__ == "__main__":
    main()
