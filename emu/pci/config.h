/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space of an endpoint: header, power management, MSI or MSI-X,
 * PCI Express with function-level reset. The client's bus does the rest: it gives
 * addresses to BARs and keeps the MSI-X table.
 */
#ifndef _CONFIG_H_
#define _CONFIG_H_

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_SIZE	4096u

/* Not registered: QEMU uses the vendor number for devices of its own. */
#define CONFIG_VENDOR	0x1234u
#define CONFIG_DEVICE	0x4e50u
#define CONFIG_CLASS	0x120000u	/* processing accelerator */

/* Where the MSI-X table and its pending bits are. */
#define CONFIG_MSIX_BAR		4u
#define CONFIG_MSIX_PENDING	0x800u

/**
 * struct config_options - what kind of endpoint
 * @bar: size of each 64-bit BAR, a power of two; 0 = none; those with odd numbers
 *       are the upper halves
 * @vectors: 1 to 32
 * @msi: MSI instead of MSI-X
 */
struct config_options {
	uint64_t bar[6];
	uint32_t vectors;
	bool msi;
};

/**
 * struct config - configuration space
 * @value: what is read
 * @writable: bits that a write changes
 */
struct config {
	uint8_t value[CONFIG_SIZE];
	uint8_t writable[CONFIG_SIZE];
};

void config_init(struct config *config, const struct config_options *options);
void config_read(const struct config *config, uint64_t offset, void *data, uint32_t count);

enum config_event {
	CONFIG_NOTHING,
	CONFIG_FLR,		/* function-level reset */
	CONFIG_POWER,		/* config_is_on() may have changed */
};

/**
 * config_write() - a write, which lies in the space
 * @config: configuration space
 * @offset: first byte
 * @data: bytes
 * @count: of them
 *
 * Return: what the device has to do now.
 */
enum config_event config_write(struct config *config, uint64_t offset, const void *data,
			       uint32_t count);

/* After a reset all but the identity is as after config_init(). */
bool config_is_on(const struct config *config);		/* power state D0 */
bool config_is_master(const struct config *config);	/* may do DMA and interrupts */

#endif /* _CONFIG_H_ */
