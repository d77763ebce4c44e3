// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Memory: page-table walks, the translation caches of the cores and their
 * invalidation, and the windows of host memory that a tile works on.
 */
#include "npu_model_priv.h"

#define NPU_TAG_VALID	BIT_ULL(63)
#define NPU_PAGE	BIT_ULL(NPU_PT_SHIFT(0))
#define NPU_BLOCK	BIT_ULL(NPU_PT_SHIFT(1))

static bool npu_out_of_limit(const struct npu_model *model, u64 addr, u64 size)
{
	u64 limit = READ_ONCE(model->limit);

	return limit && (addr >= limit || size > limit - addr);
}

/**
 * npu_map_some() - borrow memory at a bus address, possibly less than asked
 * @model: the device
 * @errors: counter of accesses that nobody answered
 * @addr: bus address
 * @size: bytes wanted
 * @access: kind
 * @len: bytes there are, at most @size
 */
void *npu_map_some(struct npu_model *model, u64 *errors, u64 addr, u64 size,
		   enum npu_access access, u64 *len)
{
	u64 end = 1ull << model->config.bus_bits;
	void *ptr = NULL;

	*len = 0;
	/* These are no errors of anybody's. */
	if (npu_injected(model, NPU_INJECT_MEMORY) || npu_out_of_limit(model, addr, size))
		return NULL;
	if (addr < end && size <= end - addr)
		ptr = model->ops->map(model->host, addr, size, access, len);
	if (!ptr)
		WRITE_ONCE(*errors, *errors + 1);
	return ptr;
}

/* As above for small structures that lie in one page: all or nothing. */
void *npu_map(struct npu_model *model, u64 *errors, u64 addr, u64 size,
	      enum npu_access access)
{
	u64 len;
	void *ptr = npu_map_some(model, errors, addr, size, access, &len);

	if (!ptr || len >= size)
		return ptr;
	model->ops->unmap(model->host, ptr, len);
	WRITE_ONCE(*errors, *errors + 1);
	return NULL;
}

void npu_unmap(struct npu_model *model, void *ptr, u64 size)
{
	model->ops->unmap(model->host, ptr, size);
}

/**
 * npu_fault() - record why the current job ends
 * @core: that executes it
 * @status: fault
 * @detail: of the fault
 * @va: address, 0 if it has none
 * @access: kind, NPU_ACCESS_NONE if it has none
 *
 * Return: -1, for the caller to return.
 */
int npu_fault(struct npu_core *core, enum npu_fault status, u32 detail, u64 va,
	      enum npu_access access)
{
	core->fault = (struct npu_fault_info){
		.status = status,
		.detail = detail,
		.access = access,
		.va = va,
		.offset = core->job.offset,
		.sequence = core->job.sequence,
	};
	return -1;
}

int npu_illegal(struct npu_core *core, enum npu_illegal detail)
{
	return npu_fault(core, NPU_FAULT_ILLEGAL, detail, 0, NPU_ACCESS_NONE);
}

static u64 npu_tag(u64 va, u32 level, u32 asid)
{
	return va >> NPU_PT_SHIFT(level) | (u64)asid << 40 | NPU_TAG_VALID;
}

static struct npu_tlb_entry *npu_tlb_small(struct npu_core *core, u64 va)
{
	return &core->small[(va >> NPU_PT_SHIFT(0)) % NPU_TLB_SMALL];
}

static struct npu_tlb_entry *npu_tlb_large(struct npu_core *core, u64 va)
{
	return &core->large[(va >> NPU_PT_SHIFT(1)) % NPU_TLB_LARGE];
}

static void npu_tlb_fill(struct npu_core *core, u64 va, u32 level, u64 pte)
{
	struct npu_tlb_entry *e = level ? npu_tlb_large(core, va) : npu_tlb_small(core, va);

	e->tag = npu_tag(va, level, core->asid);
	e->pte = pte;
}

