// SPDX-License-Identifier: MIT
/*
 * npu-emu as a process, attached to this test instead of QEMU: registers,
 * configuration space, reset, power states, guest memory, interrupts; a worker
 * that dies, and its successor. Usage: process NPU-EMU NPUCTL
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/test.h"
#include "client.h"
#include "npu_regs.h"

#define RAM		(1u << 20)
#define RAM_AT		0x10000000ull
#define ONES		0xffffffffu
#define REGISTERS	0	/* BAR */

static char path[64];

static int connect_to(const char *suffix)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int i;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s%s", path, suffix);
	for (i = 0; i < 1000; i++) {
		if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
			return fd;
		usleep(10000);
	}
	close(fd);
	return -1;
}

static bool command(const char *line, const char *wanted)
{
	int fd = connect_to(".control");
	char answer[256] = "";

	if (send(fd, line, strlen(line), MSG_NOSIGNAL) > 0)
		recv(fd, answer, sizeof(answer) - 1, 0);
	close(fd);
	if (strcmp(answer, wanted))
		printf("# %s: %s\n", line, answer);
	return !strcmp(answer, wanted);
}

static uint32_t reg(int s, uint32_t offset)
{
	return client_read32(s, REGISTERS, offset);
}

/* Where a capability is in configuration space. */
static uint8_t find_capability(int s, uint8_t id)
{
	uint8_t at = 0, entry[2];
	int i;

	client_read(s, VFU_CONFIG, PCI_CAPABILITY_LIST, &at, 1);
	for (i = 0; at && i < 48; i++) {
		client_read(s, VFU_CONFIG, at, entry, 2);
		if (entry[0] == id)
			return at;
		at = entry[1];
	}
	return 0;
}

static void enable(int s)
{
	uint16_t value = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	client_write(s, VFU_CONFIG, PCI_COMMAND, &value, 2);
}

static void test_identity(int s)
{
	test_eq(client_version(s), 0, "a client comes");
	test_eq(client_read32(s, VFU_CONFIG, PCI_VENDOR_ID), 0x4e501234, "vendor and device");
	test_eq(client_read32(s, VFU_CONFIG, PCI_CLASS_REVISION) >> 8, 0x120000, "class");
	test_ok(find_capability(s, PCI_CAP_ID_PM) && find_capability(s, PCI_CAP_ID_EXP) &&
		find_capability(s, PCI_CAP_ID_MSIX), "capabilities");
	test_eq(reg(s, NPU_REG_ID), NPU_ID, "the NPU answers");
	client_write32(s, VFU_CONFIG, PCI_VENDOR_ID, 0);
	test_eq(client_read32(s, VFU_CONFIG, PCI_VENDOR_ID), 0x4e501234, "it keeps its identity");
	client_write32(s, VFU_CONFIG, PCI_BASE_ADDRESS_0, ONES);
	test_eq(client_read32(s, VFU_CONFIG, PCI_BASE_ADDRESS_0),
		(uint32_t)-NPU_REG_SPACE | PCI_BASE_ADDRESS_MEM_TYPE_64, "size of BAR 0");
}

static bool wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 10000) == 1;
}

/* The end of a reset is on vector 1, and needs no memory. */
static void test_interrupt(int s)
{
	int event = eventfd(0, EFD_CLOEXEC);

	test_eq(client_irq(s, VFU_MSIX, 1, event), 0, "an eventfd for vector 1");
	enable(s);
	client_write32(s, REGISTERS, NPU_REG_IRQ_ENABLE, ONES);
	client_write32(s, REGISTERS, NPU_REG_RESET, NPU_RESET_FUNCTION);
	test_ok(wait_readable(event), "the end of a reset interrupts");
	test_eq(reg(s, NPU_REG_RESET), 0, "and is seen");
	close(event);
}

