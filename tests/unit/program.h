/* SPDX-License-Identifier: MIT */
/*
 * One-command programs for the tests: tensors with all kinds of strides in
 * scattered memory, and what must be there afterwards.
 */
#ifndef _PROGRAM_H_
#define _PROGRAM_H_

#include "host.h"
#include "reference.h"

#define PROGRAM_TENSORS	3
#define PROGRAM_ARRAYS	2

struct program_tensor {
	struct ref_tensor ref;
	struct npu_tensor raw;
	u32 type;
	u32 esize;
	u64 va;			/* of its buffer */
	u64 size;
	u8 *image;		/* what the buffer holds */
};

struct program {
	struct host_space *s;
	struct npu_base base[NPU_ISA_MAX_BASES];
	u32 bases;
	struct program_tensor t[PROGRAM_TENSORS];
	u32 tensors;		/* the last one is the output */
	u64 array[PROGRAM_ARRAYS];
	u64 array_size[PROGRAM_ARRAYS];
	u32 arrays;
	struct host_result result;
};

enum program_layout {
	PROGRAM_DENSE,		/* row-major, nothing between */
	PROGRAM_ANY,		/* any order, gaps, negative strides, broadcast inputs */
};

u32 program_type_size(u32 type);
s64 program_type_min(u32 type);
s64 program_type_max(u32 type);

void program_init(struct program *p, struct host_space *s);
/* Adds a tensor with random contents; @output: written by the command. */
struct program_tensor *program_tensor(struct program *p, u32 type, u32 rank, const u32 *dim,
				      s32 zero_point, enum program_layout layout, bool output);
/* Adds an array, aligned to @align and often no more, and returns where it is. */
struct npu_ref program_array(struct program *p, const void *data, u64 size, u64 align);
/* Runs one command with a stream header in front; 0 or -1. */
int program_run(struct program *p, const void *cmd, u32 size);
/* Is the output what @t.ref says, with not a byte changed beside it? */
bool program_good(struct program *p, struct program_tensor *t);
/* Its values as they are now, into @t.ref. */
void program_read(struct program *p, struct program_tensor *t);
void program_free(struct program *p);

#endif /* _PROGRAM_H_ */
