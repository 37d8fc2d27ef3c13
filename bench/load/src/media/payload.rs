//! Payload of test packets: every byte follows from stream and number, so every byte is checked. Pure.
//!
//! Sequence number, timestamp and SSRC are rewritten on the way, so the first 16 payload bytes name
//! the packet themselves: a nibble a byte, in symbols that stay apart when they are transcoded.
//! The rest is noise that begins at a place chosen by stream and number.

use plane::g711;
use shared::Codec;

/// 20 ms of G.711.
pub(crate) const PAYLOAD_BYTES: usize = 160;
/// Nibbles of magic, stream and number.
const NAME_BYTES: usize = 16;
const MAGIC: u64 = 0x5A3C;
/// Noise bytes to choose from; the last packet's worth cannot begin a packet.
const NOISE_BYTES: usize = 16 * 1_024;

/// Identity of a test packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// Index of the stream.
    pub stream: u16,
    /// Number of the packet in its stream, from 0.
    pub number: u32,
}

/// Writes and checks payloads in every pair of codecs.
pub(crate) struct Payloads {
    /// By codec sent and codec received.
    alphabets: [[Alphabet; 2]; 2],
    /// The nibble that a received byte is nearest to, by codec received.
    nearest: [[u8; 256]; 2],
    /// The byte that another relay produced for each byte, by codec sent.
    learned: [[Option<u8>; 256]; 2],
}

struct Alphabet {
    symbols: [u8; 16],
    noise: Vec<u8>,
}

/// The table that transcoded bytes are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Ours: ITU-T G.711 by way of linear samples.
    Tables,
    /// Learned: the first result for a byte must repeat.
    Learned,
}

impl Payloads {
    pub fn new() -> Self {
        let noise = noise();
        let codecs = [Codec::Pcmu, Codec::Pcma];
        let alphabets = codecs.map(|from| codecs.map(|to| Alphabet::new(from, to, &noise)));
        let nearest = codecs.map(|codec| std::array::from_fn(|byte| nearest(codec, byte as u8)));
        Self { alphabets, nearest, learned: [[None; 256]; 2] }
    }

    /// The payload of a packet as it is sent.
    pub fn write(&self, codec: Codec, name: Name, payload: &mut [u8; PAYLOAD_BYTES]) {
        self.alphabet(codec, codec).write(name, payload);
    }

    /// The identity in a received payload; `None` where it is not a test packet.
    pub fn name(&self, received: Codec, payload: &[u8; PAYLOAD_BYTES]) -> Option<Name> {
        let nearest = &self.nearest[received as usize];
        let digits = payload.iter().take(NAME_BYTES);
        let value =
            digits.fold(0_u64, |value, byte| value << 4 | u64::from(nearest[usize::from(*byte)]));
        let is_ours = value >> 48 == MAGIC;
        is_ours.then_some(Name { stream: (value >> 32) as u16, number: value as u32 })
    }

    /// Whether every byte is right.
    pub fn is_intact(
        &mut self,
        sent: Codec,
        received: Codec,
        reference: Reference,
        name: Name,
        payload: &[u8; PAYLOAD_BYTES],
    ) -> bool {
        let mut expected = [0; PAYLOAD_BYTES];
        match reference {
            Reference::Tables => {
                self.alphabet(sent, received).write(name, &mut expected);
                expected == *payload
            }
            Reference::Learned => {
                self.write(sent, name, &mut expected);
                let table = &mut self.learned[sent as usize];
                expected.iter().zip(payload).all(|(before, after)| {
                    *table[usize::from(*before)].get_or_insert(*after) == *after
                })
            }
        }
    }

    fn alphabet(&self, from: Codec, to: Codec) -> &Alphabet {
        &self.alphabets[from as usize][to as usize]
    }
}

impl Alphabet {
    /// A byte of codec `from`, transcoded to `to`.
    fn new(from: Codec, to: Codec, noise: &[u8]) -> Self {
        let mut symbols = LEVELS.map(|level| g711::encode(from, level));
        let mut noise = noise.to_vec();
        g711::translate(from, to, &mut symbols);
        g711::translate(from, to, &mut noise);
        Self { symbols, noise }
    }

    fn write(&self, name: Name, payload: &mut [u8; PAYLOAD_BYTES]) {
        let value = MAGIC << 48 | u64::from(name.stream) << 32 | u64::from(name.number);
        let (head, body) = payload.split_at_mut(NAME_BYTES);
        for (place, byte) in head.iter_mut().enumerate() {
            *byte = self.symbols[(value >> (60 - 4 * place) & 0xF) as usize];
        }
        let start = start_of(name);
        body.copy_from_slice(&self.noise[start..start + PAYLOAD_BYTES - NAME_BYTES]);
    }
}

/// Where in the noise a packet begins.
fn start_of(name: Name) -> usize {
    let mixed = (u64::from(name.number) << 16 | u64::from(name.stream)).wrapping_mul(MIX);
    (mixed >> 32) as usize % (NOISE_BYTES - PAYLOAD_BYTES)
}

/// 2^64 divided by the golden ratio: spreads neighbouring names.
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

/// Pseudo-random bytes, equal in every run.
fn noise() -> Vec<u8> {
    let mut state = MIX;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(NOISE_BYTES).collect()
}

/// Linear samples an octave apart: no law and no rounding brings two together.
const LEVELS: [i16; 16] = [
    200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, -200, -400, -800, -1_600, -3_200, -6_400,
    -12_800, -25_600,
];

fn nearest(codec: Codec, byte: u8) -> u8 {
    let sample = i32::from(g711::decode(codec, byte));
    let distance = |index: &u8| (sample - i32::from(LEVELS[usize::from(*index)])).abs();
    (0..16).min_by_key(distance).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Name = Name { stream: 0x1F07, number: 0xDEAD_BEEF };
    const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

    fn sent(payloads: &Payloads, codec: Codec) -> [u8; PAYLOAD_BYTES] {
        let mut payload = [0; PAYLOAD_BYTES];
        payloads.write(codec, NAME, &mut payload);
        payload
    }

    #[test]
    fn a_packet_is_known_by_its_name_in_either_codec() {
        let mut payloads = Payloads::new();
        for from in CODECS {
            for to in CODECS {
                let mut payload = sent(&payloads, from);
                g711::translate(from, to, &mut payload);
                assert_eq!(payloads.name(to, &payload), Some(NAME));
                assert!(payloads.is_intact(from, to, Reference::Tables, NAME, &payload));
                assert!(payloads.is_intact(from, to, Reference::Learned, NAME, &payload));
                payloads.learned = [[None; 256]; 2];
            }
        }
    }

    #[test]
    fn any_changed_byte_is_seen() {
        let mut payloads = Payloads::new();
        for place in 0..PAYLOAD_BYTES {
            let mut payload = sent(&payloads, Codec::Pcmu);
            assert!(payloads.is_intact(
                Codec::Pcmu,
                Codec::Pcmu,
                Reference::Learned,
                NAME,
                &payload
            ));
            payload[place] ^= 1;
            for reference in [Reference::Tables, Reference::Learned] {
                let (codec, name) = (Codec::Pcmu, NAME);
                assert!(!payloads.is_intact(codec, codec, reference, name, &payload), "{place}");
            }
        }
    }

    #[test]
    fn silence_is_not_a_test_packet() {
        let payloads = Payloads::new();
        for codec in CODECS {
            assert_eq!(payloads.name(codec, &[codec.silence(); PAYLOAD_BYTES]), None);
        }
    }
}
