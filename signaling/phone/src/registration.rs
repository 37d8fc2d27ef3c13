//! The phone's registration (RFC 3261 §10.2). Sans-IO. At most one REGISTER is open at a time:
//! `Asking` waits for its response, `Bound` for the time to refresh, `Leaving` for the response to
//! the removal. A user who leaves while one is open has to wait for its response, so the wish is
//! kept in `Asking`.

use std::time::Duration;

use shared::{Instant, Now};
use sip::digest::Credentials;
use sip::{
    Destination, Method, NameAddr, OutgoingRequest, OwnContact, Parameters, RequestId, Responded,
    Sequence, Uri,
};

use crate::surface::Event;

/// Parameters of a registration.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// The address of record: To and From.
    pub address: Uri,
    /// Destinations of the registrar, first to last.
    pub destinations: Vec<Destination>,
    /// User part of our Contact.
    pub contact_user: String,
    pub credentials: Option<Credentials>,
}

/// One registration.
#[derive(Debug)]
pub(crate) struct Registration {
    account: Account,
    /// The Request-URI of REGISTER: the address of record without its user.
    registrar: Uri,
    expires_s: u32,
    /// A 423 was followed once: a second one ends the registration.
    was_too_brief: bool,
    sequence: Option<Sequence>,
    /// When the last granted binding expires.
    bound_until: Option<Instant>,
    state: State,
}

/// States of a registration.
#[derive(Clone, Copy, Debug)]
enum State {
    /// A REGISTER is open, the first or a refresh. `leaves`: the user wants to remove the
    /// registration.
    Asking { request: RequestId, leaves: bool },
    /// Registered, until the time to refresh.
    Bound { refresh_at: Instant },
    /// The removal is open.
    Leaving { request: RequestId },
}

/// The next step of the phone.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send a REGISTER.
    Ask(Box<OutgoingRequest>),
    /// Report an event.
    Tell(Event),
    /// Report an event, and drop the registration.
    End(Event),
    /// Wait for the response or the timer.
    Wait,
}

impl Registration {
    /// A registration and its first REGISTER, sent as `request`; `None` if the address is not a SIP
    /// URI.
    pub fn begin(
        account: Account,
        expires_s: u32,
        request: RequestId,
    ) -> Option<(Self, Box<OutgoingRequest>)> {
        let mut registrar = account.address.as_sip()?.clone();
        registrar.user = None;
        registrar.password = None;
        registrar.headers.clear();
        let mut registration = Self {
            account,
            registrar: registrar.into(),
            expires_s,
            was_too_brief: false,
            sequence: None,
            bound_until: None,
            state: State::Asking { request, leaves: false },
        };
        let message = registration.register(expires_s);
        Some((registration, message))
    }

    /// Whether this request belongs to the registration.
    pub fn waits_for(&self, id: RequestId) -> bool {
        match self.state {
            State::Asking { request, .. } | State::Leaving { request } => request == id,
            State::Bound { .. } => false,
        }
    }

