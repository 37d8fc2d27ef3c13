//! A Control with one account, one domain and one media core, and what a test says to it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::{Control, ControlSettings, Effect, Input, Observation, RecordingFile, ResolveTarget};
use call::{HttpAnswer, HttpRequest};
use shared::config::{Config, Layers};
use shared::ids::Origin;
use shared::{
    AccountSid, ApplicationSid, CallSid, CoreId, Instant, LegId, LegQuality, MediaCommand,
    MediaEvent, MediaPort, Now, Transport,
};
use sip::digest::Credentials;
use sip::digest::client::Challenge;
use sip::flow::{Flow, FlowId, SendTo};
use sip::{Message, Method, Response, SessionId};
use store::{
    Account, ApplicationParameters, BindingRecord, CallRecord, Change, CredentialListParameters,
    CredentialParameters, Domain, DomainParameters, DomainSuffix, IncomingPhoneNumberParameters,
    IpAccessControlListParameters, IpAddressParameters, MappedList, Mint, NotificationRecord,
    Outcome, Patch, RecordingRecord, Reply, Resource, Secret, Snapshot, Write,
};

pub const ACCOUNT: AccountSid = AccountSid(1);
pub const CALLER: &str = "192.0.2.7:5060";
pub const CALLEE: &str = "192.0.2.8:5060";
pub const PASSWORD: &str = "Secret-Passw0rd";
pub const OTHER_PASSWORD: &str = "Another-Passw0rd";
pub const DESK: &str = "sip:1000@desk.sip.sidetone.test";
const GATEWAY: &str = "198.51.100.1:5060";
const ORIGIN: Origin = Origin { node: 1, generation: 1 };

/// What there is in the store.
pub struct Book {
    pub snapshot: Snapshot,
    pub domain: Arc<Domain>,
    account: AccountSid,
    minted: u64,
}

impl Book {
    /// One account with the domain `desk` and a voice URL; nothing is mapped.
    pub fn new() -> Self {
        let mut snapshot = Snapshot::new(DomainSuffix::new("sidetone.test"));
        let account = Account::main(ACCOUNT, Secret::new("token"), "test", 0);
        snapshot.apply(&Change::Insert(Resource::Account(Arc::new(account))));
        let mut minted = 0;
        let fields = DomainParameters {
            domain_name: Patch::Set("desk.sip.sidetone.test".to_owned()),
            voice_url: Patch::Set("http://app.example/voice".to_owned()),
            ..DomainParameters::default()
        };
        match write(&mut snapshot, &mut minted, ACCOUNT, Write::create(fields)) {
            Reply::Resource(Resource::Domain(domain), _) => {
                Self { snapshot, domain, account: ACCOUNT, minted }
            }
            other => panic!("{other:?}"),
        }
    }

    /// Domain with the credential list of `alice`.
    pub fn with_credentials() -> Self {
        let mut book = Self::new();
        book.map_credentials("desk", PASSWORD);
        book
    }

    /// The same, mapped for registrations too, which are on.
    pub fn with_registrations() -> Self {
        let mut book = Self::with_credentials();
        let lists = book.snapshot.mappings(book.domain.sid).map(|mapping| mapping.list);
        let list = lists.collect::<Vec<_>>().into_iter().find_map(|list| match list {
            MappedList::CallsCredentialList(sid) => Some(sid),
            _ => None,
        });
        book.map(MappedList::RegistrationsCredentialList(list.expect("just mapped")));
        book.change_domain(|domain| domain.sip_registration = true);
        book
    }

    /// Domain with an IP list of one address.
    pub fn with_ip_list(address: &str) -> Self {
        let mut book = Self::new();
        book.map_address(address);
        book
    }

    /// Another account, no relation of the first, with a domain that takes calls from [`CALLER`].
    pub fn add_foreign_account(&mut self, labels: &str) {
        let foreign = Account::main(AccountSid(2), Secret::new("token"), "foreign", 0);
        self.snapshot.apply(&Change::Insert(Resource::Account(Arc::new(foreign))));
        let fields = DomainParameters {
            domain_name: Patch::Set(format!("{labels}.sip.sidetone.test")),
            voice_url: Patch::Set("http://app.example/voice".to_owned()),
            ..DomainParameters::default()
        };
        self.account = AccountSid(2);
        let reply = self.write(Write::create(fields));
        let Reply::Resource(Resource::Domain(domain), _) = reply else { panic!("a domain") };
        let own = std::mem::replace(&mut self.domain, domain);
        self.map_address("192.0.2.7");
        (self.domain, self.account) = (own, ACCOUNT);
    }