/* Malformed as a leaf or as a pointer to a table? */
static bool npu_pte_bad(const struct npu_model *model, u64 pte, u32 level)
{
	u64 addr = pte & NPU_PTE_ADDR;

	if (pte & NPU_PTE_RESERVED || addr >> model->config.bus_bits)
		return true;
	if (!(pte & NPU_PTE_LEAF))
		return !level || pte & (NPU_PTE_READ | NPU_PTE_WRITE);
	return level > 1 || (level == 1 && addr & (NPU_BLOCK - 1));
}

static int npu_walk(struct npu_core *core, u64 va, enum npu_access access, u64 *leaf,
		    u32 *leaf_level)
{
	struct npu_model *model = core->model;
	bool bad = npu_injected(model, NPU_INJECT_WALK);
	u64 table = core->root;
	u32 level = NPU_PT_LEVELS;
	u64 pte = 0;
	u64 index;
	__le64 *entry;

	while (level--) {
		index = va >> NPU_PT_SHIFT(level) & (NPU_PT_ENTRIES - 1);
		entry = npu_map(model, &core->bus_errors, table + index * sizeof(*entry),
				sizeof(*entry), NPU_ACCESS_READ);
		if (!entry)
			return npu_fault(core, NPU_FAULT_WALK, level, va, access);
		pte = le64_to_cpu(READ_ONCE(*entry));
		npu_unmap(model, entry, sizeof(*entry));
		if (!(pte & NPU_PTE_VALID))
			return npu_fault(core, NPU_FAULT_TRANSLATION, level, va, access);
		if (bad || npu_pte_bad(model, pte, level))
			return npu_fault(core, NPU_FAULT_WALK, level, va, access);
		if (pte & NPU_PTE_LEAF)
			break;
		table = pte & NPU_PTE_ADDR;
	}
	*leaf = pte;
	*leaf_level = level;
	npu_tlb_fill(core, va, level, pte);
	return 0;
}

/* Bus address of @va, and how many bytes follow under the same entry. */
static int npu_translate(struct npu_core *core, u64 va, enum npu_access access,
			 u64 *bus, u64 *left)
{
	struct npu_tlb_entry *e = npu_tlb_small(core, va);
	u64 need = access == NPU_ACCESS_WRITE ? NPU_PTE_WRITE : NPU_PTE_READ;
	u32 level = 0;
	u64 pte, size;

	if (va >= NPU_VA_END)
		return npu_fault(core, NPU_FAULT_TRANSLATION, NPU_PT_LEVELS - 1, va, access);
	if (e->tag != npu_tag(va, 0, core->asid)) {
		e = npu_tlb_large(core, va);
		level = 1;
	}
	pte = e->pte;
	if (e->tag != npu_tag(va, level, core->asid) &&
	    npu_walk(core, va, access, &pte, &level))
		return -1;
	if (!(pte & need))
		return npu_fault(core, NPU_FAULT_PERMISSION, 0, va, access);
	size = level ? NPU_BLOCK : NPU_PAGE;
	*bus = (pte & NPU_PTE_ADDR) + (va & (size - 1));
	*left = size - (va & (size - 1));
	return 0;
}

static enum npu_access npu_pin_access(enum npu_pin_kind kind)
{
	switch (kind) {
	case NPU_PIN_CODE:
		return NPU_ACCESS_FETCH;
	case NPU_PIN_OUT:
		return NPU_ACCESS_WRITE;
	default:
		return NPU_ACCESS_READ;
	}
}

static bool npu_pin_has(const struct npu_pin *pin, u64 va, u64 want)
{
	/* What is less than asked for is all that there is in one piece. */
	return va - pin->va < pin->len && (pin->end || want <= pin->len - (va - pin->va));
}

