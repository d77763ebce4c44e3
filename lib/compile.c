// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ops.h"

#define DEFAULT_MACS_ORDER	34
#define DEFAULT_BYTES_ORDER	32
#define CONST_LIMIT(file_size)	((file_size) * 16ull + (1 << 20))

static bool vfail(struct compile *c, int code, const struct op *op, const char *fmt, va_list args)
{
	char text[200];

	vsnprintf(text, sizeof(text), fmt, args);
	if (op)
		npu_fail(c->err, code, "operator %u, %.*s: %s", op->index, op->tfl.name_len,
			 op->tfl.name, text);
	else
		npu_fail(c->err, code, "%s", text);
	c->error = code;
	return false;
}

bool compile_fail(struct compile *c, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfail(c, code, NULL, fmt, args);
	va_end(args);
	return false;
}

bool op_fail(const struct op *op, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfail(op->c, code, op, fmt, args);
	va_end(args);
	return false;
}

struct value *op_input(const struct op *op, unsigned int i)
{
	int32_t index = i < op->tfl.inputs.count ? fb_i32_at(&op->tfl.inputs, i) : -1;

	return index < 0 ? NULL : &op->c->values[index];
}

struct value *op_result(const struct op *op, unsigned int i)
{
	return &op->c->values[fb_i32_at(&op->tfl.outputs, i)];
}

struct value *op_output(const struct op *op)
{
	return op_result(op, 0);
}

/* Inputs first, then outputs. */
static uint32_t count_io(const struct compile *c)
{
	return c->model.inputs.count + c->model.outputs.count;
}

static int32_t graph_io(const struct compile *c, uint32_t i)
{
	uint32_t inputs = c->model.inputs.count;

	return i < inputs ? fb_i32_at(&c->model.inputs, i) :
			    fb_i32_at(&c->model.outputs, i - inputs);
}

static char *copy_name(const struct fb_vector *name)
{
	const char *text = (const char *)name->data;
	size_t size = name->count;

	/* Each of many may have the same long name: not more of it, and no part of a character. */
	if (size > NAME_LIMIT)
		for (size = NAME_LIMIT; size && ((unsigned char)text[size] & 0xc0) == 0x80; size--)
			;
	return text ? strndup(text, size) : strdup("");
}

/* ---- Constants and commands ---- */

static bool add_constant(struct compile *c, const void *data, uint64_t size, uint64_t *at)
{
	struct npu_program *p = c->program;
	__le64 *used = &p->bases[NPU_BASE_CONSTANTS].size;
	uint64_t room = p->constants_room;
	uint8_t *bigger;

	*at = align_up(*used, NPU_CONST_ALIGN);
	/* Each operator may use the same large tensor, in a file made for that. */
	if (*at + size > CONST_LIMIT(c->model.fb.size) + c->tables)
		return compile_fail(c, -EOPNOTSUPP, "the constants are far larger than the file");
	while (*at + size > room)
		room = room ? room * 2 : 4096;
	if (room > p->constants_room) {
		bigger = realloc(p->constants, room);
		if (!bigger)
			return compile_fail(c, -ENOMEM, "out of memory");
		memset(bigger + p->constants_room, 0, room - p->constants_room);
		p->constants = bigger;
		p->constants_room = room;
	}
	memcpy(p->constants + *at, data, size);
	*used = *at + size;
	return true;
}

bool op_constant(struct op *op, const void *data, uint64_t size, struct npu_ref *ref)
{
	uint64_t at;

	if (!add_constant(op->c, data, size, &at))
		return false;
	*ref = (struct npu_ref) { .base = NPU_BASE_CONSTANTS, .offset = at };
	return true;
}

/* All values have a place when commands are written. */
static void value_tensor(const struct compile *c, const struct value *v, struct npu_tensor *tensor)
{
	const struct value *memory = &c->values[v->alias];
	int64_t zp = v->tfl.zero_point.count ? fb_i64_at(&v->tfl.zero_point, 0) : 0;

	npu_tensor_init(tensor, v->type, memory->base, (int64_t)memory->offset,
			v->type == NPU_TYPE_S32 ? 0 : (int32_t)zp, v->rank, v->dim);
}

