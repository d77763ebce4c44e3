/* SPDX-License-Identifier: MIT */
/* What npu-emu says, on standard error. */
#ifndef _LOG_H_
#define _LOG_H_

enum log_level { LOG_ERROR, LOG_INFO, LOG_DEBUG };

extern enum log_level log_level;

void log_text(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* _LOG_H_ */
