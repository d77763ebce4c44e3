/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the device model needs from its surroundings: integer types, byte
 * order, ordered accesses, memory functions. The only file that knows whether
 * it is compiled into a kernel or a program. 64-bit only.
 */
#ifndef _NPU_PORT_H_
#define _NPU_PORT_H_

#ifdef __KERNEL__

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/barrier.h>
#include <asm/byteorder.h>

#else /* !__KERNEL__ */

#include <assert.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

#ifdef __CHECKER__
#define __force			__attribute__((force))
#else
#define __force
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NPU_SWAP16(x)		(x)
#define NPU_SWAP32(x)		(x)
#define NPU_SWAP64(x)		(x)
#else
#define NPU_SWAP16(x)		__builtin_bswap16(x)
#define NPU_SWAP32(x)		__builtin_bswap32(x)
#define NPU_SWAP64(x)		__builtin_bswap64(x)
#endif

static inline u16 le16_to_cpu(__le16 x)
{
	return NPU_SWAP16((__force u16)x);
}

static inline u32 le32_to_cpu(__le32 x)
{
	return NPU_SWAP32((__force u32)x);
}

static inline u64 le64_to_cpu(__le64 x)
{
	return NPU_SWAP64((__force u64)x);
}

static inline __le16 cpu_to_le16(u16 x)
{
	return (__force __le16)NPU_SWAP16(x);
}

static inline __le32 cpu_to_le32(u32 x)
{
	return (__force __le32)NPU_SWAP32(x);
}

static inline __le64 cpu_to_le64(u64 x)
{
	return (__force __le64)NPU_SWAP64(x);
}

#define BIT_ULL(n)		(1ull << (n))
#define likely(x)		__builtin_expect(!!(x), 1)
#define __aligned(n)		__attribute__((aligned(n)))
#ifndef noinline
#define noinline		__attribute__((noinline))
#endif
#ifndef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#endif

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
/* Accesses after it stay after it. */
#define smp_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
/* Accesses before it stay before it. */
#define smp_store_release(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* Both. */
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)

/* *@ptr becomes @new if it is *@old; *@old becomes what it was. */
#define try_cmpxchg(ptr, old, new)	\
	__atomic_compare_exchange_n((ptr), (old), (new), 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)

#define check_add_overflow(a, b, d)	__builtin_add_overflow((a), (b), (d))
#define check_mul_overflow(a, b, d)	__builtin_mul_overflow((a), (b), (d))

/* As in the kernel, each argument is evaluated once. */
#define NPU_MIN(t, a, b, x, y)	({ t x = (a); t y = (b); x < y ? x : y; })
#define NPU_MAX(t, a, b, x, y)	({ t x = (a); t y = (b); x > y ? x : y; })
#define NPU_UNIQUE(name, n)	NPU_PASTE(name, n)
#define NPU_PASTE(name, n)	name ## n
#define min_t(t, a, b)		NPU_MIN(t, a, b, NPU_UNIQUE(npu_x, __COUNTER__), \
					NPU_UNIQUE(npu_y, __COUNTER__))
#define max_t(t, a, b)		NPU_MAX(t, a, b, NPU_UNIQUE(npu_x, __COUNTER__), \
					NPU_UNIQUE(npu_y, __COUNTER__))
#define clamp_t(t, x, lo, hi)	min_t(t, max_t(t, x, lo), hi)

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

#endif /* !__KERNEL__ */

/* Kernels that need these may be compiled in; whether they run is decided at run time. */
#ifdef __x86_64__
#define NPU_X86
#endif
#if defined(__aarch64__) && !defined(__KERNEL__)
#define NPU_ARM64
#endif

/* A function for processors that have more than the one that all is compiled for. */
#define NPU_TARGET(features)	__attribute__((__target__(features)))

#define NPU_U32_MAX		0xffffffffu
#define NPU_S32_MAX		0x7fffffff
#define NPU_S32_MIN		(-0x7fffffff - 1)

static inline u32 npu_ctz64(u64 x)
{
	return (u32)__builtin_ctzll(x);
}

static inline u32 npu_clz32(u32 x)
{
	return x ? (u32)__builtin_clz(x) : 32;
}

/* a * b, or the largest value if that does not fit. */
static inline u64 npu_mul_sat(u64 a, u64 b)
{
	u64 r;

	return check_mul_overflow(a, b, &r) ? ~0ull : r;
}

static inline u64 npu_div_up(u64 a, u64 b)
{
	return a / b + (a % b != 0);
}

#endif /* _NPU_PORT_H_ */
