/* PCMU to PCMA and back (ITU-T G.711, tables 3 and 4), eight samples at once.
 *
 * Both tables number the values of one sign by their magnitude, and both keep the sign. From the seven bits of
 * a number, the number in the other law follows by an addition that changes at eight places. Arithmetic on all
 * bytes of a word does that as fast as eight look-ups, and needs no memory: with CAP_BPF alone, a variable index
 * makes the verifier follow one more path for each look-up.
 */
#pragma once
#include "kernel.h"

#define BYTES(value) ((value) * 0x0101010101010101ull)
#define SIGNS BYTES(0x80ull)

/* 1 in each byte whose number, at most 127, is at least the threshold. */
INLINE u64 at_least(u64 numbers, const u64 threshold)
{
    return ((numbers | SIGNS) - BYTES(threshold)) >> 7 & BYTES(1ull);
}

/* Each byte of `numbers`, and 8 instead where `is_more` has a 1. */
INLINE u64 or_eight(u64 numbers, u64 is_more)
{
    const u64 mask = is_more * 0xFF;
    return (numbers & ~mask) | (BYTES(8ull) & mask);
}

/* Table 3. The numbers of mu-law are inverted on the line, those of A-law in every second bit. */
INLINE u64 mulaw_to_alaw(u64 codes)
{
    const u64 mulaw = ~codes & ~SIGNS;
    const u64 half = (mulaw + BYTES(1ull)) >> 1 & ~SIGNS;
    u64 alaw = mulaw - or_eight(half, at_least(mulaw, 15));
    alaw += at_least(mulaw, 33) + at_least(mulaw, 34) + at_least(mulaw, 35) + at_least(mulaw, 36);
    alaw += at_least(mulaw, 48) + at_least(mulaw, 49) + at_least(mulaw, 64) + at_least(mulaw, 80);
    return (codes & SIGNS) | (alaw ^ BYTES(0x55ull));
}

/* Table 4. */
INLINE u64 alaw_to_mulaw(u64 codes)
{
    const u64 alaw = (codes ^ BYTES(0x55ull)) & ~SIGNS;
    u64 mulaw = alaw + or_eight(alaw + BYTES(1ull), at_least(alaw, 7));
    mulaw -= at_least(alaw, 25) + at_least(alaw, 27) + at_least(alaw, 29) + at_least(alaw, 31);
    mulaw -= at_least(alaw, 45) + at_least(alaw, 47) + at_least(alaw, 63) + at_least(alaw, 79);
    return (codes & SIGNS) | (mulaw ^ ~SIGNS);
}
