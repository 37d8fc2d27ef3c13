//! Answers that leave no state behind: an unauthenticated source must not make the gateway keep
//! anything. Sans-IO.

use shared::{Extensions, Header, Now, Refusal};

use super::core::Core;
use super::incoming::Incoming;
use super::responses::Shape;
use crate::digest::ChallengeKind;
use crate::name_addr::Contacts;

impl Core {
    /// `Command::RejectStateless`. A request that is held is answered from its transaction. Its
    /// nonce count is used up, so a copy would be challenged instead of getting the refusal again.
    pub fn reject_stateless(
        &mut self,
        now: Now,
        incoming: &Incoming,
        refusal: &Refusal,
        mut headers: Vec<Header>,
        is_trusted: bool,
    ) {
        let Some(status) = refusal.status else {
            self.meters.silent += 1;
            return;
        };
        self.meters.refused_stateless += 1;
        if let Some(objection) = &incoming.objection
            && objection.refusal.status == Some(status)
        {
            headers.extend(objection.headers.iter().cloned());
        }
        self.add_reasons(refusal, &mut headers, is_trusted);
        let (flow, request) = (incoming.flow, &incoming.request);
        let shape = Shape { headers: &headers, ..Shape::default() };
        if self.holds(request) {
            self.respond_remembered(now, flow, request, None, status, shape);
        } else {
            self.respond_stateless(flow, request, status, shape);
        }
    }

    /// Adds `Retry-After` for every peer, and error code and sentence for one that has
    /// authenticated.
    pub fn add_reasons(&self, refusal: &Refusal, headers: &mut Vec<Header>, is_trusted: bool) {
        if let Some(seconds) = refusal.retry_after {
            headers.push(Header::new("Retry-After", seconds.to_string()));
        }
        if !is_trusted {
            return;
        }
        let sentence = &refusal.sentence;
        if let Some(code) = refusal.code {
            headers.push(Header::new("X-Twilio-Error", format!("{code} {sentence}")));
        }
        let quoted: String =
            sentence.chars().map(|c| if matches!(c, '"' | '\\') { '\'' } else { c }).collect();
        let warning = format!("399 {} \"{quoted}\"", self.config.host);
        headers.push(Header::new("Warning", warning));
    }

    /// `Command::Challenge`.
    pub fn challenge(&mut self, now: Now, incoming: &Incoming, kind: ChallengeKind, stale: bool) {
        self.meters.challenges_sent += 1;
        let value = self.digest.challenge(now, stale);
        let mut headers = Vec::with_capacity(2);
        // The stronger algorithm first: a client answers the first that it understands (RFC 8760
        // §2.4).
        if self.config.offers_sha256 {
            let stronger = format!("{value},algorithm=SHA-256");
            headers.push(Header::new(kind.challenge_header(), stronger));
        }
        headers.push(Header::new(kind.challenge_header(), value));
        let shape = Shape { headers: &headers, ..Shape::default() };
        self.respond_stateless(incoming.flow, &incoming.request, kind.status(), shape);
    }

    /// `Command::Respond`. A 2xx to OPTIONS also lists what is served (RFC 3261 §11.2).
    pub fn respond_to(
        &mut self,
        now: Now,
        incoming: &Incoming,
        status: u16,
        mut headers: Vec<Header>,
        remember: bool,
    ) {
        if matches!(status, 200..=299) && incoming.request.method == crate::message::Method::Options
        {
            headers.extend(capabilities(self.config.extensions));
        }
        let shape = Shape { headers: &headers, ..Shape::default() };
        if remember {
            self.respond_remembered(now, incoming.flow, &incoming.request, None, status, shape);
        } else {
            self.respond_stateless(incoming.flow, &incoming.request, status, shape);
        }
    }
}

impl Core {
    /// `Command::Registered`.
    pub fn respond_registered(
        &mut self,
        now: Now,
        incoming: &Incoming,
        bindings: Contacts,
        headers: &[Header],
    ) {
        let shape = Shape { bindings, headers, ..Shape::default() };
        self.respond_remembered(now, incoming.flow, &incoming.request, None, 200, shape);
    }
}

/// Headers of a 2xx to OPTIONS.
pub(super) fn capabilities(extensions: Extensions) -> [Header; 4] {
    [
        ("Allow", super::extensions::allow(extensions)),
        ("Accept", crate::sdp::MEDIA_TYPE.to_owned()),
        ("Accept-Encoding", "identity".to_owned()),
        ("Supported", super::extensions::supported(extensions)),
    ]
    .map(|(name, value)| Header::new(name, value))
}
