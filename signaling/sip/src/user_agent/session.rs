//! One INVITE usage and its states. Sans-IO. `Ringing` (their INVITE) and `Calling` (ours) lead to
//! `Talking`, that to `Ending` by our BYE, and each of them to `Gone`. A session owns its dialog
//! and its media; its requests are transactions of the core, named by key. The states live here as
//! data; `uas`, `uac`, `early`, `in_dialog`, `reoffer`, `refer` and `dialog_requests` move between
//! them.

use std::time::Duration;

use shared::{Extensions, Header, Instant, NegotiatedMedia, Now, Refusal};

use super::core::Core;
use super::credentials::Login;
use super::event::{EndCause, UaEvent};
use super::media::SessionMedia;
use super::outgoing::Invite;
use super::pending_requests::PendingRequests;
use super::referrals::Referrals;
use super::reliable::Reliable;
use super::timer::SessionTimer;
use crate::dialog::Dialog;
use crate::digest::client::Authorization;
use crate::flow::{Destination, FlowId, ReplyRoute};
use crate::header::Headers;
use crate::ids::SessionId;
use crate::message::{CallId, Request};
use crate::multipart;
use crate::name_addr::NameAddr;
use crate::offer_answer::LocalMedia;
use crate::refer_to::Replaces;
use crate::text::Text;
use crate::token::Token;
use crate::transaction::{ClientKey, Clients, Retransmission, ServerKey};

/// One INVITE and the dialog it leads to.
#[derive(Debug)]
pub(super) struct Session {
    pub id: SessionId,
    /// Our tag in all its dialogs.
    pub tag: Token,
    pub state: State,
    /// Extensions that it may use.
    pub extensions: Extensions,
}

/// What a session waits for.
#[derive(Debug)]
pub(super) enum State {
    /// For our answer to the peer's INVITE.
    Ringing(Box<Ringing>),
    /// For the peer's answer to our INVITE.
    Calling(Box<Calling>),
    /// For its end: the dialog is confirmed.
    Talking(Box<Talking>),
    /// For the response to our BYE.
    Ending(Box<Ending>),
    /// For nothing: its owner removes it.
    Gone,
}

/// The peer's INVITE has no final response.
#[derive(Debug)]
pub(super) struct Ringing {
    pub request: Request,
    pub key: ServerKey,
    pub dialog: Dialog,
    pub contact: NameAddr,
    pub media: SessionMedia,
    /// The SDP of the INVITE.
    pub offer: Option<Vec<u8>>,
    /// Our answer, once a 183 carried it: the 200 repeats it.
    pub answer: Option<Vec<u8>>,
    /// The last provisional response and when it is sent again, so that proxies on the way do not
    /// lose patience (RFC 3261 §13.3.1.1).
    pub refresh: Option<(Instant, Vec<u8>)>,
    /// Reliable provisional responses, where the peer knows them and may have them.
    pub reliable: Option<Reliable>,
    /// The peer has confirmed offer and answer by PRACK: the 200 carries no SDP.
    pub is_settled: bool,
}

/// Our INVITE has no final response.
#[derive(Debug)]
pub(super) struct Calling {
    pub invite: Invite,
    pub from: NameAddr,
    pub call_id: CallId,
    pub cseq: u32,
    pub contact: NameAddr,
    /// Destinations tried, the current one included.
    pub tried: usize,
    pub transaction: ClientKey,
    pub destination: Destination,
    /// When a silent destination is given up; `None` once it has responded.
    pub silent_at: Option<Instant>,
    /// Our offer, not yet answered.
    pub media: SessionMedia,
    /// Media of early answers, by the peer's tag.
    pub early: Vec<(Option<Text>, SessionMedia, NegotiatedMedia)>,
    /// Early dialogs in which requests were sent.
    pub early_dialogs: Vec<EarlyDialog>,
    /// Minimum session interval that a 422 demanded, seconds.
    pub min_se_s: Option<u32>,
    pub authorization: Option<Authorization>,
    pub challenges: u8,
    /// Destination to fall back to, while the INVITE goes by TCP for its size.
    pub by_udp: Option<Destination>,
    /// Of a recording session.
    pub metadata: Option<Metadata>,
}

/// An early dialog of our INVITE.
#[derive(Debug)]
pub(super) struct EarlyDialog {
    pub dialog: Dialog,
    /// `RSeq` of the last reliable response.
    pub rseq: Option<u32>,
}

