//! Recording sessions with outside servers (SIPREC, RFC 7866): we are the recording client. Sans-IO.
//!
//! ```text
//!   order ──> Resolving ──addresses──> Inviting ──200──> Recording ──BYE of either side──> Over ──legs stopped──> gone
//! ```
//!
//! A session belongs to a call and is one of its own at the user agent. Each track of the call is a media description of
//! the INVITE and a leg of ours, which only sends. The audio takes no new way through a core: the call's leg gets
//! a tap, each leg of the session gets a feed, and the thread of the streams copies one into the other. Whatever ends
//! first ends the rest, and the call hears one end.

mod api;
mod events;
mod partners;

use std::net::IpAddr;

use call::{CallInput, SipTarget, SiprecEnd, SiprecEvent, SiprecPlan};
use shared::media::TapTracks;
use shared::{
    CallSid, Code, Direction, Extensions, Header, LegQuality, MediaCommand, Now, SiprecSid,
};
use sip::digest::Credentials;
use sip::offer_answer::{LocalMedia, RecordingStreams, SecondStream};
use sip::user_agent::{Attempts, Invite};
use sip::{Command, Destination, Uri};

use crate::control::Control;
use crate::effect::{Effect, ResolveTarget};
use crate::input::ResolveFailure;
use crate::state::live_siprec::{LiveSiprec, Phase, SiprecLeg};
use crate::state::timeline::Kind;

/// Why a session fails: code and sentence for the customer.
type Failure = (Code, String);

impl Control {
    /// The call orders a session.
    pub(crate) fn start_siprec(&mut self, now: Now, sid: CallSid, plan: Box<SiprecPlan>) {
        let siprec = plan.siprec;
        let target = match self.siprec_target(&plan.settings.connector) {
            Ok(target) => target,
            Err((code, sentence)) => {
                let event = SiprecEvent::Ended(SiprecEnd::Failed { code, sentence });
                return self.tell(sid, CallInput::Siprec { siprec, event });
            }
        };
        let session = self.links.new_siprec_session(sid, siprec);
        let live = LiveSiprec {
            plan,
            phase: Phase::Resolving(session),
            legs: Vec::new(),
            tap: None,
            address: None,
            peer: None,
            is_closed_by_server: false,
            failure: None,
            is_told: false,
            updated_ms: now.unix_ms,
        };
        self.entry_mut(sid, |entry| drop(entry.siprecs.insert(siprec, live)));
        self.describe_member(sid);
        let SipTarget { host, port, transport, .. } = target;
        self.push(Effect::Resolve { session, target: ResolveTarget { host, port, transport } });
    }

    /// The server of a connector, from the settings.
    pub(crate) fn siprec_target(&self, connector: &str) -> Result<SipTarget, Failure> {
        let failure = |sentence: String| (Code::STREAM_CONNECTOR, sentence);
        let server = self.settings.siprec.get(connector).ok_or_else(|| {
            failure(format!("there is no connector `{connector}`: add [siprec.{connector}]"))
        })?;
        call::sip_target(&server.uri).map_err(|fault| {
            failure(format!("the uri of [siprec.{connector}] is no SIP URI: {}", fault.sentence))
        })
    }

    /// The addresses of the server, or the failure to find any.
    pub(crate) fn siprec_resolved(
        &mut self,
        now: Now,
        (sid, siprec): (CallSid, SiprecSid),
        result: Result<Vec<Destination>, ResolveFailure>,
    ) {
        let failed = |sentence: &str| (Code::TARGET_FAILED, sentence.to_owned());
        let found = match result {
            Ok(destinations) if destinations.is_empty() => {
                Err(failed("the recording server has no address"))
            }
            Ok(destinations) => self.send_siprec(now, (sid, siprec), destinations),
            Err(failure) => Err(failed(&failure.sentence)),
        };
        if let Err(failure) = found {
            self.siprec_failed((sid, siprec), failure);
            self.siprec_over((sid, siprec));
        }
    }