static int npu_pin_fill(struct npu_core *core, struct npu_pin *pin,
			enum npu_pin_kind kind, u64 va, u64 want)
{
	enum npu_access access = npu_pin_access(kind);
	u64 skip = va & (NPU_PAGE - 1);
	u64 bus, left, len, got;
	u8 *ptr;

	if (pin->ptr)
		npu_unmap(core->model, pin->ptr, pin->len);
	pin->ptr = NULL;
	pin->len = 0;
	if (npu_translate(core, va, access, &bus, &left))
		return -1;
	/* Whole pages; the next ones are likely to be wanted next. */
	len = max_t(u64, skip + want, NPU_PIN_AHEAD);
	len = min_t(u64, (len + NPU_PAGE - 1) & ~(NPU_PAGE - 1), left + skip);
	ptr = npu_map_some(core->model, &core->bus_errors, bus - skip, len, access, &got);
	if (!ptr)
		return npu_fault(core, NPU_FAULT_BUS, 0, va, access);
	pin->ptr = ptr;
	pin->va = va - skip;
	pin->len = got;
	pin->end = got < len || len == left + skip;
	return 0;
}

/* The window of its kind that has it, or is to get it. */
static noinline struct npu_pin *npu_pin_search(struct npu_core *core, enum npu_pin_kind kind,
					       u64 va, u64 want)
{
	u32 i = 0;

	while (i < NPU_PINS && !npu_pin_has(&core->pin[kind][i], va, want))
		i++;
	if (i == NPU_PINS)
		i = (u32)(va >> NPU_PT_SHIFT(0)) % NPU_PINS;
	core->recent[kind] = (u8)i;
	return &core->pin[kind][i];
}

static struct npu_pin *npu_pin_find(struct npu_core *core, enum npu_pin_kind kind, u64 va,
				    u64 want)
{
	struct npu_pin *pin = &core->pin[kind][core->recent[kind]];

	return likely(npu_pin_has(pin, va, want)) ? pin : npu_pin_search(core, kind, va, want);
}

/* Is the tile to be given up? All loops of all commands ask every few thousand elements. */
bool npu_leaving(struct npu_core *core)
{
	if (likely(!READ_ONCE(core->leave)))
		return false;
	core->left = true;
	npu_fault(core, NPU_FAULT_ABORTED, 0, 0, NPU_ACCESS_NONE);
	return true;
}

/**
 * npu_pin() - borrow memory of the current address space
 * @core: that executes
 * @kind: what it is for
 * @va: address
 * @want: bytes to be used from there on
 * @got: how many of them follow contiguously, 1 or more
 *
 * Return: pointer to the byte at @va, or NULL with a fault recorded. Good
 * until the next call with the same @kind or the end of the tile.
 */
u8 *npu_pin(struct npu_core *core, enum npu_pin_kind kind, u64 va, u64 want, u64 *got)
{
	struct npu_pin *pin;

	if (npu_leaving(core))
		return NULL;
	pin = npu_pin_find(core, kind, va, want);
	if (!npu_pin_has(pin, va, want) && npu_pin_fill(core, pin, kind, va, want))
		return NULL;
	*got = min_t(u64, want, pin->va + pin->len - va);
	return pin->ptr + (va - pin->va);
}

void npu_unpin_all(struct npu_core *core)
{
	struct npu_pin *pin = &core->pin[0][0];
	u32 i;

	for (i = 0; i < NPU_PIN_KINDS * NPU_PINS; i++, pin++) {
		if (pin->ptr)
			npu_unmap(core->model, pin->ptr, pin->len);
		pin->ptr = NULL;
		pin->len = 0;
	}
}

int npu_read(struct npu_core *core, enum npu_pin_kind kind, u64 va, void *dst, u64 size)
{
	u8 *to = dst;
	u64 got;
	u8 *p;

	for (; size; size -= got, va += got, to += got) {
		p = npu_pin(core, kind, va, size, &got);
		if (!p)
			return -1;
		memcpy(to, p, got);
	}
	return 0;
}

