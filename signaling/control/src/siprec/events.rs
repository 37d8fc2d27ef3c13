//! Events of recording sessions: of the user agent, of the cores. Sans-IO.

use call::{CallInput, SiprecEvent};
use shared::feed::FeedEnd;
use shared::media::{TapEnd, TapLimits, TapTracks};
use shared::{
    CallSid, Code, Codec, CoreId, FeedId, LegId, LegPlan, LegQuality, MediaCommand,
    NegotiatedMedia, Now, Sink, SiprecSid, TapId,
};
use sip::user_agent::EndCause;
use sip::{Command, SessionId, UaEvent};

use crate::control::Control;
use crate::effect::Effect;
use crate::state::live_siprec::Phase;

impl Control {
    /// Takes the events of recording sessions out of those of calls.
    pub(crate) fn of_siprec(&mut self, now: Now, event: UaEvent) -> Option<UaEvent> {
        let found = session_of(&event).and_then(|session| self.links.siprec_of_session(session));
        let Some(of) = found else { return Some(event) };
        match event {
            UaEvent::Answered { session, media, peer, .. } => {
                self.siprec_mut(of, |live| {
                    live.phase = Phase::Recording(session);
                    live.peer = Some(peer.ip());
                });
                self.set_siprec_media(now, of, (session, media));
                // A call that hung up meanwhile has ended the session, which gets no audio then.
                if self.attach_siprec(now, of) {
                    let siprec = of.1;
                    let event = SiprecEvent::Started;
                    self.tell(of.0, CallInput::Siprec { siprec, event });
                } else {
                    self.end_siprec(of);
                }
            }
            UaEvent::Renegotiated { session, media } | UaEvent::Negotiated { session, media } => {
                self.set_siprec_media(now, of, (session, media));
            }
            UaEvent::Offer { session, .. } => {
                let answer = self.siprec_media(of).ok_or(488);
                self.command(Command::AnswerOffer { session, answer });
            }
            UaEvent::Rejected { status, reason, .. } => {
                let sentence = format!("the recording server refused: {status} {reason}");
                self.siprec_failed(of, (Code::TARGET_FAILED, sentence));
                self.siprec_over(of);
            }
            UaEvent::Ended { cause, .. } => {
                if let Some(sentence) = failure_of(&cause) {
                    self.siprec_failed(of, (Code::TARGET_FAILED, sentence));
                }
                if matches!(cause, EndCause::RemoteBye { .. }) {
                    self.siprec_mut(of, |live| live.is_closed_by_server = true);
                }
                self.siprec_over(of);
            }
            _ => {}
        }
        None
    }

    /// Offer and answer are complete: starts the legs, or updates them.
    fn set_siprec_media(
        &mut self,
        now: Now,
        of: (CallSid, SiprecSid),
        (session, first): (SessionId, NegotiatedMedia),
    ) {
        let streams = [Some(first), self.ua.second_stream(session)];
        let latch = self.settings.latch;
        let mut numbers =
            [(); 2].map(|()| (self.random.number(), self.random.number())).into_iter();
        let mut commands = Vec::new();
        self.siprec_mut(of, |live| {
            live.updated_ms = now.unix_ms;
            for (leg, media) in live.legs.iter_mut().zip(streams.into_iter().flatten()) {
                let (ssrc, start) = numbers.next().unwrap_or_default();
                let old = leg.plan.filter(|_| !leg.is_stopping);
                let plan = LegPlan {
                    port: leg.place.port,
                    media,
                    latch,
                    signaling_peer: None,
                    ssrc: old.map_or((ssrc >> 32) as u32, |old| old.ssrc),
                    first_sequence: old.map_or(start as u16, |old| old.first_sequence),
                    first_timestamp: old.map_or(ssrc as u32, |old| old.first_timestamp),
                    // The server sends nothing.
                    media_timeout_ms: 0,
                };
                leg.plan = Some(plan);
                let (id, plan) = (leg.id(), Box::new(plan));
                commands.push(match old {
                    None => MediaCommand::StartLeg { leg: id, plan },
                    Some(_) => MediaCommand::UpdateLeg { leg: id, plan },
                });
            }
        });
        for command in commands {
            self.push(Effect::Media { core: command.core(), command });
        }
    }

    /// Gives each leg of the session its feed, and the call's leg the tap. `false`: the call has no media any more.
    fn attach_siprec(&mut self, now: Now, of: (CallSid, SiprecSid)) -> bool {
        let (sid, siprec) = of;
        let is_up = |leg: &crate::state::leg::Leg| leg.is_up();
        if !self.calls.get(&sid).and_then(|entry| entry.leg.as_ref()).is_some_and(is_up) {
            return false;
        }
        let Some(live) = self.calls.get_mut(&sid).and_then(|e| e.siprecs.get_mut(&siprec)) else {
            return false;
        };
        live.updated_ms = now.unix_ms;
        let tracks = live.plan.settings.tracks;
        let tap = self.links.new_tap(sid);
        live.tap = Some(tap);
        let mut feeds = Vec::new();
        for leg in &mut live.legs {
            let feed = self.links.new_feed(sid);
            leg.feed = Some(feed);
            feeds.push((leg.id(), feed));
        }
        // The feeds before the copy, and the copy before the tap: each finds its reader.
        for (leg, feed) in &feeds {
            let command = MediaCommand::StartFeed { leg: *leg, feed: *feed, codec: Codec::Pcmu };
            self.push(Effect::Media { core: leg.core, command });
        }
        let mut feeds = feeds.into_iter();
        let (inbound, outbound) = match tracks {
            TapTracks::Inbound => (feeds.next(), None),
            TapTracks::Outbound => (None, feeds.next()),
            TapTracks::Both => (feeds.next(), feeds.next()),
        };
        self.push(Effect::CopyTap { tap, inbound, outbound });
        let (sink, limits) = (Sink::Stream, TapLimits::default());
        self.media(sid, |leg| MediaCommand::StartTap { leg, tap, sink, tracks, limits })
    }