    /// Takes a leg for each track and sends the INVITE.
    fn send_siprec(
        &mut self,
        now: Now,
        of: (CallSid, SiprecSid),
        mut destinations: Vec<Destination>,
    ) -> Result<(), Failure> {
        let (sid, siprec) = of;
        let Some(live) = self.siprec(of) else { return Ok(()) };
        let Phase::Resolving(session) = live.phase else { return Ok(()) };
        let (settings, metadata) = (live.plan.settings.clone(), live.plan.metadata.clone());
        let target = self.siprec_target(&settings.connector)?;
        for destination in &mut destinations {
            if let Some(edge) = target.edge.as_ref().filter(|edge| self.settings.edges.has(edge)) {
                *destination = self.settings.edges.leave_by(edge, destination.clone());
            }
            // A TLS peer has to prove the name in the URI, whatever DNS made of it (RFC 5922 §4).
            if destination.transport == shared::Transport::Tls {
                destination.host = Some(target.host.clone());
            }
        }
        let Some(first) = destinations.first() else { return Ok(()) };
        let (local, peer) = (first.local.ip(), first.remote.ip());
        let tracks = if settings.tracks == TapTracks::Both { 2 } else { 1 };
        let address = self.take_siprec_legs(of, local, (tracks, target.secure))?;
        self.siprec_mut(of, |live| {
            live.address = Some(address);
            live.peer = Some(peer);
        });
        let Some(media) = self.siprec_media(of) else { return Ok(()) };
        let unsendable = |_| (Code::TARGET_FAILED, "the INVITE cannot be written".to_owned());
        let uri = Uri::parse(target.uri.as_bytes()).map_err(unsendable)?;
        let from = self.own_uri("siprec").unwrap_or_else(|| uri.clone());
        let invite = Invite {
            destinations,
            to: uri.clone(),
            request_uri: uri,
            from,
            from_display: None,
            contact_user: "siprec".to_owned(),
            headers: self.siprec_headers(sid, siprec, &settings.connector),
            media,
            attempts: Attempts { may_use_tcp: target.transport.is_none(), ..Attempts::default() },
            late_offer: false,
            extensions: Extensions { siprec: true, timer: true, ..Extensions::NONE },
            max_forwards: sip::message::INITIAL_MAX_FORWARDS,
            credentials: self.siprec_login(&settings.connector),
            metadata: Some(metadata.into_bytes()),
            route: Vec::new(),
        };
        self.siprec_mut(of, |live| live.phase = Phase::Inviting(session));
        self.command(Command::Invite { session, invite: Box::new(invite) });
        let connector = &settings.connector;
        self.note(now, sid, Kind::Sip, format_args!("{siprec}: INVITE to {connector}"));
        Ok(())
    }

    /// Our login at the server. Its challenge of any realm is answered: the operator chose the server.
    fn siprec_login(&self, connector: &str) -> Option<Credentials> {
        let server = self.settings.siprec.get(connector)?;
        let has_login = !server.username.is_empty();
        has_login.then(|| Credentials::new(&server.username, &server.password))
    }

    /// The call describes a session anew. Before the INVITE its metadata are exchanged, later the user agent sends them.
    pub(crate) fn update_siprec(&mut self, of: (CallSid, SiprecSid), metadata: String) {
        let Some(live) = self.siprec(of) else { return };
        match live.phase {
            Phase::Resolving(_) => self.siprec_mut(of, |live| live.plan.metadata = metadata),
            Phase::Inviting(session) | Phase::Recording(session) => {
                let metadata = metadata.into_bytes();
                self.command(Command::UpdateMetadata { session, metadata });
            }
            Phase::Ending(_) | Phase::Over => {}
        }
    }

    fn siprec_headers(&self, sid: CallSid, siprec: SiprecSid, connector: &str) -> Vec<Header> {
        let mut headers = self.invite_headers(sid, &[]);
        headers.push(Header::new("X-Twilio-SiprecSid", siprec.to_string()));
        let server = self.settings.siprec.get(connector);
        if let Some((name, value)) = server.and_then(|server| server.named_header()) {
            headers.push(Header::new(name.to_owned(), value));
        }
        headers
    }

    /// Takes a place for each track, on the core of the call's leg where that has room. The address for SDP.
    fn take_siprec_legs(
        &mut self,
        of: (CallSid, SiprecSid),
        local: IpAddr,
        (tracks, secure): (usize, bool),
    ) -> Result<IpAddr, Failure> {
        let core = self.calls.get(&of.0).and_then(|entry| entry.leg.as_ref());
        let core = core.map(|leg| leg.place.leg.core);
        let mut shown = None;
        for _ in 0..tracks {
            let Some((place, address)) = self.take_place(core, local) else {
                return Err((Code::STREAM_INTERNAL, "all media legs are in use".to_owned()));
            };
            let security = self.new_security(secure);
            self.links.add_siprec_leg(place.leg, of);
            self.siprec_mut(of, |live| live.legs.push(SiprecLeg::new(place, security)));
            let first: &mut IpAddr = shown.get_or_insert(address);
            // One `c=` line serves both streams.
            if *first != address {
                return Err((Code::STREAM_INTERNAL, "no media address has two ports".to_owned()));
            }
        }
        shown.ok_or_else(|| (Code::STREAM_INTERNAL, "no track is recorded".to_owned()))
    }

