//! The `Reason` header: why a call ended, in terms of SIP or the telephone network (RFC 3326, ITU-T
//! Q.850). Pure.

use std::fmt;

use sip::header::Reason;

/// A call that a party hung up.
pub(crate) const NORMAL: &[u8] = b"Q.850;cause=16;text=\"Normal call clearing\"";
/// Another of the phones that rang answered: phones do not list the call as missed.
pub(crate) const ELSEWHERE: &[u8] = b"SIP;cause=200;text=\"Call completed elsewhere\"";

/// The line for the timeline. The peer's texts are cut, because they may be long.
pub(crate) fn timeline_text(reason: &Reason) -> impl fmt::Display {
    let Reason { protocol, cause, text } = reason;
    // A Q.850 cause has one meaning (ITU-T Q.850), while the text beside it is free and may be in any
    // language.
    let ours = cause.filter(|_| protocol.eq_ignore_ascii_case("Q.850")).and_then(q850);
    let words = ours.or(text.as_deref()).unwrap_or_default();
    fmt::from_fn(move |f| {
        // The precision of a text counts characters: a header may hold UTF-8.
        write!(f, "reason {protocol:.PROTOCOL_CHARACTERS_MAX$} ")?;
        match cause {
            Some(cause) => write!(f, "cause {cause}")?,
            None => f.write_str("no cause")?,
        }
        if words.is_empty() { Ok(()) } else { write!(f, ": {words:.TEXT_CHARACTERS_MAX$}") }
    })
}

/// The meaning of a Q.850 cause, for those that carriers send.
const fn q850(cause: u16) -> Option<&'static str> {
    Some(match cause {
        1 => "unallocated number",
        2 | 3 => "no route to the destination",
        16 => "normal call clearing",
        17 => "user busy",
        18 => "no user responding",
        19 => "no answer from the user",
        20 => "subscriber absent",
        21 => "call rejected",
        22 => "number changed",
        27 => "destination out of order",
        28 => "invalid number format",
        29 => "facility rejected",
        31 => "normal, unspecified",
        34 => "no circuit available",
        38 => "network out of order",
        41 => "temporary failure",
        42 => "switching equipment congestion",
        47 => "resource unavailable",
        50 => "facility not subscribed",
        57 => "bearer capability not authorized",
        65 => "bearer capability not implemented",
        79 => "service not implemented",
        88 => "incompatible destination",
        102 => "recovery on timer expiry",
        111 => "protocol error",
        127 => "interworking, unspecified",
        _ => return None,
    })
}

const PROTOCOL_CHARACTERS_MAX: usize = 16;
const TEXT_CHARACTERS_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_of_the_telephone_network_is_shown_in_words() {
        let reason = |protocol: &str, cause, text: Option<&str>| Reason {
            protocol: protocol.to_owned(),
            cause,
            text: text.map(str::to_owned),
        };
        let line = |reason: Reason| timeline_text(&reason).to_string();
        let busy = reason("Q.850", Some(17), None);
        assert_eq!(line(busy), "reason Q.850 cause 17: user busy");
        let own = reason("SIP", Some(200), Some("Call completed elsewhere"));
        assert_eq!(line(own), "reason SIP cause 200: Call completed elsewhere");
        assert_eq!(line(reason("X", None, None)), "reason X no cause");
        assert!(line(reason("SIP", None, Some(&"x".repeat(500)))).len() < 120);
    }
}
