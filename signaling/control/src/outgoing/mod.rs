//! Calls that go out: target, trunk, addresses, INVITE. Sans-IO.
//!
//! The way of one INVITE: `begin_invite` picks the target (a registered user rings in
//! `crate::registrar::ring` instead, an application in `crate::linked`), `look_up` asks for its addresses, `on_resolved` continues,
//! `send_invite` takes a leg and hands the INVITE to the user agent, which tries the addresses one after
//! another. When all of them fail, `elsewhere` looks for a further target. The first one that is left
//! without any ends the call by `no_way`.

use std::borrow::Cow;
use std::net::IpAddr;

use call::{CallInput, OutboundLeg, SipTarget, Target};
use shared::config::Trunk;
use shared::{CallSid, Code, CoreId, Header, Now, Transport};
use sip::digest::Credentials;
use sip::user_agent::{Attempts, Failover, Invite};
use sip::{Command, Destination, SessionId, Uri};

mod caller_id;
pub(crate) mod elsewhere;

use crate::control::Control;
use crate::effect::{Effect, ResolveTarget};
use crate::identity::{self, Asserted};
use crate::input::ResolveFailure;
use crate::state::leg::Leg;
use crate::state::session::{PendingInvite, Session};
use crate::state::timeline::Kind;

/// The target of an INVITE, in one form for nouns and trunks.
struct Recipient<'i> {
    uri: Cow<'i, str>,
    host: Cow<'i, str>,
    port: Option<u16>,
    transport: Option<Transport>,
    /// The media must be SRTP, else the call fails.
    secure: bool,
    headers: &'i [Header],
    credentials: Option<Credentials>,
}

/// A call that cannot be sent: its INVITE has no target.
pub(crate) struct NoWay {
    pub code: Option<Code>,
    pub status: Option<u16>,
    pub sentence: Cow<'static, str>,
}

impl Control {
    /// The call wants its INVITE sent.
    pub(crate) fn begin_invite(&mut self, now: Now, sid: CallSid, leg: OutboundLeg) {
        if let Target::Application(target) = &leg.target {
            return self.call_application(now, sid, target);
        }
        let leg = match &leg.target {
            Target::Client(client) => match self.sip_target_of_client(sid, client) {
                Ok(target) => OutboundLeg { target: Target::Sip(target), ..leg },
                Err(no_way) => return self.no_way(sid, no_way),
            },
            _ => leg,
        };
        if matches!(&leg.target, Target::Sip(target) if self.is_own_host(&target.host)) {
            return self.ring(now, sid, leg);
        }
        let is_number = matches!(leg.target, Target::Number(_));
        // Without any trunk the index (0, 0) leads nowhere, and `trunk_recipient` gives the reason.
        let trunk = is_number.then(|| self.trunk_from(0).unwrap_or_default());
        let max_forwards = self.hops_left(sid);
        let invite =
            PendingInvite { leg, trunk, was_redirected: false, max_forwards, tls_failure: None };
        let invite = Box::new(invite);
        if let Err(no_way) = self.look_up(now, sid, invite) {
            self.no_way(sid, no_way);
        }
    }

    /// Asks for the addresses of an INVITE's target; [`Control::on_resolved`] continues.
    pub(crate) fn look_up(
        &mut self,
        now: Now,
        sid: CallSid,
        invite: Box<PendingInvite>,
    ) -> Result<(), NoWay> {
        // Before a session exists: a target that makes no URI needs no look-up.
        let Recipient { host, port, transport, .. } = self.recipient(&invite)?;
        let target = ResolveTarget { host: host.into_owned(), port, transport };
        let session = self.links.new_session(sid);
        self.entry_mut(sid, |entry| entry.session = Session::Resolving { id: session, invite });
        self.push(Effect::Resolve { session, target });
        let way = transport.map_or("by DNS", Transport::via_name);
        self.note(now, sid, Kind::Sip, format_args!("resolving {way}"));
        Ok(())
    }

    /// The addresses of an INVITE's target, or the failure to find any.
    pub(crate) fn on_resolved(
        &mut self,
        now: Now,
        session: SessionId,
        result: Result<Vec<Destination>, ResolveFailure>,
    ) {
        let Some(sid) = self.call_of(session) else { return };
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let invite = match std::mem::replace(&mut entry.session, Session::None) {
            Session::Resolving { invite, .. } => invite,
            // The call does not wait for these addresses any more.
            other => {
                entry.session = other;
                return;
            }
        };
        self.links.remove_session(session);
        match result {
            Ok(destinations) if !destinations.is_empty() => {
                let destinations = self.leave_by_edge(now, sid, &invite, destinations);
                self.send_invite(now, sid, invite, destinations);
            }
            Ok(_) => self.unresolved(now, sid, invite, no_address()),
            Err(failure) => self.unresolved(now, sid, invite, failure),
        }
    }

