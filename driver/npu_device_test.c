// SPDX-License-Identifier: GPL-2.0-only
/* Probing: what is refused, and that nothing is left of it then. */
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>

#include "npu_kunit.h"
#include "npu_vm.h"

struct device_cap {
	const char *name;
	u32 reg;
	u32 value;
	int error;
};

static const struct device_cap device_caps[] = {
	{ "gone", NPU_REG_ID, U32_MAX, -ENODEV },
	{ "other device", NPU_REG_ID, 0, -ENODEV },
	{ "version 0.9", NPU_REG_VERSION, 9, -ENODEV },
	{ "version 1.9", NPU_REG_VERSION, 1 << 16 | 9, 0 },
	{ "version 2.0", NPU_REG_VERSION, 2 << 16, -ENODEV },
	{ "new features", NPU_REG_FEATURES, U32_MAX, 0 },
	{ "no slots", NPU_REG_SLOTS, 0, -EIO },
	{ "1 slot", NPU_REG_SLOTS, 1, 0 },
	{ "most slots", NPU_REG_SLOTS, NPU_MAX_SLOTS, 0 },
	{ "too many slots", NPU_REG_SLOTS, NPU_MAX_SLOTS + 1, -EIO },
	{ "no cores", NPU_REG_CORES, 0, -EIO },
	{ "most cores", NPU_REG_CORES, NPU_MAX_CORES, 0 },
	{ "too many cores", NPU_REG_CORES, NPU_MAX_CORES + 1, -EIO },
	{ "no interrupts", NPU_REG_IRQS, 0, -EIO },
	{ "1 interrupt", NPU_REG_IRQS, 1, 0 },
	{ "too many interrupts", NPU_REG_IRQS, NPU_MAX_IRQS + 1, -EIO },
	{ "31 VA bits", NPU_REG_VA_BITS, 31, -EIO },
	{ "32 VA bits", NPU_REG_VA_BITS, 32, 0 },
	{ "49 VA bits", NPU_REG_VA_BITS, 49, -EIO },
	{ "31 bus bits", NPU_REG_BUS_BITS, 31, -EIO },
	{ "53 bus bits", NPU_REG_BUS_BITS, 53, -EIO },
	{ "no ASIDs", NPU_REG_ASID_BITS, 0, -EIO },
	{ "many ASIDs", NPU_REG_ASID_BITS, U32_MAX, 0 },
	{ "no pages", NPU_REG_PAGE_SIZES, BIT(21), -EIO },
	{ "no blocks", NPU_REG_PAGE_SIZES, BIT(12), -EIO },
	{ "more page sizes", NPU_REG_PAGE_SIZES, U32_MAX, 0 },
	{ "small rings", NPU_REG_RING_ORDER_MAX, 5, -EIO },
	{ "just large enough rings", NPU_REG_RING_ORDER_MAX, 6, 0 },
	{ "reset in a minute", NPU_REG_RESET_MS, 60000, 0 },
	{ "reset in an hour", NPU_REG_RESET_MS, 3600000, -EIO },
	{ "reset in ages", NPU_REG_RESET_MS, U32_MAX, -EIO },
};