int npu_write(struct npu_core *core, u64 va, const void *src, u64 size)
{
	const u8 *from = src;
	u64 got;
	u8 *p;

	for (; size; size -= got, va += got, from += got) {
		p = npu_pin(core, NPU_PIN_OUT, va, size, &got);
		if (!p)
			return -1;
		memcpy(p, from, got);
	}
	return 0;
}

/* Elements from @va on, the first of which is borrowed, that lie in the window around it. */
static u32 npu_window_run(struct npu_core *core, enum npu_pin_kind kind, u64 va, s64 stride,
			  u32 esize, u32 n)
{
	const struct npu_pin *pin = npu_pin_find(core, kind, va, esize);
	u64 step = stride < 0 ? -(u64)stride : (u64)stride;
	u64 room = stride < 0 ? va - pin->va : pin->va + pin->len - 1 - va;

	if (!step)
		return n;
	return (u32)min_t(u64, n, room / step + 1);
}

/* Strides count in integers: beyond the last element they may lead anywhere. */
static void npu_gather(void *dst, const u8 *src, s64 stride, u32 esize, u32 n)
{
	u64 *d64 = dst;
	u32 *d32 = dst;
	u16 *d16 = dst;
	u8 *d8 = dst;
	u64 at = 0;
	u32 i;

	switch (esize) {
	case 1:
		for (i = 0; i < n; i++, at += (u64)stride)
			d8[i] = src[(s64)at];
		break;
	case 2:
		for (i = 0; i < n; i++, at += (u64)stride)
			memcpy(&d16[i], src + (s64)at, 2);
		break;
	case 4:
		for (i = 0; i < n; i++, at += (u64)stride)
			memcpy(&d32[i], src + (s64)at, 4);
		break;
	default:
		for (i = 0; i < n; i++, at += (u64)stride)
			memcpy(&d64[i], src + (s64)at, 8);
		break;
	}
}

static void npu_scatter(u8 *dst, s64 stride, u32 esize, u32 n, const void *src)
{
	const u8 *from = src;
	u64 at = 0;
	u32 i;

	switch (esize) {
	case 1:
		for (i = 0; i < n; i++, at += (u64)stride)
			dst[(s64)at] = from[i];
		break;
	case 2:
		for (i = 0; i < n; i++, at += (u64)stride)
			memcpy(dst + (s64)at, from + i * 2ul, 2);
		break;
	case 4:
		for (i = 0; i < n; i++, at += (u64)stride)
			memcpy(dst + (s64)at, from + i * 4ul, 4);
		break;
	default:
		for (i = 0; i < n; i++, at += (u64)stride)
			memcpy(dst + (s64)at, from + i * 8ul, 8);
		break;
	}
}

/**
 * npu_read_run() - equally spaced elements as an array
 * @core: that executes
 * @kind: what they are for
 * @va: of the first
 * @stride: bytes between them
 * @esize: bytes of one; they are aligned to it
 * @n: how many
 * @stage: room for them, used if they are not contiguous in host memory
 *
 * Return: the array, NULL with a fault recorded.
 */
const void *npu_read_run(struct npu_core *core, enum npu_pin_kind kind, u64 va,
			 s64 stride, u32 esize, u32 n, void *stage)
{
	u64 size = (u64)esize * n;
	u8 *to = stage;
	u32 run;
	u64 got;
	u8 *p;

	if (stride == esize) {
		p = npu_pin(core, kind, va, size, &got);
		if (!p || got == size)
			return p;
		return npu_read(core, kind, va, stage, size) ? NULL : stage;
	}
	for (; n; n -= run, to += (u64)run * esize) {
		p = npu_pin(core, kind, va, esize, &got);
		if (!p)
			return NULL;
		run = npu_window_run(core, kind, va, stride, esize, n);
		npu_gather(to, p, stride, esize, run);
		va += (u64)stride * run;
	}
	return stage;
}

