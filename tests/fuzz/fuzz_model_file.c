// SPDX-License-Identifier: MIT
/*
 * A TensorFlow Lite file, as a hostile author makes it. The compiler refuses it
 * with a reason, or makes a program that libnpu's check accepts and that runs
 * on the device model without a fault.
 */
#include <errno.h>
#include <npu.h>
#include <stdio.h>
#include <stdlib.h>

#include "container.h"
#include "machine.h"

#define STEPS		64
#define PROGRAM_MAX	(256 * MACHINE_PAGE)	/* larger ones do not run */

static struct machine machine;

static void run(const struct npu_program_info *info)
{
	struct npu_model_config config = NPU_MODEL_CONFIG_DEFAULT;
	struct npu_base bases[NPU_ISA_MAX_BASES];
	u64 code, table, bus, at, size = info->stream_size;
	struct machine *m = &machine;
	struct npu_context c;
	char text[512];
	u32 i;

	for (i = 0; i < info->nbases; i++) {
		if (info->bases[i].size > PROGRAM_MAX)
			return;
		size += info->bases[i].size + MACHINE_PAGE;
	}
	if (size > PROGRAM_MAX)
		return;
	config.cores = 1;
	config.slots = 1;
	config.ring_order_max = MACHINE_ORDER;
	machine_init(m, &config);
	machine_enable(m, 1);
	for (i = 0; i < info->nbases; i++) {
		bases[i] = info->bases[i];
		bases[i].va = machine_alloc(m, 0, bases[i].size ? bases[i].size : 1,
					    NPU_PTE_READ | (bases[i].flags & NPU_BASE_WRITE ?
							    NPU_PTE_WRITE : 0), &bus);
		for (at = 0; !i && at < bases[i].size; at += MACHINE_PAGE)
			machine_write(m, bus - at, (const u8 *)info->constants + at,
				      bases[i].size - at < MACHINE_PAGE ?
				      bases[i].size - at : MACHINE_PAGE);
	}
	code = machine_alloc(m, 0, info->stream_size, NPU_PTE_READ, &bus);
	for (at = 0; at < info->stream_size; at += MACHINE_PAGE)
		machine_write(m, bus - at, (const u8 *)info->stream + at,
			      info->stream_size - at < MACHINE_PAGE ?
			      info->stream_size - at : MACHINE_PAGE);
	table = machine_alloc(m, 0, sizeof(bases), NPU_PTE_READ, &bus);
	machine_write(m, bus, bases, info->nbases * sizeof(*bases));
	machine_push(m, 0, code, info->stream_size, table, info->nbases);
	machine_run(m, STEPS);
	c = machine_context(m, 0);
	if (c.fault_status) {
		npu_stream_dis(info->stream, info->stream_size, le64_to_cpu(c.fault_offset), text,
			       sizeof(text));
		fprintf(stderr, "fault %u, %s: %s\n", le32_to_cpu(c.fault_status),
			npu_illegal_name(le32_to_cpu(c.fault_detail)), text);
		machine_die("a compiled program faults");
	}
}

static void compile(const u8 *data, size_t size, const struct npu_compile_options *options)
{
	const struct npu_program_info *info;
	struct npu_program *program = NULL;
	struct npu_error err = { 0 };
	bool container = size >= 4 && !memcmp(data, "NPUP", 4);
	int ret = npu_program_compile(data, size, options, &program, &err);

	if (ret && (program || !err.text[0]))
		machine_die("refused without a reason");
	/* A saved program may have been compiled with time stamps. */
	if (ret == -EINVAL && container)
		return;
	if (ret && ret != -EBADMSG && ret != -EOPNOTSUPP && ret != -ENOMEM) {
		fprintf(stderr, "%d: %s\n", ret, err.text);
		machine_die("refused with a strange error");
	}
	if (ret)
		return;
	info = npu_program_get_info(program);
	if (npu_stream_check(info->stream, info->stream_size, NULL, 0, NULL, &err)) {
		fprintf(stderr, "%s\n", err.text);
		machine_die("a compiled program is illegal");
	}
	run(info);
	npu_program_destroy(program);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const struct npu_compile_options split = {
		.flags = NPU_COMPILE_PROFILE, .macs_max_order = 11, .bytes_max_order = 12,
	};

	u8 *copy = malloc(size + 1);

	/* Nothing is behind the checksum of a saved program that it could not reach. */
	memcpy(copy, data, size);
	mend_checksum(copy, size);
	compile(copy, size, NULL);
	/* It has no other options than those that it was compiled with. */
	if (size < 4 || memcmp(copy, "NPUP", 4))
		compile(copy, size, &split);
	free(copy);
	return 0;
}