void op_scratch(struct op *op, enum npu_type type, unsigned int rank, const uint32_t *dim,
		struct npu_tensor *tensor)
{
	struct compile *c = op->c;
	uint64_t size = npu_type_size(type), at = op->scratch_at;
	unsigned int i;

	for (i = 0; i < rank; i++)
		size *= dim[i];
	npu_tensor_init(tensor, type, NPU_BASE_ARENA, (int64_t)(at + op->scratch), 0, rank, dim);
	op->scratch += align_up(size, NPU_CONST_ALIGN);
	if (at + op->scratch > c->arena)
		c->arena = at + op->scratch;
}

void op_tensor(const struct op *op, const struct value *value, struct npu_tensor *tensor)
{
	value_tensor(op->c, value, tensor);
}

/* What the device would refuse is a model that it does not support. */
static bool emit(struct compile *c, void *cmd, unsigned int opcode)
{
	((struct npu_cmd *)cmd)->opcode = (uint16_t)opcode;
	if (split_emit(c, cmd))
		return true;
	if (c->error != -ENOMEM)
		c->error = -EOPNOTSUPP;
	return false;
}

bool op_emit(struct op *op, void *cmd, unsigned int opcode)
{
	struct npu_error err;

	if (emit(op->c, cmd, opcode))
		return true;
	err = *op->c->err;
	return op_fail(op, op->c->error, "%s", err.text);
}

/* ---- Reading the graph ---- */

/* Has the file left dimension @d to whoever loads it? */
static bool is_open(const struct value *v, unsigned int d)
{
	return d < v->tfl.signature.count && fb_i32_at(&v->tfl.signature, d) == -1;
}

static bool read_value(struct compile *c, uint32_t i)
{
	struct value *v = &c->values[i];
	unsigned int size, d;
	int32_t dim;

	c->error = tfl_tensor(&c->model, i, &v->tfl);
	if (c->error)
		return false;
	v->alias = i;
	v->input = -1;
	v->type = tfl_type(v->tfl.type);
	v->rank = v->tfl.shape.count;
	if (v->rank > NPU_ISA_MAX_RANK)
		return compile_fail(c, -EOPNOTSUPP, "tensor %u '%.*s' has rank %u, the most is %u",
				    i, NAME(v), v->rank, NPU_ISA_MAX_RANK);
	size = v->type == NPU_TYPE_F32 ? 4 : npu_type_size(v->type);
	v->elements = 1;
	v->constant = v->tfl.data.count && size;
	for (d = 0; d < v->rank; d++) {
		dim = fb_i32_at(&v->tfl.shape, d);
		if (c->batch && !d && !v->constant && (dim == 1 || is_open(v, 0))) {
			dim = (int32_t)c->batch;
			v->batched = true;
		}
		if (dim <= 0 || v->elements * (uint32_t)dim > INT32_MAX)
			return compile_fail(c, -EOPNOTSUPP,
					    "tensor %u '%.*s' has %d in dimension %u; fix the shape when converting",
					    i, NAME(v), dim, d);
		v->dim[d] = (uint32_t)dim;
		v->elements *= (uint32_t)dim;
	}
	v->bytes = v->elements * size;
	v->available = v->constant || v->tfl.variable;
	if (v->constant && v->tfl.variable)
		return compile_fail(c, -EOPNOTSUPP, "variable %u '%.*s' has a first value", i,
				    NAME(v));
	if (v->constant && v->tfl.data.count != v->bytes)
		return compile_fail(c, -EBADMSG,
				    "tensor %u '%.*s' has %u bytes of data, its shape needs %llu",
				    i, NAME(v), v->tfl.data.count, (unsigned long long)v->bytes);
	return true;
}

