// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"
#include "log.h"
#include "memory.h"
#include "room.h"
#include "supervisor.h"

#define MAX_WAITING	64	/* requests that the worker has; QEMU sends one at a time */
#define MAX_SAVED	(MEMORY_AREAS + 64)	/* pieces of memory and sets of interrupts */

/* The beginning of a message: all of one that is no large access. */
struct brief {
	struct vfu_header header;
	_Alignas(8) uint8_t data[64];
	int fd[VFU_MAX_FDS];
	unsigned int fds;
};

/**
 * struct supervisor - all of it
 * @options: as given
 * @gone: answers when there is no worker
 * @listener: where clients come from
 * @controller: where commands come from
 * @signals: SIGCHLD, SIGTERM, SIGINT
 * @client: its socket, or -1
 * @worker: socket of the worker, or -1
 * @commands: the worker's socket for commands
 * @pid: of the worker
 * @waiting: requests without a reply
 * @nwaiting: how many
 * @saved: memory and interrupts that the client has given
 * @nsaved: how many
 * @saved_room: for how many there is memory
 * @message: the one that is passed on
 */
struct supervisor {
	const struct supervisor_options *options;
	struct vfu_device gone;
	int listener;
	int controller;
	int signals;
	int client;
	int worker;
	int commands;
	pid_t pid;
	struct brief waiting[MAX_WAITING];
	unsigned int nwaiting;
	struct brief *saved;
	unsigned int nsaved;
	unsigned int saved_room;
	struct vfu_message message;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- Worker ---------------------------------------------------------------------- */

static int worker_run(const struct npu_pci_options *options, int socket, int commands)
{
	static struct vfu_message m;
	struct npu_pci *npu = npu_pci_create(options);
	int ret = 0;

	if (!npu || !control_start(npu, commands)) {
		log_text(LOG_ERROR, "cannot make the device");
		return EXIT_FAILURE;
	}
	while (!ret && !(ret = vfu_receive(socket, &m))) {
		if (vfu_handle(npu_pci_vfu(npu), &m))
			ret = vfu_send(socket, &m);
	}
	/* The threads of the device and of the commands end with the process. */
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void worker_child(struct supervisor *s, int socket, int commands)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_fd(&s->listener);
	close_fd(&s->controller);
	close_fd(&s->signals);
	close_fd(&s->client);
	_exit(worker_run(&s->options->device, socket, commands));
}

static void worker_replay(struct supervisor *s);

static bool worker_start(struct supervisor *s)
{
	int data[2] = { -1, -1 }, text[2] = { -1, -1 };

	s->pid = -1;
	if (!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, data) &&
	    !socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, text))
		s->pid = fork();
	if (s->pid < 0) {
		log_text(LOG_ERROR, "cannot start a worker: %m");
		s->pid = 0;
		close_fd(&data[0]);
		close_fd(&data[1]);
		close_fd(&text[0]);
		close_fd(&text[1]);
		return false;
	}
	if (!s->pid) {
		close(data[0]);
		close(text[0]);
		worker_child(s, data[1], text[1]);
	}
	close(data[1]);
	close(text[1]);
	s->worker = data[0];
	s->commands = text[0];
	log_text(LOG_INFO, "worker %d", s->pid);
	worker_replay(s);
	return true;
}

/* Its death is noticed by SIGCHLD. */
static void worker_kill(struct supervisor *s)
{
	if (s->pid > 0)
		kill(s->pid, SIGKILL);
}

/* ---- What is remembered ---------------------------------------------------------- */

static void brief_free(struct brief *b)
{
	while (b->fds)
		close_fd(&b->fd[--b->fds]);
}

/* Descriptors are taken along if @fds says so. */
static bool brief_make(struct brief *b, const struct vfu_message *m, bool fds)
{
	size_t size = vfu_data_size(m);
	unsigned int i;

	memset(b, 0, sizeof(*b));
	if (size > sizeof(b->data))
		size = sizeof(b->data);
	b->header = m->header;
	b->header.size = (uint32_t)(sizeof(b->header) + size);
	memcpy(b->data, m->data, size);
	for (i = 0; fds && i < m->fds; i++, b->fds++) {
		b->fd[i] = dup(m->fd[i]);
		if (b->fd[i] < 0) {
			brief_free(b);
			return false;
		}
	}
	return true;
}

static void brief_expand(const struct brief *b, struct vfu_message *m)
{
	memset(m, 0, offsetof(struct vfu_message, data) + sizeof(b->data));
	memcpy(m, b, b->header.size);
	memcpy(m->fd, b->fd, sizeof(m->fd));
	m->fds = b->fds;
}

static void forget(struct supervisor *s, unsigned int i)
{
	brief_free(&s->saved[i]);
	s->saved[i] = s->saved[--s->nsaved];
}

