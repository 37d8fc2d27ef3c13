//! Tones that a call plays, by frequency and cadence; the shell renders them. Sans-IO.

/// A generated tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Ringback of a country.
    Ring(RingTone),
    /// The beep of `<Record>` and of conferences.
    Beep,
    /// The music for parties that wait, repeated until stopped.
    HoldMusic,
}

/// Ringback of a country: a value of `ringTone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RingTone {
    /// The value of the attribute.
    pub name: &'static str,
    /// The frequencies that sound together, in Hz; 0 = no second one.
    pub hertz: [u16; 2],
    /// On and off times in milliseconds, repeated until stopped; trailing zeros are unused.
    pub cadence_ms: [u16; 4],
}

impl RingTone {
    /// The tone of a value of `ringTone`; `None` when no tone has that name.
    pub fn of(name: &str) -> Option<Self> {
        TABLE.iter().find(|(known, _, _)| *known == name).map(|&(name, hertz, cadence_ms)| Self {
            name,
            hertz,
            cadence_ms,
        })
    }
}

/// The tone of a document that names none.
pub const DEFAULT_RING_TONE: RingTone =
    RingTone { name: "us", hertz: [440, 480], cadence_ms: [2_000, 4_000, 0, 0] };

const SHORT: [u16; 4] = [400, 200, 400, 2_000];

const fn once(on_ms: u16, off_ms: u16) -> [u16; 4] {
    [on_ms, off_ms, 0, 0]
}

/// Ringing tones of the national networks, as ITU-T E.180 supplement 2 collects them.
const TABLE: [(&str, [u16; 2], [u16; 4]); 40] = [
    ("at", [420, 0], once(1_000, 5_000)),
    ("au", [413, 438], SHORT),
    ("be", [425, 0], once(1_000, 3_000)),
    ("bg", [425, 0], once(1_000, 4_000)),
    ("br", [425, 0], once(1_000, 4_000)),
    ("ch", [425, 0], once(1_000, 4_000)),
    ("cl", [400, 0], once(1_000, 3_000)),
    ("cn", [450, 0], once(1_000, 4_000)),
    ("cz", [425, 0], once(1_000, 4_000)),
    ("de", [425, 0], once(1_000, 4_000)),
    ("dk", [425, 0], once(1_000, 4_000)),
    ("ee", [425, 0], once(1_000, 4_000)),
    ("es", [425, 0], once(1_500, 3_000)),
    ("fi", [425, 0], once(1_000, 4_000)),
    ("fr", [440, 0], once(1_500, 3_500)),
    ("gr", [425, 0], once(1_000, 4_000)),
    ("hu", [425, 0], once(1_250, 3_750)),
    ("il", [400, 0], once(1_000, 3_000)),
    ("in", [375, 425], SHORT),
    ("it", [425, 0], once(1_000, 4_000)),
    ("jp", [384, 416], once(1_000, 2_000)),
    ("lt", [425, 0], once(1_000, 4_000)),
    ("mx", [425, 0], once(1_000, 4_000)),
    ("my", [425, 0], SHORT),
    ("nl", [425, 0], once(1_000, 4_000)),
    ("no", [425, 0], once(1_000, 4_000)),
    ("nz", [400, 450], SHORT),
    ("ph", [425, 480], once(1_000, 4_000)),
    ("pl", [425, 0], once(1_000, 4_000)),
    ("pt", [425, 0], once(1_000, 5_000)),
    ("ru", [425, 0], once(800, 3_200)),
    ("se", [425, 0], once(1_000, 5_000)),
    ("sg", [425, 0], SHORT),
    ("th", [420, 0], once(1_000, 5_000)),
    ("tw", [440, 480], once(1_000, 2_000)),
    ("uk", [400, 450], SHORT),
    ("us", DEFAULT_RING_TONE.hertz, DEFAULT_RING_TONE.cadence_ms),
    ("us-old", [420, 0], once(2_000, 4_000)),
    ("ve", [425, 0], once(1_000, 4_000)),
    ("za", [400, 433], SHORT),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_tone_named_us() {
        assert_eq!(RingTone::of("us"), Some(DEFAULT_RING_TONE));
        assert_eq!(RingTone::of("atlantis"), None);
    }

    #[test]
    fn every_value_of_the_attribute_has_a_tone() {
        let names = "at au bg br be ch cl cn cz de dk ee es fi fr gr hu il in it lt jp mx my nl no \
                     nz ph pl pt ru se sg th uk us us-old tw ve za";
        for name in names.split_ascii_whitespace() {
            assert!(RingTone::of(name).is_some(), "{name}");
        }
    }
}
