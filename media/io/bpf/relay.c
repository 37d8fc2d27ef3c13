/* Relays the audio of bridged legs inside the kernel; everything else goes up to the gateway's sockets.
 *
 *   frame -> leg (by address and port) -> word on? lease? -> rule copied -> checks -> COMMIT -> rewrite -> send
 *              |                            |                                |         |
 *              +----------- up -------------+------------ up or dropped -----+-- up ---+
 *
 * The gateway owns a leg's stream while the word is off, the program while it is on. The only commit point
 * is the compare-and-exchange that advances the word: before it nothing of the packet has changed, behind it
 * nothing can fail. A gateway that clears the bit thus has the exact next sequence number, and a program
 * that is inside sends its packet under a number below it. The rule is copied before the commit, because the
 * gateway may write another one as soon as it has the leg.
 *
 * The program never changes what it cannot finish: other payload types, RTCP, STUN, header extensions,
 * fragments, options, tags and jumps of the numbers go up while the audio stays here.
 */
#ifdef XDP
#include "hook_xdp.h"
#else
#include "hook_tc.h"
#endif
#include "g711.h"

/* RFC 3550 A.1: a gap below this is loss. A longer step is a jump, and one of 0 or back is late. */
enum { DROPOUT_MAX = 3000 };
/* As shared::limits::TIMESTAMP_JUMP_MAX, 10 s. */
enum { TIMESTAMP_JUMP_MAX = 80000 };
/* Longest payload, in samples: 175 ms, and within an Ethernet frame. */
enum { SAMPLES_MAX = 1400 };
/* Other CPUs that may advance the word under our hands before the packet goes up. */
enum { COMMITS_MAX = 3 };
enum { NANOS_A_SAMPLE = 125000 };

/* The index of the packet's local address, or ADDRESSES_MAX. */
INLINE u32 address_index(const u32 *destination, const int v6)
{
    const u32 count = settings.addresses;
    u32 index;
#pragma clang loop unroll(disable)
    for (index = 0; index < ADDRESSES_MAX; index++) {
        const volatile struct local_address *local = &settings.address[index];
        if (index >= count)
            return ADDRESSES_MAX;
        if (local->family != (v6 ? 6 : 4))
            continue;
        u32 set = local->word[0], differs = local->word[0] ^ destination[0];
        if (v6) {
            set |= local->word[1] | local->word[2] | local->word[3];
            differs |= local->word[1] ^ destination[1];
            differs |= local->word[2] ^ destination[2];
            differs |= local->word[3] ^ destination[3];
        }
        if (!set || !differs)
            break;
    }
    return index;
}

INLINE struct entry *leg_at(u16 port, const u32 *destination, const int v6)
{
    const u32 offset = swap16(port) - settings.first_port;
    /* RTP has the even ports. */
    if (offset >= settings.ports || offset & 1)
        return 0;
    const u32 address = address_index(destination, v6);
    if (address >= ADDRESSES_MAX)
        return 0;
    const u32 index = address * settings.legs + offset / 2;
    return map_lookup_elem(&entries, &index);
}

/* The entry at an address that depends on the word, by nothing: on every processor the rule is read behind it. */
INLINE struct entry *behind(struct entry *entry, u64 word)
{
    __asm__ volatile("%0 &= 0" : "+r"(word));
    return (void *)entry + word;
}

INLINE int is_same(const u32 *a, const u32 *b)
{
    return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]));
}

INLINE u32 distance(u32 a, u32 b)
{
    const s32 difference = a - b;
    return difference < 0 ? -difference : difference;
}

/* Advances the word over `sequence` and answers how many numbers it left out. NOT_OURS when the packet is not ours to
 * send; what is late or twice is the gateway's to sort out. The number that leaves follows from the one that came by a
 * constant, so that the exchange also places the packet in the party's stream, once for all processors. */
