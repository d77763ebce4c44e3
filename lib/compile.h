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

#define NPU_CONST_ALIGN	64	/* of tensors in constants and arena */

/**
 * struct value - a tensor of the graph
 * @tfl: as in the file; its data only if @constant
 * @type: enum npu_type
 * @rank: dimensions
 * @dim: sizes
 * @elements: product of @dim, below 2^31
 * @bytes: size in memory
 * @constant: has content in the file
 * @available: constant, input, or written by an operator seen so far
 * @input: the graph's input that it is, or -1
 * @alias: value whose memory it shares, itself if it has its own
 * @first: operator that writes it
 * @last: last operator that needs it
 * @placed: @base and @offset are valid (of the one that @alias names)
 * @base: index into the base table
 * @offset: in the base
 */
struct value {
	struct tfl_tensor tfl;
	enum npu_type type;
	uint32_t rank;
	uint32_t dim[NPU_ISA_MAX_RANK];
	uint64_t elements;
	uint64_t bytes;
	bool constant;
	bool available;
	int input;
	uint32_t alias;
	uint32_t first;
	uint32_t last;
	bool placed;
	uint32_t base;
	uint64_t offset;
};

/**
 * struct npu_program - result of the compiler
 * @info: what others see
 * @bases: its base table
 * @stream: command stream
 * @constants: base 0, with room for @constants_room bytes
 * @constants_room: allocated
 * @io: inputs, then outputs; the names are its own
 * @ops: operators; the outputs' names are its own
 */
struct npu_program {
	struct npu_program_info info;
	struct npu_base bases[NPU_ISA_MAX_BASES];
	struct npu_stream *stream;
	uint8_t *constants;
	uint64_t constants_room;
	struct npu_tensor_info *io;
	struct npu_op_info *ops;
};

struct op;

/**
 * struct compile - a compilation
 * @model: the file
 * @err: where the text goes
 * @error: the errno that goes with it; functions return false after it
 * @limits: of one command
 * @values: one per tensor
 * @ops: one per operator
 * @buffer_at: per buffer of the file 1 + its place in the constants, 0 = none
 * @device_io: per input and output the value that the device sees
 * @program: what comes out
 */
struct compile {
	struct tfl_model model;
	struct npu_error *err;
	int error;
	struct npu_check limits;
	struct value *values;
	struct op *ops;
	uint64_t *buffer_at;
	uint32_t *device_io;
	struct npu_program *program;
};

/**
 * struct op_rules - what the compiler knows of a kind of operator
 * @builtin: enum tfl_builtin
 * @inputs_min: inputs that it must have
 * @inputs_max: inputs that it may have
 * @tag: enum tfl_options, 0 = it needs no options
 * @emit: check it and write its commands
 */
struct op_rules {
	enum tfl_builtin builtin;
	unsigned int inputs_min;
	unsigned int inputs_max;
	unsigned int tag;
	bool (*emit)(struct op *op);
};

/**
 * struct op - an operator of the graph
 * @c: compilation
 * @tfl: as in the file
 * @rules: of its kind
 * @index: in the graph
 * @edge: QUANTIZE or DEQUANTIZE that the CPU does
 */
struct op {
	struct compile *c;
	struct tfl_operator tfl;
	const struct op_rules *rules;
	uint32_t index;
	bool edge;
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
struct value *op_output(const struct op *op);
bool op_emit(struct op *op, void *cmd, unsigned int opcode);
void op_tensor(const struct op *op, const struct value *value, struct npu_tensor *tensor);
bool op_constant(struct op *op, const void *data, uint64_t size, struct npu_ref *ref);

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
