// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Core dumps
 *
 * When a job has hung, the hardware has failed or the device was reset or lost, the
 * driver writes down what it knows (devcoredump: /sys/class/devcoredump/devcdN/data,
 * readable by root). ``npuctl coredump`` shows it. There is one dump per
 * device: until it was read and dismissed, or the kernel drops it after some minutes,
 * further incidents are only counted, and the next dump has their number.
 *
 * What makes a dump: a hang; a fault that a program alone cannot cause (WALK, BUS,
 * DESCRIPTOR, or a status that does not exist); a function reset; the loss of the device.
 * Illegal commands, accesses out of bounds and to what is not mapped make none: they
 * are everyday bugs of programs, which learn of them from QUEUE_GET_STATE.
 *
 * Incidents happen in the fence signalling path, so a dump is made in three steps:
 *
 * 1. npu_coredump_begin(): registers and slots, before anything is reset.
 * 2. npu_coredump_take(): the context, the ring, the mappings, the command
 *    stream and the base table, when the hardware has let the queue go and before its
 *    fences signal. All this goes into memory that was allocated at probe; nothing
 *    waits. The lock of the address space is only tried, since its owner may
 *    wait for the very device. What is not reachable by the CPU is left out.
 * 3. A work item makes the text.
 *
 * The text is ASCII, one fact per line, in sections; the form is version 1:
 *
 * ==============  ==============================================================
 * npu-coredump 1  first line
 * [incident]      reason (hang, fault, reset, lost), recovery (what has ended it),
 *                 time_us (monotonic), missed, kernel, device
 * [device]        capabilities, decimal or 0x
 * [registers]     by name, as they were at the beginning
 * [slots]         number, status, context, queue (0 = none) of each that is not empty
 * [queue]         whose incident it was; this and what follows only if there is one
 * [fault]         job and offset that are to blame, and what the context says
 * [context]       fields of struct npu_context by name
 * [ring]          sequence, stream_va, stream_size, bases_va, bases, flags of each job
 *                 that was not complete
 * [vm]            va, size, offset in the buffer, ``r`` or ``rw``, label, of each mapping;
 *                 user memory has its address as offset. Before the label stands
 *                 ``(user memory)`` or ``(imported)`` if it is that;
 *                 ``busy`` if the lock was taken, ``more N`` if there was no room
 * [bases]         of the job to blame: bytes, as in [stream]
 * [stream]        ``va``, ``size``; then lines of offset, colon, bytes in hexadecimal: up to
 *                 64 KiB around the command to blame
 * [end]           last line; without it the dump is cut off
 * ==============  ==============================================================
 *
 * Strings have what is not ASCII or not printable escaped as in C. A reader must ignore sections
 * and keys that it does not know.
 */
#include <linux/devcoredump.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/seq_buf.h>
#include <linux/string_helpers.h>
#include <linux/sysfs.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>

#include <drm/drm_managed.h>
#include <drm/npu_isa.h>

#include "npu_bind.h"
#include "npu_coredump.h"
#include "npu_drv.h"
#include "npu_gem.h"
#include "npu_queue.h"
#include "npu_vm.h"

#define NPU_DUMP_STREAM		SZ_64K
#define NPU_DUMP_MAPPINGS	512
#define NPU_DUMP_LINE		32	/* bytes in a line of hexadecimal */
#define NPU_DUMP_LINE_SIZE	(NPU_DUMP_LINE * 2 + 16)
/* Of the text: all that is not counted by the things that it is about. */
#define NPU_DUMP_BASE_SIZE	SZ_32K
#define NPU_DUMP_MAPPING_SIZE	(DRM_NPU_BO_LABEL_MAX * 4 + 80)

#define NPU_DUMP_REG(name)	{ #name, NPU_REG_##name }