    pub fn map_credentials(&mut self, name: &str, password: &str) {
        let create =
            Write::create(CredentialListParameters { friendly_name: Patch::Set(name.to_owned()) });
        let Reply::Resource(Resource::CredentialList(list), _) = self.write(create) else {
            panic!("a list")
        };
        let (username, password) = ("alice".to_owned(), Secret::new(password));
        self.write(Write::create_in(
            list.sid.0,
            CredentialParameters { username: Patch::Set(username), password: Patch::Set(password) },
        ));
        self.map(MappedList::CallsCredentialList(list.sid));
    }

    pub fn map_address(&mut self, address: &str) {
        let create = Write::create(IpAccessControlListParameters {
            friendly_name: Patch::Set(address.to_owned()),
        });
        let Reply::Resource(Resource::IpAccessControlList(list), _) = self.write(create) else {
            panic!("a list")
        };
        let address = address.parse().expect("an address");
        let friendly_name = "office".to_owned();
        let given = IpAddressParameters {
            friendly_name: Patch::Set(friendly_name),
            address: Patch::Set(address),
            prefix: Patch::Keep,
        };
        self.write(Write::create_in(list.sid.0, given));
        self.map(MappedList::CallsIpAccessControlList(list.sid));
    }

    /// Registers a phone number; with a URL, that answers its calls.
    pub fn add_number(&mut self, number: &str, voice_url: Option<&str>) {
        let voice_url = voice_url.map_or(Patch::Keep, |url| Patch::Set(url.to_owned()));
        self.write(Write::create(IncomingPhoneNumberParameters {
            phone_number: Patch::Set(number.to_owned()),
            voice_url,
            ..IncomingPhoneNumberParameters::default()
        }));
    }

    pub fn add_application(&mut self, parameters: ApplicationParameters) -> ApplicationSid {
        let created = self.write(Write::create(parameters));
        let Reply::Resource(Resource::Application(application), _) = created else {
            panic!("an application")
        };
        application.sid
    }

    /// Registers a number that an application answers.
    pub fn add_number_of_application(&mut self, number: &str, voice_url: &str) -> ApplicationSid {
        let application = self.add_application(ApplicationParameters {
            voice_url: Patch::Set(voice_url.to_owned()),
            ..ApplicationParameters::default()
        });
        self.write(Write::create(IncomingPhoneNumberParameters {
            phone_number: Patch::Set(number.to_owned()),
            voice_application: Patch::Set(application),
            ..IncomingPhoneNumberParameters::default()
        }));
        application
    }

    pub fn change_domain(&mut self, change: impl FnOnce(&mut Domain)) {
        let mut domain = (*self.domain).clone();
        change(&mut domain);
        domain.revision += 1;
        self.domain = Arc::new(domain);
        self.snapshot.apply(&Change::Update(Resource::Domain(self.domain.clone())));
    }

    pub fn change_account(&mut self, change: impl FnOnce(&mut Account)) {
        let mut account = (**self.snapshot.account(ACCOUNT).expect("it is there")).clone();
        change(&mut account);
        account.revision += 1;
        self.snapshot.apply(&Change::Update(Resource::Account(Arc::new(account))));
    }

    fn map(&mut self, list: MappedList) {
        let domain = self.domain.sid;
        self.write(Write::CreateMapping { domain, list });
    }

    fn write(&mut self, asked: Write) -> Reply {
        write(&mut self.snapshot, &mut self.minted, self.account, asked)
    }
}

fn write(snapshot: &mut Snapshot, minted: &mut u64, account: AccountSid, write: Write) -> Reply {
    *minted += 1;
    let mut random = [0; 40];
    random[..8].copy_from_slice(&minted.to_be_bytes());
    let mint = Mint { unix_ms: 1_736_154_000_000, origin: ORIGIN, random };
    let planned = snapshot.check(account, &write, &mint).expect("allowed");
    snapshot.apply(&planned.change);
    planned.reply
}

