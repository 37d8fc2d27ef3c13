//! Why a call ended, between SIP and the telephone network (RFC 3326, ITU-T Q.850). Pure.

use sip::header::Reason;

/// The end of a call as everybody expects it.
pub(crate) const NORMAL: &[u8] = b"Q.850;cause=16;text=\"Normal call clearing\"";
/// Somebody else of those that rang answered.
pub(crate) const ELSEWHERE: &[u8] = b"SIP;cause=200;text=\"Call completed elsewhere\"";

/// A line for the timeline. The peer's own text is cut short: it may hold anything.
pub(crate) fn told(reason: &Reason) -> String {
    let Reason { protocol, cause, text } = reason;
    let protocol: String = protocol.chars().take(PROTOCOL_CHARACTERS_MAX).collect();
    let cause_text = cause.map_or("no cause".to_owned(), |cause| format!("cause {cause}"));
    let ours = cause.filter(|_| protocol.eq_ignore_ascii_case("Q.850")).and_then(q850);
    let theirs = text.as_deref().unwrap_or_default();
    let theirs: String = theirs.chars().take(TEXT_CHARACTERS_MAX).collect();
    let words = ours.unwrap_or(&theirs);
    let words = if words.is_empty() { String::new() } else { format!(": {words}") };
    format!("reason {protocol} {cause_text}{words}")
}

/// What a Q.850 cause means, for those that carriers send.
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
    fn a_cause_of_the_telephone_network_is_told_in_words() {
        let reason = |protocol: &str, cause, text: Option<&str>| Reason {
            protocol: protocol.to_owned(),
            cause,
            text: text.map(str::to_owned),
        };
        assert_eq!(told(&reason("Q.850", Some(17), None)), "reason Q.850 cause 17: user busy");
        let own = reason("SIP", Some(200), Some("Call completed elsewhere"));
        assert_eq!(told(&own), "reason SIP cause 200: Call completed elsewhere");
        assert_eq!(told(&reason("X", None, None)), "reason X no cause");
        assert!(told(&reason("SIP", None, Some(&"x".repeat(500)))).len() < 120);
    }
}