static bool is_within(const struct brief *map, const struct vfu_unmap *unmap)
{
	const struct vfu_map *m = (const void *)map->data;

	return map->header.command == VFU_DMA_MAP &&
	       (unmap->flags & VFU_UNMAP_ALL ||
		(m->addr >= unmap->addr && m->addr - unmap->addr < unmap->size));
}

static bool is_same_irqs(const struct brief *old, const struct vfu_irq_set *new)
{
	const struct vfu_irq_set *set = (const void *)old->data;

	return old->header.command == VFU_SET_IRQS && set->index == new->index &&
	       (!new->count || (set->start >= new->start &&
				set->start - new->start < new->count));
}

static bool room_for_saved(struct supervisor *s)
{
	return s->nsaved < MAX_SAVED &&
	       make_room((void **)&s->saved, &s->saved_room, s->nsaved, sizeof(*s->saved));
}

/* Memory and interrupts belong to the client, not to the worker. */
static void remember(struct supervisor *s, const struct vfu_message *m)
{
	const struct vfu_unmap *unmap = (const void *)m->data;
	const struct vfu_irq_set *set = (const void *)m->data;
	unsigned int i = 0;
	bool drop, keep = m->fds;

	if (m->header.command == VFU_SET_IRQS && vfu_data_size(m) >= sizeof(*set))
		keep = m->fds && set->flags & VFU_IRQ_DATA_EVENTFD;
	else if (m->header.command == VFU_DMA_UNMAP && vfu_data_size(m) >= sizeof(*unmap))
		keep = false;
	else if (m->header.command != VFU_DMA_MAP || vfu_data_size(m) < sizeof(struct vfu_map))
		return;

	while (i < s->nsaved) {
		drop = m->header.command == VFU_DMA_UNMAP ? is_within(&s->saved[i], unmap) :
		       m->header.command == VFU_SET_IRQS && is_same_irqs(&s->saved[i], set);
		if (drop)
			forget(s, i);
		else
			i++;
	}
	if (keep && room_for_saved(s) && brief_make(&s->saved[s->nsaved], m, true))
		s->nsaved++;
}

static void worker_replay(struct supervisor *s)
{
	unsigned int i;

	for (i = 0; i < s->nsaved; i++) {
		brief_expand(&s->saved[i], &s->message);
		s->message.header.flags = VFU_NO_REPLY;
		vfu_send(s->worker, &s->message);
	}
	s->message.fds = 0;
}

/* ---- Client ---------------------------------------------------------------------- */

static void client_drop(struct supervisor *s)
{
	log_text(LOG_INFO, "the client has gone");
	close_fd(&s->client);
	worker_kill(s);
	while (s->nsaved)
		forget(s, 0);
	s->nwaiting = 0;
}

static void client_reply(struct supervisor *s, const struct vfu_message *m)
{
	if (s->client >= 0 && vfu_send(s->client, m))
		client_drop(s);
}

/* What the worker did not answer any more. */
static void answer_for_worker(struct supervisor *s)
{
	unsigned int i, n = s->nwaiting;

	s->nwaiting = 0;
	for (i = 0; i < n; i++) {
		brief_expand(&s->waiting[i], &s->message);
		if (vfu_handle(&s->gone, &s->message))
			client_reply(s, &s->message);
	}
}

/* @flags: of waitpid() */
static void worker_died(struct supervisor *s, int flags)
{
	int status;

	if (s->pid <= 0 || waitpid(s->pid, &status, flags) != s->pid)
		return;
	s->pid = 0;
	close_fd(&s->worker);
	close_fd(&s->commands);
	if (s->client < 0)
		return;
	log_text(LOG_ERROR, "the worker has died, status %#x: the device has gone", status);
	answer_for_worker(s);
	if (s->options->restart)
		worker_start(s);
}

static void client_message(struct supervisor *s)
{
	struct vfu_message *m = &s->message;
	bool answered = m->header.flags & VFU_NO_REPLY;

	remember(s, m);
	if (s->worker < 0 || (!answered && s->nwaiting == MAX_WAITING)) {
		if (vfu_handle(&s->gone, m))
			client_reply(s, m);
		return;
	}
	if (!answered)
		brief_make(&s->waiting[s->nwaiting++], m, false);
	/* If that fails, the worker has died, and whoever reaps it answers. */
	vfu_send(s->worker, m);
	vfu_close_fds(m);
}

static void client_read(struct supervisor *s)
{
	int ret = vfu_receive(s->client, &s->message);

	if (!ret) {
		client_message(s);
		return;
	}
	if (ret < 0)
		log_text(LOG_ERROR, "client: %s", strerror(-ret));
	client_drop(s);
}

