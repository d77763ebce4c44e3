#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""How fast is it: the device model on this machine beside the libraries that are made for
it, and beside what its instructions could do at most; the same through driver and library
in a guest.

    bench.py [--only host|guest] [--quick] [--cached] [--rounds N] [--kernels NAME]
             [--workloads NAME[,NAME...]] [--json FILE]

Each number is the median of rounds, in each of which everything is measured once, between two
runs of the peak probe; so what disturbs the machine disturbs all alike, and ratios hold. Says
on standard error what it does, and prints tables on standard output.
Documentation/performance.rst explains them.

--quick: few rounds, and not the cost of calls, for a test or a first look. --cached: libraries
are not downloaded.
--kernels: these inner loops of the model only. --json: all numbers, - is standard output,
in place of the tables. BUILD: folder of what is built. KERNEL: of the guest."""

import argparse
import gzip
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
import guest  # noqa: E402
import tables  # noqa: E402
import workloads  # noqa: E402

TOP = os.path.abspath(os.path.join(HERE, "../.."))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
OUT = os.path.join(BUILD, "bench")
MODELS = os.path.join(OUT, "workloads")
TITLES = {name: title for name, title, _, _ in workloads.WORKLOADS}
REFERENCE = os.path.join(BUILD, "static/tests/reference/npu-reference")

# Sets of inner loops of the model, best first, and what the CPU must have.
KERNELS = {"x86_64": (("avx512", "avx512_vnni"), ("avx2", "avx2"), ("portable", "")),
           "aarch64": (("neon", "asimddp"), ("portable", ""))}
PEERS = (("XNNPACK", "xnnpack"), ("oneDNN", "onednn"))
UNDISTURBED = 0.97      # share of two CPUs
WAKE_UP = 200           # milliseconds
UNAVAILABLE = 77        # exit code: cannot be had here and now


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
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          **options)
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


def commit():
    try:
        done = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty"], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def machine(flags):
    name, _ = cpu_info()
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
    return {"cpu": name, "features": [f for f in wanted if f in flags], "cpus": os.cpu_count(),
            "kernel": platform.release(), "load": round(os.getloadavg()[0], 2),
            "commit": commit()}


# ---- Workloads ----

def make_workloads():
    """Models, inputs and what the reference makes of them, unless they are there."""
    done = os.path.join(MODELS, "done")
    # As the top Makefile does.
    make("tests/models/reference", "BUILD=" + os.path.join(BUILD, "static"), "SANITIZE=0",
         "LDFLAGS=-static")
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


def kernel_sets(wanted):
    """Names and features, of all sets or the one that is wanted."""
    sets = KERNELS.get(platform.machine(), (("portable", ""),))
    return [s for s in sets if wanted in (None, s[0])] or [(wanted, "")]


def start_models(rows, args, flags, cpu):
    for kernels, feature in kernel_sets(args.kernels):
        name = "model, " + kernels
        if feature and feature not in flags:
            rows.append({"participant": name, "peer": False,
                         "reason": "this CPU has no " + feature})
            continue
        p = start(rows, name, [os.path.join(OUT, "model"), "--kernels", kernels, MODELS] +
                  args.names, {cpu})
        if p:
            yield p


def peer_root(program, cached):
    """Folder of a library, from the cache if Debian cannot be reached now."""
    script = [os.path.join(TOP, "tests/vm/peers.sh"), program]
    done = subprocess.run(script + (["cached"] if cached else []), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == UNAVAILABLE and not cached:
        try:
            return peer_root(program, True)
        except Failed:
            pass        # the first reason is the better one
    if done.returncode:
        why = [line for line in done.stderr.splitlines() if "error:" in line]
        raise Failed(why[-1].split("error:")[1].replace("\033[0m", "").strip() if why else
                     "peers.sh ended with code %d" % done.returncode)
    return done.stdout.strip()


def package_version(root):
    """Of the library in such a folder: Debian's."""
    for place in sorted(os.listdir(os.path.join(root, "usr/share/doc"))):
        path = os.path.join(root, "usr/share/doc", place, "changelog.Debian.gz")
        if place.startswith(("libxnnpack", "libdnnl")) and os.path.exists(path):
            with gzip.open(path, "rt", errors="replace") as f:
                return f.readline().partition("(")[2].partition(")")[0]
    return "unknown"


def peer_command(program, cached):
    """Its loader, its libraries: those of a newer Debian; and their version."""
    root = peer_root(program, cached)
    make("tests/bench", program, "PEER=" + root)
    for place, _, files in os.walk(os.path.join(root, "usr/lib")):
        loaders = [f for f in files if f.startswith("ld-linux")]
        if loaders:
            return [os.path.join(place, loaders[0]), "--library-path", place,
                    os.path.join(OUT, program)], package_version(root)
    raise Failed("there is no loader in " + root)


