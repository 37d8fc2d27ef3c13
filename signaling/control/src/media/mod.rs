//! Legs and bridges: calls and media cores joined. Sans-IO.
//!
//! A leg begins with a place (slot and port), taken without asking the core, so that SDP can show the
//! port at once. `StartLeg` follows when offer and answer are complete. `StopLeg` ends it, and only the
//! core's `LegStopped` frees the place: until then late packets and events still belong to this leg. A
//! bridge is a value of Control between two legs; each side keeps the other call in `Leg::peer`.

mod cores;
mod descriptions;
mod quality;
mod recordings;

use std::net::IpAddr;

use call::{CallInput, Partner};
use shared::config::SrtpUse;
use shared::media::PlayEnd;
use shared::srtp::SRTP_MASTER_BYTES;
use shared::{
    CallSid, CoreId, Direction, Joined, LatchMode, LegId, LegPlan, LegQuality, MediaCommand,
    MediaEvent, NegotiatedMedia, Now, Refusal, SrtpMaster,
};
use sip::offer_answer::{LocalMedia, MediaSecurity};
use sip::{Command, SessionId};

use crate::control::Control;
use crate::effect::{Effect, Observation};
use crate::placement::Place;
use crate::state::leg::DigitsBy;
use crate::state::session::Session;
use crate::state::timeline::Kind;

impl Control {
    /// Our side of a call's media: its port on the address that its peer can reach.
    pub(crate) fn local_media(&self, sid: CallSid) -> Option<LocalMedia> {
        let entry = self.calls.get(&sid)?;
        let targets = self.settings.media_targets(entry.session.peer());
        Some(entry.leg.as_ref()?.local_media(targets))
    }

    /// The address in the SDP for a port, for a peer that reaches us at `local`. On an edge it is the
    /// edge's public address or, without one, the bound one: never the node's public address.
    pub(crate) fn shown_address(&self, index: u8, local: IpAddr) -> IpAddr {
        let addresses = &self.settings.media_addresses;
        match self.settings.edges.at(local) {
            // Flows of an edge have its public address as their own (`Edges::shown`), so `local` is
            // it.
            Some(listener) if listener.public.is_some() => local,
            Some(_) => addresses.reached_at(index, local),
            None => addresses.shown(index, local),
        }
    }

    /// Takes a place for a leg whose peer reaches us at `local`. Returns it with the address for its SDP.
    pub(crate) fn take_place(
        &mut self,
        core: Option<CoreId>,
        local: IpAddr,
    ) -> Option<(Place, IpAddr)> {
        let serving = self.settings.media_addresses.serving(local);
        let place = self.placement.take(core, &serving)?;
        Some((place, self.shown_address(place.port.address, local)))
    }

    /// How the media of a new leg is protected, with a fresh key.
    pub(crate) fn new_security(&mut self, required: bool) -> MediaSecurity {
        // 30 bytes, of which 16 are the key and 14 the salt (RFC 4568 §6.1).
        let mut key = [0; SRTP_MASTER_BYTES];
        key.iter_mut().zip(self.random.bytes()).for_each(|(to, from)| *to = from);
        let master = SrtpMaster::new(key);
        match (required, self.settings.srtp) {
            (true, _) => MediaSecurity::Required(master),
            (false, SrtpUse::Offered) => MediaSecurity::AsOffered(master),
            // By default an offer of SRTP to a domain that is not secure is refused (sip.md 10).
            (false, SrtpUse::Secure) => MediaSecurity::Clear,
        }
    }

    /// The latch of a call's leg: that of its carrier's trunk, or of its SIP domain, else the general
    /// setting.
    fn latch_of(&self, sid: CallSid) -> LatchMode {
        let entry = self.calls.get(&sid);
        // An INVITE that is out names its trunk. An answered call, or one that came in, is known by
        // the address of its peer alone.
        let dialed = entry.and_then(|entry| entry.outgoing.as_ref()?.trunk);
        let trunk = match (dialed, entry.map(|entry| &entry.session)) {
            (Some((trunk, _)), _) => self.settings.trunks.get(trunk),
            (None, Some(Session::Live { peer: Some(peer), .. })) => self.carrier_at(*peer),
            (None, _) => None,
        };
        let own = match trunk {
            // The domain's latch is meant for phones. A carrier without one of its own gets the
            // general setting, also when its call is in such a domain.
            Some(trunk) => trunk.latch,
            None => entry.and_then(|entry| entry.leg.as_ref()?.latch),
        };
        own.unwrap_or(self.settings.latch)
    }