    /// When [`Registration::refresh`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Bound { refresh_at } => Some(refresh_at),
            State::Asking { .. } | State::Leaving { .. } => None,
        }
    }

    /// Refreshes, with a REGISTER sent as `request`.
    pub fn refresh(&mut self, request: RequestId) -> Step {
        self.state = State::Asking { request, leaves: false };
        Step::Ask(self.register(self.expires_s))
    }

    /// Removes the registration, with a REGISTER sent as `request`; while another one is open,
    /// after its response.
    pub fn leave(&mut self, request: RequestId) -> Step {
        match &mut self.state {
            State::Bound { .. } => self.take_back(request),
            State::Asking { leaves, .. } => {
                *leaves = true;
                Step::Wait
            }
            State::Leaving { .. } => Step::Wait,
        }
    }

    /// Takes the outcome of a REGISTER. `next` names the request to send now, if any.
    pub fn responded(&mut self, now: Now, responded: Responded, next: RequestId) -> Step {
        let granted_s = self.granted_s(&responded);
        let least_s = responded.headers.as_ref().and_then(sip::Headers::min_expires);
        let Responded { status, reason, contacts, sequence, .. } = responded;
        self.sequence = sequence.or(self.sequence.take());
        match (self.state, status) {
            (State::Leaving { .. }, 200..=299) => Step::End(Event::Unregistered),
            (State::Leaving { .. }, _) => Step::End(Event::RegisterRefused { status, reason }),
            (State::Asking { leaves: true, .. }, 200..=299) => self.take_back(next),
            (State::Asking { .. }, 200..=299) => {
                self.bind(now, granted_s);
                let contacts = contacts.list().iter().map(NameAddr::to_string).collect();
                Step::Tell(Event::Registered { expires_s: granted_s, contacts })
            }
            (State::Asking { leaves: false, .. }, 423) if self.take_least(least_s) => {
                self.state = State::Asking { request: next, leaves: false };
                Step::Ask(self.register(self.expires_s))
            }
            (State::Asking { leaves: true, .. }, _) if self.bound_until.is_some() => {
                self.take_back(next)
            }
            (State::Asking { leaves: false, .. }, 408 | 500..=599) if self.try_later(now) => {
                Step::Wait
            }
            (State::Asking { .. } | State::Bound { .. }, _) => {
                Step::End(Event::RegisterRefused { status, reason })
            }
        }
    }

    fn bind(&mut self, now: Now, granted_s: u32) {
        let granted = Duration::from_secs(granted_s.into());
        self.bound_until = Some(now.mono + granted);
        let refresh_at = now.mono + (granted / 2).max(REFRESH_PAUSE_MIN);
        self.state = State::Bound { refresh_at };
    }

    /// After a server failure a refresh is tried again while the binding is valid.
    fn try_later(&mut self, now: Now) -> bool {
        let left = self.bound_until.map_or(Duration::ZERO, |until| until.since(now.mono));
        let pause = left / 2;
        let is_time = pause >= REFRESH_PAUSE_MIN;
        if is_time {
            self.state = State::Bound { refresh_at: now.mono + pause };
        }
        is_time
    }

    /// Asks again for the minimum that the registrar demands (§10.2.8), once.
    fn take_least(&mut self, least_s: Option<u32>) -> bool {
        let Some(least_s) = least_s.filter(|least| *least > self.expires_s) else { return false };
        self.expires_s = least_s;
        !std::mem::replace(&mut self.was_too_brief, true)
    }

    fn take_back(&mut self, request: RequestId) -> Step {
        self.state = State::Leaving { request };
        Step::Ask(self.register(0))
    }

    /// The lifetime granted to our Contact (§10.2.4). Where the registrar rewrote the Contact it is
    /// the shortest of all listed; where it lists none, `Expires`, or the requested lifetime.
    fn granted_s(&self, responded: &Responded) -> u32 {
        let listed = responded.contacts.list();
        let own = responded.own_contact.as_ref();
        let is_ours = |contact: &&NameAddr| own.is_some_and(|own| own.uri.equivalent(&contact.uri));
        let of_ours = listed.iter().find(is_ours).and_then(NameAddr::expires);
        of_ours
            .or_else(|| listed.iter().filter_map(NameAddr::expires).min())
            .or_else(|| responded.headers.as_ref()?.expires())
            .unwrap_or(self.expires_s)
    }

    fn register(&mut self, expires_s: u32) -> Box<OutgoingRequest> {
        let mut parameters = Parameters::new();
        let _ = parameters.set("expires", Some(&expires_s.to_string())); // digits are a token
        Box::new(OutgoingRequest {
            method: Method::Register,
            destinations: self.account.destinations.clone(),
            request_uri: self.registrar.clone(),
            to: self.account.address.clone(),
            from: self.account.address.clone(),
            contact: Some(OwnContact { user: self.account.contact_user.clone(), parameters }),
            continues: self.sequence.take(),
            headers: Vec::new(),
            credentials: self.account.credentials.clone(),
            route: Vec::new(),
        })
    }
}

