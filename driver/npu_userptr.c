// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: User memory
 *
 * VM_BIND can map memory of the calling process (DRM_NPU_VM_BIND_MAP_USERPTR). It is
 * never pinned: the kernel may move it, swap it out, or write-protect it for a fork at any
 * time, and tells so through an interval notifier. Nothing is charged to RLIMIT_MEMLOCK.
 *
 * A struct npu_userptr is what one operation has mapped: a range of the process, its
 * notifier, and where the device finds the pages. When the mapping is split, the parts
 * share it. It is either valid, with page table entries for all mappings that are linked
 * to it, or in the VM's list of invalid ones, unless its VM_BIND may still fail. That
 * changes under npu_vm.lock and, for writing, npu_vm.userptr_lock.
 *
 * Invalidation, in the notifier: put it into the list; wait for all fences of the VM's
 * reservation object, but no longer than NPU_USERPTR_WAIT_MS; take the page table entries
 * away and wait for the TLB. A job that still runs then, and touches the memory, faults.
 * This is in the fence signalling path and in memory reclaim.
 *
 * The way back is SUBMIT:
 *
 * 1. npu_userptrs_populate(), before reservations are locked, which page faults of this
 *    driver may need: fault the pages in with hmm_range_fault(), DMA-map them, write page
 *    table entries unless the notifier was called meanwhile.
 * 2. Lock the reservations.
 * 3. npu_userptrs_begin(): with npu_vm.userptr_lock held for reading, see that nothing is
 *    invalid; else begin anew. Then publish the fence. An invalidation that comes later
 *    finds the fence, one that came before was seen.
 *
 * Pages of a range that is not mapped any more are not needed: a process may bind, unbind
 * a part, and unmap that part.
 *
 * Each contiguous run of pages is one entry of the DMA address list; what has no page has
 * an entry without an address. Memory that CPU and device do not see alike, as with a
 * bounce buffer, is refused: nobody would synchronise it.
 *
 * If the device does not reset (npu_device.unsafe), pages that it may reach are leaked.
 */
#include <linux/cleanup.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "npu_bind.h"
#include "npu_device.h"
#include "npu_mmu.h"
#include "npu_userptr.h"
#include "npu_vm.h"

/* The kernel waits for jobs, often with locks that others need: not for ever. */
#define NPU_USERPTR_WAIT_MS	10000

/**
 * struct npu_userptr - user memory that is mapped in a VM
 * @notifier: of the range
 * @ref: mappings, and the operation that makes the first one
 * @vm: address space; everybody with a reference keeps it
 * @size: bytes
 * @writable: the device may write
 * @populate_lock: one at a time faults pages in
 * @node: in npu_vm.userptrs
 * @invalid: in npu_vm.invalid_userptrs, or empty
 * @mappings: npu_va.userptr_node of all mappings
 * @wanted: its VM_BIND has got so far that SUBMIT brings it back, mapped yet or not
 * @bound: it was mapped; before, all pages are needed
 * @valid: the pages are those of the process; changes under npu_vm.userptr_lock as well
 * @sgt: where the pages are, until the device does not use them any more. The fields from
 *       @node on are protected by npu_vm.lock
 */
struct npu_userptr {
	struct mmu_interval_notifier notifier;
	struct kref ref;
	struct npu_vm *vm;
	u64 size;
	bool writable;
	struct mutex populate_lock; /* faulting in */
	struct list_head node;
	struct list_head invalid;
	struct list_head mappings;
	bool wanted;
	bool bound;
	bool valid;
	struct sg_table *sgt;
};

static u64 npu_userptr_start(const struct npu_userptr *userptr)
{
	return userptr->notifier.interval_tree.start;
}

static enum dma_data_direction npu_userptr_direction(const struct npu_userptr *userptr)
{
	return userptr->writable ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
}

/* ---- DMA ------------------------------------------------------------------------ */

/* An entry without a page is a hole. */
static void npu_userptr_unmap_sgt(struct npu_userptr *userptr, struct sg_table *sgt)
{
	struct device *dev = userptr->vm->npu->drm.dev;
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (!sg_page(sg))
			continue;
		dma_unmap_page_attrs(dev, sg_dma_address(sg), sg_dma_len(sg),
				     npu_userptr_direction(userptr), DMA_ATTR_SKIP_CPU_SYNC);
		sg_assign_page(sg, NULL);
	}
}