/* The value that an operator or the graph names; NULL on error. */
static struct value *named_value(struct compile *c, int32_t index)
{
	if (index >= 0 && (uint32_t)index < c->model.tensors.count)
		return &c->values[index];
	compile_fail(c, -EBADMSG, "the graph names tensor %d of %u", index,
		     c->model.tensors.count);
	return NULL;
}

static bool use_value(struct op *op, int32_t index)
{
	struct value *v;

	if (index == -1)
		return true;
	v = named_value(op->c, index);
	if (!v)
		return false;
	if (v->tfl.sparse)
		return op_fail(op, -EOPNOTSUPP,
			       "tensor '%.*s' is sparse; convert without EXPERIMENTAL_SPARSITY",
			       NAME(v));
	if (v->tfl.variable && !(op->rules->types & OP_STATE))
		return op_fail(op, -EOPNOTSUPP,
			       "tensor '%.*s' is a variable, which only SVDF and LSTM take",
			       NAME(v));
	v->state = v->tfl.variable;
	if (v->state && v->type != NPU_TYPE_S8 && v->type != NPU_TYPE_S16)
		return op_fail(op, -EOPNOTSUPP, "variable %d is %s, supported are int8 and int16",
			       index, tfl_type_name(v->tfl.type));
	if (!v->available)
		return op_fail(op, -EBADMSG, "tensor %d is used before it is computed", index);
	op->c->values[v->alias].last = op->index;
	return true;
}

static bool write_value(struct op *op, int32_t index)
{
	struct value *v = named_value(op->c, index);

	if (!v)
		return false;
	if (v->tfl.variable)
		return op_fail(op, -EOPNOTSUPP, "output tensor %d is a variable", index);
	if (v->available)
		return op_fail(op, -EBADMSG, "output tensor %d has a value already", index);
	v->available = true;
	v->first = op->index;
	v->last = op->index;
	return true;
}

/* Only the shape becomes another one. */
static bool alias_output(struct op *op)
{
	struct value *in = op_input(op, 0), *out = op_output(op);

	if (in->bytes != out->bytes || in->type != out->type)
		return op_fail(op, op->c->batch ? -EOPNOTSUPP : -EBADMSG,
			       "input and output have different type or size%s",
			       op->c->batch ? " with this batch" : "");
	out->alias = in->alias;
	return true;
}

/*
 * float32 at the edges of the graph: the CPU does these QUANTIZE and DEQUANTIZE,
 * and the device sees what is behind them.
 */
static bool find_edge(struct op *op)
{
	struct compile *c = op->c;
	struct value *in, *out;
	uint32_t *io, i;

	if (op->tfl.builtin != TFL_QUANTIZE && op->tfl.builtin != TFL_DEQUANTIZE)
		return true;
	in = op_input(op, 0);
	out = op_output(op);
	if (op->tfl.builtin == TFL_QUANTIZE && in->type == NPU_TYPE_F32 && in->input >= 0) {
		io = &c->device_io[in->input];
		if (c->values[*io].type != NPU_TYPE_F32)
			return op_fail(op, -EOPNOTSUPP, "a second QUANTIZE of graph input %d",
				       in->input);
		*io = (uint32_t)(out - c->values);
		op->edge = true;
	} else if (op->tfl.builtin == TFL_DEQUANTIZE && out->type == NPU_TYPE_F32) {
		for (i = c->model.inputs.count; i < count_io(c); i++) {
			if (graph_io(c, i) != out - c->values)
				continue;
			c->device_io[i] = (uint32_t)(in - c->values);
			op->edge = true;
		}
	}
	return true;
}

/* Results of a batch are one of each. */
static bool keeps_batch(const struct op *op)
{
	bool batched = false;
	unsigned int i;

	for (i = 0; i < op->tfl.inputs.count; i++)
		batched |= op_input(op, i) && op_input(op, i)->batched;
	for (i = 0; i < op->tfl.outputs.count && batched; i++)
		if (!op_result(op, i)->batched)
			return op_fail(op, -EOPNOTSUPP,
				       "output '%.*s' does not have the batch as first dimension",
				       NAME(op_result(op, i)));
	return true;
}

