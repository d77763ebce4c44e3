/* SPDX-License-Identifier: MIT */
#ifndef DELEGATE_OPTIONS_H
#define DELEGATE_OPTIONS_H

#include "writer.h"

/* The options of an operator, ready to be written. */
struct options {
	uint8_t tag;	/* enum tfl_options, 0 = it has none */
	unsigned int count;
	struct w_field fields[WRITER_FIELDS_MAX];
};

/**
 * options_get() - turn what the interpreter made of an operator's options back
 * @builtin: TfLiteBuiltinOperator
 * @data: builtin_data of the node, may be NULL
 * @options: out: the options
 *
 * Return: false if nothing is known of such options: the operator cannot be
 * written. Which operators can be run, libnpu says, not this table.
 */
bool options_get(int builtin, const void *data, struct options *options);

#endif /* DELEGATE_OPTIONS_H */