static void test_flr(int s)
{
	uint8_t at = find_capability(s, PCI_CAP_ID_EXP);
	uint16_t flr = PCI_EXP_DEVCTL_BCR_FLR, command = 0;

	test_ok(client_read32(s, VFU_CONFIG, at + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR,
		"FLR is offered");
	enable(s);
	client_write32(s, REGISTERS, NPU_REG_CONTROL, NPU_CONTROL_ENABLE);
	test_eq(reg(s, NPU_REG_CONTROL), NPU_CONTROL_ENABLE, "the NPU is on");
	test_eq(client_write(s, VFU_CONFIG, at + PCI_EXP_DEVCTL, &flr, 2), 0, "FLR");
	test_eq(reg(s, NPU_REG_CONTROL), 0, "the NPU is off");
	client_read(s, VFU_CONFIG, PCI_COMMAND, &command, 2);
	test_eq(command, 0, "and so is its bus interface");
}

static void set_power(int s, uint16_t state)
{
	client_write(s, VFU_CONFIG, find_capability(s, PCI_CAP_ID_PM) + PCI_PM_CTRL, &state, 2);
}

static void test_power(int s)
{
	client_write32(s, REGISTERS, NPU_REG_CONTROL, NPU_CONTROL_ENABLE);
	set_power(s, 3);
	test_eq(reg(s, NPU_REG_ID), ONES, "nobody answers in D3");
	client_write32(s, REGISTERS, NPU_REG_CONTROL, 0);
	set_power(s, 0);
	test_eq(reg(s, NPU_REG_ID), NPU_ID, "D0 again");
	test_eq(reg(s, NPU_REG_CONTROL), NPU_CONTROL_ENABLE, "registers have kept their values");
}

static void test_memory(int s, int ram)
{
	test_eq(client_map(s, RAM_AT, RAM, ram, 0, VFU_MAP_READ | VFU_MAP_WRITE), 0, "memory");
	test_eq(client_map(s, RAM_AT + RAM, RAM, ram, 4096, VFU_MAP_READ), -EINVAL,
		"memory beyond the end of its file");
	test_eq(client_map(s, RAM_AT + RAM / 2, RAM / 2, ram, 0, VFU_MAP_READ), -EEXIST,
		"memory where there is some");
	test_eq(client_map(s, 0x800, 4096, ram, 0, VFU_MAP_READ), -EINVAL, "not aligned");
	test_eq(client_unmap(s, RAM_AT, RAM / 2), -EINVAL, "a part of it is not taken away");
	test_eq(client_unmap(s, RAM_AT, RAM), 0, "all of it is");
	test_eq(client_map(s, RAM_AT, RAM, ram, 0, VFU_MAP_READ | VFU_MAP_WRITE), 0,
		"and comes back");
}

static void test_death(int s)
{
	uint32_t id = NPU_ID;
	int i;

	test_ok(command("restart", "error: the device is there\n"), "no second worker");
	test_ok(command("kill", "ok\n"), "the worker is killed");
	for (i = 0; i < 1000 && id == NPU_ID; i++)
		id = reg(s, NPU_REG_ID);
	test_eq(id, ONES, "all registers are ones");
	test_eq(client_read32(s, VFU_CONFIG, PCI_VENDOR_ID), ONES, "configuration space too");
	test_eq(client_write32(s, REGISTERS, NPU_REG_CONTROL, 0), 0, "writes are lost");
	test_eq(client_unmap(s, 0x7000, 0x1000), 0, "the client goes on");
	test_ok(command("fault hang 1", "error: there is no device\n"), "no fault of no device");
	test_ok(command("restart", "ok\n"), "a new worker");
	test_eq(reg(s, NPU_REG_ID), NPU_ID, "the NPU answers");
	test_eq(client_map(s, RAM_AT, 4096, 0, 0, VFU_MAP_READ), -EINVAL,
		"standard input is no memory");
	test_interrupt(s);
	test_eq(client_unmap(s, RAM_AT, RAM / 2), -EINVAL, "it has the memory that the old one had");
}

/* @value: NULL asks. */
static void test_fault(const char *name, const char *value, const char *wanted)
{
	char line[128];

	snprintf(line, sizeof(line), "fault %s%s%s", name, value ? " " : "", value ? value : "");
	test_ok(command(line, wanted), line);
}

static void test_commands(void)
{
	static const struct {
		const char *name;
		const char *good;
		const char *bad;
	} faults[] = {
		{ "hang", "4294967295", "4294967296" }, { "corrupt", "7", "-1" },
		{ "memory", "1000000", "some" }, { "walk", "3", "0x" }, { "status", "7", "7x" },
		{ "event", "7", "1e3" }, { "overflow", "0", "every" }, { "deaf", "7", "8" },
		{ "clock_khz", "1000000", "1000001" }, { "latency_us", "10000000", "all" },
		{ "memory_limit", "281474976710656", "281474976710657" }, { "disappear", "0", "2" },
		{ "irq_lost", "1000", "1001" }, { "irq_double", "0x3e8", "all" },
		{ "irq_spurious", "1000", "18446744073709551616" },
	};
	char names[512] = "";
	int i;

	for (i = 0; i < (int)(sizeof(faults) / sizeof(faults[0])); i++) {
		test_fault(faults[i].name, faults[i].bad, "error: out of range\n");
		test_fault(faults[i].name, faults[i].good, "ok\n");
		test_fault(faults[i].name, "0", "ok\n");
		test_fault(faults[i].name, NULL, "0\n");
		strcat(strcat(names, i ? " " : ""), faults[i].name);
	}
	test_ok(command("faults", strcat(names, "\n")), "these are all");
	test_ok(command("fault hang all", "ok\n"), "each command hangs");
	test_ok(command("fault hang", "all\n"), "it says so");
	test_ok(command("fault hang 0", "ok\n"), "no command hangs");
	test_ok(command("bus_errors", "0\n"), "no bus errors");
	test_ok(command("fault nothing 1", "error: no such fault\n"), "no such fault");
	test_ok(command("fault hang 1 2", "error: no such command\n"), "too many arguments");
	test_ok(command("nonsense", "error: no such command\n"), "no such command");
}

/* Do @n interrupts come? */
static bool come(int event, uint64_t n)
{
	uint64_t count, sum = 0;

	while (sum < n && wait_readable(event)) {
		if (read(event, &count, sizeof(count)) != sizeof(count))
			break;
		sum += count;
	}
	return sum == n;
}

static void start_reset(int s)
{
	client_write32(s, REGISTERS, NPU_REG_RESET, NPU_RESET_FUNCTION);
	while (reg(s, NPU_REG_RESET))
		;
}

static void test_irq_faults(int s)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t count;

	client_irq(s, VFU_MSIX, 1, event);
	enable(s);
	client_write32(s, REGISTERS, NPU_REG_IRQ_ENABLE, ONES);
	test_ok(command("fault irq_double 1000", "ok\n"), "interrupts come twice");
	start_reset(s);
	test_ok(come(event, 2), "and again");
	test_ok(command("fault irq_double 0", "ok\n"), "no more");
	client_write32(s, REGISTERS, NPU_REG_IRQ_ENABLE, ONES);
	test_ok(command("fault irq_lost 1000", "ok\n"), "interrupts get lost");
	start_reset(s);
	test_ok(read(event, &count, sizeof(count)) < 0, "none comes");
	client_write32(s, REGISTERS, NPU_REG_IRQ_ENABLE, ONES);
	test_ok(command("fault irq_spurious 1000", "ok\n"), "one that nobody asked for");
	start_reset(s);
	test_ok(come(event, 1), "comes");
	test_flr(s);
	test_ok(command("fault irq_lost", "0\n"), "a reset by the bus ends faults");
	close(event);
}

