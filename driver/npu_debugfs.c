// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: debugfs
 *
 * /sys/kernel/debug/accel/N/objects: what exists on the device, whoever made it,
 * and what the hardware did that it must not do. Nothing of it is user ABI.
 */
#include <linux/list.h>
#include <linux/seq_file.h>

#include <drm/drm_debugfs.h>

#include "npu_device.h"
#include "npu_drv.h"

static int npu_debugfs_objects(struct seq_file *m, void *data)
{
	struct drm_debugfs_entry *entry = m->private;
	struct npu_device *npu = to_npu_device(entry->dev);
	unsigned long id, queues = 0;
	void *queue;

	scoped_guard(mutex, &npu->objects.lock) {
		seq_printf(m, "vms: %zu\n", list_count_nodes(&npu->objects.vms));
		seq_printf(m, "bos: %zu\n", list_count_nodes(&npu->objects.bos));
	}
	scoped_guard(rcu)
		xa_for_each(&npu->queues, id, queue)
			queues++;
	seq_printf(m, "queues: %lu\n", queues);

	seq_printf(m, "bad sequences: %d\n", atomic_read(&npu->errors.bad_sequence));
	seq_printf(m, "bad events: %d\n", atomic_read(&npu->errors.bad_event));
	seq_printf(m, "event overflows: %d\n", atomic_read(&npu->errors.overflow));
	seq_printf(m, "function resets: %d\n", atomic_read(&npu->errors.resets));
	return 0;
}

/**
 * npu_debugfs_init() - add the files of a device
 * @npu: device, before it is registered
 */
void npu_debugfs_init(struct npu_device *npu)
{
	drm_debugfs_add_file(&npu->drm, "objects", npu_debugfs_objects, NULL);
}
