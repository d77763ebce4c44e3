#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""bench.py FOLDER NPU-EMU PORTS [NAME=PORT...]

What tests in the VM cannot do from inside: press the machine's power button, again and
again, which wakes it; plug in and pull out PCI devices. Listens at FOLDER/bench for the VM's serial port npu.bench, speaks with
QEMU at FOLDER/qmp and with each npu-emu at FOLDER/NAME.control.

A request is a line "NUMBER COMMAND ...", its answer "NUMBER ERRNO TEXT", ERRNO 0 if it
was carried out:

  mkdir NAME             devices are like directories of configfs, see
  write NAME FILE VALUE  Documentation/emulator.rst: enabled plugs in and pulls out,
  read NAME FILE         as a surprise, device is the PCI function
  rmdir NAME
  control NAME LINE      for npu-emu, see emu/pci/control.h
  aer NAME               a fatal error at the port that a device is plugged into
  count                  how often that was asked: of a VM that restarts, its boots
  cleanup                all devices whose names begin with "test-" are pulled out

PORTS root ports are named port0, port1 ...; NAME=PORT are devices that are there already.
"""
import errno
import inspect
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

PATIENCE = 60	# seconds for what takes a fraction of one
PRESS = 3	# seconds between presses

# File of configfs: option of npu-emu, least, most, default.
SIZES = {
    "cores": ("--cores", 1, 32, 2),
    "slots": ("--queues", 1, 256, 64),
    "irqs": ("--vectors", 1, 2, 2),
    "macs_max_order": ("--macs-order", 20, 40, 34),
    "bytes_max_order": ("--bytes-order", 20, 40, 32),
    "reset_ms": ("--reset-ms", 1, 60000, 500),
}

# Why npu-emu refuses a command.
REASONS = {
    "out of range": errno.EINVAL,
    "no such fault": errno.ENOENT,
    "no such command": errno.EINVAL,
    "there is no device": errno.ENODEV,
    "the device has gone": errno.ENODEV,
}


def fail(error):
    raise OSError(error, os.strerror(error))


def wait_for(path, maker=None):
    end = time.monotonic() + PATIENCE
    while not os.path.exists(path):
        if time.monotonic() > end or (maker and maker.poll() is not None):
            fail(errno.ETIMEDOUT)
        time.sleep(0.01)


class Qmp:
    """QEMU's monitor."""

    def __init__(self, path):
        wait_for(path)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(PATIENCE)
        self.file = self.socket.makefile("rw")
        self.lock = threading.Lock()
        self.gone = set()	# devices whose end QEMU has told
        self.file.readline()
        self.command("qmp_capabilities")

    def read(self):
        message = json.loads(self.file.readline())
        if message.get("event") == "DEVICE_DELETED":
            self.gone.add(message["data"].get("device"))
        return message

    def command(self, name, **arguments):
        with self.lock:
            self.file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
            self.file.flush()
            while True:
                message = self.read()
                if "error" in message:
                    print(f"bench: {name}: {message['error']['desc']}", file=sys.stderr)
                    fail(errno.EIO)
                if "return" in message:
                    return message["return"]

    def wait_gone(self, name):
        with self.lock:
            while name not in self.gone:
                self.read()
            self.gone.discard(name)


class Npu:
    """A device, plugged in or not."""

    def __init__(self, bench, name, port=None):
        self.bench = bench
        self.name = name
        self.port = port
        self.sizes = {file: default for file, (_, _, _, default) in SIZES.items()}
        self.server = None
        self.path = os.path.join(bench.folder, name)

    def plug(self):
        if self.port:
            return
        self.must_be_ours()
        self.port = self.bench.take_port()
        options = [word for file, value in self.sizes.items()
                   for word in (SIZES[file][0], str(value))]
        try:
            # With MSI-X QEMU aborts when a device is pulled out.
            self.server = subprocess.Popen([self.bench.program, "--socket", self.path,
                                            "--irq", "msi", *options])
            wait_for(self.path + ".control", self.server)
            self.bench.qmp.command("device_add", driver="vfio-user-pci", id=self.name,
                                   bus=self.port, socket={"type": "unix", "path": self.path})
        except (OSError, ValueError):
            self.end()
            raise

    def must_be_ours(self):
        """What was there at boot stays: with its MSI-X, QEMU would abort."""
        if self.name in self.bench.there:
            fail(errno.EBUSY)

    def end(self):
        if self.server:
            self.server.terminate()
            self.server.wait()
        self.server = None
        self.bench.ports.append(self.port)
        self.port = None

    def pull(self):
        """A surprise: it does not answer any more when the VM is told."""
        self.must_be_ours()
        if not self.port:
            return
        try:
            self.control("kill")
        except OSError:
            pass	# it has died before
        self.bench.qmp.command("device_del", id=self.name)
        self.bench.qmp.wait_gone(self.name)
        self.end()

    def control(self, line):
        if not self.port:
            fail(errno.ENODEV)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(self.path + ".control")
            s.sendall(line.encode())
            answer = s.recv(4096).decode().strip()
        if answer.startswith("error: "):
            fail(REASONS.get(answer[7:], errno.EIO))
        return "" if answer == "ok" else answer

    def function(self):
        """Its place on the bus of the VM."""
        def find(devices):
            for d in devices:
                if d.get("qdev_id") == self.name:
                    return f"0000:{d['bus']:02x}:{d['slot']:02x}.{d['function']}"
                found = find(d.get("pci_bridge", {}).get("devices", []))
                if found:
                    return found
            return None
        return find([d for bus in self.bench.qmp.command("query-pci")
                     for d in bus["devices"]]) or fail(errno.ENODEV)

    def write(self, file, value):
        if file == "enabled":
            return {"0": self.pull, "1": self.plug}.get(value, lambda: fail(errno.EINVAL))()
        if file.startswith("faults/"):
            return self.control(f"fault {file[7:]} {value}") if value else fail(errno.EINVAL)
        if file not in SIZES:
            fail(errno.ENOENT)
        if self.port:
            fail(errno.EBUSY)
        _, least, most, _ = SIZES[file]
        if not value.isdigit() or not least <= int(value) <= most:
            fail(errno.EINVAL)
        self.sizes[file] = int(value)
        return ""

    def read(self, file):
        if file == "enabled":
            return "1" if self.port else "0"
        if file == "device":
            return self.function() if self.port else fail(errno.ENODEV)
        if file.startswith("faults/"):
            return self.control(f"fault {file[7:]}")
        if file in SIZES:
            return str(self.sizes[file])
        return self.control(file)


