//! Session timers (RFC 4028): who refreshes, when, and when a session is given up. Sans-IO.

use std::time::Duration;

use shared::{Extensions, Header, Instant, Refusal};

use crate::header::Headers;
use crate::message::{Method, Request};
use crate::objection::Objection;
use crate::scan::Scanner;

/// The session timer of one dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionTimer {
    /// The interval in seconds.
    pub interval_s: u32,
    /// The least that the peer or a proxy accepts, seconds.
    pub min_s: u32,
    /// Whether we are the refresher.
    pub is_ours: bool,
    /// When to refresh, or, where the peer refreshes, when to give up (§10).
    pub at: Instant,
    /// When the session is over without a refresh.
    pub over_at: Instant,
}

/// The side that refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresher {
    Uac,
    Uas,
}

/// `Session-Expires`: seconds, and who refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionExpires {
    pub seconds: u32,
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads the header; an unreadable one counts as absent.
    pub fn of(headers: &Headers) -> Option<Self> {
        let value = headers.get("Session-Expires")?;
        let mut scanner = Scanner::new(value.as_bytes());
        scanner.skip_space();
        let digits = scanner.take_while(|byte| byte.is_ascii_digit());
        let seconds = u32::try_from(crate::text::decimal(digits)?).unwrap_or(u32::MAX);
        let parameters = scanner.parameters()?;
        let refresher = parameters.get("refresher").and_then(|who| {
            if who.eq_ignore_case("uac") {
                Some(Refresher::Uac)
            } else if who.eq_ignore_case("uas") {
                Some(Refresher::Uas)
            } else {
                None
            }
        });
        Some(Self { seconds: seconds.min(INTERVAL_S_MAX), refresher })
    }

    fn header(self) -> Header {
        let refresher = match self.refresher {
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
            None => "",
        };
        Header::new("Session-Expires", format!("{}{refresher}", self.seconds))
    }
}

impl SessionTimer {
    fn start(now: Instant, seconds: u32, min_s: u32, is_ours: bool) -> Self {
        let interval = Duration::from_secs(u64::from(seconds));
        let early = Duration::from_secs(32).min(interval / 3);
        let at = if is_ours { now + interval / 2 } else { now + (interval - early) };
        Self { interval_s: seconds, min_s, is_ours, at, over_at: now + (interval - early) }
    }

    /// The timer that our 2xx to this INVITE or UPDATE agrees to (§9), with its headers.
    pub fn of_request(
        now: Instant,
        extensions: Extensions,
        request: &Request,
    ) -> Option<(Self, Vec<Header>)> {
        let asked = SessionExpires::of(&request.headers).filter(|_| extensions.timer)?;
        let knows = knows_timers(request);
        // A peer without session timers cannot refresh: a proxy asked for the timer, so we refresh
        // (§9, table 2).
        let refresher = match asked.refresher {
            Some(refresher) if knows => refresher,
            None if knows => Refresher::Uac,
            Some(_) | None => Refresher::Uas,
        };
        let seconds = asked.seconds.max(INTERVAL_S_MIN);
        let min_s = min_se(&request.headers).unwrap_or(INTERVAL_S_MIN);
        let agreed = SessionExpires { seconds, refresher: Some(refresher) };
        let mut headers = vec![agreed.header()];
        if refresher == Refresher::Uac {
            headers.push(Header::new("Require", b"timer"));
        }
        Some((Self::start(now, seconds, min_s, refresher == Refresher::Uas), headers))
    }

    /// The timer that the peer's 2xx to our INVITE or UPDATE agrees to (§7.2); `None` for no timer.
    pub fn of_response(now: Instant, extensions: Extensions, headers: &Headers) -> Option<Self> {
        let agreed = SessionExpires::of(headers).filter(|_| extensions.timer)?;
        let seconds = agreed.seconds.max(INTERVAL_S_MIN);
        let is_ours = agreed.refresher != Some(Refresher::Uas);
        Some(Self::start(now, seconds, INTERVAL_S_MIN, is_ours))
    }

    /// Headers of our refresh; the roles stay (§7.4).
    pub fn request_headers(&self) -> Vec<Header> {
        let refresher = if self.is_ours { Refresher::Uac } else { Refresher::Uas };
        let asked = SessionExpires { seconds: self.interval_s, refresher: Some(refresher) };
        let mut headers = vec![asked.header()];
        if self.min_s > INTERVAL_S_MIN {
            headers.push(Header::new("Min-SE", self.min_s.to_string()));
        }
        headers
    }