static bool is_control_flow(int builtin)
{
	return builtin == TFL_IF || builtin == TFL_WHILE || builtin == TFL_CALL;
}

static bool read_op(struct compile *c, uint32_t i)
{
	struct op *op = &c->ops[i];
	uint32_t n;

	op->c = c;
	op->index = i;
	c->error = tfl_operator(&c->model, i, &op->tfl);
	if (c->error)
		return false;
	op->rules = op_rules(op->tfl.builtin);
	if (is_control_flow(op->tfl.builtin))
		return op_fail(op, -EOPNOTSUPP,
			       "control flow is not supported; unroll loops before converting (unroll=True of Keras layers)");
	if (!op->rules)
		return op_fail(op, -EOPNOTSUPP,
			       "operator not supported; keep this part of the network on the CPU or replace it ('man libnpu' lists the supported ones)");
	if (op->tfl.inputs.count < op->rules->inputs_min ||
	    op->tfl.inputs.count > op->rules->inputs_max ||
	    !op->tfl.outputs.count != !op->rules->outputs_max ||
	    op->tfl.outputs.count > op->rules->outputs_max)
		return op_fail(op, -EBADMSG, "%u inputs and %u outputs", op->tfl.inputs.count,
			       op->tfl.outputs.count);
	if (op->rules->tag && (op->tfl.tag != op->rules->tag || !op->tfl.options.at))
		return op_fail(op, -EBADMSG, "options are missing or of another operator");
	for (n = 0; n < op->tfl.inputs.count; n++) {
		if (!use_value(op, fb_i32_at(&op->tfl.inputs, n)))
			return false;
		if (n < op->rules->inputs_min && !op_input(op, n))
			return op_fail(op, -EBADMSG, "input %u is left out", n);
	}
	for (n = 0; n < op->tfl.outputs.count; n++)
		if (!write_value(op, fb_i32_at(&op->tfl.outputs, n)))
			return false;
	if (!keeps_batch(op))
		return false;
	if (op->rules->types & OP_ALIAS)
		return alias_output(op);
	return resource_read(op) && find_edge(op);
}

/* Graph inputs are available from the beginning, graph outputs needed at the end. */
static bool read_inputs(struct compile *c)
{
	struct value *v;
	unsigned int d;
	uint32_t i;

	for (i = 0; i < count_io(c); i++) {
		v = named_value(c, graph_io(c, i));
		if (!v)
			return false;
		c->device_io[i] = (uint32_t)(v - c->values);
		if (i >= c->model.inputs.count)
			continue;
		if (v->available)
			return compile_fail(c, -EBADMSG,
					    "graph input %u is a constant or given twice", i);
		for (d = 1; d < v->rank; d++)
			if (is_open(v, d))
				return compile_fail(c, -EOPNOTSUPP,
						    "dimension %u of graph input %u '%.*s' is not fixed; only the first one may be: give the shape when converting (input_signature of tf.function)",
						    d, i, NAME(v));
		if (c->batch && !v->batched)
			return compile_fail(c, -EOPNOTSUPP,
					    "graph input %u '%.*s' has %u, not 1 or -1, in its first dimension: no batch can be set",
					    i, NAME(v), v->rank ? v->dim[0] : 0);
		v->available = true;
		v->input = (int)i;
	}
	return true;
}

static bool read_outputs(struct compile *c)
{
	uint32_t inputs = c->model.inputs.count, i;
	struct value *v;

	for (i = 0; i < count_io(c); i++) {
		v = &c->values[c->device_io[i]];
		if (!v->available || (v->tfl.variable && !v->state))
			return compile_fail(c, -EBADMSG, "graph output %u is never computed",
					    i - inputs);
		if (c->batch && !v->batched)
			return compile_fail(c, -EOPNOTSUPP,
					    "'%.*s' does not have the batch as first dimension: no batch can be set",
					    NAME(v));
		if (!npu_type_size(v->type))
			return compile_fail(c, -EOPNOTSUPP,
					    "graph %s %u is %s; supported are integers, and float32 through QUANTIZE and DEQUANTIZE: convert with full integer quantisation",
					    i < inputs ? "input" : "output",
					    i < inputs ? i : i - inputs,
					    tfl_type_name(v->tfl.type));
		c->values[v->alias].last = c->model.operators.count;
	}
	return true;
}

