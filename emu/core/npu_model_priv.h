/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Structures and functions that the files of the model share.
 *
 * Locking: everything of struct npu_model and struct npu_slot belongs to the
 * host's short lock, with one exception: while a core executes a slot's queue
 * (slot->busy), the queue part of the slot is that core's alone. The private
 * part of struct npu_core is used by npu_model_step() of that core only.
 */
#ifndef _NPU_MODEL_PRIV_H_
#define _NPU_MODEL_PRIV_H_

#include "npu_kernels.h"
#include "npu_model.h"

#define NPU_VA_BITS		48
#define NPU_VA_END		BIT_ULL(NPU_VA_BITS)
#define NPU_ASIDS		65536u
#define NPU_BUS_WINDOW		4096u

#define NPU_MACS_PER_CYCLE	256
#define NPU_BYTES_PER_CYCLE	32
#define NPU_TILE_CYCLES		16	/* that each tile costs at least */
#define NPU_REST_LAG		20000000ull	/* ns that a slow core may be late */
#define NPU_TURN_CYCLES		4096	/* of a queue, times its level's weight */
/*
 * What a tile aims at, in dense elements that take as long: a run of elements
 * costs NPU_RUN_WORK more, a window of memory that is borrowed NPU_PIN_WORK.
 */
#ifndef NPU_TILE_WORK
#define NPU_TILE_WORK		65536	/* at least 512; tests take less */
#endif
#define NPU_MAC_WORK		192	/* products of bytes that take as long as one element */
#define NPU_PART		16	/* of it: a vector instruction for a byte, as MACs count */
#define NPU_RUN_WORK		16
#define NPU_PIN_WORK		64
#define NPU_TILE_ELEMENTS	4096
#define NPU_TERMS_MAX		1048576u	/* that make up one result */
#define NPU_SIZE_MAX		0x7fffffffu	/* of one dimension */
#define NPU_WINDOW_MAX		0xffffu		/* stride, dilation, padding, window */

#define NPU_ISA_FEATURES	(NPU_ISA_FEATURE_MAC | NPU_ISA_FEATURE_POOL | \
				 NPU_ISA_FEATURE_ELTWISE | NPU_ISA_FEATURE_REQUANT | \
				 NPU_ISA_FEATURE_LUT | NPU_ISA_FEATURE_SOFTMAX | \
				 NPU_ISA_FEATURE_COPY)

/* ---- Memory ----------------------------------------------------------------- */

#define NPU_TLB_SMALL		256	/* 4 KiB pages */
#define NPU_TLB_LARGE		32	/* 2 MiB blocks */
#define NPU_TLB_LOG		16	/* invalidations a core may lag behind */

struct npu_tlb_entry {
	u64 tag;		/* page number, address space; bit 63: valid */
	u64 pte;
};

struct npu_invalidation {
	u32 asid;
	u32 pages;
	u64 va;
};

/*
 * Memory is borrowed from the host in windows, a few per kind of operand, and
 * given back at the end of a tile. A pointer into a window is good until the
 * next request of its kind.
 */
enum npu_pin_kind {
	NPU_PIN_CODE,
	NPU_PIN_IN,
	NPU_PIN_IN2,		/* second input, weights */
	NPU_PIN_TABLE,		/* scale, bias, look-up table */
	NPU_PIN_OUT,
	NPU_PIN_KINDS,
};

#define NPU_PINS		8
#define NPU_PIN_AHEAD		65536	/* bytes that are borrowed at once if they can */

struct npu_pin {
	u8 *ptr;
	u64 va;
	u64 len;
	bool end;		/* there is no more in one piece */
};

/* ---- Commands ---------------------------------------------------------------- */

struct npu_core;

/**
 * struct npu_operand - decoded and checked struct npu_tensor
 * @type: enum npu_type
 * @rank: 0 to NPU_ISA_MAX_RANK
 * @layout: NPU_LAYOUT_*
 * @base: index
 * @esize: bytes of an element
 * @zero_point: signed
 * @offset: from the start of the base
 * @dim: sizes
 * @stride: bytes
 * @elements: product of @dim
 * @low: lowest byte relative to the base
 * @high: highest byte relative to the base
 * @va: of element (0, ..., 0)
 */