/// A Control and all that it wanted so far, sorted.
pub struct Rig {
    pub now: Now,
    pub control: Control,
    pub sent: Vec<(SocketAddr, Message)>,
    pub http: Vec<(CallSid, Box<HttpRequest>)>,
    pub media: Vec<MediaCommand>,
    pub resolves: Vec<(SessionId, ResolveTarget)>,
    pub records: Vec<CallRecord>,
    pub recordings: Vec<RecordingRecord>,
    pub uploads: Vec<(shared::RecordingSid, Option<shared::Code>)>,
    pub conferences: Vec<store::ConferenceRecord>,
    pub notifications: Vec<NotificationRecord>,
    pub timelines: Vec<String>,
    pub refused: Vec<&'static str>,
    /// The same, whole.
    pub refusals: Vec<shared::Refusal>,
    pub dropped: usize,
    pub faults: Vec<String>,
    pub effects: Vec<Effect>,
    /// CSeq of the last REGISTER.
    pub cseq: u32,
    /// Commits that somebody waits for are kept back.
    pub hold_commits: bool,
    held_commits: Vec<crate::CommitToken>,
    committed: VecDeque<crate::CommitToken>,
    bindings: BTreeMap<shared::BindingSid, BindingRecord>,
    last_received: String,
    pub last_send: sip::SendToken,
    flow: Flow,
    call_ids: u32,
    dialog: (u32, String),
}

impl Rig {
    pub fn new(book: Book) -> Self {
        Self::with_settings(book, |_| ())
    }

    /// One core of eight legs.
    pub fn with_settings(book: Book, change: impl FnOnce(&mut ControlSettings)) -> Self {
        let config = Config::from_layers(&Layers::default()).expect("the defaults make sense");
        let mut settings = ControlSettings::new(&config, ORIGIN, "http://gw.example");
        change(&mut settings);
        let now = Now { mono: Instant::from_millis(60_000), unix_ms: 1_736_154_000_000 };
        let mut rig = Self {
            now,
            control: Control::new(settings, book.snapshot, [7; 32]),
            sent: Vec::new(),
            http: Vec::new(),
            media: Vec::new(),
            resolves: Vec::new(),
            records: Vec::new(),
            recordings: Vec::new(),
            uploads: Vec::new(),
            conferences: Vec::new(),
            notifications: Vec::new(),
            timelines: Vec::new(),
            refused: Vec::new(),
            refusals: Vec::new(),
            dropped: 0,
            faults: Vec::new(),
            effects: Vec::new(),
            cseq: 0,
            hold_commits: false,
            held_commits: Vec::new(),
            committed: VecDeque::new(),
            bindings: BTreeMap::new(),
            last_received: String::new(),
            last_send: sip::SendToken::NOBODY,
            flow: flow(Transport::Udp, CALLER),
            call_ids: 0,
            dialog: (0, String::new()),
        };
        rig.add_core();
        rig
    }

    pub fn add_core(&mut self) {
        let ports =
            (0..8).map(|n| MediaPort { address: 0, rtp: 20_000 + n * 2 }).collect::<Vec<_>>();
        self.tell(Input::CoreStarted { ports, legs_max: 8 });
    }

    /// From now on messages come by this transport, from this address.
    pub fn come_from(&mut self, transport: Transport, remote: &str) {
        self.flow = flow(transport, remote);
        if transport != Transport::Udp {
            let opened = sip::Input::FlowOpened { flow: self.flow, token: None };
            self.tell(Input::Sip(opened));
        }
    }

