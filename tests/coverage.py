#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""coverage.py TOP UNCOVERED SOURCE=FOLDER...: see coverage.sh

Merges what gcov says of all objects in the folders about the files of SOURCE.
"""
import json
import os
import subprocess
import sys

GOAL = 90	# per cent of the lines


class File:
    def __init__(self):
        self.lines = {}		# number: times
        self.branches = {}	# number: times of each
        self.functions = {}	# name: (first line, last line)

    def merge(self, gcov):
        for f in gcov["functions"]:
            self.functions[f["name"]] = (f["start_line"], f["end_line"])
        for line in gcov["lines"]:
            n = line["line_number"]
            self.lines[n] = self.lines.get(n, 0) + line["count"]
            new = [b["count"] for b in line["branches"]]
            old = self.branches.get(n, [])
            if len(old) == len(new):
                new = [a + b for a, b in zip(old, new)]
            self.branches[n] = max(old, new, key=len) if len(old) != len(new) else new

    def function(self, line):
        inside = [(first, name) for name, (first, last) in self.functions.items()
                  if first <= line <= last]
        return max(inside)[1] if inside else "-"

    def uncovered(self):
        return sorted(n for n, times in self.lines.items() if not times)

    def figures(self):
        branches = [b for bs in self.branches.values() for b in bs]
        return (sum(1 for n in self.lines.values() if n), len(self.lines),
                sum(1 for b in branches if b), len(branches))


def place(top, sources, path):
    """File of TOP that was compiled, wherever its build saw it."""
    parts = os.path.normpath(path).split(os.sep)
    for i in range(len(parts)):
        name = os.path.join(*parts[i:])
        if os.path.dirname(name) in sources and os.path.exists(os.path.join(top, name)):
            return name
    return None


def gcov(top, sources, folder, files):
    data = [os.path.join(d, name) for d, _, names in os.walk(folder) for name in names
            if name.endswith(".gcda")]
    text = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *data],
                          capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        if not line.startswith("{"):
            continue
        unit = json.loads(line)
        for f in unit["files"]:
            name = place(top, sources, os.path.join(unit["current_working_directory"], f["file"]))
            if name:
                files.setdefault(name, File()).merge(f)


def percent(a, b):
    return f"{100 * a / b:6.1f} %" if b else "       -"


def row(name, figures):
    lines, all_lines, branches, all_branches = figures
    print(f"{name:28} {all_lines:6} {percent(lines, all_lines)} "
          f"{all_branches:8} {percent(branches, all_branches)}")


def reasons(path):
    """FILE:FUNCTION REASON; several functions with commas between."""
    found = {}
    with open(path) as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                where, why = line.split(None, 1)
                name, functions = where.split(":")
                found.update({(name, function): why.strip() for function in functions.split(",")})
    return found


def main():
    top, uncovered, *pairs = sys.argv[1:]
    folders = {}
    for source, folder in (p.split("=") for p in pairs):
        folders.setdefault(folder, []).append(source)
    files = {}
    for folder, sources in folders.items():
        gcov(top, sources, folder, files)

    bad = []
    print(f"{'':28} {'lines':>6} {'run':>8} {'branches':>8} {'taken':>8}")
    for source in dict.fromkeys(p.split("=")[0] for p in pairs):
        names = sorted(n for n in files if os.path.dirname(n) == source)
        total = [sum(f) for f in zip(*(files[n].figures() for n in names))] or [0] * 4
        row(source, total)
        for n in names:
            row("  " + os.path.basename(n), files[n].figures())
        if total[0] * 100 < total[1] * GOAL:
            bad.append(f"{source}: less than {GOAL} % of the lines")

    why = reasons(os.path.join(top, "tests/coverage.txt"))
    used = set()
    with open(uncovered, "w") as out:
        for name in sorted(files):
            with open(os.path.join(top, name)) as f:
                text = f.read().splitlines()
            for n in files[name].uncovered():
                at = (name, "*")
                if at not in why:
                    at = (name, files[name].function(n))
                if at not in used and at not in why:
                    bad.append(f"{name}:{at[1]}: is not run in full, and tests/coverage.txt does not say why")
                if at not in used:
                    out.write(f"\n{at[0]}:{at[1]} {why.get(at, '')}\n")
                used.add(at)
                out.write(f"{n:6} {text[n - 1]}\n")
    for name, function in why:
        if (name, function) in used or why[name, function].startswith("race"):
            continue
        if os.path.dirname(name) in sum(folders.values(), []):
            bad.append(f"{name}:{function}: is run in full; its reason in tests/coverage.txt can go")
    print(f"# uncovered lines: {uncovered}")
    for text in bad:
        print(text)
    return bool(bad)


sys.exit(main())