struct npu_operand {
	u8 type;
	u8 rank;
	u8 layout;
	u8 base;
	u32 esize;
	s32 zero_point;
	s64 offset;
	u32 dim[NPU_ISA_MAX_RANK];
	s64 stride[NPU_ISA_MAX_RANK];
	u64 elements;
	s64 low;
	s64 high;
	u64 va;
};

/**
 * struct npu_array - decoded and checked struct npu_ref
 * @base: index
 * @align: of its entries
 * @size: bytes, 0 = absent
 * @offset: from the start of the base
 * @va: of its first byte
 * @write: it is a result
 */
struct npu_array {
	u8 base;
	u32 align;
	u64 size;
	s64 offset;
	u64 va;
	bool write;
};

/* Decoded struct npu_requant. */
struct npu_quant {
	u32 rounding;
	u32 bias_type;
	u32 count;
	s32 weight_zero_point;
	bool wide;		/* accumulators of 64 bits */
	struct npu_limits limits;
};

/**
 * struct npu_rows - operands of equal sizes, seen as rows of elements
 * @rank: outer dimensions
 * @dim: their sizes
 * @stride: of each operand along them
 * @step: of each operand along a row
 * @length: elements of a row
 * @rows: number of rows
 * @chunk: most elements of a row in one tile
 * @chunks: pieces of a row
 * @batch: rows of one tile
 */
struct npu_rows {
	u32 rank;
	u32 dim[NPU_ISA_MAX_RANK];
	s64 stride[3][NPU_ISA_MAX_RANK];
	s64 step[3];
	u32 length;
	u64 rows;
	u32 chunk;
	u32 chunks;
	u32 batch;
};

/* A position in struct npu_rows. */
struct npu_row {
	u32 at[NPU_ISA_MAX_RANK];
	u64 va[3];
};

/**
 * struct npu_plan - how results and their terms are cut into tiles
 * @terms: of one result
 * @columns: neighbouring results of a tile
 * @pixels: groups of columns in a tile
 * @slice: most terms of a tile
 * @slices: tiles that make a result one after the other; the accumulators
 *          stay in the core between them; if more than 1, @pixels are no more than
 *          accumulators have room for
 */
struct npu_plan {
	u32 terms;
	u32 columns;
	u32 pixels;
	u32 slice;
	u32 slices;
};

/* The terms of a tile. */
struct npu_slice {
	u32 from;
	u32 to;
	bool first;
	bool last;
};

/**
 * struct npu_window - a window that slides over rows and columns
 * @size: of the window
 * @stride: of the window
 * @dilation: of its elements
 * @pad: elements in front of the input
 */
struct npu_window {
	u32 size[2];
	u32 stride[2];
	u32 dilation[2];
	u32 pad[2];
};

/*
 * Convolution and matrix multiply in one form: for each index of the outer
 * dimensions, in [H, W, I] * weight [O, KH, KW, I / groups] -> out [OH, OW, O].
 */
struct npu_mac {
	struct npu_quant quant;
	struct npu_window window;
	u32 outer[4];
	s64 outer_stride[3][4];
	u32 in_dim[3];
	s64 in_stride[3];
	s64 w_stride[4];	/* O, KH, KW, I */
	u32 out_dim[3];
	s64 out_stride[3];
	u32 groups;
	u32 group_in;
	u32 group_out;
	bool in_dense;		/* a row of the window is contiguous */
	bool w_dense;		/* the weights of a result are contiguous */
	bool dense;		/* results are made of all input channels of their group */
	bool rows;		/* depthwise: neighbouring channels are made together */
	struct npu_plan plan;
	u32 blocks;		/* of columns in a group */
	u64 strips;		/* of pixels, for one outer index */
};

/* What one tile of these makes. */
struct npu_mac_tile {
	u64 in;			/* addresses for the outer index */
	u64 w;
	u64 out;
	u32 group;
	u32 column;		/* first output channel */
	u32 columns;
	u64 pixel;		/* first */
	u32 pixels;
	struct npu_slice slice;
};