    /// `;edge=`, `;region=` and `;tnx=` choose the address that a call leaves from. An edge that this
    /// node does not serve changes nothing, and the timeline says so.
    fn leave_by_edge(
        &mut self,
        now: Now,
        sid: CallSid,
        invite: &PendingInvite,
        destinations: Vec<Destination>,
    ) -> Vec<Destination> {
        let Target::Sip(SipTarget { edge: Some(edge), .. }) = &invite.leg.target else {
            return destinations;
        };
        if !self.settings.edges.has(edge) {
            if shared::edge::canonical(edge) != &*self.settings.edge {
                let text =
                    format_args!("this node has no edge `{edge}` of its own: it leaves as usual");
                self.note(now, sid, Kind::Sip, text);
            }
            return destinations;
        }
        let ways = destinations.into_iter();
        ways.map(|way| self.settings.edges.leave_by(edge, way)).collect()
    }

    /// The next target of a trunk, or the end of the call.
    fn unresolved(
        &mut self,
        now: Now,
        sid: CallSid,
        invite: Box<PendingInvite>,
        failure: ResolveFailure,
    ) {
        let ResolveFailure { code, status, sentence } = failure;
        if self.goes_to_next_target(now, sid, invite, Code::TARGET_FAILED, &sentence) {
            return;
        }
        self.no_way(sid, NoWay { code, status: Some(status), sentence: sentence.into() });
    }

    fn send_invite(
        &mut self,
        now: Now,
        sid: CallSid,
        pending: Box<PendingInvite>,
        destinations: Vec<Destination>,
    ) {
        let invite = &*pending;
        debug_assert!(!destinations.is_empty(), "an INVITE has an address to go to");
        let Some(first) = destinations.first() else { return };
        // One INVITE and one leg serve all addresses of a target, so the first one chooses the
        // address in SDP.
        let (local, peer) = (first.local.ip(), first.remote.ip());
        let (recipient, uri, asserted, from) = match self.addressed(invite) {
            Ok(addressed) => addressed,
            Err(no_way) => return self.no_way(sid, no_way),
        };
        // A TLS peer has to prove the name in the URI, whatever DNS made of it (RFC 5922 §4).
        let mut destinations = destinations;
        for destination in destinations.iter_mut().filter(|to| to.transport == Transport::Tls) {
            destination.host = Some(recipient.host.to_string());
        }
        if !self.has_leg_for_invite(sid, local, recipient.secure) {
            let no_way = self.no_place(local);
            return self.no_way(sid, no_way);
        }
        let mut headers = self.invite_headers(sid, recipient.headers);
        headers.extend(asserted.headers);
        let attempts = Self::attempts(invite, &recipient);
        let extensions = self.extensions_of(invite);
        let credentials = recipient.credentials;
        let session = self.links.new_session(sid);
        let contact_user = invite.leg.caller_id.clone();
        let max_forwards = invite.max_forwards;
        self.entry_mut(sid, |entry| {
            entry.session = Session::Live { id: session, call_id: String::new(), peer: Some(peer) };
            entry.outgoing = Some(pending);
        });
        let Some(media) = self.local_media(sid) else { return };
        let invite = Invite {
            destinations,
            to: uri.clone(),
            request_uri: uri,
            from,
            from_display: asserted.display,
            contact_user,
            headers,
            media,
            attempts,
            late_offer: false,
            extensions,
            max_forwards,
            credentials,
            route: Vec::new(),
            metadata: None,
        };
        self.command(Command::Invite { session, invite: Box::new(invite) });
        self.send_now(now, sid);
    }

    /// Carries out the queued INVITEs of a call and names them to its machine. The user agent chooses a
    /// Call-ID when it carries out the command.
    pub(crate) fn send_now(&mut self, now: Now, sid: CallSid) {
        self.settle_user_agent(now);
        let call_id = self.call_id_of(sid);
        if !call_id.is_empty() {
            self.tell(sid, CallInput::InviteSent { call_id });
        }
    }