static void npu_userptr_free_sgt(struct sg_table *sgt)
{
	sg_free_table(sgt);
	kfree(sgt);
}

/* So many pages from @i on are in a row, or are all not there. */
static unsigned long npu_run_length(const unsigned long *pfns, unsigned long i,
				    unsigned long pages, unsigned long max)
{
	unsigned long n = 1;

	if (!(pfns[i] & HMM_PFN_VALID)) {
		while (i + n < pages && n < max && !(pfns[i + n] & HMM_PFN_VALID))
			n++;
		return n;
	}
	while (i + n < pages && n < max && pfns[i + n] & HMM_PFN_VALID &&
	       page_to_pfn(hmm_pfn_to_page(pfns[i + n])) ==
	       page_to_pfn(hmm_pfn_to_page(pfns[i])) + n)
		n++;
	return n;
}

static unsigned long npu_run_max(struct device *dev)
{
	return clamp(dma_max_mapping_size(dev), PAGE_SIZE, SZ_1G) >> PAGE_SHIFT;
}

static struct sg_table *npu_userptr_alloc_sgt(struct npu_userptr *userptr,
					      const unsigned long *pfns)
{
	unsigned long max = npu_run_max(userptr->vm->npu->drm.dev);
	unsigned long pages = userptr->size >> PAGE_SHIFT;
	unsigned int runs = 0;
	struct sg_table *sgt;
	unsigned long i;

	for (i = 0; i < pages; i += npu_run_length(pfns, i, pages, max))
		runs++;
	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL_ACCOUNT);
	if (!sgt)
		return NULL;
	if (sg_alloc_table(sgt, runs, GFP_KERNEL_ACCOUNT)) {
		kfree(sgt);
		return NULL;
	}
	return sgt;
}

static int npu_userptr_map_run(struct npu_userptr *userptr, struct scatterlist *sg,
			       struct page *page, size_t bytes)
{
	struct device *dev = userptr->vm->npu->drm.dev;
	dma_addr_t dma;

	dma = dma_map_page_attrs(dev, page, 0, bytes, npu_userptr_direction(userptr),
				 DMA_ATTR_SKIP_CPU_SYNC);
	if (dma_mapping_error(dev, dma))
		return -EOPNOTSUPP;
	sg_set_page(sg, page, 0, 0);
	sg_dma_address(sg) = dma;
	sg_dma_len(sg) = bytes;
	return dma_need_sync(dev, dma) ? -EOPNOTSUPP : 0;
}

/* Entries that were not reached have no page. */
static int npu_userptr_map_sgt(struct npu_userptr *userptr, struct sg_table *sgt,
			       const unsigned long *pfns)
{
	unsigned long max = npu_run_max(userptr->vm->npu->drm.dev);
	unsigned long pages = userptr->size >> PAGE_SHIFT;
	struct scatterlist *sg = sgt->sgl;
	unsigned long i, n;
	int ret = 0;

	for (i = 0; i < pages && !ret; i += n, sg = sg_next(sg)) {
		n = npu_run_length(pfns, i, pages, max);
		if (pfns[i] & HMM_PFN_VALID)
			ret = npu_userptr_map_run(userptr, sg, hmm_pfn_to_page(pfns[i]),
						  n << PAGE_SHIFT);
		else
			sg_dma_len(sg) = n << PAGE_SHIFT;
	}
	if (ret)
		npu_userptr_unmap_sgt(userptr, sgt);
	return ret;
}

/* The device may do DMA for ever. */
static void npu_userptr_leak(struct sg_table *sgt)
{
	struct scatterlist *sg;
	unsigned int i, n;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		for (n = 0; sg_page(sg) && n < sg_dma_len(sg) >> PAGE_SHIFT; n++)
			get_page(sg_page(sg) + n);
	}
}

/* The device does not use the pages any more, and the caller holds npu_vm.lock. */
static void npu_userptr_drop(struct npu_userptr *userptr)
{
	struct sg_table *sgt = userptr->sgt;

	if (!sgt)
		return;
	userptr->sgt = NULL;
	if (userptr->vm->npu->unsafe)
		npu_userptr_leak(sgt);
	else
		npu_userptr_unmap_sgt(userptr, sgt);
	npu_userptr_free_sgt(sgt);
}

/* ---- Page tables ------------------------------------------------------------------- */