    /// Takes the minimum of a 422; `false` when it does not exceed our interval.
    pub fn raise(&mut self, response: &Headers) -> bool {
        let Some(least) = min_se(response).filter(|least| *least > self.interval_s) else {
            return false;
        };
        (self.interval_s, self.min_s) = (least, least);
        true
    }
}

/// Headers of our first INVITE: our interval, or the minimum that a 422 demanded.
pub(super) fn invite_headers(extensions: Extensions, min_s: Option<u32>) -> Vec<Header> {
    let asked =
        SessionExpires { seconds: min_s.unwrap_or(INTERVAL_S).max(INTERVAL_S), refresher: None };
    match min_s {
        None if !extensions.timer => Vec::new(),
        None => vec![asked.header()],
        Some(min_s) => {
            vec![asked.header(), Header::new("Min-SE", min_s.to_string())]
        }
    }
}

/// `Min-SE` in seconds.
pub(super) fn min_se(headers: &Headers) -> Option<u32> {
    let value = headers.get("Min-SE")?;
    let digits = Scanner::new(value.as_bytes()).take_while(|byte| byte.is_ascii_digit());
    u32::try_from(crate::text::decimal(digits)?).ok().map(|seconds| seconds.min(INTERVAL_S_MAX))
}

/// 422 for an interval below our minimum, to a peer that can choose another (§9).
pub(super) fn objection(extensions: Extensions, request: &Request) -> Option<Objection> {
    if !extensions.timer || !matches!(request.method, Method::Invite | Method::Update) {
        return None;
    }
    let asked = SessionExpires::of(&request.headers)?;
    if asked.seconds >= INTERVAL_S_MIN || !knows_timers(request) {
        return None;
    }
    let sentence = "the session timer that the request asks for is shorter than 90 seconds";
    let refusal = Refusal::new("session_interval_too_small", 422, sentence);
    let headers = vec![Header::new("Min-SE", INTERVAL_S_MIN.to_string())];
    Some(Objection { refusal, headers })
}

fn knows_timers(request: &Request) -> bool {
    let is_timer = |tags: Vec<String>| tags.iter().any(|tag| tag == "timer");
    is_timer(request.headers.supported()) || is_timer(request.headers.require())
}

/// Interval that our INVITEs ask for, seconds (§4).
const INTERVAL_S: u32 = 1_800;
/// Shortest interval accepted, seconds (§5).
const INTERVAL_S_MIN: u32 = 90;
/// Longest interval believed, seconds: one day.
const INTERVAL_S_MAX: u32 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(0);

    fn headers(list: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in list {
            headers.push(name, value).unwrap();
        }
        headers
    }

    #[test]
    fn the_header_is_read_with_its_refresher_in_both_forms() {
        let read = |value| SessionExpires::of(&headers(&[("x", value)]));
        let uac = SessionExpires { seconds: 1_800, refresher: Some(Refresher::Uac) };
        assert_eq!(read("1800;refresher=uac"), Some(uac));
        assert_eq!(read("1800 ; Refresher=UAC"), Some(uac));
        assert_eq!(read("90"), Some(SessionExpires { seconds: 90, refresher: None }));
        assert_eq!(read("soon"), None);
        assert_eq!(read("99999999999").map(|read| read.seconds), Some(INTERVAL_S_MAX));
    }

    #[test]
    fn the_refresher_acts_at_half_time_and_the_other_gives_up_shortly_before_the_end() {
        let ours = SessionTimer::start(NOW, 90, 90, true);
        assert_eq!((ours.at.as_millis(), ours.over_at.as_millis()), (45_000, 60_000));
        let theirs = SessionTimer::start(NOW, 1_800, 90, false);
        assert_eq!(theirs.at.as_millis(), 1_768_000);
    }

    #[test]
    fn a_longer_least_is_taken_over_once() {
        let mut timer = SessionTimer::start(NOW, 90, 90, true);
        assert!(timer.raise(&headers(&[("Min-SE", "300")])));
        assert!(!timer.raise(&headers(&[("Min-SE", "300")])));
        let sent = timer.request_headers();
        assert_eq!(sent[0].value, b"300;refresher=uac");
        assert_eq!(sent[1], Header::new("Min-SE", b"300"));
    }

    #[test]
    fn without_the_switch_nothing_is_asked_unless_a_422_demands_it() {
        assert!(invite_headers(Extensions::NONE, None).is_empty());
        assert_eq!(invite_headers(Extensions::ALL, None)[0].value, b"1800");
        assert_eq!(invite_headers(Extensions::NONE, Some(3_600))[0].value, b"3600");
    }
}
