/* SPDX-License-Identifier: MIT */
/* Examples of commands, for tests that change them. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <npu.h>

#define COMMANDS 14

/* One good command of each opcode; reads bases 0 and 1, writes base 2. Good until the next call. */
void *make_command(unsigned int which, size_t *size);

#endif /* COMMANDS_H */
