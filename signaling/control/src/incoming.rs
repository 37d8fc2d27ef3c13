//! Requests that come in: strangers, admission, refusals, new calls. Sans-IO.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use call::{
    CallDirection, CallSetup, DocumentSource, ProgressEvent, SipFacts, StatusCallback, Webhook,
};
use shared::srtp::SRTP_MASTER_BYTES;
use shared::{AccountSid, CallSid, Codec, Direction, Now, Refusal, SrtpMaster, TlsFailure};
use sip::digest::{Algorithm, ChallengeKind, Verdict};
use sip::message::INITIAL_MAX_FORWARDS;
use sip::offer_answer::{LocalMedia, MediaSecurity};
use sip::strangers::{Budget, VOUCHED};
use sip::user_agent::Incoming;
use sip::{Command, Flow, Method, Transport};
use store::{Change, Domain};

use crate::admission::{self, Admitted, Decision, Policy, Refused};
use crate::call_effects::CALL_SID;
use crate::control::Control;
use crate::effect::{Effect, Observation};
use crate::entry::{Leg, Session};
use crate::identity;
use crate::records;
use crate::sessions::texts;

/// An account hears of the same refusal at most once in so many seconds.
const ALERT_EVERY_S: u64 = 10;

impl Control {
    pub(crate) fn on_incoming(&mut self, now: Now, incoming: Box<Incoming>) {
        if !self.has_budget(now, &incoming) || self.is_overloaded_for(now, &incoming) {
            return;
        }
        match incoming.method() {
            Method::Invite => self.on_invite(now, incoming),
            Method::Options => self.on_options(now, incoming),
            Method::Register => self.on_register(now, incoming),
            _ => self.on_other(now, incoming),
        }
    }

    /// Whether the source may ask at all: one that nothing vouches for has a budget.
    fn has_budget(&mut self, now: Now, incoming: &Incoming) -> bool {
        let source = incoming.flow.remote;
        if self.registrar.vouches_for(source.ip()) || self.is_carrier(source.ip()) {
            return true;
        }
        match self.ua.strangers().take(now.mono, source.ip()) {
            Budget::Within => true,
            Budget::ChallengeOnly => {
                self.challenge_only(now, incoming);
                false
            }
            Budget::Held => {
                self.observe(Observation::Dropped { rule: "stranger_rate" });
                false
            }
            Budget::HeldFromNow => {
                let sentence = "Too many requests from a source that nothing vouches for: it is \
                                not heard for 10 seconds.";
                let refusal = Refusal::silent("stranger_rate", sentence);
                let method = method_label(incoming.method());
                self.observe(Observation::Refused { refusal, method, source, account: None });
                false
            }
        }
    }

    /// A source that asks too much is asked for a password where it may have one, and not listened to
    /// any further.
    fn challenge_only(&mut self, now: Now, incoming: &Incoming) {
        self.observe(Observation::Dropped { rule: "stranger_challenged_only" });
        let kind = match incoming.method() {
            Method::Invite => ChallengeKind::Proxy,
            Method::Register => ChallengeKind::Www,
            _ => return,
        };
        if self.known(now, incoming).is_ok() {
            let incoming = Box::new(incoming.clone());
            self.ua_commands.push_back(Command::Challenge { incoming, kind, stale: false });
        }
    }

    /// Whether there is no time for strangers: what is in a dialog does not come by here, and who
    /// has authenticated hears when to come again.
    fn is_overloaded_for(&mut self, now: Now, incoming: &Incoming) -> bool {
        let source = incoming.flow.remote.ip();
        let is_overloaded = self.overload.is_of(incoming.flow.transport);
        let is_dropped = is_overloaded && !self.is_vouched(now, source);
        if is_dropped {
            self.observe(Observation::Dropped { rule: "overload" });
        }
        is_dropped
    }

    /// A known domain answers without credentials (contract sip-interface.md §2).
    fn on_options(&mut self, now: Now, incoming: Box<Incoming>) {
        let refused = match self.known(now, &incoming) {
            Ok(()) if self.draining => nobodys(draining(self.random.between(5, 30))),
            Ok(()) if self.overload.is_of(incoming.flow.transport) => {
                nobodys(overload(self.random.between(5, 30)))
            }
            Ok(()) => {
                return self.ua_commands.push_back(Command::Respond {
                    incoming,
                    status: 200,
                    headers: Vec::new(),
                    remember: false,
                });
            }
            Err(refused) => refused,
        };
        self.refuse(now, incoming, refused);
    }

