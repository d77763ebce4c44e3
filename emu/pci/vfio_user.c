// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfio_user.h"

#define CONTROL_SIZE	CMSG_SPACE(VFU_MAX_FDS * sizeof(int))

/* ---- Transport ------------------------------------------------------------------- */

void vfu_close_fds(struct vfu_message *m)
{
	while (m->fds) {
		if (m->fd[--m->fds] >= 0)
			close(m->fd[m->fds]);
	}
}

static void take_fds(struct vfu_message *m, struct msghdr *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		m->fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(m->fd, CMSG_DATA(c), m->fds * sizeof(int));
	}
}

/* Bytes and descriptors, as many as there are. Returns how many bytes, 0 at the end. */
static ssize_t receive_some(int socket, struct vfu_message *m, void *data, size_t size)
{
	char control[CONTROL_SIZE] __attribute__((aligned(8)));
	struct iovec iov = { data, size };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	ssize_t n;

	do
		n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (m->fds && CMSG_FIRSTHDR(&msg))
		vfu_close_fds(m);	/* of one message there is one set */
	take_fds(m, &msg);
	if (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC))
		return -EPROTO;
	return n;
}

/* Returns 0, 1 at the end, or negative errno. */
static int receive_all(int socket, struct vfu_message *m, size_t have, size_t size)
{
	uint8_t *data = (uint8_t *)m;
	ssize_t n;

	while (have < size) {
		n = receive_some(socket, m, data + have, size - have);
		if (n <= 0)
			return n ? (int)n : have ? -EPROTO : 1;
		have += (size_t)n;
	}
	return 0;
}

static bool is_packet_socket(int socket)
{
	int type = SOCK_STREAM;
	socklen_t size = sizeof(type);

	getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size);
	return type == SOCK_SEQPACKET;
}

static int receive_packet(int socket, struct vfu_message *m)
{
	ssize_t n = receive_some(socket, m, m, offsetof(struct vfu_message, fd));

	if (n <= 0)
		return n ? (int)n : 1;
	return (size_t)n < sizeof(m->header) || (size_t)n != m->header.size ? -EPROTO : 0;
}

static int receive_stream(int socket, struct vfu_message *m)
{
	int ret = receive_all(socket, m, 0, sizeof(m->header));

	if (ret)
		return ret;
	if (m->header.size < sizeof(m->header) || vfu_data_size(m) > sizeof(m->data))
		return -EPROTO;
	return receive_all(socket, m, sizeof(m->header), m->header.size);
}

int vfu_receive(int socket, struct vfu_message *m)
{
	int ret;

	_Static_assert(offsetof(struct vfu_message, data) == sizeof(struct vfu_header),
		       "header and data are sent in one piece");
	m->fds = 0;
	ret = is_packet_socket(socket) ? receive_packet(socket, m) : receive_stream(socket, m);
	if (ret)
		vfu_close_fds(m);
	return ret;
}

