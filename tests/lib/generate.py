#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write small random models, some per operator, and inputs for them:

    generate.py DIRECTORY [COUNT [SEED]]

NAME.tflite and NAME.in (raw inputs of some runs), tflite_NAME for the numerics
of TensorFlow Lite; bad_NAME.bad and bad_NAME.want: a model to be refused, and
what the message must have. Plain Python."""

import math
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "models"))
import tflite  # noqa: E402

RUNS = 3

# Kinds of models that are made with activations of other types than int8 as well.
OTHER_TYPES = {
    "int16": ["conv_2d", "depthwise_conv_2d", "fully_connected", "transpose_conv", "batch_matmul",
              "add", "sub", "mul", "squared_difference", "minimum", "maximum", "max_pool_2d",
              "average_pool_2d", "relu", "relu6", "relu_n1_to_1", "leaky_relu", "logistic", "tanh",
              "softmax", "mean", "sum", "reduce_max", "pad", "reshape", "concatenation",
              "resize_bilinear", "moves", "float", "network", "lstm", "variables"],
    "uint8": ["conv_2d", "depthwise_conv_2d", "fully_connected", "max_pool_2d", "average_pool_2d",
              "add", "mul", "softmax", "reshape", "concatenation", "network"],
}

# Kinds and types that are made for the numerics of TensorFlow Lite as well.
TFLITE = [("conv_2d", "int16"), ("depthwise_conv_2d", "int16"), ("fully_connected", "int16"),
          ("transpose_conv", "int16"), ("logistic", "int8"), ("tanh", "int8"),
          ("mul", "int8"), ("mul", "int16"), ("network", "int8"), ("network", "int16")]


class Graph:
    """A model under construction, with random quantisation."""

    def __init__(self, rng, type="int8", numerics="tflm"):
        self.r = rng
        self.m = tflite.Model()
        self.type, self.numerics = type, numerics
        self.types = {}
        self.count = 0
        self.runs = RUNS
        # With scales that are powers of 2 many results are ties.
        self.exact = type != "int8" and rng.random() < 0.15
        # How much larger numbers of 16 bits are.
        self.unit = 256 if type == "int16" else 1

    def scale(self, around=0.05):
        return around * 2 ** self.r.uniform(-2, 2)

    def rounded(self, scale):
        return 2.0 ** round(math.log2(scale)) if self.exact and scale else scale

    def sum_scale(self, unit, terms, low, high):
        """For sums of @terms products of weights, of that unit."""
        if self.type == "int16" and self.r.random() < 0.1:
            # A multiplier that does not round to 16 bits
            return unit * 64 * 2 ** round(math.log2(terms) / 2) * (1 + 2 ** -20)
        return unit * 60 * terms ** 0.5 * 2 ** self.r.uniform(low, high)

    def zero_point(self, type="int8"):
        low, high = range_of(type) if type in ("int8", "uint8") else (0, 0)
        return self.r.choice([low, high, 0, self.r.randint(low, high), self.r.randint(low, high)])

    def values(self, n, low, high, *edges):
        return [self.r.choice([low, high, *edges] + [self.r.randint(low, high) for _ in range(3)])
                for _ in range(n)]

    def act(self, shape, scale=None, zero_point=None, type=None, name=None, bare=False):
        """An activation; @bare: without quantisation. Returns its index."""
        type = type or self.type
        if scale is None and not bare:
            scale = self.scale(0.05 / (128 if type == "int16" == self.type else 1))
        scale = self.rounded(scale)
        zero_point = self.zero_point(type) if zero_point is None else zero_point
        self.count += 1
        at = self.m.tensor(name or "t%d" % self.count, shape, type, scale, zero_point)
        self.types[at] = (type, shape, scale, zero_point)
        return at

    def like(self, at, shape):
        type, _, scale, zero_point = self.types[at]
        return self.act(shape, scale, zero_point, type, bare=scale is None)

    def input(self, shape, **kwargs):
        at = self.act(shape, **kwargs)
        self.m.inputs.append(at)
        return at

    def weights(self, shape, channels=None, axis=0):
        """Weights; per channel along @axis if @channels; returns index and scales."""
        n = product(shape)
        scales = [self.rounded(self.scale(0.02)) for _ in range(channels or 1)]
        type, low, high, zero_point = "int8", -127, 127, 0
        if self.type == "uint8":
            type, low, high, zero_point = "uint8", 0, 255, self.zero_point("uint8")
        values = self.values(n, low, high, zero_point)
        self.count += 1
        return self.m.tensor("w%d" % self.count, shape, type, scales, zero_point, axis=axis,
                             data=values), scales

    def bias(self, n, scale, share=0.8, narrow=True):
        """In that share of all cases; of input and weights; @narrow: int32 is possible."""
        # Without one the numerics make a difference.
        if self.r.random() >= (share if self.numerics == "tflm" else 0.3):
            return None
        self.count += 1
        most, type = [100, 10000, 2 ** 31 - 1], "int32"
        if self.type == "int16" and (not narrow or self.r.random() < 0.6):
            # With the largest of them results wrap.
            most, type = most + [10 ** 6, 2 ** 46], "int64"
        big = self.r.choice(most)
        return self.m.tensor("b%d" % self.count, [n], type, scale,
                             data=[self.r.randint(-big, big) for _ in range(n)])

    def fixed(self, shape, scale=None):
        """A constant that could as well be an activation."""
        scale = self.rounded(self.scale() if scale is None else scale)
        zero_point = self.zero_point(self.type)
        values = self.values(product(shape), *range_of(self.type), zero_point)
        self.count += 1
        at = self.m.tensor("c%d" % self.count, shape, self.type, scale, zero_point, data=values)
        self.types[at] = (self.type, shape, scale, zero_point)
        return at

    def constant(self, values, type="int32", shape=None):
        self.count += 1
        shape = [len(values)] if shape is None else shape
        return self.m.tensor("c%d" % self.count, shape, type, data=values)

    def fused(self):
        return self.r.choice([None, None, "RELU", "RELU6", "RELU_N1_TO_1"])

    def outputs(self, made):
        """Several outputs, not always all of them; returns the last."""
        self.m.outputs += [at for at in made[:-1] if self.r.random() < 0.9]
        return made[-1]


def product(shape):
    n = 1
    for d in shape:
        n *= d
    return n


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
    per_channel = g.type != "uint8" and r.random() < 0.8
    weights, scales = g.weights(shape, o if per_channel else None, axis)
    bias = g.bias(o, [scale * s for s in scales])
    y = g.act([n, oh, ow, o], g.sum_scale(scale * scales[0], terms, -4, 2))
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


def transpose_conv(g, x):
    r = g.r
    _, (n, h, w, c), scale, _ = g.types[x]
    padding = r.choice(["SAME", "VALID"])
    k = [r.choice([1, 2, 3, 3, 4, 5]), r.choice([1, 2, 3, 3, 4, 5])]
    stride = [r.choice([1, 2, 3, r.randint(1, 9)]), r.choice([1, 2, 3, r.randint(1, 9)])]
    # Some sizes of the output have the same size of the input.
    least = [1, 1] if padding == "SAME" else k
    size = [(d - 1) * s + m + r.randrange(s) for d, s, m in zip([h, w], stride, least)]
    o = r.choice([1, 2, 3, 5, 8, 16])
    weights, scales = g.weights([o] + k + [c], o if r.random() < 0.6 else None)
    bias = g.bias(o, [scale * s for s in scales], 0.6, narrow=False)
    terms = -(-k[0] // stride[0]) * -(-k[1] // stride[1]) * c
    y = g.act([n] + size + [o], g.sum_scale(scale * scales[0], terms, 0, 3))
    g.m.transpose_conv(g.constant([n] + size + [o]), weights, x, bias, y, padding, stride)
    return y


def make_transpose_conv(g):
    r = g.r
    return transpose_conv(g, g.input([r.randint(1, 3), r.randint(1, 6), r.randint(1, 6),
                                      r.choice([1, 2, 3, 4, 8, 12])]))


def fully_connected(g, x):
    r = g.r
    _, shape, scale, _ = g.types[x]
    size = product(shape[1:])
    n = r.randint(1, 20)
    per_channel = g.type != "uint8" and r.random() < 0.4
    weights, scales = g.weights([n, size], n if per_channel else None)
    y = g.act([shape[0], n], g.sum_scale(scale * scales[0], size, -4, 2))
    bias = g.bias(n, [scale * s for s in scales])
    g.m.fully_connected(x, weights, bias, y, g.fused())
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


def many(g):
    """Whether there are many numbers: the last bit of a factor is seen in few of them."""
    return g.type == "int16" and g.r.random() < 0.3


def broadcast_shapes(g):
    """Shapes of two operands and of what they make together."""
    r = g.r
    if many(g):
        return [[3000], [3000]], [3000]
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
    return shapes, [max(a, b) for a, b in zip(*pad)]


def binary(g, name):
    r = g.r
    shapes, out = broadcast_shapes(g)
    a, b = g.input(shapes[0]), g.input(shapes[1])
    if name == "MUL":
        y = g.act(out, g.types[a][2] * g.types[b][2] * 64 * g.unit * 2 ** r.uniform(-3, 2))
        g.m.mul(a, b, y, g.fused())
    else:
        y = g.act(out, (g.types[a][2] + g.types[b][2]) * 2 ** r.uniform(-3, 1))
        pot_scale = r.choice([None, False]) if g.type == "int16" else None
        (g.m.add if name == "ADD" else g.m.sub)(a, b, y, g.fused(), pot_scale)
    return y


def make_add(g):
    return binary(g, "ADD")


def make_sub(g):
    return binary(g, "SUB")


def make_mul(g):
    return binary(g, "MUL")


def extreme(g, append):
    shapes, out = broadcast_shapes(g)
    a = g.input(shapes[0])
    b = g.like(a, shapes[1])
    g.m.inputs.append(b)
    y = g.like(a, out)
    append(a, b, y)
    return y


def make_minimum(g):
    return extreme(g, g.m.minimum)


def make_maximum(g):
    return extreme(g, g.m.maximum)


def make_squared_difference(g):
    shapes, out = broadcast_shapes(g)
    a, b = g.input(shapes[0]), g.input(shapes[1])
    most = max(g.types[a][2], g.types[b][2])
    y = g.act(out, most * most * 60 * g.unit * 2 ** g.r.uniform(-2, 3),
              g.r.choice([-128, -128, g.zero_point()]) if g.type == "int8" else None)
    g.m.squared_difference(a, b, y)
    return y


def random_shape(g, rank_min=0, rank_max=5, most=7):
    return [g.r.randint(1, most) for _ in range(g.r.randint(rank_min, rank_max))]


def make_relu(g):
    x = g.input([3000] if many(g) else random_shape(g))
    y = g.act(g.types[x][1], g.types[x][2] * 2 ** g.r.uniform(-2, 2))
    g.m.op("RELU", [x], [y])
    return y


def make_relu6(g):
    x = g.input([3000] if many(g) else random_shape(g))
    y = g.like(x, g.types[x][1]) if g.r.random() < 0.5 else \
        g.act(g.types[x][1], g.types[x][2] * 2 ** g.r.uniform(-2, 2))
    g.m.op("RELU6", [x], [y])
    return y


def make_relu_n1_to_1(g):
    x = g.input([3000] if many(g) else random_shape(g))
    y = g.act(g.types[x][1], g.types[x][2] * 2 ** g.r.uniform(-2, 2))
    g.m.op("RELU_N1_TO_1", [x], [y])
    return y


def make_prelu(g):
    r = g.r
    shape = random_shape(g)
    x = g.input(shape)
    slopes = [d if r.random() < 0.6 else 1 for d in shape][r.randint(0, 2):]
    scale = g.scale(0.01)
    if r.random() < 0.7:
        alpha = g.fixed(slopes, scale)
    else:
        alpha = g.input(slopes, scale=scale)
    y = g.act(shape, g.types[x][2] * 2 ** r.uniform(-1, 1))
    g.m.op("PRELU", [x, alpha], [y])
    return y


def make_leaky_relu(g):
    x = g.input([3000] if many(g) else random_shape(g))
    y = g.act(g.types[x][1], g.types[x][2] * 2 ** g.r.uniform(-2, 2))
    g.m.leaky_relu(x, y, g.r.choice([0.0, 0.01, 0.1, 0.2, 0.3, 1.0, g.r.uniform(0, 2)]))
    return y


def sigmoid_input(g):
    """Also slopes so steep or so flat that few results are left."""
    r = g.r
    if g.type == "int16":       # up to 0.07 % off counts as a power of 2
        scales = [g.scale(3e-4), g.scale(3e-4), g.scale(3e-5), g.scale(0.01), 2 ** -13, 2 ** -12,
                  2 ** -11, 2 ** -10, 2 ** -12 * (1 + r.uniform(-1e-3, 1e-3)), 1 / 12288, 5.0]
    else:
        scales = [g.scale(0.03), g.scale(0.03), g.scale(0.1), g.scale(0.5), g.scale(0.001),
                  g.scale(8), 2 ** -5, 1 / 12, 16.0]
    return g.input(random_shape(g, 0, 2, 4) + [r.choice([1, 50, 256])], scale=r.choice(scales))


def make_logistic(g):
    x = sigmoid_input(g)
    y = g.act(g.types[x][1], *((1 / 32768, 0) if g.type == "int16" else (1 / 256, -128)))
    g.m.op("LOGISTIC", [x], [y])
    return y


def make_tanh(g):
    x = sigmoid_input(g)
    y = g.act(g.types[x][1], 1 / 32768 if g.type == "int16" else 1 / 128, 0)
    g.m.op("TANH", [x], [y])
    return y


def make_elu(g):
    x = g.input(random_shape(g, 0, 2, 4) + [g.r.choice([1, 50, 256])])
    y = g.act(g.types[x][1], g.types[x][2] * 2 ** g.r.uniform(-2, 2))
    g.m.op("ELU", [x], [y])
    return y


def make_hard_swish(g):
    x = g.input(random_shape(g, 0, 2, 4) + [g.r.choice([1, 50, 256])],
                scale=g.scale(g.r.choice([0.002, 0.03, 0.03, 0.05, 0.4])))
    y = g.act(g.types[x][1],
              g.types[x][2] * 2 ** g.r.choice([g.r.uniform(-2, 2), g.r.uniform(-6, 5)]))
    g.m.hard_swish(x, y)
    return y


def make_rsqrt(g):
    x = g.input(random_shape(g, 0, 2, 4) + [g.r.choice([1, 50, 256])],
                zero_point=g.r.choice([-128, -128, -128, g.zero_point()]))
    y = g.act(g.types[x][1], g.types[x][2] ** -0.5 / 150 * 2 ** g.r.uniform(-2, 2),
              g.r.choice([-128, g.zero_point()]))
    g.m.op("RSQRT", [x], [y])
    return y


def softmax(g, x, beta=1.0):
    scale, zero_point = {"int8": (1 / 256, -128), "uint8": (1 / 256, 0),
                         "int16": (1 / 32768, 0)}[g.type]
    y = g.act(g.types[x][1], scale, zero_point)
    g.m.softmax(x, y, beta)
    return y


def make_softmax(g):
    r = g.r
    shape = random_shape(g, 0, 3, 5) + [r.choice([1, 2, 10, 37, 300])]
    x = g.input(shape, scale=g.scale(r.choice([0.01, 0.1, 1.0]) / g.unit))
    return softmax(g, x, r.choice([1.0, 1.0, 0.5, 2.0]))


def make_log_softmax(g):
    shape = random_shape(g, 0, 3, 5) + [g.r.choice([1, 2, 10, 37, 300])]
    x = g.input(shape, scale=g.scale(g.r.choice([0.001, 0.01, 0.1, 1.0])))
    y = g.act(shape, 1 / 16, 127)
    g.m.log_softmax(x, y)
    return y


def make_l2_normalization(g):
    r = g.r
    shape = random_shape(g, 0, 3, 5) + [r.choice([1, 2, 3, 10, 37, 300])]
    x = g.input(shape)
    _, _, scale, zero_point = g.types[x]
    if r.random() < 0.3:        # of nearly nothing
        for name, edge in (("MINIMUM", zero_point + r.randint(0, 2)),
                           ("MAXIMUM", zero_point - r.randint(0, 2))):
            z = g.like(x, shape)
            edge = g.m.tensor(name, [1], "int8", scale, zero_point,
                              data=[max(-128, min(127, edge))])
            (g.m.minimum if name == "MINIMUM" else g.m.maximum)(x, edge, z)
            x = z
    y = g.act(shape, 1 / 128, 0)
    g.m.l2_normalization(x, y)
    return y


def reduction(g):
    """Input, axes, shape of the output, keep_dims of a reduction."""
    r = g.r
    shape = random_shape(g, 1, 5)
    x = g.input(shape)
    axes = [i for i in range(len(shape)) if r.random() < 0.5]
    keep = r.random() < 0.5
    out = [1 if i in axes else d for i, d in enumerate(shape) if keep or i not in axes]
    signed = [a - len(shape) if r.random() < 0.5 else a for a in axes]
    return x, axes, signed, out, keep


def make_mean(g):
    r = g.r
    x, axes, signed, out, keep = reduction(g)
    shape = g.types[x][1]
    y = g.like(x, out) if r.random() < 0.4 else g.act(out, g.types[x][2] * 2 ** r.uniform(-2, 1))
    if axes:
        g.m.mean(x, g.constant(signed), y, keep)
    else:
        g.m.mean(x, g.constant([0]), g.like(x, [1] + shape[1:] if keep else shape[1:]), keep)
        y = len(g.m.tensors) - 1
    return y


def make_sum(g):
    r = g.r
    x, axes, signed, out, keep = reduction(g)
    shape = g.types[x][1]
    if not axes:
        axes, signed, out = [0], [0], [1] + shape[1:] if keep else shape[1:]
    n = product([shape[a] for a in axes])
    y = g.like(x, out) if r.random() < 0.2 else \
        g.act(out, g.types[x][2] * r.choice([n, n ** 0.5]) * 2 ** r.uniform(-1, 2))
    g.m.reduce("SUM", x, g.constant(signed), y, keep)
    return y


def make_reduce_max(g):
    x, axes, signed, out, keep = reduction(g)
    if not axes:
        shape = g.types[x][1]
        signed, out = [-1], shape[:-1] + [1] if keep else shape[:-1]
    y = g.like(x, out)
    g.m.reduce("REDUCE_MAX", x, g.constant(signed), y, keep)
    return y


def make_arg_max(g):
    r = g.r
    shape = random_shape(g, 0, 4, 4)
    axis = r.randint(0, len(shape))
    whole = shape[:axis] + [r.choice([1, 2, 5, 17, 40, 300])] + shape[axis:]
    x = g.input(whole, type=r.choice(["int8", "int8", "int8", "uint8"]))
    type, _, scale, zero_point = g.types[x]
    if type == "int8" and r.random() < 0.4:     # many maxima
        most = g.m.tensor("most", [1], type, scale, zero_point,
                          data=[r.choice([-128, r.randint(-128, 100)])])
        y = g.like(x, whole)
        g.m.minimum(x, most, y)
        x = y
    signed = g.constant([signed_axis(g, axis, len(whole))], r.choice(["int32", "int64"]),
                        r.choice([[], [1]]))
    type = r.choice(["int32", "int64"])
    y = g.act(shape, type=type, bare=True)
    g.m.arg_max(x, signed, y, type)
    return y


def make_batch_matmul(g):
    r = g.r
    ranks = [r.randint(2, 5), r.randint(2, 5)]
    if r.random() < 0.5:
        ranks[1] = ranks[0]
    outer = [r.randint(1, 3) for _ in range(max(ranks) - 2)]
    m, k, n = r.randint(1, 8), r.choice([1, 3, 16, 40]), r.choice([1, 4, 7, 20])
    shapes = []
    for rank in ranks:
        s = [d if r.random() < 0.7 else 1 for d in outer]
        shapes.append(s[len(s) - (rank - 2):])
    pad = [[1] * (len(outer) - len(s)) + s for s in shapes]
    out = [max(a, b) for a, b in zip(*pad)]
    adj_x, adj_y = r.random() < 0.4, r.random() < 0.4
    a = g.input(shapes[0] + ([k, m] if adj_x else [m, k]))
    shape = shapes[1] + ([n, k] if adj_y else [k, n])
    b = g.fixed(shape) if r.random() < 0.4 else g.input(shape)
    y = g.act(out + [m, n], g.types[a][2] * g.types[b][2] * 80 * g.unit * k ** 0.5 *
              2 ** r.uniform(-1, 2))
    g.m.batch_matmul(a, b, y, adj_x, adj_y)
    return y


# ---- Operators that move data: of activation @x, return the output ----

def movable(g, shape):
    """An input of any type that can be moved."""
    type = g.type
    if type == "int8":
        type = g.r.choice(["int8", "int8", "int8", "uint8", "int16", "int32"])
    return g.input(shape, type=type, bare=type == "int32" and g.r.random() < 0.5)


def signed_axis(g, axis, rank):
    return axis - rank if g.r.random() < 0.4 else axis


def parts(g, size, most=5):
    """@size as a sum of random numbers."""
    cuts = sorted(g.r.sample(range(1, size), g.r.randint(0, min(most, size) - 1)))
    return [b - a for a, b in zip([0] + cuts, cuts + [size])]


def split(g, x, kind):
    r = g.r
    shape = g.types[x][1]
    axis = r.randrange(len(shape))
    signed = g.constant([signed_axis(g, axis, len(shape))], shape=r.choice([[], [1]]))
    size = shape[axis]
    if kind == "SPLIT":
        n = r.choice([d for d in range(1, min(size, 12) + 1) if size % d == 0])
        sizes = [size // n] * n
    else:
        sizes = parts(g, size)
    ys = [g.like(x, shape[:axis] + [d] + shape[axis + 1:]) for d in sizes]
    if kind == "SPLIT":
        g.m.split(signed, x, ys)
    else:
        if r.random() < 0.3:
            sizes[r.randrange(len(sizes))] = -1
        g.m.split_v(x, g.constant(sizes), signed, ys)
    return ys


def make_split(g):
    return g.outputs(split(g, movable(g, random_shape(g, 1, 5, 8)), "SPLIT"))


def make_split_v(g):
    return g.outputs(split(g, movable(g, random_shape(g, 1, 5, 8)), "SPLIT_V"))


def concatenation(g, xs, axis):
    shape = g.types[xs[0]][1]
    size = sum(g.types[x][1][axis] for x in xs)
    y = g.like(xs[0], shape[:axis] + [size] + shape[axis + 1:])
    g.m.concatenation(xs, y, signed_axis(g, axis, len(shape)))
    return y


def make_concatenation(g):
    r = g.r
    shape = random_shape(g, 1, 5, 5)
    axis = r.randrange(len(shape))
    xs = [g.input(shape)]
    for _ in range(r.randint(1, 4)):
        kind = r.random()
        part = shape[:axis] + [r.randint(1, 6)] + shape[axis + 1:]
        if kind < 0.1:          # the same twice
            xs.append(xs[0])
            continue
        x = g.like(xs[0], part)
        if g.type == "uint8" and kind < 0.6:        # rescaled
            scale, zero_point = g.types[x][2:]
            x = g.act(part, r.choice([scale, scale * 2 ** r.uniform(-2, 2)]),
                      r.choice([zero_point, None]))
        if kind < 0.3:          # not an input of the graph
            z = g.input(part)
            if g.type == "uint8":
                g.m.add(z, z, x)
            else:
                g.m.op("RELU", [z], [x])
        else:
            g.m.inputs.append(x)
        xs.append(x)
    return concatenation(g, xs, axis)


def slice_(g, x):
    r = g.r
    shape = g.types[x][1]
    begin, size, out = [], [], []
    for d in shape:
        b = r.randrange(d) if r.random() < 0.6 else 0
        n = r.randint(1, d - b)
        n = r.choice([n, d - b])
        begin.append(b)
        out.append(n)
        size.append(-1 if n == d - b and r.random() < 0.5 else n)
    type = r.choice(["int32", "int64"])
    y = g.like(x, out)
    g.m.slice(x, g.constant(begin, type), g.constant(size, type), y)
    return y


def make_slice(g):
    return slice_(g, movable(g, random_shape(g, 1, 5)))


def strided_slice(g, x):
    r = g.r
    shape = g.types[x][1]
    rank = len(shape)
    begin_mask = sum(1 << i for i in range(rank) if r.random() < 0.2)
    end_mask = sum(1 << i for i in range(rank) if r.random() < 0.2)
    shrink = sum(1 << i for i in range(rank) if r.random() < 0.15)
    begin, end, strides, out = [], [], [], []
    for i, d in enumerate(shape):
        while True:             # until something is left
            b, e = r.randint(-d - 1, d + 1), r.randint(-d - 1, d + 1)
            step = r.choice([1, 1, 1, 2, 3, -1, -2])
            if shrink >> i & 1:
                begin_mask &= ~(1 << i)
                b, e, step = r.randint(-d, d - 1), 0, 1
                e = b + 1
            taken = list(range(d))[slice(None if begin_mask >> i & 1 else b,
                                         None if end_mask >> i & 1 else e, step)]
            if shrink >> i & 1:
                break
            if taken:
                out.append(len(taken))
                break
        begin.append(b)
        end.append(e)
        strides.append(step)
    y = g.like(x, out)
    g.m.strided_slice(x, g.constant(begin), g.constant(end), g.constant(strides), y, begin_mask,
                      end_mask, shrink)
    return y


def make_strided_slice(g):
    return strided_slice(g, movable(g, random_shape(g, 1, 4)))


def make_pack(g):
    r = g.r
    shape = random_shape(g, 0, 4, 5)
    xs = [movable(g, shape)]
    for _ in range(r.randint(0, 4)):
        xs.append(g.like(xs[0], shape))
        g.m.inputs.append(xs[-1])
    axis = r.randint(0, len(shape))
    y = g.like(xs[0], shape[:axis] + [len(xs)] + shape[axis:])
    g.m.pack(xs, y, signed_axis(g, axis, len(shape) + 1))
    return y


def make_unpack(g):
    shape = random_shape(g, 1, 5, 6)
    x = movable(g, shape)
    axis = g.r.randrange(len(shape))
    ys = [g.like(x, shape[:axis] + shape[axis + 1:]) for _ in range(shape[axis])]
    g.m.unpack(x, ys, signed_axis(g, axis, len(shape)))
    return g.outputs(ys)


def transpose(g, x):
    shape = g.types[x][1]
    perm = list(range(len(shape)))
    g.r.shuffle(perm)
    y = g.like(x, [shape[i] for i in perm])
    g.m.transpose(x, g.constant(perm), y)
    return y


def make_transpose(g):
    return transpose(g, movable(g, random_shape(g, 1, 5)))


def make_space_to_depth(g):
    r = g.r
    block = r.randint(1, 4)
    n, h, w, c = r.randint(1, 3), r.randint(1, 4), r.randint(1, 4), r.randint(1, 7)
    x = movable(g, [n, h * block, w * block, c])
    y = g.like(x, [n, h, w, c * block * block])
    g.m.space_to_depth(x, y, block)
    return y


def make_depth_to_space(g):
    r = g.r
    block = r.randint(1, 4)
    n, h, w, c = r.randint(1, 3), r.randint(1, 4), r.randint(1, 4), r.randint(1, 7)
    x = movable(g, [n, h, w, c * block * block])
    y = g.like(x, [n, h * block, w * block, c])
    g.m.depth_to_space(x, y, block)
    return y


def make_squeeze(g):
    r = g.r
    shape = [d if r.random() < 0.5 else 1 for d in random_shape(g, 1, 5)]
    dims = [i for i, d in enumerate(shape) if d == 1 and r.random() < 0.6]
    gone = dims or [i for i, d in enumerate(shape) if d == 1]
    x = movable(g, shape)
    y = g.like(x, [d for i, d in enumerate(shape) if i not in gone])
    g.m.squeeze(x, y, [signed_axis(g, i, len(shape)) for i in dims])
    return y


def make_expand_dims(g):
    shape = random_shape(g, 0, 5)
    axis = g.r.randint(0, len(shape))
    x = movable(g, shape)
    y = g.like(x, shape[:axis] + [1] + shape[axis:])
    g.m.expand_dims(x, g.constant([signed_axis(g, axis, len(shape) + 1)],
                                  shape=g.r.choice([[], [1]])), y)
    return y


def gather(g, x):
    r = g.r
    shape = g.types[x][1]
    axis = r.randrange(len(shape))
    wanted = random_shape(g, 0, max(0, min(2, 6 - len(shape))), 4)
    values = [r.randrange(shape[axis]) for _ in range(product(wanted))]
    y = g.like(x, shape[:axis] + wanted + shape[axis + 1:])
    g.m.gather(x, g.constant(values, shape=wanted), y, signed_axis(g, axis, len(shape)))
    return y


def make_gather(g):
    return gather(g, movable(g, random_shape(g, 1, 5)))


def mirror_pad(g, x):
    r = g.r
    shape = g.types[x][1]
    mode = r.choice(["REFLECT", "SYMMETRIC"])
    most = [d if mode == "SYMMETRIC" else d - 1 for d in shape]
    pads = [[r.choice([0, min(d, 1), r.randint(0, min(d, 4))]) for _ in range(2)] for d in most]
    y = g.like(x, [d + sum(p) for d, p in zip(shape, pads)])
    g.m.mirror_pad(x, g.constant([v for p in pads for v in p], r.choice(["int32", "int64"]),
                                 [len(shape), 2]), y, mode)
    return y


def make_mirror_pad(g):
    return mirror_pad(g, movable(g, random_shape(g, 1, 5, 5)))


def make_padv2(g):
    r = g.r
    shape = random_shape(g, 1, 5, 5)
    x = movable(g, shape)
    type, _, scale, zero_point = g.types[x]
    pads = [[r.randint(0, 3), r.randint(0, 3)] for _ in shape]
    y = g.like(x, [d + sum(p) for d, p in zip(shape, pads)])
    low, high = range_of(type)
    value = g.m.tensor("value", r.choice([[], [1]]), type, scale, zero_point,
                       data=[r.choice([low, high, r.randint(low, high)])])
    g.m.pad_v2(x, g.constant([v for p in pads for v in p], r.choice(["int32", "int64"]),
                             [len(shape), 2]), value, y)
    return y


def resize(g, x):
    r = g.r
    n, h, w, c = g.types[x][1]
    size = [r.choice([1, 2 * h, r.randint(1, 12)]), r.choice([1, 2 * w, r.randint(1, 12)])]
    y = g.like(x, [n] + size + [c])
    g.m.resize_nearest_neighbor(x, g.constant(size), y, r.random() < 0.5, r.random() < 0.5)
    return y


def make_resize_nearest_neighbor(g):
    r = g.r
    return resize(g, movable(g, [r.randint(1, 2), r.randint(1, 8), r.randint(1, 8),
                                 r.randint(1, 6)]))


def make_resize_bilinear(g):
    r = g.r
    n, h, w, c = r.randint(1, 2), r.randint(1, 8), r.randint(1, 8), r.choice([1, 2, 3, 8, 17])
    x = g.input([n, h, w, c])
    # From 46 on, TensorFlow Lite may read past the edge.
    size = [r.choice([1, d, 2 * d, r.randint(1, 12), r.randint(1, 12), r.randint(1, 40)])
            for d in (h, w)]
    y = g.like(x, [n] + size + [c])
    corners, half = r.choice([(False, False), (False, True), (True, False)])
    g.m.resize_bilinear(x, g.constant(size), y, corners, half)
    return y


def make_moves(g):
    """Movements after and before each other and other operators."""
    r = g.r
    x = g.input(random_shape(g, 2, 4, 6))
    for _ in range(r.randint(3, 6)):
        shape = g.types[x][1]
        kind = r.choice(["slice", "strided", "transpose", "gather", "mirror", "split", "add",
                         "relu", "concatenation", "resize"])
        if not shape or product(shape) > 3000 or kind in ("add", "relu"):
            y = g.act(shape)
            if kind == "add":
                g.m.add(x, x, y)
            else:
                g.m.op("RELU", [x], [y])
        elif kind == "split":
            ys = split(g, x, "SPLIT_V")
            axis = [a == b for a, b in zip(g.types[ys[0]][1], shape)]
            y = concatenation(g, ys[::-1], axis.index(False) if False in axis else 0)
        elif kind == "concatenation":
            y = concatenation(g, [x, x], r.randrange(len(shape)))
        elif kind == "resize" and len(shape) == 4:
            y = resize(g, x)
        else:
            y = {"slice": slice_, "strided": strided_slice, "gather": gather,
                 "mirror": mirror_pad}.get(kind, transpose)(g, x)
        if r.random() < 0.2 and x not in g.m.inputs:
            g.m.outputs.append(x)
        x = y
    if r.random() < 0.5:
        return x
    y = g.act(g.types[x][1], g.types[x][2] * 2 ** r.uniform(-1, 1))
    g.m.op("RELU_N1_TO_1", [x], [y])
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
            scale = g.types[x][2]
            weights, scales = g.weights([c, 1, 1, c], None if g.type == "uint8" else c)
            y = g.act([n, h, w, c], scale * scales[0] * 60 * c ** 0.5)
            bias = g.bias(c, [scale * s for s in scales])
            g.m.conv_2d(x, weights, bias, y, "SAME", (1, 1), "RELU")
            z = g.act([n, h, w, c], g.types[x][2] + g.types[y][2])
            g.m.add(x, y, z)
            x = z
    y = fully_connected(g, x)
    g.m.outputs.append(y)       # an output that is read again
    return softmax(g, y)


# ---- Operators with state: more runs ----

def small(g, n, big=127):
    """Weights, most of them not at the edge."""
    return [g.r.choice([-big, big, 0] + [g.r.randint(-big, big) for _ in range(6)])
            for _ in range(n)]


def svdf(g, x, state_type="int16", act="RELU", time_type=None):
    r = g.r
    _, (batch, size), scale, _ = g.types[x]
    rank, units, memory = r.choice([1, 1, 2, 3]), r.randint(1, 8), r.choice([1, 2, 5, 8, 10])
    filters = rank * units
    # Of random products the sum has about this standard deviation.
    deviation = 70 * 100 * size ** 0.5
    feature_scale = g.scale(0.01)
    feature = g.m.tensor("feature", [filters, size], "int8", feature_scale,
                         data=small(g, filters * size))
    narrow = state_type == "int8"
    state_scale = scale * feature_scale * deviation / (
        r.choice([20, 40, 80]) if narrow else r.choice([500, 8000, 8000, 20000]))
    state = g.m.tensor("state", [batch, filters * memory], state_type, state_scale,
                       g.zero_point() if narrow else None, variable=True)
    level = scale * feature_scale * deviation / state_scale
    # With 32767 sums may wrap.
    big = 127 if narrow else r.choice([127, 3000, 3000, 32767])
    time_scale = g.scale(2 / big)
    time = g.m.tensor("time", [filters, memory], time_type or state_type, time_scale,
                      data=small(g, filters * memory, big))
    deviation = level * big * 0.6 * (rank * memory) ** 0.5
    bias = None
    if r.random() < 0.7:
        most = int(min(r.choice([deviation] * 5 + [2 ** 31 - 1]), 2 ** 31 - 1))
        bias = g.m.tensor("b", [units], "int32", state_scale * time_scale,
                          data=[r.randint(-most, most) for _ in range(units)])
    y = g.act([batch, units], state_scale * time_scale * deviation / 60 * 2 ** r.uniform(-0.5, 1.5),
              r.choice([-128, 0, 0, g.zero_point()]))
    g.m.svdf(x, feature, time, bias, state, y, rank, act)
    return y


def make_svdf(g):
    r = g.r
    g.runs = r.randint(5, 12)
    state = r.choice(["int16", "int8"])
    x = svdf(g, g.input([r.randint(1, 3), r.randint(1, 20)]), state)
    if r.random() < 0.4:
        if r.random() < 0.3:
            g.m.outputs.append(x)
        x = svdf(g, x, state)
    return x


def lstm(g, x, cells, time_major=False, **more):
    r = g.r
    _, shape, scale, _ = g.types[x]
    batch, n = shape[time_major], shape[2]
    wide = g.type == "int16"
    hidden_scale = g.rounded(2 ** r.uniform(-7.5, -6.5) / g.unit)
    hidden_zp = 0 if wide else r.choice([0, 0, r.randint(-9, 9), g.zero_point()])
    weights = [[], []]
    biases = []
    for _ in range(4):
        for part, size, unit in zip(weights, (n, cells), (scale, hidden_scale)):
            # The argument of a gate has 3 integer bits.
            w = 2 ** r.uniform(-2, 1.5) / (unit * 70 * g.unit * 80 * size ** 0.5)
            part.append(g.m.tensor("w%d" % len(g.m.tensors), [cells, size], "int8", w,
                                   data=small(g, cells * size)))
            if part is weights[0]:
                most = int(r.choice([1, 2, 2, 2, 30]) / (unit * w))
                biases.append(g.m.tensor("b%d" % len(g.m.tensors), [cells],
                                         "int64" if wide else "int32", unit * w,
                                         data=[r.randint(-most, most) for _ in range(cells)]))
    hidden = g.m.tensor("hidden", [batch, cells], g.type, hidden_scale, hidden_zp, variable=True)
    cell = g.m.tensor("cell", [batch, cells], "int16",
                      2.0 ** r.choice([-11, -11, -11, -11, -10, -12]), variable=True)
    intermediates = None
    if r.random() < 0.7:        # as converters write them
        intermediates = [g.m.tensor("gate%d" % i, [], "int16", 2.0 ** -12) for i in range(4)]
        intermediates.append(g.m.tensor("gate4", [], g.type, hidden_scale, hidden_zp))
    y = g.act(shape[:2] + [cells], hidden_scale, hidden_zp)
    g.m.lstm(x, weights[0], weights[1], biases, hidden, cell, y,
             r.choice([0.0, 0.0, 0.0, r.uniform(0.2, 2), 10.0]), time_major,
             intermediates=intermediates, **more)
    return y


def make_lstm(g):
    r = g.r
    g.runs = r.randint(5, 8)
    time_major = r.random() < 0.3
    batch, time = r.randint(1, 3), r.randint(1, 5)
    x = g.input([time, batch, r.randint(1, 9)] if time_major else [batch, time, r.randint(1, 9)])
    x = lstm(g, x, r.randint(1, 9), time_major)
    for _ in range(r.choice([0, 0, 1, 4])):
        if r.random() < 0.3:
            g.m.outputs.append(x)
        x = lstm(g, x, r.randint(1, 9), time_major)
    return x


def with_variable(g, name, old):
    """Read a variable to @old, compute, assign it; returns an output."""
    r = g.r
    shape = g.types[old][1]
    handle = g.m.var_handle(*name)
    g.m.read_variable(handle, old)
    kind = r.choice(["sum", "window", "window", "delay"])
    if kind == "sum":
        new = y = g.like(old, shape)
        g.m.add(old, g.input(shape), y, g.fused())
    elif kind == "window":      # new samples, and the newest ones
        n = r.randint(1, 4)
        x = g.like(old, [1, n, shape[2]])
        g.m.inputs.append(x)
        y = concatenation(g, [old, x], 1)
        new = g.like(old, shape)
        g.m.slice(y, g.constant([0, n, 0]), g.constant(shape), new)
    else:
        new, y = g.like(old, shape), g.act(shape)
        g.m.inputs.append(new)
    if r.random() < 0.5:
        handle = g.m.var_handle(*name)
    g.m.assign_variable(handle, new)
    if kind == "delay":         # what was read is not what is there now
        g.m.op("RELU", [old], [y])
    if r.random() < 0.3:
        again, z = g.like(old, shape), g.act(shape)
        g.m.read_variable(handle, again)
        g.m.sub(again, old, z)
        g.m.outputs.append(y)
        y = z
    if r.random() < 0.2:
        g.m.outputs.append(old)
    return y


def make_variables(g):
    r = g.r
    g.runs = r.randint(3, 8)
    init = g.m.subgraph("init") if r.random() < 0.7 else None
    made = []
    for i in range(r.randint(1, 3)):
        # One shared name in several containers, or several names.
        name = r.choice([("c%d" % i, "v"), (r.choice([None, "", "c"]), "v%d" % i)])
        old = g.act([1, r.randint(1, 5), r.randint(1, 6)])
        made.append((name, old))
        if init and (i == 0 or r.random() < 0.6):
            type, shape, scale, zero_point = g.types[old]
            value = init.tensor("value%d" % i, shape, type, scale, zero_point,
                                data=g.values(product(shape), *range_of(type)))
            init.assign_variable(init.var_handle(*name), value)
    if init:
        g.m.call_once(init)
    return g.outputs([with_variable(g, *variable) for variable in made])


# ---- Models that must be refused, and a word that the message must have ----

def bad_models(r):
    def image(g, **kwargs):
        return g.input([1, 4, 4, 2], scale=0.1, zero_point=0, **kwargs)

    def unsupported(g):
        x = image(g)
        g.m.op("FLOOR_DIV", [x, x], [g.like(x, [1, 4, 4, 2])])
        return "operator 0, FLOOR_DIV"

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

    def large_state(g):
        x = g.input([1, 4], scale=0.1, zero_point=0)
        v = g.m.tensor("state", [1, 1 << 26], "int16", 2.0 ** -8, variable=True)
        g.m.svdf(x, x, x, None, v, g.like(x, [1, 4]), 1)
        return "64 MiB"

    def far_factor(g):
        x = g.input([4, 4], scale=1e15, zero_point=0)
        g.m.batch_matmul(x, x, g.act([4, 4], 1e-5, 0))
        return "too far apart"

    def far_resize(g):
        x = image(g)
        size = g.constant([4, 1 << 20])
        g.m.resize_nearest_neighbor(x, size, g.like(x, [1, 4, 1 << 20, 2]))
        return "65535"

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

    def index_input(g, shape):
        """What should have been a constant."""
        at = g.m.tensor("index", shape, "int32")
        g.types[at] = ("int32", shape, None, 0)
        g.m.inputs.append(at)
        return at

    def sub_activation(g):
        x = image(g)
        g.m.sub(x, x, g.like(x, [1, 4, 4, 2]), "TANH")
        return "activation 4"

    def sub_options(g):
        x = image(g)
        g.m.op("SUB", [x, x], [g.like(x, [1, 4, 4, 2])])
        return "options"

    def minimum_scales(g):
        x = image(g)
        g.m.minimum(x, x, g.act([1, 4, 4, 2], 0.5, 0))
        return "quantised alike"

    def maximum_scales(g):
        x = image(g)
        g.m.maximum(x, g.input([1, 4, 4, 2], scale=0.1, zero_point=1), g.like(x, [1, 4, 4, 2]))
        return "quantised alike"

    def squared_difference_shape(g):
        x = image(g)
        g.m.squared_difference(x, x, g.like(x, [1, 4, 5, 2]))
        return "dimension 2"

    def prelu_bare(g):
        x = image(g)
        alpha = g.m.tensor("bare", [2], data=[1, 2])
        g.m.op("PRELU", [x, alpha], [g.like(x, [1, 4, 4, 2])])
        return "bare"

    def logistic_scale(g):
        x = image(g)
        g.m.op("LOGISTIC", [x], [g.act([1, 4, 4, 2], 1 / 128, -128)])
        return "1/256"

    def tanh_scale(g):
        x = image(g)
        g.m.op("TANH", [x], [g.act([1, 4, 4, 2], 1 / 256, 0)])
        return "1/128"

    def elu_shape(g):
        x = image(g)
        g.m.op("ELU", [x], [g.like(x, [1, 4, 3, 2])])
        return "dimension 2"

    def hard_swish_fine(g):
        x = image(g)
        g.m.hard_swish(x, g.act([1, 4, 4, 2], 0.1 / 256, 0, name="fine"))
        return "fine"

    def leaky_relu_options(g):
        x = image(g)
        g.m.op("LEAKY_RELU", [x], [g.like(x, [1, 4, 4, 2])])
        return "options"

    def rsqrt_type(g):
        x = image(g, type="int16")
        g.m.op("RSQRT", [x], [g.like(x, [1, 4, 4, 2])])
        return "int16"

    def sum_axes(g):
        x = image(g)
        g.m.reduce("SUM", x, index_input(g, [1]), g.like(x, [1, 4, 2]))
        return "must be a constant"

    def reduce_max_axis(g):
        x = image(g)
        g.m.reduce("REDUCE_MAX", x, g.constant([-5]), g.like(x, [1, 4, 4]))
        return "axis -5"

    def reduce_max_scales(g):
        x = image(g)
        g.m.reduce("REDUCE_MAX", x, g.constant([3]), g.act([1, 4, 4], 0.5, 0))
        return "quantised alike"

    def batch_matmul_depth(g):
        x = image(g)
        g.m.batch_matmul(x, g.fixed([3, 2]), g.act([1, 4, 4, 2]))
        return "BATCH_MATMUL"

    def batch_matmul_shape(g):
        x = image(g)
        g.m.batch_matmul(x, g.fixed([2, 3]), g.act([1, 4, 4, 2]))
        return "dimension 3"

    def concatenation_scales(g):
        x = image(g)
        y = g.input([1, 4, 4, 2], scale=0.2, zero_point=0)
        g.m.concatenation([x, y], g.like(x, [1, 4, 4, 4]), 3)
        return "quantised alike"

    def concatenation_sum(g):
        x = image(g)
        g.m.concatenation([x, x], g.like(x, [1, 4, 4, 5]), 3)
        return "dimension 3"

    def concatenation_shape(g):
        x = image(g)
        y = g.like(x, [1, 4, 3, 2])
        g.m.inputs.append(y)
        g.m.concatenation([x, y], g.like(x, [1, 4, 4, 4]), 3)
        return "dimension 2"

    def concatenation_axis(g):
        x = image(g)
        g.m.concatenation([x, x], g.like(x, [1, 4, 4, 4]), 4)
        return "axis 4"

    def split_axis(g):
        x = image(g)
        g.m.split(index_input(g, []), x, [g.like(x, [1, 4, 4, 1]) for _ in range(2)])
        return "must be a constant"

    def split_shape(g):
        x = image(g)
        g.m.split(g.constant([3], shape=[]), x, [g.like(x, [1, 4, 4, n]) for n in (1, 2)])
        return "dimension 3"

    def split_count(g):
        x = image(g)
        g.m.split(g.constant([1], shape=[]), x, [g.like(x, [1, 1, 4, 2]) for _ in range(3)])
        return "SPLIT"

    def split_v_sum(g):
        x = image(g)
        g.m.split_v(x, g.constant([1, 2]), g.constant([1], shape=[]),
                    [g.like(x, [1, n, 4, 2]) for n in (1, 2)])
        return "SPLIT_V"

    def split_v_sizes(g):
        x = image(g)
        g.m.split_v(x, index_input(g, [2]), g.constant([1], shape=[]),
                    [g.like(x, [1, 2, 4, 2]) for _ in range(2)])
        return "must be a constant"

    def slice_end(g):
        x = image(g)
        g.m.slice(x, g.constant([0, 2, 0, 0]), g.constant([1, 3, 4, 2]), g.like(x, [1, 3, 4, 2]))
        return "SLICE"

    def slice_shape(g):
        x = image(g)
        g.m.slice(x, g.constant([0, 2, 0, 0]), g.constant([1, 2, 4, 2]), g.like(x, [1, 3, 4, 2]))
        return "dimension 1"

    def slice_begin(g):
        x = image(g)
        g.m.slice(x, index_input(g, [4]), g.constant([1, 2, 4, 2]), g.like(x, [1, 2, 4, 2]))
        return "must be a constant"

    def strided(g, strides, out, **kwargs):
        x = image(g)
        g.m.strided_slice(x, g.constant([0] * 4), g.constant([1, 4, 4, 2]), g.constant(strides),
                          g.like(x, out), **kwargs)

    def strided_slice_stride(g):
        strided(g, [1, 0, 1, 1], [1, 4, 4, 2])
        return "stride"

    def strided_slice_ellipsis(g):
        strided(g, [1, 1, 1, 1], [1, 4, 4, 2], ellipsis_mask=1)
        return "STRIDED_SLICE"

    def strided_slice_offset(g):
        strided(g, [1, 1, 1, 1], [1, 4, 4, 2], offset=True)
        return "relative to the begin"

    def strided_slice_shape(g):
        strided(g, [1, 2, 1, 1], [1, 3, 4, 2])
        return "dimension 1"

    def strided_slice_begin(g):
        x = image(g)
        g.m.strided_slice(x, index_input(g, [4]), g.constant([1, 4, 4, 2]),
                          g.constant([1, 1, 1, 1]), g.like(x, [1, 4, 4, 2]))
        return "must be a constant"

    def pack_count(g):
        x = image(g)
        g.m.pack([x, x], g.like(x, [1, 4, 4, 2, 3]), 4)
        return "dimension 4"

    def pack_scales(g):
        x = image(g)
        g.m.pack([x, x], g.act([2, 1, 4, 4, 2], 0.1, 1), 0)
        return "quantised alike"

    def unpack_count(g):
        x = image(g)
        g.m.unpack(x, [g.like(x, [1, 4, 2]) for _ in range(3)], 1)
        return "UNPACK"

    def unpack_axis(g):
        x = image(g)
        g.m.unpack(x, [g.like(x, [1, 4, 4]) for _ in range(2)], -5)
        return "axis -5"

    def transpose_twice(g):
        x = image(g)
        g.m.transpose(x, g.constant([0, 1, 1, 3]), g.like(x, [1, 4, 4, 2]))
        return "TRANSPOSE"

    def transpose_shape(g):
        x = image(g)
        g.m.transpose(x, g.constant([0, 3, 1, 2]), g.like(x, [1, 4, 4, 2]))
        return "dimension 1"

    def transpose_perm(g):
        x = image(g)
        g.m.transpose(x, index_input(g, [4]), g.like(x, [1, 4, 4, 2]))
        return "must be a constant"

    def transpose_type(g):
        x = image(g)
        g.m.transpose(x, g.constant([0, 1, 2, 3]),
                      g.act([1, 4, 4, 2], 0.1, 0, type="int16"))
        return "TRANSPOSE"

    def space_to_depth_block(g):
        x = image(g)
        g.m.space_to_depth(x, g.like(x, [1, 1, 1, 18]), 3)
        return "SPACE_TO_DEPTH"

    def depth_to_space_block(g):
        x = image(g)
        g.m.depth_to_space(x, g.like(x, [1, 4, 4, 2]), 0)
        return "DEPTH_TO_SPACE"

    def depth_to_space_channels(g):
        x = image(g)
        g.m.depth_to_space(x, g.like(x, [1, 8, 8, 1]), 2)
        return "DEPTH_TO_SPACE"

    def squeeze_size(g):
        x = image(g)
        g.m.squeeze(x, g.like(x, [4, 4, 3]), [0])
        return "SQUEEZE"

    def expand_dims_scales(g):
        x = image(g)
        g.m.expand_dims(x, g.constant([0], shape=[]), g.act([1, 1, 4, 4, 2], 0.1, 1))
        return "quantised alike"

    def gather_range(g):
        x = image(g)
        g.m.gather(x, g.constant([0, 4]), g.like(x, [1, 2, 4, 2]), 1)
        return "GATHER"

    def gather_indices(g):
        x = image(g)
        g.m.gather(x, index_input(g, [2]), g.like(x, [1, 2, 4, 2]), 1)
        return "must be a constant"

    def gather_batch(g):
        x = image(g)
        g.m.gather(x, g.constant([0], shape=[1, 1]), g.like(x, [1, 1, 4, 2]), 1, 1)
        return "GATHER"

    def mirror_pad_wide(g):
        x = image(g)
        g.m.mirror_pad(x, g.constant([0, 0, 4, 0, 0, 0, 0, 0], shape=[4, 2]),
                       g.like(x, [1, 8, 4, 2]), "REFLECT")
        return "MIRROR_PAD"

    def mirror_pad_shape(g):
        x = image(g)
        g.m.mirror_pad(x, g.constant([0, 0, 3, 0, 0, 0, 0, 0], shape=[4, 2]),
                       g.like(x, [1, 8, 4, 2]), "REFLECT")
        return "dimension 1"

    def padv2_value(g):
        x = image(g)
        value = g.like(x, [1])
        g.m.inputs.append(value)
        g.m.pad_v2(x, g.constant([0, 0, 1, 0, 0, 0, 0, 0], shape=[4, 2]), value,
                   g.like(x, [1, 5, 4, 2]))
        return "must be a constant"

    def padv2_scales(g):
        x = image(g)
        value = g.m.tensor("value", [], "int8", 0.2, 0, data=[1])
        g.m.pad_v2(x, g.constant([0, 0, 1, 0, 0, 0, 0, 0], shape=[4, 2]), value,
                   g.like(x, [1, 5, 4, 2]))
        return "quantised alike"

    def resize_size(g):
        x = image(g)
        g.m.resize_nearest_neighbor(x, index_input(g, [2]), g.like(x, [1, 8, 8, 2]))
        return "must be a constant"

    def resize_shape(g):
        x = image(g)
        g.m.resize_nearest_neighbor(x, g.constant([8, 8]), g.like(x, [1, 8, 7, 2]))
        return "dimension 2"

    def transposed(g, size, out, o=3, **kwargs):
        x = image(g)
        w, _ = g.weights([o, 3, 3, 2])
        size = index_input(g, [4]) if size is None else g.constant(size)
        g.m.transpose_conv(size, w, x, None, g.act(out), **kwargs)

    def transpose_conv_constant(g):
        transposed(g, None, [1, 8, 8, 3], stride=(2, 2))
        return "must be a constant"

    def transpose_conv_shape(g):
        transposed(g, [1, 8, 8, 3], [1, 8, 7, 3], stride=(2, 2))
        return "dimension 2"

    def transpose_conv_batch(g):
        transposed(g, [2, 8, 8, 3], [2, 8, 8, 3], stride=(2, 2))
        return "dimension 0"

    def transpose_conv_same(g):
        transposed(g, [1, 9, 8, 3], [1, 9, 8, 3], stride=(2, 2))
        return "dimension 1"

    def transpose_conv_valid(g):
        transposed(g, [1, 9, 8, 3], [1, 9, 8, 3], stride=(2, 2), padding="VALID")
        return "dimension 2"

    def transpose_conv_channels(g):
        transposed(g, [1, 8, 8, 4], [1, 8, 8, 4], stride=(2, 2))
        return "dimension 3"

    def transpose_conv_activation(g):
        transposed(g, [1, 8, 8, 3], [1, 8, 8, 3], stride=(2, 2), act="RELU")
        return "activation"

    def resize_bilinear_size(g):
        x = image(g)
        g.m.resize_bilinear(x, index_input(g, [2]), g.like(x, [1, 8, 8, 2]))
        return "must be a constant"

    def resize_bilinear_shape(g):
        x = image(g)
        g.m.resize_bilinear(x, g.constant([8, 8]), g.like(x, [1, 8, 7, 2]))
        return "dimension 2"

    def resize_bilinear_channels(g):
        x = image(g)
        g.m.resize_bilinear(x, g.constant([8, 8]), g.like(x, [1, 8, 8, 3]))
        return "dimension 3"

    def resize_bilinear_scales(g):
        x = image(g)
        g.m.resize_bilinear(x, g.constant([8, 8]), g.act([1, 8, 8, 2], 0.2, 0))
        return "quantised alike"

    def largest(g, axis, out=(1, 4, 4), type="int64"):
        x = image(g)
        axis = index_input(g, []) if axis is None else g.constant([axis], shape=[])
        g.m.arg_max(x, axis, g.act(list(out), type=type, bare=True), type)

    def arg_max_constant(g):
        largest(g, None)
        return "must be a constant"

    def arg_max_axis(g):
        largest(g, 4)
        return "axis 4"

    def arg_max_negative(g):
        largest(g, -5)
        return "axis -5"

    def arg_max_float(g):
        largest(g, 3, type="float32")
        return "float32"

    def arg_max_shape(g):
        largest(g, 3, [1, 4, 2])
        return "dimension 2"

    def svdf_activation(g):
        svdf(g, g.input([1, 4]), act=None)
        return "activation"

    def svdf_tanh(g):
        svdf(g, g.input([2, 4]), act="TANH")
        return "activation"

    def svdf_state(g):
        svdf(g, g.input([1, 4]), "int8", time_type="int16")
        return "int8"

    def sparse_weights(g):
        x = g.input([1, 4])
        w = g.m.tensor("w", [3, 4], "int8", 0.1, 0, data=[1] * 12, sparse=True)
        g.m.fully_connected(x, w, None, g.act([1, 3]))
        return "EXPERIMENTAL_SPARSITY"

    def hybrid(g):
        x = g.m.tensor("x", [1, 4], "float32")
        g.m.inputs.append(x)
        w = g.m.tensor("w", [3, 4], "int8", 0.1, 0, data=[1] * 12)
        g.m.fully_connected(x, w, None, g.m.tensor("y", [1, 3], "float32"))
        return "full integer quantisation"

    def control_flow(g):
        x = image(g)
        g.m.op("WHILE", [x], [g.like(x, [1, 4, 4, 2])])
        return "unroll"

    def lstm_peephole(g):
        v = g.m.tensor("v", [4], "int16", 2.0 ** -15, data=[1, 2, 3, 4])
        lstm(g, g.input([1, 3, 2]), 4, peephole=(v, v, v))
        return "peephole"

    def lstm_projection(g):
        v = g.m.tensor("v", [4, 4], "int8", 0.1, data=[1] * 16)
        lstm(g, g.input([1, 3, 2]), 4, projection=(v, -1))
        return "projection"

    def lstm_diagonal(g):
        lstm(g, g.input([1, 3, 2]), 4, diagonal=True)
        return "diagonal"

    def lstm_norm(g):
        v = g.m.tensor("v", [4], "int16", 2.0 ** -15, data=[1, 2, 3, 4])
        lstm(g, g.input([1, 3, 2]), 4, norm=(v, v, v, v))
        return "layer"

    for name, make in sorted(locals().items()):
        if callable(make) and name not in ("image", "index_input", "strided", "transposed",
                                           "largest", "r"):
            g = Graph(random.Random(name))
            want = make(g)
            g.m.outputs.append(len(g.m.tensors) - 1)
            yield name, g, want


def range_of(type):
    bits = 8 * tflite.TYPES[type][2]
    low = 0 if type == "uint8" else -(1 << (bits - 1))
    return low, low + (1 << bits) - 1


def inputs(g):
    """The second run has no edge values: sums and maxima of those saturate."""
    out = b""
    for run in range(g.runs):
        for at in g.m.inputs:
            type, shape, scale, zp = g.types[at]
            n = product(shape)
            if type == "float32":
                values = [g.r.choice([0.0, -0.0, 1e30, -1e30, g.r.uniform(-8, 8),
                                      g.r.uniform(-8, 8), g.r.uniform(-1, 1)]) for _ in range(n)]
            else:
                low, high = range_of(type)
                middle, reach = (low + high) // 2, (high - low) // 6
                values = [g.r.randint(middle - reach, middle + reach) if run == 1 else
                          g.r.choice([low, high, g.r.randint(low, high),
                                      g.r.randint(low, high), g.r.randint(low, high)])
                          for _ in range(n)]
            out += struct.pack("<%d%s" % (n, tflite.TYPES[type][1]), *values)
    return out


def main():
    where = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    os.makedirs(where, exist_ok=True)
    kinds = [(k[5:], "int8", "tflm") for k in globals() if k.startswith("make_")]
    kinds += [(kind, type, "tflm") for type, names in OTHER_TYPES.items() for kind in names]
    kinds += [(kind, type, "tflite") for kind, type in TFLITE]
    for kind, type, numerics in sorted(kinds):
        name = ("tflite_" if numerics == "tflite" else "") + kind + \
            ("_" + type if type != "int8" else "")
        for i in range(count):
            g = Graph(random.Random("%s %d %d" % (name, seed, i)), type, numerics)
            g.m.outputs.append(globals()["make_" + kind](g))
            path = os.path.join(where, "%s_%02d" % (name, i))
            g.m.save(path + ".tflite")
            with open(path + ".in", "wb") as f:
                f.write(inputs(g))
    for name, g, want in bad_models(random.Random(seed)):
        name = os.path.join(where, "bad_" + name)
        g.m.save(name + ".bad")
        with open(name + ".want", "w") as f:
            f.write(want)


if __name__ == "__main__":
    main()