/// Shortest pause between refreshes, however short the granted lifetime.
const REFRESH_PAUSE_MIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use sip::{Contacts, Headers};

    use super::*;

    const FIRST: RequestId = RequestId(1);
    const NEXT: RequestId = RequestId(2);

    fn at(seconds: u64) -> Now {
        Now { mono: Instant::from_millis(seconds * 1_000), ..Now::default() }
    }

    fn begin(expires_s: u32) -> Registration {
        let account = Account {
            address: Uri::parse("sip:alice@sip.test:5080").unwrap(),
            destinations: Vec::new(),
            contact_user: "alice".into(),
            credentials: None,
        };
        let (registration, message) = Registration::begin(account, expires_s, FIRST).unwrap();
        assert_eq!(message.request_uri.to_string(), "sip:sip.test:5080");
        assert_eq!(message.to.to_string(), "sip:alice@sip.test:5080");
        registration
    }

    fn response(request: RequestId, status: u16, headers: &[(&str, &str)]) -> Responded {
        let mut list = Headers::new();
        for (name, value) in headers {
            list.push(name, value).unwrap();
        }
        let own = NameAddr::parse("<sip:alice@192.0.2.1:5070;transport=udp>").unwrap();
        Responded {
            request,
            status,
            reason: String::new(),
            headers: Some(list),
            contacts: Contacts::none(),
            own_contact: Some(own),
            sequence: None,
        }
    }

    fn with_contacts(responded: Responded, contacts: &[&str]) -> Responded {
        let list = contacts.iter().map(|contact| NameAddr::parse(contact).unwrap()).collect();
        Responded { contacts: Contacts::List(list), ..responded }
    }

    fn asked_s(step: &Step) -> u32 {
        let Step::Ask(message) = step else { panic!("{step:?}") };
        message
            .contact
            .as_ref()
            .unwrap()
            .parameters
            .get("expires")
            .unwrap()
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    #[test]
    fn the_expiry_of_our_own_contact_counts_and_half_of_it_is_the_refresh() {
        let mut registration = begin(3_600);
        let contacts = [
            "<sip:b@192.0.2.9>;expires=20",
            "<sip:alice@192.0.2.1:5070;transport=UDP>;expires=600",
        ];
        let ok = with_contacts(response(FIRST, 200, &[("Expires", "5")]), &contacts);
        let step = registration.responded(at(10), ok, NEXT);
        let Step::Tell(Event::Registered { expires_s, contacts }) = step else {
            panic!("{step:?}")
        };
        assert_eq!((expires_s, contacts.len()), (600, 2));
        assert_eq!(registration.deadline(), Some(at(310).mono));
        assert_eq!(asked_s(&registration.refresh(NEXT)), 3_600);
        assert!(registration.waits_for(NEXT) && !registration.waits_for(FIRST));
    }

    #[test]
    fn a_rewritten_contact_the_expires_header_or_the_requested_time_stand_in() {
        let rewritten = with_contacts(response(FIRST, 200, &[]), &["<sip:x@10.0.0.1>;expires=90"]);
        let silent = response(FIRST, 200, &[]);
        let header = response(FIRST, 200, &[("Expires", "120")]);
        for (response, granted) in [(rewritten, 90), (header, 120), (silent, 300)] {
            assert_eq!(begin(300).granted_s(&response), granted);
        }
    }

    #[test]
    fn an_interval_too_brief_is_made_longer_once() {
        let mut registration = begin(60);
        let brief = |id| response(id, 423, &[("Min-Expires", "600")]);
        let step = registration.responded(at(1), brief(FIRST), NEXT);
        assert_eq!(asked_s(&step), 600);
        let third = RequestId(3);
        let longer = response(NEXT, 423, &[("Min-Expires", "900")]);
        let step = registration.responded(at(2), longer, third);
        assert!(matches!(step, Step::End(Event::RegisterRefused { status: 423, .. })), "{step:?}");
        let step = begin(60).responded(at(1), response(FIRST, 423, &[]), NEXT);
        assert!(matches!(step, Step::End(Event::RegisterRefused { status: 423, .. })), "{step:?}");
    }

    #[test]
    fn a_registrar_that_grants_nothing_is_asked_at_most_once_per_second() {
        let mut registration = begin(60);
        let ok = response(FIRST, 200, &[("Expires", "0")]);
        registration.responded(at(5), ok, NEXT);
        assert_eq!(registration.deadline(), Some(at(6).mono));
    }

    #[test]
    fn a_failed_refresh_is_tried_again_while_the_binding_stands_and_no_longer() {
        let mut registration = begin(64);
        registration.responded(at(0), response(FIRST, 200, &[]), NEXT);
        let mut pauses = Vec::new();
        for number in 2..20 {
            let due = registration.deadline().unwrap();
            let id = RequestId(number);
            registration.refresh(id);
            let now = Now { mono: due, ..Now::default() };
            match registration.responded(now, response(id, 503, &[]), NEXT) {
                Step::Wait => pauses.push(registration.deadline().unwrap().since(due).as_secs()),
                step => {
                    assert!(matches!(step, Step::End(Event::RegisterRefused { status: 503, .. })));
                    break;
                }
            }
        }
        assert_eq!(pauses, [16, 8, 4, 2, 1]);
        let step = begin(60).responded(at(0), response(FIRST, 503, &[]), NEXT);
        assert!(matches!(step, Step::End(Event::RegisterRefused { .. })), "never bound: {step:?}");
    }

    #[test]
    fn leaving_waits_for_the_answer_under_way_and_takes_the_binding_back() {
        let mut registration = begin(60);
        assert!(matches!(registration.leave(NEXT), Step::Wait));
        let step = registration.responded(at(1), response(FIRST, 200, &[]), NEXT);
        assert_eq!(asked_s(&step), 0);
        let step = registration.responded(at(2), response(NEXT, 200, &[]), RequestId(3));
        assert!(matches!(step, Step::End(Event::Unregistered)), "{step:?}");
        let mut refused = begin(60);
        refused.leave(NEXT);
        let step = refused.responded(at(1), response(FIRST, 403, &[]), NEXT);
        assert!(matches!(step, Step::End(Event::RegisterRefused { status: 403, .. })), "{step:?}");
    }
}