static const struct {
	const char *name;
	u32 reg;
} npu_dump_regs[] = {
	NPU_DUMP_REG(ID), NPU_DUMP_REG(VERSION), NPU_DUMP_REG(CONTROL), NPU_DUMP_REG(STATUS),
	NPU_DUMP_REG(RESET), NPU_DUMP_REG(TIME_LO), NPU_DUMP_REG(TIME_HI),
	NPU_DUMP_REG(IRQ_STATUS), NPU_DUMP_REG(IRQ_ENABLE), NPU_DUMP_REG(IRQ_MODERATION),
	NPU_DUMP_REG(EVENT_BASE_LO), NPU_DUMP_REG(EVENT_BASE_HI), NPU_DUMP_REG(EVENT_ORDER),
	NPU_DUMP_REG(EVENT_READ), NPU_DUMP_REG(EVENT_WRITE), NPU_DUMP_REG(TLB_ASID),
	NPU_DUMP_REG(TLB_VA_LO), NPU_DUMP_REG(TLB_VA_HI), NPU_DUMP_REG(TLB_PAGES),
	NPU_DUMP_REG(TLB_SEQ), NPU_DUMP_REG(TLB_DONE), NPU_DUMP_REG(POWER),
	NPU_DUMP_REG(CLOCK_NOW), NPU_DUMP_REG(TEMPERATURE), NPU_DUMP_REG(POWER_MW),
};

/* A mapping; @bo is a reference, NULL for user memory. */
struct npu_dump_mapping {
	u64 va;
	u64 size;
	u64 offset;
	bool readonly;
	struct drm_gem_object *bo;
};

/* Bytes of an address space: @got of them from @offset on in what begins at @va. */
struct npu_dump_bytes {
	u64 va;
	u32 size;
	u32 offset;
	u32 got;
};

/* What is noted down of an incident. */
struct npu_dump {
	struct npu_device *npu;
	struct npu_queue *queue;	/* a reference, or NULL */
	const char *reason;
	const char *recovery;
	ktime_t time;
	u32 missed;

	u32 reg[ARRAY_SIZE(npu_dump_regs)];
	u32 slot_status[NPU_MAX_SLOTS];
	u64 slot_context[NPU_MAX_SLOTS];
	u32 slot_queue[NPU_MAX_SLOTS];

	bool has_context;
	struct npu_context context;
	struct npu_job_desc ring[NPU_RING_JOBS];
	u64 completed;
	u64 emitted;
	u64 guilty;
	u64 command;	/* offset of the one to blame */
	u32 state;

	bool vm_busy;
	unsigned int mappings;
	unsigned int more;
	struct npu_dump_mapping mapping[NPU_DUMP_MAPPINGS];
	struct npu_dump_bytes bases;
	struct npu_dump_bytes stream;
	u8 bases_data[NPU_ISA_MAX_BASES * sizeof(struct npu_base)];
	u8 stream_data[NPU_DUMP_STREAM];
};

/* ---- Taking it, in the fence signalling path ------------------------------------------- */

static void npu_dump_take_registers(struct npu_dump *dump)
{
	struct npu_device *npu = dump->npu;
	struct npu_queue *queue;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(npu_dump_regs); i++)
		dump->reg[i] = npu_read(npu, npu_dump_regs[i].reg);
	for (i = 0; i < npu->caps.slots; i++) {
		queue = npu->slots.slot[i].queue;
		dump->slot_status[i] = npu_read(npu, NPU_REG_SLOT_STATUS(i));
		dump->slot_context[i] = npu_read(npu, NPU_REG_SLOT_CONTEXT_LO(i)) |
					(u64)npu_read(npu, NPU_REG_SLOT_CONTEXT_HI(i)) << 32;
		dump->slot_queue[i] = queue ? queue->id : 0;
	}
}

static bool npu_dump_take_queue(struct npu_dump *dump, struct npu_queue *queue)
{
	guard(spinlock_irqsave)(&queue->lock);

	if (!queue->context)
		return false;
	dump->context = *queue->context;
	memcpy(dump->ring, queue->ring, sizeof(dump->ring));
	dump->completed = queue->completed;
	dump->emitted = queue->emitted;
	dump->guilty = queue->guilty;
	dump->state = queue->state;
	return true;
}

