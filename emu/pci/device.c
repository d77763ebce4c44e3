// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "device.h"
#include "log.h"
#include "memory.h"
#include "trace.h"

enum { BAR_REGISTERS = 0, BAR_DOORBELLS = 2, MSIX_SPACE = 4096 };

#define MAX_VECTORS	2
#define AGAIN_NS	200000	/* after which a doubled interrupt comes again */

/**
 * struct npu_pci - one device
 * @options: as created
 * @trace: the model, and a recorder before it
 * @vfu: what the client sees
 * @config: configuration space; of the thread that answers
 * @memory: of the guest
 * @active: may do DMA and interrupts
 * @lock: the model's; protects what follows
 * @changed: something happened that a thread may wait for
 * @paused: no core computes; for a reset
 * @computing: cores inside npu_model_step(), and the timer inside npu_model_timer()
 * @stop: the threads are to end
 * @woken: cores that have work
 * @timer: when to call npu_model_timer(), 0 = not at all
 * @irq: eventfd of each vector, or -1
 * @irq_fault: of 1000 interrupts, to how many what happens
 * @again: vectors that are to be raised again
 * @again_at: when
 * @seed: state of the random numbers
 * @start: power-on, nanoseconds
 * @thread: of the cores, and behind them of the timer
 * @threads: how many run
 */
struct npu_pci {
	struct npu_pci_options options;
	struct trace trace;
	struct vfu_device vfu;
	struct config config;
	struct memory memory;
	bool active;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool paused;
	u32 computing;
	bool stop;
	u32 woken;
	u64 timer;
	int irq[MAX_VECTORS];
	u32 irq_fault[NPU_PCI_IRQ_FAULTS];
	u32 again;
	u64 again_at;
	unsigned int seed;
	u64 start;
	pthread_t thread[NPU_MAX_CORES + 1];
	u32 threads;
};

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

/* ---- What the model asks of its host --------------------------------------------- */

static void *host_map(void *host, u64 addr, u64 size, enum npu_access access, u64 *len)
{
	struct npu_pci *npu = host;
	void *ptr = NULL;
	uint64_t got = 0;

	if (__atomic_load_n(&npu->active, __ATOMIC_ACQUIRE))
		ptr = memory_borrow(&npu->memory, addr, size, access == NPU_ACCESS_WRITE, &got);
	*len = got;
	if (!ptr)
		log_text(LOG_ERROR, "bus error: no memory at %#llx", (unsigned long long)addr);
	return ptr;
}

static void host_unmap(void *host, void *ptr, u64 len)
{
	struct npu_pci *npu = host;

	memory_return(&npu->memory, ptr, len);
}