    /// The end of a call that gets no place for a peer which reaches us at `local`.
    fn no_place(&self, local: IpAddr) -> NoWay {
        refused(match self.settings.media_addresses.serving(local).is_empty() {
            true => "No media address is of the target's IP version: add one to media.addresses.",
            false => "All media legs are in use.",
        })
    }

    /// The target of an INVITE, its Request-URI, and its caller with the URI of From.
    fn addressed<'i>(
        &self,
        invite: &'i PendingInvite,
    ) -> Result<(Recipient<'i>, Uri, Asserted, Uri), NoWay> {
        let recipient = self.recipient(invite)?;
        let uri = Uri::parse(recipient.uri.as_bytes()).map_err(|_| refused("Invalid SIP URI."))?;
        let asserted = self.identity(invite);
        let from = Uri::parse(asserted.from.as_bytes())
            .map_err(|_| refused("The caller id cannot stand in a From header."))?;
        Ok((recipient, uri, asserted, from))
    }

    /// Takes a place for the leg, unless it has one from an earlier target. A child's leg goes to its
    /// parent's core while that has room: their bridge then stays off the mesh, and the kernel may relay it.
    ///
    /// The legs of a bridge are on two cores where the parent's core is full, and where a transfer joins the
    /// parties of two calls, which were placed before anybody knew. They stay there (ARCHITECTURE.md, I1).
    pub(crate) fn has_leg_for_invite(&mut self, sid: CallSid, local: IpAddr, secure: bool) -> bool {
        if self.calls.get(&sid).is_some_and(|entry| entry.leg.is_some()) {
            return true;
        }
        let core = self.core_of_parent(sid);
        let Some((place, address)) = self.take_place(core, local) else { return false };
        let security = self.new_security(secure);
        self.links.add_leg(place.leg, sid);
        let leg = Leg::new(place, address, security);
        self.entry_mut(sid, |entry| entry.leg = Some(leg));
        true
    }

    /// The core of a child's parent, where that has a leg.
    pub(crate) fn core_of_parent(&self, sid: CallSid) -> Option<CoreId> {
        let parent = self.calls.get(&sid)?.parent?;
        Some(self.calls.get(&parent)?.leg.as_ref()?.place.leg.core)
    }

    /// Which failures send the INVITE to its next address: for a trunk, most refusals; for a URI, only an
    /// address that cannot be reached or answers 503 (RFC 3263 §4.3).
    fn attempts(invite: &PendingInvite, recipient: &Recipient<'_>) -> Attempts {
        let is_trunk = invite.trunk.is_some() && !invite.was_redirected;
        Attempts {
            failover: if is_trunk { Failover::UnlessDecided } else { Failover::Unavailable },
            // A URI that names its transport keeps it, even for an INVITE too large for UDP (RFC 3261
            // §18.1.1).
            may_use_tcp: recipient.transport.is_none(),
            stays_on_flow: false,
        }
    }

    /// `Max-Forwards` of a call's INVITE.
    pub(crate) fn hops_left(&self, sid: CallSid) -> u8 {
        self.calls.get(&sid).map_or(0, |entry| entry.call.setup().max_forwards)
    }

    /// Headers of an INVITE besides those of SIP itself: ours, then those of its URI.
    pub(crate) fn invite_headers(&self, sid: CallSid, of_uri: &[Header]) -> Vec<Header> {
        let account = self.calls.get(&sid).map(|entry| entry.account.to_string());
        let mut headers = self.call_headers(sid);
        if let Some(account) = account {
            headers.push(Header::new("X-Twilio-AccountSid", account));
        }
        headers.push(Header::new("X-Twilio-ApiVersion", b"2010-04-01"));
        headers.extend_from_slice(of_uri);
        headers
    }

    /// The caller in From: `<user>@sip.<suffix>`; towards a carrier also its asserted identity.
    fn identity(&self, invite: &PendingInvite) -> Asserted {
        let (user, realm) = (invite.leg.caller_id.as_str(), self.snapshot.realm());
        // Behind a redirect is a peer that the carrier chose. It is outside of the Trust Domain, so
        // it gets no asserted identity (RFC 3325 §5).
        let trunk = invite.trunk.filter(|_| !invite.was_redirected);
        match trunk.and_then(|(trunk, _)| self.settings.trunks.get(trunk)) {
            Some(trunk) => identity::asserted(user, trunk, realm),
            None => Asserted {
                from: own_uri(user, realm),
                display: invite.leg.display_name.clone(),
                headers: Vec::new(),
            },
        }
    }

    /// `sip:<user>@sip.<suffix>`: the From of every call to a registered user.
    pub(crate) fn own_uri(&self, user: &str) -> Option<Uri> {
        Uri::parse(own_uri(user, self.snapshot.realm()).as_bytes()).ok()
    }

    fn recipient<'i>(&self, invite: &'i PendingInvite) -> Result<Recipient<'i>, NoWay> {
        match (&invite.leg.target, invite.trunk) {
            (Target::Sip(target), _) => Ok(sip_recipient(target)),
            (Target::Number(number), trunk) => {
                self.trunk_recipient(number, trunk.unwrap_or_default())
            }
            // Rung by `crate::linked`, without an INVITE.
            // `begin_invite` has put the SIP user in its place.
            (Target::Client(_), _) => Err(refused("A client has no SIP address of its own.")),
            (Target::Application(_), _) => Err(refused("An application has no SIP address.")),
            (Target::Impossible { code, status, sentence, .. }, _) => {
                let sentence = sentence.clone().into();
                Err(NoWay { code: Some(*code), status: *status, sentence })
            }
        }
    }

    fn trunk_recipient(
        &self,
        number: &str,
        at: (usize, usize),
    ) -> Result<Recipient<'static>, NoWay> {
        let no_route = |sentence: Cow<'static, str>| NoWay {
            code: Some(Code::NUMBER_NOT_CALLABLE),
            status: Some(404),
            sentence,
        };
        let trunk = self.settings.trunks.get(at.0);
        let target = trunk.and_then(|trunk| trunk.targets.get(at.1));
        let (Some(trunk), Some(target)) = (trunk, target) else {
            let sentence =
                "There is no carrier for telephone numbers: add a [[trunk]] to the settings.";
            return Err(no_route(sentence.into()));
        };
        let (parsed, _) = call::sip_noun::parse(target)
            .map_err(|error| no_route(format!("Trunk {}: {error}", trunk.name).into()))?;
        // The number takes the place of the user in the target's URI; host, port and parameters
        // stay.
        let rest = parsed.uri.strip_prefix("sip:").unwrap_or(&parsed.uri);
        let host_part = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        Ok(Recipient {
            uri: format!("sip:{number}@{host_part}").into(),
            host: parsed.host.into(),
            port: parsed.port,
            transport: parsed.transport,
            secure: parsed.secure,
            headers: &[],
            credentials: trunk_credentials(trunk),
        })
    }

    /// The call has no target left: it ends, and its machine gets the reason.
    pub(crate) fn no_way(&mut self, sid: CallSid, no_way: NoWay) {
        self.session_over(sid);
        self.stop_leg(sid);
        let NoWay { code, status, sentence } = no_way;
        let sentence = sentence.into_owned();
        self.tell(sid, CallInput::LegFailed { code, status, sentence });
    }
}