    /// A tap of a session ended; `false` where it is of no session.
    pub(crate) fn on_siprec_tap_ended(&mut self, tap: TapId, cause: TapEnd) -> bool {
        let Some(sid) = self.links.call_of_tap(tap) else { return false };
        let Some(entry) = self.calls.get(&sid) else { return false };
        let found = entry.siprecs.iter().find(|(_, live)| live.tap == Some(tap));
        let Some((siprec, _)) = found else { return false };
        let of = (sid, *siprec);
        if cause == TapEnd::Refused {
            self.siprec_failed(of, (Code::STREAM_INTERNAL, NO_ROOM.to_owned()));
        }
        self.end_siprec(of);
        true
    }

    /// A feed of a leg of a session ended, whose link is removed already.
    pub(crate) fn on_siprec_feed_ended(&mut self, sid: CallSid, feed: FeedId, cause: FeedEnd) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let mut of = None;
        for (siprec, live) in &mut entry.siprecs {
            if let Some(leg) = live.legs.iter_mut().find(|leg| leg.feed == Some(feed)) {
                leg.feed = None;
                of = Some((sid, *siprec));
            }
        }
        let Some(of) = of else { return };
        if cause == FeedEnd::Refused {
            self.siprec_failed(of, (Code::STREAM_INTERNAL, NO_ROOM.to_owned()));
        }
        self.end_siprec(of);
    }

    /// The core confirms that a leg of a session is down; `false` where it is of no session.
    pub(crate) fn on_siprec_leg_stopped(&mut self, leg: LegId) -> bool {
        let Some(of) = self.links.remove_siprec_leg(leg) else { return false };
        let mut place = None;
        self.siprec_mut(of, |live| {
            let found = live.legs.iter().position(|own| own.id() == leg);
            place = found.map(|index| live.legs.remove(index).place);
        });
        if let Some(place) = place {
            self.placement.release(place);
        }
        self.forget_siprec_if_over(of);
        true
    }

    /// A core died with its ports, or started over and still carries out commands: its sessions end.
    pub(crate) fn lose_siprec_legs(&mut self, core: CoreId, is_dead: bool, sentence: &str) {
        for (leg, of) in self.links.siprec_legs_on(core) {
            if is_dead {
                self.links.remove_siprec_leg(leg);
                self.siprec_mut(of, |live| live.legs.retain(|own| own.id() != leg));
            } else {
                // Only the core's answer frees the place, also of a leg that it never had.
                self.siprec_mut(of, |live| {
                    live.legs.iter_mut().for_each(|own| own.is_stopping = true)
                });
                let quality = Box::<LegQuality>::default();
                let command = MediaCommand::StopLeg { leg, quality };
                self.push(Effect::Media { core, command });
            }
            self.siprec_failed(of, (Code::STREAM_INTERNAL, sentence.to_owned()));
            self.end_siprec(of);
            self.forget_siprec_if_over(of);
        }
    }

    /// The core of the call is lost: its taps end without an event.
    pub(crate) fn lose_siprecs(&mut self, sid: CallSid) {
        let Some(entry) = self.calls.get(&sid) else { return };
        let all: Vec<SiprecSid> = entry.siprecs.keys().copied().collect();
        for siprec in all {
            self.end_siprec((sid, siprec));
        }
    }

    /// The process ends and the cores with it: no leg of a session is confirmed any more.
    pub(crate) fn drop_siprec_legs(&mut self, sid: CallSid) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        for live in entry.siprecs.values_mut() {
            for leg in live.legs.drain(..) {
                self.links.remove_siprec_leg(leg.id());
                if let Some(feed) = leg.feed {
                    self.links.remove_feed(feed);
                }
            }
        }
    }
}

/// The session that an event is about; `None`: none that a recording session could be.
const fn session_of(event: &UaEvent) -> Option<SessionId> {
    match event {
        UaEvent::Progress { session, .. }
        | UaEvent::Answered { session, .. }
        | UaEvent::Rejected { session, .. }
        | UaEvent::TlsFailed { session, .. }
        | UaEvent::FailedOver { session, .. }
        | UaEvent::Negotiated { session, .. }
        | UaEvent::Renegotiated { session, .. }
        | UaEvent::Offer { session, .. }
        | UaEvent::OfferRefused { session, .. }
        | UaEvent::ReofferRefused { session, .. }
        | UaEvent::Digit { session, .. }
        | UaEvent::Refer { session, .. }
        | UaEvent::Ended { session, .. } => Some(*session),
        _ => None,
    }
}

/// The sentence of an end that is a failure.
fn failure_of(cause: &EndCause) -> Option<String> {
    let sentence = match cause {
        EndCause::RemoteBye { .. } | EndCause::LocalBye | EndCause::LocalCancel => return None,
        EndCause::AckTimeout | EndCause::Internal => "the SIP dialog broke",
        EndCause::DialogLost { .. } => "the recording server does not answer any more",
        EndCause::SessionExpired => "the recording server did not refresh the session",
        EndCause::BadAnswer { reason, .. } => {
            return Some(format!("the answer of the recording server cannot be used: {reason}"));
        }
    };
    Some(sentence.to_owned())
}

const NO_ROOM: &str = "the media core has its most streams already (streams.core_max)";