    /// A method that is not served.
    fn on_other(&mut self, now: Now, incoming: Box<Incoming>) {
        let refused = self.known(now, &incoming).err().unwrap_or_else(|| {
            nobodys(Refusal::new("method_not_allowed", 405, "The method is not handled."))
        });
        self.refuse(now, incoming, refused);
    }

    /// A request that names a dialog, or a transaction, that there is not: 481 (RFC 3261 §12.2.2, §9.2),
    /// where its source may hear anything at all.
    pub(crate) fn on_stray(&mut self, now: Now, incoming: Box<Incoming>) {
        let policy = self.policy_for(&incoming);
        let (flow, target) = (&incoming.flow, &incoming.request.uri);
        match admission::check_stray(&self.snapshot, policy, flow, target) {
            Err(refused) => self.refuse(now, incoming, refused),
            Ok(()) => self.ua_commands.push_back(Command::Respond {
                incoming,
                status: 481,
                headers: Vec::new(),
                remember: false,
            }),
        }
    }

    fn known(&self, now: Now, incoming: &Incoming) -> Result<(), Refused> {
        let request = self.facts(now, incoming);
        admission::known(&self.snapshot, self.policy_for(incoming), request).map(drop)
    }

    /// What the settings say about the source of a request.
    pub(crate) fn policy_for(&self, incoming: &Incoming) -> Policy<'_> {
        let source = incoming.flow.remote.ip();
        self.settings.policy(source, self.registrations.trunk_at(source))
    }

    /// Whether the settings know the source as a carrier's.
    fn is_carrier(&self, source: IpAddr) -> bool {
        self.settings.trunk_at(source, self.registrations.trunk_at(source)).is_some()
    }

    pub(crate) fn facts<'a>(&self, now: Now, incoming: &'a Incoming) -> admission::Request<'a> {
        admission::Request {
            flow: &incoming.flow,
            target: &incoming.request.uri,
            objection: incoming.objection.as_ref().map(|objection| &objection.refusal),
            is_vouched: self.is_vouched(now, incoming.flow.remote.ip()),
        }
    }

    /// Whether an IP list, a digest of the last minutes, a registration or the settings vouch for the
    /// source.
    fn is_vouched(&self, now: Now, source: IpAddr) -> bool {
        self.ua.is_vouched(now.mono, source)
            || self.registrar.vouches_for(source)
            || self.is_carrier(source)
    }

    /// A list, a digest or a registration vouches for the source of a request, for so long.
    pub(crate) fn vouch(&mut self, now: Now, flow: Flow, at_least: Duration) {
        let source = flow.remote.ip();
        self.ua.strangers().vouch(now.mono, source, at_least);
        if flow.transport != Transport::Udp {
            self.push(Effect::Vouch { source, until: now.mono + at_least });
        }
    }

    fn on_invite(&mut self, now: Now, mut incoming: Box<Incoming>) {
        let request = self.facts(now, &incoming);
        let source = incoming.flow.remote.ip();
        let mut policy = self.settings.policy(source, self.registrations.trunk_at(source));
        let replaced = self.domain_of_replaced(&incoming);
        if let Some(domain) = &replaced {
            policy.default_domain = Some(domain.labels.as_str());
        }
        let (ua, lockout) = (&mut self.ua, &mut self.lockout);
        let decision = admission::decide(&self.snapshot, policy, request, |found| {
            let hashes = |user: &str, algorithm| admission::stored_hashes(found, user, algorithm);
            let proof = Proof { kind: ChallengeKind::Proxy, hashes: &hashes };
            let verdict = verify(ua, lockout, now, &incoming, proof);
            if admission::is_listed(found, &incoming.flow) {
                ua.strangers().vouch(now.mono, source, VOUCHED);
            }
            verdict
        });
        match decision {
            Decision::Admit(admitted) => {
                self.vouch(now, incoming.flow, VOUCHED);
                self.admit(now, incoming, &admitted);
            }
            Decision::Challenge { stale } => {
                let kind = ChallengeKind::Proxy;
                self.ua_commands.push_back(Command::Challenge { incoming, kind, stale });
            }
            Decision::Refuse(refused) => {
                // A 420 names all extensions that the caller would not get (RFC 3261 §8.2.2.3).
                let _ = incoming.choose_extensions(self.extensions_of_refused(&incoming));
                self.refuse(now, incoming, refused);
            }
            Decision::LockedOut => self.refuse_locked_out(now, incoming),
        }
    }

    /// Nothing is answered to a pair of user and source that failed too often.
    pub(crate) fn refuse_locked_out(&mut self, now: Now, incoming: Box<Incoming>) {
        let source = incoming.flow.remote.ip();
        let sentence = format!("Too many wrong passwords for this user from {source}.");
        let refusal = Refusal::silent("digest_locked_out", sentence).code(32202);
        let refused = Refused { refusal, account: None, trusted: false };
        self.refuse(now, incoming, refused);
    }

    /// From here on the peer has authenticated.
    fn admit(&mut self, now: Now, mut incoming: Box<Incoming>, admitted: &Admitted) {
        let extensions = self.extensions_of_incoming(&incoming, admitted);
        if let Err(refusal) = incoming.choose_extensions(extensions) {
            return self.refuse_known(now, incoming, admitted, refusal);
        }
        // No call begins: there is one already, so neither a drain nor a limit on calls is in its way.
        if let Some(replaces) = incoming.replaces() {
            return self.take_over(now, incoming, admitted, &replaces);
        }
        if self.draining {
            let refusal = draining(self.random.between(5, 30));
            return self.refuse_known(now, incoming, admitted, refusal);
        }
        let hops_left = match self.hops_left_of(&incoming) {
            Ok(hops_left) => hops_left,
            Err(refusal) => return self.refuse_known(now, incoming, admitted, refusal),
        };
        let local = self.media_side(&incoming);
        if self.settings.media_addresses.serving(local).is_empty() {
            let sentence =
                "No media address is of the caller's IP version: add one to media.addresses.";
            let refusal = Refusal::new("media_address", 488, sentence);
            return self.refuse_known(now, incoming, admitted, refusal);
        }
        if self.overload.is_of(incoming.flow.transport) {
            let refusal = overload(self.random.between(5, 30));
            return self.refuse_known(now, incoming, admitted, refusal);
        }
        let place = if self.has_room_for_calls() { self.take_place(None, local) } else { None };
        let Some((place, address)) = place else {
            let refusal = Refusal::new(
                "calls_limit",
                503,
                "All media legs are in use, or the limit on calls is reached.",
            )
            .code(10004)
            .retry_after(self.random.between(5, 30));
            return self.refuse_known(now, incoming, admitted, refusal);
        };
        let Some(domain) = self.snapshot.domain(admitted.domain).cloned() else {
            return self.placement.release(place);
        };
        let setup = self.inbound_setup(now, &incoming, admitted, (&domain, hops_left));
        let mut leg = Leg::new(place, address, self.new_security(domain.secure));
        leg.latch = self.settings.domain_latches.get(domain.labels.as_str()).copied();
        let local = leg.local_media(self.settings.media_targets(Some(incoming.flow.remote.ip())));
        if let Err(refusal) = check_call(&incoming, &setup, &local) {
            self.placement.release(place);
            return self.refuse_call(now, incoming, &setup, refusal);
        }
        let sid = setup.sid;
        let session = self.new_session(sid);
        let live = Session::Live {
            id: session,
            call_id: incoming.request.call_id.to_string(),
            peer: Some(incoming.flow.remote.ip()),
        };
        self.ua_commands.push_back(Command::Admit { incoming, session });
        let headers = self.call_headers(sid);
        let ringing = Command::Progress { session, status: 180, media: None, headers };
        self.ua_commands.push_back(ringing);
        self.start_call(now, setup, live);
        self.legs.insert(place.leg, sid);
        self.entry_mut(sid, |entry| entry.leg = Some(leg));
    }

    /// The hops that a call may still go: its `Max-Forwards`, and one less than the live call of ours
    /// has that it continues. A PBX that is no proxy sends its own INVITE with 70 hops, but passes on
    /// our `X-Twilio-CallSid` as it does other headers with `X-`.
    fn hops_left_of(&self, incoming: &Incoming) -> Result<u8, Refusal> {
        let request = &incoming.request;
        let named = request.headers.get(CALL_SID).and_then(|value| value.to_lossy().parse().ok());
        let continued = named.and_then(|sid| self.calls.get(&sid));
        let own = request.max_forwards.unwrap_or(INITIAL_MAX_FORWARDS);
        let Some(continued) = continued else { return Ok(own) };
        let left = continued.call.setup().max_forwards.checked_sub(1);
        left.map(|left| left.min(own)).ok_or_else(|| {
            let sentence = "The call comes back from a call of this gateway that had no hops left: \
                            look for the route that leads back.";
            Refusal::new("max_forwards", 483, sentence).code(32006)
        })
    }

    /// The address at which the caller's media reaches us: where its SIP came, unless its offer is of
    /// the other IP version and we have an address of that.
    fn media_side(&self, incoming: &Incoming) -> IpAddr {
        let local = incoming.flow.local.ip().to_canonical();
        let Some(other) = self.settings.media_addresses.other_version(local) else { return local };
        let refusal = incoming.check_offer(&LocalMedia {
            address: local,
            port: TRIAL_PORT,
            direction: Direction::SendRecv,
            codecs: [Codec::Pcmu, Codec::Pcma].into_iter().collect(),
            // Only the address is in question, and nothing is answered: no key of ours is shown.
            security: MediaSecurity::AsOffered(SrtpMaster::new([0; SRTP_MASTER_BYTES])),
            targets: self.settings.media_targets(Some(incoming.flow.remote.ip())),
        });
        match refusal {
            Err(refusal) if refusal.rule == "sdp_address_family" => other,
            Ok(()) | Err(_) => local,
        }
    }

    pub(crate) fn has_room_for_calls(&self) -> bool {
        self.settings.calls_max == 0 || self.calls.len() < self.settings.calls_max
    }

    /// `SipDomain`: the name that the caller used for the domain, with its edge; where the Request-URI
    /// names it by an address, or a carrier's call something else, the domain's own.
    fn called_domain(&self, target: &sip::Uri, domain: &Domain) -> String {
        let host = admission::host_of(target).filter(|host| {
            let found = self.snapshot.admission(host);
            found.is_some_and(|found| found.domain.sid == domain.sid)
        });
        host.unwrap_or_else(|| domain.domain_name.clone())
    }

    fn inbound_setup(
        &mut self,
        now: Now,
        incoming: &Incoming,
        admitted: &Admitted,
        (domain, hops_left): (&Domain, u8),
    ) -> CallSetup {
        let request = &incoming.request;
        let webhook = |url: &Option<String>, method| {
            url.as_ref().map(|url| Webhook { url: url.clone(), method: webhook_method(method) })
        };
        let voice = webhook(&domain.voice_url, domain.voice_method);
        let fallback = webhook(&domain.voice_fallback_url, domain.voice_fallback_method);
        let callback =
            webhook(&domain.voice_status_callback_url, domain.voice_status_callback_method);
        CallSetup {
            sid: CallSid::mint(now.unix_ms, self.settings.origin, self.random.number()),
            account: admitted.account,
            parent: None,
            direction: CallDirection::Inbound,
            from: match admitted.is_trunk {
                true => identity::caller(request),
                false => reported(&request.from.uri),
            },
            to: match admitted.is_trunk {
                true => identity::called(request),
                false => reported(&request.uri),
            },
            forwarded_from: admitted.is_trunk.then(|| identity::diverted(request)).flatten(),
            caller_name: None,
            application: None,
            sip: Some(SipFacts {
                domain: self.called_domain(&request.uri, domain),
                domain_sid: Some(domain.sid),
                call_id: request.call_id.to_string(),
                source_ip: incoming.flow.remote.ip(),
                username: admitted.username.clone(),
                headers: match admitted.is_trunk {
                    true => Vec::new(),
                    false => texts(&request.headers),
                },
            }),
            leg: None,
            document: voice.map_or(DocumentSource::None, DocumentSource::Url),
            fallback,
            status_callback: callback
                .map(|webhook| StatusCallback { webhook, events: vec![ProgressEvent::Completed] }),
            max_forwards: hops_left,
            time_limit_s: self.settings.call.call_s_max,
            record: None,
            warnings: Vec::new(),
            settings: self.settings.call.clone(),
            origin: self.settings.origin,
            seed: self.random.bytes(),
        }
    }

    /// Refuses statelessly and tells everybody the same: peer, log, metric, account.
    pub(crate) fn refuse(&mut self, now: Now, incoming: Box<Incoming>, refused: Refused) {
        self.refuse_with(now, incoming, refused, Vec::new());
    }

    /// The same with headers that belong to it.
    pub(crate) fn refuse_with(
        &mut self,
        now: Now,
        incoming: Box<Incoming>,
        refused: Refused,
        headers: Vec<sip::ExtraHeader>,
    ) {
        let Refused { refusal, account, trusted } = refused;
        let (source, method) = (incoming.flow.remote, method_label(incoming.method()));
        self.alert(now, account, &refusal);
        self.ua_commands.push_back(Command::RejectStateless {
            incoming,
            refusal: refusal.clone(),
            headers,
            trusted,
        });
        self.observe(Observation::Refused { refusal, method, source, account });
    }

    /// A phone that speaks no TLS that is spoken here: the account of the domain whose name it asked for
    /// learns why the phone cannot register or call.
    pub(crate) fn on_tls_refused(
        &mut self,
        now: Now,
        source: SocketAddr,
        name: Option<&str>,
        failure: TlsFailure,
    ) {
        let account = name.and_then(|name| {
            let host = self.snapshot.suffix().host(name)?;
            Some(self.snapshot.domain_by_labels(host.labels.as_str())?.account)
        });
        let refusal = Refusal::silent(failure.rule(), failure.sentence()).code(failure.code());
        self.alert(now, account, &refusal);
        self.observe(Observation::Refused { refusal, method: "TLS", source, account });
    }

    pub(crate) fn refuse_known(
        &mut self,
        now: Now,
        incoming: Box<Incoming>,
        admitted: &Admitted,
        refusal: Refusal,
    ) {
        let account = Some(admitted.account);
        self.refuse(now, incoming, Refused { refusal, account, trusted: true });
    }

    /// Refuses an INVITE that would have been a call but for what it asks: there is a record of it
    /// (contract webhooks.md 7.2), and a transaction, so that copies make no second one.
    fn refuse_call(
        &mut self,
        now: Now,
        incoming: Box<Incoming>,
        setup: &CallSetup,
        refusal: Refusal,
    ) {
        let source = incoming.flow.remote;
        let session = self.next_session_id();
        self.ua_commands.push_back(Command::Admit { incoming, session });
        self.ua_commands.push_back(Command::Refuse { session, refusal: refusal.clone() });
        let record = records::refused_call(setup, now.unix_ms);
        self.commit(None, Change::PutCall(Arc::new(record)));
        let timeline = records::refused_timeline(setup, now.unix_ms, &refusal);
        self.commit(None, Change::PutTimeline(Arc::new(timeline)));
        if let Some(code) = refusal.code {
            self.notify_of_refusal(now, setup.account, Some(setup.sid), code, &refusal);
        }
        let account = Some(setup.account);
        self.observe(Observation::Refused { refusal, method: "INVITE", source, account });
    }

    fn alert(&mut self, now: Now, account: Option<AccountSid>, refusal: &Refusal) {
        let (Some(account), Some(code)) = (account, refusal.code) else { return };
        if self.may_alert(now, account, code) {
            self.notify_of_refusal(now, account, None, code, refusal);
        }
    }

    /// Whether an account's last alert of this code is old enough for another.
    fn may_alert(&mut self, now: Now, account: AccountSid, code: u32) -> bool {
        let told = self.alerted.get(&(account, code));
        if told.is_some_and(|at| now.mono.since(*at).as_secs() < ALERT_EVERY_S) {
            return false;
        }
        self.alerted.insert((account, code), now.mono);
        true
    }

    /// Each account whose history was lost has an alert that says so.
    pub(crate) fn on_history_lost(&mut self, now: Now, rows: &BTreeMap<AccountSid, u64>) {
        for (account, count) in rows {
            if self.may_alert(now, *account, records::INTERNAL_FAILURE) {
                let of = records::Of { account: *account, call: None, unix_ms: now.unix_ms };
                let random = self.random.number();
                let record = records::history_lost(of, self.settings.origin, random, *count);
                self.commit(None, Change::AddNotification(Arc::new(record)));
            }
        }
    }

    pub(crate) fn notify_of_refusal(
        &mut self,
        now: Now,
        account: AccountSid,
        call: Option<CallSid>,
        code: u32,
        refusal: &Refusal,
    ) {
        let random = self.random.number();
        let of = records::Of { account, call, unix_ms: now.unix_ms };
        let record = records::refusal(of, self.settings.origin, random, code, refusal);
        self.commit(None, Change::AddNotification(Arc::new(record)));
    }
}

