#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""How fast is it: the device model on this machine beside the libraries that are made for
it, and beside what its instructions could do at most.

    bench.py [--quick] [--cached] [--rounds N] [--only NAME[,NAME...]] [--json FILE]

Each number is the median of rounds, in each of which everything is measured once, right
after the peak probe; so what disturbs the machine disturbs all alike, and ratios hold. Says
on standard error what it does, and prints tables on standard output.
Documentation/performance.rst explains them.

--quick: few rounds, for a test. --cached: libraries are not downloaded. --only: workloads.
BUILD: folder of what is built."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
from participants import Failed, Participant  # noqa: E402
import workloads  # noqa: E402

TOP = os.path.abspath(os.path.join(HERE, "../.."))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
OUT = os.path.join(BUILD, "bench")
MODELS = os.path.join(OUT, "workloads")
TITLES = {name: title for name, title, _, _ in workloads.WORKLOADS}
REFERENCE = os.path.join(BUILD, "tests/reference/npu-reference")
NOT_SAME = "f32 requantisation, not the same bits"

# Sets of inner loops of the model, and what the CPU must have.
KERNELS = (("avx512", "avx512_vnni"), ("avx2", "avx2"), ("neon", "asimddp"), ("portable", ""))
PEERS = (("XNNPACK", "xnnpack"), ("oneDNN", "onednn"))

# What is to be reached on one core: a share of the peak, or of the best library.
BARS = (("gemm-512", "peak", 0.85), ("gemm-1024", "peak", 0.85), ("conv-3x3", "peak", 0.82),
        ("conv-1x1", "peak", 0.80), ("depthwise-3x3", "peer", 1.0), ("mobilenet-v1", "peer", 1.0))
BAR_AVX2, BAR_TWO = 0.30, 0.93
UNDISTURBED = 0.97      # share of two CPUs


def say(text):
    bold = ("\033[1m", "\033[0m") if sys.stderr.isatty() else ("", "")
    print("%s==>%s %s" % (bold[0], bold[1], text), file=sys.stderr, flush=True)


def timed(text, do, *args):
    say(text + " ...")
    start = time.monotonic()
    result = do(*args)
    say("%s: %.0f s" % (text, time.monotonic() - start))
    return result


def die(text):
    print("error: " + text, file=sys.stderr)
    sys.exit(1)


def command(*args, **options):
    """Its output; what it says on standard error is passed on if it fails."""
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    if done.returncode:
        sys.stderr.write(done.stdout[-4000:] + done.stderr[-4000:])
        die("%s: exit code %d" % (" ".join(args[:3]), done.returncode))
    return done.stdout


def make(folder, *args):
    command("make", "-s", "-C", os.path.join(TOP, folder), "BUILD=" + BUILD, *args)


# ---- The machine ----

def cpu_info():
    name, flags = platform.machine(), set()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            for line in f:
                key, _, value = line.partition(":")
                if key.strip() == "model name":
                    name = value.strip()
                elif key.strip() in ("flags", "Features"):
                    flags = set(value.split())
    except OSError:
        pass
    return name, flags


def machine(flags):
    name, _ = cpu_info()
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
    return {"cpu": name, "features": [f for f in wanted if f in flags], "cpus": os.cpu_count(),
            "kernel": platform.release(), "load": round(os.getloadavg()[0], 2)}


# ---- Workloads ----

def make_workloads():
    """Models, inputs and what the reference makes of them, unless they are there."""
    done = os.path.join(MODELS, "done")
    make("tests/models/reference", "CFLAGS=-O2")
    sources = [REFERENCE] + [os.path.join(TOP, path) for path in (
        "tests/bench/workloads.py", "tests/models/networks.py", "tests/models/tflite.py")]
    if os.path.exists(done) and all(os.path.getmtime(done) > os.path.getmtime(s) for s in sources):
        return
    command(sys.executable, os.path.join(HERE, "workloads.py"), MODELS)
    for name, _, _, _ in workloads.WORKLOADS:
        base = os.path.join(MODELS, name)
        with open(base + ".out", "wb") as f:
            subprocess.run([REFERENCE, base + ".tflite", base + ".in"], stdout=f, check=True)
    with open(done, "w", encoding="utf-8"):
        pass