struct npu_pool_cmd {
	struct npu_window window;
	struct npu_limits limits;
	u32 mode;
	struct npu_plan plan;
	u32 blocks;
};

struct npu_reduce_cmd {
	u32 mode;
	struct npu_factor factor;
	struct npu_limits limits;
	u32 kept_rank;
	u32 kept[NPU_ISA_MAX_RANK];
	s64 kept_stride[2][NPU_ISA_MAX_RANK];
	u32 gone_rank;
	u32 gone[NPU_ISA_MAX_RANK];
	s64 gone_stride[NPU_ISA_MAX_RANK];
	u32 run;		/* elements of the innermost dimension */
	s64 run_stride;
	s64 out_stride;
	bool vector;		/* the innermost dimension is kept */
	struct npu_plan plan;
	u32 blocks;
	u64 cells;
};

struct npu_eltwise_cmd {
	struct npu_rows rows;
	struct npu_limits limits;
	u32 op;
	u32 left_shift;
	struct npu_factor factor[3];
};

struct npu_requant_cmd {
	struct npu_rows rows;
	struct npu_factor factor;
	struct npu_limits limits;
};

struct npu_softmax_cmd;

/**
 * struct npu_norm - a command that sees a whole row before it writes it
 * @zero_point: the passes see elements less that of the input
 * @max: first pass: is there one for the maximum of the row?
 * @add: second pass: what the sum of the row gets for an element
 * @finish: then, once: makes of the sum what @result needs
 * @result: third pass: from an element
 */
struct npu_norm {
	bool zero_point;
	bool max;
	s64 (*add)(const struct npu_softmax_cmd *c, s32 x);
	void (*finish)(struct npu_softmax_cmd *c);
	s32 (*result)(const struct npu_softmax_cmd *c, s32 x);
};

struct npu_softmax_cmd {
	const struct npu_norm *norm;
	struct npu_rows rows;
	s32 diff_min;
	struct npu_factor beta;
	struct npu_factor reverse;
	struct npu_limits limits;
	u32 parts;		/* tiles of each of the passes over a row; 0: whole rows */
	u32 part;		/* most elements of them */
	s32 max;		/* what the passes hand on */
	s64 sum;
	s32 log;		/* of the sum, Q5.26 */
	s32 least;		/* of the distances that have a result */
	struct npu_factor factor;	/* of the results */
	union {
		s32 exp[256];	/* Q0.31 by distance from the maximum */
		s16 table[2][NPU_SOFTMAX16_ENTRIES];
	};
};

struct npu_copy_cmd {
	struct npu_rows rows;
	u32 before[NPU_ISA_MAX_RANK];
	u8 value[8];
};

struct npu_resize_axis_cmd {
	u32 num;
	u32 den;
	s32 add;
};

struct npu_resize_cmd {
	u32 mode;
	struct npu_resize_axis_cmd axis[2];
	u32 columns;
	u32 blocks;
	u32 pixels;
};

/* What a tile, a command or a job costs. */
struct npu_cost {
	u64 cycles;
	u64 macs;
	u64 bytes;
};

/**
 * struct npu_op - how an opcode is executed
 * @opcode: enum npu_opcode
 * @size: bytes of the command
 * @decode: reads and checks core->raw, fills core->cmd with the number of
 *          tiles; an error is a fault that it has recorded
 * @tile: executes one tile; they come in ascending order without anything
 *        between; adds macs and bytes to the cost
 */
struct npu_op {
	u16 opcode;
	u16 size;
	int (*decode)(struct npu_core *core);
	int (*tile)(struct npu_core *core, u64 tile, struct npu_cost *cost);
};

extern const struct npu_op npu_op_nop;
extern const struct npu_op npu_op_timestamp;
extern const struct npu_op npu_op_conv2d;
extern const struct npu_op npu_op_depthwise;
extern const struct npu_op npu_op_matmul;
extern const struct npu_op npu_op_pool;
extern const struct npu_op npu_op_reduce;
extern const struct npu_op npu_op_eltwise;
extern const struct npu_op npu_op_requant;
extern const struct npu_op npu_op_lut;
extern const struct npu_op npu_op_softmax;
extern const struct npu_op npu_op_log_softmax;
extern const struct npu_op npu_op_softmax16;
extern const struct npu_op npu_op_l2_norm;
extern const struct npu_op npu_op_copy;
extern const struct npu_op npu_op_pad;
extern const struct npu_op npu_op_resize;