static void run(const char *line, int code, const char *says, const char *name)
{
	char text[4096] = "";
	size_t n;
	FILE *f;
	int status;

	f = popen(line, "r");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[n] = 0;
	status = f ? pclose(f) : -1;
	if (!test_ok(WIFEXITED(status) && WEXITSTATUS(status) == code && strstr(text, says),
		     "%s", name))
		printf("# exit code %d\n# %s\n", WEXITSTATUS(status), text);
}

static void npuctl(const char *program, const char *arguments, int code, const char *says)
{
	char line[512];

	snprintf(line, sizeof(line), "%s emu --socket %s %s 2>&1", program, path, arguments);
	run(line, code, says, arguments);
}

/* All that has happened, on two devices, one of which has died. */
static void test_replay(const char *program)
{
	char line[512];

	snprintf(line, sizeof(line), "%s --replay trace %s.trace 2>&1", program, path);
	run(line, 0, "the same as recorded", "the record is replayed");
	snprintf(line, sizeof(line), "%s --only power trace %s.trace | tail -n +4", program, path);
	run(line, 0, "power", "power-on and resets are in it");
	snprintf(line, sizeof(line), "%s.trace", path);
	unlink(line);
}

static void test_npuctl(const char *program)
{
	npuctl(program, "fault hang 3", 0, "");
	npuctl(program, "show", 0, "faults hang                 3");
	npuctl(program, "show", 0, "bus_errors           0");
	npuctl(program, "--json show", 0, "\"hang\": \"3\"");
	npuctl(program, "fault hang 0", 0, "");
	npuctl(program, "fault deaf 8", 6, "out of range");
	npuctl(program, "fault frobnicate 1", 2, "no such fault");
	npuctl(program, "restart", 6, "the device is there");
	npuctl(program, "fault hang", 2, "too few");
	npuctl(program, "show me", 2, "too many");
	npuctl(program, "", 2, "no command");
	npuctl(program, "create x", 2, "no command 'create'");
	npuctl(program, "--socket /nowhere show", 3, "is npu-emu there?");
	npuctl(program, "--socket /a/path/that/is/much/too/long/for/the/address/of/a/unix/socket/"
	       "since/that/has/room/for/a/hundred/and/eight/bytes show", 2, "too long");
}

