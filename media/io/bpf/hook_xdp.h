/* The XDP hook: the packet is a frame in the driver's ring, and leaves by the ring of the same driver or of another.
 *
 *   frame --> program at the XDP hook --> driver that sends
 *                | all that it cannot finish
 *                v
 *             program at the tc hook --> stack --> gateway
 *
 * No neighbour table and no checksum state is at hand here. The gateway keeps the neighbour's address in the rule,
 * and each interface with its own address in a map. What this hook is not certain of goes on to the tc hook of
 * the same interface, which relays by the same entry and lets the kernel resolve the neighbour.
 */
#pragma once
#include "entry.h"
#include "packet.h"

typedef struct xdp_md context;
enum { UP = XDP_PASS, DROP = XDP_DROP };
/* What goes up from here is judged and counted again, at the tc hook. */
enum { HAS_HOOK_ABOVE = 1 };

INLINE int is_plain(context *xdp)
{
    return 1;
}

INLINE u32 frame_bytes(context *xdp)
{
    return xdp_get_buff_len(xdp);
}

INLINE int reach(context *xdp, const u32 bytes)
{
    return (void *)(long)xdp->data + bytes <= (void *)(long)xdp->data_end;
}

/* A program that does not ask for fragments gets frames in one piece. */
INLINE int reach_all(context *xdp, u32 bytes)
{
    return 1;
}

INLINE long load_bytes(context *xdp, u64 offset, void *to, u64 len)
{
    return xdp_load_bytes(xdp, offset, to, len);
}

INLINE long store_bytes(context *xdp, u64 offset, const void *from, u64 len)
{
    return xdp_store_bytes(xdp, offset, from, len);
}

/* Link-layer addresses of the frame that leaves, as in rule.link, and its interface. */
struct way {
    u64 to, from;
    u64 interface;
};

INLINE const struct interface *interface_at(u32 index)
{
    const u32 place = index % INTERFACES;
    const struct interface *found = map_lookup_elem(&interfaces, &place);
    return found && found->index == index ? found : 0;
}

INLINE int is_address(const u8 *at, u64 link)
{
    return *(u32 *)at == (u32)(link >> 16) && *(u16 *)(at + 4) == (u16)(link >> 48);
}

INLINE void put_address(u8 *at, u64 link)
{
    *(u32 *)at = link >> 16;
    *(u16 *)(at + 4) = link >> 48;
}

/* 0 when the frame is not for this host, its checksum may be partial, or its way out is not certain. */
INLINE int find_way(context *xdp, const struct headers *at, const struct entry *entry,
                    const struct rule *rule, u64 frame, struct way *way, const int v6)
{
    const u32 in = xdp->ingress_ifindex, out = rule->interface;
    const struct interface *ours = interface_at(in);
    if (!ours || !is_address(at->ethernet->destination, ours->link))
        return 0;
    /* A sender on this host (a veth peer) may leave the checksum to the device: then the sum of the pseudo-header stands
     * in the field, and no bit says so. One whole checksum in 65,536 looks the same. */
    if (at->udp->checksum == pseudo_sum(at, v6))
        return 0;
    const struct interface *theirs = interface_at(out);
    if (!theirs || !(theirs->flags & SENDS) || frame > ETHERNET + (u64)theirs->mtu)
        return 0;
    way->to = *(const volatile u64 *)&entry->rule.link;
    way->from = theirs->link;
    way->interface = out;
    return way->to >> 16 != 0;
}

/* Without `sums` the datagram came without a checksum (IPv4 only), and leaves without one. */
INLINE int send(context *xdp, const struct rule *rule, const struct way *way, const struct sums *sums,
                const int v6)
{
    struct ethernet *ethernet = (void *)(long)xdp->data;
    struct udp *udp = (void *)(ethernet + 1) + (v6 ? IPV6 : IPV4);
    if ((void *)(udp + 1) > (void *)(long)xdp->data_end)
        return DROP;
    if (sums) {
        u16 checksum = update(udp->checksum, sums->pseudo + sums->datagram);
        udp->checksum = checksum ? checksum : 0xFFFF;
    }
    put_address(ethernet->destination, way->to);
    put_address(ethernet->source, way->from);
    /* Also back by the same interface: what a driver needs for a redirect, the feature ndo_xmit says. What it needs for
     * XDP_TX none says, and a veth end whose peer has GRO and no program leaves such frames in a ring. A ring without room
     * drops the frame, as a full queue does behind the tc hook. */
    return redirect(way->interface, 0);
}
