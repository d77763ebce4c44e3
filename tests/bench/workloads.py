#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Write what the bench runs:

    workloads.py DIRECTORY [NAME...]

NAME.tflite and NAME.in: model and raw inputs, for us and the reference; NAME.layers: the
same structure in plain text, for libraries that read no models; NAME.macs: multiplications
of its MAC layers. With no NAME: all. Names on standard output.

A line of NAME.layers is a layer, input to output:

    input HEIGHT WIDTH CHANNELS
    dense OUTPUTS				over the channels; of each pixel if there are many
    conv OUTPUTS HEIGHT WIDTH STRIDE	padding as SAME
    depthwise MULTIPLIER HEIGHT WIDTH STRIDE
    add LAYER				counted from 0, the input
    mean				over height and width
    pool HEIGHT WIDTH			the greatest, of windows side by side
    flat				all of it are channels

and "relu" or "relu6" behind it if it ends so."""

import os
import struct
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(TOP, "tests/models"))
import networks  # noqa: E402


class Workload(networks.Network):
    """A network that tells of what layers it is. Layers are numbers here."""

    def __init__(self, name, runs):
        super().__init__(name, 1)
        self.lines, self.tensors, self.runs, self.macs = [], [], runs, 0

    def put(self, tensor, line, act=None, taps=0):
        self.lines.append(line + (" " + act.lower() if act else ""))
        self.tensors.append(tensor)
        self.macs += taps * networks.product(self.info[tensor][0])
        return len(self.tensors) - 1

    def channels(self, x):
        return self.info[self.tensors[x]][0][-1]

    def input(self, h, w, c, flat=False):
        return self.put(super().input([h * w, c] if flat else [1, h, w, c]),
                        "input %d %d %d" % (h, w, c))

    def dense(self, x, n, act=None, sigma=None):
        return self.put(super().dense(self.tensors[x], n, act, sigma), "dense %d" % n, act,
                        self.channels(x))

    def conv(self, x, filters, size, act=None, stride=1):
        y = super().conv(self.tensors[x], filters, size, act, stride)
        return self.put(y, "conv %d %d %d %d" % (filters, size, size, stride), act,
                        size * size * self.channels(x))

    def depthwise(self, x, size, act=None, stride=1, multiplier=1):
        y = networks.Network.conv(self, self.tensors[x], 0, size, act, stride, "SAME", None,
                                  multiplier)
        return self.put(y, "depthwise %d %d %d %d" % (multiplier, size, size, stride), act,
                        size * size)

    def add(self, x, y):
        return self.put(super().add(self.tensors[x], self.tensors[y]), "add %d" % x)

    def mean(self, x):
        return self.put(super().mean(self.tensors[x]), "mean")

    def pool(self, x, size):
        y = super().pool("MAX_POOL_2D", self.tensors[x], (size, size))
        return self.put(y, "pool %d %d" % (size, size))

    def flat(self, x):
        shape = self.info[self.tensors[x]][0]
        return self.put(super().reshape(self.tensors[x], [1, networks.product(shape)]), "flat")

    def picture(self, shape):
        """Real ones take long, and speed does not depend on them."""
        return [networks.SIGNED[b] for b in self.r.randbytes(networks.product(shape))]


def gemm(n, size):
    n.dense(n.input(1, size, size, flat=True), size)


def conv3x3(n):
    n.conv(n.input(56, 56, 64), 64, 3, "RELU6")


def conv1x1(n):
    n.conv(n.input(28, 28, 256), 512, 1, "RELU6")


def depthwise3x3(n):
    n.depthwise(n.input(112, 112, 64), 3, "RELU6")


def mobilenet_v1(n):
    """Width 0.25, 96x96 in grey, 2 classes, as person_detection of TensorFlow Lite Micro."""
    x = n.depthwise(n.input(96, 96, 1), 3, "RELU6", 2, 8)
    for filters, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1),
                            (128, 1), (128, 1), (128, 1), (128, 1), (256, 2), (256, 1)):
        x = n.conv(n.depthwise(x, 3, "RELU6", stride), filters, 1, "RELU6")
    n.dense(n.mean(x), 2)


def mobilenet_v2(n):
    """Width 1, 224x224, 1000 classes."""
    x = n.conv(n.input(224, 224, 3), 32, 3, "RELU6", 2)
    x = n.conv(n.depthwise(x, 3, "RELU6"), 16, 1)
    channels = 16
    for filters, repeat, stride in ((24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2),
                                    (320, 1, 1)):
        for i in range(repeat):
            y = n.conv(x, 6 * channels, 1, "RELU6")
            y = n.depthwise(y, 3, "RELU6", stride if i == 0 else 1)
            y = n.conv(y, filters, 1)
            x = n.add(x, y) if i > 0 else y
            channels = filters
    n.dense(n.mean(n.conv(x, 1280, 1, "RELU6")), 1000, sigma=3.0)


def digits(n):
    """Without the softmax at its end: libraries have none of this type. What is measured of
    ours is the trained network."""
    x = n.depthwise(n.conv(n.input(8, 8, 1), 16, 3, "RELU"), 3, "RELU")
    x = n.conv(x, 32, 1, "RELU")
    x = n.pool(n.conv(n.pool(x, 2), 32, 3, "RELU"), 2)
    n.dense(n.flat(x), 10)


# Name, what it is to people, how to make it, runs.
WORKLOADS = (
    ("gemm-512", "GEMM 512x512x512", lambda n: gemm(n, 512), 1),
    ("gemm-1024", "GEMM 1024x1024x1024", lambda n: gemm(n, 1024), 1),
    ("conv-3x3", "convolution 3x3, 56x56x64 to 64", conv3x3, 1),
    ("conv-1x1", "convolution 1x1, 28x28x256 to 512", conv1x1, 1),
    ("depthwise-3x3", "depthwise 3x3, 112x112x64", depthwise3x3, 1),
    ("mobilenet-v1", "MobileNet v1 0.25, 96x96", mobilenet_v1, 2),
    ("mobilenet-v2", "MobileNet v2 1.0, 224x224", mobilenet_v2, 1),
    ("digits", "handwritten digits, 8x8", digits, 1),
)


def copy_digits(where):
    digits = os.path.join(TOP, "tests/models/digits")
    for source, name, size in (("digits.tflite", "digits.tflite", None),
                               ("heldout.raw", "digits.in", 4 * 64)):
        with open(os.path.join(digits, source), "rb") as f, \
             open(os.path.join(where, name), "wb") as to:
            to.write(f.read()[:size])


def write(where, name, make, runs):
    n = Workload(name, runs)
    make(n)
    n.m.outputs.append(n.tensors[-1])
    with open(os.path.join(where, name + ".layers"), "w") as f:
        f.write("\n".join(n.lines) + "\n")
    with open(os.path.join(where, name + ".macs"), "w") as f:
        f.write("%d\n" % n.macs)
    if name == "digits":
        copy_digits(where)
        return
    n.m.save(os.path.join(where, name + ".tflite"))
    with open(os.path.join(where, name + ".in"), "wb") as f:
        f.write(n.inputs())


def macs(where, name):
    with open(os.path.join(where, name + ".macs"), encoding="utf-8") as f:
        return int(f.read())


def main():
    where, names = sys.argv[1], sys.argv[2:]
    os.makedirs(where, exist_ok=True)
    for name, _, make, runs in WORKLOADS:
        if names and name not in names:
            continue
        write(where, name, make, runs)
        print(name, flush=True)


if __name__ == "__main__":
    main()