/* Refused before anything is made. */
static void test_options(const char *program)
{
	static const char *const bad[][2] = {
		{ "--cores", "0" }, { "--cores", "33" }, { "--queues", "257" },
		{ "--queues", "-1" }, { "--vectors", "3" }, { "--macs-order", "41" },
		{ "--bytes-order", "19" }, { "--reset-ms", "x" },
		{ "--bus-bits", "31" }, { "--irq", "intx" }, { "--kernels", "no such" },
		{ "--memory-limit", "0" }, { "--log", "loud" }, { "--trace", "/nowhere/x" }, { "--frobnicate", "1" },
	};
	int i;

	for (i = 0; i < (int)(sizeof(bad) / sizeof(bad[0])); i++) {
		int status = -1;
		pid_t pid = fork();

		if (!pid) {
			dup2(open("/dev/null", O_WRONLY), 2);
			execl(program, program, "--socket", path, bad[i][0], bad[i][1], NULL);
			_exit(127);
		}
		waitpid(pid, &status, 0);
		test_ok(WIFEXITED(status) && WEXITSTATUS(status) == 2, bad[i][0]);
	}
	test_ok(access(path, F_OK), "none of them listens");
}

int main(int argc, char **argv)
{
	int s, ram, status = -1;
	char trace[80];
	pid_t pid;

	if (argc < 3)
		return 2;
	alarm(300);	/* nothing takes so long but a wait without end */
	test_seed();
	snprintf(path, sizeof(path), "/tmp/npu-emu-test-%d", getpid());
	ram = memfd_create("ram", MFD_CLOEXEC);
	if (ram < 0 || ftruncate(ram, RAM))
		return 1;
	test_options(argv[1]);
	pid = fork();
	if (!pid) {
		snprintf(trace, sizeof(trace), "%s.trace", path);
		execl(argv[1], argv[1], "--socket", path, "--cores", "3", "--queues", "8",
		      "--trace", trace, NULL);
		_exit(127);
	}
	s = connect_to("");
	test_ok(s >= 0, "npu-emu listens");
	test_identity(s);
	test_eq(reg(s, NPU_REG_CORES), 3, "cores as asked for");
	test_eq(reg(s, NPU_REG_SLOTS), 8, "queues as asked for");
	test_interrupt(s);
	test_flr(s);
	test_power(s);
	test_memory(s, ram);
	test_commands();
	test_irq_faults(s);
	test_npuctl(argv[2]);
	test_death(s);
	close(s);

	s = connect_to("");
	test_eq(client_version(s), 0, "the next client is served");
	test_eq(reg(s, NPU_REG_ID), NPU_ID, "by a new device");
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	test_ok(WIFEXITED(status) && !WEXITSTATUS(status), "SIGTERM ends it");
	test_ok(access(path, F_OK), "its socket is gone");
	close(s);
	test_replay(argv[2]);
	return test_done();
}
