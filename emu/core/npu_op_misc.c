// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Commands without operands: no-op and timestamp.
 */
#include "npu_model_priv.h"

static int npu_nop_decode(struct npu_core *core)
{
	(void)core;
	return 0;
}

static int npu_nop_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	(void)core;
	(void)tile;
	(void)cost;
	return 0;
}

const struct npu_op npu_op_nop = {
	.opcode	= NPU_OP_NOP,
	.size	= sizeof(struct npu_cmd_nop),
	.decode	= npu_nop_decode,
	.tile	= npu_nop_tile,
};

static int npu_timestamp_decode(struct npu_core *core)
{
	const struct npu_cmd_timestamp *raw = (const void *)core->raw;
	struct npu_command *cmd = &core->cmd;

	cmd->arrays = 1;
	npu_array_load(&cmd->a[0], &raw->out, sizeof(struct npu_timestamp), 8);
	cmd->a[0].write = true;
	if (npu_ref_reserved(&raw->out))
		return npu_illegal(core, NPU_ILLEGAL_RESERVED);
	if (npu_check_shapes(core))
		return npu_illegal(core, NPU_ILLEGAL_SHAPE);
	return npu_check_places(core);
}

static int npu_timestamp_tile(struct npu_core *core, u64 tile, struct npu_cost *cost)
{
	struct npu_timestamp stamp = {
		.time = cpu_to_le64(npu_now(core->model)),
		.cycles = cpu_to_le64(core->job.cost.cycles),
		.macs = cpu_to_le64(core->job.cost.macs),
		.bytes = cpu_to_le64(core->job.cost.bytes),
	};

	(void)tile;
	cost->bytes = sizeof(stamp);
	return npu_write(core, core->cmd.a[0].va, &stamp, sizeof(stamp));
}

const struct npu_op npu_op_timestamp = {
	.opcode	= NPU_OP_TIMESTAMP,
	.size	= sizeof(struct npu_cmd_timestamp),
	.decode	= npu_timestamp_decode,
	.tile	= npu_timestamp_tile,
};