struct npu_command {
	const struct npu_op *op;
	u64 tiles;
	u64 next;
	u64 macs;		/* work of the whole command, for the caps */
	u64 terms;		/* that make up one result */
	u32 each;		/* work of an element of rows, beside its operands */
	u32 operands;		/* the last one is the output */
	u32 arrays;
	bool in_place;		/* input and output may be the same */
	bool shared;		/* tiles may be executed in any order, by several cores */
	struct npu_operand t[3];
	struct npu_array a[2];
	union {
		struct npu_mac mac;
		struct npu_pool_cmd pool;
		struct npu_reduce_cmd reduce;
		struct npu_eltwise_cmd eltwise;
		struct npu_requant_cmd requant;
		struct npu_softmax_cmd softmax;
		struct npu_copy_cmd copy;
		struct npu_resize_cmd resize;
	};
};

/* ---- Cores and slots ------------------------------------------------------------ */

struct npu_fault_info {
	u32 status;
	u32 detail;
	u32 access;
	u64 va;
	u64 offset;
	u64 sequence;
};

struct npu_base_entry {
	u64 va;
	u64 size;
	u32 flags;
	bool valid;
};

struct npu_job {
	u64 sequence;
	u64 stream_va;
	u64 bases_va;
	u32 stream_size;
	u32 bases;
	u32 flags;
	u32 offset;		/* of the current or next command */
	u64 start;
	u64 end;
	u64 written;		/* sequence in the context and the event */
	struct npu_cost cost;
	struct npu_base_entry base[NPU_ISA_MAX_BASES];
};

enum npu_outcome {
	NPU_OUT_NONE,		/* go on */
	NPU_OUT_DONE,		/* a job is complete and written back */
	NPU_OUT_DRAINED,	/* the ring is empty */
	NPU_OUT_FAULT,		/* core->fault says which; in the context */
	NPU_OUT_LOST,		/* the context is unreachable */
};

#define NPU_PIECES		64	/* of a patch */
#define NPU_SPAN		(1u << 20)	/* bytes between rows that are borrowed as one */
#define NPU_OUTSIDE		8192	/* bytes of padding */
#define NPU_GATHERED		32768	/* bytes of weights that are brought together */

/**
 * struct npu_piece - neighbouring terms of results that neighbour in the input, too
 * @at: place in the patch, a multiple of NPU_PATCH_ALIGN
 * @n: how many
 * @ky: row of the window
 * @kx: column of the window
 * @i: channel of the group
 * @more: columns of the window after the first
 */
struct npu_piece {
	u32 at;
	u32 n;
	u32 ky;
	u32 kx;
	u32 i;
	u32 more;
};

/*
 * Working memory of a core. Only accumulators outlive a tile, see struct npu_plan, and what is
 * known of weights, until the end of the command.
 */
