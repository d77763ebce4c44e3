// SPDX-License-Identifier: MIT
/*
 * Trouble at each access of each command to the host's memory: it does not
 * answer, or the driver does something right then, in the middle of a tile. The
 * queue ends as it must, and the device keeps nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "host.h"
#include "tap.h"

#define BASE_SIZE	65536u

static struct host *host;
static struct host_space *space;
static struct host_queue *queue;
static struct npu_base bases[3];

enum trouble {
	FAIL,		/* one access */
	DEAD,		/* all from then on */
	BAD_CONTEXT,	/* the same, with a context that is to be refused */
	UNBIND, STOP, RESET, CORE_RESET, FUNCTION_RESET, DOORBELL, GONE,
	UNBIND_FAIL,	/* the next access fails, too */
	RESET_DEAD,
	TROUBLES
};

static const char *const trouble_name[TROUBLES] = {
	"one fails", "all fail", "a bad context, all fail", "UNBIND", "STOP", "RESET", "core reset",
	"function reset", "doorbell", "the device goes", "UNBIND, one fails", "RESET, all fail",
};

static struct {
	enum trouble what;
	unsigned int count;
	unsigned int at;	/* which access */
	bool done;		/* it came to that */
} bus;

static void meddle(struct host *h)
{
	switch (bus.what) {
	case UNBIND:
	case UNBIND_FAIL:
		host_command(queue, NPU_SLOT_UNBIND);
		break;
	case STOP:
		host_command(queue, NPU_SLOT_STOP);
		break;
	case RESET:
	case RESET_DEAD:
		host_command(queue, NPU_SLOT_RESET);
		break;
	case CORE_RESET:
		host_set(h, NPU_REG_RESET, NPU_RESET_CORE(0));
		break;
	case FUNCTION_RESET:
		host_set(h, NPU_REG_RESET, NPU_RESET_FUNCTION);
		/* Nobody listens before the end of the tile. */
		host_set(h, NPU_REG_CONTROL, NPU_CONTROL_ENABLE);
		break;
	case DOORBELL:
		host_ring_doorbell(queue);
		break;
	case GONE:
		trace_inject(&h->trace, NPU_INJECT_GONE, 1);
		host_set(h, NPU_REG_CONTROL, 0);
		trace_timer(&h->trace);
		break;
	default:
		break;
	}
}

static bool unanswered(void)
{
	switch (bus.what) {
	case FAIL:
		return bus.count == bus.at;
	case DEAD:
	case BAD_CONTEXT:
		return bus.count >= bus.at;
	case UNBIND_FAIL:
		return bus.count == bus.at + 1;
	case RESET_DEAD:
		return bus.count > bus.at;
	default:
		return false;
	}
}

static void mapped(struct host *h, u64 addr, void *arg)
{
	(void)arg;
	/* What is locked the driver cannot interfere with. */
	if (++bus.count == bus.at && !pthread_mutex_trylock(&h->lock)) {
		pthread_mutex_unlock(&h->lock);
		meddle(h);
	}
	bus.done |= bus.count == bus.at;
	h->fail_bus = unanswered() ? addr : 0;
}

/* A device after a reset, with two jobs in one queue, one of them empty. */
static void start(u64 code, u32 size, u64 table)
{
	struct npu_context *c = queue->context;

	npu_model_inject(host->model, NPU_INJECT_GONE, 0);
	host_set(host, NPU_REG_RESET, NPU_RESET_FUNCTION);
	host_set(host, NPU_REG_CONTROL, NPU_CONTROL_ENABLE);
	c->ring_order = bus.what == BAD_CONTEXT ? 99 : queue->order;
	/* Some queues have no reports. */
	c->report_base = size % 16 ? queue->report_bus : 0;
	c->write_index = 0;
	memset(&c->sequence, 0, sizeof(*c) - offsetof(struct npu_context, sequence));
	queue->sequence = 0;
	host_push(queue, code, size, table, 3, 0);
	host_push(queue, 0, 0, 0, 0, 0);
	bus.count = 0;
	bus.done = false;
	host_bind(queue, 0);
	host_steps(host, 10000);
}

