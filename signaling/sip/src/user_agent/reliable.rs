//! Reliable provisional responses to one INVITE of the peer (RFC 3262). Sans-IO.
//!
//! One at a time: a response is repeated until its PRACK comes, and those behind it wait (§3). The 200
//! waits as well, so that the peer never reads an answer in it before it has confirmed the one before.

use std::collections::VecDeque;

use shared::{Extensions, Header, Instant, Random};

use crate::header::Headers;
use crate::message::{Request, Response};
use crate::offer_answer::LocalMedia;
use crate::scan::Scanner;
use crate::transaction::{Retransmission, Timers};

/// The responses to one INVITE.
#[derive(Debug)]
pub(super) struct Reliable {
    /// The peer requires all of them to be reliable, not only those with SDP.
    is_required: bool,
    /// `RSeq` of the next.
    next: u32,
    unconfirmed: Option<Unconfirmed>,
    /// They wait for the PRACK of the one before.
    waiting: VecDeque<(u16, Option<LocalMedia>, Vec<Header>)>,
    /// The 200 that waits for the last PRACK.
    answer: Option<(LocalMedia, Vec<Header>)>,
}

/// A response that waits for its PRACK.
#[derive(Debug)]
struct Unconfirmed {
    rseq: u32,
    bytes: Vec<u8>,
    has_sdp: bool,
    resend: Retransmission,
    give_up_at: Instant,
}

/// What waited for a PRACK and goes out now.
#[derive(Debug)]
pub(super) enum Next {
    /// The 200.
    Answer(LocalMedia, Vec<Header>),
    /// A provisional response.
    Progress(u16, Option<LocalMedia>, Vec<Header>),
}

/// What the deadline of a response asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// No PRACK came in 64·T1: the INVITE is refused.
    GiveUp,
    /// Send these bytes again.
    Resend(Vec<u8>),
    /// Its time has not come.
    Nothing,
}

impl Reliable {
    /// The state of an INVITE; `None` where its sender does not know reliable responses, or the switch
    /// is off.
    pub fn of(random: &mut Random, extensions: Extensions, request: &Request) -> Option<Self> {
        let has = |tags: Vec<String>| tags.iter().any(|tag| tag == "100rel");
        let is_required = has(request.headers.require());
        let knows = is_required || has(request.headers.supported());
        (knows && extensions.prack).then(|| Self {
            is_required,
            // §3: a random start, far from the end of 31 bits.
            next: 1 + random.below(1 << 20),
            unconfirmed: None,
            waiting: VecDeque::new(),
            answer: None,
        })
    }

    /// When [`Reliable::due`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.unconfirmed.as_ref().map(|sent| sent.resend.at.min(sent.give_up_at))
    }

    /// Whether a response with or without SDP goes out reliably.
    pub fn takes(&self, has_sdp: bool) -> bool {
        self.is_required || has_sdp
    }

    /// Lets a response wait for the PRACK of the one before; `false` when none is awaited. Past the
    /// bound the newest is dropped: it only repeats that the call rings.
    pub fn queue(&mut self, status: u16, media: Option<&LocalMedia>, headers: &[Header]) -> bool {
        if self.unconfirmed.is_some() && self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((status, media.cloned(), headers.to_vec()));
        }
        self.unconfirmed.is_some()
    }

    /// Lets the 200 wait for the last PRACK; `false` when none is awaited.
    pub fn queue_answer(&mut self, media: &LocalMedia, headers: &[Header]) -> bool {
        if self.unconfirmed.is_some() {
            self.answer = Some((media.clone(), headers.to_vec()));
        }
        self.unconfirmed.is_some()
    }

    /// The headers that make a response reliable.
    pub fn headers(&self) -> [Header; 2] {
        [Header::new("Require", b"100rel"), Header::new("RSeq", self.next.to_string())]
    }

    /// The response has left.
    pub fn sent(&mut self, now: Instant, timers: &Timers, bytes: &[u8], has_sdp: bool) {
        debug_assert!(self.unconfirmed.is_none(), "one at a time");
        self.unconfirmed = Some(Unconfirmed {
            rseq: self.next,
            bytes: bytes.to_vec(),
            has_sdp,
            // §3: T1 doubled without T2's bound.
            resend: Retransmission::start(now, timers.t1, timers.transaction_timeout()),
            give_up_at: now + timers.transaction_timeout(),
        });
        self.next = self.next.saturating_add(1);
    }

    /// A PRACK came that names the INVITE with this CSeq. Whether the response that it confirms had
    /// SDP; `None` when it confirms nothing.
    pub fn confirm(&mut self, prack: &Headers, invite_cseq: u32) -> Option<bool> {
        let named = RAck::of(prack)?;
        let is_named =
            |sent: &mut Unconfirmed| named == RAck { rseq: sent.rseq, cseq: invite_cseq };
        self.unconfirmed.take_if(is_named).map(|sent| sent.has_sdp)
    }

    /// What goes out after a PRACK. The 200 makes what still waits before it needless.
    pub fn next(&mut self) -> Option<Next> {
        if let Some((media, headers)) = self.answer.take() {
            self.waiting.clear();
            return Some(Next::Answer(media, headers));
        }
        let (status, media, headers) = self.waiting.pop_front()?;
        Some(Next::Progress(status, media, headers))
    }

    /// Works on the deadline of the response that waits for its PRACK.
    pub fn due(&mut self, now: Instant) -> Due {
        let Some(sent) = &mut self.unconfirmed else { return Due::Nothing };
        if now >= sent.give_up_at {
            return Due::GiveUp;
        }
        if now < sent.resend.at {
            return Due::Nothing;
        }
        sent.resend = sent.resend.next(now);
        Due::Resend(sent.bytes.clone())
    }
}

/// The response that a PRACK confirms: `RSeq`, and the number of its INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RAck {
    rseq: u32,
    cseq: u32,
}

impl RAck {
    fn of(headers: &Headers) -> Option<Self> {
        let mut scanner = Scanner::new(headers.get("RAck")?.as_bytes());
        let mut number = || {
            scanner.skip_space();
            let digits = scanner.take_while(|byte| byte.is_ascii_digit());
            u32::try_from(crate::text::decimal(digits)?).ok()
        };
        let (rseq, cseq) = (number()?, number()?);
        scanner.skip_space();
        (scanner.rest() == b"INVITE").then_some(Self { rseq, cseq })
    }
}

/// `RSeq` of a response that wants a PRACK.
pub(super) fn rseq_of(response: &Response) -> Option<u32> {
    let is_reliable = response.headers.require().iter().any(|tag| tag == "100rel");
    let value = response.headers.get("RSeq").filter(|_| is_reliable && response.status != 100)?;
    u32::try_from(crate::text::decimal(value.as_bytes())?).ok()
}

/// Provisional responses that wait for a PRACK.
const WAITING_MAX: usize = 4;
