// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: fdinfo
 *
 * /proc/PID/fdinfo/FD of an accel file has the keys of
 * Documentation/gpu/drm-usage-stats.rst:
 *
 * =======================  ==================================================
 * drm-cycles-npu           cycles that cores have spent on this file's jobs
 * drm-engine-npu           the same in nanoseconds at nominal clock
 * drm-engine-capacity-npu  number of cores
 * drm-maxfreq-npu          nominal clock
 * drm-total-memory         buffers with a handle in this file
 * drm-shared-memory        of these, what others have handles of as well
 * drm-active-memory        of these, what jobs use now
 * drm-resident-memory      of these, what has pages now
 * drm-purgeable-memory     of these, what may be taken and is not in use
 * =======================  ==================================================
 *
 * Cycles are the hardware's own, from the contexts of the queues, and include
 * jobs that are still running. They are added to the file's sum as they are
 * seen: at each completion, when a queue ends, and for a reader. So the sum
 * never goes back, whatever becomes of the queues.
 */
#include <linux/dma-resv.h>
#include <linux/math64.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>

#include "npu_compat.h"
#include "npu_device.h"
#include "npu_drv.h"
#include "npu_fdinfo.h"
#include "npu_gem.h"
#include "npu_queue.h"

/* ---- Use of the cores -------------------------------------------------------- */

/**
 * npu_usage_create() - of a file that is being opened
 *
 * Return: a reference, or NULL.
 */
struct npu_usage *npu_usage_create(void)
{
	struct npu_usage *usage = kzalloc(sizeof(*usage), GFP_KERNEL_ACCOUNT);

	if (usage) {
		kref_init(&usage->ref);
		spin_lock_init(&usage->lock);
	}
	return usage;
}

struct npu_usage *npu_usage_get(struct npu_usage *usage)
{
	if (usage)
		kref_get(&usage->ref);
	return usage;
}

static void npu_usage_free(struct kref *ref)
{
	kfree(container_of(ref, struct npu_usage, ref));
}

/**
 * npu_usage_put() - drop a reference
 * @usage: or NULL
 */
void npu_usage_put(struct npu_usage *usage)
{
	if (usage)
		kref_put(&usage->ref, npu_usage_free);
}

/**
 * npu_usage_add() - cores have worked
 * @usage: of the file
 * @cycles: how much; saturates, a device may say anything
 */
void npu_usage_add(struct npu_usage *usage, u64 cycles)
{
	guard(spinlock_irqsave)(&usage->lock);

	usage->cycles = size_add(usage->cycles, cycles);
}

static u64 npu_usage_read(struct npu_usage *usage)
{
	guard(spinlock_irqsave)(&usage->lock);

	return usage->cycles;
}

static void npu_show_engine(struct drm_printer *p, struct npu_device *npu, struct npu_file *nf)
{
	u32 khz = npu->caps.clock_khz;
	struct npu_queue *queue;
	unsigned long id;
	u64 cycles;

	/* npu_queue memory goes one grace period after its last reference. */
	scoped_guard(rcu)
		xa_for_each(&nf->queues, id, queue)
			npu_queue_account(queue);
	cycles = npu_usage_read(nf->usage);

	if (khz)
		drm_printf(p, "drm-engine-npu:\t%llu ns\n",
			   mul_u64_u64_div_u64(min_t(u64, cycles, U64_MAX / NSEC_PER_MSEC),
					       NSEC_PER_MSEC, khz));
	drm_printf(p, "drm-engine-capacity-npu:\t%u\n", npu->caps.cores);
	drm_printf(p, "drm-cycles-npu:\t%llu\n", cycles);
	drm_printf(p, "drm-maxfreq-npu:\t%u KHz\n", khz);
}

/* ---- Memory --------------------------------------------------------------------- */

/*
 * As drm_show_memory_stats(), but for jobs that take no part in implicit
 * synchronisation: their fences are of the kind that it does not look at.
 */
static void npu_count_bo(struct drm_memory_stats *stats, struct drm_gem_object *obj)
{
	struct npu_bo *bo = to_npu_bo(obj);
	bool active = !dma_resv_test_signaled(obj->resv, DMA_RESV_USAGE_BOOKKEEP);
	bool resident = READ_ONCE(bo->pages) || drm_gem_is_imported(obj);

	if (drm_gem_object_is_shared_for_memory_stats(obj))
		stats->shared += obj->size;
	else
		stats->private += obj->size;
	if (resident)
		stats->resident += obj->size;
	if (active)
		stats->active += obj->size;
	else if (resident && READ_ONCE(bo->dontneed))
		stats->purgeable += obj->size;
}

static void npu_show_memory(struct drm_printer *p, struct drm_file *file)
{
	struct drm_memory_stats stats = {};
	struct drm_gem_object *obj;
	int id;

	scoped_guard(spinlock, &file->table_lock)
		idr_for_each_entry(&file->object_idr, obj, id)
			npu_count_bo(&stats, obj);
	drm_print_memory_stats(p, &stats, DRM_GEM_OBJECT_RESIDENT | DRM_GEM_OBJECT_PURGEABLE |
			       DRM_GEM_OBJECT_ACTIVE, "memory");
}

/**
 * npu_show_fdinfo() - drm_driver.show_fdinfo
 * @p: printer
 * @file: whose
 */
void npu_show_fdinfo(struct drm_printer *p, struct drm_file *file)
{
	npu_show_engine(p, to_npu_device(file->minor->dev), to_npu_file(file));
	npu_show_memory(p, file);
}
