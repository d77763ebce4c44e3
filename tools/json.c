// SPDX-License-Identifier: MIT
#include "npuctl.h"

static void put_escaped(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < ' ' || *s == 0x7f)
			printf("\\u%04x", *s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void begin(struct json *j, const char *key)
{
	if (j->depth)
		printf(j->first ? "\n%*s" : ",\n%*s", (int)j->depth * 2, "");
	j->first = false;
	if (key) {
		put_escaped(key);
		printf(": ");
	}
}

void json_open(struct json *j, const char *key, char bracket)
{
	begin(j, key);
	putchar(bracket);
	j->depth++;
	j->first = true;
}

void json_close(struct json *j, char bracket)
{
	j->depth--;
	if (!j->first)
		printf("\n%*s", (int)j->depth * 2, "");
	putchar(bracket);
	j->first = false;
	if (!j->depth)
		putchar('\n');
}

void json_string(struct json *j, const char *key, const char *value)
{
	begin(j, key);
	put_escaped(value);
}

void json_number(struct json *j, const char *key, const char *fmt, ...)
{
	va_list args;

	begin(j, key);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
}
