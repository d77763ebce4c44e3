// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Interrupts
 *
 * The device has interrupt numbers of its own, from an interrupt domain of its
 * own, so that request_irq(), masking and synchronize_irq() are the real ones.
 * The model raises a vector from any context; an irq_work delivers it in hard
 * interrupt context, as a message-signalled interrupt would come.
 */
#include <linux/irq.h>
#include <linux/irqdomain.h>

#include "emu.h"

static void emu_irq_deliver(struct irq_work *work)
{
	struct emu_vector *vector = container_of(work, struct emu_vector, work);

	generic_handle_domain_irq(vector->emu->domain, vector->index);
	if (READ_ONCE(vector->twice))
		generic_handle_domain_irq(vector->emu->domain, vector->index);
}

/**
 * emu_irq_raise() - raise a vector
 * @emu: device
 * @vector: index. Any context, one caller at a time.
 */
void emu_irq_raise(struct emu_device *emu, u32 vector)
{
	WRITE_ONCE(emu->vector[vector].twice, emu_luck_fails(&emu->irq_luck[EMU_IRQ_DOUBLE]));
	/* One that nobody asked for. */
	if (emu_luck_fails(&emu->irq_luck[EMU_IRQ_SPURIOUS]))
		irq_work_queue(&emu->vector[emu->config.irqs - 1].work);
	if (!emu_luck_fails(&emu->irq_luck[EMU_IRQ_LOST]))
		irq_work_queue(&emu->vector[vector].work);
}

/*
 * Masking and acknowledging need nothing: an edge that comes while the
 * interrupt is disabled stops in the flow handler, which remembers it.
 */
static void emu_irq_nop(struct irq_data *data)
{
}

/* And when it is enabled again, the interrupt core asks for it. */
static int emu_irq_retrigger(struct irq_data *data)
{
	struct emu_vector *vector = irq_data_get_irq_chip_data(data);

	irq_work_queue(&vector->work);
	return 1;
}

static struct irq_chip emu_irq_chip = {
	.name = "npu-emu",
	.irq_mask = emu_irq_nop,
	.irq_unmask = emu_irq_nop,
	.irq_ack = emu_irq_nop,
	.irq_retrigger = emu_irq_retrigger,
};

static int emu_irq_map(struct irq_domain *domain, unsigned int virq, irq_hw_number_t hwirq)
{
	struct emu_device *emu = domain->host_data;

	irq_set_chip_data(virq, &emu->vector[hwirq]);
	irq_set_chip_and_handler_name(virq, &emu_irq_chip, handle_edge_irq, "edge");
	irq_set_noprobe(virq);
	return 0;
}

static const struct irq_domain_ops emu_irq_domain_ops = {
	.map = emu_irq_map,
};

/**
 * emu_irq_init() - get interrupt numbers
 * @emu: device
 */
int emu_irq_init(struct emu_device *emu)
{
	struct emu_vector *vector;
	unsigned int i;

	emu->domain = irq_domain_create_linear(NULL, emu->config.irqs, &emu_irq_domain_ops, emu);
	if (!emu->domain)
		return -ENOMEM;

	for (i = 0; i < emu->config.irqs; i++) {
		vector = &emu->vector[i];
		vector->emu = emu;
		vector->index = i;
		vector->work = IRQ_WORK_INIT_HARD(emu_irq_deliver);
		vector->irq = irq_create_mapping(emu->domain, i);
		if (!vector->irq) {
			emu_irq_fini(emu);
			return -ENOMEM;
		}
	}
	return 0;
}

/**
 * emu_irq_fini() - give the interrupt numbers back
 * @emu: device that nobody uses any more
 */
void emu_irq_fini(struct emu_device *emu)
{
	unsigned int i;

	if (!emu->domain)
		return;
	for (i = 0; i < emu->config.irqs; i++) {
		irq_work_sync(&emu->vector[i].work);
		if (emu->vector[i].irq)
			irq_dispose_mapping(emu->vector[i].irq);
	}
	irq_domain_remove(emu->domain);
	emu->domain = NULL;
}
