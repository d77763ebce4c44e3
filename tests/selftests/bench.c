// SPDX-License-Identifier: GPL-2.0-only
/* bench REQUEST...: asks the bench outside of the VM, for shell scripts. */
#include "emu.h"

int main(int argc, char **argv)
{
	char request[512] = "", answer[512] = "";
	int i, ret;

	for (i = 1; i < argc; i++) {
		if (strlen(request) + strlen(argv[i]) + 2 > sizeof(request))
			return 2;
		strcat(strcat(request, i > 1 ? " " : ""), argv[i]);
	}
	ret = bench(request, answer, sizeof(answer));
	if (ret) {
		fprintf(stderr, "bench: %s: %s\n", request, strerror(-ret));
		return 1;
	}
	fputs(answer, stdout);
	return 0;
}