    /// Our side of a session's media: it only sends.
    fn siprec_media(&self, of: (CallSid, SiprecSid)) -> Option<LocalMedia> {
        let live = self.siprec(of)?;
        let first = live.legs.first()?;
        let second = live
            .legs
            .get(1)
            .map(|leg| SecondStream { port: leg.place.port.rtp, security: leg.security });
        Some(LocalMedia {
            address: live.address?,
            port: first.place.port.rtp,
            direction: Direction::SendOnly,
            codecs: std::iter::once(shared::Codec::Pcmu).collect(),
            security: first.security,
            targets: self.settings.media_targets(live.peer),
            recording: Some(RecordingStreams { second }),
        })
    }

    /// The call or REST ends a session.
    pub(crate) fn stop_siprec(&mut self, sid: CallSid, siprec: SiprecSid) {
        self.end_siprec((sid, siprec));
    }

    /// Ends a session from our side; the user agent's `Ended` completes it.
    fn end_siprec(&mut self, of: (CallSid, SiprecSid)) {
        let Some(live) = self.siprec(of) else { return };
        match live.phase {
            // Nothing was sent.
            Phase::Resolving(_) => self.siprec_over(of),
            Phase::Inviting(session) | Phase::Recording(session) => {
                self.siprec_mut(of, |live| live.phase = Phase::Ending(session));
                self.release_siprec_media(of);
                self.command(Command::Bye { session, headers: Vec::new() });
            }
            Phase::Ending(_) | Phase::Over => {}
        }
    }

    /// Notes the first failure of a session.
    fn siprec_failed(&mut self, of: (CallSid, SiprecSid), failure: Failure) {
        self.siprec_mut(of, |live| {
            live.failure.get_or_insert(failure);
        });
    }

    /// The session is gone: tells the call, and forgets it when its legs are down.
    fn siprec_over(&mut self, of: (CallSid, SiprecSid)) {
        self.release_siprec_media(of);
        let (sid, siprec) = of;
        let Some(live) = self.calls.get_mut(&sid).and_then(|e| e.siprecs.get_mut(&siprec)) else {
            return;
        };
        if let Some(session) = live.phase.session() {
            self.links.remove_siprec_session(session);
        }
        live.phase = Phase::Over;
        if !std::mem::replace(&mut live.is_told, true) {
            let end = match live.failure.take() {
                Some((code, sentence)) => SiprecEnd::Failed { code, sentence },
                None if live.is_closed_by_server => SiprecEnd::ClosedByServer,
                None => SiprecEnd::Stopped,
            };
            let event = SiprecEvent::Ended(end);
            self.tell(sid, CallInput::Siprec { siprec, event });
        }
        self.forget_siprec_if_over(of);
    }

    fn forget_siprec_if_over(&mut self, (sid, siprec): (CallSid, SiprecSid)) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let is_over = |live: &LiveSiprec| live.phase == Phase::Over && live.legs.is_empty();
        if entry.siprecs.get(&siprec).is_some_and(is_over) {
            entry.siprecs.remove(&siprec);
            self.forget_if_over(sid);
        }
    }

    /// Ends the tap and the feeds of a session, and stops its legs.
    fn release_siprec_media(&mut self, of: (CallSid, SiprecSid)) {
        let (sid, siprec) = of;
        let Some(live) = self.calls.get_mut(&sid).and_then(|e| e.siprecs.get_mut(&siprec)) else {
            return;
        };
        let tap = live.tap.take();
        let legs = std::mem::take(&mut live.legs);
        if let Some(tap) = tap {
            self.links.remove_tap(tap);
            self.push(Effect::StopCopy { tap });
            self.media(sid, |leg| MediaCommand::StopTap { leg, tap });
        }
        let mut left = Vec::new();
        for mut leg in legs {
            if let Some(feed) = leg.feed.take() {
                self.links.remove_feed(feed);
            }
            if leg.plan.is_none() {
                // The core has never had this leg, so no `LegStopped` will free its place.
                self.links.remove_siprec_leg(leg.id());
                self.placement.release(leg.place);
                continue;
            }
            if !std::mem::replace(&mut leg.is_stopping, true) {
                let quality = Box::<LegQuality>::default();
                let command = MediaCommand::StopLeg { leg: leg.id(), quality };
                self.push(Effect::Media { core: leg.id().core, command });
            }
            left.push(leg);
        }
        self.siprec_mut(of, |live| live.legs = left);
    }

    fn siprec(&self, (sid, siprec): (CallSid, SiprecSid)) -> Option<&LiveSiprec> {
        self.calls.get(&sid)?.siprecs.get(&siprec)
    }

    fn siprec_mut(
        &mut self,
        (sid, siprec): (CallSid, SiprecSid),
        change: impl FnOnce(&mut LiveSiprec),
    ) {
        if let Some(live) = self.calls.get_mut(&sid).and_then(|e| e.siprecs.get_mut(&siprec)) {
            change(live);
        }
    }
}