    pub fn after(&mut self, time: Duration) {
        let end = self.now.after(time);
        while let Some((at, _)) = self.control.poll_timeout().filter(|(at, _)| *at <= end.mono) {
            self.now = self.now.after(at.since(self.now.mono));
            self.control.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub fn tell(&mut self, input: Input<'_>) {
        self.control.handle(self.now, input);
        self.drain();
    }

    /// The bytes that came last come again.
    pub fn repeat_last(&mut self) {
        let text = self.last_received.clone();
        self.receive(&text);
    }

    /// The store answers every commit that was kept back.
    pub fn release_commits(&mut self, outcome: Outcome) {
        self.hold_commits = false;
        for token in std::mem::take(&mut self.held_commits) {
            self.tell(Input::Committed { token, outcome });
        }
    }

    /// Registered contacts as they are on disk.
    pub fn bindings(&self) -> Vec<BindingRecord> {
        self.bindings.values().cloned().collect()
    }

    pub fn receive(&mut self, text: &str) {
        text.clone_into(&mut self.last_received);
        let (flow, bytes) = (self.flow, text.as_bytes());
        self.tell(Input::Sip(sip::Input::Received { flow, bytes }));
    }

    /// An INVITE of a new call; the status lines it was answered with.
    pub fn invite(&mut self, invite: &Invite) -> Vec<u16> {
        self.call_ids += 1;
        self.send_invite(invite, self.call_ids, 1, "")
    }

    /// The same with an answer to the challenge that comes.
    pub fn invite_as(&mut self, invite: &Invite, user: &str, password: &str) -> Vec<u16> {
        self.call_ids += 1;
        let id = self.call_ids;
        let challenged = self.send_invite(invite, id, 1, "");
        assert_eq!(challenged, [407]);
        let header = self.authorization(invite, user, password);
        self.ack(invite, id, 1);
        self.send_invite(invite, id, 2, &header)
    }

    pub fn authorization(&self, invite: &Invite, user: &str, password: &str) -> String {
        let challenge = header(self.last_response(), "Proxy-Authenticate").expect("a challenge");
        let challenge = Challenge::parse(challenge.as_bytes()).expect("it can be read");
        let credentials = Credentials::new(user, password);
        let answer = challenge.answer(&credentials, b"INVITE", invite.target.as_bytes(), 1, "abc");
        format!("Proxy-Authorization: {}\r\n", String::from_utf8(answer).expect("text"))
    }

    pub fn send_invite(&mut self, invite: &Invite, id: u32, cseq: u32, more: &str) -> Vec<u16> {
        let before = self.sent.len();
        let text = invite.text(self.flow, id, cseq, more);
        self.receive(&text);
        self.statuses(before)
    }

    pub fn ack(&mut self, invite: &Invite, id: u32, cseq: u32) {
        let to = self.to_of_last_response();
        let text = request("ACK", invite, self.flow, id, cseq, &to);
        self.receive(&text);
    }

    /// The ACK of the 200 that the last call got.
    pub fn ack_last(&mut self, invite: &Invite) {
        self.dialog = (self.call_ids, self.to_of_last_response());
        self.ack(invite, self.call_ids, 1);
    }

    /// The ACK of the 200 that the last call got, with the answer to its offer.
    pub fn ack_last_with_answer(&mut self, answer: &str) {
        let to = self.to_of_last_response();
        self.dialog = (self.call_ids, to.clone());
        let ack = Invite { method: "ACK", sdp: answer.to_owned(), ..Invite::default() };
        let text = ack.text(self.flow, self.call_ids, 1, "");
        self.receive(&text.replace(&format!("To: <{}>", ack.target), &format!("To: {to}")));
    }

    /// The same where the call had to answer a challenge first.
    pub fn ack_last_with_digest(&mut self, invite: &Invite) {
        self.dialog = (self.call_ids, self.to_of_last_response());
        self.ack(invite, self.call_ids, 2);
    }

    /// The caller of the call that was acknowledged last offers anew, and acknowledges the answer.
    pub fn reinvite(&mut self, invite: &Invite, cseq: u32) {
        let (id, to) = self.dialog.clone();
        let text = invite.text(self.flow, id, cseq, "");
        self.receive(&text.replace(&format!("To: <{}>", invite.target), &format!("To: {to}")));
        assert_eq!(self.last_response().status, 200);
        let text = request("ACK", invite, self.flow, id, cseq, &to);
        self.receive(&text);
    }

    /// The caller of the call that was acknowledged last hangs up.
    pub fn bye_last(&mut self, invite: &Invite) {
        let (id, to) = self.dialog.clone();
        let text = request("BYE", invite, self.flow, id, 9, &to);
        self.receive(&text);
    }

    /// The party of a call presses keys, as long as the call has a leg.
    pub fn press(&mut self, call: CallSid, digits: &str) {
        for digit in digits.bytes() {
            let leg = self.control.calls.get(&call).and_then(|entry| entry.leg.as_ref());
            let Some(leg) = leg.map(|leg| leg.place.leg) else { return };
            let event = MediaEvent::Digit { leg, digit, duration_ms: 100 };
            self.tell(Input::Media { core: CoreId(leg.core.0), event });
        }
    }

    /// The recorder settles every recording that it was told to open.
    pub fn settle_recordings(&mut self) {
        let opened = std::mem::take(&mut self.effects).into_iter();
        let taps = opened.filter_map(|effect| match effect {
            Effect::OpenRecording(order) => Some(order.tap),
            _ => None,
        });
        for tap in taps.collect::<Vec<_>>() {
            let file = RecordingFile {
                duration_ms: 3_000,
                bytes: 16_044,
                empty: false,
                missing_ms: 60,
                cut_ms: 0,
                encryption: None,
            };
            self.tell(Input::RecordingDone { tap, result: Ok(file) });
        }
    }

    fn to_of_last_response(&self) -> String {
        self.last_response().to.to_string()
    }

    /// Statuses sent since then.
    pub fn statuses(&self, since: usize) -> Vec<u16> {
        let responses = self.sent.iter().skip(since).filter_map(|(_, message)| match message {
            Message::Response(response) => Some(response.status),
            Message::Request(_) => None,
        });
        responses.collect()
    }

    pub fn last_response(&self) -> &Response {
        let responses = self.sent.iter().rev().find_map(|(_, message)| match message {
            Message::Response(response) => Some(response),
            Message::Request(_) => None,
        });
        responses.expect("something was answered")
    }

    /// The methods of requests that went out.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.sent.iter().filter_map(|(_, message)| match message {
            Message::Request(request) => Some(request.method.to_string()),
            Message::Response(_) => None,
        });
        requests.collect()
    }

    /// The party that we called last answers our INVITE, with a header line of its own.
    pub fn respond_with(&mut self, status: u16, line: &str) {
        self.answer(status, "", line);
    }

    /// Whoever got our last request answers it.
    pub fn respond_to_last(&mut self, status: u16, line: &str) {
        let request = self.sent.iter().rev().find_map(|(_, message)| match message {
            Message::Request(request) => Some(request.clone()),
            Message::Response(_) => None,
        });
        let response = Response::for_request(&request.expect("a request"), status, "As told");
        let text = String::from_utf8(response.to_bytes()).expect("text");
        let line = if line.is_empty() { String::new() } else { format!("{line}\r\n") };
        let text = text.replacen("\r\n", &format!("\r\n{line}"), 1);
        let before = std::mem::replace(&mut self.flow, flow(Transport::Udp, CALLEE));
        self.receive(&text);
        self.flow = before;
    }

    /// No target that waits has an address.
    pub fn resolve_nothing(&mut self) {
        for (session, _) in std::mem::take(&mut self.resolves) {
            let (code, status) = (Some(shared::Code::SIP_HOST), 503);
            let failure = crate::ResolveFailure { code, status, sentence: "No.".to_owned() };
            self.tell(Input::Resolved { session, result: Err(failure) });
        }
    }

    /// The party that we called last answers our INVITE.
    pub fn respond(&mut self, status: u16, sdp: &str) {
        self.answer(status, sdp, "");
    }

    /// The party of our INVITE of that index answers it.
    pub fn respond_to_invite(&mut self, index: usize, status: u16, sdp: &str) {
        self.answer_invite(index, status, sdp, "");
    }

    fn answer(&mut self, status: u16, sdp: &str, line: &str) {
        let invites = self.sent.iter().filter(|(_, message)| is_invite(message)).count();
        let last = invites.checked_sub(1).expect("we called somebody");
        self.answer_invite(last, status, sdp, line);
    }

    fn answer_invite(&mut self, index: usize, status: u16, sdp: &str, line: &str) {
        let mut invites = self.sent.iter().filter_map(|(_, message)| match message {
            Message::Request(request) if is_invite(message) => Some(request.clone()),
            _ => None,
        });
        let invite = invites.nth(index).expect("we called somebody");
        let mut response = Response::for_request(&invite, status, "As told");
        response.to.set_tag(sip::Text::cleaned("callee"));
        response.contact = invite.contact.clone();
        if !sdp.is_empty() {
            response.set_body("application/sdp", sdp.as_bytes().to_vec()).expect("a type");
        }
        let before = self.flow;
        self.flow = flow(Transport::Udp, CALLEE);
        let mut bytes = response.to_bytes();
        if !line.is_empty() {
            response.contact = sip::Contacts::none();
            let text = String::from_utf8(response.to_bytes()).expect("text");
            bytes = text.replacen("\r\n", &format!("\r\n{line}\r\n"), 1).into_bytes();
        }
        let received = sip::Input::Received { flow: self.flow, bytes: &bytes };
        self.tell(Input::Sip(received));
        self.flow = before;
    }

    /// Every target that waits is found at the callee's address.
    pub fn resolve(&mut self) {
        for (session, _) in std::mem::take(&mut self.resolves) {
            let destination = sip::Destination {
                transport: Transport::Udp,
                remote: CALLEE.parse().expect("fixed"),
                local: GATEWAY.parse().expect("fixed"),
                flow: Some(FlowId(0)),
                host: None,
            };
            self.tell(Input::Resolved { session, result: Ok(vec![destination]) });
        }
    }

    /// The last record of a call.
    pub fn record(&self, sid: CallSid) -> &CallRecord {
        self.records.iter().rev().find(|record| record.sid == sid).expect("it has a record")
    }

    /// The oldest webhook that waits gets this document.
    pub fn answer_webhook(&mut self, verbs: &str) {
        let (call, request) = self.http.remove(0);
        let (request, url) = (request.id, request.url.wire(None));
        let result = Ok(HttpAnswer {
            status: 200,
            content_type: Some("text/xml".to_owned()),
            body: format!("<Response>{verbs}</Response>").into_bytes().into(),
            final_url: url,
            duration_ms: 5,
        });
        self.tell(Input::Http { call, request, result });
    }

    /// The core confirms every leg that it was told to stop.
    pub fn confirm_stops(&mut self) {
        let stops: Vec<LegId> = self
            .media
            .iter()
            .filter_map(|command| match command {
                MediaCommand::StopLeg { leg, .. } => Some(*leg),
                _ => None,
            })
            .collect();
        self.media.retain(|command| !matches!(command, MediaCommand::StopLeg { .. }));
        for leg in stops {
            let quality = Box::<LegQuality>::default();
            self.tell(Input::Media {
                core: CoreId(leg.core.0),
                event: MediaEvent::LegStopped { leg, quality },
            });
        }
    }

    /// Every webhook that waits is answered with an empty document, every stop confirmed.
    pub fn let_go(&mut self) {
        while !self.http.is_empty() {
            self.answer_webhook("");
        }
        self.confirm_stops();
    }

    /// Takes all effects, then lets what was committed settle, as the shell does.
    pub fn drain(&mut self) {
        self.take_effects();
        while let Some(token) = self.committed.pop_front() {
            let outcome = Outcome::Committed;
            self.control.handle(self.now, Input::Committed { token, outcome });
            self.take_effects();
        }
    }

    fn take_effects(&mut self) {
        while let Some(effect) = self.control.poll_effect() {
            match effect {
                Effect::Sip(sip::Effect::Send { to, bytes, token }) => {
                    self.last_send = token;
                    let remote = match to {
                        SendTo::Datagram { remote, .. } => remote,
                        SendTo::Flow(_) | SendTo::Connect { .. } => self.flow.remote,
                    };
                    let message = Message::parse(&bytes).expect("what we send can be read");
                    self.sent.push((remote, message));
                }
                Effect::Http { call, request, .. } => {
                    self.http.push((call, request));
                }
                Effect::Media { command, .. } => self.media.push(command),
                Effect::Resolve { session, target } => self.resolves.push((session, target)),
                Effect::Commit { token, change } => self.on_commit(token, *change),
                Effect::Observe(Observation::Refused { refusal, .. }) => {
                    assert_is_in_table(&refusal);
                    self.refused.push(refusal.rule);
                    self.refusals.push(refusal);
                }
                Effect::Observe(Observation::Dropped { .. }) => self.dropped += 1,
                Effect::Observe(Observation::Fault { sentence, .. }) => self.faults.push(sentence),
                other => self.effects.push(other),
            }
        }
    }

    fn on_commit(&mut self, token: Option<crate::CommitToken>, change: Change) {
        match change {
            Change::PutCall(record) => self.records.push((*record).clone()),
            Change::PutRecording(record) => self.recordings.push((*record).clone()),
            Change::NoteUpload { recording, error_code, .. } => {
                self.uploads.push((recording, error_code));
            }
            Change::PutConference(record) => self.conferences.push((*record).clone()),
            Change::PutTimeline(record) => self.timelines.push(record.json.clone()),
            Change::AddNotification(record) => self.notifications.push((*record).clone()),
            Change::ChangeBindings(changes) => {
                changes.removed.iter().for_each(|sid| drop(self.bindings.remove(sid)));
                self.bindings.extend(changes.put.iter().map(|row| (row.sid, row.clone())));
            }
            _ => {}
        }
        if let Some(token) = token.filter(|_| self.hold_commits) {
            self.held_commits.push(token);
        } else {
            self.committed.extend(token);
        }
    }
}