static bool read_graph(struct compile *c)
{
	struct tfl_model *m = &c->model;
	uint32_t i;

	if (!m->inputs.count || !m->outputs.count || m->inputs.count > NPU_ISA_MAX_BASES ||
	    m->outputs.count > NPU_ISA_MAX_BASES ||
	    NPU_BASE_IO + count_io(c) + 2 > NPU_ISA_MAX_BASES)
		return compile_fail(c, -EOPNOTSUPP,
				    "the model has %u inputs and %u outputs, supported are 1 to %u together",
				    m->inputs.count, m->outputs.count,
				    NPU_ISA_MAX_BASES - NPU_BASE_IO - 2);
	c->values = calloc(m->tensors.count + 1ul, sizeof(*c->values));
	c->ops = calloc(m->operators.count + 1ul, sizeof(*c->ops));
	c->buffer_at = calloc(m->buffers.count + 1ul, sizeof(*c->buffer_at));
	c->device_io = calloc(count_io(c), sizeof(*c->device_io));
	if (!c->values || !c->ops || !c->buffer_at || !c->device_io)
		return compile_fail(c, -ENOMEM, "out of memory");
	for (i = 0; i < m->tensors.count; i++)
		if (!read_value(c, i))
			return false;
	if (!read_inputs(c))
		return false;
	for (i = 0; i < m->operators.count; i++)
		if (!read_op(c, i))
			return false;
	return read_outputs(c);
}

/* ---- Placing values ---- */

/* Behind inputs and outputs. */
unsigned int state_base(const struct compile *c)
{
	return NPU_BASE_IO + count_io(c);
}

/* Variables have a base of their own, since they outlive a run. */
static bool place_state(struct compile *c)
{
	__le64 *size = &c->program->bases[state_base(c)].size;
	struct value *v;
	int32_t zp;
	uint32_t i;

	for (i = 0; i < c->model.tensors.count; i++) {
		v = &c->values[i];
		if (!v->state)
			continue;
		v->base = state_base(c);
		v->offset = *size;
		v->placed = true;
		*size += align_up(v->bytes, NPU_CONST_ALIGN);
		if (*size > STATE_LIMIT)
			break;
	}
	if (!resource_place(c, size) && c->error)
		return false;
	if (*size > STATE_LIMIT)
		return compile_fail(c, -EOPNOTSUPP, "the variables have more than %u MiB",
				    STATE_LIMIT >> 20);
	if (!*size)
		return true;
	c->program->state = calloc(1, *size);
	if (!c->program->state)
		return compile_fail(c, -ENOMEM, "out of memory");
	/* They begin as real zeros. */
	for (i = 0; i < c->model.tensors.count; i++) {
		v = &c->values[i];
		zp = v->tfl.zero_point.count ? (int32_t)fb_i64_at(&v->tfl.zero_point, 0) : 0;
		if (v->state && v->type == NPU_TYPE_S8 && zp)
			memset(c->program->state + v->offset, zp, v->bytes);
	}
	resource_fill(c);
	return true;
}

static bool place_values(struct compile *c)
{
	struct value *v;
	uint64_t *at;
	uint32_t i;

	for (i = 0; i < count_io(c); i++) {
		v = &c->values[c->values[c->device_io[i]].alias];
		if (v->placed || v->constant)
			continue;
		v->base = NPU_BASE_IO + i;
		v->placed = true;
	}
	for (i = 0; i < c->model.tensors.count; i++) {
		v = &c->values[i];
		if (!v->constant)
			continue;
		at = &c->buffer_at[v->tfl.buffer];
		if (!*at) {
			if (!add_constant(c, v->tfl.data.data, v->bytes, at))
				return false;
			++*at;
		}
		v->base = NPU_BASE_CONSTANTS;
		v->offset = *at - 1;
		v->placed = true;
	}
	return place_state(c) && plan_arena(c);
}

