#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A flame graph of what perf has recorded:

    perf script -F comm,ip,sym | flame.py [TITLE] >flame.svg

Each box is a function, as wide as its share of all samples, on the one that has called it. A
browser shows the numbers of a box under the mouse, and finds text with Ctrl-F."""

import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 1200, 17        # of all, of a box
LEAST = 0.4                     # narrower boxes are left out
LETTER = 6.6


class Box:
    def __init__(self, name):
        self.name, self.samples, self.children = name, 0, {}

    def depth(self):
        return 1 + max((c.depth() for c in self.children.values()), default=0)


def stacks(lines):
    """A sample is a command, its functions, the innermost first, and an empty line."""
    stack = []
    for line in lines:
        words = line.split(None, 1)
        if not words:
            if stack:
                yield stack[:1] + stack[:0:-1]
            stack = []
        elif line[0].isspace():
            name = words[1].strip() if len(words) > 1 else "[unknown]"
            # Whatever it is that was built without frame pointers, it is one thing.
            if name != "[unknown]" or stack[-1] != name:
                stack.append(name)
        else:
            stack = [line.strip()]
    if stack:
        yield stack[:1] + stack[:0:-1]


def read(lines):
    root = Box("all")
    for stack in stacks(lines):
        box = root
        box.samples += 1
        for name in stack:
            box = box.children.setdefault(name, Box(name))
            box.samples += 1
    return root


def colour(name):
    """The same for the same name."""
    value = sum(ord(c) * (i + 7) for i, c in enumerate(name))
    return "hsl(%d,%d%%,%d%%)" % (10 + value % 40, 70 + value // 40 % 25, 62 + value // 7 % 10)


def draw(box, x, level, scale, total, out):
    width, y = box.samples * scale, level * HEIGHT
    if width < LEAST:
        return
    text = "%s: %d samples, %.1f %%" % (box.name, box.samples, 100 * box.samples / total)
    letters = int((width - 6) / LETTER)
    label = box.name if len(box.name) <= letters else box.name[:max(letters - 1, 0)] + "…"
    out.append("<g><title>%s</title><rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" "
               "fill=\"%s\"/>" % (escape(text), x, y, width, HEIGHT - 1, colour(box.name)))
    if letters >= 3:
        out.append("<text x=\"%.2f\" y=\"%d\">%s</text>" % (x + 3, y + HEIGHT - 5, escape(label)))
    out.append("</g>")
    for child in sorted(box.children.values(), key=lambda c: c.name):
        draw(child, x, level - 1, scale, total, out)
        x += child.samples * scale


def svg(root, title):
    levels = root.depth()
    out = ["<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
           "font-family=\"monospace\" font-size=\"11\">" % (WIDTH, (levels + 2) * HEIGHT),
           "<text x=\"3\" y=\"%d\">%s: %d samples</text>" % (
               HEIGHT, escape(title), root.samples),
           "<g transform=\"translate(0,%d)\">" % (2 * HEIGHT)]
    draw(root, 0, levels - 1, WIDTH / root.samples, root.samples, out)
    return "\n".join(out + ["</g>", "</svg>"]) + "\n"


def main():
    root = read(sys.stdin)
    if not root.samples:
        sys.exit("flame.py: no stacks on standard input; what says 'perf report'?")
    print(svg(root, sys.argv[1] if len(sys.argv) > 1 else "flame graph"), end="")


if __name__ == "__main__":
    main()