/* Where in the stream it happened; the beginning, if the device does not say. */
static u64 npu_dump_find_command(const struct npu_dump *dump)
{
	const struct npu_context *context = &dump->context;

	if (context->fault_status && le64_to_cpu(context->fault_sequence) == dump->guilty)
		return le64_to_cpu(context->fault_offset);
	if (le64_to_cpu(context->started) == dump->guilty)
		return le64_to_cpu(context->resume_offset);
	return 0;
}

static void npu_dump_take_mappings(struct npu_dump *dump, struct npu_vm *vm)
{
	struct npu_dump_mapping *mapping;
	struct drm_gpuva *va;

	drm_gpuvm_for_each_va(va, &vm->gpuvm) {
		if (va == &vm->gpuvm.kernel_alloc_node)
			continue;
		if (dump->mappings == NPU_DUMP_MAPPINGS) {
			dump->more++;
			continue;
		}
		mapping = &dump->mapping[dump->mappings++];
		mapping->va = va->va.addr;
		mapping->size = va->va.range;
		mapping->offset = va->gem.offset;
		mapping->readonly = va->flags & NPU_VA_READONLY;
		if (va->gem.obj)
			drm_gem_object_get(va->gem.obj);
		mapping->bo = va->gem.obj;
	}
}

static void npu_dump_take_bytes(struct npu_dump *dump, struct npu_vm *vm)
{
	const struct npu_job_desc *job = &dump->ring[(dump->guilty - 1) % NPU_RING_JOBS];
	struct npu_dump_bytes *stream = &dump->stream;
	struct npu_dump_bytes *bases = &dump->bases;

	if (dump->guilty <= dump->completed || dump->guilty > dump->emitted)
		return;
	bases->va = le64_to_cpu(job->bases_va);
	bases->size = min(le32_to_cpu(job->bases), NPU_ISA_MAX_BASES) * sizeof(struct npu_base);
	bases->got = npu_vm_copy(vm, bases->va, dump->bases_data, bases->size);

	stream->va = le64_to_cpu(job->stream_va);
	stream->size = le32_to_cpu(job->stream_size);
	dump->command = min_t(u64, npu_dump_find_command(dump), stream->size);
	if (stream->size > NPU_DUMP_STREAM && dump->command > NPU_DUMP_STREAM / 2)
		stream->offset = ALIGN_DOWN(min_t(u64, dump->command - NPU_DUMP_STREAM / 2,
						  stream->size - NPU_DUMP_STREAM),
					    NPU_ISA_ALIGN);
	stream->got = npu_vm_copy(vm, stream->va + stream->offset, dump->stream_data,
				  min(stream->size - stream->offset, NPU_DUMP_STREAM));
}

static void npu_dump_take_vm(struct npu_dump *dump, struct npu_vm *vm)
{
	dump->vm_busy = !mutex_trylock(&vm->lock);
	if (dump->vm_busy)
		return;
	npu_dump_take_mappings(dump, vm);
	npu_dump_take_bytes(dump, vm);
	mutex_unlock(&vm->lock);
}

/**
 * npu_coredump_begin() - something has gone wrong
 * @npu: device, with its slots.lock held; in the fence signalling path
 * @queue: whose fault it seems to be, or NULL
 * @reason: in a word
 *
 * npu_coredump_take() has to follow for the same queue. What goes wrong before is only
 * counted, unless it is the same queue again.
 */
void npu_coredump_begin(struct npu_device *npu, struct npu_queue *queue, const char *reason)
{
	struct npu_dump *dump = npu->coredump.dump;

	lockdep_assert_held(&npu->slots.lock);

	/* The reset of a queue has not helped. */
	if (dump && queue && npu->coredump.busy && READ_ONCE(dump->queue) == queue)
		return;
	/* Pairs with npu_coredump_work(). */
	if (!dump || smp_load_acquire(&npu->coredump.busy)) {
		atomic_inc(&npu->coredump.missed);
		return;
	}
	npu->coredump.busy = true;
	memset(dump, 0, offsetof(struct npu_dump, mapping));
	dump->npu = npu;
	dump->queue = queue ? npu_queue_get(queue) : NULL;
	dump->reason = reason;
	dump->time = ktime_get();
	dump->bases = (struct npu_dump_bytes) {};
	dump->stream = (struct npu_dump_bytes) {};
	npu_dump_take_registers(dump);
}

