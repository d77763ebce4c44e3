/* SPDX-License-Identifier: MIT */
#ifndef NPUCTL_H
#define NPUCTL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <npu.h>

/* Exit codes; the manual page and usage() have them as well. */
enum exit_code {
	EXIT_OK		= 0,
	EXIT_RUN	= 1,	/* a job or a system call failed */
	EXIT_USAGE	= 2,
	EXIT_NO_DEVICE	= 3,
	EXIT_PERMISSION	= 4,
	EXIT_MODEL	= 5,	/* model or dump is damaged or not supported */
	EXIT_INPUT	= 6,	/* a file or a value does not fit */
};

/**
 * struct options - command line
 * @device: --device, NULL = default
 * @json: --json
 * @profile: --profile
 * @check: --check
 * @output: --output
 * @numerics: --numerics
 * @batch_size: --batch-size, 0 = as the model has it
 * @signature: --signature, or NULL
 * @macs_order: --macs-order, 0 = the largest
 * @bytes_order: --bytes-order, 0 = the largest
 * @stream: --stream
 * @repeat: --repeat
 * @top: --top
 * @once: --once
 * @interval_ms: --interval
 * @raw: --raw
 * @labels: --labels
 * @batch: --batch
 * @expect: --expect
 * @priority: --priority
 * @socket: --socket
 * @trace: --trace
 * @only: --only
 * @slot: --slot, -1 = all
 * @from: --from
 * @to: --to
 * @replay: --replay
 * @args: what is no option
 * @nargs: entries of @args
 */
struct options {
	const char *device;
	bool json;
	bool profile;
	bool check;
	const char *output;
	uint32_t numerics;
	unsigned long batch_size;
	const char *signature;
	unsigned long macs_order;
	unsigned long bytes_order;
	bool stream;
	unsigned long repeat;
	unsigned long top;
	bool once;
	unsigned long interval_ms;
	const char *raw;
	const char *labels;
	const char *batch;
	const char *expect;
	enum drm_npu_priority priority;
	const char *socket;
	const char *trace;
	const char *only;
	int slot;
	uint64_t from;
	uint64_t to;
	bool replay;
	char **args;
	int nargs;
};

/** tensor_name() - for people: that of the signature, if there is one */
static inline const char *tensor_name(const struct npu_tensor_info *info)
{
	return info->key ? info->key : info->name;
}

/** fail() - "npuctl: text" to stderr, "error" in JSON; returns @code */
int fail(enum exit_code code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** open_device() - the device of the command line, or an exit code */
int open_device(const struct options *opt, struct npu_device **dev);

/**
 * print_device() - capabilities of a device; in JSON the members of an open object
 * @opt: whether JSON
 * @index: of the device
 * @id: its node
 * @info: what it says, or NULL
 * @err: why it says nothing then
 */
void print_device(const struct options *opt, int index, const struct npu_device_id *id,
		  const struct drm_npu_device_info *info, const struct npu_error *err);

int cmd_list(const struct options *opt);
int cmd_info(const struct options *opt);
int cmd_top(const struct options *opt);
int cmd_run(const struct options *opt);
int cmd_compile(const struct options *opt);
int cmd_dis(const struct options *opt);
int cmd_coredump(const struct options *opt);
int cmd_emu(const struct options *opt);
int cmd_emu_socket(const struct options *opt);
int cmd_sim(const struct options *opt);
int cmd_trace(const struct options *opt);

/**
 * struct machine_ops - what a model runs on, see run_on()
 * @name: of the command
 * @open: load the model of the command line; returns an exit code, after a message
 * @close: end it
 * @where: name for the output
 * @write: as npu_session_write(), like those that follow
 * @run: once
 * @read: an output
 * @profile: of the last run
 */
struct machine_ops {
	const char *name;
	int (*open)(const struct options *opt, void **machine,
		    const struct npu_program_info **program);
	void (*close)(void *machine);
	const char *(*where)(void *machine);
	int (*write)(void *machine, unsigned int input, const void *data, size_t size,
		     struct npu_error *err);
	int (*run)(void *machine, struct npu_error *err);
	int (*read)(void *machine, unsigned int output, void *data, size_t size,
		    struct npu_error *err);
	int (*profile)(void *machine, struct npu_timestamp *ops, unsigned int max);
};

/** run_on() - run a model as the command line says; returns an exit code */
int run_on(const struct machine_ops *on, const struct options *opt);

extern const struct machine_ops sim_machine;

/** compile_options() - what the command line says of how to compile */
struct npu_compile_options compile_options(const struct options *opt);

/*
 * ---- json.c: writes one object to stdout ----
 *
 * A command opens it; main() ends it, at whatever depth the command has
 * stopped.
 */

/* @key is NULL in arrays and at the top. */
void json_open(const char *key, char bracket);
void json_close(void);
void json_string(const char *key, const char *value);
void json_number(const char *key, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** json_end() - close what is open, the object last; @error may be NULL */
void json_end(const char *error);

/* ---- input.c ---- */

/**
 * read_file() - whole file in memory
 * @path: file
 * @size: out: bytes
 *
 * Return: to be freed, with a zero behind it; NULL after a message.
 */
void *read_file(const char *path, size_t *size);

/**
 * read_input() - PGM, PPM or raw file as values of a tensor
 * @path: file
 * @info: of the model's input
 * @data: room for its size
 *
 * Return: exit code, after a message.
 */
int read_input(const char *path, const struct npu_tensor_info *info, void *data);

/** read_lines() - lines of a text file; the array and its first entry are to be freed */
char **read_lines(const char *path, size_t *count);

#endif /* NPUCTL_H */
