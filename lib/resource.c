// SPDX-License-Identifier: MIT
/*
 * Variables that operators name: VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, and CALL_ONCE,
 * which gives them their first values. They live in the base of the variables.
 */
#include "ops.h"

#define MAX_RESOURCES	256

static bool same_text(const struct fb_vector *a, const struct fb_vector *b)
{
	return a->count == b->count && (!a->count || !memcmp(a->data, b->data, a->count));
}

/* The variable that VAR_HANDLE, of whichever subgraph, names: 1 + index; 0 on error. */
static uint32_t find_resource(struct op *op, const struct tfl_operator *handle)
{
	struct fb_vector container = fb_string(&handle->options, VAR_HANDLE_CONTAINER);
	struct fb_vector name = fb_string(&handle->options, VAR_HANDLE_NAME);
	struct compile *c = op->c;
	struct resource *r;
	uint32_t i;

	c->error = c->model.fb.error;
	if (c->error)
		return 0;
	if (container.count > NAME_LIMIT || name.count > NAME_LIMIT) {
		op_fail(op, UNSUPPORTED, "the name of a variable has more than %u bytes",
			NAME_LIMIT);
		return 0;
	}
	for (i = 0; i < c->nresources; i++) {
		r = &c->resources[i];
		if (same_text(&r->container, &container) && same_text(&r->name, &name))
			return i + 1;
	}
	if (i == MAX_RESOURCES) {
		op_fail(op, UNSUPPORTED, "more than %u variables", MAX_RESOURCES);
		return 0;
	}
	if (!c->resources)
		c->resources = calloc(MAX_RESOURCES, sizeof(*c->resources));
	if (!c->resources) {
		op_fail(op, -ENOMEM, "out of memory");
		return 0;
	}
	c->resources[i].container = container;
	c->resources[i].name = name;
	return ++c->nresources;
}

static bool read_handle(struct op *op)
{
	struct value *handle = op_output(op);

	if (handle->tfl.type != TFL_RESOURCE)
		return op_fail(op, DAMAGED, "tensor '%.*s' is no handle", NAME(handle));
	handle->resource = find_resource(op, &op->tfl);
	return handle->resource;
}

/* What is read from a variable has the type and size of what is assigned to it. */
static bool read_use(struct op *op, const struct value *v)
{
	const struct value *handle = op_input(op, 0);
	struct resource *r;

	if (!handle->resource)
		return op_fail(op, DAMAGED, "tensor '%.*s' is no variable", NAME(handle));
	if (!npu_type_size(v->type))
		return op_fail(op, UNSUPPORTED, "variable '%.*s' is %s", NAME(v),
			       tfl_type_name(v->tfl.type));
	r = &op->c->resources[handle->resource - 1];
	if (r->like && (r->like->type != v->type || r->like->bytes != v->bytes))
		return op_fail(op, DAMAGED, "tensors '%.*s' and '%.*s' of a variable differ",
			       NAME(r->like), NAME(v));
	r->like = v;
	return true;
}

/* ---- CALL_ONCE ---- */

static bool read_assign(struct op *op, struct tfl_model *model, const struct tfl_operator *assign,
			const uint32_t *handles)
{
	uint32_t handle, index;
	struct tfl_tensor value;
	struct resource *r;

	if (assign->inputs.count != 2 || assign->outputs.count)
		return op_fail(op, DAMAGED, "ASSIGN_VARIABLE of %u inputs", assign->inputs.count);
	handle = (uint32_t)fb_i32_at(&assign->inputs, 0);
	index = (uint32_t)fb_i32_at(&assign->inputs, 1);
	if (handle >= model->tensors.count || index >= model->tensors.count || !handles[handle])
		return op_fail(op, DAMAGED, "ASSIGN_VARIABLE to no variable");
	op->c->error = tfl_tensor(model, index, &value);
	if (op->c->error)
		return false;
	if (!value.data.count)
		return op_fail(op, UNSUPPORTED, "the first value of a variable is no constant");
	r = &op->c->resources[handles[handle] - 1];
	r->first = value.data;
	r->first_type = tfl_type(value.type);
	return true;
}

static bool read_once_op(struct op *op, struct tfl_model *model, uint32_t i, uint32_t *handles)
{
	struct tfl_operator inner;
	uint32_t out;

	op->c->error = tfl_operator(model, i, &inner);
	if (op->c->error)
		return false;
	if (inner.builtin == TFL_ASSIGN_VARIABLE)
		return read_assign(op, model, &inner, handles);
	if (inner.builtin != TFL_VAR_HANDLE)
		return op_fail(op, UNSUPPORTED,
			       "%.*s in its subgraph; supported are VAR_HANDLE and ASSIGN_VARIABLE of constants",
			       inner.name_len, inner.name);
	out = inner.outputs.count == 1 ? (uint32_t)fb_i32_at(&inner.outputs, 0) : UINT32_MAX;
	if (out >= model->tensors.count)
		return op_fail(op, DAMAGED, "VAR_HANDLE in its subgraph has no output");
	handles[out] = find_resource(op, &inner);
	return handles[out];
}