static void npu_userptr_write(struct npu_userptr *userptr, struct npu_va *va,
			      struct npu_pt_pool *pool)
{
	npu_pt_map(&userptr->vm->pt, pool, va->base.va.addr, va->base.va.range, userptr->sgt,
		   va->base.gem.offset - npu_userptr_start(userptr), userptr->writable);
}

/**
 * npu_userptr_link() - a mapping of the tree belongs to user memory
 * @userptr: user memory; the caller holds npu_vm.lock
 * @va: mapping; gets a reference
 */
void npu_userptr_link(struct npu_userptr *userptr, struct npu_va *va)
{
	va->userptr = npu_userptr_get(userptr);
	list_add_tail(&va->userptr_node, &userptr->mappings);
}

/* Lets the next SUBMIT bring it back; the caller holds npu_vm.lock. */
static void npu_userptr_want(struct npu_userptr *userptr)
{
	struct npu_vm *vm = userptr->vm;

	guard(rwsem_write)(&vm->userptr_lock);

	if (list_empty(&userptr->invalid))
		list_add_tail(&userptr->invalid, &vm->invalid_userptrs);
}

/**
 * npu_userptr_map() - make the first mapping of user memory
 * @userptr: user memory; the caller holds npu_vm.lock
 * @va: mapping of all of it
 * @pool: filled by npu_pt_reserve_map()
 *
 * If it is invalid just now, the next SUBMIT writes the page table entries.
 */
void npu_userptr_map(struct npu_userptr *userptr, struct npu_va *va, struct npu_pt_pool *pool)
{
	npu_userptr_link(userptr, va);
	userptr->bound = true;
	if (userptr->valid)
		npu_userptr_write(userptr, va, pool);
}

static void npu_userptr_clear(struct npu_userptr *userptr)
{
	struct npu_vm *vm = userptr->vm;
	u64 first = U64_MAX, last = 0;
	struct npu_pt_pool none;
	struct npu_va *va;

	/* Whole mappings, no block of which needs to be split. */
	npu_pt_pool_init(&none);
	list_for_each_entry(va, &userptr->mappings, userptr_node) {
		npu_pt_unmap(&vm->pt, &none, va->base.va.addr, va->base.va.range);
		first = min(first, va->base.va.addr);
		last = max(last, va->base.va.addr + va->base.va.range);
	}
	if (first < last)
		npu_tlb_invalidate(vm->npu, vm->pt.asid, first, last - first);
}

/* ---- Invalidation -------------------------------------------------------------------- */

/* Returns false if the device has no pages that jobs may use. */
static bool npu_userptr_mark_invalid(struct npu_userptr *userptr, unsigned long seq)
{
	struct npu_vm *vm = userptr->vm;

	guard(mutex)(&vm->lock);

	scoped_guard(rwsem_write, &vm->userptr_lock) {
		mmu_interval_set_seq(&userptr->notifier, seq);
		userptr->valid = false;
	}
	if (userptr->wanted)
		npu_userptr_want(userptr);
	return userptr->sgt;
}

static void npu_userptr_take_away(struct npu_userptr *userptr)
{
	struct npu_vm *vm = userptr->vm;
	int idx;

	guard(mutex)(&vm->lock);

	if (!userptr->sgt)
		return;
	if (npu_dev_enter(vm->npu, &idx)) {
		npu_userptr_clear(userptr);
		drm_dev_exit(idx);
	}
	npu_userptr_drop(userptr);
}

static bool npu_userptr_invalidate(struct mmu_interval_notifier *notifier,
				   const struct mmu_notifier_range *range, unsigned long seq)
{
	struct npu_userptr *userptr = container_of(notifier, struct npu_userptr, notifier);
	struct dma_resv *resv = drm_gpuvm_resv(&userptr->vm->gpuvm);

	if (!mmu_notifier_range_blockable(range))
		return false;
	if (!npu_userptr_mark_invalid(userptr, seq))
		return true;
	/* A SUBMIT that has not seen the mark has published its fence. */
	dma_resv_wait_timeout(resv, DMA_RESV_USAGE_BOOKKEEP, false,
			      msecs_to_jiffies(NPU_USERPTR_WAIT_MS));
	npu_userptr_take_away(userptr);
	return true;
}

static const struct mmu_interval_notifier_ops npu_userptr_notifier_ops = {
	.invalidate = npu_userptr_invalidate,
};

