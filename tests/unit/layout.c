// SPDX-License-Identifier: MIT
/*
 * Sizes and offsets of everything that lies in memory, fixed for ever.
 */
#include <stddef.h>

#include "npu_model.h"
#include "drm/npu_isa.h"
#include "test.h"

#define SIZE(type, n)		_Static_assert(sizeof(struct type) == (n), #type)
#define AT(type, member, n)	_Static_assert(offsetof(struct type, member) == (n), #member)

SIZE(npu_context, NPU_CONTEXT_SIZE);
AT(npu_context, asid, 0x18);
AT(npu_context, queue, 0x24);
AT(npu_context, write_index, 0x40);
AT(npu_context, sequence, 0x80);
AT(npu_context, bytes, 0xb8);
AT(npu_context, fault_status, 0xc0);
AT(npu_context, fault_access, 0xe0);
AT(npu_context, resume_offset, 0xe8);
SIZE(npu_job_desc, NPU_JOB_SIZE);
AT(npu_job_desc, stream_size, 0x18);
AT(npu_job_desc, flags, 0x20);
SIZE(npu_report, NPU_REPORT_SIZE);
AT(npu_report, bytes, 0x28);
SIZE(npu_event, NPU_EVENT_SIZE);
AT(npu_event, status, 0x20);
AT(npu_event, fault_detail, 0x3c);
SIZE(npu_stream_header, 24);
AT(npu_stream_header, features, 16);
SIZE(npu_base, 24);
SIZE(npu_cmd, 8);
SIZE(npu_ref, 16);
SIZE(npu_tensor, 88);
AT(npu_tensor, dim, 16);
AT(npu_tensor, stride, 40);
SIZE(npu_scale, 8);
SIZE(npu_requant, 56);
AT(npu_requant, scale, 24);
SIZE(npu_cmd_nop, 8);
SIZE(npu_timestamp, 32);
SIZE(npu_cmd_timestamp, 24);
SIZE(npu_cmd_conv, 368);
AT(npu_cmd_conv, requant, 272);
AT(npu_cmd_conv, groups, 360);
SIZE(npu_cmd_matmul, 328);
SIZE(npu_cmd_pool, 232);
SIZE(npu_cmd_reduce, 208);
SIZE(npu_cmd_eltwise, 312);
SIZE(npu_cmd_requant, 200);
SIZE(npu_cmd_lut, 200);
SIZE(npu_cmd_softmax, 200);
SIZE(npu_cmd_log_softmax, 208);
SIZE(npu_cmd_softmax16, 208);
SIZE(npu_cmd_l2_norm, 184);
SIZE(npu_cmd_copy, 184);
SIZE(npu_cmd_pad, 224);
SIZE(npu_cmd_resize, 216);

int main(void)
{
	struct npu_model_config config = NPU_MODEL_CONFIG_DEFAULT;
	size_t one, two;

	test_ok(true, "sizes and offsets");
	config.cores = 1;
	one = npu_model_size(&config);
	config.cores = 2;
	two = npu_model_size(&config);
	printf("# %zu bytes a core, %zu besides\n", two - one, one - (two - one));
	test_ok(two - one <= 1u << 20, "a core needs 1 MiB at most");
	return test_done();
}