    /// Offer and answer are complete: starts the leg, or updates it on the core.
    pub(crate) fn set_media(&mut self, now: Now, sid: CallSid, media: NegotiatedMedia) {
        // A phone on hold may send nothing, even with `sendonly` when it has no music.
        let timeout_s = match media.direction {
            Direction::SendRecv => self.settings.media_timeout_s,
            Direction::SendOnly | Direction::RecvOnly | Direction::Inactive => {
                self.settings.hold_timeout_s
            }
        };
        let latch = self.latch_of(sid);
        // Drawn in any case, because the call is borrowed below; an update keeps its old numbers.
        let (ssrc, start) = (self.random.number(), self.random.number());
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let peer = entry.session.peer();
        // An answer may cross the end of the call. A start after StopLeg would leave a leg on the
        // core that nothing stops.
        let Some(leg) = entry.leg.as_mut().filter(|leg| !leg.stopping) else { return };
        let old = leg.plan;
        let plan = LegPlan {
            port: leg.place.port,
            media,
            latch,
            signaling_peer: peer,
            // Random at the start, then unchanged: what we send continues over hold and transfer
            // (ARCHITECTURE.md, I8).
            ssrc: old.map_or((ssrc >> 32) as u32, |old| old.ssrc),
            first_sequence: old.map_or(start as u16, |old| old.first_sequence),
            first_timestamp: old.map_or(ssrc as u32, |old| old.first_timestamp),
            media_timeout_ms: timeout_s.saturating_mul(1_000),
        };
        leg.plan = Some(plan);
        // The new description may have another payload type for digits, or none: the next digit
        // decides anew.
        leg.digits_by = None;
        let (id, plan) = (leg.place.leg, Box::new(plan));
        let command = match old {
            None => MediaCommand::StartLeg { leg: id, plan },
            Some(_) => MediaCommand::UpdateLeg { leg: id, plan },
        };
        self.push(Effect::Media { core: id.core, command });
        let protection = media.srtp.map_or("RTP", |keys| keys.receive.suite.name());
        let (codec, direction) = (media.codec.name(), media.direction.name());
        let text = format_args!("media {codec} {direction} {protection}");
        self.note(now, sid, Kind::Media, text);
        if old.map_or(Direction::SendRecv, |old| old.media.direction) != media.direction {
            self.tell(sid, CallInput::Direction(media.direction));
        }
        if old.is_none() {
            self.carry_out_deferred(now, sid);
        }
    }

    /// Sends a command for a call's leg. Returns `false` when the call has no leg that is up.
    pub(crate) fn media(
        &mut self,
        sid: CallSid,
        command: impl FnOnce(LegId) -> MediaCommand,
    ) -> bool {
        let leg = self.calls.get(&sid).and_then(|entry| entry.leg.as_ref());
        let Some(id) = leg.filter(|leg| leg.is_up()).map(|leg| leg.place.leg) else { return false };
        self.push(Effect::Media { core: id.core, command: command(id) });
        true
    }

