//! The fate of an INVITE that was sent: its ACKs, its CANCEL, and the time after its session lost interest
//! (RFC 3261 §9.1, §13.2.2.4, §17.1.1.3). Sans-IO.
//!
//! A CANCEL waits for a provisional response, which proves that the INVITE arrived: sent before it, the
//! CANCEL could overtake the INVITE and find nothing (§9.1). A 2xx that is quicker wins.

use shared::{Header, Instant};

use super::{Clients, Entry, Machine, Verdict};
use crate::flow::{Destination, SendTo};
use crate::ids::SessionId;
use crate::message::{Method, Request, Response};
use crate::text::Text;
use crate::transaction::{ClientKey, InviteResponse, Timers};

/// Progress of the CANCEL of an INVITE.
#[derive(Debug)]
pub(super) enum CancelState {
    NotWanted,
    /// Wanted before any response came. Holds its additional headers.
    Waiting(Vec<Header>),
    Sent,
}

/// One acknowledged 2xx; each fork has its own To tag.
#[derive(Debug)]
pub(super) struct Fork {
    /// To tag of the 2xx.
    tag: Option<Text>,
    ack: Acknowledgement,
}

/// An ACK as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledgement {
    pub bytes: Box<[u8]>,
    pub to: SendTo,
}

/// What a dialog is made of on our side.
#[derive(Debug)]
pub(crate) struct SentInvite {
    /// The INVITE without its body.
    pub request: Request,
    pub destination: Destination,
    /// Requests in the dialog go back along the destination's flow.
    pub stays_on_flow: bool,
}

/// A CANCEL to send.
#[derive(Debug)]
pub(crate) struct Cancellation {
    pub request: Request,
    /// Additional headers.
    pub headers: Vec<Header>,
    /// Where its INVITE went.
    pub destination: Destination,
    /// The session of its INVITE, for the timeline.
    pub session: Option<SessionId>,
}

/// Forks of one INVITE whose ACKs are kept. Further ones are acknowledged and ended each time their
/// 2xx comes.
const FORKS_MAX: usize = 16;

impl Entry {
    pub(super) fn receive(
        &mut self,
        now: Instant,
        timers: &Timers,
        response: &Response,
    ) -> Verdict {
        let owner = self.owner();
        let (machine, forks) = match &mut self.machine {
            Machine::Other(machine) => {
                return match machine.receive(now, timers, response.status) {
                    true => Verdict::Pass { owner, is_invite: false },
                    false => Verdict::Ignore,
                };
            }
            Machine::Invite { machine, forks, .. } => (machine, forks),
        };
        match machine.receive(now, timers, response.status) {
            InviteResponse::Ignore => Verdict::Ignore,
            InviteResponse::AcknowledgeAndPass => Verdict::AcknowledgeAndPass { owner },
            InviteResponse::AcknowledgeAgain => match machine.ack() {
                Some(ack) => Verdict::Again { ack: ack.into(), to: self.sender.to.clone() },
                None => Verdict::Ignore,
            },
            InviteResponse::Pass => {
                let tag = response.to.tag();
                let is_copy = |fork: &&Fork| fork.tag.as_ref() == tag;
                match forks.iter().find(is_copy).filter(|_| response.is_success()) {
                    Some(Fork { ack, .. }) => {
                        Verdict::Again { ack: ack.bytes.clone(), to: ack.to.clone() }
                    }
                    None => Verdict::Pass { owner, is_invite: true },
                }
            }
        }
    }
}

impl Clients {
    /// The peer of this INVITE is registered by its destination's flow: dialogs stay on it.
    pub fn stay_on_flow(&mut self, key: ClientKey) {
        if let Some(Machine::Invite { stays_on_flow, .. }) = self.machine(key) {
            *stays_on_flow = true;
        }
    }

    /// The INVITE of a transaction; `None` for any other request.
    pub fn invite(&self, key: ClientKey) -> Option<SentInvite> {
        let entry = self.entries.get(&key)?;
        let Machine::Invite { request, stays_on_flow, .. } = &entry.machine else { return None };
        Some(SentInvite {
            request: Request::clone(request),
            destination: entry.sender.destination.clone(),
            stays_on_flow: *stays_on_flow,
        })
    }

    /// The ACK of a 3xx–6xx, which is part of the transaction (§17.1.1.3); kept for copies of it.
    pub fn acknowledge_refusal(
        &mut self,
        key: ClientKey,
        response: &Response,
    ) -> Option<Acknowledgement> {
        let entry = self.entries.get_mut(&key)?;
        let Machine::Invite { machine, request, .. } = &mut entry.machine else { return None };
        let mut ack = hop_by_hop(request, Method::Ack);
        ack.to = response.to.clone();
        let bytes = ack.to_bytes();
        machine.acknowledged(&bytes);
        Some(Acknowledgement { bytes: bytes.into(), to: entry.sender.to.clone() })
    }

    /// Keeps the ACK of a 2xx for its copies.
    pub fn remember_ack(&mut self, key: ClientKey, response: &Response, ack: &Acknowledgement) {
        if let Some(Machine::Invite { forks, .. }) = self.machine(key)
            && forks.len() < FORKS_MAX
        {
            forks.push(Fork { tag: response.to.tag().cloned(), ack: ack.clone() });
        }
    }

    /// Takes the INVITE from its session and wants its CANCEL; `true`: it can leave now.
    pub fn abandon_invite(&mut self, key: ClientKey, headers: Vec<Header>) -> bool {
        self.orphan(key);
        match self.machine(key) {
            Some(Machine::Invite { machine, cancel, .. }) if machine.is_open() => {
                *cancel = CancelState::Waiting(headers);
                !machine.is_calling()
            }
            Some(Machine::Invite { .. } | Machine::Other(_)) | None => false,
        }
    }