struct npu_scratch {
	union {
		struct npu_patch patch;
		struct npu_channels channels;
	};
	u8 stage[3][NPU_TILE_ELEMENTS * 8];
	s32 wide[3][NPU_TILE_ELEMENTS];
	u32 acc[NPU_LANES * (NPU_COLUMNS + 16)] __aligned(64);	/* see struct npu_kernels */
	u64 acc_wide[NPU_COLUMNS];
	s32 bias[NPU_COLUMNS + 64];		/* more than NPU_COLUMNS: see struct npu_kernels */
	u64 bias_wide[NPU_COLUMNS];
	struct npu_factor factor[NPU_COLUMNS + 64];
	struct npu_piece piece[NPU_PIECES];
	u32 pieces;
	bool aligned;		/* all pieces are multiples of NPU_PATCH_ALIGN */
	struct npu_taps taps;
	u8 outside[NPU_OUTSIDE] __aligned(64);	/* inputs that are padding */
	u8 ones[NPU_PATCH_TERMS] __aligned(64);	/* 1 where the patch has a term */
	u32 lane_sum[NPU_LANES];
	u32 start[NPU_COLUMNS];
	u64 sum_va;		/* of weights some of whose sums are known */
	u32 sum[NPU_COLUMNS];
	bool summed[NPU_COLUMNS];
	u64 gather_va;		/* of weights of which */
	u32 gathers;		/* so many columns are in @gathered */
	u32 bias_column;	/* first of those that biases are known of */
	u32 biases;
	bool small;		/* no accumulator reaches 2^30 */
	u32 scale_column;	/* first of those that @factor is of */
	u32 scales;		/* how many; 0: not known */
	u32 channel;		/* first of @channels */
	bool channeled;		/* these are known */
	u8 gathered[NPU_GATHERED] __aligned(64);
};

#define NPU_CLAIM_END		(~0ull)	/* all tiles have been claimed */

/* Tiles of a command that one core begins with. */
struct npu_share {
	u64 next;
	u64 end;
};

/* A command of a core that others help with, see npu_team.c; all of it under the lock. */
struct npu_team {
	bool open;		/* there are tiles that nobody has claimed */
	bool active;		/* the command is executed by claims */
	bool waits;		/* the leader, for its helpers */
	bool failed;
	bool lost;		/* the leader has not reached its context */
	u64 serial;		/* of the command */
	u32 helpers;		/* bit per core that has a tile */
	u32 tiles;		/* that helpers have executed since the leader last looked */
	struct npu_cost cost;	/* of these */
	struct npu_share share[NPU_MAX_CORES];	/* not claimed yet */
	u64 again[NPU_MAX_CORES];	/* tiles that were given up */
	u32 returned;
	u64 failed_tile;
	struct npu_fault_info fault;
};

struct npu_core {
	struct npu_model *model;
	u32 index;

	/* Under the lock. */
	s32 slot;		/* -1: none */
	bool in_tile;
	bool reset;
	bool hung;
	bool flush;
	bool job_active;
	bool cmd_active;
	u32 tlb_seq;		/* last invalidation known to the tile */
	u64 busy;		/* cycles */
	u64 rest;		/* it does nothing before this time */
	bool leave;		/* the job is lost, give the tile up; read without the lock */
	s32 leader;		/* core that it helps, -1: none */
	u64 claim;		/* tile that it has, of its own or the leader's command */
	struct npu_team team;

	/* Private. */
	bool claim_failed;
	bool claim_lost;	/* then the context was unreachable */
	const struct npu_core *copy;	/* leader whose command it has, with this serial */
	u64 copy_serial;
	bool left;		/* a tile was given up */
	u64 bus_errors;
	u32 asid;
	u64 root;
	u32 log_entries;
	bool flush_now;
	struct npu_invalidation log[NPU_TLB_LOG];
	struct npu_tlb_entry small[NPU_TLB_SMALL];
	struct npu_tlb_entry large[NPU_TLB_LARGE];
	struct npu_pin pin[NPU_PIN_KINDS][NPU_PINS];
	u8 recent[NPU_PIN_KINDS];	/* windows asked for last */
	enum npu_outcome outcome;
	struct npu_cost tile;	/* of the last step */
	struct npu_fault_info fault;
	struct npu_job job;
	struct npu_command cmd;
	u64 raw[NPU_ISA_MAX_CMD_SIZE / 8];
	struct npu_scratch scratch;
};

struct npu_slot {
	u64 context;		/* register */
	u8 state;		/* NPU_SLOT_EMPTY, _BOUND, _HALTED */
	u8 command;		/* pending NPU_SLOT_*, 0 = none */
	bool busy;
	bool rung;		/* a doorbell since the ring was seen empty */
	s32 core;
	s64 turn;		/* cycles left */