static void device_cap_name(const struct device_cap *cap, char *name)
{
	strscpy(name, cap->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(device_cap, device_caps, device_cap_name);

/* The device is as it should be: the driver takes it, and gives it back. */
static void device_expect_probe(struct fake_npu *fake)
{
	KUNIT_EXPECT_EQ(fake->test, fake_probe(fake), 0);
	KUNIT_EXPECT_EQ(fake->test, fake_get(fake, NPU_REG_CONTROL), NPU_CONTROL_ENABLE);
	KUNIT_EXPECT_NE(fake->test, fake_get(fake, NPU_REG_EVENT_ORDER), 0);
	fake_remove(fake);
	KUNIT_EXPECT_EQ(fake->test, fake_get(fake, NPU_REG_CONTROL), 0);
	KUNIT_EXPECT_EQ(fake->test, fake_get(fake, NPU_REG_EVENT_ORDER), 0);
}

static int device_init(struct kunit *test)
{
	fake_create(test);
	return 0;
}

static void device_test_cap(struct kunit *test)
{
	const struct device_cap *cap = test->param_value;
	struct fake_npu *fake = test->priv;
	u32 good = fake_get(fake, cap->reg);

	fake_set(fake, cap->reg, cap->value);
	KUNIT_EXPECT_EQ(test, fake_probe(fake), cap->error);
	/* Nothing is written to what may be anything. */
	if (cap->error)
		KUNIT_EXPECT_EQ(test, fake->resets, 0);
	fake_remove(fake);
	fake_set(fake, cap->reg, good);
	device_expect_probe(fake);
}

static void device_test_again(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	unsigned int i;

	for (i = 0; i < 5; i++)
		device_expect_probe(fake);
}

static void device_test_gone(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	fake_set_gone(fake);
	KUNIT_EXPECT_EQ(test, fake_probe(fake), -ENODEV);
}

static void device_test_no_reset(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	fake_set(fake, NPU_REG_RESET_MS, 30);
	fake_hold(fake, FAKE_HOLD_RESET);
	KUNIT_EXPECT_EQ(test, fake_probe(fake), -EIO);
	KUNIT_EXPECT_EQ(test, fake_get(fake, NPU_REG_EVENT_ORDER), 0);
	fake_hold(fake, 0);
	fake_ack_reset(fake);
	device_expect_probe(fake);
}

static void device_test_no_irq(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	unsigned int i;
	int irq;

	for (i = 0; i < NPU_MAX_IRQS; i++) {
		irq = fake->bus.irq[i];
		fake->bus.irq[i] = INT_MAX;
		KUNIT_EXPECT_EQ(test, fake_probe(fake), -EINVAL);
		fake->bus.irq[i] = irq;
		device_expect_probe(fake);
	}
}

static irqreturn_t device_irq(int irq, void *data)
{
	return IRQ_NONE;
}

static void device_test_busy_irq(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	KUNIT_ASSERT_EQ(test, request_irq(fake->bus.irq[1], device_irq, 0, "test", fake), 0);
	KUNIT_EXPECT_EQ(test, fake_probe(fake), -EBUSY);
	/* One that the device does not use may be anybody's. */
	fake_set(fake, NPU_REG_IRQS, 1);
	device_expect_probe(fake);
	free_irq(fake->bus.irq[1], fake);
	fake_set(fake, NPU_REG_IRQS, NPU_MAX_IRQS);
	device_expect_probe(fake);
}

static void device_test_no_dma(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	fake->dev->dma_mask = NULL;
	KUNIT_EXPECT_EQ(test, fake_probe(fake), -EIO);
	fake->dev->dma_mask = &fake->dma_mask;
	device_expect_probe(fake);
}

static void device_test_dma_mask(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	fake_set(fake, NPU_REG_BUS_BITS, 40);
	KUNIT_ASSERT_EQ(test, fake_probe(fake), 0);
	KUNIT_EXPECT_EQ(test, fake->dma_mask, DMA_BIT_MASK(40));
	KUNIT_EXPECT_EQ(test, fake->dev->coherent_dma_mask, DMA_BIT_MASK(40));
}

/* Causes from before are still set, and the vector may come at any time. */
static void device_test_stale_irq(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	fake_cause(fake, NPU_IRQ_EVENT | NPU_IRQ_OVERFLOW | NPU_IRQ_FATAL);
	fake_set(fake, NPU_REG_EVENT_WRITE, 1234);
	KUNIT_ASSERT_EQ(test, fake_probe(fake), 0);
	fake_irq(fake, 0);
	fake_irq(fake, 1);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->npu->errors.bad_event), 0);
	KUNIT_EXPECT_EQ(test, fake->resets, 1);
}

static void device_test_last_asid(struct kunit *test)
{
	struct fake_npu *fake = test->priv;
	struct npu_vm *vm;

	/* Two ids, of which 0 is not used and the other has an address space. */
	fake_set(fake, NPU_REG_ASID_BITS, 1);
	KUNIT_ASSERT_EQ(test, fake_probe(fake), 0);
	vm = npu_vm_create(fake->npu);
	KUNIT_EXPECT_EQ(test, PTR_ERR(vm), -ENOSPC);
	npu_vm_put(fake->vm);
	fake->vm = npu_vm_create(fake->npu);
	KUNIT_EXPECT_FALSE(test, IS_ERR(fake->vm));
}

static void device_test_time(struct kunit *test)
{
	struct fake_npu *fake = test->priv;

	KUNIT_ASSERT_EQ(test, fake_probe(fake), 0);
	fake_set(fake, NPU_REG_TIME_LO, 0x89abcdef);
	fake_set(fake, NPU_REG_TIME_HI, 0x01234567);
	KUNIT_EXPECT_EQ(test, npu_device_time(fake->npu), 0x0123456789abcdef);
}

static struct kunit_case device_cases[] = {
	KUNIT_CASE_PARAM(device_test_cap, device_cap_gen_params),
	KUNIT_CASE(device_test_again),
	KUNIT_CASE(device_test_gone),
	KUNIT_CASE(device_test_no_reset),
	KUNIT_CASE(device_test_no_irq),
	KUNIT_CASE(device_test_busy_irq),
	KUNIT_CASE(device_test_no_dma),
	KUNIT_CASE(device_test_dma_mask),
	KUNIT_CASE(device_test_stale_irq),
	KUNIT_CASE(device_test_last_asid),
	KUNIT_CASE(device_test_time),
	{ }
};

static struct kunit_suite device_suite = {
	.name = "npu_device",
	.init = device_init,
	.exit = fake_exit,
	.test_cases = device_cases,
};

kunit_test_suites(&device_suite);
