// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Cores
 *
 * One kernel thread of normal priority turns each core of the model. It lets
 * others run after every tile. Doorbells and registers never compute: they wake
 * the thread.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched.h>

#include "emu.h"

/* How often a core that hangs on demand looks whether it still does. */
#define EMU_STALL_JIFFIES	(HZ / 100 + 1)
/* And one that is slow on demand. */
#define EMU_REST_US		200

static void emu_core_sleep(struct emu_core *core, long timeout)
{
	set_current_state(TASK_IDLE);
	if (!atomic_xchg(&core->work, 0) && !kthread_should_stop())
		schedule_timeout(timeout);
	__set_current_state(TASK_RUNNING);
}

static int emu_core_thread(void *data)
{
	struct emu_core *core = data;

	while (!kthread_should_stop()) {
		switch (npu_model_step(core->emu->model, core->index)) {
		case NPU_STEP_RAN:
			cond_resched();
			break;
		case NPU_STEP_IDLE:
			emu_core_sleep(core, MAX_SCHEDULE_TIMEOUT);
			break;
		case NPU_STEP_STALLED:
			emu_core_sleep(core, EMU_STALL_JIFFIES);
			break;
		case NPU_STEP_RESTING:
			usleep_range(EMU_REST_US, 2 * EMU_REST_US);
			break;
		}
	}
	return 0;
}

/**
 * emu_core_wake() - a core has work
 * @emu: device
 * @core: index. Any context.
 */
void emu_core_wake(struct emu_device *emu, u32 core)
{
	struct task_struct *task = READ_ONCE(emu->core[core].task);

	atomic_set(&emu->core[core].work, 1);
	/* The flag before the look at the thread's state. */
	smp_mb__after_atomic();
	if (task)
		wake_up_process(task);
}

/**
 * emu_cores_start() - create the threads
 * @emu: device
 */
int emu_cores_start(struct emu_device *emu)
{
	struct emu_core *core;
	struct task_struct *task;
	unsigned int i;

	for (i = 0; i < emu->config.cores; i++) {
		core = &emu->core[i];
		core->emu = emu;
		core->index = i;
		task = kthread_create(emu_core_thread, core, "npu-emu/%u", i);
		if (IS_ERR(task)) {
			emu_cores_stop(emu);
			emu_cores_free(emu);
			return PTR_ERR(task);
		}
		/* emu_core_wake() may use it as long as the device exists. */
		get_task_struct(task);
		WRITE_ONCE(core->task, task);
		wake_up_process(task);
	}
	return 0;
}

/**
 * emu_cores_stop() - end the threads; no memory is accessed afterwards
 * @emu: device; a second call does nothing
 */
void emu_cores_stop(struct emu_device *emu)
{
	struct emu_core *core;
	unsigned int i;

	for (i = 0; i < emu->config.cores; i++) {
		core = &emu->core[i];
		if (core->task && !core->stopped)
			kthread_stop(core->task);
		core->stopped = true;
	}
}

/**
 * emu_cores_free() - let the ended threads go
 * @emu: device that nobody can wake any more
 */
void emu_cores_free(struct emu_device *emu)
{
	unsigned int i;

	for (i = 0; i < emu->config.cores; i++) {
		if (emu->core[i].task)
			put_task_struct(emu->core[i].task);
		emu->core[i].task = NULL;
	}
}
