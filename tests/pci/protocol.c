// SPDX-License-Identifier: MIT
/* Every message of the protocol, and malformed ones, against a device of a few lines. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/test.h"
#include "client.h"

#define BAR_SIZE	64u

static struct {
	uint8_t bar[BAR_SIZE];
	uint64_t mapped;
	int irq[2];
	unsigned int triggers;
	unsigned int resets;
} fake;

static int fake_read(void *priv, unsigned int region, uint64_t offset, void *data, uint32_t count)
{
	(void)priv;
	(void)region;
	memcpy(data, fake.bar + offset, count);
	return 0;
}

static int fake_write(void *priv, unsigned int region, uint64_t offset, const void *data,
		      uint32_t count)
{
	(void)priv;
	(void)region;
	memcpy(fake.bar + offset, data, count);
	return 0;
}

static int fake_map(void *priv, const struct vfu_map *map, int fd)
{
	(void)priv;
	if (fd >= 0)
		fake.mapped += map->size;
	return 0;
}

static int fake_unmap(void *priv, uint64_t addr, uint64_t size)
{
	(void)priv;
	(void)addr;
	fake.mapped -= size == UINT64_MAX ? fake.mapped : size;
	return 0;
}

static void fake_irq(void *priv, unsigned int index, unsigned int vector, int fd)
{
	(void)priv;
	(void)index;
	if (fake.irq[vector] >= 0)
		close(fake.irq[vector]);
	fake.irq[vector] = fd;
}

static void fake_trigger(void *priv, unsigned int index, unsigned int vector)
{
	(void)priv;
	(void)index;
	(void)vector;
	fake.triggers++;
}

static void fake_reset(void *priv)
{
	(void)priv;
	fake.resets++;
}

static const struct vfu_ops fake_ops = {
	.read = fake_read, .write = fake_write, .map = fake_map, .unmap = fake_unmap,
	.irq = fake_irq, .trigger = fake_trigger, .reset = fake_reset,
};

static const struct vfu_device device = {
	.ops = &fake_ops,
	.region = { [0] = BAR_SIZE },
	.irqs = { [VFU_MSIX] = 2 },
};

static void *serve(void *arg)
{
	static struct vfu_message m;
	int socket = *(int *)arg;

	while (!vfu_receive(socket, &m)) {
		if (vfu_handle(&device, &m) && vfu_send(socket, &m))
			break;
	}
	close(socket);
	return NULL;
}

static int server;
static pthread_t thread;

static int connect_server(int type)
{
	int s[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, s))
		abort();
	server = s[1];
	if (pthread_create(&thread, NULL, serve, &server))
		abort();
	return s[0];
}

static void disconnect(int socket)
{
	close(socket);
	pthread_join(thread, NULL);
}

static int open_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += dup2(fd, fd) == fd;
	return n;
}

static void test_messages(int s)
{
	struct vfu_message *m = calloc(1, sizeof(*m));
	struct vfu_region_info *region;
	struct vfu_irq_info *irq;
	struct vfu_info *info;
	uint32_t value = 0x12345678;

	test_eq(client_version(s), 0, "VERSION");
	info = client_begin(m, VFU_GET_INFO, sizeof(*info));
	info->argsz = sizeof(*info);
	test_eq(client_call(s, m), 0, "GET_INFO");
	test_ok(info->regions == VFU_REGIONS && info->irqs == VFU_IRQS &&
		info->flags == (VFU_INFO_RESET | VFU_INFO_PCI), "what it says");
	region = client_begin(m, VFU_GET_REGION_INFO, sizeof(*region));
	region->argsz = sizeof(*region);
	test_eq(client_call(s, m), 0, "GET_REGION_INFO");
	test_eq(region->size, BAR_SIZE, "size of a region");
	irq = client_begin(m, VFU_GET_IRQ_INFO, sizeof(*irq));
	irq->argsz = sizeof(*irq);
	irq->index = VFU_MSIX;
	test_eq(client_call(s, m), 0, "GET_IRQ_INFO");
	test_eq(irq->count, 2, "vectors");

	test_eq(client_write(s, 0, 60, &value, 4), 0, "REGION_WRITE at the end");
	test_eq(client_read32(s, 0, 60), value, "REGION_READ of the same");
	client_begin(m, VFU_RESET, 0);
	test_eq(client_call(s, m), 0, "RESET");
	test_eq(fake.resets, 1, "reset once");
	free(m);
}

static void test_memory_and_irqs(int s)
{
	int fds = open_fds(), fd = memfd_create("test", MFD_CLOEXEC), event = eventfd(0, EFD_CLOEXEC);

	test_eq(client_map(s, 0x1000, 0x2000, fd, 0, VFU_MAP_READ | VFU_MAP_WRITE), 0, "DMA_MAP");
	test_eq(fake.mapped, 0x2000, "it is mapped");
	test_eq(client_map(s, 0x9000, 0x1000, -1, 0, VFU_MAP_READ), 0, "DMA_MAP without a file");
	test_eq(client_unmap(s, 0x1000, 0x2000), 0, "DMA_UNMAP");
	test_eq(fake.mapped, 0, "it is not mapped");
	test_eq(client_irq(s, VFU_MSIX, 1, event), 0, "SET_IRQS with an eventfd");
	test_ok(fake.irq[1] >= 0 && fake.irq[0] < 0, "of that vector");
	test_eq(client_irq(s, VFU_MSIX, 1, -1), 0, "SET_IRQS without");
	test_ok(fake.irq[1] < 0, "none is left");
	close(fd);
	close(event);
	test_eq(open_fds(), fds, "no descriptor is left behind");
}

static int raw(int s, uint16_t command, const void *data, size_t size)
{
	static struct vfu_message m;

	memcpy(client_begin(&m, command, size), data, size);
	return client_call(s, &m);
}

#define RAW(s, command, ...) ({ __auto_type raw_data = __VA_ARGS__; \
	raw(s, command, &raw_data, sizeof(raw_data)); })

static void test_malformed(int s)
{
	uint8_t data[8] = { 0 };

	test_eq(client_read(s, 0, 61, data, 4), -EINVAL, "read over the end");
	test_eq(client_read(s, 0, UINT64_MAX - 1, data, 4), -EINVAL, "read at an overflow");
	test_eq(client_read(s, 1, 0, data, 4), -EINVAL, "read of no region");
	test_eq(client_read(s, VFU_REGIONS, 0, data, 4), -EINVAL, "read of an unknown region");
	test_eq(client_read(s, 0, 0, data, 0), -EINVAL, "read of nothing");
	test_eq(client_write(s, 0, 61, data, 4), -EINVAL, "write over the end");
	test_eq(RAW(s, VFU_REGION_WRITE, (struct vfu_access){ .count = 4 }), -EINVAL,
		"write without its data");
	test_eq(RAW(s, VFU_REGION_READ, 0), -EINVAL, "a short access");
	test_eq(RAW(s, VFU_VERSION, (struct vfu_version){ .major = 1 }), -EINVAL, "another version");
	test_eq(RAW(s, VFU_GET_INFO, (struct vfu_info){ .argsz = 4 }), -EINVAL, "a small argsz");
	test_eq(RAW(s, VFU_GET_REGION_INFO,
		    (struct vfu_region_info){ .argsz = 32, .index = VFU_REGIONS }), -EINVAL,
		"an unknown region");
	test_eq(RAW(s, VFU_GET_IRQ_INFO, (struct vfu_irq_info){ .argsz = 16, .index = VFU_IRQS }),
		-EINVAL, "an unknown kind of interrupt");
	test_eq(client_irq(s, VFU_MSIX, 2, -1), -EINVAL, "an unknown vector");
	test_eq(client_irq(s, VFU_MSI, 0, -1), -EINVAL, "a kind without vectors");
	test_eq(client_irq(s, VFU_MSIX, UINT32_MAX, -1), -EINVAL, "a vector that overflows");
	test_eq(client_map(s, 0, 0, 0, 0, 0), -EINVAL, "no memory");
	test_eq(client_map(s, UINT64_MAX, 2, 0, 0, 0), -EINVAL, "memory over the end");
	test_eq(client_map(s, 0, 4096, 0, 0, 8), -EINVAL, "an unknown flag of memory");
	test_eq(RAW(s, VFU_DMA_UNMAP, (struct vfu_unmap){ .flags = VFU_UNMAP_ALL, .size = 1 }),
		-EINVAL, "all memory and some memory");
	test_eq(RAW(s, VFU_DMA_READ, 0ull), -EOPNOTSUPP, "DMA_READ, which is the server's");
	test_eq(RAW(s, 99, 0ull), -EOPNOTSUPP, "an unknown command");
	test_eq(RAW(s, VFU_SET_IRQS, (struct vfu_irq_set){
			.flags = VFU_IRQ_TRIGGER | VFU_IRQ_DATA_NONE, .index = VFU_MSIX, .count = 2,
		}), 0, "SET_IRQS that triggers");
	test_eq(fake.triggers, 2, "both were triggered");
	test_eq(RAW(s, VFU_SET_IRQS, (struct vfu_irq_set){
			.flags = VFU_IRQ_MASK | VFU_IRQ_DATA_NONE, .index = VFU_MSIX, .count = 1,
		}), -EINVAL, "masking");
}

/* What can be no message ends the connection, and nothing else. */
static void test_broken(size_t size, const char *text)
{
	struct vfu_header header = { .command = VFU_GET_INFO, .size = (uint32_t)size };
	int s = connect_server(SOCK_STREAM);
	char byte;

	test_ok(send(s, &header, sizeof(header), 0) == sizeof(header) && recv(s, &byte, 1, 0) == 0,
		"%s ends the connection", text);
	disconnect(s);
}

