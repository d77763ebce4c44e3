// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "client.h"

void *client_begin(struct vfu_message *m, uint16_t command, size_t size)
{
	static uint16_t id;

	memset(m->data, 0, size);
	id++;
	m->header = (struct vfu_header){
		.id = id, .command = command,
		.size = (uint32_t)(sizeof(m->header) + size),
	};
	m->fds = 0;
	return m->data;
}

int client_call(int socket, struct vfu_message *m)
{
	struct vfu_header sent = m->header;

	if (vfu_send(socket, m) || vfu_receive(socket, m) || m->header.id != sent.id ||
	    m->header.command != sent.command || (m->header.flags & VFU_TYPE) != VFU_REPLY)
		return -EIO;
	return m->header.flags & VFU_ERROR ? -(int)m->header.error : 0;
}

int client_version(int socket)
{
	static const char text[] = "{\"capabilities\":{}}";
	static struct vfu_message m;
	struct vfu_version *v = client_begin(&m, VFU_VERSION, sizeof(*v) + sizeof(text));

	memcpy(v->text, text, sizeof(text));
	return client_call(socket, &m);
}

int client_read(int socket, uint32_t region, uint64_t offset, void *data, uint32_t count)
{
	static struct vfu_message m;
	struct vfu_access *a = client_begin(&m, VFU_REGION_READ, sizeof(*a));
	int ret;

	a->region = region;
	a->offset = offset;
	a->count = count;
	ret = client_call(socket, &m);
	if (!ret && vfu_data_size(&m) != sizeof(*a) + count)
		ret = -EIO;
	if (!ret)
		memcpy(data, a->data, count);
	return ret;
}

int client_write(int socket, uint32_t region, uint64_t offset, const void *data, uint32_t count)
{
	static struct vfu_message m;
	struct vfu_access *a = client_begin(&m, VFU_REGION_WRITE, sizeof(*a) + count);

	a->region = region;
	a->offset = offset;
	a->count = count;
	memcpy(a->data, data, count);
	return client_call(socket, &m);
}

uint32_t client_read32(int socket, uint32_t region, uint64_t offset)
{
	uint32_t value = 0xdeadbeef;

	client_read(socket, region, offset, &value, sizeof(value));
	return value;
}

int client_write32(int socket, uint32_t region, uint64_t offset, uint32_t value)
{
	return client_write(socket, region, offset, &value, sizeof(value));
}

int client_map(int socket, uint64_t addr, uint64_t size, int fd, uint64_t offset, uint32_t flags)
{
	static struct vfu_message m;
	struct vfu_map *map = client_begin(&m, VFU_DMA_MAP, sizeof(*map));

	*map = (struct vfu_map){
		.argsz = sizeof(*map), .flags = flags, .offset = offset, .addr = addr, .size = size,
	};
	if (fd >= 0)
		m.fd[m.fds++] = fd;
	return client_call(socket, &m);
}

int client_unmap(int socket, uint64_t addr, uint64_t size)
{
	static struct vfu_message m;
	struct vfu_unmap *unmap = client_begin(&m, VFU_DMA_UNMAP, sizeof(*unmap));

	*unmap = (struct vfu_unmap){ .argsz = sizeof(*unmap), .addr = addr, .size = size };
	return client_call(socket, &m);
}

int client_irq(int socket, uint32_t index, uint32_t vector, int fd)
{
	static struct vfu_message m;
	struct vfu_irq_set *set = client_begin(&m, VFU_SET_IRQS, sizeof(*set));

	*set = (struct vfu_irq_set){
		.argsz = sizeof(*set), .flags = VFU_IRQ_DATA_EVENTFD | VFU_IRQ_TRIGGER,
		.index = index, .start = vector, .count = 1,
	};
	if (fd >= 0)
		m.fd[m.fds++] = fd;
	return client_call(socket, &m);
}