/* ---- Faulting in ---------------------------------------------------------------------- */

/**
 * struct npu_userptr_fault - pages that are being faulted in
 * @userptr: user memory
 * @range: for HMM
 * @sgt: not published yet, or NULL
 * @pool: page tables
 * @need: how many are in @pool
 */
struct npu_userptr_fault {
	struct npu_userptr *userptr;
	struct hmm_range range;
	struct sg_table *sgt;
	struct npu_pt_pool pool;
	struct npu_pt_need need;
};

/* Mappings are only ever taken away: what is needed now is enough later. */
static void npu_userptr_request(struct npu_userptr_fault *fault)
{
	struct npu_userptr *userptr = fault->userptr;
	unsigned long *pfns = fault->range.hmm_pfns;
	unsigned long flags = HMM_PFN_REQ_FAULT | (userptr->writable ? HMM_PFN_REQ_WRITE : 0);
	unsigned long i, first, pages = userptr->size >> PAGE_SHIFT;
	struct npu_va *va;

	for (i = 0; i < pages; i++)
		pfns[i] = 0;
	guard(mutex)(&userptr->vm->lock);

	for (i = 0; i < pages && !userptr->bound; i++)
		pfns[i] = flags;
	list_for_each_entry(va, &userptr->mappings, userptr_node) {
		first = (va->base.gem.offset - npu_userptr_start(userptr)) >> PAGE_SHIFT;
		for (i = first; i < first + (va->base.va.range >> PAGE_SHIFT); i++)
			pfns[i] = flags;
	}
}

static int npu_userptr_fault_pages(struct npu_userptr_fault *fault)
{
	struct mm_struct *mm = fault->userptr->notifier.mm;
	int ret;

	npu_userptr_request(fault);
	if (!mmget_not_zero(mm))
		return -EFAULT;
	fault->range.notifier_seq = mmu_interval_read_begin(&fault->userptr->notifier);
	mmap_read_lock(mm);
	ret = hmm_range_fault(&fault->range);
	mmap_read_unlock(mm);
	mmput(mm);
	return ret;
}

/* Does not write what is not needed any more: a hole may be where a page was asked for. */
static bool npu_userptr_is_covered(struct npu_userptr *userptr, const unsigned long *pfns)
{
	unsigned long i, pages = userptr->size >> PAGE_SHIFT;

	for (i = 0; i < pages && !userptr->bound; i++) {
		if (!(pfns[i] & HMM_PFN_VALID))
			return false;
	}
	return true;
}

static bool npu_userptr_has_tables(struct npu_userptr_fault *fault)
{
	struct npu_userptr *userptr = fault->userptr;
	struct npu_pt_need have = fault->need;
	struct npu_va *va;

	fault->need = (struct npu_pt_need) {};
	list_for_each_entry(va, &userptr->mappings, userptr_node)
		npu_pt_need_map(&userptr->vm->pt, &fault->need, va->base.va.addr,
				va->base.va.range, fault->sgt,
				va->base.gem.offset - npu_userptr_start(userptr));
	return fault->need.leaf <= have.leaf && fault->need.inner <= have.inner;
}

/*
 * Returns 0, -EAGAIN to get more tables, -EBUSY to fault again, or another error. Nobody
 * holds the pages: they are DMA-mapped only while the notifier has to wait for us.
 */
static int npu_userptr_publish(struct npu_userptr_fault *fault)
{
	struct npu_userptr *userptr = fault->userptr;
	struct npu_vm *vm = userptr->vm;
	struct npu_va *va;
	int ret;

	guard(mutex)(&vm->lock);

	if (mmu_interval_read_retry(&userptr->notifier, fault->range.notifier_seq) ||
	    !npu_userptr_is_covered(userptr, fault->range.hmm_pfns))
		return -EBUSY;
	ret = npu_userptr_map_sgt(userptr, fault->sgt, fault->range.hmm_pfns);
	if (ret)
		return ret;
	if (!npu_userptr_has_tables(fault)) {
		npu_userptr_unmap_sgt(userptr, fault->sgt);
		return -EAGAIN;
	}

	userptr->sgt = fault->sgt;
	fault->sgt = NULL;
	list_for_each_entry(va, &userptr->mappings, userptr_node)
		npu_userptr_write(userptr, va, &fault->pool);
	/* Blocks have taken the place of tables. */
	if (!list_empty(&fault->pool.garbage))
		npu_tlb_invalidate(vm->npu, vm->pt.asid, 0, 0);
	scoped_guard(rwsem_write, &vm->userptr_lock) {
		list_del_init(&userptr->invalid);
		userptr->valid = true;
	}
	return 0;
}