/* ---- Writing the program ---- */

static bool has_state(const struct compile *c)
{
	return c->program->bases[state_base(c)].size;
}

static bool emit_timestamp(struct compile *c)
{
	struct npu_cmd_timestamp cmd = {
		.out.base = (uint8_t)(state_base(c) + has_state(c)),
		.out.offset = c->program->info.nops * sizeof(struct npu_timestamp),
	};

	return !(c->program->info.flags & NPU_COMPILE_PROFILE) || emit(c, &cmd, NPU_OP_TIMESTAMP);
}

static uint32_t stream_size(const struct compile *c)
{
	uint32_t size;

	npu_stream_data(c->program->stream, &size);
	return size;
}

/* An operator whose commands begin at @offset is complete. */
static bool finish_op(struct compile *c, const char *name, const struct fb_vector *output,
		      uint32_t index, uint32_t offset)
{
	struct npu_op_info *info = &c->program->ops[c->program->info.nops];
	uint32_t size;
	const char *data = npu_stream_data(c->program->stream, &size);

	info->output = copy_name(output);
	info->name = strdup(name);
	c->program->info.nops++;
	if (!info->output || !info->name)
		return compile_fail(c, -ENOMEM, "out of memory");
	info->index = index;
	info->offset = offset;
	for (; offset < size; offset += ((const struct npu_cmd *)(data + offset))->size)
		info->commands++;
	return emit_timestamp(c);
}

/* An output that is also an input, a constant or another output is copied. */
static bool copy_output(struct compile *c, uint32_t i)
{
	const struct value *v = &c->values[c->device_io[i]];
	struct npu_cmd_copy cmd = { 0 };
	uint32_t at = stream_size(c);

	if (c->values[v->alias].base == NPU_BASE_IO + i)
		return true;
	value_tensor(c, v, &cmd.in);
	cmd.in.zero_point = 0;
	cmd.out = cmd.in;
	cmd.out.base = (uint8_t)(NPU_BASE_IO + i);
	cmd.out.offset = 0;
	return emit(c, &cmd, NPU_OP_COPY) &&
	       finish_op(c, "copy", &v->tfl.name, c->model.operators.count, at);
}

static bool emit_program(struct compile *c)
{
	const struct fb_vector none = { 0 };
	bool good = emit_timestamp(c);
	struct op *op;
	uint32_t i, at;

	for (i = 0; i < c->model.operators.count && good; i++) {
		op = &c->ops[i];
		at = stream_size(c);
		good = op->edge || (op->rules->emit(op) &&
				    finish_op(c, op->tfl.name, op->tfl.outputs.count ?
					      &op_output(op)->tfl.name : &none, i, at));
	}
	for (i = c->model.inputs.count; i < count_io(c) && good; i++)
		good = copy_output(c, i);
	return good;
}

/* 0: it has none, or no use. */
static float io_scale(const struct value *v)
{
	float scale = v->tfl.scale.count == 1 ? fb_f32_at(&v->tfl.scale, 0) : 0;

	return scale > 0 && scale < SCALE_LIMIT ? scale : 0;
}

