//! `[retention]`: how long records, alerts and timelines stay: the first bound that is reached counts, the oldest go first. Pure.

use super::section::section;
use super::value::ByteSize;

section! {
    /// How long records, alerts and timelines stay: the first bound that is reached counts, the oldest go first.
    #[derive(Clone, Debug, PartialEq)]
    Retention in "retention" {
        /// Longest age, in days.
        days: u32 = "7",
        /// Most bytes of all of them together.
        bytes: ByteSize = "\"10 GiB\"",
    }
}
