//! `[limits]`: bounds that depend on who runs the gateway. Pure.

use super::checks::Checks;
use super::section::section;
use super::value::{ByteSize, word_settings};

section! {
    /// Bounds that depend on who runs the gateway.
    #[derive(Clone, Debug, PartialEq)]
    Limits in "limits" {
        /// node: what the machine carries; twilio: the cloud's figures (1 API call a second, 4 h).
        profile: LimitsProfile = "\"node\"",
        /// Calls at once; 0 = by the machine's cores and memory.
        calls: u32 = "0",
        /// Most memory that all limits together may come to; 0 = what the machine has.
        memory: ByteSize = "0",
        /// Memory for all audio of prompts: files while they load, what plays, what is kept. At least 128 MiB.
        audio: ByteSize = "\"256 MiB\"",
    }
}

word_settings! {
    /// Whose figures the limits follow.
    LimitsProfile = "node or twilio" {
        /// What this machine carries.
        #[default]
        Node = "node",
        /// The cloud's figures, so that an application behaves the same on both sides.
        Twilio = "twilio",
    }
}

impl Limits {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        checks.require(
            self.audio.0 >= crate::limits::AUDIO_BYTES_MIN,
            "limits.audio",
            "takes 128 MiB or more: the longest file that is played must have room",
        );
    }
}
