#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Train the digits model: a small convolutional network on the UCI handwritten
digits that come with scikit-learn (Debian: python3-sklearn), in plain numpy,
quantised to int8 per channel as the TensorFlow Lite converter does it.

    ./train.py

writes, beside itself, digits.tflite, heldout.raw (int8 inputs of the model),
heldout.labels, the first image of each class, and two more, as NAME.pgm, and
one of them as a raw input, 7a.raw.
The seed is fixed; another numpy or BLAS may still round differently, so the
committed files are the reference, not a new run."""

import os
import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import tflite  # noqa: E402

EPOCHS = 60
BATCH = 32
RATE = 2e-3


# ---- Layers: forward keeps what backward needs ----

def patches(x, k):
    """[N, H, W, C] -> [N, H, W, k * k, C], zero padded to the same size."""
    p = k // 2
    n, h, w, c = x.shape
    padded = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
    return np.stack([padded[:, i:i + h, j:j + w] for i in range(k) for j in range(k)], axis=3)


def unpatches(d, k):
    p = k // 2
    n, h, w, _, c = d.shape
    padded = np.zeros((n, h + 2 * p, w + 2 * p, c), d.dtype)
    for i in range(k):
        for j in range(k):
            padded[:, i:i + h, j:j + w] += d[:, :, :, i * k + j]
    return padded[:, p:p + h, p:p + w]


class Conv:
    """Convolution and ReLU; the weights are [O, k, k, I]."""

    def __init__(self, rng, name, k, inputs, outputs):
        self.name, self.k = name, k
        self.w = rng.normal(0, np.sqrt(2 / (k * k * inputs)), (outputs, k, k, inputs))
        self.b = np.zeros(outputs)

    def forward(self, x):
        self.p = patches(x, self.k).reshape(*x.shape[:3], -1)
        self.y = np.maximum(self.p @ self.w.reshape(len(self.w), -1).T + self.b, 0)
        return self.y

    def backward(self, d):
        d = d * (self.y > 0)
        flat = d.reshape(-1, d.shape[-1])
        self.dw = (flat.T @ self.p.reshape(len(flat), -1)).reshape(self.w.shape)
        self.db = flat.sum(0)
        d = d @ self.w.reshape(len(self.w), -1)
        return unpatches(d.reshape(*d.shape[:3], self.k * self.k, -1), self.k)


class Depthwise:
    """Depthwise convolution and ReLU; the weights are [1, k, k, C]."""

    def __init__(self, rng, name, k, channels):
        self.name, self.k = name, k
        self.w = rng.normal(0, np.sqrt(2 / (k * k)), (1, k, k, channels))
        self.b = np.zeros(channels)

    def forward(self, x):
        self.p = patches(x, self.k)
        self.y = np.maximum(np.einsum("nhwkc,kc->nhwc", self.p,
                                      self.w.reshape(self.k ** 2, -1)) + self.b, 0)
        return self.y

    def backward(self, d):
        d = d * (self.y > 0)
        self.dw = np.einsum("nhwkc,nhwc->kc", self.p, d).reshape(self.w.shape)
        self.db = d.sum((0, 1, 2))
        return unpatches(d[:, :, :, None] * self.w.reshape(1, 1, 1, self.k ** 2, -1), self.k)


class Pool:
    """Largest of 2 x 2."""

    def forward(self, x):
        n, h, w, c = x.shape
        self.x = x.reshape(n, h // 2, 2, w // 2, 2, c)
        self.y = self.x.max((2, 4))
        return self.y

    def backward(self, d):
        best = self.x == self.y[:, :, None, :, None]
        best = best / best.sum((2, 4), keepdims=True)
        n, h, _, w, _, c = self.x.shape
        return (best * d[:, :, None, :, None]).reshape(n, h * 2, w * 2, c)


class Dense:
    """Flattens; the weights are [O, K]. Without activation."""

    def __init__(self, rng, name, inputs, outputs):
        self.name = name
        self.w = rng.normal(0, np.sqrt(1 / inputs), (outputs, inputs))
        self.b = np.zeros(outputs)

    def forward(self, x):
        self.shape = x.shape
        self.x = x.reshape(len(x), -1)
        self.y = self.x @ self.w.T + self.b
        return self.y

    def backward(self, d):
        self.dw = d.T @ self.x
        self.db = d.sum(0)
        return (d @ self.w).reshape(self.shape)


# ---- Training ----

def shifted(rng, x):
    """Move each image by up to one pixel."""
    y = np.zeros_like(x)
    for i, (dy, dx) in enumerate(rng.integers(-1, 2, (len(x), 2))):
        y[i] = np.pad(x[i], ((1, 1), (1, 1), (0, 0)))[1 + dy:9 + dy, 1 + dx:9 + dx]
    return y


def train(rng, layers, x, labels):
    weights = [(layer, name) for layer in layers if hasattr(layer, "w") for name in "wb"]
    m = [np.zeros_like(getattr(*w)) for w in weights]
    v = [np.zeros_like(getattr(*w)) for w in weights]
    step = 0
    for epoch in range(EPOCHS):
        rate = RATE * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
        order = rng.permutation(len(x))
        loss = 0
        for at in range(0, len(x), BATCH):
            pick = order[at:at + BATCH]
            y = shifted(rng, x[pick]) if rng.random() < 0.7 else x[pick]
            for layer in layers:
                y = layer.forward(y)
            y = np.exp(y - y.max(1, keepdims=True))
            y /= y.sum(1, keepdims=True)
            loss -= np.log(y[range(len(pick)), labels[pick]] + 1e-9).sum()
            y[range(len(pick)), labels[pick]] -= 1
            d = y / len(pick)
            for layer in reversed(layers):
                d = layer.backward(d)
            step += 1
            for i, (layer, name) in enumerate(weights):
                g = getattr(layer, "d" + name) + 1e-4 * getattr(layer, name)
                m[i] += 0.1 * (g - m[i])
                v[i] += 0.001 * (g * g - v[i])
                getattr(layer, name)[...] -= (rate * (m[i] / (1 - 0.9 ** step)) /
                                              (np.sqrt(v[i] / (1 - 0.999 ** step)) + 1e-8))
        if epoch % 10 == 9:
            print("epoch %d, loss %.4f" % (epoch + 1, loss / len(x)), flush=True)


def accuracy(layers, x, labels):
    for layer in layers:
        x = layer.forward(x)
    return (x.argmax(1) == labels).mean()


# ---- Quantisation ----

def f32(x):
    return float(np.float32(x))


def half_away(x):
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


def activation_range(y):
    low, high = min(float(y.min()), 0), max(float(y.max()), 0)
    scale = f32((high - low) / 255)
    return scale, int(np.clip(half_away(-128 - low / scale), -128, 127))


def quantised_weights(w, axis):
    """Symmetric; one scale per entry of @axis, or one for all if it is None."""
    if axis is None:
        scales = [f32(np.abs(w).max() / 127)]
        s = scales[0]
    else:
        others = tuple(i for i in range(w.ndim) if i != axis)
        scales = [f32(max(a, 1e-6) / 127) for a in np.abs(w).max(others)]
        s = np.array(scales).reshape([-1 if i == axis else 1 for i in range(w.ndim)])
    q = np.clip(half_away(w / s), -127, 127).astype(int)
    return q, scales


def convert(layers, x):
    """Run the training images for the ranges, and write the graph."""
    model = tflite.Model("digits: UCI handwritten digits, int8")
    scale, zp = f32(1 / 255), -128
    at = model.tensor("image", [1, 8, 8, 1], scale=scale, zero_point=zp)
    model.inputs = [at]
    for i, layer in enumerate(layers):
        x = layer.forward(x)
        shape = [1] + list(x.shape[1:])
        if isinstance(layer, Pool):
            y = model.tensor("pool%d" % i, shape, scale=scale, zero_point=zp)
            model.pool("MAX_POOL_2D", at, y, (2, 2), (2, 2))
            at = y
            continue
        axis = {Conv: 0, Depthwise: 3, Dense: None}[type(layer)]
        if axis is None:
            flat = model.tensor("flat", [1, layer.w.shape[1]], scale=scale, zero_point=zp)
            model.reshape(at, [1, layer.w.shape[1]], flat)
            at = flat
        q, scales = quantised_weights(layer.w, axis)
        w = model.tensor(layer.name + "/weights", q.shape, scale=scales, axis=axis or 0,
                         data=q.ravel().tolist())
        bias_scales = [f32(scale * s) for s in scales]
        bias = half_away(layer.b / np.array(bias_scales)).astype(int)
        b = model.tensor(layer.name + "/bias", [len(bias)], "int32", scale=bias_scales,
                         data=bias.tolist())
        scale, zp = activation_range(x)
        y = model.tensor(layer.name, shape, scale=scale, zero_point=zp)
        if isinstance(layer, Conv):
            model.conv_2d(at, w, b, y, act="RELU")
        elif isinstance(layer, Depthwise):
            model.depthwise_conv_2d(at, w, b, y, act="RELU")
        else:
            model.fully_connected(at, w, b, y)
        at = y
    y = model.tensor("class", [1, 10], scale=1 / 256, zero_point=-128)
    model.softmax(at, y)
    model.outputs = [y]
    return model


def write_pgm(path, image):
    with open(path, "w") as f:
        f.write("P2\n# UCI handwritten digit, held out of the training\n8 8\n16\n")
        for row in image.astype(int):
            f.write(" ".join("%2d" % v for v in row) + "\n")


def main():
    digits = load_digits()
    train_x, held_x, train_y, held_y = train_test_split(
        digits.images, digits.target, test_size=0.3, random_state=1, stratify=digits.target)
    rng = np.random.default_rng(7)
    layers = [Conv(rng, "conv1", 3, 1, 16), Depthwise(rng, "depthwise", 3, 16),
              Conv(rng, "pointwise", 1, 16, 32), Pool(), Conv(rng, "conv2", 3, 32, 32), Pool(),
              Dense(rng, "logits", 128, 10)]
    train(rng, layers, train_x[..., None] / 16, train_y)
    print("float32 accuracy on the %d held-out images: %.2f %%"
          % (len(held_y), 100 * accuracy(layers, held_x[..., None] / 16, held_y)))

    convert(layers, train_x[..., None] / 16).save(os.path.join(HERE, "digits.tflite"))
    raw = (half_away(held_x * 255 / 16) - 128).astype(np.int8)
    raw.tofile(os.path.join(HERE, "heldout.raw"))
    with open(os.path.join(HERE, "heldout.labels"), "w") as f:
        f.writelines("%d\n" % y for y in held_y)
    seen = {}
    for order, (image, y) in enumerate(zip(held_x, held_y)):
        seen[y] = seen.get(y, 0) + 1
        if seen[y] == 1 or (seen[y] == 2 and y in (3, 8)):
            write_pgm(os.path.join(HERE, "%d%s.pgm" % (y, "b" if seen[y] == 2 else "a")), image)
            if y == 7 and seen[y] == 1:
                raw[order].tofile(os.path.join(HERE, "7a.raw"))


if __name__ == "__main__":
    main()