    /// Bounds the life of an INVITE that nobody waits for: its peer may be gone.
    pub fn expire_orphan(&mut self, now: Instant, key: ClientKey) {
        let patience = self.timers.transaction_timeout();
        self.with(key, |entry| {
            if let Machine::Invite { machine, .. } = &mut entry.machine
                && entry.is_orphan
            {
                machine.expire_after(now, patience);
            }
        });
    }

    /// Takes the CANCEL that waited for a provisional response, to send it now.
    pub fn take_cancel(&mut self, now: Instant, key: ClientKey) -> Option<Cancellation> {
        let patience = self.timers.transaction_timeout();
        let taken = self.with(key, |entry| {
            let Machine::Invite { machine, request, cancel, .. } = &mut entry.machine else {
                return None;
            };
            match std::mem::replace(cancel, CancelState::Sent) {
                CancelState::Waiting(headers) => {
                    machine.expire_after(now, patience);
                    Some(Cancellation {
                        request: hop_by_hop(request, Method::Cancel),
                        headers,
                        destination: entry.sender.destination.clone(),
                        session: entry.sender.session,
                    })
                }
                before @ (CancelState::NotWanted | CancelState::Sent) => {
                    *cancel = before;
                    None
                }
            }
        });
        taken.flatten()
    }

    /// For changes that move no deadline.
    fn machine(&mut self, key: ClientKey) -> Option<&mut Machine> {
        self.entries.get_mut(&key).map(|entry| &mut entry.machine)
    }
}

/// ACK of a refusal and CANCEL repeat the INVITE's path, addresses and number (§9.1, §17.1.1.3).
fn hop_by_hop(invite: &Request, method: Method) -> Request {
    let mut request = Request::new(
        method,
        invite.uri.clone(),
        invite.from.clone(),
        invite.to.clone(),
        invite.call_id.clone(),
        invite.cseq.number,
    );
    request.via = invite.via.clone();
    request.route = invite.route.clone();
    request
}

#[cfg(test)]
mod tests {
    use super::super::Sender;
    use super::*;
    use crate::message::Message;
    use shared::Transport;

    const KEY: ClientKey = ClientKey { branch: 1, is_cancel: false };
    const NOW: Instant = Instant::from_millis(0);

    fn calling() -> (Clients, Request) {
        let text = "INVITE sip:b@b.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
                    From: <sip:a@a.test>;tag=1\r\nTo: <sip:b@b.test>\r\nCall-ID: c\r\n\
                    CSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1>\r\n\r\n";
        let Ok(Message::Request(request)) = Message::parse(text.as_bytes()) else {
            panic!("a request")
        };
        let destination = Destination {
            transport: Transport::Udp,
            remote: ([192, 0, 2, 2], 5060).into(),
            local: ([192, 0, 2, 1], 5060).into(),
            flow: None,
            host: None,
        };
        let to = SendTo::Datagram { socket: None, remote: destination.remote };
        let sender = Sender { to, destination, session: Some(SessionId(1)) };
        let mut clients = Clients::new(Timers::default());
        clients.start(NOW, KEY, sender, request.clone(), text.as_bytes());
        (clients, request)
    }

    fn hear(clients: &mut Clients, response: &Response) -> Verdict {
        clients.receive(NOW, KEY, response).expect("a transaction").verdict
    }

    #[test]
    fn a_cancel_waits_for_a_provisional_response_and_leaves_once() {
        let (mut clients, invite) = calling();
        let reason = vec![Header::new("Reason", b"SIP;cause=200")];
        assert!(!clients.abandon_invite(KEY, reason.clone()), "the INVITE may not be there yet");
        let ringing = Response::for_request(&invite, 180, "Ringing");
        let verdict = hear(&mut clients, &ringing);
        assert!(matches!(verdict, Verdict::Pass { owner: None, is_invite: true }), "{verdict:?}");
        let cancel = clients.take_cancel(NOW, KEY).expect("a CANCEL");
        assert_eq!((cancel.request.method, cancel.headers), (Method::Cancel, reason));
        assert_eq!(cancel.session, Some(SessionId(1)), "the timeline of the call has it");
        assert!(clients.take_cancel(NOW, KEY).is_none());
        assert_eq!(clients.deadline(), Some(NOW + Timers::default().transaction_timeout()));
    }

    #[test]
    fn each_fork_gets_its_own_ack_again_as_far_as_they_are_kept() {
        let (mut clients, invite) = calling();
        let ok = |fork: usize| {
            let mut response = Response::for_request(&invite, 200, "OK");
            response.to.set_tag(Text::cleaned(format!("fork{fork}")));
            response
        };
        for fork in 0..=FORKS_MAX {
            let verdict = hear(&mut clients, &ok(fork));
            assert!(matches!(verdict, Verdict::Pass { is_invite: true, .. }), "{verdict:?}");
            let to = SendTo::Datagram { socket: None, remote: ([192, 0, 2, 3], 5060).into() };
            let ack = Acknowledgement { bytes: fork.to_string().into_bytes().into(), to };
            clients.remember_ack(KEY, &ok(fork), &ack);
        }
        let verdict = hear(&mut clients, &ok(3));
        assert!(matches!(&verdict, Verdict::Again { ack, .. } if **ack == *b"3"), "{verdict:?}");
        let verdict = hear(&mut clients, &ok(FORKS_MAX));
        assert!(matches!(verdict, Verdict::Pass { .. }), "its ACK is not kept: {verdict:?}");
    }
}
