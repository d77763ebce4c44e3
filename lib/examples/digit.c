// SPDX-License-Identifier: MIT
/* digit MODEL IMAGE: which class is this raw image? */
#include <stdio.h>
#include <npu.h>

int main(int argc, char **argv)
{
	struct npu_device *dev = NULL;
	struct npu_model *model = NULL;
	struct npu_session *session = NULL;
	struct npu_error err = { .text = "usage: digit MODEL IMAGE" };
	FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
	signed char image[64], score[10];
	int ret = 1, best = 0, i;

	if (file && fread(image, 1, sizeof(image), file) == sizeof(image) &&
	    !npu_device_open(NULL, &dev, &err) &&
	    !npu_model_load(dev, argv[1], NULL, &model, &err) &&
	    !npu_session_create(model, DRM_NPU_PRIORITY_NORMAL, &session, &err) &&
	    !npu_session_write(session, 0, image, sizeof(image), &err) &&
	    !npu_session_run(session, &err) &&
	    !npu_session_read(session, 0, score, sizeof(score), &err))
		ret = 0;
	for (i = 1; i < 10 && !ret; i++)
		best = score[i] > score[best] ? i : best;
	if (ret)
		fprintf(stderr, "%s\n", err.text);
	else
		printf("this is a %d\n", best);
	npu_session_destroy(session);
	npu_model_destroy(model);
	npu_device_close(dev);
	return ret;
}
