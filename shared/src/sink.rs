//! Sinks of taps: who reads the audio that a media core copies from its legs.
//!
//! A core has one ring a sink, and one bound and one set of counters a sink, so that a slow reader costs
//! nobody else a frame and one kind of tap never takes the room of another. A new sink is a variant of
//! [`Sink`], a bound, and a thread that takes its rings. A sink whose bound is 0 has no ring, and its taps
//! are refused.

use std::ops::{Index, IndexMut};

use crate::codec::{Codec, FRAME_SAMPLES};
use crate::ids::TapId;

/// The reader of a tap's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Sink {
    /// The recorder thread, which writes files.
    Recorder,
    /// A thread that sends the audio on while the call lasts.
    Stream,
    /// The thread that has the audio recognised.
    Recognition,
}

impl Sink {
    /// All sinks, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Recorder, Self::Stream, Self::Recognition];

    /// The value of the metric label `sink`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recorder => "recorder",
            Self::Stream => "stream",
            Self::Recognition => "recognition",
        }
    }
}

/// One value for each sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BySink<T>([T; Sink::ALL.len()]);

impl<T> BySink<T> {
    /// Makes the value of each sink, in the order of [`Sink::ALL`].
    pub fn from_fn(of: impl FnMut(Sink) -> T) -> Self {
        Self(Sink::ALL.map(of))
    }

    /// Every sink with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Sink, &T)> {
        Sink::ALL.into_iter().zip(&self.0)
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut()
    }
}

impl<T: Default> BySink<T> {
    /// This value for one sink, and the default for the others.
    pub fn only(sink: Sink, value: T) -> Self {
        let mut all = Self(std::array::from_fn(|_| T::default()));
        all[sink] = value;
        all
    }
}

impl<T> Index<Sink> for BySink<T> {
    type Output = T;

    fn index(&self, sink: Sink) -> &T {
        &self.0[sink as usize]
    }
}

impl<T> IndexMut<Sink> for BySink<T> {
    fn index_mut(&mut self, sink: Sink) -> &mut T {
        &mut self.0[sink as usize]
    }
}

/// 20 ms of a tapped leg, on the ring from a core to a sink.
#[derive(Clone, Debug)]
pub struct TapFrame {
    /// Name of the tap, as its command gave it.
    pub tap: TapId,
    /// Number of the 20 ms period since the tap began; a gap means frames lost on the way to the sink.
    pub index: u32,
    /// Codec of both tracks.
    pub codec: Codec,
    /// Received from the party; `None` when the track is not tapped. Lost audio is concealed for 80 ms, then
    /// silence.
    pub inbound: Option<[u8; FRAME_SAMPLES]>,
    /// Sent to the party; `None` when the track is not tapped.
    pub outbound: Option<[u8; FRAME_SAMPLES]>,
    /// Frames of the leg's feed that the core needs no more, since the feed began and modulo 2^32: played, cleared,
    /// or dropped because too many waited. The writer of a feed paces itself by it. 0 without a feed.
    pub feed_passed: u32,
    /// Whether the tap ends with this frame, which then carries no audio.
    pub last: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sink_has_its_own_place_and_name() {
        for (index, sink) in Sink::ALL.into_iter().enumerate() {
            assert_eq!(sink as usize, index);
            let only = BySink::only(sink, 7);
            let sevens: Vec<Sink> =
                only.iter().filter(|(_, value)| **value == 7).map(|(sink, _)| sink).collect();
            assert_eq!(sevens, [sink]);
            let same = Sink::ALL.iter().filter(|other| other.name() == sink.name());
            assert_eq!(same.count(), 1);
        }
    }
}
