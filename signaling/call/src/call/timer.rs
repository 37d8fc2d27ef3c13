//! The timers of a call. Sans-IO.

/// The reason that a call has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The activity's own deadline, under the name that the log shows.
    Activity(&'static str),
    /// The delay of a queued call is over: it rings.
    Delay,
    /// Our INVITE has been out for the whole ring time: it is cancelled.
    Ring,
    /// The answered call has lasted as long as it may: it is hung up.
    TimeLimit,
    /// A stream is open, and no audio of the party has come for as long as a party may take to begin.
    StreamSilence,
    /// Callbacks and recordings of an ended call have had their time: it finishes without them.
    Linger,
}

impl Timer {
    /// The name for the log.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Activity(name) => name,
            Self::Delay => "call delay",
            Self::Ring => "call ring time",
            Self::TimeLimit => "call time limit",
            Self::StreamSilence => "stream without audio",
            Self::Linger => "call linger",
        }
    }
}