int vfu_send(int socket, const struct vfu_message *m)
{
	char control[CONTROL_SIZE] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { (void *)m, m->header.size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	if (m->fds) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(m->fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(m->fds * sizeof(int));
		memcpy(CMSG_DATA(c), m->fd, m->fds * sizeof(int));
	}
	while (iov.iov_len) {
		n = sendmsg(socket, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		iov.iov_base = (uint8_t *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		msg.msg_controllen = 0;
	}
	return 0;
}

/* ---- Requests -------------------------------------------------------------------- */

/* The reply carries the first @size bytes of the data. */
static int reply_size(struct vfu_message *m, size_t size)
{
	m->header.size = (uint32_t)(sizeof(m->header) + size);
	return 0;
}

static int handle_version(struct vfu_message *m)
{
	static const char text[] =
		"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":65536}}";
	struct vfu_version *version = (void *)m->data;

	_Static_assert(VFU_MAX_DATA == 65536 && VFU_MAX_FDS == 16, "as the text says");
	if (vfu_data_size(m) < sizeof(*version) || version->major != 0)
		return -EINVAL;
	version->minor = 0;
	memcpy(version->text, text, sizeof(text));
	return reply_size(m, sizeof(*version) + sizeof(text));
}

static int handle_map(const struct vfu_device *dev, struct vfu_message *m)
{
	struct vfu_map *map = (void *)m->data;
	uint64_t end;

	if (vfu_data_size(m) < sizeof(*map) || !map->size ||
	    __builtin_add_overflow(map->addr, map->size - 1, &end) ||
	    map->flags & ~(VFU_MAP_READ | VFU_MAP_WRITE))
		return -EINVAL;
	/* ROMs, for example, have no file. */
	return dev->ops->map(dev->priv, map, m->fds ? m->fd[0] : -1) ?: reply_size(m, 0);
}

static int handle_unmap(const struct vfu_device *dev, struct vfu_message *m)
{
	struct vfu_unmap *unmap = (void *)m->data;
	uint64_t addr = 0, size = UINT64_MAX;

	if (vfu_data_size(m) < sizeof(*unmap) || unmap->flags & ~VFU_UNMAP_ALL)
		return -EINVAL;
	if (!(unmap->flags & VFU_UNMAP_ALL)) {
		addr = unmap->addr;
		size = unmap->size;
	} else if (unmap->addr || unmap->size) {
		return -EINVAL;
	}
	return dev->ops->unmap(dev->priv, addr, size) ?: reply_size(m, sizeof(*unmap));
}

static int handle_info(struct vfu_message *m)
{
	struct vfu_info *info = (void *)m->data;

	if (vfu_data_size(m) < sizeof(*info) || info->argsz < sizeof(*info))
		return -EINVAL;
	*info = (struct vfu_info){
		.argsz = sizeof(*info), .flags = VFU_INFO_RESET | VFU_INFO_PCI,
		.regions = VFU_REGIONS, .irqs = VFU_IRQS,
	};
	return reply_size(m, sizeof(*info));
}

static int handle_region_info(const struct vfu_device *dev, struct vfu_message *m)
{
	struct vfu_region_info *info = (void *)m->data;
	uint32_t index;

	if (vfu_data_size(m) < sizeof(*info) || info->argsz < sizeof(*info) ||
	    info->index >= VFU_REGIONS)
		return -EINVAL;
	index = info->index;
	*info = (struct vfu_region_info){
		.argsz = sizeof(*info), .index = index, .size = dev->region[index],
		.flags = dev->region[index] ? VFU_REGION_R | VFU_REGION_W : 0,
	};
	return reply_size(m, sizeof(*info));
}

static int handle_irq_info(const struct vfu_device *dev, struct vfu_message *m)
{
	struct vfu_irq_info *info = (void *)m->data;

	if (vfu_data_size(m) < sizeof(*info) || info->argsz < sizeof(*info) ||
	    info->index >= VFU_IRQS)
		return -EINVAL;
	info->argsz = sizeof(*info);
	info->count = dev->irqs[info->index];
	info->flags = info->count ? VFU_IRQ_EVENTFD | VFU_IRQ_NORESIZE : 0;
	return reply_size(m, sizeof(*info));
}

static int set_eventfds(const struct vfu_device *dev, struct vfu_message *m,
			const struct vfu_irq_set *set)
{
	uint32_t i;

	/* None at all takes away those that are there. */
	if (m->fds && m->fds != set->count)
		return -EINVAL;
	for (i = 0; i < set->count; i++) {
		dev->ops->irq(dev->priv, set->index, set->start + i, m->fds ? m->fd[i] : -1);
		if (m->fds)
			m->fd[i] = -1;
	}
	return 0;
}

static int handle_set_irqs(const struct vfu_device *dev, struct vfu_message *m)
{
	struct vfu_irq_set set;
	uint32_t i, end;

	if (vfu_data_size(m) < sizeof(set))
		return -EINVAL;
	memcpy(&set, m->data, sizeof(set));
	if (set.index >= VFU_IRQS || __builtin_add_overflow(set.start, set.count, &end) ||
	    end > dev->irqs[set.index] || !(set.flags & VFU_IRQ_TRIGGER))
		return -EINVAL;

	reply_size(m, 0);
	switch (set.flags & ~VFU_IRQ_TRIGGER) {
	case VFU_IRQ_DATA_EVENTFD:
		return set_eventfds(dev, m, &set);
	case VFU_IRQ_DATA_NONE:
		/* No vector at all: the whole kind is switched off. */
		for (i = 0; !set.count && i < dev->irqs[set.index]; i++)
			dev->ops->irq(dev->priv, set.index, i, -1);
		for (i = set.start; i < end; i++)
			dev->ops->trigger(dev->priv, set.index, i);
		return 0;
	default:
		return -EINVAL;
	}
}

/* Is this an access that lies in its region? */
static bool access_exists(const struct vfu_device *dev, const struct vfu_message *m)
{
	const struct vfu_access *a = (const void *)m->data;

	return vfu_data_size(m) >= sizeof(*a) && a->region < VFU_REGIONS &&
	       a->count && a->count <= VFU_MAX_DATA && a->count <= dev->region[a->region] &&
	       a->offset <= dev->region[a->region] - a->count;
}

static int handle_read(const struct vfu_device *dev, struct vfu_message *m)
{
	struct vfu_access *a = (void *)m->data;

	if (!access_exists(dev, m))
		return -EINVAL;
	return dev->ops->read(dev->priv, a->region, a->offset, a->data, a->count) ?:
	       reply_size(m, sizeof(*a) + a->count);
}

static int handle_write(const struct vfu_device *dev, struct vfu_message *m)
{
	struct vfu_access *a = (void *)m->data;

	if (!access_exists(dev, m) || vfu_data_size(m) - sizeof(*a) != a->count)
		return -EINVAL;
	return dev->ops->write(dev->priv, a->region, a->offset, a->data, a->count) ?:
	       reply_size(m, sizeof(*a));
}

static int handle_reset(const struct vfu_device *dev, struct vfu_message *m)
{
	dev->ops->reset(dev->priv);
	return reply_size(m, 0);
}

static int handle(const struct vfu_device *dev, struct vfu_message *m)
{
	switch (m->header.command) {
	case VFU_VERSION:
		return handle_version(m);
	case VFU_DMA_MAP:
		return handle_map(dev, m);
	case VFU_DMA_UNMAP:
		return handle_unmap(dev, m);
	case VFU_GET_INFO:
		return handle_info(m);
	case VFU_GET_REGION_INFO:
		return handle_region_info(dev, m);
	case VFU_GET_IRQ_INFO:
		return handle_irq_info(dev, m);
	case VFU_SET_IRQS:
		return handle_set_irqs(dev, m);
	case VFU_REGION_READ:
		return handle_read(dev, m);
	case VFU_REGION_WRITE:
		return handle_write(dev, m);
	case VFU_RESET:
		return handle_reset(dev, m);
	default:
		return -EOPNOTSUPP;
	}
}

bool vfu_handle(const struct vfu_device *dev, struct vfu_message *m)
{
	uint32_t flags = m->header.flags;
	int ret = flags & VFU_TYPE ? -EINVAL : handle(dev, m);

	vfu_close_fds(m);
	m->header.flags = VFU_REPLY;
	m->header.error = 0;
	if (ret) {
		reply_size(m, 0);
		m->header.flags |= VFU_ERROR;
		m->header.error = (uint32_t)-ret;
	}
	/* Never answer an answer. */
	return !(flags & (VFU_TYPE | VFU_NO_REPLY));
}
