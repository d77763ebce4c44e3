// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inner loops for vector registers.
 */
#include <linux/module.h>
#include <linux/string.h>

#include "emu.h"
#include "npu_kernels.h"

/**
 * DOC: Vector registers
 *
 * Inner loops with vector registers run between kernel_fpu_begin() and kernel_fpu_end(). In
 * between the processor cannot be given to anybody else, so what they do there is short: tens of
 * microseconds at most. The model calls its inner loops for up to NPU_LANES results in a few
 * columns, which is less; where it is not, it is cut here. What a set would leave to the portable
 * one goes there at once.
 *
 * AVX2 is chosen if the processor has it. AVX-512 has to be asked for: no test runs it in the
 * kernel. The files of the sets are the only ones that the compiler may use these registers in,
 * see Kbuild.
 */
/* User Mode Linux has no vector registers of its own. */
#if defined(NPU_X86) && !defined(CONFIG_UML)

#include <asm/cpufeature.h>
#include <asm/fpu/api.h>

#define EMU_SLICE_MACS	(1u << 20)	/* of bytes, between begin and end */
#define EMU_SLICE_TAPS	(1u << 15)	/* the same for depthwise convolutions */

static const struct npu_kernels *emu_set;

static void emu_pack(struct npu_patch *patch, u32 lane, u32 lanes, u32 at, const void *const *row,
		     u32 n)
{
	if (patch->type == NPU_TYPE_S16) {
		npu_kernels_portable.pack(patch, lane, lanes, at, row, n);
		return;
	}
	kernel_fpu_begin();
	emu_set->pack(patch, lane, lanes, at, row, n);
	kernel_fpu_end();
}

static void emu_sums(u32 *sum, const void *w, u32 type, s64 pitch, u32 columns, u32 n)
{
	kernel_fpu_begin();
	emu_set->sums(sum, w, type, pitch, columns, n);
	kernel_fpu_end();
}

static void emu_mac(u32 *acc, struct npu_patch *patch, const void *w, u32 type, s64 pitch,
		    u32 columns, const u32 *start, bool fresh)
{
	u32 most = max_t(u32, EMU_SLICE_MACS / (NPU_LANES * patch->terms), 8);
	const u8 *column = w;
	u32 n;

	if (patch->type == NPU_TYPE_S16) {
		npu_kernels_portable.mac(acc, patch, w, type, pitch, columns, start, fresh);
		return;
	}
	for (; columns; columns -= n, column += pitch * n, acc += n * NPU_LANES, start += n) {
		n = min(columns, most);
		kernel_fpu_begin();
		emu_set->mac(acc, patch, column, type, pitch, n, start, fresh);
		kernel_fpu_end();
	}
}

static void emu_store(void *dst, s64 pitch, u32 type, const u32 *acc,
		      const struct npu_scaling *scaling, u32 lanes, u32 columns)
{
	struct npu_scaling now = *scaling;
	u8 *to = dst;
	u32 n;

	if (type == NPU_TYPE_S16) {
		npu_kernels_portable.store(dst, pitch, type, acc, scaling, lanes, columns);
		return;
	}
	for (; columns; columns -= n, to += n, acc += n * NPU_LANES) {
		n = min(columns, 64u);
		kernel_fpu_begin();
		emu_set->store(to, pitch, type, acc, &now, lanes, n);
		kernel_fpu_end();
		now.factor += now.step * n;
	}
}

static void emu_channels(struct npu_channels *channels, const u8 *w, const s32 *bias,
			 const struct npu_factor *factor)
{
	kernel_fpu_begin();
	emu_set->channels(channels, w, bias, factor);
	kernel_fpu_end();
}

static void emu_taps_advance(struct npu_taps *taps, const struct npu_channels *channels, u32 pixels)
{
	u32 t;

	for (t = 0; t < channels->taps; t++) {
		taps->from[t] += pixels * channels->step;
		taps->first[t] -= min(taps->first[t], pixels);
		taps->end[t] -= min(taps->end[t], pixels);
	}
}