enum { NOT_OURS = 0x10000 };
INLINE u64 commit(struct entry *entry, u64 word, u64 sequence, u64 octets)
{
#pragma clang loop unroll(full)
    for (int tries = 0; tries < COMMITS_MAX; tries++) {
        const u32 next = word;
        const s64 ahead = (s16)((u16)sequence - (u16)next);
        if (ahead < 0)
            return NOT_OURS;
        const u64 advanced = (word & ~WORD_NEXT) | (u32)(next + ahead + 1);
        /* Raised before the exchange, so that whoever switches the word off sees that we are inside. */
        __sync_fetch_and_add(&entry->entered, ENTERED(octets));
        const u64 seen = __sync_val_compare_and_swap(&entry->word, word, advanced);
        if (seen == word)
            return ahead;
        __sync_fetch_and_sub(&entry->entered, ENTERED(octets));
        /* Off, or given anew: the rule that we read is not valid any more. */
        if ((seen ^ word) >> 32)
            return NOT_OURS;
        word = seen;
    }
    return NOT_OURS;
}

INLINE void raise(u32 *counter)
{
    KEEP(counter);
    __sync_fetch_and_add(counter, 1);
}

/* Statistics of the stream that the party sends (RFC 3550 A.1, A.8), as media/plane keeps them. */
INLINE void count(struct entry *entry, u64 arrival, u64 left_out, u32 timestamp, u32 transit)
{
    const u32 jitter = entry->jitter_16, moved = distance(transit, entry->transit);
    entry->jitter_16 = jitter + moved - ((jitter + 8) >> 4);
    entry->transit = transit;
    entry->timestamp = timestamp;
    if (left_out)
        raise(&entry->gaps);
    entry->arrival = arrival;
    /* Last, and fully ordered: equal to those that entered again, the figures are complete. */
    __sync_fetch_and_add(&entry->passed, PASSED(HAS_HOOK_ABOVE));
}

INLINE u64 in_other_law(u64 codes, u64 conversion)
{
    return conversion == MULAW_TO_ALAW ? mulaw_to_alaw(codes) : alaw_to_mulaw(codes);
}

/* Rewrites whole words of samples in the other law, and adds what that changes to the datagram's sum. The
 * payload begins at an even place, so that words of the sum and of the loop agree. */
INLINE void convert(u8 *at, void *end, u64 samples, u64 conversion, struct sums *sums)
{
#pragma clang loop unroll(disable)
    while (samples >= 8) {
        u64 *eight = (u64 *)at;
        if ((void *)(eight + 1) > end)
            break;
        const u64 old = *eight, new = in_other_law(old, conversion);
        replaced64(old, new, &sums->datagram);
        *eight = new;
        at += 8;
        samples -= 8;
        KEEP(at);
    }
}

/* Rewrites the last samples, fewer than a word, which no pointer reaches by constants. Answers 0 when the kernel
 * refuses. */
INLINE int convert_rest(context *ctx, u64 frame, u64 rest, u64 conversion, struct sums *sums)
{
    u64 old = 0;
    if (load_bytes(ctx, frame - rest, &old, rest))
        return 0;
    const u64 new = in_other_law(old, conversion) & ((1ull << 8 * rest) - 1);
    replaced64(old, new, &sums->datagram);
    return !store_bytes(ctx, frame - rest, &new, rest);
}

INLINE void rewrite_ip(struct ipv4 *ip4, struct ipv6 *ip6, const struct rule *rule,
                       const struct addresses *six, struct sums *sums, const int v6)
{
    if (v6) {
        /* 0xF00FFFFF in network order: the traffic class lies across two bytes. */
        ip6->version_class_label = (ip6->version_class_label & 0xFFFF0FF0) |
                                   swap32((u32)rule->traffic_class << 20);
        ip6->hops = HOPS;
#pragma clang loop unroll(full)
        for (int word = 0; word < 4; word++) {
            replace32(&ip6->source[word], six->out_source[word], &sums->pseudo);
            replace32(&ip6->destination[word], six->out_destination[word], &sums->pseudo);
        }
        return;
    }
    replace16((u16 *)&ip4->version_length, 0x45 | rule->traffic_class << 8, &sums->header);
    /* Whole and not to be fragmented, so no identification is needed (RFC 6864 section 4.1). */
    replace16(&ip4->identification, 0, &sums->header);
    replace16(&ip4->fragment, DONT_FRAGMENT, &sums->header);
    replace16((u16 *)&ip4->hops, HOPS | PROTOCOL_UDP << 8, &sums->header);
    replace32(&ip4->source, rule->out_source, &sums->pseudo);
    replace32(&ip4->destination, rule->out_destination, &sums->pseudo);
    ip4->checksum = update(ip4->checksum, sums->header + fold32(sums->pseudo));
}