/* Random requests never harm the server, and each gets its reply. */
static void test_random_messages(int s, unsigned int count)
{
	static struct vfu_message m;
	uint8_t *data;
	unsigned int i, answered = 0;
	size_t k, size;

	for (i = 0; i < count; i++) {
		size = (size_t)test_range(0, 64);
		data = client_begin(&m, (uint16_t)test_range(0, 15), size);
		for (k = 0; k < size; k++)
			data[k] = test_chance(70) ? 0 : (uint8_t)test_range(0, 80);
		if (m.header.command == VFU_SET_IRQS || test_chance(10))
			m.fd[m.fds++] = 0;
		answered += client_call(s, &m) != -EIO;
	}
	test_eq(answered, count, "%u random requests are answered", count);
}

int main(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	unsigned int i;
	int s;

	test_seed();
	fake.irq[0] = fake.irq[1] = -1;
	for (i = 0; i < 2; i++) {
		s = connect_server(types[i]);
		fake.resets = fake.triggers = 0;
		fake.mapped = 0;
		test_messages(s);
		test_memory_and_irqs(s);
		test_malformed(s);
		test_random_messages(s, 20000);
		disconnect(s);
	}
	test_broken(15, "a size smaller than the header");
	test_broken(1u << 30, "a size larger than any message");
	return test_done();
}