def start_peers(rows, names, cached, cpu):
    for name, program in PEERS:
        try:
            args, version = timed("getting and building with " + name, peer_command, program,
                                  cached)
        except Failed as why:
            say("%s: %s" % (name, why))
            rows.append({"participant": name, "peer": True, "reason": str(why)})
            continue
        p = start(rows, name, args + [MODELS] + names, {cpu}, True)
        if p:
            p.text = version
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


def peak_once(probe):
    return probe.has["one"] / probe.measure("one", 10).cpu


def measure_all(macs, probe, everybody, rounds, ms):
    """Rows, and the peak; who fails is left out from then on, and says why in what it lacks.
    @macs: of each workload, whoever runs it."""
    names = list(macs)
    samples = {(n, p.name): Samples() for n in names for p in everybody}
    peaks = [peak_once(probe)]
    for number in range(rounds):
        begin = time.monotonic()
        for name in names:
            for p in everybody:
                if name not in p.has:
                    continue
                try:
                    cpu = p.measure(name, ms).cpu
                except Failed as why:
                    p.has.pop(name)
                    p.lacks[name] = str(why)
                    continue
                # Before and behind it.
                peaks.append(peak_once(probe))
                samples[name, p.name].cpu.append(cpu)
                samples[name, p.name].ratio.append(macs[name] / cpu / statistics.mean(peaks[-2:]))
        say("round %d of %d: %.0f s" % (number + 1, rounds, time.monotonic() - begin))
    rows = [samples[name, p.name].row(p, name, macs[name]) for name in names for p in everybody
            if name in p.has]
    if not rows:
        die("there is nothing to measure: %s" % "; ".join(
            "%s: %s" % (p.name, why) for p in everybody for why in p.lacks.values()))
    return rows, statistics.median(peaks)


def undisturbed(participant, name, ms, tries=20):
    """The clock's time of a run on two CPUs, or None. Both threads are awake all the time, so
    they use twice what the clock says, unless others want the CPUs too: then again."""
    for _ in range(tries):
        m = participant.measure(name, ms)
        if m.everything > UNDISTURBED * 2 * m.clock:
            return m.clock
        if m.clock > 20 * ms * 1e6:
            break       # a run takes so long that waiting for a quiet time is in vain
    return None


def speedups(name, probe, one, two, rounds, ms):
    """Of a job and of the probe, a pair for each round that nobody disturbed."""
    pairs = []
    for _ in range(rounds):
        alone, job_alone = probe.measure("one", ms).cpu, one.measure(name, ms).cpu
        # A host that is asked for another CPU may give half a core for a moment.
        probe.measure("two", WAKE_UP)
        both = undisturbed(probe, "two", ms)
        job = both and undisturbed(two, name, ms)
        if job:
            pairs.append((job_alone / job, 2 * alone / both))
    return pairs


def measure_two(names, probe, one, two, rounds, ms):
    """One job on two cores: how much faster than on one, beside the same of the probe."""
    rows = []
    for name in names:
        if name not in one.has or name not in two.has:
            continue
        reason = "others used the CPUs all the time"
        try:
            pairs = speedups(name, probe, one, two, rounds, ms)
        except Failed as why:
            pairs, reason = [], str(why)
        row = {"workload": name, "participant": two.name, "rounds": len(pairs)}
        if pairs:
            row.update(speedup=statistics.median(p[0] for p in pairs),
                       probe_speedup=statistics.median(p[1] for p in pairs),
                       ratio=statistics.median(p[0] / p[1] for p in pairs))
        else:
            row["reason"] = reason
        rows.append(row)
    return rows


# ---- The guest ----

def best_set(wanted, flags):
    return next(name for name, feature in kernel_sets(wanted)
                if wanted or not feature or feature in flags)


def peak_now(probe):
    return statistics.median(peak_once(probe) for _ in range(9))


def boot_guests(result, args, flags, macs, probe):
    archive = guest.pack(BUILD, MODELS, args.names)
    words = " ".join((["--quick"] if args.quick else []) + args.names)
    sets = " ".join(s[0] for s in kernel_sets(args.kernels))
    submission = "" if args.quick else "1"
    lines = guest.Lines("npu_emu.ko", macs, say)
    timed("npu_emu.ko, in a VM", guest.boot, lines, "emu", archive,
          "SUBMISSION=%s SETS='%s' sh /bench/guest.sh %s" % (submission, sets, words))
    for row in lines.rows:
        row["native"] = True
    result["submission"] = lines.text
    result["guest_machine"] = lines.machine
    result["guest"] = lines.rows
    result["missing"] += lines.missing
    best = best_set(args.kernels, flags)
    lines = guest.Lines("npu-emu, " + best, macs, say)
    before = peak_now(probe)
    timed("npu-emu, a process that a VM uses", guest.boot, lines, "pci", archive,
          "sh /bench/guest.sh " + words, best)
    peak = (before + peak_now(probe)) / 2
    for row in lines.rows:
        row.update(native=False, ratio=row["gmacs"] / peak)
    result["guest_machine"] = result["guest_machine"] or lines.machine
    result["guest"] += lines.rows
    result["missing"] += lines.missing


