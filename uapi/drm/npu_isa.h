/* SPDX-License-Identifier: MIT */
/**
 * DOC: Command stream
 *
 * The command stream of the NPU is user ABI, because user space writes it and
 * the device executes it. The kernel driver never looks inside.
 *
 * Everything is little-endian. Streams, commands and every structure in them
 * are 8-byte aligned and have no hidden padding. Reserved fields must be zero.
 * Documentation/hardware/commands.rst has the semantics,
 * Documentation/hardware/numerics.rst the arithmetic to the bit.
 */
#ifndef _NPU_ISA_H_
#define _NPU_ISA_H_

#include <linux/types.h>

#if defined(__cplusplus)
extern "C" {
#endif

#define NPU_ISA_MAGIC		0x5355504e	/* "NPUS" */
#define NPU_ISA_MAJOR		1
#define NPU_ISA_MINOR		2

#define NPU_ISA_ALIGN		8	/* of streams, commands and base tables */
#define NPU_ISA_MAX_BASES	32
#define NPU_ISA_MAX_RANK	6
#define NPU_ISA_MAX_CMD_SIZE	512
#define NPU_ISA_MAX_STREAM_SIZE	(64u << 20)

/* Required-feature mask of a stream; capability registers ISA_FEATURES. */
#define NPU_ISA_FEATURE_MAC	(1ull << 0)	/* convolution, matrix multiply */
#define NPU_ISA_FEATURE_POOL	(1ull << 1)	/* pooling, reductions */
#define NPU_ISA_FEATURE_ELTWISE	(1ull << 2)
#define NPU_ISA_FEATURE_REQUANT	(1ull << 3)
#define NPU_ISA_FEATURE_LUT	(1ull << 4)
#define NPU_ISA_FEATURE_SOFTMAX	(1ull << 5)
#define NPU_ISA_FEATURE_COPY	(1ull << 6)	/* copy, pad, resize */

/**
 * struct npu_stream_header - first bytes of every command stream
 * @magic: NPU_ISA_MAGIC
 * @major: NPU_ISA_MAJOR; a device refuses another one
 * @minor: the lowest minor version that has every command of the stream
 * @reserved0: zero
 * @size: bytes of the whole stream with this header; must equal the job's size
 * @reserved1: zero
 * @features: NPU_ISA_FEATURE_* that the device must have
 */
struct npu_stream_header {
	__le32 magic;
	__u8 major;
	__u8 minor;
	__le16 reserved0;
	__le32 size;
	__le32 reserved1;
	__le64 features;
};

/*
 * Base table: passed with each job, not part of the stream, so that one
 * read-only stream serves any number of concurrent runs.
 */
#define NPU_BASE_WRITE		(1u << 0)	/* the job may write through this base */
#define NPU_BASE_ONCHIP		(1u << 31)	/* reserved for on-chip memory */

/**
 * struct npu_base - one entry of a job's base table
 * @va: device virtual address where the base starts
 * @size: bytes; every access through the base must fall into [0, size)
 * @flags: NPU_BASE_*
 * @reserved: zero
 */
struct npu_base {
	__le64 va;
	__le64 size;
	__le32 flags;
	__le32 reserved;
};

enum npu_opcode {
	NPU_OP_NOP		= 0x00,
	NPU_OP_TIMESTAMP	= 0x01,
	/* 0x02 - 0x0f reserved: call, repeat, conditional end, semaphores */
	NPU_OP_CONV2D		= 0x10,
	NPU_OP_DEPTHWISE	= 0x11,
	NPU_OP_MATMUL		= 0x12,
	/* 0x13 reserved: transposed convolution */
	NPU_OP_POOL		= 0x20,
	NPU_OP_REDUCE		= 0x21,
	NPU_OP_ELTWISE		= 0x30,
	NPU_OP_REQUANT		= 0x38,
	NPU_OP_LUT		= 0x40,
	NPU_OP_SOFTMAX		= 0x50,
	/* Since 1.2: */
	NPU_OP_LOG_SOFTMAX	= 0x51,
	NPU_OP_SOFTMAX16	= 0x52,
	NPU_OP_L2_NORM		= 0x53,
	NPU_OP_COPY		= 0x60,
	NPU_OP_PAD		= 0x61,
	NPU_OP_RESIZE		= 0x62,
	/* 0x63 reserved: gather */
};

/* Flags of every command. */
#define NPU_CMD_OVERLAP		(1u << 0)	/* reserved: may overlap its predecessor */

/**
 * struct npu_cmd - header of every command
 * @opcode: enum npu_opcode
 * @flags: NPU_CMD_*; none is accepted yet
 * @size: bytes of the whole command; fixed by the opcode
 */
struct npu_cmd {
	__le16 opcode;
	__le16 flags;
	__le32 size;
};

enum npu_type {
	NPU_TYPE_NONE	= 0,
	NPU_TYPE_BOOL	= 1,	/* one byte, 0 or 1 */
	NPU_TYPE_U8	= 2,
	NPU_TYPE_S8	= 3,
	NPU_TYPE_S16	= 4,
	NPU_TYPE_S32	= 5,
	NPU_TYPE_S64	= 6,
	NPU_TYPE_S4	= 7,	/* 7 - 10 reserved */
	NPU_TYPE_F16	= 8,
	NPU_TYPE_BF16	= 9,
	NPU_TYPE_F32	= 10,
};

#define NPU_LAYOUT_LINEAR	0	/* the only layout every device accepts */

/**
 * struct npu_ref - place of an array without shape
 * @base: index into the base table
 * @reserved: zero
 * @offset: signed bytes from the start of the base
 */
struct npu_ref {
	__u8 base;
	__u8 reserved[7];
	__le64 offset;
};

/**
 * struct npu_tensor - tensor descriptor
 * @type: enum npu_type
 * @rank: 0 (one element) to NPU_ISA_MAX_RANK
 * @layout: NPU_LAYOUT_*
 * @base: index into the base table
 * @zero_point: signed; must be representable in @type, 0 where none applies
 * @offset: signed bytes from the start of the base to element (0, ..., 0)
 * @dim: sizes, outermost first, each 1 or more; entries from @rank on are zero
 * @stride: signed bytes between neighbours along each dimension, 0 = broadcast
 *          (inputs only); a multiple of the element size
 */
struct npu_tensor {
	__u8 type;
	__u8 rank;
	__u8 layout;
	__u8 base;
	__le32 zero_point;
	__le64 offset;
	__le32 dim[NPU_ISA_MAX_RANK];
	__le64 stride[NPU_ISA_MAX_RANK];
};

/**
 * struct npu_scale - fixed-point factor multiplier * 2^(shift - 31)
 * @multiplier: signed
 * @shift: signed, -31 to 31, positive is left
 */
struct npu_scale {
	__le32 multiplier;
	__le32 shift;
};

enum npu_rounding {
	NPU_ROUND_NONE		= 0,	/* no scaling: the accumulator itself, type S32 */
	NPU_ROUND_DOUBLE	= 1,	/* RQ32 of numerics.rst: two roundings, as gemmlowp */
	NPU_ROUND_WIDE		= 2,	/* RQ64, of 64-bit accumulators (since 1.2) */
};

#define NPU_ROUND_WIDE_SHIFT	14	/* the most of a factor's shift then */

/**
 * struct npu_requant - how accumulators become results
 * @rounding: enum npu_rounding
 * @bias_type: NPU_TYPE_NONE or NPU_TYPE_S32; with NPU_ROUND_WIDE NONE or NPU_TYPE_S64
 * @axis: output dimension that @scale (when @count is not 1) and @bias run along;
 *        the last one for every command so far
 * @reserved0: zero
 * @count: entries of @scale: 1 or the size of dimension @axis; 0 with NPU_ROUND_NONE
 * @clamp_min: signed, applied last
 * @clamp_max: signed, applied last
 * @weight_zero_point: signed, subtracted from every weight
 * @reserved1: zero
 * @scale: array of @count struct npu_scale
 * @bias: array of one @bias_type per entry of dimension @axis
 */
struct npu_requant {
	__u8 rounding;
	__u8 bias_type;
	__u8 axis;
	__u8 reserved0;
	__le32 count;
	__le32 clamp_min;
	__le32 clamp_max;
	__le32 weight_zero_point;
	__le32 reserved1;
	struct npu_ref scale;
	struct npu_ref bias;
};

/**
 * struct npu_cmd_nop - NPU_OP_NOP
 * @cmd: header
 */
struct npu_cmd_nop {
	struct npu_cmd cmd;
};

/**
 * struct npu_timestamp - what NPU_OP_TIMESTAMP writes
 * @time: device time, nanoseconds
 * @cycles: cycles of this job so far
 * @macs: multiply-accumulates of this job so far
 * @bytes: bytes this job read and wrote so far
 */
struct npu_timestamp {
	__le64 time;
	__le64 cycles;
	__le64 macs;
	__le64 bytes;
};

/**
 * struct npu_cmd_timestamp - NPU_OP_TIMESTAMP
 * @cmd: header
 * @out: where struct npu_timestamp goes; 8-byte aligned
 */
struct npu_cmd_timestamp {
	struct npu_cmd cmd;
	struct npu_ref out;
};

/**
 * struct npu_cmd_conv - NPU_OP_CONV2D and NPU_OP_DEPTHWISE
 * @cmd: header
 * @in: [N, H, W, I], U8, S8 or S16
 * @weight: S8 or U8; CONV2D [O, KH, KW, I / groups], DEPTHWISE [1, KH, KW, O], which may be
 *          S16 if @in is (since 1.1); NPU_ROUND_WIDE is for S16 only
 * @out: [N, OH, OW, O], type of @in, or S32 with NPU_ROUND_NONE
 * @requant: scale and bias along O
 * @stride: rows, columns; 1 or more
 * @dilation: rows, columns; 1 or more
 * @pad: elements of zero point added at top, bottom, left, right
 * @groups: CONV2D: divides I and O; DEPTHWISE: 0, O is a multiple of I
 * @reserved: zero
 */
struct npu_cmd_conv {
	struct npu_cmd cmd;
	struct npu_tensor in;
	struct npu_tensor weight;
	struct npu_tensor out;
	struct npu_requant requant;
	__le32 stride[2];
	__le32 dilation[2];
	__le32 pad[4];
	__le32 groups;
	__le32 reserved;
};

/**
 * struct npu_cmd_matmul - NPU_OP_MATMUL
 * @cmd: header
 * @a: [..., M, K], U8, S8 or S16; rank 2 to 6
 * @b: [..., N, K], S8 or U8 (its strides make the transpose), same rank; with
 *     NPU_ROUND_WIDE also S16
 * @out: [..., M, N], type of @a, or S32 with NPU_ROUND_NONE; same rank
 * @requant: scale and bias along N; weight_zero_point belongs to @b
 *
 * The outer dimensions of all three are equal; stride 0 broadcasts an input.
 */
struct npu_cmd_matmul {
	struct npu_cmd cmd;
	struct npu_tensor a;
	struct npu_tensor b;
	struct npu_tensor out;
	struct npu_requant requant;
};

enum npu_pool {
	NPU_POOL_MAX		= 0,
	NPU_POOL_AVERAGE	= 1,	/* divides by the elements inside the input */
};

/**
 * struct npu_cmd_pool - NPU_OP_POOL
 * @cmd: header
 * @in: [N, H, W, C], U8, S8 or S16
 * @out: [N, OH, OW, C], same type and zero point
 * @mode: enum npu_pool
 * @reserved: zero
 * @window: rows, columns; 1 or more
 * @stride: rows, columns; 1 or more
 * @pad: top, bottom, left, right; each smaller than its window
 * @clamp_min: signed, applied last
 * @clamp_max: signed, applied last
 */
struct npu_cmd_pool {
	struct npu_cmd cmd;
	struct npu_tensor in;
	struct npu_tensor out;
	__le32 mode;
	__le32 reserved;
	__le32 window[2];
	__le32 stride[2];
	__le32 pad[4];
	__le32 clamp_min;
	__le32 clamp_max;
};

enum npu_reduce {
	NPU_REDUCE_MEAN		= 0,	/* the scale holds 1 / count; without it: the sum */
	/* Since 1.1: */
	NPU_REDUCE_MAX		= 1,	/* raw values: scale zero, equal zero points */
	NPU_REDUCE_ARG_MAX	= 2,	/* where it is first: scale and clamp zero, one axis */
};

/**
 * struct npu_cmd_reduce - NPU_OP_REDUCE
 * @cmd: header
 * @in: U8, S8 or S16
 * @out: same rank; size 1 in each reduced dimension; same type, of ARG_MAX S32 or S64
 * @mode: enum npu_reduce
 * @axes: bit i set: dimension i is reduced
 * @scale: factor of the sum
 * @clamp_min: signed, applied last
 * @clamp_max: signed, applied last
 */
struct npu_cmd_reduce {
	struct npu_cmd cmd;
	struct npu_tensor in;
	struct npu_tensor out;
	__le32 mode;
	__le32 axes;
	struct npu_scale scale;
	__le32 clamp_min;
	__le32 clamp_max;
};

enum npu_eltwise {
	NPU_ELTWISE_ADD	= 0,
	NPU_ELTWISE_SUB	= 1,
	NPU_ELTWISE_MUL	= 2,	/* left_shift, scale_a and scale_b are zero */
	NPU_ELTWISE_MIN	= 3,	/* raw values: every scale is zero, */
	NPU_ELTWISE_MAX	= 4,	/* the three zero points are equal */
	/* Since 1.1: */
	NPU_ELTWISE_SQUARED_DIFFERENCE = 5,
	NPU_ELTWISE_PRELU = 6,	/* a, or a * b below 0; left_shift and scale_b are zero */
};

/**
 * struct npu_cmd_eltwise - NPU_OP_ELTWISE, in place allowed
 * @cmd: header
 * @a: U8, S8 or S16 (MIN and MAX: S32 as well)
 * @b: same type and sizes as @a; stride 0 broadcasts
 * @out: same type and sizes
 * @op: enum npu_eltwise
 * @left_shift: of both inputs before they are scaled, 0 to 20
 * @scale_a: factor of input a; PRELU: of an a of 0 or more
 * @scale_b: factor of input b
 * @scale_out: factor of the sum, product or square
 * @clamp_min: signed, applied last
 * @clamp_max: signed, applied last
 */
struct npu_cmd_eltwise {
	struct npu_cmd cmd;
	struct npu_tensor a;
	struct npu_tensor b;
	struct npu_tensor out;
	__le32 op;
	__le32 left_shift;
	struct npu_scale scale_a;
	struct npu_scale scale_b;
	struct npu_scale scale_out;
	__le32 clamp_min;
	__le32 clamp_max;
};

/**
 * struct npu_cmd_requant - NPU_OP_REQUANT, in place allowed for equal sizes
 * @cmd: header
 * @in: U8, S8, S16 or S32
 * @out: U8, S8, S16 or S32; same sizes
 * @scale: factor
 * @clamp_min: signed, applied last
 * @clamp_max: signed, applied last
 */
struct npu_cmd_requant {
	struct npu_cmd cmd;
	struct npu_tensor in;
	struct npu_tensor out;
	struct npu_scale scale;
	__le32 clamp_min;
	__le32 clamp_max;
};

/**
 * struct npu_cmd_lut - NPU_OP_LUT, in place allowed
 * @cmd: header
 * @in: U8 or S8; S16 (since 1.1)
 * @out: U8 or S8; S16 if @in is; same sizes
 * @table: 256 results, for the input values in rising order; 65,536 of S16
 */
struct npu_cmd_lut {
	struct npu_cmd cmd;
	struct npu_tensor in;
	struct npu_tensor out;
	struct npu_ref table;
};

/**
 * struct npu_cmd_softmax - NPU_OP_SOFTMAX along the last dimension, in place allowed
 * @cmd: header
 * @in: U8 or S8
 * @out: same type and sizes; scale 1/256, zero point 0 (U8) or -128 (S8)
 * @beta: input scale * beta in Q5.26
 * @diff_min: signed; differences to the maximum below it count as zero
 * @reserved: zero
 */
struct npu_cmd_softmax {
	struct npu_cmd cmd;
	struct npu_tensor in;
	struct npu_tensor out;
	struct npu_scale beta;
	__le32 diff_min;
	__le32 reserved;
};

/**
 * struct npu_cmd_log_softmax - NPU_OP_LOG_SOFTMAX along the last dimension, in place allowed
 * @cmd: header
 * @in: U8 or S8
 * @out: same type and sizes; scale 1/16, zero point 255 (U8) or 127 (S8)
 * @beta: input scale in Q5.26
 * @reverse: 1 / @beta; its shift is 0 or less
 * @diff_min: signed; differences to the maximum below it count as zero
 * @reserved: zero
 */
struct npu_cmd_log_softmax {
	struct npu_cmd cmd;
	struct npu_tensor in;
	struct npu_tensor out;
	struct npu_scale beta;
	struct npu_scale reverse;
	__le32 diff_min;
	__le32 reserved;
};

#define NPU_SOFTMAX16_ENTRIES	513	/* of each of the two tables */

/**
 * struct npu_cmd_softmax16 - NPU_OP_SOFTMAX16 along the last dimension, in place allowed
 * @cmd: header
 * @in: S16
 * @out: S16, same sizes; scale 1/32768
 * @beta: input scale * beta * 65535 / 10
 * @tables: S16, in units of 2^-15: exp(10 * (i / 512 - 1)), then 1 / (1 + i / 512), for i from
 *          0 to 512
 */
struct npu_cmd_softmax16 {
	struct npu_cmd cmd;
	struct npu_tensor in;
	struct npu_tensor out;
	struct npu_scale beta;
	struct npu_ref tables;
};

/**
 * struct npu_cmd_l2_norm - NPU_OP_L2_NORM along the last dimension, in place allowed
 * @cmd: header
 * @in: S8
 * @out: S8, same sizes; scale 1/128, zero point 0
 */
struct npu_cmd_l2_norm {
	struct npu_cmd cmd;
	struct npu_tensor in;
	struct npu_tensor out;
};

/**
 * struct npu_cmd_copy - NPU_OP_COPY: N-D strided copy and transpose
 * @cmd: header
 * @in: any type
 * @out: same type and sizes
 */
struct npu_cmd_copy {
	struct npu_cmd cmd;
	struct npu_tensor in;
	struct npu_tensor out;
};

enum npu_pad {
	NPU_PAD_CONSTANT	= 0,
};

/**
 * struct npu_cmd_pad - NPU_OP_PAD
 * @cmd: header
 * @in: any type
 * @out: same type and rank; each size at least that of @in plus @before
 * @before: elements in front, per dimension; from the rank on zero
 * @mode: enum npu_pad
 * @reserved: zero
 * @value: raw value of the new elements, sign-extended
 */
struct npu_cmd_pad {
	struct npu_cmd cmd;
	struct npu_tensor in;
	struct npu_tensor out;
	__le32 before[NPU_ISA_MAX_RANK];
	__le32 mode;
	__le32 reserved;
	__le64 value;
};

enum npu_resize {
	NPU_RESIZE_NEAREST	= 0,
	NPU_RESIZE_BILINEAR	= 1,	/* since 1.1 */
};

/**
 * struct npu_resize_axis - source index = clamp(floor((x * num + add) / den), 0, size - 1)
 * @num: 0 or more
 * @den: 1 or more; BILINEAR: 1024
 * @add: signed
 */
struct npu_resize_axis {
	__le32 num;
	__le32 den;
	__le32 add;
};

/**
 * struct npu_cmd_resize - NPU_OP_RESIZE
 * @cmd: header
 * @in: [N, H, W, C], any type; BILINEAR: U8, S8 or S16
 * @out: [N, OH, OW, C], same type
 * @mode: enum npu_resize
 * @reserved: zero
 * @axis: rows, columns
 */
struct npu_cmd_resize {
	struct npu_cmd cmd;
	struct npu_tensor in;
	struct npu_tensor out;
	__le32 mode;
	__le32 reserved;
	struct npu_resize_axis axis[2];
};

/*
 * Why a command is illegal: the fault's detail, beside its stream offset.
 * The first check that fails, in this order, gives the detail.
 */
enum npu_illegal {
	NPU_ILLEGAL_NONE	= 0,
	NPU_ILLEGAL_MAGIC	= 1,
	NPU_ILLEGAL_VERSION	= 2,
	NPU_ILLEGAL_FEATURE	= 3,	/* required feature that the device lacks */
	NPU_ILLEGAL_SIZE	= 4,	/* size of stream or command, or alignment */
	NPU_ILLEGAL_OPCODE	= 5,
	NPU_ILLEGAL_FLAGS	= 6,
	NPU_ILLEGAL_RESERVED	= 7,	/* reserved field not zero */
	NPU_ILLEGAL_MODE	= 8,	/* unknown mode, rounding or layout */
	NPU_ILLEGAL_TYPE	= 9,
	NPU_ILLEGAL_SHAPE	= 10,	/* rank, sizes, strides, window, padding */
	NPU_ILLEGAL_QUANT	= 11,	/* zero point, clamp, shift, bias, count */
	NPU_ILLEGAL_BASE	= 12,	/* base index or base table entry */
	NPU_ILLEGAL_OVERLAP	= 13,	/* input and output */
	NPU_ILLEGAL_LIMIT	= 14,	/* more work than one command may have */
};

#if defined(__cplusplus)
}
#endif

#endif /* _NPU_ISA_H_ */
