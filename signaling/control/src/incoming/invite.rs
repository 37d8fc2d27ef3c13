//! An INVITE, from admission to a call that rings. Sans-IO.
//!
//! The checks go from those that cost nothing to those that take something. Admission comes first and
//! keeps no state (ARCHITECTURE.md, I7). Then come the extensions that the caller requires, and
//! `Replaces`, before the limits, because a take-over begins no call. Then drain, hops and load; a leg
//! with its port is the only thing that is taken. The offer and the document are checked last, against
//! that very leg, and before the call rings: a call that can never be answered is refused while the
//! caller still gets the reason.

use std::net::IpAddr;

use call::{CallSetup, DocumentSource};
use shared::srtp::SRTP_MASTER_BYTES;
use shared::{Code, Codec, Direction, LatchMode, Now, Refusal, SrtpMaster, limits};
use sip::Command;
use sip::digest::ChallengeKind;
use sip::message::INITIAL_MAX_FORWARDS;
use sip::offer_answer::{LocalMedia, MediaSecurity};
use sip::source_limits::VOUCHED;
use sip::user_agent::Incoming;

use super::digest::{Proof, verify};
use super::refusals::{draining, overload};
use crate::admission::{self, Admitted, Called, Decision};
use crate::call_effects::CALL_SID;
use crate::control::Control;
use crate::identity;
use crate::placement::Place;
use crate::state::leg::Leg;
use crate::state::session::Session;

/// Any port will do for a trial answer that is never sent (9 is `discard`).
const TRIAL_PORT: u16 = 9;

/// What a new call takes up.
struct Room {
    /// Hops that its own calls may go (`Max-Forwards`).
    hops_left: u8,
    place: Place,
    /// The address of the place in SDP.
    address: IpAddr,
}

impl Control {
    pub(super) fn on_invite(&mut self, now: Now, mut incoming: Box<Incoming>) {
        let request = self.facts(now, &incoming);
        let source = incoming.flow.remote.ip();
        let mut policy = self.settings.policy(source, self.registrations.trunk_at(source));
        let replaced = self.domain_of_replaced(&incoming);
        if let Some(domain) = &replaced {
            policy.default_domain = Some(domain.labels.as_str());
        }
        let digits = identity::called(&incoming.request);
        let of_number = admission::decide_number(&self.snapshot, policy, request, &digits);
        let (ua, lockout) = (&mut self.ua, &mut self.lockout);
        let of_domain = || {
            admission::decide(&self.snapshot, policy, request, |found| {
                let hashes =
                    |user: &str, algorithm| admission::stored_hashes(found, user, algorithm);
                let proof = Proof { kind: ChallengeKind::Proxy, hashes: &hashes };
                let verdict = verify(ua, lockout, now, &incoming, proof);
                // An address on an IP list counts as authenticated also while its digest is missing: a PBX
                // behind it must not run into the rate limit of unauthenticated sources.
                if admission::is_listed(found, &incoming.flow) {
                    ua.source_limits().vouch(now.mono, source, VOUCHED);
                }
                verdict
            })
        };
        match of_number.unwrap_or_else(of_domain) {
            Decision::Admit(admitted) => {
                self.vouch(now, incoming.flow, VOUCHED);
                self.admit(now, incoming, &admitted);
            }
            Decision::Challenge { stale } => {
                let kind = ChallengeKind::Proxy;
                self.command(Command::Challenge { incoming, kind, stale });
            }
            Decision::Refuse(refused) => {
                // A 420 names all extensions that the caller would not get (RFC 3261 §8.2.2.3).
                let _ = incoming.choose_extensions(self.extensions_of_refused(&incoming));
                self.refuse(now, incoming, refused);
            }
            Decision::LockedOut => self.refuse_locked_out(now, incoming),
        }
    }

    /// An INVITE of an authenticated peer: it takes over a call, becomes one, or is refused for a reason
    /// that the peer may read.
    fn admit(&mut self, now: Now, mut incoming: Box<Incoming>, admitted: &Admitted) {
        let extensions = self.extensions_of_incoming(&incoming, admitted);
        if let Err(refusal) = incoming.choose_extensions(extensions) {
            return self.refuse_known(now, incoming, admitted, refusal);
        }
        // No call begins, there is one already: neither a drain nor a limit on calls is in the way.
        if let Some(replaces) = incoming.replaces() {
            return self.take_over(now, incoming, admitted, &replaces);
        }
        match self.take_room(&incoming) {
            Ok(room) => self.begin(now, incoming, admitted, room),
            Err(refusal) => self.refuse_known(now, incoming, admitted, refusal),
        }
    }

    /// Checks whether there may be one more call, and takes its place.
    fn take_room(&mut self, incoming: &Incoming) -> Result<Room, Refusal> {
        if self.draining {
            // A random Retry-After, in seconds, spreads the callers that come back.
            return Err(draining(self.random.between(5, 30)));
        }
        let hops_left = self.hops_left_of(incoming)?;
        let local = self.media_side(incoming);
        if self.settings.media_addresses.serving(local).is_empty() {
            let sentence =
                "No media address is of the caller's IP version: add one to media.addresses.";
            return Err(Refusal::new("media_address", 488, sentence));
        }
        // Only vouched sources come this far under overload (`is_overloaded_for`), and they get an
        // answer.
        if self.overload.is_of(incoming.flow.transport) {
            return Err(overload(self.random.between(5, 30)));
        }
        let place = if self.has_room_for_calls() { self.take_place(None, local) } else { None };
        let (place, address) = place.ok_or_else(|| {
            let sentence = "All media legs are in use, or the limit on calls is reached.";
            let retry_after = self.random.between(5, 30);
            Refusal::new("calls_limit", 503, sentence)
                .code(Code::CALL_CONCURRENCY)
                .retry_after(retry_after)
        })?;
        Ok(Room { hops_left, place, address })
    }