static bool describe_io(struct compile *c, uint32_t i)
{
	struct value *outside = &c->values[graph_io(c, i)], *v = &c->values[c->device_io[i]];
	struct npu_tensor_info *info = &c->program->io[i];
	bool output = i >= c->model.inputs.count;
	struct fb_vector alias = tfl_alias(&c->model, output, (uint32_t)graph_io(c, i));
	struct npu_tensor tensor;

	c->error = c->model.fb.error;
	if (c->error)
		return false;
	value_tensor(c, v, &tensor);
	*info = (struct npu_tensor_info) {
		.name = copy_name(&outside->tfl.name),
		.key = alias.data ? copy_name(&alias) : NULL,
		.type = outside->type,
		.device_type = v->type,
		.rank = v->rank,
		.size = outside->bytes,
		.device_size = v->bytes,
		.scale = io_scale(v),
		.zero_point = (int32_t)tensor.zero_point,
		.base = NPU_BASE_IO + i,
	};
	memcpy(info->dim, v->dim, sizeof(info->dim));
	if (!info->name || (alias.data && !info->key))
		return compile_fail(c, -ENOMEM, "out of memory");
	/* They are what callers ask for. */
	if (outside->tfl.name.count > NAME_LIMIT || alias.count > NAME_LIMIT)
		return compile_fail(c, -EOPNOTSUPP, "the name of %s %u has more than %u bytes",
				    output ? "output" : "input",
				    output ? i - c->model.inputs.count : i, NAME_LIMIT);
	if (outside->elements != v->elements)
		return compile_fail(c, -EBADMSG, "'%s' changes its size at the graph's edge",
				    info->name);
	return outside == v || info->scale > 0 ||
	       compile_fail(c, -EBADMSG, "'%s' is not quantised", info->name);
}

/* Where what a program consists of can be read. */
void program_describe(struct npu_program *p)
{
	struct npu_program_info *info = &p->info;

	info->stream = npu_stream_data(p->stream, &info->stream_size);
	info->constants = p->constants;
	info->state = p->state;
	info->bases = p->bases;
	info->inputs = p->io;
	info->outputs = p->io + info->ninputs;
	info->ops = p->ops;
}

/* Describe the program; the device will agree: run its checks over all of it. */
static bool finish_program(struct compile *c)
{
	struct npu_program *p = c->program;
	struct npu_program_info *info = &p->info;
	uint32_t i;

	if (p->bases[NPU_BASE_ARENA].size < c->arena)
		p->bases[NPU_BASE_ARENA].size = c->arena;
	if (p->bases[NPU_BASE_ARENA].size > ARENA_LIMIT)
		return compile_fail(c, -EOPNOTSUPP, "it needs %llu GiB of memory",
				    (unsigned long long)p->bases[NPU_BASE_ARENA].size >> 30);
	p->bases[NPU_BASE_ARENA].flags = NPU_BASE_WRITE;
	for (i = 0; i < count_io(c); i++) {
		p->bases[NPU_BASE_IO + i].size = p->io[i].device_size;
		p->bases[NPU_BASE_IO + i].flags = i < info->ninputs ? 0 : NPU_BASE_WRITE;
	}
	info->nbases = NPU_BASE_IO + i;
	if (has_state(c)) {
		p->bases[info->nbases].flags = NPU_BASE_WRITE;
		info->state_base = info->nbases++;
	}
	if (info->flags & NPU_COMPILE_PROFILE)
		p->bases[info->nbases++] = (struct npu_base) {
			.size = (info->nops + 1) * sizeof(struct npu_timestamp),
			.flags = NPU_BASE_WRITE,
		};
	program_describe(p);
	/* This fails by a mistake of the compiler only. */
	if (npu_stream_check(info->stream, info->stream_size, p->bases, info->nbases, NULL, c->err))
		c->error = -ENOTRECOVERABLE;
	return !c->error;
}

static bool compile(struct compile *c, const void *file, size_t size)
{
	struct npu_program *p = c->program;
	uint32_t i;

	c->error = tfl_open(&c->model, file, size, c->signature, c->err);
	if (c->error || !read_graph(c) || !fuse_ops(c) || !place_values(c))
		return false;
	p->io = calloc(count_io(c), sizeof(*p->io));
	p->ops = calloc(c->model.operators.count + count_io(c), sizeof(*p->ops));
	if (!p->io || !p->ops || npu_stream_create(NULL, &p->stream))
		return compile_fail(c, -ENOMEM, "out of memory");
	p->info.ninputs = c->model.inputs.count;
	p->info.noutputs = c->model.outputs.count;
	for (i = 0; i < count_io(c); i++)
		if (!describe_io(c, i))
			return false;
	return emit_program(c) && finish_program(c);
}