/// A confirmed dialog.
#[derive(Debug)]
pub(super) struct Talking {
    pub dialog: Dialog,
    pub contact: NameAddr,
    pub media: SessionMedia,
    /// Our 2xx that waits for its ACK.
    pub unacknowledged: Option<Unacknowledged>,
    pub peer_offer: Option<PeerOffer>,
    pub own_offer: Option<OwnOffer>,
    /// `Command::Bye` came before the ACK: it waits (RFC 3261 §15).
    pub bye_wanted: Option<Vec<Header>>,
    pub login: Login,
    /// We made the Call-ID, so we wait longer after glare (§14.1).
    pub is_caller: bool,
    /// Our requests other than INVITE and BYE.
    pub pending: PendingRequests,
    pub referrals: Referrals,
    /// The session timer (RFC 4028).
    pub timer: Option<SessionTimer>,
    /// The peer's `Allow` lists UPDATE, and the session may use it.
    pub peer_updates: bool,
    /// Of a recording session that we began: each INVITE of ours carries them.
    pub metadata: Option<Metadata>,
}

/// Metadata of a recording session (RFC 7865), always the complete description.
#[derive(Debug)]
pub(super) struct Metadata {
    pub document: Vec<u8>,
    /// An INVITE has carried them since they changed.
    pub is_sent: bool,
}

impl Metadata {
    pub const fn new(document: Vec<u8>) -> Self {
        Self { document, is_sent: false }
    }

    /// Type and body of an INVITE with them. `boundary`: our tag, which stands in neither part.
    pub fn write(&mut self, boundary: &Text, sdp: &[u8]) -> (String, Vec<u8>) {
        self.is_sent = true;
        multipart::recording_session(&boundary.to_lossy(), sdp, &self.document)
    }
}

/// Our 2xx, repeated until its ACK comes (§13.3.1.4).
#[derive(Debug)]
pub(super) struct Unacknowledged {
    pub cseq: u32,
    pub response: Vec<u8>,
    pub reply: ReplyRoute,
    pub resend: Retransmission,
    pub give_up_at: Instant,
    /// It answers the first INVITE, not a re-INVITE.
    pub is_first: bool,
    /// It carried our offer: the answer comes in the ACK.
    pub wants_answer: bool,
}

/// A re-INVITE or UPDATE of the peer that waits for `Command::AnswerOffer`.
#[derive(Debug)]
pub(super) struct PeerOffer {
    pub request: Request,
    pub sdp: Vec<u8>,
    pub key: ServerKey,
    pub give_up_at: Instant,
}

/// Our re-INVITE.
#[derive(Debug)]
pub(super) struct OwnOffer {
    /// Our side from now on; `None`: a refresh that repeats what was agreed on.
    pub local: Option<LocalMedia>,
    pub stage: OwnOfferStage,
    /// It was challenged and answered once.
    pub was_challenged: bool,
}

/// Stage of our re-INVITE.
#[derive(Debug)]
pub(super) enum OwnOfferStage {
    /// It has no final response.
    Sent { transaction: ClientKey, cseq: u32 },
    /// It is sent (again) then: the dialog was busy, or both sides offered at once (§14.1).
    Waiting { until: Instant },
}

/// Our BYE has no response yet.
#[derive(Debug)]
pub(super) struct Ending {
    pub transaction: ClientKey,
    pub cause: EndCause,
    pub dialog: Dialog,
    pub login: Login,
    pub headers: Vec<Header>,
    pub was_challenged: bool,
}

