/* The tc hook (tcx ingress): the packet is an skb, and the kernel finds the neighbour.
 *
 * A checksum may be partial here (CHECKSUM_PARTIAL: the pseudo-header's sum stands in the field, and the
 * device adds the rest). Only the kernel's helper knows, so the field is left to it.
 */
#pragma once
#include "entry.h"
#include "packet.h"

typedef struct __sk_buff context;
enum { UP = TCX_NEXT, DROP = TCX_DROP };
/* What goes up from here meets no other program of ours. */
enum { HAS_HOOK_ABOVE = 0 };

/* Whether it is one whole frame for this host, without a VLAN tag that the device took off. */
INLINE int is_plain(context *skb)
{
    return !skb->vlan_present && !skb->gso_size && skb->pkt_type == PACKET_HOST;
}

INLINE u32 frame_bytes(context *skb)
{
    return skb->len;
}

/* Makes the first `bytes`, a constant, lie in one piece. Pointers into the packet end here. */
INLINE int reach(context *skb, const u32 bytes)
{
    void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
    if (data + bytes <= end)
        return 1;
    return bytes <= skb->len && !skb_pull_data(skb, bytes);
}

/* The same for all of the frame, whatever its length. */
INLINE int reach_all(context *skb, u32 bytes)
{
    return !skb_pull_data(skb, bytes);
}

INLINE long load_bytes(context *skb, u64 offset, void *to, u64 len)
{
    return skb_load_bytes(skb, offset, to, len);
}

INLINE long store_bytes(context *skb, u64 offset, const void *from, u64 len)
{
    return skb_store_bytes(skb, offset, from, len, 0);
}

/* The kernel finds it. */
struct way {};

INLINE int find_way(context *skb, const struct headers *at, const struct entry *entry,
                    const struct rule *rule, u64 frame, struct way *way, const int v6)
{
    return 1;
}

/* Without `sums` the datagram came without a checksum (IPv4 only), and leaves without one. */
INLINE int send(context *skb, const struct rule *rule, const struct way *way, const struct sums *sums,
                const int v6)
{
    const u32 at = ETHERNET + (v6 ? IPV6 : IPV4) + __builtin_offsetof(struct udp, checksum);
    if (sums) {
        if (l4_csum_replace(skb, at, 0, fold32(sums->pseudo), BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0))
            return DROP;
        if (l4_csum_replace(skb, at, 0, fold32(sums->datagram), BPF_F_MARK_MANGLED_0))
            return DROP;
    }
    struct next_hop hop = { v6 ? AF_INET6 : AF_INET, {} };
    u64 is_known = 0;
#pragma clang loop unroll(full)
    for (int word = 0; word < (v6 ? 4 : 1); word++)
        is_known |= hop.address[word] = v6 ? rule->next_hop_v6[word] : rule->next_hop;
    /* A route look-up for each packet costs 0.1 to 0.6 microseconds more. */
    if (is_known)
        return redirect_neigh(rule->interface, &hop, sizeof(hop), 0);
    return redirect_neigh(rule->interface, 0, 0, 0);
}
