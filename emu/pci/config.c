// SPDX-License-Identifier: MIT
#include <linux/pci_regs.h>
#include <string.h>

#include "config.h"

/* Where the capabilities are. */
enum { AT_PM = 0x40, AT_MSI = 0x50, AT_EXPRESS = 0x70 };

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)value);
	put16(at + 2, (uint16_t)(value >> 16));
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static void init_header(struct config *config)
{
	uint8_t *v = config->value, *w = config->writable;

	put16(v + PCI_VENDOR_ID, CONFIG_VENDOR);
	put16(v + PCI_DEVICE_ID, CONFIG_DEVICE);
	put16(v + PCI_STATUS, PCI_STATUS_CAP_LIST);
	put32(v + PCI_CLASS_REVISION, CONFIG_CLASS << 8 | 1);
	put16(v + PCI_SUBSYSTEM_VENDOR_ID, CONFIG_VENDOR);
	put16(v + PCI_SUBSYSTEM_ID, CONFIG_DEVICE);
	v[PCI_CAPABILITY_LIST] = AT_PM;
	put16(w + PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
			       PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	w[PCI_CACHE_LINE_SIZE] = 0xff;
	w[PCI_INTERRUPT_LINE] = 0xff;
}

static void init_bars(struct config *config, const struct config_options *options)
{
	unsigned int i;
	uint8_t *at;

	for (i = 0; i < 6; i += 2) {
		if (!options->bar[i])
			continue;
		at = config->value + PCI_BASE_ADDRESS_0 + 4 * i;
		put32(at, PCI_BASE_ADDRESS_MEM_TYPE_64);
		at = config->writable + PCI_BASE_ADDRESS_0 + 4 * i;
		put32(at, (uint32_t)-options->bar[i]);
		put32(at + 4, (uint32_t)(-options->bar[i] >> 32));
	}
}

static void init_power(struct config *config)
{
	uint8_t *v = config->value + AT_PM;

	v[PCI_CAP_LIST_ID] = PCI_CAP_ID_PM;
	v[PCI_CAP_LIST_NEXT] = AT_MSI;
	put16(v + PCI_PM_PMC, 3);
	/* The registers keep their values in D3. */
	put16(v + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	put16(config->writable + AT_PM + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
}

static void init_msi(struct config *config, uint32_t vectors)
{
	uint8_t *v = config->value + AT_MSI, *w = config->writable + AT_MSI;
	unsigned int order = 0;

	while (1u << order < vectors)
		order++;
	v[PCI_CAP_LIST_ID] = PCI_CAP_ID_MSI;
	v[PCI_CAP_LIST_NEXT] = AT_EXPRESS;
	put16(v + PCI_MSI_FLAGS, (uint16_t)(PCI_MSI_FLAGS_64BIT | order << 1));
	put16(w + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	put32(w + PCI_MSI_ADDRESS_LO, ~3u);
	put32(w + PCI_MSI_ADDRESS_HI, ~0u);
	put16(w + PCI_MSI_DATA_64, 0xffff);
}

static void init_msix(struct config *config, uint32_t vectors)
{
	uint8_t *v = config->value + AT_MSI;

	v[PCI_CAP_LIST_ID] = PCI_CAP_ID_MSIX;
	v[PCI_CAP_LIST_NEXT] = AT_EXPRESS;
	put16(v + PCI_MSIX_FLAGS, (uint16_t)(vectors - 1));
	put32(v + PCI_MSIX_TABLE, CONFIG_MSIX_BAR);
	put32(v + PCI_MSIX_PBA, CONFIG_MSIX_PENDING | CONFIG_MSIX_BAR);
	put16(config->writable + AT_MSI + PCI_MSIX_FLAGS,
	      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

static void init_express(struct config *config)
{
	uint8_t *v = config->value + AT_EXPRESS, *w = config->writable + AT_EXPRESS;

	v[PCI_CAP_LIST_ID] = PCI_CAP_ID_EXP;
	put16(v + PCI_EXP_FLAGS, PCI_EXP_TYPE_ENDPOINT << 4 | 2);
	put32(v + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR);
	put32(v + PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4);
	put16(v + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1);
	/* Its top bit starts a reset and reads as 0. */
	put16(w + PCI_EXP_DEVCTL, 0x7fff);
	put16(w + PCI_EXP_LNKCTL, PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_CCC);
}

void config_init(struct config *config, const struct config_options *options)
{
	memset(config, 0, sizeof(*config));
	init_header(config);
	init_bars(config, options);
	init_power(config);
	if (options->msi)
		init_msi(config, options->vectors);
	else
		init_msix(config, options->vectors);
	init_express(config);
}

void config_read(const struct config *config, uint64_t offset, void *data, uint32_t count)
{
	memcpy(data, config->value + offset, count);
}

/* The byte of a write that goes to @at, if one does. */
static const uint8_t *byte_at(uint64_t offset, const uint8_t *data, uint32_t count, uint64_t at)
{
	return at >= offset && at - offset < count ? &data[at - offset] : NULL;
}

enum config_event config_write(struct config *config, uint64_t offset, const void *data,
			       uint32_t count)
{
	const uint8_t *byte = data, *high;
	uint64_t i;

	for (i = offset; i < offset + count; i++, byte++)
		config->value[i] = (uint8_t)((config->value[i] & ~config->writable[i]) |
					     (*byte & config->writable[i]));

	high = byte_at(offset, data, count, AT_EXPRESS + PCI_EXP_DEVCTL + 1);
	if (high && *high & (PCI_EXP_DEVCTL_BCR_FLR >> 8))
		return CONFIG_FLR;
	return byte_at(offset, data, count, AT_PM + PCI_PM_CTRL) ? CONFIG_POWER : CONFIG_NOTHING;
}

bool config_is_on(const struct config *config)
{
	return !(get16(config->value + AT_PM + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK);
}

bool config_is_master(const struct config *config)
{
	return get16(config->value + PCI_COMMAND) & PCI_COMMAND_MASTER;
}
