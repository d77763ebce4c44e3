// SPDX-License-Identifier: MIT
/*
 * Programs in files. A file is struct container, and then, each from a multiple of 8 on: the
 * bases, the tensors, the operators, the names, the stream, the constants, the first
 * content of the variables. Whoever made it, what it says is checked like a model.
 */
#include <stdio.h>

#include "compile.h"

#define CONTAINER_MAGIC	0x5055504e	/* "NPUP" */
#define CONTAINER_MAJOR	1
#define CONTAINER_MINOR	0
#define NO_NAME		UINT32_MAX

/**
 * struct container - first bytes of a file
 * @magic: CONTAINER_MAGIC
 * @major: CONTAINER_MAJOR; readers refuse another one
 * @minor: CONTAINER_MINOR; readers refuse a newer one
 * @crc: CRC-32 (IEEE 802.3) of all that follows this field
 * @flags: NPU_COMPILE_*
 * @size: bytes of the file
 * @nbases: struct npu_base
 * @ninputs: struct container_tensor, the first ones
 * @noutputs: the other ones
 * @nops: struct container_op
 * @state_base: of struct npu_program_info
 * @names_size: bytes of names, each with a zero behind it
 * @stream_size: bytes
 * @reserved: zero
 */
struct container {
	__le32 magic;
	__le16 major;
	__le16 minor;
	__le32 crc;
	__le32 flags;
	__le64 size;
	__le32 nbases;
	__le32 ninputs;
	__le32 noutputs;
	__le32 nops;
	__le32 state_base;
	__le32 names_size;
	__le32 stream_size;
	__le32 reserved;
};

/* struct npu_tensor_info; its sizes and its base follow from this. */
struct container_tensor {
	__le32 name;	/* place among the names */
	__le32 key;	/* or NO_NAME */
	__u8 type;
	__u8 device_type;
	__u8 rank;
	__u8 reserved;
	__le32 zero_point;
	float scale;
	__le32 dim[NPU_ISA_MAX_RANK];
	__le32 reserved1;
};

/* struct npu_op_info */
struct container_op {
	__le32 name;
	__le32 output;
	__le32 index;
	__le32 offset;
	__le32 commands;
	__le32 reserved;
};

bool container_is(const void *file, size_t size)
{
	uint32_t magic = 0;

	if (size >= sizeof(magic))
		memcpy(&magic, file, sizeof(magic));
	return magic == CONTAINER_MAGIC;
}