	/* The queue: of the core while busy. */
	u64 bus;		/* of the context */
	u64 ring;
	u64 report;
	u64 root;
	u32 asid;
	u32 order;
	u32 priority;
	u32 queue;
	u64 sequence;
	u64 read;
	u64 started;
	u64 progress;
	u64 jobs;
	struct npu_cost cost;
	u64 resume;
	bool suspended;		/* costs of the job begun are below */
	u64 job_start;
	struct npu_cost job_cost;
};

#define NPU_SLOT_WORDS		(NPU_MAX_SLOTS / 64)

struct npu_model {
	struct npu_model_config config;
	const struct npu_host_ops *ops;
	struct npu_kernels kernels;
	void *host;
	u32 slot_words;
	struct npu_slot *slots;
	struct npu_core *cores;

	/* Everything below is under the lock. */
	bool gone;
	bool off;		/* no power to the cores */
	bool ended;		/* cores execute nothing any more */
	bool resetting;
	bool fatal;
	u32 core_resets;	/* bit per core */
	u32 idle;		/* bit per core that waits for a wake */
	u32 control;
	u32 weight[3];

	u64 ready[2][NPU_SLOT_WORDS];	/* runnable slots: [1] is realtime */
	u32 cursor[2];

	u32 irq_status;
	u32 irq_enable;
	u32 moderation;		/* us */
	bool irq_waiting;	/* the timer will raise vector 0 */
	u64 irq_last;
	u64 event_base;
	u32 event_order;
	u32 event_read;
	u32 event_write;

	u32 tlb_asid;
	u32 tlb_pages;
	u64 tlb_va;
	u32 tlb_seq;
	u32 tlb_done;
	struct npu_invalidation tlb_log[NPU_TLB_LOG];

	/* Faults on demand; changed with try_cmpxchg(), also without the lock. */
	u32 count[NPU_INJECT_COUNTED];
	/* Under the lock, or read without. */
	u32 overflow;		/* events to be dropped */
	u32 deaf;		/* NPU_DEAF_* */
	u32 clock_khz;		/* 0 = nominal */
	u32 latency;		/* us before each command */
	u64 limit;		/* of bus addresses; 0 = none */
	u64 bus_errors;
};

static inline unsigned long npu_lock(struct npu_model *model)
{
	return model->ops->lock(model->host);
}

static inline void npu_unlock(struct npu_model *model, unsigned long flags)
{
	model->ops->unlock(model->host, flags);
}

/* Locked: may cores not go on with what they do? */
static inline bool npu_stopped(const struct npu_model *model)
{
	return model->gone || model->ended || model->resetting;
}

static inline u64 npu_now(struct npu_model *model)
{
	return model->ops->now(model->host);
}

/* Tell the host, if it wants to know. */
static inline void npu_trace(struct npu_model *model, enum npu_trace what, u32 slot, u64 offset,
			     const void *data, u32 size)
{
	if (model->ops->trace)
		model->ops->trace(model->host, what, slot, offset, data, size);
}

/* Is this the one that a fault on demand is meant for? Without the lock, too. */
static inline bool npu_injected(struct npu_model *model, enum npu_inject what)
{
	u32 left = READ_ONCE(model->count[what]);

	while (left && left != NPU_INJECT_EACH)
		if (try_cmpxchg(&model->count[what], &left, left - 1))
			return left == 1;
	return left != 0;
}

/* Locked: a command that the slot has to obey, 0 = none. */
static inline u8 npu_slot_wish(const struct npu_model *model, const struct npu_slot *s)
{
	if (s->command >= NPU_SLOT_STOP && model->deaf & NPU_DEAF_QUEUE)
		return 0;
	return s->command;
}

/* npu_mmu.c */
void *npu_map_some(struct npu_model *model, u64 *errors, u64 addr, u64 size,
		   enum npu_access access, u64 *len);
void *npu_map(struct npu_model *model, u64 *errors, u64 addr, u64 size,
	      enum npu_access access);
void npu_unmap(struct npu_model *model, void *ptr, u64 size);
int npu_fault(struct npu_core *core, enum npu_fault status, u32 detail, u64 va,
	      enum npu_access access);