INLINE void rewrite_rtp(struct udp *udp, struct rtp *rtp, const struct rule *rule, u16 sequence,
                        u32 timestamp, struct sums *sums)
{
    const u16 marker = (rtp->second & 0x80) << 8;
    replace16(&udp->source, rule->out_source_port, &sums->datagram);
    replace16(&udp->destination, rule->out_destination_port, &sums->datagram);
    replace16((u16 *)&rtp->first, 0x80 | marker | rule->out_payload_type << 8, &sums->datagram);
    replace16(&rtp->sequence, swap16(sequence), &sums->datagram);
    replace32(&rtp->timestamp, swap32(timestamp), &sums->datagram);
    replace32(&rtp->ssrc, rule->out_ssrc, &sums->datagram);
}

/* Counts a packet that the rule excludes, once, and answers where it goes. */
INLINE int exclude(u32 *counter, u8 drops)
{
    if (drops || !HAS_HOOK_ABOVE)
        raise(counter);
    return drops ? DROP : UP;
}

INLINE u32 header_bytes(const int v6)
{
    return ETHERNET + (v6 ? IPV6 : IPV4) + UDP + RTP;
}

/* 0 when the frame is shorter in its first piece. */
INLINE int find_headers(context *ctx, struct headers *at, const int v6)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    if (data + header_bytes(v6) > end)
        return 0;
    at->ethernet = data;
    at->ip4 = data + ETHERNET;
    at->ip6 = data + ETHERNET;
    at->udp = data + ETHERNET + (v6 ? IPV6 : IPV4);
    at->rtp = (void *)(at->udp + 1);
    return 1;
}

/* Whether it is UDP behind a plain IP header, and whole. */
INLINE int is_datagram(const struct headers *at, const int v6)
{
    if (v6)
        return at->ip6->next == PROTOCOL_UDP;
    return at->ip4->version_length == 0x45 && at->ip4->protocol == PROTOCOL_UDP &&
           !(at->ip4->fragment & FRAGMENT);
}

/* Whether the rule is for packets to that address. */
INLINE int is_local(const struct headers *at, const struct rule *rule, const struct addresses *six,
                    const int v6)
{
    if (rule->family != (v6 ? 6 : 4))
        return 0;
    return v6 ? is_same(at->ip6->destination, six->local) : at->ip4->destination == rule->local;
}

/* Judges what the packet itself says, and answers OURS for the audio of the party. Cheapest check first. */
enum { OURS = 100 };
INLINE int judge(const struct headers *at, struct entry *entry, const struct rule *rule,
                 const struct addresses *six, const u64 frame, const int v6)
{
    /* STUN, DTLS and RTCP are the gateway's, whoever sends them (RFC 7983 section 7, RFC 5761 section 4). */
    const u8 payload_type = at->rtp->second & 0x7F;
    if ((at->rtp->first & 0xC0) != 0x80 || (payload_type >= 64 && payload_type <= 95))
        return UP;
    const int is_party =
        v6 ? is_same(at->ip6->source, six->source) : at->ip4->source == rule->source;
    if (!is_party || at->udp->source != rule->source_port)
        return exclude(&entry->forged, rule->flags & DROP_FORGED);
    const u64 datagram = swap16(at->udp->length);
    const u64 packet = v6 ? IPV6 + swap16(at->ip6->length) : swap16(at->ip4->length);
    if (datagram + (v6 ? IPV6 : IPV4) != packet || frame < ETHERNET + packet)
        return exclude(&entry->wrong_length, 1);
    /* Padding of the frame, or of RTP, an extension, CSRCs. */
    if (frame != ETHERNET + packet || at->rtp->first != 0x80)
        return UP;
    if (payload_type != rule->payload_type)
        return UP;
    if (at->rtp->ssrc != rule->ssrc)
        return exclude(&entry->other_ssrc, rule->flags & DROP_OTHER_SSRC);
    return OURS;
}