static int npu_userptr_publish_all(struct npu_userptr_fault *fault)
{
	struct npu_pt *pt = &fault->userptr->vm->pt;
	int ret;

	do {
		ret = npu_userptr_publish(fault);
		if (ret != -EAGAIN)
			break;
		npu_pt_pool_fini(pt, &fault->pool);
		ret = npu_pt_pool_fill(pt, &fault->pool, &fault->need);
	} while (!ret);
	return ret;
}

static int npu_userptr_install(struct npu_userptr_fault *fault)
{
	struct npu_userptr *userptr = fault->userptr;
	int ret;

	fault->sgt = npu_userptr_alloc_sgt(userptr, fault->range.hmm_pfns);
	if (!fault->sgt)
		return -ENOMEM;
	ret = npu_userptr_publish_all(fault);
	if (fault->sgt)
		npu_userptr_free_sgt(fault->sgt);
	fault->sgt = NULL;
	return ret;
}

/* Page faults take as long as whoever serves them likes: removal must not wait for one. */
static int npu_userptr_try(struct npu_userptr_fault *fault)
{
	int ret, idx;

	ret = npu_userptr_fault_pages(fault);
	if (ret)
		return ret;
	if (!npu_dev_enter(fault->userptr->vm->npu, &idx))
		return -ENODEV;
	ret = npu_userptr_install(fault);
	drm_dev_exit(idx);
	return ret;
}

static bool npu_userptr_is_valid(struct npu_userptr *userptr)
{
	guard(mutex)(&userptr->vm->lock);

	return userptr->valid;
}

/* The caller holds populate_lock. */
static int npu_userptr_populate_locked(struct npu_userptr *userptr, unsigned long *pfns)
{
	struct npu_userptr_fault fault = {
		.userptr = userptr,
		.range = {
			.notifier = &userptr->notifier,
			.start = npu_userptr_start(userptr),
			.end = npu_userptr_start(userptr) + userptr->size,
			.hmm_pfns = pfns,
			/* What is needed is said page by page. */
			.pfn_flags_mask = HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE,
		},
	};
	int ret;

	npu_pt_pool_init(&fault.pool);
	do {
		ret = npu_userptr_try(&fault);
		if (ret == -EBUSY && signal_pending(current))
			ret = -ERESTARTSYS;
	} while (ret == -EBUSY);
	npu_pt_pool_fini(&userptr->vm->pt, &fault.pool);
	return ret;
}

static int npu_userptr_populate(struct npu_userptr *userptr)
{
	unsigned long *pfns;
	int ret;

	ret = mutex_lock_interruptible(&userptr->populate_lock);
	if (ret)
		return ret;
	if (npu_userptr_is_valid(userptr))
		goto out;
	ret = -ENOMEM;
	pfns = kvmalloc_array(userptr->size >> PAGE_SHIFT, sizeof(*pfns),
			      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!pfns)
		goto out;
	ret = npu_userptr_populate_locked(userptr, pfns);
	kvfree(pfns);
out:
	mutex_unlock(&userptr->populate_lock);
	return ret;
}

/* ---- SUBMIT ------------------------------------------------------------------------------ */

static struct npu_userptr *npu_userptrs_next(struct npu_vm *vm)
{
	struct npu_userptr *userptr;

	guard(mutex)(&vm->lock);

	/* One without a reference is about to leave the list. */
	list_for_each_entry(userptr, &vm->invalid_userptrs, invalid) {
		if (kref_get_unless_zero(&userptr->ref))
			return userptr;
	}
	return NULL;
}

/**
 * npu_userptrs_populate() - bring all user memory of a VM back
 * @vm: address space; no reservation is locked
 *
 * Return: 0; -EFAULT or -EPERM if memory that is mapped is not there any more, or not
 * writable; or another negative errno.
 */
int npu_userptrs_populate(struct npu_vm *vm)
{
	struct npu_userptr *userptr;
	int ret = 0;

	while (!ret) {
		userptr = npu_userptrs_next(vm);
		if (!userptr)
			break;
		ret = npu_userptr_populate(userptr);
		npu_userptr_put(userptr);
	}
	return ret;
}