int npu_illegal(struct npu_core *core, enum npu_illegal detail);
bool npu_leaving(struct npu_core *core);
u8 *npu_pin(struct npu_core *core, enum npu_pin_kind kind, u64 va, u64 want, u64 *got);
void npu_unpin_all(struct npu_core *core);
int npu_read(struct npu_core *core, enum npu_pin_kind kind, u64 va, void *dst, u64 size);
int npu_write(struct npu_core *core, u64 va, const void *src, u64 size);
const void *npu_read_run(struct npu_core *core, enum npu_pin_kind kind, u64 va,
			 s64 stride, u32 esize, u32 n, void *stage);
int npu_write_run(struct npu_core *core, u64 va, s64 stride, u32 esize, u32 n,
		  const void *src);
void npu_tlb_invalidate(struct npu_model *model);
void npu_tlb_begin(struct npu_core *core);
void npu_tlb_apply(struct npu_core *core);
void npu_tlb_complete(struct npu_model *model);

/* npu_event.c */
void npu_irq_raise(struct npu_model *model, u32 cause);
void npu_irq_enable(struct npu_model *model, u32 enable);
void npu_event_done(struct npu_model *model, u32 slot, const struct npu_job *job);
void npu_event_fault(struct npu_model *model, u32 slot, const struct npu_fault_info *f);
void npu_event_unbound(struct npu_model *model, u32 slot, enum npu_fault status);
void npu_event_read_index(struct npu_model *model, u32 index);

/* npu_slot.c */
void npu_slot_obey(struct npu_model *model, u32 slot);
void npu_slot_command(struct npu_model *model, u32 slot, u32 command);
void npu_slot_doorbell(struct npu_model *model, u32 slot);
u32 npu_slot_status(const struct npu_model *model, u32 slot);
void npu_slot_make_ready(struct npu_model *model, u32 slot);
void npu_slot_suspend(struct npu_core *core);
void npu_slot_abort(struct npu_core *core);
void npu_slot_halt(struct npu_model *model, u32 slot, const struct npu_fault_info *f);
void npu_slot_empty(struct npu_model *model, u32 slot, enum npu_fault status);
bool npu_slot_write_fault(struct npu_model *model, u64 *errors, struct npu_slot *slot,
			  const struct npu_fault_info *f);
void npu_slot_counters(struct npu_context *context, const struct npu_slot *slot);
bool npu_slot_report(struct npu_model *model, u64 *errors, const struct npu_slot *slot,
		     u64 sequence, u64 start, u64 end, const struct npu_cost *cost);
struct npu_context *npu_context_map(struct npu_model *model, u64 *errors, u64 bus,
				    enum npu_access access);
void npu_context_unmap(struct npu_model *model, struct npu_context *context);

/* npu_sched.c */
void npu_sched_wake(struct npu_model *model);
s32 npu_sched_pick(struct npu_model *model);
bool npu_sched_yield(struct npu_model *model, struct npu_slot *slot);
void npu_sched_boundary(struct npu_core *core);
void npu_core_drop(struct npu_core *core);
void npu_core_leave(struct npu_core *core);
void npu_reset_poll(struct npu_model *model);

/* npu_job.c */
void npu_cost_add(struct npu_cost *sum, const struct npu_cost *cost);
void npu_job_account(struct npu_core *core, const struct npu_cost *cost, u32 tiles);
bool npu_job_claimed(struct npu_core *core);
void npu_job_work(struct npu_core *core);

/* npu_team.c */
bool npu_team_large(const struct npu_core *core);
bool npu_team_worth(const struct npu_core *core);
void npu_team_open(struct npu_core *core);
void npu_team_close(struct npu_core *core);
bool npu_team_claim(struct npu_core *core);
bool npu_team_join(struct npu_core *core);
void npu_team_work(struct npu_core *core);
void npu_team_result(struct npu_core *leader, const struct npu_core *core);
void npu_team_end(struct npu_core *core);