NPU_API int npu_program_compile(const void *file, size_t size,
				const struct npu_compile_options *options,
				struct npu_program **program, struct npu_error *err)
{
	static const struct npu_compile_options defaults;
	struct npu_error ignored;
	struct compile c = { .err = err ? err : &ignored };

	if (!options)
		options = &defaults;
	if (options->flags & ~NPU_COMPILE_PROFILE || options->reserved ||
	    options->macs_max_order > 63 || options->bytes_max_order > 63 ||
	    options->numerics > NPU_NUMERICS_TFLITE || options->batch > INT32_MAX ||
	    memcmp(options->reserved1, defaults.reserved1, sizeof(defaults.reserved1)))
		return npu_fail(err, -EINVAL, "unknown compile options");
	if (container_is(file, size))
		return container_load(file, size, options, program, c.err);
	npu_check_init(&c.limits, NULL, c.err);
	c.limits.macs = 1ull << (options->macs_max_order ? options->macs_max_order :
				 DEFAULT_MACS_ORDER);
	c.limits.bytes = 1ull << (options->bytes_max_order ? options->bytes_max_order :
				  DEFAULT_BYTES_ORDER);
	c.program = calloc(1, sizeof(*c.program));
	if (!c.program)
		return npu_fail(err, -ENOMEM, "out of memory");
	c.program->info.flags = options->flags;
	c.numerics = options->numerics;
	c.batch = options->batch;
	c.signature = options->signature;
	compile(&c, file, size);
	free(c.values);
	free(c.ops);
	free(c.buffer_at);
	free(c.device_io);
	free(c.resources);
	if (c.error)
		npu_program_destroy(c.program);
	else
		*program = c.program;
	return c.error;
}

NPU_API int npu_program_load(const char *path, const struct npu_compile_options *options,
			     struct npu_program **program, struct npu_error *err)
{
	struct stat st = { 0 };
	void *file = NULL;
	size_t got = 0;
	ssize_t n = 1;
	int fd, ret = 0;

	/* Not to wait for the writer of a FIFO, which is refused. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st))
		ret = npu_fail(err, -errno, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode) || st.st_size > INT32_MAX)
		ret = npu_fail(err, -EBADMSG, "%s: %s", path, S_ISREG(st.st_mode) ?
			       "the file is larger than 2 GiB" : "not a file");
	/* Read, not mapped: nobody changes it while it is checked. */
	if (!ret) {
		file = malloc((size_t)st.st_size + 1);
		if (!file)
			ret = npu_fail(err, -ENOMEM, "%s: out of memory", path);
	}
	while (!ret && n && got < (size_t)st.st_size) {
		n = read(fd, (char *)file + got, (size_t)st.st_size - got);
		if (n < 0 && errno != EINTR)
			ret = npu_fail(err, -errno, "%s: %s", path, strerror(errno));
		got += n > 0 ? (size_t)n : 0;
	}
	if (!ret)
		ret = npu_program_compile(file, got, options, program, err);
	free(file);
	if (fd >= 0)
		close(fd);
	return ret;
}

NPU_API void npu_program_destroy(struct npu_program *program)
{
	unsigned int i;

	if (!program)
		return;
	for (i = 0; program->io && i < program->info.ninputs + program->info.noutputs; i++) {
		free((char *)program->io[i].name);
		free((char *)program->io[i].key);
	}
	for (i = 0; program->ops && i < program->info.nops; i++) {
		free((char *)program->ops[i].name);
		free((char *)program->ops[i].output);
	}
	npu_stream_destroy(program->stream);
	free(program->io);
	free(program->ops);
	free(program->constants);
	free(program->state);
	free(program);
}

NPU_API const struct npu_program_info *npu_program_get_info(const struct npu_program *program)
{
	return &program->info;
}