/**
 * npu_userptrs_begin() - begin to publish a fence
 * @vm: address space
 *
 * Return: false if user memory has become invalid.
 */
bool npu_userptrs_begin(struct npu_vm *vm)
{
	down_read(&vm->userptr_lock);
	if (list_empty(&vm->invalid_userptrs))
		return true;
	up_read(&vm->userptr_lock);
	return false;
}

/**
 * npu_userptrs_end() - the fence is published
 * @vm: address space
 */
void npu_userptrs_end(struct npu_vm *vm)
{
	up_read(&vm->userptr_lock);
}

/* ---- Life --------------------------------------------------------------------------------- */

/**
 * npu_userptr_create() - user memory of the calling process
 * @vm: address space
 * @start: first address, page aligned
 * @size: bytes, page aligned
 * @writable: the device may write
 *
 * Return: a reference to valid user memory that is mapped nowhere yet, or an error pointer.
 */
struct npu_userptr *npu_userptr_create(struct npu_vm *vm, u64 start, u64 size, bool writable)
{
	struct npu_userptr *userptr;
	int ret;

	if (size >> PAGE_SHIFT > totalram_pages())
		return ERR_PTR(-ENOMEM);
	if (!access_ok(u64_to_user_ptr(start), size))
		return ERR_PTR(-EFAULT);
	userptr = kzalloc(sizeof(*userptr), GFP_KERNEL_ACCOUNT);
	if (!userptr)
		return ERR_PTR(-ENOMEM);

	kref_init(&userptr->ref);
	mutex_init(&userptr->populate_lock);
	INIT_LIST_HEAD(&userptr->invalid);
	INIT_LIST_HEAD(&userptr->mappings);
	userptr->vm = vm;
	userptr->size = size;
	userptr->writable = writable;
	ret = mmu_interval_notifier_insert(&userptr->notifier, current->mm, start, size,
					   &npu_userptr_notifier_ops);
	if (ret) {
		mutex_destroy(&userptr->populate_lock);
		kfree(userptr);
		return ERR_PTR(ret);
	}
	/* Of a leaked one the notifier stays. */
	__module_get(THIS_MODULE);
	scoped_guard(mutex, &vm->lock)
		list_add_tail(&userptr->node, &vm->userptrs);
	ret = npu_userptr_populate(userptr);
	if (ret) {
		npu_userptr_put(userptr);
		return ERR_PTR(ret);
	}
	scoped_guard(mutex, &vm->lock) {
		userptr->wanted = true;
		if (!userptr->valid)
			npu_userptr_want(userptr);
	}
	return userptr;
}

struct npu_userptr *npu_userptr_get(struct npu_userptr *userptr)
{
	kref_get(&userptr->ref);
	return userptr;
}

/* No page table entry is left. */
static void npu_userptr_free(struct kref *ref)
{
	struct npu_userptr *userptr = container_of(ref, struct npu_userptr, ref);
	struct npu_vm *vm = userptr->vm;

	/* While the notifier still tells whose the pages are. No SUBMIT minds it from now on. */
	scoped_guard(mutex, &vm->lock) {
		userptr->wanted = false;
		scoped_guard(rwsem_write, &vm->userptr_lock)
			list_del_init(&userptr->invalid);
		npu_userptr_drop(userptr);
	}
	mmu_interval_notifier_remove(&userptr->notifier);
	scoped_guard(mutex, &vm->lock)
		list_del(&userptr->node);
	mutex_destroy(&userptr->populate_lock);
	kfree(userptr);
	module_put(THIS_MODULE);
}

/**
 * npu_userptr_put() - drop a reference; may sleep, and wait for jobs of the VM
 * @userptr: user memory
 */
void npu_userptr_put(struct npu_userptr *userptr)
{
	kref_put(&userptr->ref, npu_userptr_free);
}

/**
 * npu_userptrs_unmap() - end all DMA mappings
 * @vm: address space that the device does not use any more
 */
void npu_userptrs_unmap(struct npu_vm *vm)
{
	struct npu_userptr *userptr;

	guard(mutex)(&vm->lock);
	list_for_each_entry(userptr, &vm->userptrs, node)
		npu_userptr_drop(userptr);
}