/* Runs before the first run: its assignments are the first content of the variables. */
static bool read_once(struct op *op)
{
	struct tfl_model model = op->c->model;
	uint32_t *handles, i;
	bool good = true;

	i = (uint32_t)fb_i32(&op->tfl.options, CALL_ONCE_SUBGRAPH, 0);
	op->c->error = tfl_subgraph(&model, i);
	if (op->c->error)
		return false;
	/* Of all of them together: each may be there again and again. */
	op->c->once_ops += model.operators.count;
	if (op->c->once_ops > TFL_MAX_OPERATORS)
		return op_fail(op, UNSUPPORTED, "more than %u operators before the first run",
			       TFL_MAX_OPERATORS);
	handles = calloc(model.tensors.count + 1ul, sizeof(*handles));
	if (!handles)
		return op_fail(op, -ENOMEM, "out of memory");
	for (i = 0; i < model.operators.count && good; i++)
		good = read_once_op(op, &model, i, handles);
	free(handles);
	/* What is read through the vectors of the model is counted there. */
	if (good && op->c->model.fb.error) {
		op->c->error = op->c->model.fb.error;
		return false;
	}
	return good;
}

/* What an operator says of variables, when the graph is read. */
bool resource_read(struct op *op)
{
	switch (op->tfl.builtin) {
	case TFL_CALL_ONCE:
		return read_once(op);
	case TFL_VAR_HANDLE:
		return read_handle(op);
	case TFL_READ_VARIABLE:
		return read_use(op, op_output(op));
	case TFL_ASSIGN_VARIABLE:
		return read_use(op, op_input(op, 1));
	default:
		return true;
	}
}

/* ---- Memory ---- */

/* Gives the variables places behind @size bytes of others, which grow. */
bool resource_place(struct compile *c, __le64 *size)
{
	struct resource *r;
	uint32_t i;

	for (i = 0; i < c->nresources; i++) {
		r = &c->resources[i];
		if (!r->like)
			continue;
		if (r->first.data && (r->first_type != r->like->type ||
				      r->first.count != r->like->bytes))
			return compile_fail(c, UNSUPPORTED,
					    "variable '%.*s' begins with %u bytes of %s, and is %llu of %s",
					    NAME(r->like), r->first.count,
					    npu_type_name(r->first_type),
					    (unsigned long long)r->like->bytes,
					    npu_type_name(r->like->type));
		r->offset = *size;
		*size += align_up(r->like->bytes, NPU_CONST_ALIGN);
		if (*size > STATE_LIMIT)
			return false;
	}
	return true;
}

/* Before the first run: what CALL_ONCE assigns, else real zeros. */
void resource_fill(struct compile *c)
{
	struct resource *r;
	uint32_t i;
	int32_t zp;

	for (i = 0; i < c->nresources; i++) {
		r = &c->resources[i];
		if (!r->like)
			continue;
		zp = r->like->tfl.zero_point.count ?
			(int32_t)fb_i64_at(&r->like->tfl.zero_point, 0) : 0;
		if (r->first.data)
			memcpy(c->program->state + r->offset, r->first.data, r->first.count);
		else if (npu_type_size(r->like->type) == 1)
			memset(c->program->state + r->offset, zp, r->like->bytes);
	}
}

/* ---- Commands ---- */

static bool emit_access(struct op *op, const struct value *v, bool write)
{
	const struct resource *r = &op->c->resources[op_input(op, 0)->resource - 1];
	struct npu_tensor value, variable;

	op_tensor(op, v, &value);
	value.zero_point = 0;
	npu_tensor_init(&variable, v->type, state_base(op->c), (int64_t)r->offset, 0, v->rank,
			v->dim);
	return write ? emit_copy(op, &value, &variable) : emit_copy(op, &variable, &value);
}

bool emit_read_variable(struct op *op)
{
	return emit_access(op, op_output(op), false);
}

bool emit_assign_variable(struct op *op)
{
	return emit_access(op, op_input(op, 1), true);
}

/* VAR_HANDLE and CALL_ONCE: all is done when the graph is read. */
bool emit_nothing(struct op *op)
{
	(void)op;
	return true;
}
