//! `[streams]`: media streams to applications. Pure.

use super::checks::Checks;
use super::section::section;
use super::value::ByteSize;
use crate::limits::{FEEDS_PER_CORE_MAX, TAPS_PER_CORE_MAX};

section! {
    /// Media streams to applications.
    #[derive(Clone, Debug, PartialEq)]
    Streams in "streams" {
        /// Streams that one media core serves at once; 0 = none.
        core_max: u32 = "1000",
        /// Audio of applications that waits for its parties, of all streams together.
        buffer: ByteSize = "\"64 MiB\"",
        /// Whether streams may go to ws:// URLs, without TLS, too.
        plaintext: bool = "false",
    }
}

impl Streams {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        let most = TAPS_PER_CORE_MAX.min(FEEDS_PER_CORE_MAX);
        checks.require(self.core_max as usize <= most, "streams.core_max", "takes at most 2048");
    }
}
