/* SPDX-License-Identifier: MIT */
/*
 * vfio-user: a PCI device in a process of its own. The client (QEMU) sends what
 * the VFIO ioctls say as messages over a UNIX socket; this is the server's side,
 * for any device. The server sends nothing by itself: it reaches the client's
 * memory by mapping it and interrupts by eventfds.
 *
 * Everything that comes from the client is checked here: a device sees regions,
 * vectors and lengths that exist.
 */
#ifndef _VFIO_USER_H_
#define _VFIO_USER_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VFU_MAX_DATA	65536u	/* of one access */
#define VFU_MAX_FDS	16u

enum vfu_command {
	VFU_VERSION = 1,
	VFU_DMA_MAP = 2,
	VFU_DMA_UNMAP = 3,
	VFU_GET_INFO = 4,
	VFU_GET_REGION_INFO = 5,
	VFU_GET_REGION_IO_FDS = 6,
	VFU_GET_IRQ_INFO = 7,
	VFU_SET_IRQS = 8,
	VFU_REGION_READ = 9,
	VFU_REGION_WRITE = 10,
	VFU_DMA_READ = 11,
	VFU_DMA_WRITE = 12,
	VFU_RESET = 13,
};

#define VFU_TYPE	0xfu	/* flags: 0 = a request */
#define VFU_REPLY	0x1u
#define VFU_NO_REPLY	0x10u
#define VFU_ERROR	0x20u

struct vfu_header {
	uint16_t id;
	uint16_t command;
	uint32_t size;		/* with this header */
	uint32_t flags;
	uint32_t error;		/* errno, with VFU_ERROR */
};

/* What all but the header of a message is, by command. */

struct vfu_version {
	uint16_t major;
	uint16_t minor;
	char text[];		/* JSON */
};

#define VFU_MAP_READ	(1u << 0)
#define VFU_MAP_WRITE	(1u << 1)

struct vfu_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset;	/* in the file that comes along */
	uint64_t addr;
	uint64_t size;
};

#define VFU_UNMAP_ALL	(1u << 1)

struct vfu_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t addr;
	uint64_t size;
};

#define VFU_INFO_RESET	(1u << 0)
#define VFU_INFO_PCI	(1u << 1)

struct vfu_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t regions;
	uint32_t irqs;
};

#define VFU_REGION_R	(1u << 0)
#define VFU_REGION_W	(1u << 1)

struct vfu_region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t cap_offset;
	uint64_t size;
	uint64_t offset;
};

#define VFU_IRQ_EVENTFD	(1u << 0)
#define VFU_IRQ_NORESIZE (1u << 3)

struct vfu_irq_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};

#define VFU_IRQ_DATA_NONE	(1u << 0)
#define VFU_IRQ_DATA_BOOL	(1u << 1)
#define VFU_IRQ_DATA_EVENTFD	(1u << 2)
#define VFU_IRQ_MASK		(1u << 3)
#define VFU_IRQ_UNMASK		(1u << 4)
#define VFU_IRQ_TRIGGER		(1u << 5)

struct vfu_irq_set {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
};

struct vfu_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint8_t data[];
};

/* Regions and interrupts of a PCI device. */
enum { VFU_BAR0 = 0, VFU_CONFIG = 7, VFU_REGIONS = 9 };
enum { VFU_INTX, VFU_MSI, VFU_MSIX, VFU_ERR, VFU_REQ, VFU_IRQS };

/**
 * struct vfu_message - one message with its file descriptors
 * @header: as sent
 * @data: what follows it, @header.size - sizeof(@header) bytes
 * @fd: descriptors; whoever takes one sets it to -1
 * @fds: how many came along
 */
struct vfu_message {
	struct vfu_header header;
	_Alignas(8) uint8_t data[VFU_MAX_DATA + 64];
	int fd[VFU_MAX_FDS];
	unsigned int fds;
};

static inline size_t vfu_data_size(const struct vfu_message *m)
{
	return m->header.size - sizeof(m->header);
}

/**
 * vfu_receive() - read a message
 * @socket: a stream, from which it is cut, or one that keeps messages apart
 * @m: out: the message; vfu_close_fds() ends what came along
 *
 * Return: 0; 1: the other side has closed; negative errno, -EPROTO for what
 * cannot be a message: nothing more can be read then.
 */
int vfu_receive(int socket, struct vfu_message *m);
int vfu_send(int socket, const struct vfu_message *m);
void vfu_close_fds(struct vfu_message *m);

/**
 * struct vfu_ops - the device; all called by vfu_handle()
 * @read: fill @data
 * @write: take @data
 * @map: DMA may reach @map->addr now; @fd is the caller's. -1: memory that could be
 *       reached by messages only, which nobody here sends
 * @unmap: no DMA to the range any more, from the return on
 * @irq: signal vector @vector by @fd from now on, -1 = not at all; takes @fd
 * @trigger: signal it once
 * @reset: as after power-on
 */
struct vfu_ops {
	int (*read)(void *priv, unsigned int region, uint64_t offset, void *data, uint32_t count);
	int (*write)(void *priv, unsigned int region, uint64_t offset, const void *data,
		     uint32_t count);
	int (*map)(void *priv, const struct vfu_map *map, int fd);
	int (*unmap)(void *priv, uint64_t addr, uint64_t size);
	void (*irq)(void *priv, unsigned int index, unsigned int vector, int fd);
	void (*trigger)(void *priv, unsigned int index, unsigned int vector);
	void (*reset)(void *priv);
};

/**
 * struct vfu_device - what the client sees
 * @ops: of the device
 * @priv: their first argument
 * @region: size of each, 0 = not there
 * @irqs: vectors of each kind
 */
struct vfu_device {
	const struct vfu_ops *ops;
	void *priv;
	uint64_t region[VFU_REGIONS];
	uint32_t irqs[VFU_IRQS];
};

/**
 * vfu_handle() - do what a message says
 * @dev: device
 * @m: in: request; out: reply
 *
 * Return: true if the reply has to be sent.
 */
bool vfu_handle(const struct vfu_device *dev, struct vfu_message *m);

#endif /* _VFIO_USER_H_ */
