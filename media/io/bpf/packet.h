/* Headers of a frame with RTP, and the one's complement sums of their checksums (RFC 1071, RFC 1624). */
#pragma once
#include "kernel.h"

enum { ETHERNET = 14, IPV4 = 20, IPV6 = 40, UDP = 8, RTP = 12 };
/* EtherTypes and "don't fragment", read as little-endian words. */
enum { TYPE_IPV4 = 0x0008, TYPE_IPV6 = 0xDD86, FRAGMENT = 0xFF3F, DONT_FRAGMENT = 0x0040 };
enum { PROTOCOL_UDP = 17, HOPS = 64 };

struct ethernet {
    u8 destination[6], source[6];
    u16 type;
};

struct ipv4 {
    u8 version_length, traffic_class;
    u16 length;
    u16 identification, fragment;
    u8 hops, protocol;
    u16 checksum;
    u32 source, destination;
};

struct ipv6 {
    u32 version_class_label;
    u16 length;
    u8 next, hops;
    u32 source[4], destination[4];
};

struct udp {
    u16 source, destination, length, checksum;
};

struct rtp {
    u8 first, second;
    u16 sequence;
    u32 timestamp, ssrc;
};

/* The headers of a frame, at fixed places. */
struct headers {
    struct ethernet *ethernet;
    struct ipv4 *ip4;
    struct ipv6 *ip6;
    struct udp *udp;
    struct rtp *rtp;
};

/* Sums of what changed: in a header's own words, in the pseudo-header, in the datagram. */
struct sums {
    u64 header, pseudo, datagram;
};

INLINE void replace32(u32 *at, u32 with, u64 *sum)
{
    *sum += (u32)~*at + (u64)with;
    *at = with;
}

INLINE void replace16(u16 *at, u16 with, u64 *sum)
{
    *sum += (u16)~*at + (u64)with;
    *at = with;
}

INLINE void replaced64(u64 old, u64 new, u64 *sum)
{
    *sum += (u32)~old + (u64)(u32)new;
    *sum += (u32)(~old >> 32) + (u64)(u32)(new >> 32);
}

INLINE u32 fold32(u64 sum)
{
    sum = (sum & 0xFFFFFFFF) + (sum >> 32);
    return (sum & 0xFFFFFFFF) + (sum >> 32);
}

INLINE u16 fold16(u64 sum)
{
    sum = fold32(sum);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return (sum & 0xFFFF) + (sum >> 16);
}

/* The sum of the pseudo-header (RFC 768, RFC 8200 section 8.1). */
INLINE u16 pseudo_sum(const struct headers *at, const int v6)
{
    u64 sum = swap16(PROTOCOL_UDP) + at->udp->length;
    if (!v6)
        return fold16(sum + at->ip4->source + at->ip4->destination);
#pragma clang loop unroll(full)
    for (int word = 0; word < 4; word++)
        sum += (u64)at->ip6->source[word] + at->ip6->destination[word];
    return fold16(sum);
}

/* The checksum after words changed by `sum`. A wrong one stays wrong by as much. */
INLINE u16 update(u16 checksum, u64 sum)
{
    return ~fold16((u16)~checksum + (u64)fold32(sum));
}
