#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write models with the structure of well-known networks and random weights:

    networks.py DIRECTORY [SEED]

NAME.tflite and NAME.in: raw inputs of 2 runs, of those with state of more.
Topology, sizes of layers and fused activations are those of the originals;
weights and quantisation are not. So that activations stay alive through all
layers and outputs depend on inputs, scales of weights and biases do what batch
normalisation does: mean and variance of each channel are estimated as if all
values were independent. Plain Python."""

import math
import operator
import os
import random
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tflite  # noqa: E402

# Of a byte, as int8 from -127 to 127.
SIGNED = [b if b < 128 else max(b - 256, -127) for b in range(256)]


def product(shape):
    n = 1
    for d in shape:
        n *= d
    return n


def dot(a, b):
    return sum(map(operator.mul, a, b))


STEPS = [i / 5 for i in range(-20, 21)]
DENSITY = [math.exp(-x * x / 2) for x in STEPS]


def moments(f, mean, sigma):
    """Mean and variance of f(x), x normally distributed."""
    values = [f(mean + sigma * x) for x in STEPS]
    first = dot(values, DENSITY) / sum(DENSITY)
    return first, dot([v * v for v in values], DENSITY) / sum(DENSITY) - first * first


FUNCTIONS = {None: lambda x: x, "RELU": lambda x: max(x, 0.0),
             "RELU6": lambda x: min(max(x, 0.0), 6.0),
             "HARD_SWISH": lambda x: x * min(max(x + 3, 0.0), 6.0) / 6,
             "LOGISTIC": lambda x: 1 / (1 + math.exp(-x))}

# Of what goes into an activation: with 2, RELU6 rarely is at 6.
SIGMAS = {None: 1.0, "RELU": 1.0, "RELU6": 2.0, "HARD_SWISH": 2.0, "LOGISTIC": 2.0}


class Network:
    def __init__(self, name, seed):
        self.r = random.Random("%s %d" % (name, seed))
        self.m = tflite.Model("%s, random weights" % name)
        self.info = {}      # tensor -> shape, scale, zero point, means, variances
        self.made = 0
        self.runs = 2

    # ---- Tensors ----

    def name(self, kind):
        self.made += 1
        return "%s%d" % (kind, self.made)

    def tensor(self, kind, shape, scale, zero_point, means, variances):
        """Means and variances: one for each of the last dimension."""
        at = self.m.tensor(self.name(kind), shape, "int8", scale, zero_point)
        self.info[at] = (list(shape), scale, zero_point, means, variances)
        return at

    def like(self, kind, x, shape, **changed):
        _, scale, zero_point, means, variances = self.info[x]
        return self.tensor(kind, shape, scale, zero_point, changed.get("means", means),
                           changed.get("variances", variances))

    def input(self, shape):
        """What inputs() makes is about this wide."""
        at = self.tensor("input", shape, 1 / 127, 0, [0.0] * shape[-1], [0.12] * shape[-1])
        self.m.inputs.append(at)
        return at

    def output(self, kind, shape, means, sigma, act):
        """Of these means and this standard deviation before the activation."""
        both = [moments(FUNCTIONS[act], mean, sigma) for mean in means]
        scale, zero_point = 4 * sigma / 127, self.r.randint(-9, 9)
        if act == "RELU6":
            scale, zero_point = 6 / 255, -128
        elif act == "RELU":
            scale, zero_point = 4 * sigma / 255, -128
        elif act == "HARD_SWISH":
            scale = (4 * sigma + 0.375) / 255
            zero_point = -128 + round(0.375 / scale)
        elif act == "LOGISTIC":
            scale, zero_point = 1 / 256, -128
        return self.tensor(kind, shape, scale, zero_point, [b[0] for b in both],
                           [b[1] for b in both])

    def values(self, n):
        """Random int8, more of them around 0."""
        a, b = self.r.randbytes(n), self.r.randbytes(n)
        return [SIGNED[x] + SIGNED[y] >> 1 for x, y in zip(a, b)]

    def normalised(self, x, rows, sigma, together=False):
        """Of @rows of weights, one per channel, which are multiplied with the means and
        variances in @x: scales and int32 biases for an output @sigma wide, and means;
        @together: one scale."""
        widths = [dot([w * w for w in row], var) ** 0.5 for row, _, var in rows]
        if together:
            widths = [(dot(widths, widths) / len(widths)) ** 0.5] * len(widths)
        scales = [sigma / (width + 1e-9) for width in widths]
        means = [self.r.gauss(0, 0.3 * sigma) for _ in rows]
        biases = [round((mean - s * dot(row, old)) / (s * self.info[x][1]))
                  for mean, s, (row, old, _) in zip(means, scales, rows)]
        return scales, biases, means

    def over(self, x, n):
        """Means and variances in @x, again and again to be @n."""
        means, variances = self.info[x][3:]
        return means * (n // len(means)), variances * (n // len(means))

    def constant(self, data, shape=None):
        return self.m.tensor(self.name("constant"), shape or [len(data)], "int32", data=data)

    # ---- Layers: of tensor @x, return the output ----

    def conv(self, x, filters, size, act=None, stride=1, padding="SAME", sigma=None,
             multiplier=0):
        """@size, @stride: (height, width) or both in one; depthwise if @multiplier."""
        size = (size, size) if isinstance(size, int) else size
        stride = (stride, stride) if isinstance(stride, int) else stride
        n, h, w, c = self.info[x][0]
        sigma = sigma or SIGMAS[act]
        if padding == "SAME":
            h, w = -(-h // stride[0]), -(-w // stride[1])
        else:
            h, w = (h - size[0]) // stride[0] + 1, (w - size[1]) // stride[1] + 1
        fused = None if act in ("HARD_SWISH", "LOGISTIC") else act
        taps = product(size)
        if multiplier:
            filters = c * multiplier
            shape, values = [1, *size, filters], self.values(taps * filters)
            means, variances = self.info[x][3:]
            rows = [(values[o::filters], [means[o // multiplier]] * taps,
                     [variances[o // multiplier]] * taps) for o in range(filters)]
        else:
            shape, values = [filters, *size, c], self.values(filters * taps * c)
            rows = [(values[o * taps * c:(o + 1) * taps * c], *self.over(x, taps * c))
                    for o in range(filters)]
        scales, biases, means = self.normalised(x, rows, sigma)
        weights = self.m.tensor(self.name("weights"), shape, "int8", scales, data=values,
                                axis=3 if multiplier else 0)
        bias = self.m.tensor(self.name("bias"), [filters], "int32",
                             [self.info[x][1] * s for s in scales], data=biases)
        y = self.output("conv", [n, h, w, filters], means, sigma, fused)
        if multiplier:
            self.m.depthwise_conv_2d(x, weights, bias, y, padding, stride, fused,
                                     multiplier=multiplier)
        else:
            self.m.conv_2d(x, weights, bias, y, padding, stride, fused)
        if fused == act:
            return y
        z = self.output(act.lower(), [n, h, w, filters], means, sigma, act)
        if act == "HARD_SWISH":
            self.m.hard_swish(y, z)
        else:
            self.m.op(act, [y], [z])
        return z

    def depthwise(self, x, size, act=None, stride=1, padding="SAME", multiplier=1):
        return self.conv(x, 0, size, act, stride, padding, None, multiplier)

    def dense(self, x, n, act=None, sigma=None):
        """Of all but the batch; one scale for all weights, as converters wrote them."""
        shape = self.info[x][0]
        size, sigma = product(shape[1:]), sigma or SIGMAS[act]
        values = self.values(n * size)
        rows = [(values[o * size:(o + 1) * size], *self.over(x, size)) for o in range(n)]
        scales, biases, means = self.normalised(x, rows, sigma, True)
        w = self.m.tensor(self.name("weights"), [n, size], "int8", scales[0], data=values)
        b = self.m.tensor(self.name("bias"), [n], "int32", self.info[x][1] * scales[0],
                          data=biases)
        y = self.output("dense", [shape[0], n], means, sigma, act)
        self.m.fully_connected(x, w, b, y, act)
        return y

    def averaged(self, x):
        """Variances after averaging; neighbours are alike."""
        return [v * 0.1 for v in self.info[x][4]]

    def pool(self, name, x, size, stride=None):
        n, h, w, c = self.info[x][0]
        stride = stride or size
        shape = [n, (h - size[0]) // stride[0] + 1, (w - size[1]) // stride[1] + 1, c]
        y = self.like("pool", x, shape, variances=self.averaged(x)
                      if name == "AVERAGE_POOL_2D" else self.info[x][4])
        self.m.pool(name, x, y, size, stride)
        return y

    def mean(self, x, keep_dims=False):
        """Over height and width."""
        (n, _, _, c), scale, zero_point, means, _ = self.info[x]
        y = self.tensor("mean", [n, 1, 1, c] if keep_dims else [n, c], scale / 2,
                        max(-128, zero_point * 2 + 128), means, self.averaged(x))
        self.m.mean(x, self.constant([1, 2]), y, keep_dims)
        return y

    def add(self, a, b, act=None):
        _, _, _, means, variances = self.info[a]
        means = [p + q for p, q in zip(means, self.info[b][3])]
        variances = [p + q for p, q in zip(variances, self.info[b][4])]
        y = self.output("add", self.info[a][0], means,
                        (sum(variances) / len(variances)) ** 0.5, act)
        self.m.add(a, b, y, act)
        return y

    def mul(self, a, b):
        """@b is a gate for the channels of @a."""
        shape, scale, zero_point, means, variances = self.info[a]
        squares = [(v + m * m) * (w + n * n)
                   for m, v, n, w in zip(means, variances, *self.info[b][3:])]
        means = [m * n for m, n in zip(means, self.info[b][3])]
        y = self.tensor("mul", shape, scale * 0.8, zero_point, means,
                        [s - m * m for s, m in zip(squares, means)])
        self.m.mul(a, b, y)
        return y

    def pad(self, x, before, after):
        n, h, w, c = self.info[x][0]
        y = self.like("pad", x, [n, h + before + after, w + before + after, c])
        pads = [0, 0, before, after, before, after, 0, 0]
        self.m.pad(x, self.constant(pads, [4, 2]), y)
        return y

    def reshape(self, x, shape):
        if shape[-1] < len(self.info[x][3]):
            means, variances = self.info[x][3][:shape[-1]], self.info[x][4][:shape[-1]]
        else:
            means, variances = self.over(x, shape[-1])
        y = self.like("reshape", x, shape, means=means, variances=variances)
        self.m.reshape(x, shape, y)
        return y

    def softmax(self, x):
        y = self.tensor("softmax", self.info[x][0], 1 / 256, -128, [], [])
        self.m.softmax(x, y)
        return y

    def concatenation(self, xs):
        shape = self.info[xs[0]][0][:-1] + [sum(self.info[x][0][-1] for x in xs)]
        y = self.like("concatenation", xs[0], shape,
                      means=sum([self.info[x][3] for x in xs], []),
                      variances=sum([self.info[x][4] for x in xs], []))
        self.m.concatenation(xs, y, 3)
        return y

    def double(self, x):
        n, h, w, c = self.info[x][0]
        y = self.like("resize", x, [n, 2 * h, 2 * w, c])
        self.m.resize_nearest_neighbor(x, self.constant([2 * h, 2 * w]), y)
        return y

    def squeeze_excite(self, x, reduced):
        gate = self.conv(self.mean(x, True), reduced, 1, "RELU")
        return self.mul(x, self.conv(gate, self.info[x][0][3], 1, "LOGISTIC"))

    def svdf(self, x, units, memory, rank):
        batch, size = self.info[x][0]
        filters, step = units * rank, 1 / 8000
        means, variances = self.info[x][3:]
        values = self.values(filters * size)
        rows = [values[f * size:(f + 1) * size] for f in range(filters)]
        squares = [v + m * m for m, v in zip(means, variances)]
        width = (sum(dot([w * w for w in row], squares) for row in rows) / filters) ** 0.5
        feature = self.m.tensor(self.name("feature"), [filters, size], "int8", 1 / width,
                                data=values)
        state = self.m.tensor(self.name("state"), [batch, filters * memory], "int16", step,
                              variable=True)
        times = [100 * v for v in self.values(filters * memory)]
        time_scale = 1 / (dot(times, times) / units) ** 0.5
        time = self.m.tensor(self.name("time"), [filters, memory], "int16", time_scale,
                             data=times)
        # What the filters of a unit are on average, times their weights.
        old = [dot(row, means) / width * sum(times[f * memory:(f + 1) * memory]) * time_scale
               for f, row in enumerate(rows)]
        after = [self.r.gauss(0, 0.3) for _ in range(units)]
        bias = self.m.tensor(
            self.name("bias"), [units], "int32", step * time_scale,
            data=[round((mean - sum(old[u * rank:(u + 1) * rank])) / (step * time_scale))
                  for u, mean in enumerate(after)])
        y = self.output("svdf", [batch, units], after, 1, "RELU")
        self.m.svdf(x, feature, time, bias, state, y, rank)
        return y

    def lstm(self, x, cells):
        (batch, steps, n), scale, _, _, _ = self.info[x]
        y = self.tensor("lstm", [batch, steps, cells], 1 / 128, 0, [0.0] * cells, [0.1] * cells)
        kernels, recurrent, biases = [], [], []
        for gate in range(4):
            for made, of, size in ((kernels, x, n), (recurrent, y, cells)):
                values = self.values(cells * size)
                s = 1.5 / (dot(values, values) / cells * self.info[of][4][0]) ** 0.5
                made.append(self.m.tensor(self.name("weights"), [cells, size], "int8", s,
                                          data=values))
                if of == x:
                    # As Keras has it, the forget gate starts with 1.
                    biases.append(self.m.tensor(
                        self.name("bias"), [cells], "int32", scale * s,
                        data=[round(((gate == 1) + self.r.gauss(0, 0.3)) / (scale * s))
                              for _ in range(cells)]))
        hidden = self.m.tensor(self.name("hidden"), [batch, cells], "int8", 1 / 128, 0,
                               variable=True)
        cell = self.m.tensor(self.name("cell"), [batch, cells], "int16", 2.0 ** -11,
                             variable=True)
        inner = [self.m.tensor(self.name("gate"), [], "int16", 2.0 ** -12) for _ in range(4)]
        inner.append(self.m.tensor(self.name("gate"), [], "int8", 1 / 128, 0))
        self.m.lstm(x, kernels, recurrent, biases, hidden, cell, y, 10.0, intermediates=inner)
        return y

    # ---- Inputs ----

    def picture(self, shape):
        """int8: waves and noise, of any contrast and brightness."""
        h, w, c = shape[1:] if len(shape) == 4 else shape[-2:] + [1]
        r, out = self.r, []
        contrast, level = r.uniform(30, 60), r.uniform(-30, 30)
        waves = [[r.uniform(-9, 9) / max(h, 8), r.uniform(-9, 9) / max(w, 8),
                  r.uniform(0, 6.28)] + [r.uniform(-1, 1) for _ in range(c)] for _ in range(4)]
        for y in range(h):
            for x in range(w):
                at = [math.sin(a * y + b * x + p) for a, b, p, *_ in waves]
                for i in range(c):
                    v = sum(wave[3 + i] * s for wave, s in zip(waves, at))
                    v = level + contrast * v + r.uniform(-20, 20)
                    out.append(min(max(round(v), -128), 127))
        return out

    def inputs(self):
        out = b""
        for _ in range(self.runs):
            for at in self.m.inputs:
                values = self.picture(self.info[at][0])
                out += struct.pack("<%db" % len(values), *values)
        return out


# ---- The networks: return the output of the graph ----

def net_person_detection(n):
    """MobileNet v1, width 0.25, 96x96 in grey, 2 classes (TensorFlow Lite Micro)."""
    # The first one is a CONV_2D of one channel, which converters make depthwise.
    x = n.depthwise(n.input([1, 96, 96, 1]), 3, "RELU6", 2, multiplier=8)
    for filters, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1),
                            (128, 1), (128, 1), (128, 1), (128, 1), (256, 2), (256, 1)):
        x = n.conv(n.depthwise(x, 3, "RELU6", stride), filters, 1, "RELU6")
    x = n.conv(n.pool("AVERAGE_POOL_2D", x, (3, 3), (2, 2)), 2, 1)
    return n.softmax(n.reshape(x, [1, 2]))


def net_mobilenet_v2(n):
    """Width 0.35, 96x96, 1000 classes; as Keras has it, with PAD before strides."""
    x = n.conv(n.input([1, 96, 96, 3]), 16, 3, "RELU6", 2)
    x = n.conv(n.depthwise(x, 3, "RELU6"), 8, 1)
    for filters, repeat, stride in ((8, 2, 2), (16, 3, 2), (24, 4, 2), (32, 3, 1), (56, 3, 2),
                                    (112, 1, 1)):
        for i in range(repeat):
            channels = n.info[x][0][3]
            y = n.conv(x, 6 * channels, 1, "RELU6")
            if i == 0 and stride == 2:
                y = n.depthwise(n.pad(y, 0, 1), 3, "RELU6", 2, "VALID")
            else:
                y = n.depthwise(y, 3, "RELU6")
            y = n.conv(y, filters, 1)
            x = n.add(x, y) if i > 0 else y
    x = n.mean(n.conv(x, 1280, 1, "RELU6"))
    return n.softmax(n.dense(x, 1000, sigma=3.0))


def net_resnet8(n):
    """Image classification of MLPerf Tiny: CIFAR-10."""
    x = n.conv(n.input([1, 32, 32, 3]), 16, 3, "RELU")
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = n.conv(n.conv(x, filters, 3, "RELU", stride), filters, 3)
        if stride == 2:
            x = n.conv(x, filters, 1, None, 2)
        x = n.add(x, y, "RELU")
    x = n.reshape(n.pool("AVERAGE_POOL_2D", x, (8, 8)), [1, 64])
    return n.softmax(n.dense(x, 10, sigma=1.5))


def net_ds_cnn(n):
    """Keyword spotting of MLPerf Tiny."""
    x = n.conv(n.input([1, 49, 10, 1]), 64, (10, 4), "RELU", 2)
    for _ in range(4):
        x = n.conv(n.depthwise(x, 3, "RELU"), 64, 1, "RELU")
    x = n.reshape(n.pool("AVERAGE_POOL_2D", x, (25, 5)), [1, 64])
    return n.softmax(n.dense(x, 12, sigma=1.5))


def net_autoencoder(n):
    """Anomaly detection of MLPerf Tiny."""
    x = n.input([1, 640])
    for size in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = n.dense(x, size, "RELU")
    return n.dense(x, 640)


def net_micro_speech(n):
    """TensorFlow Lite Micro."""
    x = n.reshape(n.input([1, 1960]), [1, 49, 40, 1])
    x = n.depthwise(x, (10, 8), "RELU", 2, multiplier=8)
    return n.softmax(n.dense(x, 4, sigma=1.5))


def net_svdf_keywords(n):
    """Of the kind that hotword detectors are: one frame of features per run."""
    n.runs = 12
    x = n.input([1, 40])
    for _ in range(2):
        x = n.dense(n.svdf(x, 96, 8, 2), 32, "RELU")
    x = n.svdf(n.svdf(x, 64, 10, 1), 64, 10, 1)
    return n.softmax(n.dense(x, 12, sigma=1.5))


def net_lstm_digits(n):
    """MNIST row by row (TensorFlow Lite Micro's mnist_lstm)."""
    n.runs = 5
    x = n.lstm(n.input([1, 28, 28]), 20)
    return n.softmax(n.dense(n.reshape(x, [1, 560]), 10, sigma=1.5))


def net_unet(n):
    """A small U-Net: two classes per pixel."""
    x, skipped = n.input([1, 48, 48, 3]), []
    for filters in (8, 16):
        x = n.conv(n.conv(x, filters, 3, "RELU6"), filters, 3, "RELU6")
        skipped.append(x)
        x = n.pool("MAX_POOL_2D", x, (2, 2))
    x = n.conv(n.conv(x, 32, 3, "RELU6"), 32, 3, "RELU6")
    for filters in (16, 8):
        x = n.conv(n.double(x), filters, 3, "RELU6")
        x = n.concatenation([skipped.pop(), x])
        x = n.conv(n.conv(x, filters, 3, "RELU6"), filters, 3, "RELU6")
    return n.conv(x, 2, 1, "LOGISTIC")


def net_mobilenet_v3(n):
    """Small, width 1, but 96x96; the gates are logistic functions."""
    x = n.conv(n.input([1, 96, 96, 3]), 16, 3, "HARD_SWISH", 2)
    for size, expand, filters, squeeze, act, stride in (
            (3, 16, 16, 8, "RELU", 2), (3, 72, 24, 0, "RELU", 2), (3, 88, 24, 0, "RELU", 1),
            (5, 96, 40, 24, "HARD_SWISH", 2), (5, 240, 40, 64, "HARD_SWISH", 1),
            (5, 240, 40, 64, "HARD_SWISH", 1), (5, 120, 48, 32, "HARD_SWISH", 1),
            (5, 144, 48, 40, "HARD_SWISH", 1), (5, 288, 96, 72, "HARD_SWISH", 2),
            (5, 576, 96, 144, "HARD_SWISH", 1), (5, 576, 96, 144, "HARD_SWISH", 1)):
        channels = n.info[x][0][3]
        y = n.conv(x, expand, 1, act) if expand != channels else x
        y = n.depthwise(y, size, act, stride)
        y = n.squeeze_excite(y, squeeze) if squeeze else y
        y = n.conv(y, filters, 1)
        x = n.add(x, y) if stride == 1 and filters == channels else y
    x = n.mean(n.conv(x, 576, 1, "HARD_SWISH"), True)
    x = n.conv(n.conv(x, 1024, 1, "HARD_SWISH"), 1000, 1, sigma=3.0)
    return n.softmax(n.reshape(x, [1, 1000]))


def build(name, seed=1):
    n = Network(name, seed)
    n.m.outputs.append(globals()["net_" + name](n))
    return n


NAMES = sorted(k[4:] for k in globals() if k.startswith("net_"))


def main():
    where = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    os.makedirs(where, exist_ok=True)
    for name in NAMES:
        n = build(name, seed)
        n.m.save(os.path.join(where, name + ".tflite"))
        with open(os.path.join(where, name + ".in"), "wb") as f:
            f.write(n.inputs())


if __name__ == "__main__":
    main()