impl Session {
    /// When [`Session::handle_timeout`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Ringing(ringing) => {
                let refresh = ringing.refresh.as_ref().map(|(at, _)| *at);
                let reliable = ringing.reliable.as_ref().and_then(Reliable::deadline);
                [refresh, reliable].into_iter().flatten().min()
            }
            State::Calling(calling) => calling.silent_at,
            State::Talking(talking) => talking.deadline(),
            State::Ending(_) | State::Gone => None,
        }
    }

    /// A deadline has come.
    pub fn handle_timeout(&mut self, core: &mut Core, now: Now) {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Ringing(ringing) => self.refresh_ringing(core, now, ringing),
            State::Calling(calling) => self.give_up_on_silence(core, now, calling),
            State::Talking(talking) => self.handle_talking_timeout(core, now, talking),
            state @ (State::Ending(_) | State::Gone) => self.state = state,
        }
    }

    /// The connection or socket that the peer uses, so that it does not close as idle.
    pub fn flow(&self, clients: &Clients) -> Option<FlowId> {
        match &self.state {
            State::Ringing(ringing) => ringing.dialog.peer().flow,
            State::Calling(calling) => clients.destination(calling.transaction)?.flow,
            State::Talking(talking) => talking.dialog.peer().flow,
            State::Ending(ending) => ending.dialog.peer().flow,
            State::Gone => None,
        }
    }

    /// The Call-ID that both sides know.
    pub fn call_id(&self) -> Option<&CallId> {
        match &self.state {
            State::Ringing(ringing) => Some(ringing.dialog.call_id()),
            State::Calling(calling) => Some(&calling.call_id),
            State::Talking(talking) => Some(talking.dialog.call_id()),
            State::Ending(ending) => Some(ending.dialog.call_id()),
            State::Gone => None,
        }
    }

    /// The second stream of a recording session, as last negotiated.
    pub fn second_stream(&self) -> Option<NegotiatedMedia> {
        match &self.state {
            State::Talking(talking) => talking.media.second_stream(),
            State::Ringing(_) | State::Calling(_) | State::Ending(_) | State::Gone => None,
        }
    }

    /// Whether a request with our tag belongs to this session's dialog.
    pub fn owns(&self, request: &Request) -> bool {
        match &self.state {
            State::Ringing(ringing) => ringing.dialog.owns(request),
            State::Talking(talking) => talking.dialog.owns(request),
            State::Ending(ending) => ending.dialog.owns(request),
            State::Calling(calling) => calling.call_id == request.call_id,
            State::Gone => false,
        }
    }

    /// Whether a `Replaces` names this dialog, which must be confirmed.
    pub fn is_replaced_by(&self, replaces: &Replaces) -> bool {
        match &self.state {
            State::Talking(talking) => {
                !replaces.early_only && talking.dialog.is_replaced_by(replaces)
            }
            State::Ringing(_) | State::Calling(_) | State::Ending(_) | State::Gone => false,
        }
    }

    /// Whether an INVITE with this `Replaces` may take the place of this session's dialog.
    pub fn taken_over_by(&self, replaces: &Replaces) -> Result<SessionId, Refusal> {
        let (dialog, is_over) = match &self.state {
            State::Talking(talking) => (&talking.dialog, false),
            State::Ending(ending) => (&ending.dialog, true),
            // A dialog that the peer began may not be replaced before it is answered (§3), and one
            // that we began has the peer's tag only once it is answered.
            State::Ringing(_) | State::Calling(_) | State::Gone => return Err(replaces_unknown()),
        };
        if !dialog.is_taken_over_by(replaces) {
            return Err(replaces_unknown());
        }
        if is_over {
            let sentence = "The call that Replaces names is just ending.";
            return Err(Refusal::new("replaces_over", 603, sentence));
        }
        if replaces.early_only {
            let sentence =
                "Replaces wants a call that nobody has answered, and this one is answered.";
            return Err(Refusal::new("replaces_early_only", 486, sentence));
        }
        Ok(self.id)
    }

    /// Ends the session and reports why.
    pub fn end(&mut self, core: &mut Core, cause: EndCause, headers: Option<Headers>) {
        self.state = State::Gone;
        let headers = headers.map(Box::new);
        core.outbox.emit(UaEvent::Ended { session: self.id, cause, headers });
    }

    /// Our tag as text.
    pub fn tag_text(&self) -> Text {
        super::tokens::tag_text(self.tag)
    }
}

impl Talking {
    fn deadline(&self) -> Option<Instant> {
        let ack = self.unacknowledged.as_ref().map(|waits| waits.resend.at.min(waits.give_up_at));
        let peer = self.peer_offer.as_ref().map(|offer| offer.give_up_at);
        let own = self.own_offer.as_ref().and_then(|offer| match offer.stage {
            OwnOfferStage::Waiting { until } => Some(until),
            OwnOfferStage::Sent { .. } => None,
        });
        let timer = self.timer.as_ref().map(|timer| timer.at);
        [ack, peer, own, timer, self.referrals.deadline()].into_iter().flatten().min()
    }

    /// Notes the methods that the peer serves, where it lists them.
    pub fn note_methods(&mut self, extensions: Extensions, headers: &Headers) {
        if headers.contains("Allow") {
            self.peer_updates =
                extensions.update && headers.allow().contains(&crate::message::Method::Update);
        }
    }
}

/// The refusal of a `Replaces` that names no dialog of its sender's account (RFC 3891 §3). A dialog
/// of another account looks the same as an unknown one.
pub fn replaces_unknown() -> Refusal {
    let sentence = "Replaces names no answered call of this account.";
    Refusal::new("replaces_unknown", 481, sentence)
}

/// How often a provisional response is repeated (RFC 3261 §13.3.1.1).
pub(super) const PROVISIONAL_REFRESH: Duration = Duration::from_secs(60);
/// Early dialogs of one INVITE that are kept for PRACK and UPDATE. Past it a response gets no
/// PRACK.
pub(super) const EARLY_DIALOGS_MAX: usize = 16;
/// How long `UaEvent::Offer` waits for its answer: well within timer B of the peer (32 s).
pub(super) const PEER_OFFER_PATIENCE: Duration = Duration::from_secs(10);
