/* The XDP hook: the packet is a frame in the driver's ring, and leaves by the interface that it came from.
 *
 * The gateway names the next hop's link-layer address in the rule; ours is the one that the frame was sent
 * to. Checksums are complete here, except from a veth peer that offloads them.
 */
#pragma once
#include "entry.h"
#include "packet.h"

typedef struct xdp_md context;
enum { UP = XDP_PASS, DROP = XDP_DROP };

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

/* Without `sums` the datagram came without a checksum (IPv4 only), and leaves without one. */
INLINE int send(context *xdp, const struct rule *rule, const struct sums *sums, const int v6)
{
    struct ethernet *ethernet = (void *)(long)xdp->data;
    struct udp *udp = (void *)(ethernet + 1) + (v6 ? IPV6 : IPV4);
    if ((void *)(udp + 1) > (void *)(long)xdp->data_end)
        return DROP;
    if (sums) {
        u16 checksum = update(udp->checksum, sums->pseudo + sums->datagram);
        udp->checksum = checksum ? checksum : 0xFFFF;
    }
    __builtin_memcpy(ethernet->source, ethernet->destination, 6);
    __builtin_memcpy(ethernet->destination, rule->link_address, 6);
    return XDP_TX;
}
