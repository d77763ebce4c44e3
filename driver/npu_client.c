// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Limits of a client
 *
 * Each open() of the accel node is a client with limits, so that a program that runs wild
 * does not take all that the device or the machine has; who may open the node many times
 * may. Their defaults are module
 * parameters; a change holds for what is created after it, and 0 means as many as
 * there can be:
 *
 * ==================  ========  ===========================================
 * client_memory_mib   0         buffers; 0 is half of the machine's memory
 * client_buffers      65536     buffers
 * client_vms          1024      address spaces
 * client_queues       1024      queues
 * ==================  ========  ===========================================
 *
 * Memory and number of buffers are charged to the client that creates the buffer,
 * until the buffer is freed, whoever holds it then: -EDQUOT. Imported buffers are
 * the exporter's and cost nothing. Address spaces and queues count until their ids end:
 * -ENOSPC.
 *
 * Beside that, the memory cgroup of the creator pays for the pages of buffers, which
 * are allocated in its BO_CREATE, and for page tables, queues and jobs
 * (GFP_KERNEL_ACCOUNT). A buffer that goes over the limit of the cgroup is refused with
 * -ENOMEM; nobody is killed for it. What comes back after an eviction is charged to
 * who makes it come back (npu_reclaim.c).
 */
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "npu_client.h"

static uint client_memory_mib;
module_param(client_memory_mib, uint, 0644);
MODULE_PARM_DESC(client_memory_mib,
		 "MiB of buffers of one client (default 0: half of the machine's memory)");

static uint client_buffers = 65536;
module_param(client_buffers, uint, 0644);
MODULE_PARM_DESC(client_buffers, "buffers of one client (default 65536, 0: no limit)");

static uint client_vms = 1024;
module_param(client_vms, uint, 0644);
MODULE_PARM_DESC(client_vms, "address spaces of one client (default 1024, 0: no limit)");

static uint client_queues = 1024;
module_param(client_queues, uint, 0644);
MODULE_PARM_DESC(client_queues, "queues of one client (default 1024, 0: no limit)");

static u64 npu_client_max_bytes(void)
{
	u64 mib = READ_ONCE(client_memory_mib);

	return mib ? mib << 20 : (u64)totalram_pages() << PAGE_SHIFT >> 1;
}

/**
 * npu_client_create() - make a client with nothing charged to it
 *
 * Return: a reference, or NULL.
 */
struct npu_client *npu_client_create(void)
{
	struct npu_client *client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);

	if (client) {
		kref_init(&client->ref);
		spin_lock_init(&client->lock);
	}
	return client;
}

static void npu_client_free(struct kref *ref)
{
	kfree(container_of(ref, struct npu_client, ref));
}

void npu_client_put(struct npu_client *client)
{
	if (client)
		kref_put(&client->ref, npu_client_free);
}

/**
 * npu_client_charge() - account for a new buffer
 * @client: who creates it; gets a reference
 * @bytes: its size
 *
 * Return: 0 or -EDQUOT.
 */
int npu_client_charge(struct npu_client *client, u64 bytes)
{
	u64 max_bytes = npu_client_max_bytes();
	u32 max_buffers = READ_ONCE(client_buffers);

	guard(spinlock)(&client->lock);

	/* A limit that was lowered may be exceeded already. */
	if (bytes > max_bytes || client->bytes > max_bytes - bytes ||
	    (max_buffers && client->buffers >= max_buffers))
		return -EDQUOT;
	client->bytes += bytes;
	client->buffers++;
	kref_get(&client->ref);
	return 0;
}

/**
 * npu_client_uncharge() - counterpart of npu_client_charge()
 * @client: loses a reference
 * @bytes: as charged
 */
void npu_client_uncharge(struct npu_client *client, u64 bytes)
{
	scoped_guard(spinlock, &client->lock) {
		client->bytes -= bytes;
		client->buffers--;
	}
	npu_client_put(client);
}

static int npu_client_take(struct npu_client *client, u32 *count, u32 max)
{
	guard(spinlock)(&client->lock);

	if (max && *count >= max)
		return -ENOSPC;
	++*count;
	return 0;
}

static void npu_client_give(struct npu_client *client, u32 *count)
{
	guard(spinlock)(&client->lock);

	--*count;
}

/**
 * npu_client_take_vm() - account for a new address space
 * @client: who creates it
 *
 * Return: 0 or -ENOSPC.
 */
int npu_client_take_vm(struct npu_client *client)
{
	return npu_client_take(client, &client->vms, READ_ONCE(client_vms));
}

/**
 * npu_client_give_vm() - counterpart of npu_client_take_vm()
 * @client: likewise
 */
void npu_client_give_vm(struct npu_client *client)
{
	npu_client_give(client, &client->vms);
}

/**
 * npu_client_take_queue() - account for a new queue
 * @client: who creates it
 *
 * Return: 0 or -ENOSPC.
 */
int npu_client_take_queue(struct npu_client *client)
{
	return npu_client_take(client, &client->queues, READ_ONCE(client_queues));
}

/**
 * npu_client_give_queue() - counterpart of npu_client_take_queue()
 * @client: likewise
 */
void npu_client_give_queue(struct npu_client *client)
{
	npu_client_give(client, &client->queues);
}