# ---- Who takes part ----

def start(rows, name, args, cpus, peer=False):
    """A participant, or None and a row that says why not."""
    try:
        return Participant(name, args, cpus, peer)
    except (Failed, OSError) as why:
        rows.append({"participant": name, "peer": peer, "reason": str(why)})
        return None


def start_models(rows, names, flags, cpu):
    model = os.path.join(OUT, "model")
    for kernels, feature in KERNELS:
        if kernels == "neon" and platform.machine() != "aarch64" or \
           kernels.startswith("avx") and platform.machine() != "x86_64":
            continue
        name = "model, " + kernels
        if feature and feature not in flags:
            rows.append({"participant": name, "peer": False, "reason": "this CPU has no " + feature})
            continue
        p = start(rows, name, [model, "--kernels", kernels, MODELS] + names, {cpu})
        if p:
            yield p


def peer_command(program, cached):
    """Its loader, its libraries: those of a newer Debian."""
    done = subprocess.run([os.path.join(TOP, "tests/vm/peers.sh"), program] +
                          (["cached"] if cached else []),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        text = done.stderr.strip().splitlines() or ["no reason given"]
        raise Failed(text[-1].replace("error: ", ""))
    root = done.stdout.strip()
    make("tests/bench", program, "PEER=" + root)
    for place, _, files in os.walk(os.path.join(root, "usr/lib")):
        loaders = [f for f in files if f.startswith("ld-linux")]
        if loaders:
            return [os.path.join(place, loaders[0]), "--library-path", place,
                    os.path.join(OUT, program)]
    raise Failed("there is no loader in " + root)


def start_peers(rows, names, cached, cpu):
    for name, program in PEERS:
        try:
            args = timed("getting and building with " + name, peer_command, program, cached)
        except Failed as why:
            say("%s: %s" % (name, why))
            rows.append({"participant": name, "peer": True, "reason": str(why)})
            continue
        p = start(rows, name, args + [MODELS] + names, {cpu}, True)
        if p:
            yield p


# ---- Measuring ----

class Samples:
    """Of one workload and participant: times of each round, shares of the probe."""

    def __init__(self):
        self.cpu, self.ratio = [], []

    def row(self, participant, workload, macs):
        ns = statistics.median(self.cpu)
        return {"workload": workload, "participant": participant.name, "peer": participant.peer,
                "ns": round(ns, 1), "macs": macs, "gmacs": macs / ns,
                "ratio": statistics.median(self.ratio), "ratio_min": min(self.ratio),
                "ratio_max": max(self.ratio)}


def measure_all(names, probe, everybody, rounds, ms):
    """Rows; who fails is left out from then on, and has a row that says why."""
    samples = {(n, p.name): Samples() for n in names for p in everybody}
    failed, peaks = [], []
    for number in range(rounds):
        begin = time.monotonic()
        for name in names:
            for p in everybody:
                if name not in p.has:
                    continue
                peak = probe.has["one"] / probe.measure("one", 10).cpu
                try:
                    cpu = p.measure(name, ms).cpu
                except Failed as why:
                    p.has.pop(name)
                    p.lacks[name] = str(why)
                    continue
                peaks.append(peak)
                samples[name, p.name].cpu.append(cpu)
                samples[name, p.name].ratio.append(p.has[name] / cpu / peak)
        say("round %d of %d: %.0f s" % (number + 1, rounds, time.monotonic() - begin))
    rows = []
    for name in names:
        for p in everybody:
            if name in p.has and samples[name, p.name].cpu:
                rows.append(samples[name, p.name].row(p, name, p.has[name]))
            elif name in p.lacks:
                failed.append({"workload": name, "participant": p.name, "peer": p.peer,
                               "reason": p.lacks[name]})
    return rows, failed, statistics.median(peaks)


def undisturbed(participant, name, ms, tries=10):
    """The clock's time of a run on two CPUs, or None. Both threads are awake all the time, so
    they use twice what the clock says, unless others want the CPUs too: then again."""
    for _ in range(tries):
        m = participant.measure(name, ms)
        if m.everything > UNDISTURBED * 2 * m.clock:
            return m.clock
    return None


def measure_two(names, probe, one, two, rounds, ms):
    """One job on two cores: how much faster than on one, beside the same of the probe."""
    rows = []
    for name in names:
        if name not in one.has or name not in two.has:
            continue
        ours, peak = [], []
        for _ in range(rounds):
            alone, both = probe.measure("one", ms).cpu, undisturbed(probe, "two", ms)
            job_alone, job = one.measure(name, ms).cpu, undisturbed(two, name, ms)
            if both and job:
                peak.append(2 * alone / both)
                ours.append(job_alone / job)
        row = {"workload": name, "participant": two.name, "rounds": len(ours)}
        if ours:
            row.update(speedup=statistics.median(ours), probe_speedup=statistics.median(peak),
                       ratio=statistics.median(o / p for o, p in zip(ours, peak)))
        else:
            row["reason"] = "others used the CPUs all the time"
        rows.append(row)
    return rows


# ---- Bars ----

def find(rows, workload, participant):
    return next((r for r in rows if r["workload"] == workload and
                 r["participant"] == participant), None)


def best_peer(rows, workload):
    peers = [r for r in rows if r["workload"] == workload and r["peer"]]
    return min(peers, key=lambda r: r["ns"]) if peers else None


def bars(rows, two, best):
    """@best: the participant that a user of this machine gets."""
    result = []

    def bar(what, value, limit):
        result.append({"bar": what, "value": value, "limit": limit, "reached": value >= limit})

    for workload, of, limit in BARS:
        row, peer = find(rows, workload, best), best_peer(rows, workload)
        if row and of == "peak":
            bar("%s: share of the peak" % workload, row["ratio"], limit)
        elif row and peer:
            bar("%s: speed, %s is 1" % (workload, peer["participant"]), row["ratio"] / peer["ratio"],
                limit)
    avx2 = [r["ratio"] for r in rows if r["participant"] == "model, avx2" and
            r["workload"] in ("gemm-512", "gemm-1024", "conv-3x3", "conv-1x1")]
    if avx2:
        bar("avx2, GEMM and convolutions: least share of the peak", min(avx2), BAR_AVX2)
    for row in two:
        if row["workload"] in ("gemm-1024", "conv-3x3") and row["rounds"]:
            bar("%s on two cores: share of the probe's scaling" % row["workload"], row["ratio"],
                BAR_TWO)
    return result


# ---- Tables ----

def short_time(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return "%.3g %s" % (ns / size, unit)
    return "%.3g ns" % ns


def print_compute(result):
    info = result["machine"]
    print("\nOne core of %s, %d rounds, load %.1f" % (info["cpu"], result["rounds"], info["load"]))
    print("Peak: %s, operands in registers, %.0f GMAC/s\n" % (
        result["probe"]["text"], result["probe"]["gmacs"]))
    line = "%-34s %-18s %9s %8s  %-20s %s"
    print(line % ("workload", "", "a run", "GMAC/s", "of peak (min..max)", "best *"))
    last = None
    for row in sorted(result["compute"], key=lambda r: list(TITLES).index(r["workload"])):
        peer = best_peer(result["compute"], row["workload"])
        print(line % (TITLES[row["workload"]] if row["workload"] != last else "",
                      row["participant"] + (" *" if row["peer"] else ""), short_time(row["ns"]),
                      "%.4g" % row["gmacs"],
                      "%.3f (%.3f..%.3f)" % (row["ratio"], row["ratio_min"], row["ratio_max"]),
                      "%.2f x" % (row["ratio"] / peer["ratio"]) if peer else "-"))
        last = row["workload"]
    if any(r["peer"] for r in result["compute"]):
        print("\n* " + NOT_SAME)
    for row in result["missing"]:
        print("%s%s: not available: %s" % (
            row["participant"], ", " + row["workload"] if "workload" in row else "", row["reason"]))


def print_two(rows):
    if not rows:
        return
    print("\nOne job on two cores: times as fast as on one")
    line = "%-34s %-24s %9s %9s  %s"
    print(line % ("workload", "", "", "the probe", "of the probe's"))
    for row in rows:
        name = TITLES[row["workload"]]
        if row["rounds"]:
            print(line % (name, row["participant"], "%.2f" % row["speedup"],
                          "%.2f" % row["probe_speedup"], "%.2f" % row["ratio"]))
        else:
            print("%-34s %-24s not measured: %s" % (name, row["participant"], row["reason"]))


def print_bars(rows):
    if not rows:
        return
    print("\n%-58s %8s %8s" % ("bar", "", "at least"))
    for row in rows:
        print("%-58s %8.3f %8.2f  %s" % (row["bar"], row["value"], row["limit"],
                                         "reached" if row["reached"] else "not reached"))


# ---- All of it ----

def start_all(result, args, flags, cpus, everybody):
    """Participants into @everybody; the probe and those for two cores are returned."""
    one = {cpus[-1]}
    probe = Participant("probe", [os.path.join(OUT, "probe")], set(cpus[-2:]))
    everybody += start_models(result["missing"], args.names, flags, cpus[-1])
    everybody += start_peers(result["missing"], args.names, args.cached, cpus[-1])
    two = None
    if len(cpus) > 1:
        kernels = everybody[0].name.split(", ")[1]
        two = start(result["missing"], "model, %s, 2 cores" % kernels,
                    [os.path.join(OUT, "model"), "--kernels", kernels, "--cores", "2", MODELS] +
                    args.names, set(cpus[-2:]))
    return probe, two, one


def bench(args):
    _, flags = cpu_info()
    cpus = sorted(os.sched_getaffinity(0))
    result = {"machine": machine(flags), "rounds": args.rounds, "missing": []}
    timed("building the model and the probe", make, "tests/bench", "participants")
    timed("making models, and what the reference makes of their inputs", make_workloads)
    everybody = []
    say("starting participants ...")
    try:
        probe, two, _ = start_all(result, args, flags, cpus, everybody)
    except Failed as why:
        die("the probe: %s" % why)
    rows, failed, peak = timed("measuring", measure_all, args.names, probe, everybody, args.rounds,
                               args.ms)
    result["missing"] += failed
    result["probe"] = {"text": probe.text, "gmacs": peak}
    result["compute"] = rows
    result["two_cores"] = timed("measuring two cores", measure_two, args.names, probe, everybody[0],
                                two, max(args.rounds // 3, 1), 10) if two else []
    result["bars"] = bars(rows, result["two_cores"], everybody[0].name)
    for p in everybody + [probe, two]:
        if p:
            p.stop()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, for a test")
    parser.add_argument("--cached", action="store_true", help="download no libraries")
    parser.add_argument("--rounds", type=int, help="default 15")
    parser.add_argument("--only", help="names of workloads, with commas between")
    parser.add_argument("--json", metavar="FILE", help="write all numbers to FILE")
    args = parser.parse_args()
    known = [w[0] for w in workloads.WORKLOADS]
    args.names = args.only.split(",") if args.only else known
    for name in args.names:
        if name not in known:
            parser.error("no workload '%s'; there are %s" % (name, ", ".join(known)))
    args.rounds = args.rounds or (2 if args.quick else 15)
    args.ms = 10 if args.quick else 50
    result = bench(args)
    print_compute(result)
    print_two(result["two_cores"])
    print_bars(result["bars"])
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(result, f, indent=1)
            f.write("\n")


if __name__ == "__main__":
    main()