class Bench:
    def __init__(self, folder, program, ports, there):
        self.folder = folder
        self.program = program
        self.ports = [f"port{i}" for i in range(int(ports))]
        self.npus = {}
        self.there = {word.split("=")[0] for word in there}
        self.monitor = None
        self.counted = 0
        for word in there:
            name, port = word.split("=")
            self.ports.remove(port)
            self.npus[name] = Npu(self, name, port)

    @property
    def qmp(self):
        if not self.monitor:
            self.monitor = Qmp(os.path.join(self.folder, "qmp"))
        return self.monitor

    def take_port(self):
        return self.ports.pop(0) if self.ports else fail(errno.ENOSPC)

    def find(self, name):
        return self.npus.get(name) or fail(errno.ENOENT)

    def press(self):
        """Nobody asks for it: who sleeps cannot, and some kernels' ports do not wake."""
        try:
            while True:
                time.sleep(PRESS)
                self.qmp.command("system_powerdown")
        except (OSError, ValueError):
            pass	# the VM has ended

    def do_mkdir(self, name):
        if not self.ports:
            fail(errno.ENOSPC)
        if name in self.npus or not name.replace("-", "").isalnum():
            fail(errno.EEXIST)
        self.npus[name] = Npu(self, name)

    def do_rmdir(self, name):
        self.find(name).pull()
        del self.npus[name]

    def do_write(self, name, file, *value):
        return self.find(name).write(file, " ".join(value))

    def do_read(self, name, file):
        return self.find(name).read(file)

    def do_control(self, name, *line):
        return self.find(name).control(" ".join(line))

    def do_aer(self, name):
        answer = self.qmp.command("human-monitor-command", **{
            "command-line": f"pcie_aer_inject_error {self.find(name).port} DLP"})
        if not answer.startswith("OK"):
            print(f"bench: aer: {answer}", file=sys.stderr)
            fail(errno.EIO)

    def do_count(self):
        self.counted += 1
        return str(self.counted)

    def do_cleanup(self):
        for name in [n for n in self.npus if n.startswith("test-")]:
            try:
                self.do_rmdir(name)
            except OSError as e:
                print(f"bench: {name}: {e}", file=sys.stderr)

    def carry_out(self, words):
        command = getattr(self, "do_" + words[0], None) if words else None
        try:
            inspect.signature(command).bind(*words[1:])
        except TypeError:
            fail(errno.EINVAL)
        return command(*words[1:]) or ""

    def answer(self, line):
        number, *words = line.split() or ["0"]
        try:
            return f"{number} 0 {self.carry_out(words)}\n"
        except OSError as e:
            return f"{number} {e.errno or errno.EIO} {e.strerror or e}\n"
        except Exception as e:	# pylint: disable=broad-except
            print(f"bench: {line.strip()}: {e!r}", file=sys.stderr)
            return f"{number} {errno.EIO} {e}\n"

    def serve(self, client):
        for line in client:
            client.write(self.answer(line))
            client.flush()

    def end(self):
        for npu in self.npus.values():
            if npu.server:
                npu.server.terminate()


def main():
    folder, program, ports, *there = sys.argv[1:]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(folder, "bench"))
    listener.listen()
    bench = Bench(folder, program, ports, there)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        client, _ = listener.accept()
        threading.Thread(target=bench.press, daemon=True).start()
        bench.serve(client.makefile("rw", errors="replace"))
    except OSError:
        pass	# the VM has ended
    finally:
        bench.end()


main()
