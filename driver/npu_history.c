// SPDX-License-Identifier: GPL-2.0-only
#include <linux/seq_file.h>

#include "npu_device.h"
#include "npu_history.h"
#include "npu_queue.h"

/**
 * npu_history_add() - note that a queue is banned
 * @queue: with its lock held. Any context.
 * @state: DRM_NPU_QUEUE_*
 */
void npu_history_add(struct npu_queue *queue, u32 state)
{
	struct npu_history *history = &queue->npu->history;
	struct npu_incident *incident;

	guard(spinlock_irqsave)(&history->lock);

	incident = &history->incident[history->count++ % NPU_HISTORY_SIZE];
	incident->time = ktime_get();
	incident->queue = queue->id;
	incident->pid = queue->pid;
	strscpy(incident->comm, queue->comm);
	incident->state = state;
	incident->fault = queue->fault;
}

static bool npu_history_get(struct npu_history *history, u64 n, struct npu_incident *incident)
{
	guard(spinlock_irqsave)(&history->lock);

	if (n >= history->count || n + NPU_HISTORY_SIZE < history->count)
		return false;
	*incident = history->incident[n % NPU_HISTORY_SIZE];
	return true;
}

/**
 * npu_history_show() - print what has happened, oldest first
 * @npu: device
 * @m: file
 */
void npu_history_show(struct npu_device *npu, struct seq_file *m)
{
	u64 n, count = READ_ONCE(npu->history.count);
	struct npu_incident i;

	seq_printf(m, "incidents: %llu\n", count);
	for (n = count - min(count, NPU_HISTORY_SIZE); n < count; n++) {
		/* It may just have been overwritten. */
		if (!npu_history_get(&npu->history, n, &i))
			continue;
		seq_printf(m, "%lld us: queue %u (%s, pid %d) state %#x job %llu status %u detail %u access %u va %#llx offset %#llx\n",
			   ktime_to_us(i.time), i.queue, i.comm, i.pid, i.state, i.fault.job,
			   i.fault.status, i.fault.detail, i.fault.access, i.fault.va,
			   i.fault.offset);
	}
}