static void raise_irq(struct npu_pci *npu, u32 vector)
{
	const u64 one = 1;

	/* One that MSI has not granted. */
	if (npu->options.msi && npu->irq[vector] < 0)
		vector = 0;
	if (!__atomic_load_n(&npu->active, __ATOMIC_ACQUIRE) || npu->irq[vector] < 0)
		return;
	/* An eventfd that is full has been signalled. */
	if (write(npu->irq[vector], &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_text(LOG_ERROR, "cannot raise interrupt %u: %m", vector);
}

static bool irq_fails(struct npu_pci *npu, enum npu_pci_irq_fault fault)
{
	return npu->irq_fault[fault] && (u32)rand_r(&npu->seed) % 1000 < npu->irq_fault[fault];
}

/* Two at once would be one: an eventfd counts, but whoever reads it does not. */
static void raise_again(struct npu_pci *npu, u32 vector)
{
	npu->again |= 1u << vector;
	npu->again_at = now_ns() + AGAIN_NS;
	pthread_cond_broadcast(&npu->changed);
}

static void host_irq(void *host, u32 vector)
{
	struct npu_pci *npu = host;

	if (irq_fails(npu, NPU_PCI_IRQ_DOUBLE))
		raise_again(npu, vector);
	if (irq_fails(npu, NPU_PCI_IRQ_SPURIOUS))
		raise_irq(npu, npu->options.config.irqs - 1);
	if (!irq_fails(npu, NPU_PCI_IRQ_LOST))
		raise_irq(npu, vector);
}

static void host_wake(void *host, u32 core)
{
	struct npu_pci *npu = host;

	npu->woken |= 1u << core;
	pthread_cond_broadcast(&npu->changed);
}

static void host_timer(void *host, u64 ns)
{
	struct npu_pci *npu = host;

	npu->timer = now_ns() + ns;
	pthread_cond_broadcast(&npu->changed);
}

static u64 host_now(void *host)
{
	const struct npu_pci *npu = host;

	return now_ns() - __atomic_load_n(&npu->start, __ATOMIC_RELAXED);
}

static unsigned long host_lock(void *host)
{
	struct npu_pci *npu = host;

	pthread_mutex_lock(&npu->lock);
	return 0;
}

static void host_unlock(void *host, unsigned long flags)
{
	struct npu_pci *npu = host;

	(void)flags;
	pthread_mutex_unlock(&npu->lock);
}

static const struct npu_host_ops host_ops = {
	.map	= host_map,
	.unmap	= host_unmap,
	.irq	= host_irq,
	.wake	= host_wake,
	.timer	= host_timer,
	.now	= host_now,
	.lock	= host_lock,
	.unlock	= host_unlock,
};

/* ---- Threads --------------------------------------------------------------------- */

struct core_argument {
	struct npu_pci *npu;
	u32 core;
};

/* Between the two the model is at work, without the lock. */
static void work_begin(struct npu_pci *npu)
{
	npu->computing++;
	pthread_mutex_unlock(&npu->lock);
}

static void work_end(struct npu_pci *npu)
{
	pthread_mutex_lock(&npu->lock);
	npu->computing--;
	if (npu->paused)
		pthread_cond_broadcast(&npu->changed);
}

static bool core_has_nothing(const struct npu_pci *npu, u32 core, enum npu_step step)
{
	return npu->paused || (step == NPU_STEP_IDLE && !(npu->woken >> core & 1));
}

static void *core_thread(void *arg)
{
	struct core_argument a = *(struct core_argument *)arg;
	enum npu_step step = NPU_STEP_IDLE;
	struct npu_pci *npu = a.npu;

	free(arg);
	pthread_mutex_lock(&npu->lock);
	while (!npu->stop) {
		if (core_has_nothing(npu, a.core, step)) {
			pthread_cond_wait(&npu->changed, &npu->lock);
			continue;
		}
		npu->woken &= ~(1u << a.core);
		work_begin(npu);
		step = trace_step(&npu->trace, a.core);
		if (step == NPU_STEP_STALLED || step == NPU_STEP_RESTING)
			usleep(step == NPU_STEP_STALLED ? 1000 : 200);
		work_end(npu);
	}
	pthread_mutex_unlock(&npu->lock);
	return NULL;
}

static void timer_wait(struct npu_pci *npu)
{
	u64 until = npu->timer;
	struct timespec ts;

	if (npu->again && (!until || npu->again_at < until))
		until = npu->again_at;
	ts = (struct timespec){
		.tv_sec = (time_t)(until / 1000000000),
		.tv_nsec = (long)(until % 1000000000),
	};
	if (until)
		pthread_cond_clockwait(&npu->changed, &npu->lock, CLOCK_MONOTONIC, &ts);
	else
		pthread_cond_wait(&npu->changed, &npu->lock);
}

/* Interrupts that have been doubled, when it is time. */
static void irqs_again(struct npu_pci *npu)
{
	u32 vector;

	if (!npu->again || npu->again_at > now_ns())
		return;
	for (vector = 0; vector < MAX_VECTORS; vector++) {
		if (npu->again >> vector & 1)
			raise_irq(npu, vector);
	}
	npu->again = 0;
}

static void *timer_thread(void *arg)
{
	struct npu_pci *npu = arg;

	pthread_mutex_lock(&npu->lock);
	while (!npu->stop) {
		irqs_again(npu);
		if (npu->paused || !npu->timer || npu->timer > now_ns()) {
			timer_wait(npu);
			continue;
		}
		npu->timer = 0;
		work_begin(npu);
		trace_timer(&npu->trace);
		work_end(npu);
	}
	pthread_mutex_unlock(&npu->lock);
	return NULL;
}

static void threads_stop(struct npu_pci *npu)
{
	trace_leave(&npu->trace);
	pthread_mutex_lock(&npu->lock);
	npu->stop = true;
	pthread_cond_broadcast(&npu->changed);
	pthread_mutex_unlock(&npu->lock);
	while (npu->threads)
		pthread_join(npu->thread[--npu->threads], NULL);
}

static bool core_start(struct npu_pci *npu, u32 core)
{
	struct core_argument *a = malloc(sizeof(*a));

	if (!a)
		return false;
	*a = (struct core_argument){ npu, core };
	if (pthread_create(&npu->thread[npu->threads], NULL, core_thread, a)) {
		free(a);
		return false;
	}
	npu->threads++;
	return true;
}

static bool threads_start(struct npu_pci *npu)
{
	u32 i;

	for (i = 0; i < npu->options.config.cores; i++) {
		if (!core_start(npu, i))
			return false;
	}
	if (pthread_create(&npu->thread[npu->threads], NULL, timer_thread, npu))
		return false;
	npu->threads++;
	return true;
}

/* ---- What the client asks -------------------------------------------------------- */

static void update_active(struct npu_pci *npu)
{
	bool active = config_is_on(&npu->config) && config_is_master(&npu->config);

	__atomic_store_n(&npu->active, active, __ATOMIC_RELEASE);
}

static u64 round_up_pow2(u64 size)
{
	u64 pow2 = 4096;

	while (pow2 < size)
		pow2 *= 2;
	return pow2;
}

static void config_options(const struct npu_pci_options *from, struct config_options *to)
{
	*to = (struct config_options){ .vectors = from->config.irqs, .msi = from->msi };
	to->bar[BAR_REGISTERS] = round_up_pow2(NPU_REG_SPACE);
	to->bar[BAR_DOORBELLS] = round_up_pow2((u64)from->config.slots * NPU_DOORBELL_STRIDE);
	if (!from->msi)
		to->bar[CONFIG_MSIX_BAR] = MSIX_SPACE;
}

/* In the memory @mem; without the lock, while nothing computes. */
static void power_on(struct npu_pci *npu, void *mem)
{
	struct config_options options;

	pthread_mutex_lock(&npu->lock);
	npu->timer = 0;
	npu->woken = 0;
	npu->again = 0;
	memset(npu->irq_fault, 0, sizeof(npu->irq_fault));
	__atomic_store_n(&npu->start, now_ns(), __ATOMIC_RELAXED);
	pthread_mutex_unlock(&npu->lock);
	trace_power(&npu->trace, mem, &npu->options.config, &host_ops, npu);
	trace_inject(&npu->trace, NPU_INJECT_LIMIT, npu->options.memory_limit);
	config_options(&npu->options, &options);
	config_init(&npu->config, &options);
}

/* As after power-on, but for the memory and the eventfds, which are the client's. */
static void npu_pci_reset(void *priv)
{
	struct npu_pci *npu = priv;

	__atomic_store_n(&npu->active, false, __ATOMIC_RELEASE);
	trace_leave(&npu->trace);
	pthread_mutex_lock(&npu->lock);
	npu->paused = true;
	pthread_cond_broadcast(&npu->changed);
	while (npu->computing)
		pthread_cond_wait(&npu->changed, &npu->lock);
	pthread_mutex_unlock(&npu->lock);

	power_on(npu, npu->trace.model);
	pthread_mutex_lock(&npu->lock);
	npu->paused = false;
	pthread_cond_broadcast(&npu->changed);
	pthread_mutex_unlock(&npu->lock);
	log_text(LOG_INFO, "reset");
}

static u32 read_word(struct npu_pci *npu, unsigned int region, u64 offset)
{
	switch (region) {
	case BAR_REGISTERS:
		/* In D3 nobody answers. */
		return config_is_on(&npu->config) ?
		       trace_read(&npu->trace, (u32)offset) : ~0u;
	default:
		return 0;
	}
}

static void write_word(struct npu_pci *npu, unsigned int region, u64 offset, u32 value)
{
	if (!config_is_on(&npu->config))
		return;
	switch (region) {
	case BAR_REGISTERS:
		trace_write(&npu->trace, (u32)offset, value);
		break;
	case BAR_DOORBELLS:
		if (!(offset % NPU_DOORBELL_STRIDE))
			trace_doorbell(&npu->trace, (u32)(offset / NPU_DOORBELL_STRIDE), value);
		break;
	}
}

/* Registers have 32 bits: what is not made of such has no effect and reads as 0. */
static bool is_words(u64 offset, u32 count)
{
	return !(offset % 4) && !(count % 4);
}

static int npu_pci_read(void *priv, unsigned int region, uint64_t offset, void *data,
			uint32_t count)
{
	struct npu_pci *npu = priv;
	u32 i, value;

	if (region == VFU_CONFIG) {
		config_read(&npu->config, offset, data, count);
		return 0;
	}
	memset(data, 0, count);
	for (i = 0; is_words(offset, count) && i < count; i += 4) {
		value = read_word(npu, region, offset + i);
		memcpy((u8 *)data + i, &value, 4);
	}
	return 0;
}

static int npu_pci_write(void *priv, unsigned int region, uint64_t offset, const void *data,
			 uint32_t count)
{
	struct npu_pci *npu = priv;
	u32 i, value;

	if (region == VFU_CONFIG) {
		if (config_write(&npu->config, offset, data, count) == CONFIG_FLR)
			npu_pci_reset(npu);
		else
			update_active(npu);
		return 0;
	}
	for (i = 0; is_words(offset, count) && i < count; i += 4) {
		memcpy(&value, (const u8 *)data + i, 4);
		write_word(npu, region, offset + i, value);
	}
	return 0;
}

static int npu_pci_map(void *priv, const struct vfu_map *map, int fd)
{
	struct npu_pci *npu = priv;

	log_text(LOG_DEBUG, "memory at %#llx, %#llx bytes", (unsigned long long)map->addr,
		 (unsigned long long)map->size);
	if (fd < 0)
		return 0;
	return memory_add(&npu->memory, map->addr, map->size, fd, map->offset,
			  map->flags & VFU_MAP_WRITE);
}

static int npu_pci_unmap(void *priv, uint64_t addr, uint64_t size)
{
	struct npu_pci *npu = priv;

	return memory_remove(&npu->memory, addr, size);
}

static void npu_pci_set_irq(void *priv, unsigned int index, unsigned int vector, int fd)
{
	struct npu_pci *npu = priv;
	int old = fd;

	if (index != VFU_ERR) {
		pthread_mutex_lock(&npu->lock);
		old = npu->irq[vector];
		npu->irq[vector] = fd;
		pthread_mutex_unlock(&npu->lock);
	}
	if (old >= 0)
		close(old);
}

static void npu_pci_trigger(void *priv, unsigned int index, unsigned int vector)
{
	struct npu_pci *npu = priv;

	if (index == VFU_ERR)
		return;
	pthread_mutex_lock(&npu->lock);
	raise_irq(npu, vector);
	pthread_mutex_unlock(&npu->lock);
}

static const struct vfu_ops npu_pci_ops = {
	.read		= npu_pci_read,
	.write		= npu_pci_write,
	.map		= npu_pci_map,
	.unmap		= npu_pci_unmap,
	.irq		= npu_pci_set_irq,
	.trigger	= npu_pci_trigger,
	.reset		= npu_pci_reset,
};

static void vfu_init(struct vfu_device *vfu, const struct npu_pci_options *options)
{
	struct config_options c;
	unsigned int i;

	config_options(options, &c);
	for (i = 0; i < 6; i++)
		vfu->region[VFU_BAR0 + i] = c.bar[i];
	vfu->region[VFU_CONFIG] = CONFIG_SIZE;
	vfu->irqs[options->msi ? VFU_MSI : VFU_MSIX] = c.vectors;
	/* Asked for by QEMU, which would stop the guest at this interrupt: never raised. */
	vfu->irqs[VFU_ERR] = 1;
}

/* ---- Life ------------------------------------------------------------------------ */

static bool npu_pci_init(struct npu_pci *npu)
{
	size_t size = npu_model_size(&npu->options.config);
	void *mem;

	if (!size || npu->options.config.irqs > MAX_VECTORS)
		return false;
	mem = aligned_alloc(64, (size + 63) / 64 * 64);
	if (!mem || !trace_init(&npu->trace, npu->options.trace)) {
		free(mem);
		return false;
	}
	/* A line for each nanosecond would be too much of it. */
	npu->trace.grain = 1000;
	if (npu->options.kernels)
		npu->trace.kernels = npu->options.kernels;
	power_on(npu, mem);
	vfu_init(&npu->vfu, &npu->options);
	npu->vfu.ops = &npu_pci_ops;
	npu->vfu.priv = npu;
	return threads_start(npu);
}

struct npu_pci *npu_pci_create(const struct npu_pci_options *options)
{
	struct npu_pci *npu = calloc(1, sizeof(*npu));
	unsigned int i;

	if (!npu)
		return NULL;
	npu->options = *options;
	npu->seed = 1;
	memory_init(&npu->memory);
	pthread_mutex_init(&npu->lock, NULL);
	pthread_cond_init(&npu->changed, NULL);
	for (i = 0; i < MAX_VECTORS; i++)
		npu->irq[i] = -1;
	if (!npu_pci_init(npu)) {
		npu_pci_destroy(npu);
		return NULL;
	}
	return npu;
}

void npu_pci_destroy(struct npu_pci *npu)
{
	unsigned int i;

	if (npu->trace.model)
		threads_stop(npu);
	for (i = 0; i < MAX_VECTORS; i++) {
		if (npu->irq[i] >= 0)
			close(npu->irq[i]);
	}
	memory_fini(&npu->memory);
	if (npu->trace.model)
		trace_fini(&npu->trace);
	free(npu->trace.model);
	free(npu);
}

const struct vfu_device *npu_pci_vfu(const struct npu_pci *npu)
{
	return &npu->vfu;
}

struct npu_model *npu_pci_model(struct npu_pci *npu)
{
	return npu->trace.model;
}

bool npu_pci_inject(struct npu_pci *npu, enum npu_inject what, uint64_t arg)
{
	return trace_inject(&npu->trace, what, arg);
}

bool npu_pci_set_irq_fault(struct npu_pci *npu, enum npu_pci_irq_fault fault, uint64_t permille)
{
	if (permille > 1000)
		return false;
	pthread_mutex_lock(&npu->lock);
	npu->irq_fault[fault] = (u32)permille;
	pthread_mutex_unlock(&npu->lock);
	return true;
}

uint32_t npu_pci_get_irq_fault(struct npu_pci *npu, enum npu_pci_irq_fault fault)
{
	u32 permille;

	pthread_mutex_lock(&npu->lock);
	permille = npu->irq_fault[fault];
	pthread_mutex_unlock(&npu->lock);
	return permille;
}

/* ---- When it has gone ------------------------------------------------------------ */

static int gone_read(void *priv, unsigned int region, uint64_t offset, void *data, uint32_t count)
{
	(void)priv;
	(void)region;
	(void)offset;
	memset(data, 0xff, count);
	return 0;
}

static int gone_write(void *priv, unsigned int region, uint64_t offset, const void *data,
		      uint32_t count)
{
	(void)priv;
	(void)region;
	(void)offset;
	(void)data;
	(void)count;
	return 0;
}

static int gone_map(void *priv, const struct vfu_map *map, int fd)
{
	(void)priv;
	(void)map;
	(void)fd;
	return 0;
}

static int gone_unmap(void *priv, uint64_t addr, uint64_t size)
{
	(void)priv;
	(void)addr;
	(void)size;
	return 0;
}

static void gone_irq(void *priv, unsigned int index, unsigned int vector, int fd)
{
	(void)priv;
	(void)index;
	(void)vector;
	if (fd >= 0)
		close(fd);
}

static void gone_trigger(void *priv, unsigned int index, unsigned int vector)
{
	(void)priv;
	(void)index;
	(void)vector;
}

static void gone_reset(void *priv)
{
	(void)priv;
}

static const struct vfu_ops gone_ops = {
	.read		= gone_read,
	.write		= gone_write,
	.map		= gone_map,
	.unmap		= gone_unmap,
	.irq		= gone_irq,
	.trigger	= gone_trigger,
	.reset		= gone_reset,
};

void npu_pci_vfu_gone(const struct npu_pci_options *options, struct vfu_device *dev)
{
	*dev = (struct vfu_device){ .ops = &gone_ops };
	vfu_init(dev, options);
}
