/* SPDX-License-Identifier: MIT */
/* Damage to a program in a file that its checksum does not show: see lib/container.c. */
#ifndef CONTAINER_H
#define CONTAINER_H

#include <stdint.h>
#include <string.h>

#define CONTAINER_BEHIND	12	/* the checksum is of what follows these bytes */

/* Makes the checksum right, of what looks like a program. */
static inline void mend_checksum(unsigned char *data, size_t size)
{
	uint32_t crc = ~0u;
	unsigned int bit;
	size_t i;

	if (size < CONTAINER_BEHIND || memcmp(data, "NPUP", 4))
		return;
	for (i = CONTAINER_BEHIND; i < size; i++) {
		crc ^= data[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	crc = ~crc;
	memcpy(data + 8, &crc, sizeof(crc));
}

#endif /* CONTAINER_H */
