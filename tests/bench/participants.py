# SPDX-License-Identifier: GPL-2.0-only
"""The programs that bench.py measures: participant.h has the lines that are exchanged."""

import os
import select
import subprocess
import time

START_LIMIT = 180       # seconds until a program is ready
RUN_LIMIT = 120         # for one measurement


class Failed(Exception):
    """A program cannot take part, or does no more."""


class Measured:
    """Nanoseconds of a run: of the clock, of the thread that counts, of all threads."""

    def __init__(self, clock, cpu, everything):
        self.clock, self.cpu, self.everything = clock, cpu, everything


class Participant:
    """@name: in tables. @cpus: those that it may use. @peer: a library of others."""

    def __init__(self, name, command, cpus, peer=False):
        self.name, self.cpus, self.peer = name, cpus, peer
        self.has, self.lacks, self.text = {}, {}, ""
        self.data = b""
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus),
            env=dict(os.environ, OMP_NUM_THREADS=str(len(cpus))))
        try:
            self.listen()
        except Failed:
            self.stop()
            raise

    def listen(self):
        end = time.monotonic() + START_LIMIT
        while True:
            word, _, rest = self.line(end).partition(" ")
            if word == "ready":
                self.text = rest
                return
            name, _, rest = rest.partition(" ")
            if word == "has":
                self.has[name] = int(rest)
            elif word == "lacks":
                self.lacks[name] = rest
            else:
                raise Failed("%s says '%s'" % (self.name, word))

    def line(self, end):
        while b"\n" not in self.data:
            left = max(end - time.monotonic(), 0)
            if not select.select([self.process.stdout], [], [], left)[0]:
                raise Failed("%s does not answer" % self.name)
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise Failed(self.last_words())
            self.data += more
        line, _, self.data = self.data.partition(b"\n")
        return line.decode()

    def last_words(self):
        code = self.process.wait()
        text = self.process.stderr.read().decode(errors="replace").strip().splitlines()
        if text:
            return text[-1]
        return "it ended with %s %d" % (("code", code) if code >= 0 else ("signal", -code))

    def measure(self, workload, ms):
        """What one run took."""
        try:
            self.process.stdin.write(b"%s %d\n" % (workload.encode(), ms))
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failed(self.last_words()) from None
        answer = self.line(time.monotonic() + RUN_LIMIT)
        if answer.startswith("error "):
            raise Failed(answer[6:])
        runs, clock, cpu, everything = map(int, answer.split())
        return Measured(clock / runs, cpu / runs, everything / runs)

    def stop(self):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
