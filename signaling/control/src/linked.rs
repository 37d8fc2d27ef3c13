//! Calls to TwiML applications: two calls that are each other's far party. Sans-IO.
//!
//! ```text
//! a <Dial>'s parent -- bridge -- leg of the call that dials == link == leg of the application's call
//! a REST call's own document ---´                                       `-- its document
//! ```
//!
//! `<Dial><Application>` and `app:` of REST ring no phone. The call that dials is outgoing like any other, and the
//! application gets a call that comes in like any other. In place of SIP sessions they have each other
//! ([`Session::Linked`]), and what SIP would carry is an input of the other call: 180 when the application's call
//! begins, 200 when it answers, its refusal, BYE and CANCEL.
//!
//! Each of the two has a leg, and the legs are each other's RTP peer, by their own sockets and the address of this
//! machine. This costs two ports and a packet more than one leg for both would. In return prompts, digits,
//! recordings, rooms, queues and further dials work on both sides without a case of their own, also where a REST
//! call's document and the application's document speak with each other and no phone takes part.

use std::net::SocketAddr;
use std::sync::Arc;

use call::{
    AnswerFacts, ApplicationTarget, CallDirection, CallInput, CallSetup, DocumentSource,
    HangupCause, LinkFacts, ProgressEvent, StatusCallback,
};
use shared::{CallSid, Code, Codec, Direction, LatchMode, NegotiatedMedia, Now};
use store::{Application, VoiceUrls};

use crate::control::Control;
use crate::from_rest::webhook;
use crate::outgoing::NoWay;
use crate::placement::Place;
use crate::state::leg::Leg;
use crate::state::session::Session;
use crate::state::timeline::Kind;

impl Control {
    /// An outgoing call wants an application: starts the application's call, with which it is linked.
    pub(crate) fn call_application(&mut self, now: Now, sid: CallSid, target: &ApplicationTarget) {
        let account = self.calls.get(&sid).map(|entry| entry.account);
        let application = account
            .and_then(|account| self.snapshot.callable_application(account, target.sid).cloned());
        let Some(application) = application else {
            return self.no_way(sid, unknown_application(target));
        };
        if !self.has_room_for_calls() {
            let sentence = "The limit on calls is reached.".into();
            return self.no_way(sid, NoWay { code: None, status: Some(503), sentence });
        }
        let Some(legs) = self.take_linked_legs(sid) else {
            let sentence = "All media legs are in use.".into();
            return self.no_way(sid, NoWay { code: None, status: Some(503), sentence });
        };
        let Some(setup) = self.application_setup(now, sid, target, &application) else { return };
        let far = setup.sid;
        self.note(now, sid, Kind::Call, format_args!("rings application {} by {far}", target.sid));
        self.start_call(now, setup, Session::Linked { other: sid });
        self.entry_mut(sid, |entry| entry.session = Session::Linked { other: far });
        for (call, leg) in [sid, far].into_iter().zip(legs) {
            self.links.add_leg(leg.place.leg, call);
            self.entry_mut(call, |entry| entry.leg = Some(leg));
        }
        self.tell(sid, CallInput::SipProgress { status: 180, early_media: false });
    }

    /// Places for both legs of a link on one core, and on one address: a packet leaves from the address that it
    /// goes to. A child is placed beside its parent, with which it will be bridged.
    fn take_linked_legs(&mut self, sid: CallSid) -> Option<[Leg; 2]> {
        let local = self.settings.media_addresses.own()?;
        let core = self.core_of_parent(sid);
        let first = self.placement.take(core, &self.settings.media_addresses.serving(local))?;
        let (core, address) = (first.leg.core, first.port.address);
        let Some(second) = self.placement.take(Some(core), &[address]) else {
            self.placement.release(first);
            return None;
        };
        let address = self.settings.media_addresses.reached_at(address, local);
        let leg = |place: Place| Leg {
            latch: Some(LatchMode::Link),
            ..Leg::new(place, address, sip::offer_answer::MediaSecurity::Clear)
        };
        Some([leg(first), leg(second)])
    }

