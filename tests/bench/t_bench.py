#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What bench.py makes of what it measures, with participants that say what is written here:

    t_bench.py --list		names of tests
    t_bench.py NAME		runs one
    t_bench.py --host JSON TEXT	does what it has written about a run fit together?
    t_bench.py --guest JSON TEXT"""

import contextlib
import io
import json
import os
import re
import sys
import unittest
from xml.etree import ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench  # noqa: E402
import flame  # noqa: E402
import guest  # noqa: E402
import tables  # noqa: E402
import workloads  # noqa: E402
from participants import Failed, Participant  # noqa: E402

# Says what it is given, then answers each question with the next line.
SCRIPT = """import sys
hello, answers = sys.argv[1].split("|"), sys.argv[2].split("|")
print("\\n".join(hello), flush=True)
for line in sys.stdin:
    if not answers or answers[0] == "end":
        sys.exit("its last words")
    print(answers.pop(0), flush=True)
"""
CPUS = {min(os.sched_getaffinity(0))}


def fake(name, hello, answers="", peer=False):
    return Participant(name, [sys.executable, "-c", SCRIPT, hello, answers], CPUS, peer)


def quietly(do, *args):
    with contextlib.redirect_stderr(io.StringIO()):
        return do(*args)


class Bench(unittest.TestCase):
    def setUp(self):
        self.running = []

    def tearDown(self):
        for p in self.running:
            p.stop()

    def fake(self, *args):
        self.running.append(fake(*args))
        return self.running[-1]

    def test_hello(self):
        p = self.fake("p", "has a 7|lacks b too large|ready it is p", "2 200 100 160")
        self.assertEqual((p.has, p.lacks, p.text), ({"a": 7}, {"b": "too large"}, "it is p"))
        m = p.measure("a", 1)
        self.assertEqual((m.clock, m.cpu, m.everything), (100, 50, 80))

    def test_failures(self):
        with self.assertRaisesRegex(Failed, "says 'nonsense'"):
            fake("p", "nonsense")
        with self.assertRaisesRegex(Failed, "its last words"):
            self.fake("p", "has a 1|ready", "end").measure("a", 1)
        with self.assertRaisesRegex(Failed, "no good"):
            self.fake("p", "has a 1|ready", "error no good").measure("a", 1)
        with self.assertRaisesRegex(Failed, "signal 9"):
            Participant("p", ["sh", "-c", "kill -9 $$"], CPUS)
        with self.assertRaises(OSError):
            Participant("p", ["/nowhere"], CPUS)

    def test_medians(self):
        """The peak is 15, 7.5 and 5 in three rounds."""
        probe = self.fake("probe", "has one 1000|ready", "1 0 50 0|1 0 100 0|1 0 200 0|1 0 200 0")
        ours = self.fake("p", "has a 999|ready", "1 0 50 0|1 0 100 0|10 0 600 0")
        rows, peak = quietly(bench.measure_all, {"a": 400}, probe, [ours], 3, 1)
        self.assertEqual(peak, 7.5)
        self.assertEqual(rows, [{"workload": "a", "participant": "p", "peer": False, "ns": 60,
                                 "macs": 400, "gmacs": 400 / 60, "ratio": 4 / 7.5,
                                 "ratio_min": 8 / 15, "ratio_max": 400 / 60 / 5}])

    def test_left_out(self):
        """Who fails once is not measured again, and the others are."""
        probe = self.fake("probe", "has one 1000|ready", "|".join(["1 0 100 0"] * 9))
        good = self.fake("good", "has a 1|ready", "1 0 1 0|1 0 1 0|1 0 1 0")
        bad = self.fake("bad", "has a 1|ready", "1 0 1 0|error broken|1 0 1 0")
        rows, _ = quietly(bench.measure_all, {"a": 1}, probe, [good, bad], 3, 1)
        self.assertEqual([r["participant"] for r in rows], ["good"])
        self.assertEqual(bad.lacks, {"a": "broken"})
        with self.assertRaises(SystemExit):
            quietly(bench.measure_all, {"b": 1}, probe, [good], 1, 1)

    def two(self, probe, job):
        """The first answer of the probe for two CPUs is that which wakes them up."""
        probe = self.fake("probe", "has one 100|has two 200|ready", probe)
        one = self.fake("one", "has a 1|ready", "1 30 30 0")
        two = self.fake("two", "has a 1|ready", job)
        return bench.measure_two(["a", "b"], probe, one, two, 1, 1)

    def test_two_cores(self):
        """What is disturbed, as of the CPUs one was used half of the time, is not counted."""
        rows = self.two("1 0 10 10|1 40 10 50|1 20 10 30|1 10 10 20", "1 60 15 90|1 20 15 40")
        self.assertEqual(rows, [{"workload": "a", "participant": "two", "rounds": 1,
                                 "speedup": 1.5, "probe_speedup": 2.0, "ratio": 0.75}])

    def test_two_disturbed(self):
        rows = self.two("1 0 10 10|" + "|".join(["1 20 10 30"] * 21), "1 20 20 40")
        self.assertEqual((rows[0]["rounds"], "ratio" in rows[0]), (0, False))
        self.assertIn("others", rows[0]["reason"])

    def test_two_failed(self):
        rows = self.two("1 0 10 10|1 40 10 50|1 10 10 20", "error broken")
        self.assertEqual(rows[0]["reason"], "broken")

    def test_bars(self):
        def row(workload, who, ratio, peer=False):
            return {"workload": workload, "participant": who, "ratio": ratio, "peer": peer}

        rows = [row("gemm-512", "ours", 0.9), row("conv-3x3", "ours", 0.5),
                row("depthwise-3x3", "ours", 0.2), row("depthwise-3x3", "good", 0.1, True),
                row("depthwise-3x3", "best", 0.25, True), row("gemm-512", "model, avx2", 0.4),
                row("conv-1x1", "model, avx2", 0.3)]
        found = tables.bars(rows, [{"workload": "gemm-1024", "rounds": 0}], "ours")
        self.assertEqual([(b["value"], b["limit"], b["reached"]) for b in found],
                         [(0.9, 0.85, True), (0.5, 0.82, False), (0.8, 1.0, False),
                          (0.3, 0.3, True), (None, 0.93, False)])
        self.assertIn("best is 1", found[2]["bar"])

    def test_guest(self):
        lines = guest.Lines("dev", {"a": 400}, lambda text: None)
        for line in ('{"cpu": "c", "kernel": "k"}', '{"set": "s", "reason": "why"}',
                     '{"set": "t"}', '{"workload": "b", "reason": "late"}', 'getpid  1.0',
                     '{"workload": "a", "ns": 200, "device_ns": 100, "loop_macs": 800}'):
            lines.take(line)
        self.assertEqual(lines.machine, {"cpu": "c", "kernel": "k"})
        self.assertEqual(lines.text, ["getpid  1.0"])
        self.assertEqual([(m["participant"], m.get("workload"), m["reason"])
                          for m in lines.missing],
                         [("dev, s", None, "why"), ("dev, t", "b", "late")])
        self.assertEqual([(r["participant"], r["gmacs"], r["loop_ratio"]) for r in lines.rows],
                         [("dev, t", 2, 0.5)])

    def test_choice(self):
        names = [s[0] for s in bench.kernel_sets(None)]
        self.assertEqual(names[-1], "portable")
        self.assertEqual([s[0] for s in bench.kernel_sets("portable")], ["portable"])
        self.assertEqual(bench.kernel_sets("else"), [("else", "")])
        self.assertEqual(bench.best_set(None, set()), "portable")
        self.assertEqual(bench.best_set(None, {s[1] for s in bench.kernel_sets(None)}), names[0])
        self.assertEqual(bench.best_set("else", set()), "else")

    def test_flame(self):
        text = 3 * "a \n\t 12 b\n\n" + "a\n ff x<y\n 5 d\n\n" + 4 * "a\n\n" + 2 * "\n\ne\n"
        root = flame.read(text.splitlines(True))
        self.assertEqual((root.samples, root.depth(), root.children["a"].samples), (10, 4, 8))
        boxes = ElementTree.fromstring(flame.svg(root, "<t>")).findall(".//{*}g[{*}rect]")
        self.assertEqual([(b[0].text, float(b[1].get("x")), float(b[1].get("width")))
                          for b in boxes],
                         [("all: 10 samples, 100.0 %", 0, 1200), ("a: 8 samples, 80.0 %", 0, 960),
                          ("b: 3 samples, 30.0 %", 0, 360), ("d: 1 samples, 10.0 %", 360, 120),
                          ("x<y: 1 samples, 10.0 %", 360, 120),
                          ("e: 2 samples, 20.0 %", 960, 240)])

    def test_workloads(self):
        """Multiplications, counted by hand."""
        def macs(make):
            n = workloads.Workload("w", 1)
            make(n)
            return n.macs

        self.assertEqual(macs(lambda n: workloads.gemm(n, 8)), 8 ** 3)
        self.assertEqual(macs(lambda n: n.conv(n.input(5, 5, 3), 7, 3, None, 2)), 9 * 7 * 27)
        self.assertEqual(macs(lambda n: n.depthwise(n.input(4, 4, 3), 3, None, 1, 2)), 16 * 6 * 9)


class Real(unittest.TestCase):
    """Of a run, whose numbers are in @result and @text."""
    result, text = {}, ""

    def test_workloads(self):
        """All are there, so all results are right."""
        for who in ("model, portable",):
            self.assertEqual({r["workload"] for r in self.result["compute"]
                              if r["participant"] == who}, set(bench.TITLES), who)
        for row in self.result["missing"]:
            self.assertNotIn("workload", row, row)

    def test_ratios(self):
        peak = self.result["probe"]["gmacs"]
        self.assertGreater(peak, 0)
        for row in self.result["compute"]:
            self.assertAlmostEqual(row["gmacs"], row["macs"] / row["ns"], delta=1e-3 * row["gmacs"])
            self.assertLessEqual(row["ratio_min"], row["ratio"])
            self.assertLessEqual(row["ratio"], row["ratio_max"])
            self.assertGreater(row["ratio_min"], 0)

    def test_tables(self):
        """Each row of numbers is a line, and says the same."""
        lines = [re.split(r"\s{2,}", line) for line in self.text.splitlines()]
        for row in self.result["compute"]:
            name = row["participant"] + (" *" if row["peer"] else "")
            found = [line for line in lines if name in line and "%.4g" % row["gmacs"] in line]
            self.assertEqual(len(found), 1, row)
            self.assertIn("%.3f (%.3f..%.3f)" % (row["ratio"], row["ratio_min"], row["ratio_max"]),
                          " ".join(found[0]))
        for row in self.result["missing"]:
            self.assertIn(row["reason"], self.text)
        for bar in self.result["bars"]:
            self.assertIn(bar["bar"], self.text)


class Guest(unittest.TestCase):
    result, text = {}, ""

    def test_devices(self):
        """Both compute all that they are given, to the bit."""
        for device in ("npu_emu.ko", "npu-emu"):
            self.assertEqual({r["workload"] for r in self.result["guest"]
                              if r["participant"].startswith(device)}, set(WORKLOADS), device)

    def test_numbers(self):
        for row in self.result["guest"]:
            self.assertAlmostEqual(row["gmacs"], row["macs"] / row["ns"], delta=1e-3 * row["gmacs"])
            self.assertGreater(row["loop_ratio"], 0)
            self.assertTrue(0 < row["device_ns"] <= row["ns"], row)
            self.assertIn("%.4g" % row["gmacs"], self.text)
        self.assertTrue(self.result["guest_machine"]["cpu"])


WORKLOADS = ("digits", "mobilenet-v1")


def main():
    if sys.argv[1:2] == ["--list"]:
        print("\n".join(name for name in dir(Bench) if name.startswith("test_")))
        return
    if sys.argv[1:2] in (["--host"], ["--guest"]):
        kind = Real if sys.argv[1] == "--host" else Guest
        with open(sys.argv[2], encoding="utf-8") as f:
            kind.result = json.load(f)
        with open(sys.argv[3], encoding="utf-8") as f:
            kind.text = f.read()
        tests = unittest.defaultTestLoader.loadTestsFromTestCase(kind)
    else:
        tests = unittest.TestSuite([Bench(name) for name in sys.argv[1:]])
    sys.exit(not unittest.TextTestRunner(verbosity=0).run(tests).wasSuccessful())


if __name__ == "__main__":
    main()
