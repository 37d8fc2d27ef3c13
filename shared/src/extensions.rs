//! The SIP extensions that a domain or a trunk may use. Pure.

use crate::config::value::{SettingValue, Value};

/// Switches of the methods and option tags that Twilio's SIP interface does not offer: on for trunks, off
/// for domains unless the settings name them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Reliable provisional responses: `100rel` and PRACK (RFC 3262).
    pub prack: bool,
    /// UPDATE (RFC 3311).
    pub update: bool,
    /// Session timers: `timer`, `Session-Expires` (RFC 4028).
    pub timer: bool,
    /// Digits by INFO: `application/dtmf-relay` and `application/dtmf`.
    pub info: bool,
    /// An INVITE without SDP: our offer goes into a response.
    pub late_offer: bool,
    /// An INVITE with `Replaces` takes the place of a dialog (RFC 3891). Not a switch: the gateway always
    /// serves it, the built-in phone never.
    pub replaces: bool,
    /// Recording sessions (RFC 7866). Not a switch: only a session in which we are the recording client has it.
    pub siprec: bool,
}

impl Extensions {
    /// No extension.
    pub const NONE: Self = Self {
        prack: false,
        update: false,
        timer: false,
        info: false,
        late_offer: false,
        replaces: false,
        siprec: false,
    };

    /// The extensions of every call of the gateway, whatever is switched off.
    pub const LEAST: Self = Self { replaces: true, ..Self::NONE };

    /// All extensions.
    pub const ALL: Self = Self {
        prack: true,
        update: true,
        timer: true,
        info: true,
        late_offer: true,
        replaces: true,
        siprec: false,
    };

    fn switch_on(&mut self, name: &str) -> Option<()> {
        match name {
            "100rel" => self.prack = true,
            "update" => self.update = true,
            "timer" => self.timer = true,
            "info" => self.info = true,
            "late-offer" => self.late_offer = true,
            "all" => *self = Self::ALL,
            _ => return None,
        }
        Some(())
    }
}

impl SettingValue for Extensions {
    const SHAPE: &'static str = "a list of 100rel, update, timer, info, late-offer, or all";

    fn read(value: &Value) -> Option<Self> {
        let mut extensions = Self::LEAST;
        for name in Vec::<String>::read(value)? {
            extensions.switch_on(&name)?;
        }
        Some(extensions)
    }
}

/// Empty text is `None`: the extensions of `[sip]` apply. An empty list is a value: no extension.
impl SettingValue for Option<Extensions> {
    const SHAPE: &'static str =
        "a list of 100rel, update, timer, info, late-offer, or all, or nothing";

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) if text.trim().is_empty() => Some(None),
            value => Extensions::read(value).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_switch_extensions_on_and_unknown_ones_are_not_a_value() {
        let read = |text: &str| Extensions::read(&Value::Text(text.to_owned()));
        assert_eq!(read("all"), Some(Extensions::ALL));
        let some = Extensions { timer: true, info: true, ..Extensions::LEAST };
        assert_eq!(read("timer,info"), Some(some));
        assert_eq!(read("timer,prack"), None);
        assert_eq!(Extensions::read(&Value::List(Vec::new())), Some(Extensions::LEAST));
    }
}
