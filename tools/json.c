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

/* The one object that is being written. */
static char brackets[8];	/* that close what is open, outermost first */
static unsigned int depth;
static bool first = true;	/* nothing stands behind the innermost bracket yet */

static void begin(const char *key)
{
	if (depth)
		printf(first ? "\n%*s" : ",\n%*s", (int)depth * 2, "");
	first = false;
	if (key) {
		put_escaped(key);
		printf(": ");
	}
}

void json_open(const char *key, char bracket)
{
	begin(key);
	putchar(bracket);
	brackets[depth++] = bracket == '{' ? '}' : ']';
	first = true;
}

void json_close(void)
{
	depth--;
	if (!first)
		printf("\n%*s", (int)depth * 2, "");
	putchar(brackets[depth]);
	first = false;
}

void json_string(const char *key, const char *value)
{
	begin(key);
	put_escaped(value);
}

void json_number(const char *key, const char *fmt, ...)
{
	va_list args;

	begin(key);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
}

void json_end(const char *error)
{
	if (!depth)
		json_open(NULL, '{');
	while (depth > 1)
		json_close();
	if (error)
		json_string("error", error);
	json_close();
	putchar('\n');
}