static uint32_t crc32(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint32_t crc = ~0u;
	unsigned int bit;

	while (size--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* ---- Writing ---- */

/* What is being written; @data is NULL while it is only measured. */
struct writer {
	char *data;
	uint64_t size;
	uint64_t names;		/* place of the next name */
	uint64_t names_at;	/* of the first */
};

static void put(struct writer *w, const void *data, uint64_t size)
{
	if (w->data && size)
		memcpy(w->data + w->size, data, size);
	w->size = align_up(w->size + size, 8);
}

static uint32_t put_name(struct writer *w, const char *name)
{
	uint64_t at = w->names, size;

	if (!name)
		return NO_NAME;
	size = strlen(name) + 1;
	if (w->data)
		memcpy(w->data + w->names_at + at, name, size);
	w->names += size;
	return (uint32_t)at;
}

static void put_tensor(struct writer *w, const struct npu_tensor_info *info)
{
	struct container_tensor t = {
		.name = put_name(w, info->name),
		.key = put_name(w, info->key),
		.type = (uint8_t)info->type,
		.device_type = (uint8_t)info->device_type,
		.rank = (uint8_t)info->rank,
		.zero_point = (uint32_t)info->zero_point,
		.scale = info->scale,
	};

	memcpy(t.dim, info->dim, sizeof(t.dim));
	put(w, &t, sizeof(t));
}

static void put_op(struct writer *w, const struct npu_op_info *info)
{
	const struct container_op op = {
		.name = put_name(w, info->name),
		.output = put_name(w, info->output),
		.index = info->index,
		.offset = info->offset,
		.commands = info->commands,
	};

	put(w, &op, sizeof(op));
}

static void put_program(struct writer *w, const struct npu_program_info *p, uint64_t names_size)
{
	struct container head = {
		.magic = CONTAINER_MAGIC, .major = CONTAINER_MAJOR, .minor = CONTAINER_MINOR,
		.flags = p->flags, .nbases = p->nbases, .ninputs = p->ninputs,
		.noutputs = p->noutputs, .nops = p->nops, .state_base = p->state_base,
		.names_size = (uint32_t)names_size, .stream_size = p->stream_size,
	};
	unsigned int i;

	w->size = 0;
	w->names = 0;
	w->names_at = sizeof(head) + p->nbases * sizeof(*p->bases) +
		      (p->ninputs + p->noutputs) * sizeof(struct container_tensor) +
		      p->nops * sizeof(struct container_op);
	put(w, &head, sizeof(head));
	put(w, p->bases, p->nbases * sizeof(*p->bases));
	for (i = 0; i < p->ninputs; i++)
		put_tensor(w, &p->inputs[i]);
	for (i = 0; i < p->noutputs; i++)
		put_tensor(w, &p->outputs[i]);
	for (i = 0; i < p->nops; i++)
		put_op(w, &p->ops[i]);
	w->size = align_up(w->size + w->names, 8);
	put(w, p->stream, p->stream_size);
	put(w, p->constants, p->bases[NPU_BASE_CONSTANTS].size);
	if (p->state_base)
		put(w, p->state, p->bases[p->state_base].size);
}

static int write_file(const char *path, const void *data, uint64_t size, struct npu_error *err)
{
	FILE *f = fopen(path, "wbe");
	int ret = 0;

	if (!f)
		return npu_fail(err, -errno, "%s: %s", path, strerror(errno));
	if (fwrite(data, 1, size, f) != size)
		ret = npu_fail(err, -errno, "%s: %s", path, strerror(errno));
	if (fclose(f) && !ret)
		ret = npu_fail(err, -errno, "%s: %s", path, strerror(errno));
	/* What is there then has no valid checksum. */
	return ret;
}

NPU_API int npu_program_save(const struct npu_program *program, const char *path,
			     struct npu_error *err)
{
	const size_t behind = offsetof(struct container, flags);
	struct writer w = { 0 };
	struct container *head;
	uint64_t names, size;
	int ret;

	put_program(&w, &program->info, 0);
	names = w.names;
	size = w.size;
	w.data = calloc(1, size);
	if (!w.data)
		return npu_fail(err, -ENOMEM, "out of memory");
	put_program(&w, &program->info, names);
	head = (struct container *)w.data;
	head->size = size;
	head->crc = crc32(w.data + behind, size - behind);
	ret = write_file(path, w.data, size, err);
	free(w.data);
	return ret;
}

/* ---- Reading ---- */

struct reader {
	const char *data;
	uint64_t size;
	uint64_t at;
	struct container head;
	const char *names;
	struct npu_program *program;
	struct npu_error *err;
	int error;
};

static bool damaged(struct reader *r, const char *what)
{
	r->error = npu_fail(r->err, -EBADMSG, "a damaged program: %s", what);
	return false;
}

static bool no_memory(struct reader *r)
{
	r->error = npu_fail(r->err, -ENOMEM, "out of memory");
	return false;
}

/* The next section, or NULL. */
static const void *take(struct reader *r, uint64_t size)
{
	const char *data = r->data + r->at;

	if (size > r->size - r->at || align_up(size, 8) > r->size - r->at) {
		damaged(r, "it is too short");
		return NULL;
	}
	r->at += align_up(size, 8);
	return data;
}

static bool read_head(struct reader *r)
{
	const size_t behind = offsetof(struct container, flags);
	struct container *head = &r->head;

	if (r->size < sizeof(*head))
		return damaged(r, "it is too short");
	memcpy(head, r->data, sizeof(*head));
	r->at = sizeof(*head);
	if (head->major != CONTAINER_MAJOR || head->minor > CONTAINER_MINOR) {
		r->error = npu_fail(r->err, -EOPNOTSUPP,
				    "a program of format %u.%u, known is %u.%u; compile the model again",
				    head->major, head->minor, CONTAINER_MAJOR, CONTAINER_MINOR);
		return false;
	}
	if (head->size != r->size || head->size % 8)
		return damaged(r, "its size is another one");
	if (head->crc != crc32(r->data + behind, r->size - behind))
		return damaged(r, "its checksum is wrong");
	return !(head->flags & ~NPU_COMPILE_PROFILE || head->reserved || !head->ninputs ||
		 !head->noutputs || head->ninputs > NPU_ISA_MAX_BASES ||
		 head->noutputs > NPU_ISA_MAX_BASES ||
		 head->nops > TFL_MAX_OPERATORS + NPU_ISA_MAX_BASES) || damaged(r, "its header");
}

/* Constants, arena, inputs, outputs, and what there is of variables and time stamps. */
static bool read_bases(struct reader *r)
{
	const struct container *head = &r->head;
	uint32_t n = NPU_BASE_IO + head->ninputs + head->noutputs, i;
	bool state = head->state_base, profile = head->flags & NPU_COMPILE_PROFILE;
	struct npu_base *bases = r->program->bases;
	const void *data;
	uint64_t stamps;

	if (head->nbases != n + state + profile || head->nbases > NPU_ISA_MAX_BASES ||
	    (state && head->state_base != n))
		return damaged(r, "the number of its bases");
	data = take(r, head->nbases * sizeof(*bases));
	if (!data)
		return false;
	memcpy(bases, data, head->nbases * sizeof(*bases));
	for (i = 0; i < head->nbases; i++) {
		bool write = i == NPU_BASE_ARENA || i >= NPU_BASE_IO + head->ninputs;

		if (bases[i].va || bases[i].reserved ||
		    bases[i].flags != (write ? NPU_BASE_WRITE : 0))
			return damaged(r, "a base");
	}
	stamps = (head->nops + 1ull) * sizeof(struct npu_timestamp);
	return !profile || bases[n + state].size == stamps ||
	       damaged(r, "the base of time stamps");
}

/* A copy of a name, or NULL after an error. */
static char *read_name(struct reader *r, uint32_t at)
{
	char *name;

	if (at >= r->head.names_size || !memchr(r->names + at, 0, r->head.names_size - at)) {
		damaged(r, "a name");
		return NULL;
	}
	name = strndup(r->names + at, NAME_LIMIT);
	if (!name)
		no_memory(r);
	return name;
}

static bool read_tensor(struct reader *r, const struct container_tensor *t, uint32_t i)
{
	struct npu_tensor_info *info = &r->program->io[i];
	unsigned int width = npu_type_size(t->device_type), d;
	bool is_float = t->type == NPU_TYPE_F32;
	uint64_t elements = 1;

	if (!width || t->rank > NPU_ISA_MAX_RANK || t->reserved || t->reserved1 ||
	    !(t->scale >= 0 && t->scale < SCALE_LIMIT))
		return damaged(r, "a tensor");
	if (is_float ? !(t->scale > 0) || width > sizeof(int32_t) : t->type != t->device_type)
		return damaged(r, "the type of a tensor");
	for (d = 0; d < NPU_ISA_MAX_RANK; d++) {
		if (d < t->rank ? !t->dim[d] : t->dim[d])
			return damaged(r, "the shape of a tensor");
		elements *= d < t->rank ? t->dim[d] : 1;
		if (elements > INT32_MAX)
			return damaged(r, "the shape of a tensor");
	}
	*info = (struct npu_tensor_info) {
		.type = t->type, .device_type = t->device_type, .rank = t->rank,
		.size = elements * (is_float ? sizeof(float) : width),
		.device_size = elements * width, .scale = t->scale,
		.zero_point = (int32_t)t->zero_point, .base = NPU_BASE_IO + i,
	};
	memcpy(info->dim, t->dim, sizeof(info->dim));
	info->name = read_name(r, t->name);
	if (info->name && t->key != NO_NAME)
		info->key = read_name(r, t->key);
	return !r->error && (r->program->bases[info->base].size == info->device_size ||
			     damaged(r, "the base of a tensor"));
}

static bool read_op(struct reader *r, const struct container_op *op, uint32_t i)
{
	struct npu_op_info *info = &r->program->ops[i];

	if (op->offset > r->head.stream_size || op->reserved)
		return damaged(r, "an operator");
	info->index = op->index;
	info->offset = op->offset;
	info->commands = op->commands;
	info->name = read_name(r, op->name);
	info->output = info->name ? read_name(r, op->output) : NULL;
	return info->output;
}

/* The names stand behind what names them. */
static bool read_descriptions(struct reader *r)
{
	uint32_t count = r->head.ninputs + r->head.noutputs, i;
	struct npu_program *p = r->program;
	struct container_tensor t;
	struct container_op op;
	const char *tensors, *ops;

	tensors = take(r, count * sizeof(t));
	ops = tensors ? take(r, r->head.nops * sizeof(op)) : NULL;
	r->names = ops ? take(r, r->head.names_size) : NULL;
	if (!r->names)
		return false;
	p->io = calloc(count, sizeof(*p->io));
	p->ops = calloc(r->head.nops + 1ul, sizeof(*p->ops));
	if (!p->io || !p->ops)
		return no_memory(r);
	p->info.ninputs = r->head.ninputs;
	p->info.noutputs = r->head.noutputs;
	p->info.nops = r->head.nops;
	/* Nothing in the file need be aligned in memory. */
	for (i = 0; i < count; i++) {
		memcpy(&t, tensors + i * sizeof(t), sizeof(t));
		if (!read_tensor(r, &t, i))
			return false;
	}
	for (i = 0; i < r->head.nops; i++) {
		memcpy(&op, ops + i * sizeof(op), sizeof(op));
		if (!read_op(r, &op, i))
			return false;
	}
	return true;
}

/* Factors are in memory, where the check of the stream does not look. */
static bool check_factors(struct reader *r, const struct npu_requant *rq)
{
	int32_t most = rq->rounding == NPU_ROUND_WIDE ? NPU_ROUND_WIDE_SHIFT : 31, shift;
	struct npu_scale scale;
	uint32_t i;

	if (rq->scale.base != NPU_BASE_CONSTANTS)
		return damaged(r, "a factor that is no constant");
	for (i = 0; i < rq->count; i++) {
		memcpy(&scale, r->program->constants + rq->scale.offset + i * sizeof(scale),
		       sizeof(scale));
		shift = (int32_t)scale.shift;
		if (shift < -31 || shift > most)
			return damaged(r, "a factor");
	}
	return true;
}

/* A position in the stream. */
struct walk {
	const char *data;
	uint32_t size;
	uint32_t at;
};

/* The next command, or NULL at the end. */
static const void *next_command(struct walk *w)
{
	const struct npu_cmd *cmd = (const struct npu_cmd *)(w->data + w->at);

	if (w->at == w->size)
		return NULL;
	w->at += cmd->size;
	return cmd;
}

/* Number @i of the time stamps, if the program has them. */
static bool check_stamp(struct reader *r, struct walk *w, uint32_t i)
{
	const struct npu_cmd_timestamp *stamp;

	if (!(r->head.flags & NPU_COMPILE_PROFILE))
		return true;
	stamp = next_command(w);
	return (stamp && stamp->cmd.opcode == NPU_OP_TIMESTAMP &&
		stamp->out.base == r->head.nbases - 1 &&
		stamp->out.offset == i * sizeof(struct npu_timestamp)) ||
	       damaged(r, "a time stamp");
}

static bool check_op(struct reader *r, struct walk *w, const struct npu_op_info *op)
{
	const struct npu_requant *rq;
	const struct npu_cmd *cmd;
	uint32_t i;

	if (op->offset != w->at)
		return damaged(r, "the place of an operator");
	for (i = 0; i < op->commands; i++) {
		cmd = next_command(w);
		if (!cmd || cmd->opcode == NPU_OP_TIMESTAMP)
			return damaged(r, "the commands of an operator");
		rq = npu_cmd_requant(cmd, npu_cmd_desc(cmd->opcode));
		if (rq && rq->rounding != NPU_ROUND_NONE && !check_factors(r, rq))
			return false;
	}
	return true;
}

/* The operators are all of the stream, one after the other. */
static bool check_ops(struct reader *r)
{
	struct walk w = { .at = sizeof(struct npu_stream_header) };
	uint32_t i;

	w.data = npu_stream_data(r->program->stream, &w.size);
	if (!check_stamp(r, &w, 0))
		return false;
	for (i = 0; i < r->head.nops; i++)
		if (!check_op(r, &w, &r->program->ops[i]) || !check_stamp(r, &w, i + 1))
			return false;
	return w.at == w.size || damaged(r, "commands of no operator");
}

static void *copy(struct reader *r, uint64_t size)
{
	const void *data = take(r, size);
	void *own = data ? malloc(size + 1) : NULL;

	if (own)
		memcpy(own, data, size);
	else if (data)
		no_memory(r);
	return own;
}

static bool read_content(struct reader *r)
{
	struct npu_program *p = r->program;
	const void *stream;

	stream = take(r, r->head.stream_size);
	if (!stream)
		return false;
	if (npu_stream_check(stream, r->head.stream_size, p->bases, r->head.nbases, NULL, r->err)) {
		/* It has the text; what a newer library has written is no damage. */
		r->error = r->err->detail == NPU_ILLEGAL_VERSION ||
			   r->err->detail == NPU_ILLEGAL_FEATURE ||
			   r->err->detail == NPU_ILLEGAL_OPCODE ? -EOPNOTSUPP : -EBADMSG;
		return false;
	}
	r->error = npu_stream_adopt(stream, r->head.stream_size, &p->stream);
	if (r->error)
		return no_memory(r);
	p->constants = copy(r, p->bases[NPU_BASE_CONSTANTS].size);
	if (p->constants && r->head.state_base)
		p->state = copy(r, p->bases[r->head.state_base].size);
	return !r->error && check_ops(r) &&
	       (r->at == r->size || damaged(r, "it is too long"));
}

static bool read_program(struct reader *r)
{
	struct npu_program_info *info;

	if (!read_head(r))
		return false;
	r->program = calloc(1, sizeof(*r->program));
	if (!r->program)
		return no_memory(r);
	if (!read_bases(r) || !read_descriptions(r) || !read_content(r))
		return false;
	info = &r->program->info;
	info->flags = r->head.flags;
	info->nbases = r->head.nbases;
	info->state_base = r->head.state_base;
	program_describe(r->program);
	return true;
}

int container_load(const void *file, size_t size, const struct npu_compile_options *options,
		   struct npu_program **program, struct npu_error *err)
{
	struct reader r = { .data = file, .size = size, .err = err };

	if (options->numerics || options->batch || options->signature)
		return npu_fail(err, -EINVAL,
				"the program is compiled already: options of the model do not apply");
	if (read_program(&r) && options->flags & ~r.head.flags)
		r.error = npu_fail(err, -EINVAL, "the program was compiled without time stamps");
	if (r.error)
		npu_program_destroy(r.program);
	else
		*program = r.program;
	return r.error;
}
