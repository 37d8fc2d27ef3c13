//! `[log]`: the log, on standard error. Pure.

use super::section::section;
use super::value::word_settings;

section! {
    /// The log, on standard error.
    #[derive(Clone, Debug, PartialEq)]
    Log in "log" {
        /// error, warn, info, debug or trace. Phone numbers and URIs appear from debug on.
        level: LogLevel = "\"info\"",
        /// human or json.
        format: LogFormat = "\"human\"",
    }
}

word_settings! {
    /// Form of log lines.
    LogFormat = "human or json" {
        /// For people to read, one line an event.
        #[default]
        Human = "human",
        /// One JSON object a line.
        Json = "json",
    }

    /// Least level of log lines.
    LogLevel = "error, warn, info, debug or trace" {
        /// Needs a person.
        Error = "error",
        /// Odd but served.
        Warn = "warn",
        /// A call's life.
        #[default]
        Info = "info",
        /// A decision of the gateway.
        Debug = "debug",
        /// A step on the way to a decision.
        Trace = "trace",
    }
}