static bool good_end(void)
{
	const struct npu_context *c = queue->context;
	u32 state = host_state(queue), fault = c->fault_status;
	bool complete = state == NPU_SLOT_BOUND && host_done(queue) == 2 && !fault;
	bool aborted = fault == NPU_FAULT_ABORTED || (!fault && host_done(queue) <= 2);
	bool memory = fault == NPU_FAULT_BUS || fault == NPU_FAULT_WALK;

	if (bus.what == BAD_CONTEXT)
		return state == NPU_SLOT_EMPTY ||
		       (state == NPU_SLOT_HALTED && fault == NPU_FAULT_DESCRIPTOR);
	if (!bus.done)
		return complete;
	switch (bus.what) {
	case FAIL:
	case DEAD:		/* without an answer there is no fault in the context */
		return state == NPU_SLOT_EMPTY ? !fault : state == NPU_SLOT_HALTED && memory;
	case STOP:
	case RESET:
		return complete || (state == NPU_SLOT_EMPTY && aborted);
	case RESET_DEAD:
		return complete || state == NPU_SLOT_EMPTY || (state == NPU_SLOT_HALTED && memory);
	case UNBIND:
		return complete || (state == NPU_SLOT_EMPTY && !fault);
	case UNBIND_FAIL:
		return complete || (state == NPU_SLOT_EMPTY && (!fault || memory)) ||
		       (state == NPU_SLOT_HALTED && memory);
	case CORE_RESET:
		return complete || (state == NPU_SLOT_HALTED && aborted);
	case FUNCTION_RESET:
		return complete || (state == NPU_SLOT_EMPTY && !fault && !host_reg(host, NPU_REG_RESET) &&
				    !host_reg(host, NPU_REG_CONTROL));
	case GONE:
		return complete || state == ~0u;
	default:
		return complete;
	}
}

/* Returns how many accesses there are. */
static unsigned int all_accesses(enum trouble what, u64 code, u32 size, u64 table, bool *good)
{
	bus.what = what;
	bus.at = 0;
	do {
		bus.at++;
		start(code, size, table);
		if (good_end())
			continue;
		note("%s, access %u: state %u, fault %u, %u complete", trouble_name[what], bus.at,
		     host_state(queue), queue->context->fault_status, (u32)host_done(queue));
		*good = false;
	} while (bus.done);
	return bus.at - 1;
}

/* Weights that begin on one page and end on the next, in order or across. */
static void spread(void *cmd)
{
	struct npu_cmd_matmul *matmul = cmd;
	struct npu_cmd_conv *conv = cmd;
	u64 size = matmul->b.type == NPU_TYPE_S16 ? 2 : 1;

	if (conv->cmd.opcode == NPU_OP_CONV2D)
		conv->weight.offset = HOST_PAGE - 3;
	if (matmul->cmd.opcode == NPU_OP_MATMUL) {
		matmul->b.offset = HOST_PAGE - 3 * size;
		matmul->b.stride[1] = size;
		matmul->b.stride[2] = 5 * size;
	}
}

int main(void)
{
	struct npu_stream_header header = { .magic = NPU_ISA_MAGIC, .major = NPU_ISA_MAJOR };
	unsigned char stream[sizeof(header) + NPU_ISA_MAX_CMD_SIZE];
	unsigned int which, i, n;
	u64 code, table;
	size_t size;
	bool good;
	void *cmd;

	host = host_new(NULL);
	space = host_space_new(host, 1);
	queue = host_queue_new(space, 1, 1, 4);
	for (i = 0; i < 3; i++)
		bases[i] = (struct npu_base) {
			.va = host_alloc(space, BASE_SIZE, HOST_RW), .size = BASE_SIZE,
			.flags = i == 2 ? NPU_BASE_WRITE : 0,
		};
	/* The header of the command is on one page, the rest on the next. */
	code = host_alloc(space, 2 * HOST_PAGE, HOST_R) + HOST_PAGE - sizeof(header) -
	       sizeof(struct npu_cmd);
	table = host_alloc(space, HOST_PAGE, HOST_R);
	host_write(space, table, bases, sizeof(bases));
	host->mapped = mapped;
	for (which = 0; which < COMMANDS; which++) {
		cmd = make_command(which, &size);
		spread(cmd);
		header.size = (u32)(sizeof(header) + size);
		memcpy(stream, &header, sizeof(header));
		memcpy(stream + sizeof(header), cmd, size);
		host_write(space, code, stream, header.size);
		good = true;
		for (i = 0, n = 0; i < TROUBLES; i++)
			n += all_accesses(i, code, header.size, table, &good);
		ok(good && n > 100, "opcode 0x%02x: %u times trouble at an access",
		   ((struct npu_cmd *)cmd)->opcode, n);
	}
	host->mapped = NULL;
	host->fail_bus = 0;
	npu_model_inject(host->model, NPU_INJECT_GONE, 0);
	host_queue_free(queue);
	host_space_free(space);
	ok(!host_free(host), "the device model gave all memory back");
	return tap_done();
}