def make_image():
    """With progress: a fresh machine downloads a kernel and QEMU for it."""
    done = subprocess.run(["make", "-s", "-C", TOP, "image", "BUILD=" + BUILD, "BUS=pci"],
                          stdout=sys.stderr, check=False)
    if done.returncode:
        die("there is no VM to measure in: 'make bench ONLY=host' does without")


# ---- All of it ----

def start_all(result, args, flags, cpus, everybody):
    """Participants into @everybody; the one on two cores is returned."""
    everybody += start_models(result["missing"], args, flags, cpus[-1])
    if not everybody:
        die("no model takes part: %s" % "; ".join(r["reason"] for r in result["missing"]))
    kernels = everybody[0].name.split(", ")[1]
    everybody += start_peers(result["missing"], args.names, args.cached, cpus[-1])
    if len(cpus) < 2:
        return None
    return start(result["missing"], "model, %s, 2 cores" % kernels,
                 [os.path.join(OUT, "model"), "--kernels", kernels, "--cores", "2", MODELS] +
                 args.names, set(cpus[-2:]))


def measure_host(result, args, flags, cpus, macs, probe):
    everybody = []
    say("starting participants ...")
    two = start_all(result, args, flags, cpus, everybody)
    best = everybody[0]
    rows, peak = timed("measuring", measure_all, macs, probe, everybody, args.rounds,
                               args.ms)
    result["missing"] += [{"workload": name, "participant": p.name, "peer": p.peer,
                           "reason": p.lacks[name]} for p in everybody for name in p.lacks]
    result["probe"]["gmacs"] = peak
    result["compute"] = rows
    result["participants"] = {p.name: p.text for p in everybody}
    if two:
        result["two_cores"] = timed("measuring two cores", measure_two, args.names, probe, best,
                                    two, max(args.rounds // 3, 1), 10)
        two.stop()
    result["bars"] = tables.bars(rows, result["two_cores"], best.name)
    for p in everybody:
        p.stop()


def bench(args):
    _, flags = cpu_info()
    cpus = sorted(os.sched_getaffinity(0))
    result = {"machine": machine(flags), "rounds": args.rounds, "missing": [], "compute": [],
              "two_cores": [], "guest": [], "guest_machine": {}, "bars": [], "submission": [],
              "participants": {}}
    timed("building the model and the probe", make, "tests/bench", "participants")
    timed("making models, and what the reference makes of their inputs", make_workloads)
    macs = {name: workloads.macs(MODELS, name) for name in args.names}
    try:
        probe = Participant("probe", [os.path.join(OUT, "probe")], set(cpus[-2:]))
    except (Failed, OSError) as why:
        die("the probe: %s" % why)
    result["probe"] = {"text": probe.text, "gmacs": peak_now(probe)}
    if args.only != "guest":
        measure_host(result, args, flags, cpus, macs, probe)
    if args.only != "host":
        timed("making the VM", make_image)
        boot_guests(result, args, flags, macs, probe)
    probe.stop()
    return result


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--only", choices=("host", "guest"), help="a part")
    parser.add_argument("--quick", action="store_true", help="few rounds, for a first look")
    parser.add_argument("--cached", action="store_true", help="download no libraries")
    parser.add_argument("--rounds", type=int, help="default 15")
    parser.add_argument("--kernels", help="these inner loops of the model only")
    parser.add_argument("--workloads", help="names, with commas between")
    parser.add_argument("--json", metavar="FILE", help="all numbers; - is standard output")
    args = parser.parse_args()
    args.names = args.workloads.split(",") if args.workloads else list(TITLES)
    for name in args.names:
        if name not in TITLES:
            parser.error("no workload '%s'; there are %s" % (name, ", ".join(TITLES)))
    args.rounds = args.rounds or (2 if args.quick else 15)
    args.ms = 10 if args.quick else 50
    return args


def main():
    args = parse()
    result = bench(args)
    if args.json != "-":
        print(tables.text(result, TITLES), end="")
    if args.json:
        with sys.stdout if args.json == "-" else open(args.json, "w", encoding="utf-8") as f:
            json.dump(result, f, indent=1)
            f.write("\n")


if __name__ == "__main__":
    main()