/// Whatever a test makes Control refuse is refused as the table says that people read.
fn assert_is_in_table(refusal: &shared::Refusal) {
    let rule = shared::rules::RULES.iter().find(|rule| rule.name == refusal.rule);
    let rule = rule.unwrap_or_else(|| panic!("{refusal:?} has no line in shared::rules"));
    // Nothing is sent: the request is dropped, or the connection is closed before there is one.
    let silence = if rule.answer == "close" { "close" } else { "drop" };
    let answer = refusal.status.map_or(silence.to_owned(), |status| status.to_string());
    assert!(rule.answer == answer || rule.meaning.contains(&answer), "{refusal:?} / {rule:?}");
    assert_eq!(rule.code, refusal.code, "{refusal:?} / {rule:?}");
}

/// An INVITE as a caller writes it.
#[derive(Clone)]
pub struct Invite {
    pub target: &'static str,
    pub headers: String,
    pub sdp: String,
    pub hops: u8,
    pub method: &'static str,
}

impl Default for Invite {
    fn default() -> Self {
        let sdp = sdp("RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000\r\n");
        Self { target: DESK, headers: String::new(), sdp, hops: 70, method: "INVITE" }
    }
}

impl Invite {
    pub fn to(target: &'static str) -> Self {
        Self { target, ..Self::default() }
    }