static void emu_depthwise(u8 *dst, s64 pitch, const struct npu_channels *channels,
			  const struct npu_taps *taps, u32 pixels)
{
	/* Sets make four pixels at a time if these share inputs. */
	u32 most = max_t(u32, EMU_SLICE_TAPS / (channels->taps * channels->channels),
			 channels->shared ? 4 : 1);
	struct npu_taps now = *taps;
	u32 n;

	if (channels->way == NPU_WAY_PORTABLE) {
		npu_kernels_portable.depthwise(dst, pitch, channels, taps, pixels);
		return;
	}

	for (; pixels; pixels -= n, dst += pitch * n) {
		n = min(pixels, most);
		kernel_fpu_begin();
		emu_set->depthwise(dst, pitch, channels, &now, n);
		kernel_fpu_end();
		emu_taps_advance(&now, channels, n);
	}
}

/* What a set has not is portable, and needs no wrapper. */
static void emu_simd_wrap(struct npu_kernels *to)
{
#define EMU_WRAP(name)	(to->name = emu_set->name ? emu_##name : NULL)
	EMU_WRAP(pack);
	EMU_WRAP(sums);
	EMU_WRAP(mac);
	EMU_WRAP(store);
	EMU_WRAP(channels);
	EMU_WRAP(depthwise);
#undef EMU_WRAP
}

static bool emu_has_avx2(void)
{
	return boot_cpu_has(X86_FEATURE_AVX2) &&
	       cpu_has_xfeatures(XFEATURE_MASK_SSE | XFEATURE_MASK_YMM, NULL);
}

static bool emu_has_avx512(void)
{
	return boot_cpu_has(X86_FEATURE_AVX512F) && boot_cpu_has(X86_FEATURE_AVX512BW) &&
	       boot_cpu_has(X86_FEATURE_AVX512DQ) && boot_cpu_has(X86_FEATURE_AVX512VL) &&
	       boot_cpu_has(X86_FEATURE_AVX512_VNNI) &&
	       cpu_has_xfeatures(XFEATURE_MASK_SSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512,
				 NULL);
}

static const struct npu_kernels *emu_simd_find(const char *name)
{
	if (sysfs_streq(name, "avx512") && emu_has_avx512())
		return &npu_kernels_avx512;
	if ((sysfs_streq(name, "avx2") || sysfs_streq(name, "auto")) && emu_has_avx2())
		return &npu_kernels_avx2;
	return NULL;
}

#else

static const struct npu_kernels *emu_set;

static void emu_simd_wrap(struct npu_kernels *to)
{
}

static const struct npu_kernels *emu_simd_find(const char *name)
{
	return NULL;
}

#endif

static struct npu_kernels emu_kernels;
static char simd[16] = "auto";

static int emu_simd_set(const char *value, const struct kernel_param *kp)
{
	return strscpy(simd, value, sizeof(simd)) < 0 ? -EINVAL : 0;
}

/* What is in use. */
static int emu_simd_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", emu_set ? emu_set->name : npu_kernels_portable.name);
}

static const struct kernel_param_ops emu_simd_ops = {
	.set = emu_simd_set,
	.get = emu_simd_get,
};
module_param_cb(simd, &emu_simd_ops, NULL, 0444);
MODULE_PARM_DESC(simd, "vector instructions: auto (default), avx2, avx512, portable");

/**
 * emu_simd_init() - choose the inner loops
 *
 * Return: 0, -EOPNOTSUPP if the processor has not what was asked for, -EINVAL if nobody knows it.
 */
int emu_simd_init(void)
{
	bool known = sysfs_streq(simd, "avx2") || sysfs_streq(simd, "avx512");

	emu_set = emu_simd_find(simd);
	if (!emu_set && known) {
		pr_err("npu_emu: this processor or kernel has no %s\n", simd);
		return -EOPNOTSUPP;
	}
	if (!emu_set && !sysfs_streq(simd, "auto") && !sysfs_streq(simd, "portable")) {
		pr_err("npu_emu: simd is auto, avx2, avx512 or portable, not %s\n", simd);
		return -EINVAL;
	}
	if (emu_set) {
		emu_kernels.name = emu_set->name;
		emu_simd_wrap(&emu_kernels);
	}
	return 0;
}

/**
 * emu_simd_kernels() - the inner loops of all devices
 */
const struct npu_kernels *emu_simd_kernels(void)
{
	return emu_set ? &emu_kernels : &npu_kernels_portable;
}