    /// The call that the application gets.
    fn application_setup(
        &mut self,
        now: Now,
        sid: CallSid,
        target: &ApplicationTarget,
        application: &Application,
    ) -> Option<CallSetup> {
        let (random, seed) = (self.random.number(), self.random.bytes());
        let from = self.calls.get(&sid)?.call.setup();
        let VoiceUrls { document, fallback, status_callback } = application.voice_urls();
        Some(CallSetup {
            sid: CallSid::mint(now.unix_ms, self.settings.origin, random),
            account: application.account,
            // It belongs to the application, which may be another account's: no call here is its parent.
            parent: None,
            direction: CallDirection::Inbound,
            from: from.from.clone(),
            to: target.to.clone(),
            forwarded_from: from.forwarded_from.clone(),
            application: Some(application.sid),
            sip: None,
            link: Some(LinkFacts {
                customer: target.customer.clone().unwrap_or_else(|| from.account.to_string()),
                parameters: target.parameters.clone(),
            }),
            leg: None,
            document: document
                .map_or(DocumentSource::None, |url| DocumentSource::Url(webhook(url))),
            fallback: fallback.map(webhook),
            status_callback: status_callback.map(|callback| StatusCallback {
                webhook: webhook(callback),
                events: vec![ProgressEvent::Completed],
            }),
            // The hops go on, so that applications which dial each other come to an end.
            max_forwards: from.max_forwards,
            time_limit_s: self.settings.call.call_s_max,
            record: None,
            warnings: Vec::new(),
            settings: Arc::clone(&self.settings.call),
            origin: self.settings.origin,
            seed,
        })
    }

    /// The call of this gateway that is the far party of a call.
    pub(crate) fn linked_with(&self, sid: CallSid) -> Option<CallSid> {
        match self.calls.get(&sid)?.session {
            Session::Linked { other } => Some(other),
            Session::None | Session::Resolving { .. } | Session::Live { .. } | Session::Over => {
                None
            }
        }
    }

    /// The application's call answers: both legs start, and the call that dials is answered.
    pub(crate) fn answer_linked(&mut self, now: Now, sid: CallSid, other: CallSid) {
        let address = |sid| {
            let leg = self.calls.get(&sid)?.leg.as_ref()?;
            Some(SocketAddr::new(leg.address, leg.place.port.rtp))
        };
        let (Some(own), Some(far)) = (address(sid), address(other)) else { return };
        let codec = self.codec_of_parent(other);
        self.set_media(now, sid, linked_media(far, codec));
        self.set_media(now, other, linked_media(own, codec));
        self.tell(sid, CallInput::Confirmed);
        let facts = AnswerFacts { call_id: String::new(), source_ip: None, headers: Vec::new() };
        self.tell(other, CallInput::SipAnswered(facts));
    }

    /// One of two linked calls ends its side; `status` refuses the call that dials. The other call gets that as
    /// from a phone.
    pub(crate) fn end_link(&mut self, sid: CallSid, other: CallSid, status: Option<u16>) {
        let far = self.calls.get(&other);
        let is_refused = far.is_some_and(|far| {
            far.call.setup().leg.is_some() && far.leg.as_ref().is_none_or(|leg| leg.plan.is_none())
        });
        self.session_over(sid);
        self.session_over(other);
        self.stop_leg(other);
        let headers = Vec::new();
        self.tell(
            other,
            match is_refused {
                true => {
                    let status = status.unwrap_or(480);
                    CallInput::SipRejected { status, call_id: String::new(), headers }
                }
                false => CallInput::Hungup { cause: HangupCause::Peer, headers },
            },
        );
    }

    /// The codec of a child's parent: the bridge between them then relays without a change. PCMU without one.
    fn codec_of_parent(&self, sid: CallSid) -> Codec {
        let parent = self.calls.get(&sid).and_then(|entry| self.calls.get(&entry.parent?));
        let plan = parent.and_then(|parent| parent.leg.as_ref()?.plan);
        plan.map_or(Codec::Pcmu, |plan| plan.media.codec)
    }
}

/// The media of one leg of a link, as if its SDP had named the other leg.
const fn linked_media(far: SocketAddr, codec: Codec) -> NegotiatedMedia {
    let payload_type = match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
    };
    NegotiatedMedia {
        remote_rtp: Some(far),
        remote_rtcp: Some(far),
        rtcp_mux: true,
        codec,
        payload_type_send: payload_type,
        payload_type_receive: payload_type,
        event_payload_type_send: Some(EVENTS),
        event_payload_type_receive: Some(EVENTS),
        direction: Direction::SendRecv,
        ptime_ms: 20,
        srtp: None,
    }
}

fn unknown_application(target: &ApplicationTarget) -> NoWay {
    let sentence = format!(
        "Application {} does not exist in this account, and no other account opens it to calls \
         (PublicApplicationConnectEnabled).",
        target.sid
    );
    NoWay { code: Some(Code::APPLICATION_SID), status: Some(404), sentence: sentence.into() }
}

/// Payload type of telephone events on a link.
const EVENTS: u8 = 101;
