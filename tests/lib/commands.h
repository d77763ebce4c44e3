/* SPDX-License-Identifier: MIT */
/* Examples of commands, for tests that change them. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <npu.h>

#define COMMANDS 18

/* A good command of each opcode, and of what else is a kind of its own; reads bases 0 and 1, writes base 2. Good until the next call. */
void *make_command(unsigned int which, size_t *size);

#endif /* COMMANDS_H */
