//! Tones a call asks for: what they are, never how they sound in bytes. Sans-IO.

/// A generated tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Ringback of a country.
    Ring(RingTone),
    /// The beep of `<Record>`.
    Beep,
}

/// Ringback of a country: a value of `ringTone` (contract twiml.md 2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingTone {
    /// The value of the attribute.
    pub name: &'static str,
    /// The frequencies that sound together, in Hz; 0 = none.
    pub hertz: [u16; 2],
    /// On and off times in milliseconds, repeated for ever; 0 = none.
    pub cadence_ms: [u16; 4],
}
