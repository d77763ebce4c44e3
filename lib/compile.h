/* SPDX-License-Identifier: MIT */
/*
 * The compiler: graph of a TensorFlow Lite file to command stream, constants
 * and the layout of the base table. compile.c walks the graph, ops.c knows the
 * operators, plan.c places the arena, split.c cuts what is too large for one
 * command, quant.c derives the integers of the arithmetic.
 */
#ifndef NPU_COMPILE_H
#define NPU_COMPILE_H

#include "tflite.h"

#define ARENA_LIMIT	(1ull << 36)	/* more is a mistake, or malice */
#define SCALE_LIMIT	3e38f	/* scales are less */
#define NAME_LIMIT	255	/* bytes of names that are kept */
#define NPU_CONST_ALIGN	64	/* of tensors in constants and arena */

struct op;

/* A tensor of the graph. */
struct value {
	struct tfl_tensor tfl;	/* as in the file; its data only if @constant */
	enum npu_type type;
	uint32_t rank;
	uint32_t dim[NPU_ISA_MAX_RANK];
	uint64_t elements;	/* product of @dim, below 2^31 */
	uint64_t bytes;	/* size in memory */
	bool constant;	/* has content in the file */
	bool batched;	/* its first dimension is compile.batch */
	bool state;	/* a variable that some operator uses: survives runs */
	bool available;	/* constant, input, or written by an operator seen so far */
	int input;	/* the graph's input that it is, or -1 */
	uint32_t alias;	/* value whose memory it shares, itself if it has its own */
	uint32_t first;	/* operator that writes it */
	uint32_t last;	/* last operator that needs it */
	struct op *pad;		/* PAD that makes it, done by its only reader; NULL: it is made */
	uint32_t resource;	/* of a handle: 1 + index of the variable; else 0 */
	bool placed;	/* @base and @offset are valid (of the one that @alias names) */
	uint32_t base;
	uint64_t offset;
};

/* Result of the compiler. */
struct npu_program {
	struct npu_program_info info;	/* what others see */
	struct npu_base bases[NPU_ISA_MAX_BASES];
	struct npu_stream *stream;
	uint8_t *constants;	/* base 0, with room for @constants_room bytes */
	uint64_t constants_room;
	uint8_t *state;		/* of the first run */
	uint64_t arena_values;	/* bytes of the arena, scratch aside */
	uint64_t arena_least;	/* what of them is needed at one time */
	struct npu_tensor_info *io;	/* inputs, then outputs; the names are its own */
	struct npu_op_info *ops;	/* operators; the outputs' names are its own */
};

/* A variable that VAR_HANDLE names. */
struct resource {
	struct fb_vector container, name;
	const struct value *like;	/* a value that is read or assigned; NULL: none yet */
	struct fb_vector first;	/* content before the first run; absent: zeros */
	enum npu_type first_type;
	uint64_t offset;	/* in the base of the variables */
};

#define STATE_LIMIT	(64u << 20)

#define WIDE_TABLES	64

/* LOGISTIC, or TANH, of all values of S16; the input is scaled by multiplier * 2^-shift first. */
struct wide_table {
	bool tanh;
	int32_t multiplier;
	unsigned int shift;
	struct npu_ref ref;
};

/* A compilation. */
struct compile {
	struct tfl_model model;
	struct npu_error *err;	/* where the text goes */
	int error;	/* the errno that goes with it; functions return false after it */
	struct npu_check limits;	/* of one command */
	struct value *values;
	struct op *ops;
	/* per buffer of the file 1 + its place in the constants, 0 = none */
	uint64_t *buffer_at;
	uint32_t *device_io;	/* per input and output the value that the device sees */
	uint64_t arena;		/* bytes that values and scratch need */
	uint64_t tables;	/* bytes of constants that do not depend on the file */
	struct resource *resources;
	uint32_t nresources;
	uint32_t once_ops;	/* of all CALL_ONCE */
	uint32_t nwide;
	struct wide_table wide[WIDE_TABLES];
	bool has_softmax16;
	struct npu_ref softmax16;	/* its tables */
	uint32_t numerics;	/* NPU_NUMERICS_* */
	uint32_t batch;		/* 0: as the file has it */
	const char *signature;	/* NULL: the first subgraph */
	struct npu_program *program;
};

/* What the compiler knows of a kind of operator. */
struct op_rules {
	enum tfl_builtin builtin;
	unsigned int inputs_min;
	unsigned int inputs_max;
	unsigned int outputs_max;
	unsigned int tag;	/* enum tfl_options, 0 = it needs no options */
	unsigned int types;	/* of activations: bits of enum npu_type; OP_* */
	bool (*emit)(struct op *op);	/* check it and write its commands */
};

#define OP_STATE	(1u << 30)	/* inputs may be variables */
#define OP_ALIAS	(1u << 31)	/* the first output is the first input in another shape */

/* Entries @from to @from + @n along a dimension. */
static inline void tensor_take(struct npu_tensor *t, unsigned int dim, int64_t from, uint32_t n)
{
	t->offset += (uint64_t)from * t->stride[dim];
	t->dim[dim] = n;
}

/* An operator of the graph. */
struct op {
	struct compile *c;
	struct tfl_operator tfl;
	const struct op_rules *rules;
	uint32_t index;	/* in the graph */
	bool edge;	/* QUANTIZE or DEQUANTIZE that the CPU does */
	bool fused;	/* part of another one: it has no commands */
	uint64_t scratch_at;	/* where its own memory begins */
	uint64_t scratch;	/* bytes of that in use */
};

/* For "%.*s". */
#define NAME(v)	((v)->tfl.name.count > 64 ? 64 : (int)(v)->tfl.name.count), \
		(const char *)(v)->tfl.name.data

/* compile.c; functions that return bool have failed if it is false */
bool compile_fail(struct compile *c, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool op_fail(const struct op *op, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
struct value *op_input(const struct op *op, unsigned int i);	/* NULL: left out */
struct value *op_output(const struct op *op);	/* the first, or only one */
struct value *op_result(const struct op *op, unsigned int i);
bool op_emit(struct op *op, void *cmd, unsigned int opcode);
void op_tensor(const struct op *op, const struct value *value, struct npu_tensor *tensor);
bool op_constant(struct op *op, const void *data, uint64_t size, struct npu_ref *ref);
/* Memory of an operator, for its own commands; @zero_point is 0. */
void op_scratch(struct op *op, enum npu_type type, unsigned int rank, const uint32_t *dim,
		struct npu_tensor *tensor);

unsigned int state_base(const struct compile *c);

void program_describe(struct npu_program *program);

/* container.c */
bool container_is(const void *file, size_t size);
int container_load(const void *file, size_t size, const struct npu_compile_options *options,
		   struct npu_program **program, struct npu_error *err);

/* resource.c */
bool resource_read(struct op *op);
bool resource_place(struct compile *c, __le64 *size);
void resource_fill(struct compile *c);

/* fuse.c */
bool fuse_ops(struct compile *c);
bool fuse_input(const struct op *op, const struct value *v, struct npu_tensor *in, __le32 pad[4]);

/* ops.c */
const struct op_rules *op_rules(int builtin);

/* plan.c */
bool plan_arena(struct compile *c);

/* split.c */
bool split_emit(struct compile *c, const void *cmd);

/* quant.c */
void quant_scale(double factor, struct npu_scale *scale);
int32_t quant_round(float value);	/* half away from zero, saturates */
bool quant_activation(int activation, float scale, int32_t zero_point, enum npu_type type,
		      int32_t *min, int32_t *max);

#endif /* NPU_COMPILE_H */