fn sip_recipient(target: &SipTarget) -> Recipient<'_> {
    Recipient {
        uri: target.uri.as_str().into(),
        host: target.host.as_str().into(),
        port: target.port,
        transport: target.transport,
        secure: target.secure,
        headers: &target.headers,
        credentials: sip_credentials(target),
    }
}

/// Our login at the target, where the URI's noun or request has one.
pub(crate) fn sip_credentials(target: &SipTarget) -> Option<Credentials> {
    let login = target.credentials.as_ref()?;
    Some(Credentials::new(&login.username, &login.password))
}

/// An INVITE that cannot be built or has no leg: 503, as for a target without an address.
fn refused(sentence: &'static str) -> NoWay {
    NoWay { code: None, status: Some(503), sentence: sentence.into() }
}

pub(crate) fn trunk_credentials(trunk: &Trunk) -> Option<Credentials> {
    (!trunk.username.is_empty()).then(|| Credentials {
        user: trunk.username.clone(),
        password: trunk.password.clone(),
        // Without a realm in the settings, the challenge of any realm is answered: the operator
        // chose the target.
        realm: (!trunk.realm.is_empty()).then(|| trunk.realm.clone()),
    })
}

fn own_uri(user: &str, realm: &str) -> String {
    if user.is_empty() { format!("sip:{realm}") } else { format!("sip:{user}@{realm}") }
}

fn no_address() -> ResolveFailure {
    let sentence = "The host has no address.".to_owned();
    ResolveFailure { code: Some(Code::SIP_HOST), status: 503, sentence }
}