/// A refusal for a reason of the node's own: no account did anything wrong.
const fn nobodys(refusal: Refusal) -> Refused {
    Refused { refusal, account: None, trusted: false }
}

/// Any port: only whether an answer could be made is asked.
const TRIAL_PORT: u16 = 9;

/// What would keep a call from being answered, found out before it rings: afterwards only its
/// application could be told.
fn check_call(incoming: &Incoming, setup: &CallSetup, local: &LocalMedia) -> Result<(), Refusal> {
    check_media(incoming, local)?;
    match setup.document {
        DocumentSource::None => admission::document(&None),
        _ => Ok(()),
    }
}

/// What would keep our answer from being made.
pub(crate) fn check_media(incoming: &Incoming, local: &LocalMedia) -> Result<(), Refusal> {
    if !incoming.has_offer() && !incoming.extensions.late_offer {
        let sentence = "The INVITE has no SDP, and the domain does not take late offers: switch on \
                        late-offer for it, or let the caller send an offer.";
        return Err(Refusal::new("no_offer", 400, sentence).code(32103));
    }
    incoming.check_offer(local)
}

/// What a request is to prove with: the kind of challenge, and the stored hashes of a user.
pub(crate) struct Proof<'p> {
    pub kind: ChallengeKind,
    pub hashes: &'p dyn Fn(&str, Algorithm) -> Vec<sip::digest::Ha1>,
}