/* Whether the numbers continue those of the last packet. In order only: what is late, twice or a jump is the gateway's
 * to sort out. */
INLINE int continues(const struct entry *entry, u64 step, u64 timestamp, u64 transit)
{
    if (step == 0 || step >= DROPOUT_MAX)
        return 0;
    return distance(timestamp, entry->timestamp) <= TIMESTAMP_JUMP_MAX ||
           distance(transit, entry->transit) <= TIMESTAMP_JUMP_MAX;
}

INLINE int relay(context *ctx, const int v6)
{
    struct headers at;
    if (!reach(ctx, header_bytes(v6)) || !find_headers(ctx, &at, v6) || !is_datagram(&at, v6))
        return UP;
    struct entry *entry =
        leg_at(at.udp->destination, v6 ? at.ip6->destination : &at.ip4->destination, v6);
    if (!entry)
        return UP;
    const u64 word = *(volatile u64 *)&entry->word;
    entry = behind(entry, word);
    const u64 now = ktime_get_ns();
    if (!(word & WORD_ON) || now >= settings.valid_until_ns)
        return UP;
    const struct rule rule = entry->rule;
    KEEP_IN_MEMORY(rule);
    struct addresses six;
    if (v6) {
        six = entry->addresses;
        KEEP_IN_MEMORY(six);
    }
    if (!is_local(&at, &rule, &six, v6))
        return UP;
    const u64 frame = frame_bytes(ctx);
    const int verdict = judge(&at, entry, &rule, &six, frame, v6);
    if (verdict != OURS)
        return verdict;

    const u64 samples = frame - header_bytes(v6);
    const u64 out_sequence = (u16)(swap16(at.rtp->sequence) + rule.delta_sequence);
    const u64 step = (u16)(out_sequence - word + 1);
    WIDE(timestamp, swap32(at.rtp->timestamp));
    const u64 arrival = now / NANOS_A_SAMPLE, transit = (u32)(arrival - timestamp);
    /* A keep-alive, or more than the loop converts. */
    if (samples - 1 >= SAMPLES_MAX || !continues(entry, step, timestamp, transit))
        return UP;
    struct way way;
    if (!find_way(ctx, &at, entry, &rule, frame, &way, v6))
        return UP;
    WIDE(conversion, rule.conversion);
    if (conversion && (!reach_all(ctx, frame) || !find_headers(ctx, &at, v6)))
        return UP;
    const u64 left_out = commit(entry, word, out_sequence, samples);
    if (left_out == NOT_OURS)
        return UP;

    struct sums sums = {};
    rewrite_ip(at.ip4, at.ip6, &rule, &six, &sums, v6);
    rewrite_rtp(at.udp, at.rtp, &rule, out_sequence, timestamp + rule.delta_timestamp, &sums);
    WIDE(is_summed, at.udp->checksum);
    void *end = (void *)(long)ctx->data_end;
    if (conversion)
        convert((u8 *)(at.rtp + 1), end, samples, conversion, &sums);
    count(entry, arrival, left_out, timestamp, transit);
    /* From here on no pointer into the packet holds. */
    if (conversion && samples & 7 && !convert_rest(ctx, frame, samples & 7, conversion, &sums))
        return DROP;
    return send(ctx, &rule, &way, is_summed ? &sums : 0, v6);
}

__attribute__((section("relay"), used)) int relay_frame(context *ctx)
{
    if (!is_plain(ctx))
        return UP;
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    const struct ethernet *ethernet = data;
    if ((void *)(ethernet + 1) > end)
        return UP;
    const u16 type = ethernet->type;
    if (type == TYPE_IPV4)
        return relay(ctx, 0);
    if (type == TYPE_IPV6)
        return relay(ctx, 1);
    return UP;
}
