/* SPDX-License-Identifier: MIT */
/*
 * A kernel that is not there: the functions of libdrm and libc that libnpu
 * calls. They fail when told to, and count what is left behind.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include <npu.h>

#define KERNEL_NODE_SIZE	(16 << 20)
#define KERNEL_NODES		4	/* in the folder that stands for /dev/accel */

/* What the kernel says next. */
struct kernel {
	int export;	/* errno of the export of a sync_file */
	int import;	/* errno of the import of one */
	int status;	/* of sync_files */
	int wait;	/* of drmSyncobjWait() */
	int bind;	/* errno of VM_BIND */
	int query;	/* errno of DEV_QUERY */
	int open;	/* errno of open(), of the nodes */
	unsigned int isa_major;
	const char *driver[KERNEL_NODES];	/* NULL: no DRM device */
	const char *link;	/* of sysfs */
	uint32_t info;	/* flags of BO_INFO */
	uint32_t retained;	/* of BO_MADVISE */
	struct drm_npu_vm_bind_op op;	/* the first one of the last VM_BIND */
	struct drm_npu_queue_get_state state;
	uint64_t promised, signalled;	/* points of the timeline */
	bool reads;	/* read() is of the node: @event, once, else errno @read */
	struct drm_npu_event_fault event;
	int read;
	unsigned int call;	/* the n-th call from now fails with @error; 0 = none */
	unsigned int alloc;	/* so does the n-th allocation of memory */
	int error;
	unsigned int binds, submits, creates, syncs;	/* calls that came */
	int objects;	/* buffers, VMs and queues there are */
	int syncobjs;
	uint32_t handle;	/* the last one given */
	uint32_t imported;	/* that every dma-buf has, 0 = a new one */
	uint64_t offset;	/* of the next buffer in the node */
	uint64_t size[4096];	/* of buffers by handle */
};

extern struct kernel kernel;

/* As if it had just been loaded, with a node file in @folder; returns its path. */
const char *kernel_init(const char *folder);

#endif /* KERNEL_H */
