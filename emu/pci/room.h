/* SPDX-License-Identifier: MIT */
#ifndef _ROOM_H_
#define _ROOM_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* Room for one more in an array that doubles. */
static inline bool make_room(void **array, unsigned int *room, unsigned int used, size_t size)
{
	unsigned int more = *room ? *room * 2 : 16;
	void *new;

	if (used < *room)
		return true;
	new = realloc(*array, more * size);
	if (!new)
		return false;
	*array = new;
	*room = more;
	return true;
}

#endif /* _ROOM_H_ */