/**
 * npu_coredump_take() - the hardware has let go what the dump is about
 * @npu: device, with its slots.lock held; in the fence signalling path
 * @queue: as for npu_coredump_begin()
 * @recovery: what has made it do so, constant
 *
 * Without effect if there is no dump of this queue.
 */
void npu_coredump_take(struct npu_device *npu, struct npu_queue *queue, const char *recovery)
{
	struct npu_dump *dump = npu->coredump.dump;

	if (!dump || !READ_ONCE(npu->coredump.busy) || READ_ONCE(dump->queue) != queue ||
	    dump->recovery)
		return;
	dump->recovery = recovery;
	if (queue) {
		dump->has_context = npu_dump_take_queue(dump, queue);
		npu_dump_take_vm(dump, queue->vm);
	}
	queue_work(npu_release_wq, &npu->coredump.work);
}

/* ---- Writing it ----------------------------------------------------------------------------- */

static void npu_dump_print_incident(struct seq_buf *s, const struct npu_dump *dump)
{
	seq_buf_printf(s, "npu-coredump 1\n[incident]\n");
	seq_buf_printf(s, "reason %s\nrecovery %s\n", dump->reason, dump->recovery);
	seq_buf_printf(s, "time_us %lld\nmissed %u\n", ktime_to_us(dump->time), dump->missed);
	seq_buf_printf(s, "kernel %s\ndevice %s\n", init_utsname()->release,
		       dev_name(dump->npu->drm.dev));
}

static void npu_dump_print_device(struct seq_buf *s, const struct npu_dump *dump)
{
	const struct npu_caps *caps = &dump->npu->caps;
	unsigned int i;

	seq_buf_printf(s, "[device]\nversion %#x\nfeatures %#x\nisa %#x\nisa_features %#llx\n",
		       caps->version, caps->features, caps->isa, caps->isa_features);
	seq_buf_printf(s, "slots %u\ncores %u\nirqs %u\nva_bits %u\nbus_bits %u\nasids %u\n",
		       caps->slots, caps->cores, caps->irqs, caps->va_bits, caps->bus_bits,
		       caps->asids);
	seq_buf_printf(s, "macs_max_order %u\nbytes_max_order %u\nclock_khz %u\nreset_ms %u\n",
		       caps->macs_max_order, caps->bytes_max_order, caps->clock_khz,
		       caps->reset_ms);

	seq_buf_printf(s, "[registers]\n");
	for (i = 0; i < ARRAY_SIZE(npu_dump_regs); i++)
		seq_buf_printf(s, "%s 0x%08x\n", npu_dump_regs[i].name, dump->reg[i]);
	seq_buf_printf(s, "[slots]\n");
	for (i = 0; i < caps->slots; i++) {
		if (dump->slot_status[i])
			seq_buf_printf(s, "%u 0x%08x %#llx %u\n", i, dump->slot_status[i],
				       dump->slot_context[i], dump->slot_queue[i]);
	}
}

/* User space may have put anything into it. */
static void npu_dump_print_string(struct seq_buf *s, const char *string)
{
	char text[DRM_NPU_BO_LABEL_MAX * 4];
	int n;

	n = string_escape_mem(string, strlen(string), text, sizeof(text), ESCAPE_ANY | ESCAPE_NAP,
			      NULL);
	seq_buf_printf(s, " %.*s", min_t(int, n, sizeof(text)), text);
}

static void npu_dump_print_queue(struct seq_buf *s, const struct npu_dump *dump)
{
	const struct npu_queue *queue = dump->queue;

	seq_buf_printf(s, "[queue]\nid %u\npid %d\ncomm", queue->id, queue->pid);
	npu_dump_print_string(s, queue->comm);
	seq_buf_printf(s, "\npriority %u\nasid %u\nstate %#x\nemitted %llu\ncompleted %llu\n",
		       queue->priority, queue->vm->pt.asid, dump->state, dump->emitted,
		       dump->completed);
}

