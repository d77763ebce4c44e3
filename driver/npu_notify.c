// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Notifications
 *
 * A queue that was created with DRM_NPU_QUEUE_EVENT tells its file when it is
 * banned: a struct drm_npu_event_fault, which read() gets and poll() announces.
 *
 * A queue is banned in the signalling path, often in hard interrupt, where
 * nothing can be allocated. Hence the event is made with the queue, and has its
 * room in the file from then on: it is sent whatever happens, once. A file has
 * room for DRM_NPU_EVENTS_MAX events, be they unread or still to come; when it
 * has none, QUEUE_CREATE fails.
 *
 * A file that is closed takes its unsent events out of reach before it closes
 * its queues; drm_send_event() frees what comes for nobody.
 */
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/npu_accel.h>

#include "npu_device.h"
#include "npu_notify.h"

/**
 * struct npu_notify - the event that a queue may send
 * @base: what DRM knows; first, because DRM frees it
 * @event: what user space reads
 */
struct npu_notify {
	struct drm_pending_event base;
	struct drm_npu_event_fault event;
};

static_assert(offsetof(struct npu_notify, base) == 0);

/**
 * npu_notify_open() - give a new file its room for events
 * @file: that is being opened
 */
void npu_notify_open(struct drm_file *file)
{
	file->event_space = DRM_NPU_EVENTS_MAX * sizeof(struct drm_npu_event_fault);
}

/**
 * npu_notify_create() - reserve an event
 * @npu: device
 * @file: who will read it
 * @queue_id: its number of the queue
 *
 * Return: for npu_notify_send() or npu_notify_cancel(); -ENOSPC if the file has
 * no room.
 */
struct npu_notify *npu_notify_create(struct npu_device *npu, struct drm_file *file, u32 queue_id)
{
	struct npu_notify *notify;

	notify = kzalloc(sizeof(*notify), GFP_KERNEL_ACCOUNT);
	if (!notify)
		return ERR_PTR(-ENOMEM);

	notify->event.base.type = DRM_NPU_EVENT_FAULT;
	notify->event.base.length = sizeof(notify->event);
	notify->event.queue_id = queue_id;
	if (drm_event_reserve_init(&npu->drm, file, &notify->base, &notify->event.base)) {
		kfree(notify);
		return ERR_PTR(-ENOSPC);
	}
	return notify;
}

/**
 * npu_notify_send() - the queue is banned
 * @npu: device
 * @notify: ends here. Any context.
 * @state: DRM_NPU_QUEUE_*
 * @fault: why
 */
void npu_notify_send(struct npu_device *npu, struct npu_notify *notify, u32 state,
		     const struct drm_npu_fault *fault)
{
	notify->event.state = state;
	notify->event.fault = *fault;
	drm_send_event(&npu->drm, &notify->base);
}

/**
 * npu_notify_cancel() - the queue ends as it should
 * @npu: device
 * @notify: ends here, its room is free
 */
void npu_notify_cancel(struct npu_device *npu, struct npu_notify *notify)
{
	drm_event_cancel_free(&npu->drm, &notify->base);
}
