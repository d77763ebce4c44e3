/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NPU_CLIENT_H_
#define _NPU_CLIENT_H_

#include <linux/kref.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/**
 * struct npu_client - who pays for buffers: one open() of the accel node
 * @ref: the file, and each buffer that it created
 * @lock: protects what follows
 * @bytes: of buffers
 * @buffers: how many
 * @vms: address spaces with an id
 * @queues: queues with an id
 */
struct npu_client {
	struct kref ref;
	spinlock_t lock; /* what is charged */
	u64 bytes;
	u32 buffers;
	u32 vms;
	u32 queues;
};

struct npu_client *npu_client_create(void);
void npu_client_put(struct npu_client *client);
int npu_client_charge(struct npu_client *client, u64 bytes);
void npu_client_uncharge(struct npu_client *client, u64 bytes);

int npu_client_take_vm(struct npu_client *client);
void npu_client_give_vm(struct npu_client *client);
int npu_client_take_queue(struct npu_client *client);
void npu_client_give_queue(struct npu_client *client);

#endif /* _NPU_CLIENT_H_ */