static void npu_dump_print_context(struct seq_buf *s, const struct npu_context *c)
{
	seq_buf_printf(s, "[context]\nring_base %#llx\nreport_base %#llx\npage_table %#llx\n",
		       le64_to_cpu(c->ring_base), le64_to_cpu(c->report_base),
		       le64_to_cpu(c->page_table));
	seq_buf_printf(s, "asid %u\nring_order %u\npriority %u\nqueue %u\nwrite_index %llu\n",
		       le32_to_cpu(c->asid), le32_to_cpu(c->ring_order), le32_to_cpu(c->priority),
		       le32_to_cpu(c->queue), le64_to_cpu(c->write_index));
	seq_buf_printf(s, "sequence %llu\nread_index %llu\nstarted %llu\nprogress %llu\n",
		       le64_to_cpu(c->sequence), le64_to_cpu(c->read_index),
		       le64_to_cpu(c->started), le64_to_cpu(c->progress));
	seq_buf_printf(s, "jobs %llu\ncycles %llu\nmacs %llu\nbytes %llu\nresume_offset %#llx\n",
		       le64_to_cpu(c->jobs), le64_to_cpu(c->cycles), le64_to_cpu(c->macs),
		       le64_to_cpu(c->bytes), le64_to_cpu(c->resume_offset));
}

static void npu_dump_print_fault(struct seq_buf *s, const struct npu_dump *dump)
{
	const struct npu_context *c = &dump->context;

	seq_buf_printf(s, "[fault]\njob %llu\ncommand %#llx\n", dump->guilty, dump->command);
	seq_buf_printf(s, "status %u\ndetail %u\naccess %u\n", le32_to_cpu(c->fault_status),
		       le32_to_cpu(c->fault_detail), le32_to_cpu(c->fault_access));
	seq_buf_printf(s, "sequence %llu\nva %#llx\noffset %#llx\n",
		       le64_to_cpu(c->fault_sequence), le64_to_cpu(c->fault_va),
		       le64_to_cpu(c->fault_offset));
}

static void npu_dump_print_ring(struct seq_buf *s, const struct npu_dump *dump)
{
	const struct npu_job_desc *job;
	u64 n;

	seq_buf_printf(s, "[ring]\n");
	for (n = dump->completed; n < dump->emitted && n - dump->completed < NPU_RING_JOBS; n++) {
		job = &dump->ring[n % NPU_RING_JOBS];
		seq_buf_printf(s, "%llu %#llx %u %#llx %u %#x\n", le64_to_cpu(job->sequence),
			       le64_to_cpu(job->stream_va), le32_to_cpu(job->stream_size),
			       le64_to_cpu(job->bases_va), le32_to_cpu(job->bases),
			       le32_to_cpu(job->flags));
	}
}

static void npu_dump_print_label(struct seq_buf *s, const struct npu_dump_mapping *mapping)
{
	struct npu_bo *bo;

	if (!mapping->bo) {
		seq_buf_printf(s, " (user memory)");
		return;
	}
	bo = to_npu_bo(mapping->bo);
	guard(mutex)(&to_npu_device(mapping->bo->dev)->objects.lock);

	if (drm_gem_is_imported(mapping->bo))
		seq_buf_printf(s, " (imported)");
	if (bo->label)
		npu_dump_print_string(s, bo->label);
}

static void npu_dump_print_vm(struct seq_buf *s, const struct npu_dump *dump)
{
	const struct npu_dump_mapping *mapping;
	unsigned int i;

	seq_buf_printf(s, "[vm]\n");
	for (i = 0; i < dump->mappings; i++) {
		mapping = &dump->mapping[i];
		seq_buf_printf(s, "%#llx %#llx %#llx %s", mapping->va, mapping->size,
			       mapping->offset, mapping->readonly ? "r" : "rw");
		npu_dump_print_label(s, mapping);
		seq_buf_printf(s, "\n");
	}
	if (dump->vm_busy)
		seq_buf_printf(s, "busy\n");
	if (dump->more)
		seq_buf_printf(s, "more %u\n", dump->more);
}