static void worker_read(struct supervisor *s)
{
	struct vfu_message *m = &s->message;
	unsigned int i;

	if (vfu_receive(s->worker, m)) {
		/* It is at its end; nobody is to see it half gone. */
		worker_kill(s);
		worker_died(s, 0);
		return;
	}
	for (i = 0; i < s->nwaiting && s->waiting[i].header.id != m->header.id; i++)
		;
	if (i < s->nwaiting) {
		s->waiting[i] = s->waiting[--s->nwaiting];
		client_reply(s, m);
	}
	vfu_close_fds(m);
}

static void client_accept(struct supervisor *s)
{
	s->client = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	if (s->client < 0)
		return;
	log_text(LOG_INFO, "a client has come");
	if (!worker_start(s))
		client_drop(s);
}

/* ---- Commands -------------------------------------------------------------------- */

static void command_line(struct supervisor *s, const char *line, char *answer, size_t size)
{
	ssize_t n;

	if (!strcmp(line, "kill")) {
		worker_kill(s);
		snprintf(answer, size, "ok\n");
	} else if (!strcmp(line, "restart")) {
		snprintf(answer, size, "%s\n", s->client < 0 ? "error: there is no client" :
			 s->pid > 0 ? "error: the device is there" :
			 worker_start(s) ? "ok" : "error: cannot start a worker");
	} else if (s->commands < 0) {
		snprintf(answer, size, "error: there is no device\n");
	} else {
		n = send(s->commands, line, strlen(line), MSG_NOSIGNAL);
		if (n > 0)
			n = recv(s->commands, answer, size - 1, 0);
		if (n > 0)
			answer[n] = 0;
		else
			snprintf(answer, size, "error: the device has gone\n");
	}
}

/* A line, an answer. Commands take no time: one connection after the other. */
static void command_accept(struct supervisor *s)
{
	struct timeval second = { .tv_sec = 1 };
	int fd = accept4(s->controller, NULL, NULL, SOCK_CLOEXEC);
	char line[256], answer[1024];
	ssize_t n;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	n = recv(fd, line, sizeof(line) - 1, 0);
	if (n > 0) {
		line[n] = 0;
		line[strcspn(line, "\n")] = 0;
		command_line(s, line, answer, sizeof(answer));
		send(fd, answer, strlen(answer), MSG_NOSIGNAL);
	}
	close(fd);
}

/* ---- Life ------------------------------------------------------------------------ */

static int listen_at(const char *path, const char *suffix)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s%s", path, suffix);

	if (n < 0 || (size_t)n >= sizeof(addr.sun_path)) {
		log_text(LOG_ERROR, "%s%s: the path is too long", path, suffix);
		close_fd(&fd);
		return -1;
	}
	unlink(addr.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 4)) {
		log_text(LOG_ERROR, "%s: %m", addr.sun_path);
		close_fd(&fd);
	}
	return fd;
}

static int watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Returns false if it is time to end. */
static bool signal_read(struct supervisor *s)
{
	struct signalfd_siginfo info;
	bool go = true;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info))
		go &= info.ssi_signo == SIGCHLD;
	worker_died(s, WNOHANG);
	return go;
}

static void serve(struct supervisor *s)
{
	bool go = true;

	while (go) {
		/* The next client waits until the last one's worker has ended. */
		struct pollfd fds[] = {
			{ .fd = s->signals, .events = POLLIN },
			{ .fd = s->client < 0 && !s->pid ? s->listener : -1, .events = POLLIN },
			{ .fd = s->client, .events = POLLIN },
			{ .fd = s->worker, .events = POLLIN },
			{ .fd = s->controller, .events = POLLIN },
		};

		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0)
			continue;
		/* Replies that a dead worker has sent come before those on its behalf. */
		if (fds[3].revents)
			worker_read(s);
		else if (fds[0].revents)
			go = signal_read(s);
		else if (fds[2].revents)
			client_read(s);
		else if (fds[1].revents)
			client_accept(s);
		else if (fds[4].revents)
			command_accept(s);
	}
}

static void unlink_at(const char *path, const char *suffix)
{
	char text[256];

	snprintf(text, sizeof(text), "%s%s", path, suffix);
	unlink(text);
}

/* Behind an IOMMU each page of the client's memory comes with a descriptor. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int supervisor_run(const struct supervisor_options *options)
{
	static struct supervisor s;

	s = (struct supervisor){ .options = options, .client = -1, .worker = -1, .commands = -1 };
	raise_limits();
	npu_pci_vfu_gone(&options->device, &s.gone);
	s.signals = watch_signals();
	s.listener = listen_at(options->path, "");
	s.controller = listen_at(options->path, ".control");
	if (s.signals < 0 || s.listener < 0 || s.controller < 0)
		return EXIT_FAILURE;
	log_text(LOG_INFO, "listening at %s", options->path);
	serve(&s);
	worker_kill(&s);
	unlink_at(options->path, "");
	unlink_at(options->path, ".control");
	return EXIT_SUCCESS;
}