    /// Stops a call's leg, or gives its place back if the core never had it.
    pub(crate) fn stop_leg(&mut self, sid: CallSid) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let Some(leg) = entry.leg.as_mut() else { return };
        if leg.stopping {
            return;
        }
        let (place, peer) = (leg.place, leg.peer.take());
        if leg.plan.is_none() {
            // The core has never had this leg, so no `LegStopped` will free its place.
            entry.leg = None;
            self.links.remove_leg(place.leg);
            self.placement.release(place);
        } else {
            leg.stopping = true;
            let quality = Box::<LegQuality>::default();
            let command = MediaCommand::StopLeg { leg: place.leg, quality };
            self.push(Effect::Media { core: place.leg.core, command });
        }
        if let Some(peer) = peer {
            // The peer's core must not go on forwarding to a leg that stops.
            self.leave_bridge(peer, sid);
        }
    }

    /// Bridges the legs of two calls, on whatever cores they are.
    pub(crate) fn bridge(&mut self, now: Now, sid: CallSid, child: CallSid) {
        debug_assert_ne!(sid, child, "a bridge has two calls");
        let leg_of = |control: &Self, sid| {
            let leg = control.calls.get(&sid)?.leg.as_ref()?;
            leg.is_up().then_some(leg.place.leg)
        };
        let (Some(one), Some(other)) = (leg_of(self, sid), leg_of(self, child)) else {
            // An application's call may answer and hang up at once. The other call orders the bridge before it
            // gets the end, which is on its way.
            let has_ended = |sid| {
                let entry = self.calls.get(sid);
                entry.is_none_or(|entry| matches!(entry.session, Session::Over))
            };
            if [sid, child].iter().any(has_ended) {
                return;
            }
            let sentence = format!("Calls {sid} and {child} cannot be bridged: one has no media.");
            return self.observe(Observation::Fault { place: "bridge", sentence });
        };
        // Each core joins its own leg: the two may live on different cores, which share nothing but
        // the mesh.
        for (leg, other) in [(one, other), (other, one)] {
            let command = MediaCommand::Join { leg, joined: Joined::Party(other) };
            self.push(Effect::Media { core: leg.core, command });
        }
        for (sid, peer) in [(sid, child), (child, sid)] {
            self.entry_mut(sid, |entry| set_peer(entry, Some(peer)));
            let party = self.calls.get(&peer).map(|entry| entry.call.party().to_owned());
            let partner = |aor| Partner { call: Some(peer), aor, speaks: true, hears: true };
            self.tell(sid, CallInput::Partners(party.map(partner).into_iter().collect()));
        }
        self.note(now, sid, Kind::Media, format_args!("bridged with {child}"));
        self.note(now, child, Kind::Media, format_args!("bridged with {sid}"));
    }

    /// Ends the bridge between two calls, if there is one.
    pub(crate) fn unbridge(&mut self, sid: CallSid, child: CallSid) {
        self.leave_bridge(sid, child);
        self.leave_bridge(child, sid);
    }

    /// Takes one call out of its bridge with `peer`, if it is in one.
    pub(crate) fn leave_bridge(&mut self, sid: CallSid, peer: CallSid) {
        let leg = self.calls.get(&sid).and_then(|entry| entry.leg.as_ref());
        if leg.is_some_and(|leg| leg.peer == Some(peer)) {
            self.media(sid, |leg| MediaCommand::Join { leg, joined: Joined::Nobody });
            self.entry_mut(sid, |entry| set_peer(entry, None));
            self.tell(sid, CallInput::Partners(Vec::new()));
        }
    }

    /// Bridges a ringing child with its parent. An unanswered parent gets 183 with SDP first.
    pub(crate) fn early_media(&mut self, now: Now, sid: CallSid, child: CallSid) {
        let Some(entry) = self.calls.get(&sid) else { return };
        if !entry.leg.as_ref().is_some_and(|leg| leg.is_up()) {
            let (session, media) = (self.live_session(sid), self.local_media(sid));
            let (Some(session), Some(media)) = (session, media) else { return };
            let headers = self.call_headers(sid);
            let progress = Command::Progress { session, status: 183, media: Some(media), headers };
            self.command(progress);
            self.settle_user_agent(now); // brings the leg up
        }
        self.bridge(now, sid, child);
    }

    /// A re-INVITE of the peer: accepted, on the same port.
    pub(crate) fn on_offer(&mut self, now: Now, session: SessionId, direction: Direction) {
        let Some(sid) = self.call_of(session) else { return };
        let Some(media) = self.local_media(sid) else { return };
        self.note(now, sid, Kind::Media, format_args!("the peer offers {}", direction.name()));
        self.command(Command::AnswerOffer { session, answer: Ok(media) });
    }

    /// The user agent refused a new offer of the peer.
    pub(crate) fn on_offer_refused(
        &mut self,
        now: Now,
        session: SessionId,
        method: &'static str,
        refusal: Refusal,
    ) {
        let Some(sid) = self.call_of(session) else { return };
        let Refusal { rule, sentence, .. } = &refusal;
        self.note(now, sid, Kind::Refusal, format_args!("{method} refused by {rule}: {sentence}"));
        let account = self.calls.get(&sid).map(|entry| entry.account);
        // No rate as in `alert`: an offer in a dialog comes from the party of a call, not from an
        // unknown source.
        if let Some((code, account)) = refusal.code.zip(account) {
            self.notify_of_refusal(now, account, Some(sid), code, &refusal);
        }
        self.observe_refusal(sid, method, refusal);
    }

    /// An event of a core. One that names a leg without a call is late, and ignored.
    pub(crate) fn on_media(&mut self, now: Now, core: CoreId, event: MediaEvent) {
        match event {
            // A core frees no memory (ARCHITECTURE.md, I2): plans and prompts come back to be
            // dropped here.
            MediaEvent::PlanReturned(plan) => drop(plan),
            MediaEvent::Refused { leg, reason } => {
                let (core, reason) = (core.0, reason.sentence());
                let sentence = format!("Core {core} refused a command for leg {leg:?}: {reason}.");
                self.observe(Observation::Fault { place: "media", sentence });
            }
            MediaEvent::LegStopped { leg, quality } => self.on_leg_stopped(now, leg, &quality),
            MediaEvent::Latched { leg, .. } => {
                self.note_leg(now, leg, "media is locked to its source");
                if let Some(sid) = self.links.call_of_leg(leg) {
                    self.tell(sid, CallInput::Heard);
                }
            }
            MediaEvent::Digit { leg, digit, .. } => {
                let sid = self.links.call_of_leg(leg);
                if let Some(sid) = sid.filter(|sid| self.takes_digit(*sid, DigitsBy::Media)) {
                    self.tell(sid, CallInput::Digit(digit));
                }
            }
            MediaEvent::PlayEnded { leg, play, cause, value } => {
                drop(value);
                let Some(sid) = self.links.call_of_leg(leg) else { return };
                self.entry_mut(sid, |entry| {
                    if let Some(prompt) = entry.plays.remove(&play) {
                        entry.prompts.remove(&prompt);
                    }
                });
                match cause {
                    PlayEnd::Finished | PlayEnd::LegStopped => {
                        self.tell(sid, CallInput::PlayEnded { play });
                    }
                    // The call ordered both itself and has gone on.
                    PlayEnd::Stopped | PlayEnd::Replaced => {}
                }
            }
            MediaEvent::TapEnded { tap, cause, .. } => self.on_tap_ended(tap, cause),
            MediaEvent::FeedEnded { feed, cause, .. } => self.on_feed_ended(feed, cause),
            MediaEvent::Detected { leg, answered_by, after_ms } => {
                if let Some(sid) = self.links.call_of_leg(leg) {
                    self.tell(sid, CallInput::Detected { answered_by, after_ms });
                }
            }
            MediaEvent::Talking { leg, is_talking } => self.on_talking(now, leg, is_talking),
            MediaEvent::Room { core, room, event } => self.on_room(core, room, event),
            MediaEvent::MediaTimeout { leg } => {
                let Some(sid) = self.links.call_of_leg(leg) else { return };
                self.end_session(sid);
                self.tell(sid, CallInput::MediaLost);
            }
            MediaEvent::QualityChanged { leg, is_bad, interval } => {
                self.on_quality_changed(now, leg, is_bad, &interval);
            }
            MediaEvent::Described { leg, description } => {
                self.on_described(now, leg, (*description).as_ref());
            }
            MediaEvent::RtcpBye { leg } => self.note_leg(now, leg, "the peer sent RTCP BYE"),
        }
    }

    fn note_leg(&mut self, now: Now, leg: LegId, text: &'static str) {
        if let Some(sid) = self.links.call_of_leg(leg) {
            self.note(now, sid, Kind::Media, text);
        }
    }

    fn on_leg_stopped(&mut self, now: Now, leg: LegId, quality: &LegQuality) {
        if self.on_siprec_leg_stopped(leg) {
            return;
        }
        let Some(sid) = self.links.remove_leg(leg) else { return };
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let Some(ended) = entry.leg.take() else { return };
        let observation = Self::settle_quality(&mut entry.timeline, now, quality);
        self.observe(observation);
        // Only now: the core has confirmed that no packet and no event of this leg will follow.
        self.placement.release(ended.place);
        self.forget_if_over(sid);
    }
}

fn set_peer(entry: &mut crate::state::live_call::LiveCall, peer: Option<CallSid>) {
    if let Some(leg) = entry.leg.as_mut() {
        leg.peer = peer;
    }
}
