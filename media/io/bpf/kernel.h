/* The part of the kernel's BPF interface that the program uses (include/uapi/linux/bpf.h).
 *
 * Declared here, so that the object depends on the compiler alone and is the same on every machine. The
 * kernel never changes these numbers and offsets.
 */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed short s16;
typedef signed int s32;
typedef signed long long s64;

#define INLINE static inline __attribute__((always_inline))
/* Makes the compiler finish a pointer here, and not as a base and an offset that it adds later: with CAP_BPF alone
 * (without CAP_PERFMON) the verifier allows only constants to be added. */
#define KEEP(pointer) __asm__ volatile("" : "+r"(pointer))
/* A number that lives long, in a register of 64 bits. One of 32 bits would be stored over the half of a pointer on the
 * stack, which the verifier forbids with CAP_BPF alone. */
#define WIDE(name, value) \
    u64 name = (value);   \
    KEEP(name)
/* Makes the compiler keep a struct on the stack, and not its members in registers, for that reason. */
#define KEEP_IN_MEMORY(struct) __asm__ volatile("" : : "r"(&(struct)) : "memory")

/* Bytes 0 to 80 of the context of a program at the tc hook, and its gso_size. */
struct __sk_buff {
    u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto;
    u32 priority, ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid;
    u32 data, data_end;
    u32 unused[23];
    u32 gso_size;
};
_Static_assert(__builtin_offsetof(struct __sk_buff, data) == 76, "uapi");
_Static_assert(__builtin_offsetof(struct __sk_buff, gso_size) == 176, "uapi");

/* The context of a program at the XDP hook. */
struct xdp_md {
    u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

/* struct bpf_redir_neigh. */
struct next_hop {
    u32 family, address[4];
};

enum { AF_INET = 2, AF_INET6 = 10 };
enum { PACKET_HOST = 0 };
enum { TCX_NEXT = -1, TCX_DROP = 2, TCX_REDIRECT = 7 };
enum { XDP_DROP = 1, XDP_PASS = 2 };
enum { BPF_F_PSEUDO_HDR = 1 << 4, BPF_F_MARK_MANGLED_0 = 1 << 5 };

static void *(*const map_lookup_elem)(const void *map, const void *key) = (void *)1;
static u64 (*const ktime_get_ns)(void) = (void *)5;
static long (*const l4_csum_replace)(struct __sk_buff *, u32 offset, u64 from, u64 to,
                                     u64 flags) = (void *)11;
static long (*const skb_pull_data)(struct __sk_buff *, u32 len) = (void *)39;
static long (*const redirect)(u32 ifindex, u64 flags) = (void *)23;
static long (*const redirect_neigh)(u32 ifindex, void *next_hop, int len, u64 flags) = (void *)152;
static long (*const skb_store_bytes)(struct __sk_buff *, u64 offset, const void *from, u64 len,
                                     u64 flags) = (void *)9;
static long (*const skb_load_bytes)(struct __sk_buff *, u64 offset, void *to, u64 len) = (void *)26;
static long (*const xdp_load_bytes)(struct xdp_md *, u64 offset, void *to, u64 len) = (void *)189;
static long (*const xdp_store_bytes)(struct xdp_md *, u64 offset, const void *from,
                                     u64 len) = (void *)190;
static u64 (*const xdp_get_buff_len)(struct xdp_md *) = (void *)188;

INLINE u16 swap16(u16 value) { return __builtin_bswap16(value); }
INLINE u32 swap32(u32 value) { return __builtin_bswap32(value); }
