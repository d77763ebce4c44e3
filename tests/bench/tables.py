# SPDX-License-Identifier: GPL-2.0-only
"""What bench.py has measured, for people: tables, and the bars that are to be reached."""

NOT_SAME = "f32 requantisation, not the same bits"

# What is to be reached on one core: a share of the peak, or of the best library.
BARS = (("gemm-512", "peak", 0.85), ("gemm-1024", "peak", 0.85), ("conv-3x3", "peak", 0.82),
        ("conv-1x1", "peak", 0.80), ("depthwise-3x3", "peer", 1.0), ("mobilenet-v1", "peer", 1.0))
AVX2 = ("gemm-512", "gemm-1024", "conv-3x3", "conv-1x1")
BAR_AVX2, BAR_TWO = 0.30, 0.93
TWO = ("gemm-1024", "conv-3x3")


def find(rows, workload, participant):
    return next((r for r in rows if r["workload"] == workload and
                 r["participant"] == participant), None)


def best_peer(rows, workload):
    peers = [r for r in rows if r["workload"] == workload and r["peer"]]
    return max(peers, key=lambda r: r["ratio"]) if peers else None


def bars(rows, two, best):
    """@best: the participant that a user of this machine gets."""
    result = []

    def bar(what, value, limit):
        result.append({"bar": what, "value": value, "limit": limit,
                       "reached": value is not None and value >= limit})

    for workload, of, limit in BARS:
        row, peer = find(rows, workload, best), best_peer(rows, workload)
        if row and of == "peak":
            bar("%s: share of the peak" % workload, row["ratio"], limit)
        elif row and peer:
            bar("%s: speed, %s is 1" % (workload, peer["participant"]),
                row["ratio"] / peer["ratio"], limit)
    avx2 = [r["ratio"] for r in rows if r["participant"] == "model, avx2" and
            r["workload"] in AVX2]
    if avx2:
        bar("avx2, GEMM and convolutions: least share of the peak", min(avx2), BAR_AVX2)
    for row in two:
        if row["workload"] in TWO:
            bar("%s on two cores: share of the probe's scaling" % row["workload"],
                row.get("ratio"), BAR_TWO)
    return result


def short_time(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return "%.3g %s" % (ns / size, unit)
    return "%.3g ns" % ns


class Tables:
    """@titles: what a workload is called, in the order of the tables."""

    def __init__(self, titles):
        self.titles, self.last, self.lines = titles, None, []

    def add(self, text=""):
        self.lines.append(text.rstrip())

    def title(self, row):
        """Once for neighbouring rows."""
        same, self.last = row["workload"] == self.last, row["workload"]
        return "" if same else self.titles[row["workload"]]

    def ordered(self, rows):
        self.last = None
        return sorted(rows, key=lambda r: list(self.titles).index(r["workload"]))

    def head(self, result):
        info = result["machine"]
        self.add("%s, %d CPUs, Linux %s, load %.1f, commit %s" % (
            info["cpu"], info["cpus"], info["kernel"], info["load"], info["commit"]))
        self.add("Peak of one core: %s, operands in registers, %.0f GMAC/s" % (
            result["probe"]["text"], result["probe"]["gmacs"]))

    def compute(self, rows, rounds, texts):
        if not rows:
            return
        line = "%-34s %-18s %9s %8s  %-20s %s"
        self.add()
        self.add("One core, medians of %d rounds" % rounds)
        self.add(line % ("workload", "", "a run", "GMAC/s", "of peak (min..max)", "best *"))
        for row in self.ordered(rows):
            peer = best_peer(rows, row["workload"])
            self.add(line % (
                self.title(row), row["participant"] + (" *" if row["peer"] else ""),
                short_time(row["ns"]), "%.4g" % row["gmacs"],
                "%.3f (%.3f..%.3f)" % (row["ratio"], row["ratio_min"], row["ratio_max"]),
                "%.2f x" % (row["ratio"] / peer["ratio"]) if peer else "-"))
        peers = sorted({r["participant"] for r in rows if r["peer"]})
        if peers:
            self.add("* %s: %s" % (NOT_SAME, ", ".join(
                "%s %s" % (name, texts.get(name, "")) for name in peers)))

    def two_cores(self, rows):
        if not rows:
            return
        line = "%-34s %-24s %9s %9s  %s"
        self.add()
        self.add("One job on two cores: times as fast as on one")
        self.add(line % ("workload", "", "", "the probe", "of the probe's"))
        for row in self.ordered(rows):
            if row["rounds"]:
                self.add(line % (self.title(row), row["participant"], "%.2f" % row["speedup"],
                                 "%.2f" % row["probe_speedup"], "%.2f" % row["ratio"]))
            else:
                self.add("%-34s %-24s not measured: %s" % (self.title(row), row["participant"],
                                                           row["reason"]))

    def guest(self, rows, info):
        if not rows:
            return
        line = "%-34s %-22s %9s %10s %8s %12s %8s"
        self.add()
        self.add("A guest, from the submission of a job to its fence: %s, Linux %s" % (
            info["cpu"], info["kernel"]))
        self.add(line % ("workload", "", "a job", "the device", "GMAC/s", "plain loop", "of peak"))
        for row in self.ordered(rows):
            self.add(line % (
                self.title(row), row["participant"], short_time(row["ns"]),
                short_time(row["device_ns"]), "%.4g" % row["gmacs"],
                "%.2f x" % row["loop_ratio"] if row["native"] else "-",
                "-" if row["native"] else "%.3f" % row["ratio"]))

    def missing(self, rows):
        if not rows:
            return
        self.add()
        self.add("Not run")
        for row in rows:
            name = row["participant"] + (", " + row["workload"] if "workload" in row else "")
            self.add("%s: %s" % (name, row["reason"]))

    def bars(self, rows):
        if not rows:
            return
        self.add()
        self.add("%-58s %8s %8s" % ("bar", "", "at least"))
        for row in rows:
            measured = row["value"] is not None
            self.add("%-58s %8s %8.2f  %s" % (
                row["bar"], "%.3f" % row["value"] if measured else "-", row["limit"],
                "reached" if row["reached"] else "not reached" if measured else "not measured"))


def text(result, titles):
    tables = Tables(titles)
    tables.head(result)
    tables.compute(result["compute"], result["rounds"], result["participants"])
    tables.two_cores(result["two_cores"])
    tables.guest(result["guest"], result["guest_machine"])
    tables.missing(result["missing"])
    tables.bars(result["bars"])
    if result["submission"]:
        tables.add()
        tables.add("The cost of calls, in the guest of npu_emu.ko")
        for line in result["submission"]:
            tables.add(line)
    return "\n".join(tables.lines) + "\n"