static void npu_dump_print_bytes(struct seq_buf *s, const char *name,
				 const struct npu_dump_bytes *bytes, const u8 *data)
{
	u32 at, n;

	seq_buf_printf(s, "[%s]\nva %#llx\nsize %u\n", name, bytes->va, bytes->size);
	for (at = 0; at < bytes->got; at += n) {
		n = min(bytes->got - at, (u32)NPU_DUMP_LINE);
		seq_buf_printf(s, "%x: %*phN\n", bytes->offset + at, (int)n, data + at);
	}
}

static size_t npu_dump_text_size(const struct npu_dump *dump)
{
	u32 bytes = dump->bases.got + dump->stream.got;

	return NPU_DUMP_BASE_SIZE + dump->mappings * NPU_DUMP_MAPPING_SIZE +
	       (bytes / NPU_DUMP_LINE + 2) * NPU_DUMP_LINE_SIZE;
}

static void npu_dump_print(struct seq_buf *s, const struct npu_dump *dump)
{
	npu_dump_print_incident(s, dump);
	npu_dump_print_device(s, dump);
	if (dump->queue)
		npu_dump_print_queue(s, dump);
	if (dump->has_context) {
		npu_dump_print_fault(s, dump);
		npu_dump_print_context(s, &dump->context);
		npu_dump_print_ring(s, dump);
		npu_dump_print_vm(s, dump);
		npu_dump_print_bytes(s, "bases", &dump->bases, dump->bases_data);
		npu_dump_print_bytes(s, "stream", &dump->stream, dump->stream_data);
	}
	seq_buf_printf(s, "[end]\n");
}

/* Is there one that nobody has read? The link to it is the only trace of that. */
static bool npu_coredump_is_unread(struct npu_device *npu)
{
	struct kernfs_node *link = sysfs_get_dirent(npu->drm.dev->kobj.sd, "devcoredump");

	sysfs_put(link);
	return link;
}

static void npu_coredump_publish(struct npu_device *npu, struct npu_dump *dump)
{
	size_t size = npu_dump_text_size(dump);
	struct seq_buf s;
	char *text;

	text = npu_coredump_is_unread(npu) ? NULL : vmalloc(size);
	if (!text) {
		atomic_inc(&npu->coredump.missed);
		return;
	}
	dump->missed = atomic_xchg(&npu->coredump.missed, 0);
	seq_buf_init(&s, text, size);
	npu_dump_print(&s, dump);
	/* Takes the text over; it outlives the driver, for which nothing else is there. */
	dev_coredumpv(npu->drm.dev, text, seq_buf_used(&s), GFP_KERNEL);
}

static void npu_coredump_drop(struct npu_device *npu)
{
	struct npu_dump *dump = npu->coredump.dump;

	while (dump->mappings)
		drm_gem_object_put(dump->mapping[--dump->mappings].bo);
	if (dump->queue)
		npu_queue_put(dump->queue);
	WRITE_ONCE(dump->queue, NULL);
}

static void npu_coredump_work(struct work_struct *work)
{
	struct npu_device *npu = container_of(work, struct npu_device, coredump.work);

	npu_coredump_publish(npu, npu->coredump.dump);
	npu_coredump_drop(npu);
	/* Pairs with npu_coredump_begin(). */
	smp_store_release(&npu->coredump.busy, false);
}

static void npu_coredump_free(struct drm_device *drm, void *dump)
{
	kvfree(dump);
}

/**
 * npu_coredump_init() - get memory for what cannot wait
 * @npu: device
 *
 * Without it, there are no dumps.
 */
void npu_coredump_init(struct npu_device *npu)
{
	struct npu_dump *dump = kvzalloc(sizeof(*dump), GFP_KERNEL);

	INIT_WORK(&npu->coredump.work, npu_coredump_work);
	if (dump && !drmm_add_action_or_reset(&npu->drm, npu_coredump_free, dump))
		npu->coredump.dump = dump;
}

/**
 * npu_coredump_fini() - wait for what is being written, forget what is not complete
 * @npu: device on which nothing happens any more
 */
void npu_coredump_fini(struct npu_device *npu)
{
	flush_work(&npu->coredump.work);
	if (npu->coredump.busy)
		npu_coredump_drop(npu);
}