    /// Begins a call that rings, unless its offer or its domain keeps it from ever being answered.
    fn begin(&mut self, now: Now, incoming: Box<Incoming>, admitted: &Admitted, room: Room) {
        let Room { hops_left, place, address } = room;
        let Some(answering) = self.answering(&incoming, admitted) else {
            // Admission found the domain or the number in this very input. A place must not be lost even
            // if that changes.
            return self.placement.release(place);
        };
        let (is_secure, latch) = self.media_terms(admitted.called);
        let setup = self.inbound_setup(now, &incoming, admitted, (answering, hops_left));
        let mut leg = Leg::new(place, address, self.new_security(is_secure));
        leg.latch = latch;
        let local = leg.local_media(self.settings.media_targets(Some(incoming.flow.remote.ip())));
        if let Err(refusal) = check_call(&incoming, &setup, &local) {
            self.placement.release(place);
            return self.refuse_call(now, incoming, &setup, refusal);
        }
        let sid = setup.sid;
        let session = self.links.new_session(sid);
        let live = Session::Live {
            id: session,
            call_id: incoming.request.call_id.to_string(),
            peer: Some(incoming.flow.remote.ip()),
        };
        self.command(Command::Admit { incoming, session });
        // Before the document is requested: the caller hears ringing while the application works.
        let headers = self.call_headers(sid);
        let ringing = Command::Progress { session, status: 180, media: None, headers };
        self.command(ringing);
        self.start_call(now, setup, live);
        self.links.add_leg(place.leg, sid);
        self.entry_mut(sid, |entry| entry.leg = Some(leg));
    }

    /// What the domain that was called asks of media: SRTP, and how its sources are checked. A number asks nothing.
    pub(super) fn media_terms(&self, called: Called) -> (bool, Option<LatchMode>) {
        let Some(domain) = called.domain().and_then(|domain| self.snapshot.domain(domain)) else {
            return (false, None);
        };
        let latch = self.settings.domain_latches.get(domain.labels.as_str()).copied();
        (domain.secure, latch)
    }

    /// The hops that a call has left: its `Max-Forwards`, or one less than the live call that it
    /// continues, whichever is fewer. A PBX that is not a proxy sends a new INVITE with 70 hops, but it
    /// passes on our `X-Twilio-CallSid` as it does other headers with `X-`, so a loop still ends.
    fn hops_left_of(&self, incoming: &Incoming) -> Result<u8, Refusal> {
        let request = &incoming.request;
        let named = request.headers.get(CALL_SID).and_then(|value| value.to_lossy().parse().ok());
        let continued = named.and_then(|sid| self.calls.get(&sid));
        // An old client may send no Max-Forwards; RFC 3261 §16.3 does not count that as an error.
        let own = request.max_forwards.unwrap_or(INITIAL_MAX_FORWARDS);
        let Some(continued) = continued else { return Ok(own) };
        let left = continued.call.setup().max_forwards.checked_sub(1);
        left.map(|left| left.min(own)).ok_or_else(|| {
            let sentence = "The call comes back from a call of this gateway that had no hops left: \
                            look for the route that leads back.";
            Refusal::new("max_forwards", 483, sentence).code(Code::MAX_FORWARDS)
        })
    }

    /// The address at which the caller's media reaches us: the one that its SIP came to, unless its offer
    /// is of the other IP version and we have an address of that.
    fn media_side(&self, incoming: &Incoming) -> IpAddr {
        let local = incoming.flow.local.ip().to_canonical();
        let Some(other) = self.settings.media_addresses.other_version(local) else { return local };
        let refusal = incoming.check_offer(&LocalMedia {
            address: local,
            port: TRIAL_PORT,
            direction: Direction::SendRecv,
            codecs: [Codec::Pcmu, Codec::Pcma].into_iter().collect(),
            // Only the address matters, and the answer is thrown away: a key of zeros is never sent.
            security: MediaSecurity::AsOffered(SrtpMaster::new([0; SRTP_MASTER_BYTES])),
            targets: self.settings.media_targets(Some(incoming.flow.remote.ip())),
            recording: None,
        });
        match refusal {
            // Any other fault of the offer is found again by `begin`, against the real leg, and is
            // refused there.
            Err(refusal) if refusal.rule == "sdp_address_family" => other,
            Ok(()) | Err(_) => local,
        }
    }

    pub(crate) fn has_room_for_calls(&self) -> bool {
        // Messages whose text waits for an engine must not keep callers out.
        let waiting = self.awaiting_text.len().min(limits::CALLS_AWAITING_TEXT_MAX);
        self.settings.calls_max == 0 || self.calls.len() - waiting < self.settings.calls_max
    }
}

/// Finds out before the call rings whether it could be answered: afterwards, only its application would
/// learn of it.
fn check_call(incoming: &Incoming, setup: &CallSetup, local: &LocalMedia) -> Result<(), Refusal> {
    check_media(incoming, local)?;
    match setup.document {
        DocumentSource::None => admission::document(&None),
        _ => Ok(()),
    }
}

/// Whether an answer can be made to the offer.
pub(crate) fn check_media(incoming: &Incoming, local: &LocalMedia) -> Result<(), Refusal> {
    if !incoming.has_offer() && !incoming.extensions.late_offer {
        let sentence = "The INVITE has no SDP, and the domain does not take late offers: switch on \
                        late-offer for it, or let the caller send an offer.";
        return Err(Refusal::new("no_offer", 400, sentence).code(Code::SDP_MISSING));
    }
    incoming.check_offer(local)
}