/* The opposite of npu_read_run(), for results. */
int npu_write_run(struct npu_core *core, u64 va, s64 stride, u32 esize, u32 n,
		  const void *src)
{
	const u8 *from = src;
	u32 run;
	u64 got;
	u8 *p;

	if (stride == esize)
		return npu_write(core, va, src, (u64)esize * n);
	for (; n; n -= run, from += (u64)run * esize) {
		p = npu_pin(core, NPU_PIN_OUT, va, esize, &got);
		if (!p)
			return -1;
		run = npu_window_run(core, NPU_PIN_OUT, va, stride, esize, n);
		npu_scatter(p, stride, esize, run, from);
		va += (u64)stride * run;
	}
	return 0;
}

/* ---- Invalidation ----------------------------------------------------------- */

/**
 * npu_tlb_complete() - find out which invalidations are complete
 * @model: the device, locked
 *
 * An invalidation is complete when no core is in a tile that began before it:
 * each tile begins with the invalidations issued until then.
 */
void npu_tlb_complete(struct npu_model *model)
{
	u32 lag = 0;
	u32 done, i;

	for (i = 0; i < model->config.cores; i++)
		if (model->cores[i].in_tile)
			lag = max_t(u32, lag, model->tlb_seq - model->cores[i].tlb_seq);
	done = model->tlb_seq - lag;
	if (done == model->tlb_done)
		return;
	model->tlb_done = done;
	npu_irq_raise(model, NPU_IRQ_TLB);
}

/* Issue the invalidation that the registers describe; locked. */
void npu_tlb_invalidate(struct npu_model *model)
{
	model->tlb_seq++;
	model->tlb_log[model->tlb_seq % NPU_TLB_LOG] = (struct npu_invalidation){
		.asid = model->tlb_asid,
		.pages = model->tlb_pages,
		.va = model->tlb_va,
	};
	npu_tlb_complete(model);
}

/* A tile begins: take the invalidations since the last one along; locked. */
void npu_tlb_begin(struct npu_core *core)
{
	struct npu_model *model = core->model;
	u32 behind = model->tlb_seq - core->tlb_seq;
	u32 i;

	core->flush_now = core->flush || behind > NPU_TLB_LOG;
	core->flush = false;
	core->log_entries = core->flush_now ? 0 : behind;
	for (i = 0; i < core->log_entries; i++)
		core->log[i] = model->tlb_log[(core->tlb_seq + 1 + i) % NPU_TLB_LOG];
	core->tlb_seq = model->tlb_seq;
}

static bool npu_tag_hit(u64 tag, u32 level, const struct npu_invalidation *inv)
{
	u64 page = tag & ((1ull << 40) - 1);
	u64 va = page << NPU_PT_SHIFT(level);
	u64 size = (u64)inv->pages << NPU_PT_SHIFT(0);
	u64 span = 1ull << NPU_PT_SHIFT(level);

	if (!(tag & NPU_TAG_VALID) || (tag >> 40 & (NPU_ASIDS - 1)) != inv->asid)
		return false;
	if (!size)
		return true;
	return inv->va < va + span && (va < inv->va || va - inv->va < size);
}

/* Forget what those invalidations say; of the core's own, without the lock. */
void npu_tlb_apply(struct npu_core *core)
{
	u32 i, k;

	if (core->flush_now) {
		memset(core->small, 0, sizeof(core->small));
		memset(core->large, 0, sizeof(core->large));
	}
	for (k = 0; k < core->log_entries; k++) {
		for (i = 0; i < NPU_TLB_SMALL; i++)
			if (npu_tag_hit(core->small[i].tag, 0, &core->log[k]))
				core->small[i].tag = 0;
		for (i = 0; i < NPU_TLB_LARGE; i++)
			if (npu_tag_hit(core->large[i].tag, 1, &core->log[k]))
				core->large[i].tag = 0;
	}
}