/// Checks the digest; a pair of user and source that failed too often is not even looked at.
pub(crate) fn verify(
    ua: &mut sip::UserAgent,
    lockout: &mut sip::digest::Lockout,
    now: Now,
    incoming: &Incoming,
    proof: Proof<'_>,
) -> Option<Verdict> {
    let source = incoming.flow.remote.ip();
    let verdict = check_digest(ua.digest(), now, incoming, &proof);
    let (Verdict::WrongUser { user } | Verdict::WrongPassword { user } | Verdict::Ok { user }) =
        &verdict
    else {
        return Some(verdict);
    };
    if lockout.is_held(now.mono, user, source) {
        return None;
    }
    match verdict {
        Verdict::Ok { .. } => lockout.succeeded(user, source),
        _ => drop(lockout.failed(now.mono, user, source)),
    }
    Some(verdict)
}

/// Tries every list of the domain that has the user: two may have it with different passwords.
fn check_digest(
    server: &mut sip::digest::Server,
    now: Now,
    incoming: &Incoming,
    proof: &Proof<'_>,
) -> Verdict {
    let (method, target) = (incoming.method().to_string(), incoming.request.uri.to_string());
    let mut check = |uri: &str, list: usize| {
        let values = incoming.request.headers.all(proof.kind.answer_header());
        let values = values.map(|value| value.as_bytes());
        server.verify_by(now, method.as_bytes(), uri.as_bytes(), values, |user, algorithm| {
            let mut hashes = (proof.hashes)(user, algorithm);
            let last = hashes.len().checked_sub(1)?;
            Some(hashes.swap_remove(list.min(last)))
        })
    };
    let mut list = 0;
    let mut verdict = check(&target, list);
    while let Verdict::WrongPassword { user } = &verdict {
        list += 1;
        if list >= (proof.hashes)(user, Algorithm::Md5).len().min(LISTS_WITH_ONE_USER_MAX) {
            break;
        }
        verdict = check(&target, list);
    }
    match verdict {
        // Clients with an outbound proxy (SIPp always) sign the address they send to.
        Verdict::WrongUri { .. } => check(&format!("sip:{}", incoming.flow.local), list),
        verdict => verdict,
    }
}

