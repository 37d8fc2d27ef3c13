//! The calls that a `<Dial>` makes: set-up, caller id, hops. Sans-IO.
//!
//! A noun that cannot be rung (a bad URL or number, no hop left) is not dropped here. It becomes a child
//! that ends `failed` at once, so that each noun has exactly one child, and records, callbacks and
//! `DialCallStatus` need no special case.

use std::sync::Arc;

use shared::{CallSid, Code, Now};

use crate::call::Call;
use crate::finding::{Finding, brief};
use crate::setup::{
    AnswerDetection, ApplicationTarget, CallSetup, DocumentSource, OutboundLeg, StatusCallback,
    Target, Webhook,
};
use crate::status::CallDirection;
use crate::twiml::verb::noun::{Noun, NounDetection, NounKind};
use crate::twiml::verb::{Dial, Link};

impl Call {
    /// The detection of a noun. It never delays the bridge: its result goes to its callback.
    fn child_detection(&mut self, noun: NounDetection) -> AnswerDetection {
        let callback = noun.callback.and_then(|link| match self.resolve_link(&link) {
            Ok(webhook) => Some(webhook),
            Err(sentence) => {
                self.notify(Finding::warning(Code::URL_INVALID, sentence), None);
                None
            }
        });
        AnswerDetection { detection: noun.detection, is_async: true, callback }
    }

    /// The set-up of the child of one noun.
    pub(super) fn child_setup(&mut self, now: Now, spec: &Dial, noun: Noun) -> CallSetup {
        let screening = noun.screening.as_ref().map(|link| self.resolve_link(link));
        let (document, target) = match screening {
            None => (DocumentSource::None, noun.target),
            Some(Ok(webhook)) => (DocumentSource::Url(webhook), noun.target),
            Some(Err(sentence)) => {
                (DocumentSource::None, impossible(&noun.target, Code::URL_INVALID, None, sentence))
            }
        };
        // A child is a new INVITE, so no proxy takes this hop off (RFC 7332 §4).
        let hops_left = self.setup.max_forwards.checked_sub(1);
        let target = match hops_left {
            Some(_) => target,
            // Refused as the next hop would refuse it.
            None => impossible(&target, Code::MAX_FORWARDS, Some(483), LOOP),
        };
        let target = self.with_parent_to(noun.kind, target);
        let caller_id = self.caller_id(spec.caller_id.as_deref(), noun.kind);
        CallSetup {
            sid: CallSid::mint(now.unix_ms, self.setup.origin, self.random.number()),
            account: self.setup.account,
            parent: Some(self.setup.sid),
            direction: CallDirection::OutboundDial,
            from: caller_id.clone().unwrap_or_else(|| self.setup.from.clone()),
            // A copy: `To` is shown for the life of the call, the target moves into the INVITE.
            to: reported(&target),
            forwarded_from: None,
            application: None,
            warnings: Vec::new(),
            sip: None,
            link: None,
            leg: Some(OutboundLeg {
                target,
                // By default the child shows the user part of the parent's From (twiml.md 2.6).
                caller_id: caller_id.unwrap_or_else(|| user_of(&self.setup.from)),
                display_name: None,
                delay_s: 0,
                ring_s: spec.timeout_s,
                detection: noun.detection.map(|detection| self.child_detection(detection)),
                send_digits: noun.send_digits,
            }),
            document,
            // A failed screening document hangs up the child (webhooks.md 8.1): no other replaces
            // it.
            fallback: None,
            status_callback: noun.status_callback.and_then(|(link, events)| {
                match self.resolve_link(&link) {
                    Ok(webhook) => Some(StatusCallback { webhook, events }),
                    Err(sentence) => {
                        // The child rings without its callback: the connection matters more than
                        // reports on it.
                        self.notify(Finding::warning(Code::URL_INVALID, sentence), None);
                        None
                    }
                }
            }),
            max_forwards: hops_left.unwrap_or_default(),
            // `timeLimit` counts from the bridge, which only the parent knows.
            time_limit_s: self.setup.settings.call_s_max,
            // `<Dial record>` is a recording of the parent, which holds both parties.
            record: None,
            settings: Arc::clone(&self.setup.settings),
            origin: self.setup.origin,
            // A seed of its own: SIDs and tokens of parent and child must differ.
            seed: self.random.bytes(),
        }
    }

    /// `copyParentTo`: the application gets `To` of this call in place of its own SID.
    fn with_parent_to(&self, kind: NounKind, target: Target) -> Target {
        match (kind, target) {
            (NounKind::Application { copies_to: true }, Target::Application(target)) => {
                Target::Application(ApplicationTarget { to: self.setup.to.clone(), ..target })
            }
            (_, target) => target,
        }
    }

    fn resolve_link(&self, link: &Link) -> Result<Webhook, String> {
        match self.resolve(&link.url) {
            Ok(url) => Ok(Webhook { url: url.configured(), method: link.method }),
            Err(fault) => Err(fault.sentence),
        }
    }

    /// The `callerId` of a document, if it is valid for the noun; else warns, and the caller's id is
    /// used.
    fn caller_id(&mut self, asked: Option<&str>, kind: NounKind) -> Option<String> {
        let asked = asked?;
        let (fits, code) = match kind {
            NounKind::Number => (is_number(asked), Code::DIAL_CALLER_ID),
            NounKind::Sip | NounKind::Client if asked.len() > CALLER_ID_MAX => {
                (false, Code::SIP_CALLER_ID_LENGTH)
            }
            NounKind::Sip | NounKind::Client => {
                (asked.bytes().all(is_caller_id_byte), Code::DIAL_CALLER_ID)
            }
            // No SIP leaves: the caller id only stands in records and webhooks.
            NounKind::Application { .. } | NounKind::Other => (true, Code::DIAL_CALLER_ID),
        };
        if fits {
            return Some(asked.to_owned());
        }
        let shown = brief(asked);
        let message =
            format!("callerId `{shown}` is not allowed for this target: the caller's is used");
        self.notify(Finding::warning(code, message), None);
        None
    }
}

/// A target that cannot be rung, reported under the name that the document gave it.
fn impossible(
    target: &Target,
    code: Code,
    status: Option<u16>,
    sentence: impl Into<String>,
) -> Target {
    Target::Impossible { to: reported(target), code, status, sentence: sentence.into() }
}

/// The value of the child's `To` parameter.
fn reported(target: &Target) -> String {
    match target {
        Target::Sip(target) => target.reported.clone(),
        Target::Number(number) => number.clone(),
        Target::Client(target) => format!("client:{}", target.identity),
        Target::Application(target) => target.dialed.clone(),
        Target::Impossible { to, .. } => to.clone(),
    }
}

/// The user part of a SIP URI, or the text itself.
fn user_of(from: &str) -> String {
    let rest = from.strip_prefix("sip:").unwrap_or(from);
    rest.split_once('@').map_or(rest, |(user, _)| user).to_owned()
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Letters, digits, `+ - _ .`: all of a caller id on a SIP target.
const fn is_caller_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'_' | b'.')
}

const LOOP: &str = "The call has no hops left (Max-Forwards): a peer sends it back here again and again. \
                    Look for the route that leads back.";
/// Longest caller id on a SIP target, in bytes.
const CALLER_ID_MAX: usize = 128;
