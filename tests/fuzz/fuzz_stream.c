// SPDX-License-Identifier: MIT
/*
 * A command stream, seen by libnpu and by the device model. Both must refuse
 * it for the same reason at the same command, or neither; what they accept
 * runs. The disassembler must survive it.
 *
 * The first byte of the input says whether the stream's header is repaired
 * and how large the bases are, the rest is the stream.
 */
#include <errno.h>
#include <npu.h>
#include <stdio.h>
#include <stdlib.h>

#include "machine.h"

#define STEPS		64
#define BASES		3
#define BASE_SIZE	65536u
#define STREAM_MAX	16384u

/* The least that a device may have; the longest command takes a moment. */
#define ORDER		20

static struct machine machine;

static void disassemble(const void *stream, size_t size, size_t len)
{
	char *text = malloc(len);	/* exact, for the sanitizer */
	size_t at = 0;
	int next;

	do {
		next = npu_stream_dis(stream, size, at, text, len);
		if (next > 0 && (size_t)next <= at)
			machine_die("the disassembler goes back");
		if (len && strnlen(text, len) == len)
			machine_die("the disassembler does not end its text");
		at = (size_t)next;
	} while (next > 0);
	free(text);
}

static struct npu_context device(const void *stream, u32 size, const struct npu_base *bases)
{
	struct machine *m = &machine;
	u64 code, table, code_bus, table_bus, at;

	code = machine_alloc(m, 0, size ? size : 8, NPU_PTE_READ, &code_bus);
	table = machine_alloc(m, 0, BASES * sizeof(*bases), NPU_PTE_READ, &table_bus);
	machine_write(m, table_bus, bases, BASES * sizeof(*bases));
	for (at = 0; at < size; at += MACHINE_PAGE)
		machine_write(m, code_bus - at, (const u8 *)stream + at,
			      size - at < MACHINE_PAGE ? size - at : MACHINE_PAGE);
	machine_push(m, 0, code, size, table, BASES);
	machine_run(m, STEPS);
	return machine_context(m, 0);
}

static void compare(int ret, const struct npu_error *err, const struct npu_context *c)
{
	u32 status = le32_to_cpu(c->fault_status), detail = le32_to_cpu(c->fault_detail);
	u64 offset = le64_to_cpu(c->fault_offset);

	/* Scales are read when the command runs, libnpu cannot know them. */
	if (status == NPU_FAULT_ILLEGAL && detail == NPU_ILLEGAL_QUANT &&
	    (!ret || offset < err->offset))
		return;
	/* A long job has not come to the end, or to what is wrong. */
	if (!status && (!ret || !c->sequence))
		return;
	if (ret == -EFAULT && status == NPU_FAULT_BOUNDS && offset == err->offset)
		return;
	if (ret == -EINVAL && status == NPU_FAULT_ILLEGAL && detail == err->detail &&
	    offset == err->offset)
		return;
	fprintf(stderr, "libnpu: %d %s at %u: %s; device: fault %u, %s at %llu\n", ret,
		npu_illegal_name(err->detail), err->offset, ret ? err->text : "good", status,
		npu_illegal_name(detail), (unsigned long long)offset);
	machine_die("libnpu and the device disagree");
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct npu_model_config config = NPU_MODEL_CONFIG_DEFAULT;
	struct drm_npu_device_info limits = {
		.isa_version = NPU_ISA_MAJOR << 16 | NPU_ISA_MINOR,
		.layouts = 1u << NPU_LAYOUT_LINEAR, .va_bits = 48,
		.macs_max_order = ORDER, .bytes_max_order = ORDER,
	};
	struct npu_stream_header *header;
	struct npu_base bases[BASES] = { 0 };
	struct npu_error err = { 0 };
	struct npu_context c;
	u64 bus;
	u8 how;
	u32 i;
	int ret;

	if (!size || --size > STREAM_MAX)
		return 0;
	how = *data++;
	header = malloc(size ? size : 1);
	memcpy(header, data, size);
	if (how & 1 && size >= sizeof(*header))
		header->size = cpu_to_le32((u32)size);

	config.cores = 1;
	config.slots = 1;
	config.ring_order_max = MACHINE_ORDER;
	config.macs_max_order = ORDER;
	config.bytes_max_order = ORDER;
	machine_init(&machine, &config);
	machine_enable(&machine, 1);
	limits.isa_features = machine_reg(&machine, NPU_REG_ISA_FEATURES_LO);
	for (i = 0; i < BASES; i++) {
		bases[i].va = cpu_to_le64(machine_alloc(&machine, 0, BASE_SIZE,
							NPU_PTE_READ | NPU_PTE_WRITE, &bus));
		bases[i].size = cpu_to_le64(how & 2 << i ? 120 : BASE_SIZE);
		bases[i].flags = cpu_to_le32(i == 2 ? NPU_BASE_WRITE : 0);
		machine_write(&machine, bus, (u64[]){ 0x80017fff40000000ull, how }, 16);
	}
	ret = npu_stream_check(header, size, bases, BASES, &limits, &err);
	if (ret && !err.text[0])
		machine_die("refused without a reason");
	/* The disassembler knows no bases; a job without commands is none for the device. */
	disassemble(header, size, 1 + how);
	if (size) {
		c = device(header, (u32)size, bases);
		compare(ret, &err, &c);
	}
	free(header);
	return 0;
}
