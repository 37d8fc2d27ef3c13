/* Memory that the gateway and the program share; media/io/src/kernel/layout.rs has the same offsets.
 *
 * Numbers are in host order unless they say "network order". A change of this file is a new LAYOUT.
 */
#pragma once
#include "kernel.h"

enum { LAYOUT = 4 };

/* The hand-over word: bit 63 says that the program relays, bits 32 to 47 are the generation of the gift, the low
 * 32 bits the next extended sequence number to send. Off, the last two stay as they were. */
#define WORD_ON (1ull << 63)
#define WORD_NEXT 0xFFFFFFFFull

enum { NOT_CONVERTED = 0, MULAW_TO_ALAW = 1, ALAW_TO_MULAW = 2 };
enum { DROP_FORGED = 1, DROP_OTHER_SSRC = 2 };

/* What to do with the packets of one leg: written before the word is switched on, then only read. */
struct rule {
    union {
        /* IPv4, network order: where the party sends from, where it sends to, and both for what leaves. */
        struct {
            u32 source, local, out_source, out_destination;
        };
        /* IPv6: the neighbour to send to; zero lets the kernel look up a route for each packet. */
        u32 next_hop_v6[4];
    };
    /* Ports in network order. */
    u16 source_port, out_source_port, out_destination_port;
    u16 delta_sequence;
    u32 delta_timestamp;
    /* The gateway's note: octets and packets of the entry when the leg was given. Here and at the end. */
    u32 octets_before;
    /* Network order. */
    u32 ssrc, out_ssrc;
    /* Index of the interface that leads to the peer. */
    u32 interface;
    /* 4 or 6. */
    u8 family;
    u8 payload_type, out_payload_type;
    u8 conversion;
    union {
        struct {
            /* The second byte of IPv4, the traffic class of IPv6. */
            u8 traffic_class;
            u8 flags;
        };
        /* Behind these two bytes, for XDP only: the link-layer address of the neighbour, zero while it is not certain.
         * The gateway writes the word anew when the address changes, also while the leg is given. */
        u64 link;
    };
    /* As next_hop_v6, for IPv4. */
    u32 next_hop;
    u32 packets_before;
};
_Static_assert(sizeof(struct rule) == 64, "one cache line");

/* The four addresses of a rule of family 6. */
struct addresses {
    u32 source[4], local[4], out_source[4], out_destination[4];
};
_Static_assert(sizeof(struct addresses) == 64, "one cache line");

/* One leg: a line that the program writes, and one or two that it reads. */
struct entry {
    u64 word;
    /* Two counts in one word each, because an atomic operation costs as much as all checks of a packet. The low half
     * wraps after 2^32 packets, and what it then carries is one octet or nothing: by_driver begins with each gift.
     *
     * Packets that passed the last check before the word, and in the high half their payload bytes. */
    u64 entered;
    /* Packets that were relayed at the XDP hook, and in the high half all packets whose statistics are complete. These
     * and the packets that entered differ only while the program is inside. */
    u64 passed;
    /* What an extended sequence number that leaves has more than the one that came. With the word it gives the highest
     * that was relayed; the program needs only the difference in rule.delta_sequence. */
    u32 offset;
    /* Arrival of the last packet, in units of 1/8000 s of CLOCK_MONOTONIC. */
    u32 arrival;
    /* Its timestamp, its arrival minus that timestamp, and the interarrival jitter times 16 (RFC 3550 A.8). */
    u32 timestamp, transit, jitter_16;
    /* Gaps in the sequence numbers. */
    u32 gaps;
    /* Packets that were not relayed: another source, another SSRC, lengths that contradict each other. */
    u32 forged, other_ssrc, wrong_length;
    u32 reserved;
    struct rule rule;
    struct addresses addresses;
};
_Static_assert(sizeof(struct entry) == 192, "three cache lines");

/* What a packet adds to `entered` and to `passed`. */
#define ENTERED(octets) ((u64)(octets) << 32 | 1)
#define PASSED(by_driver) (1ull << 32 | (by_driver))

enum { ADDRESSES_MAX = 16 };

/* One local address with media ports. Unspecified stands for every address of its family. */
struct local_address {
    u32 family;
    /* Network order; IPv4 in the first word. */
    u32 word[4];
};

struct settings {
    /* Past this instant of CLOCK_MONOTONIC nothing is relayed. */
    u64 valid_until_ns;
    /* The even first port, ports in the range, and legs on each address. */
    u32 first_port, ports, legs;
    u32 addresses;
    u32 layout;
    u32 reserved;
    /* One more than is read: with CAP_BPF alone, the verifier lets no pointer of the loop leave the value. */
    struct local_address address[ADDRESSES_MAX + 1];
    u32 end;
};
_Static_assert(sizeof(struct settings) == 376, "layout.rs");

enum { INTERFACES = 64 };
enum { SENDS = 1 };

/* One interface with the program at its XDP hook, at the place of its index modulo INTERFACES. All zero: none. */
struct interface {
    u32 index;
    /* The longest IP packet that it takes. */
    u16 mtu;
    /* SENDS: its driver takes frames from this hook. */
    u16 flags;
    /* Its link-layer address, as in rule.link. */
    u64 link;
};
_Static_assert(sizeof(struct interface) == 16, "layout.rs");

/* Maps. The loader puts the map itself, or the address of its one value, where the program names them. */
extern const u8 entries;
extern const u8 interfaces;
extern const volatile struct settings settings;