/// Lists of one domain that are searched for a user's password.
const LISTS_WITH_ONE_USER_MAX: usize = 8;

/// The method as a label of logs and metrics: the peer's own word never.
const fn method_label(method: &Method) -> &'static str {
    match method {
        Method::Invite => "INVITE",
        Method::Options => "OPTIONS",
        Method::Register => "REGISTER",
        _ => "other",
    }
}

fn overload(retry_after: u32) -> Refusal {
    let sentence = "More comes in than is worked on: no new calls are taken for the moment.";
    Refusal::new("overload", 503, sentence).code(10004).retry_after(retry_after)
}

fn draining(retry_after: u32) -> Refusal {
    Refusal::new("draining", 503, "The gateway is shutting down and takes no new calls.")
        .retry_after(retry_after)
}

fn webhook_method(method: store::HttpMethod) -> call::Method {
    match method {
        store::HttpMethod::Get => call::Method::Get,
        store::HttpMethod::Post => call::Method::Post,
    }
}

/// A URI as webhooks report it: without display name, brackets and tag; `sips:` as `sip:` over TLS
/// (contract webhooks.md 3.2).
fn reported(uri: &sip::Uri) -> String {
    let text = uri.to_string();
    match text.strip_prefix("sips:") {
        Some(rest) => format!("sip:{rest};transport=tls"),
        None => text,
    }
}