    pub fn header(line: &str) -> Self {
        Self { headers: format!("{line}\r\n"), ..Self::default() }
    }

    fn text(&self, flow: Flow, id: u32, cseq: u32, more: &str) -> String {
        let Self { target, headers, sdp, hops, method } = self;
        let (via, remote) = (flow.transport.via_name(), flow.remote);
        let content = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{via} {remote};branch=z9hG4bK{id}x{cseq}\r\n\
             Max-Forwards: {hops}\r\nFrom: <sip:alice@example.org>;tag=a{id}\r\nTo: <{target}>\r\n\
             Call-ID: call{id}@example.org\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:alice@{remote}>\r\n{headers}{more}{content}Content-Length: {}\r\n\r\n{sdp}",
            sdp.len(),
        )
    }
}

fn is_invite(message: &Message) -> bool {
    matches!(message, Message::Request(request) if request.method == Method::Invite)
}

fn request(method: &str, invite: &Invite, flow: Flow, id: u32, cseq: u32, to: &str) -> String {
    let (via, remote, target) = (flow.transport.via_name(), flow.remote, invite.target);
    let branch = if method == "BYE" { 9 } else { cseq };
    format!(
        "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{via} {remote};branch=z9hG4bK{id}x{branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@example.org>;tag=a{id}\r\nTo: {to}\r\n\
         Call-ID: call{id}@example.org\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

pub fn sdp(media: &str, more: &str) -> String {
    let (profile, formats) = media.split_once(' ').expect("profile and formats");
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
         m=audio 4000 {profile} {formats}\r\n{more}"
    )
}

/// A header of a response as text.
pub fn header(response: &Response, name: &str) -> Option<String> {
    response.headers.get(name).map(|value| value.to_lossy().into_owned())
}

fn flow(transport: Transport, remote: &str) -> Flow {
    let (local, remote) = (GATEWAY.parse().expect("fixed"), remote.parse().expect("an address"));
    let id = FlowId(match transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
        Transport::Tls => 2,
    });
    Flow { id, transport, local, remote }
}