/* npu_op_mac.c */
u32 npu_mac_jump(const struct npu_mac *m);
void npu_mac_tiles(struct npu_core *core);
void npu_mac_forget(struct npu_core *core);
u64 npu_mac_budget(const struct npu_core *core, u64 work);
bool npu_mac_few(const struct npu_core *core);
int npu_mac_borrow(struct npu_core *core, u64 low, u64 high, const u8 **window);
u64 npu_mac_out(const struct npu_mac *m, const struct npu_mac_tile *p, u64 pixel);
int npu_mac_store_row(struct npu_core *core, const struct npu_mac_tile *p, u64 pixel,
		      const u32 *acc);

/* npu_mac_dense.c */
void npu_dense_tiles(struct npu_core *core);
int npu_dense_tile(struct npu_core *core, const struct npu_mac_tile *p);

/* npu_mac_depthwise.c */
void npu_depthwise_tiles(struct npu_core *core);
int npu_depthwise_tile(struct npu_core *core, const struct npu_mac_tile *p);

/* npu_tensor.c */
void npu_operand_load(struct npu_operand *t, const struct npu_tensor *raw);
void npu_array_load(struct npu_array *a, const struct npu_ref *raw, u64 size, u32 align);
void npu_quant_load(struct npu_quant *q, const struct npu_requant *raw);
bool npu_ref_reserved(const struct npu_ref *ref);
bool npu_requant_reserved(const struct npu_requant *q);
bool npu_type_in(u32 type, u32 mask);
bool npu_fits(s32 value, u32 type);
enum npu_illegal npu_check_layout(struct npu_core *core);
enum npu_illegal npu_check_shapes(struct npu_core *core);
enum npu_illegal npu_check_zero_points(struct npu_core *core);
enum npu_illegal npu_check_limits(const struct npu_limits *l, u32 type);
enum npu_illegal npu_check_quant(const struct npu_quant *q, const struct npu_requant *raw,
				 const struct npu_operand *weight,
				 const struct npu_operand *out);
enum npu_illegal npu_check_window(const struct npu_window *w, const u32 *pad_end,
				  const u32 *in, const u32 *out);
int npu_check_places(struct npu_core *core);
bool npu_same_shape(const struct npu_operand *a, const struct npu_operand *b);
void npu_rows_init(struct npu_core *core, struct npu_rows *rows, bool keep_last);
void npu_rows_tile(const struct npu_core *core, const struct npu_rows *rows, u64 tile,
		   struct npu_row *row, u32 *count, u32 *start, u32 *length);
u32 npu_stride_work(s64 stride, u32 times);
u32 npu_jump_work(s64 a, u32 times_a, s64 b, u32 times_b);
void npu_plan_init(struct npu_plan *plan, u64 terms, u32 width, u32 once, u32 fixed,
		   u32 each, u32 column);
struct npu_slice npu_plan_slice(const struct npu_plan *plan, u64 *tile);
void npu_rows_cut(struct npu_command *cmd, struct npu_rows *rows);
void npu_row_next(const struct npu_rows *rows, u32 operands, struct npu_row *row);

#define NPU_BIT(type)		(1u << NPU_TYPE_##type)
#define NPU_TYPES_BYTE		(NPU_BIT(U8) | NPU_BIT(S8))
#define NPU_TYPES_QUANT		(NPU_TYPES_BYTE | NPU_BIT(S16))
#define NPU_TYPES_ARITH		(NPU_TYPES_QUANT | NPU_BIT(S32))
#define NPU_TYPES_ALL		(NPU_TYPES_ARITH | NPU_BIT(BOOL) | NPU_BIT(S64))

/* The row of an output pixel, which becomes its column. Many have one row only. */
static inline u64 npu_mac_row(const struct npu_mac *m, u64 *pixel)
{
	u64 row = *pixel < m->out_dim[1] ? 0 : *pixel / m->out_dim[1];

	*pixel -= row * m->out_dim[1];
	return row;
}

static inline bool npu_factor_ok(struct npu_factor f)
{
	return f.shift >= -31 && f.shift <= 31;
}

static inline struct npu_factor npu_factor_load(const struct npu_scale *raw)
{
	return (struct npu_factor){
		.multiplier = (s32)le32_to_cpu(raw->multiplier),
		.shift = (s32)le32_to_cpu(raw->shift),
	};
}

#endif /* _NPU_MODEL_PRIV_H_ */
