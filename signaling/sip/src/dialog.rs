//! Dialogs (RFC 3261 §12): both ends, their sequence numbers, and the path between them. Sans-IO.
//! Besides the remote target a dialog knows where the last message of its peer came from. Requests
//! go there where the Contact cannot be reached: behind a NAT, or where it is a name.

use std::net::{IpAddr, SocketAddr};

use shared::Transport;

use crate::flow::{Destination, Flow};
use crate::message::{CallId, Method, Request, Response};
use crate::name_addr::NameAddr;
use crate::refer_to::Replaces;
use crate::text::Text;
use crate::uri::{SipUri, Uri};
use crate::via::{Rport, Via};

/// One dialog, seen from our side.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    call_id: CallId,
    /// Our address, with our tag.
    local: NameAddr,
    /// The peer's, with its tag.
    remote: NameAddr,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    /// The peer's Contact.
    target: Uri,
    /// Route set, first hop first.
    route_set: Vec<NameAddr>,
    /// Where the peer's last message came from.
    peer: Destination,
    /// The peer is behind a NAT: requests go to the source of its messages instead of its Contact.
    is_behind_nat: bool,
}

/// The CSeq of a request compared with those before (RFC 3261 §12.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Higher than all before; noted.
    InOrder,
    /// Not higher: answered 500.
    OutOfOrder,
}

impl Dialog {
    /// The dialog of the peer's INVITE, with this local tag (§12.1.1).
    pub fn from_invite(invite: &Request, tag: Text, flow: Flow) -> Self {
        Self {
            call_id: invite.call_id.clone(),
            local: invite.to.clone().with_tag(tag),
            remote: invite.from.clone(),
            local_cseq: 0,
            remote_cseq: Some(invite.cseq.number),
            target: contact_or(&invite.contact, &invite.from.uri),
            route_set: invite.record_route.clone(),
            peer: Destination::along(flow),
            is_behind_nat: is_behind_nat(&invite.via, flow.remote),
        }
    }

    /// The dialog that a response to our INVITE makes (§12.1.2).
    pub fn from_response(invite: &Request, response: &Response, peer: Destination) -> Self {
        let mut route_set = response.record_route.clone();
        route_set.reverse();
        Self {
            call_id: invite.call_id.clone(),
            local: invite.from.clone(),
            remote: response.to.clone(),
            local_cseq: invite.cseq.number,
            remote_cseq: None,
            target: contact_or(&response.contact, &invite.uri),
            route_set,
            peer,
            is_behind_nat: false,
        }
    }

    /// Requests without a route set go back along the peer's flow, whatever its Contact says: it is
    /// a registered phone, perhaps behind a NAT.
    pub fn stay_on_flow(&mut self) {
        self.is_behind_nat = true;
    }

    /// Raises the CSeq past all that its early dialog may have used: gaps are allowed (§12.2.2),
    /// but a number that is not higher than a PRACK's is refused.
    pub fn skip_early_numbers(&mut self) {
        self.local_cseq = self.local_cseq.saturating_add(EARLY_REQUESTS_MAX);
    }

    /// Continues CSeq and route set of its early dialog, in which requests were sent.
    pub fn continues(&mut self, early: &Self) {
        self.local_cseq = early.local_cseq;
        self.remote_cseq = early.remote_cseq;
    }

    /// Whether this is the remote tag.
    pub fn has_remote_tag(&self, tag: Option<&Text>) -> bool {
        self.remote.tag() == tag
    }

    /// Whether a `Replaces` names this dialog. Our tag is the `to-tag` where the peer wrote the
    /// header for us, and the `from-tag` where it copied its own view (RFC 3891 §3).
    pub fn is_replaced_by(&self, replaces: &Replaces) -> bool {
        let (local, remote) = (self.local.tag(), self.remote.tag());
        let is_turned = local == Some(&replaces.from_tag) && remote == Some(&replaces.to_tag);
        self.is_taken_over_by(replaces) || (self.call_id == replaces.call_id && is_turned)
    }

    /// Whether the `Replaces` of an INVITE to us names this dialog: `to-tag` is ours (RFC 3891 §3).
    pub fn is_taken_over_by(&self, replaces: &Replaces) -> bool {
        let (local, remote) = (self.local.tag(), self.remote.tag());
        self.call_id == replaces.call_id
            && local == Some(&replaces.to_tag)
            && remote == Some(&replaces.from_tag)
    }

    /// Our address with our tag, for `Referred-By`.
    pub fn local_uri(&self) -> &Uri {
        &self.local.uri
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &CallId {
        &self.call_id
    }

    /// Whether a request belongs to this dialog: Call-ID and both tags (§12.2.2).
    pub fn owns(&self, request: &Request) -> bool {
        self.call_id == request.call_id
            && self.local.tag() == request.to.tag()
            && self.remote.tag() == request.from.tag()
    }

    /// Checks the CSeq of a request from the peer, and notes a higher one. Not for ACK and CANCEL.
    pub fn take(&mut self, cseq: u32) -> Order {
        if self.remote_cseq.is_some_and(|last| cseq <= last) {
            return Order::OutOfOrder;
        }
        self.remote_cseq = Some(cseq);
        Order::InOrder
    }

    /// Takes the Contact of a target refresh (§12.2): a re-INVITE or its 2xx.
    pub fn refresh_target(&mut self, contact: &crate::name_addr::Contacts) {
        if let Some(contact) = contact.first() {
            self.target = contact.uri.clone().into_request_uri();
        }
    }

    /// Notes the flow of a message of the peer: its NAT may have a new address for it, or it opened
    /// a new connection.
    pub fn heard_on(&mut self, flow: Flow, via: &[Via]) {
        self.peer = Destination { host: self.peer.host.take(), ..Destination::along(flow) };
        self.is_behind_nat = is_behind_nat(via, flow.remote);
    }

    /// Where the peer's last message came from, or where our first went.
    pub fn peer(&self) -> &Destination {
        &self.peer
    }

    /// Our next request, without Via (§12.2.1.1).
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.with_number(method, self.local_cseq)
    }

    /// The ACK for a 2xx to our INVITE with this CSeq (§13.2.2.4).
    pub fn ack(&self, cseq: u32) -> Request {
        self.with_number(Method::Ack, cseq)
    }

    /// Where our requests go: to the first route or the peer's Contact where that is an address we
    /// can reach, else to the source of its last message.
    pub fn next_hop(&self) -> Destination {
        let hop = self.route_set.first().map_or(&self.target, |route| &route.uri);
        let Uri::Sip(hop) = hop else { return self.peer.clone() };
        let Some(address) = hop.host.ip() else { return self.peer.clone() };
        let seen = self.peer.remote.ip();
        let nat = self.route_set.is_empty() && self.is_behind_nat;
        if nat || (is_private(address) && !is_private(seen)) {
            return self.peer.clone();
        }
        self.resolved(hop, address)
    }

    fn resolved(&self, hop: &SipUri, address: IpAddr) -> Destination {
        let named = named_transport(hop);
        let is_same_peer = address.to_canonical() == self.peer.remote.ip().to_canonical();
        let stays_on_connection = self.peer.transport.is_reliable()
            && is_same_peer
            && named.is_none_or(|named| named == self.peer.transport);
        if stays_on_connection {
            return self.peer.clone();
        }
        let transport = named.unwrap_or(Transport::Udp);
        let keeps_socket = transport == Transport::Udp && self.peer.transport == Transport::Udp;
        Destination {
            transport,
            remote: SocketAddr::new(address, hop.port.unwrap_or(transport.default_port())),
            local: self.peer.local,
            flow: self.peer.flow.filter(|_| keeps_socket),
            host: None,
        }
    }

    /// Sets Request-URI and Route, for a loose or a strict first proxy (§12.2.1.1).
    fn with_number(&self, method: Method, number: u32) -> Request {
        let (uri, route) = self.path();
        let (local, remote) = (self.local.clone(), self.remote.clone());
        let mut request = Request::new(method, uri, local, remote, self.call_id.clone(), number);
        request.route = route;
        request
    }

    fn path(&self) -> (Uri, Vec<NameAddr>) {
        let Some((first, rest)) = self.route_set.split_first() else {
            return (self.target.clone(), Vec::new());
        };
        if first.uri.as_sip().is_some_and(SipUri::is_loose) {
            return (self.target.clone(), self.route_set.clone());
        }
        // A strict router expects itself in the Request-URI and the target as the last Route.
        let mut route = rest.to_vec();
        route.push(NameAddr::new(self.target.clone()));
        (first.uri.clone().into_request_uri(), route)
    }
}

/// The transport that a URI names.
pub(crate) fn named_transport(uri: &SipUri) -> Option<Transport> {
    match uri.transport().as_deref() {
        Some("udp") => Some(Transport::Udp),
        Some("tls") => Some(Transport::Tls),
        Some("tcp") if uri.secure => Some(Transport::Tls),
        Some("tcp") => Some(Transport::Tcp),
        Some(_) | None if uri.secure => Some(Transport::Tls),
        Some(_) | None => None,
    }
}

fn contact_or(contact: &crate::name_addr::Contacts, otherwise: &Uri) -> Uri {
    let uri = contact.first().map_or(otherwise, |contact| &contact.uri);
    uri.clone().into_request_uri()
}

/// Whether the message came straight from the peer, and from another address than its Via claims.
fn is_behind_nat(via: &[Via], source: SocketAddr) -> bool {
    let [via] = via else { return false };
    let Some(believed) = via.host.ip() else { return false };
    let port_differs = via.port_or_default() != source.port();
    let wants_source_port = matches!(via.rport, Some(Rport::Seen(_) | Rport::Requested));
    believed.to_canonical() != source.ip().to_canonical() || (wants_source_port && port_differs)
}

/// Whether an address means nothing outside of its own network.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// More than the requests that we send in an early dialog: PRACK and UPDATE, one at a time.
const EARLY_REQUESTS_MAX: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::FlowId;
    use crate::message::Message;

    #[test]
    fn loose_routes_stand_in_route_and_the_target_in_the_request_uri() {
        let mut dialog = dialog("<sip:p1.test;lr>, <sip:p2.test;lr>");
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.to_string(), "sip:alice@192.0.2.7:5080");
        assert_eq!(bye.route.len(), 2);
        assert_eq!(bye.cseq.number, 1);
    }

    #[test]
    fn a_strict_router_gets_the_request_uri_and_the_target_goes_last() {
        let mut dialog = dialog("<sip:p1.test>, <sip:p2.test;lr>");
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.to_string(), "sip:p1.test");
        let last = bye.route.last().map(|route| route.uri.to_string());
        assert_eq!((bye.route.len(), last.as_deref()), (2, Some("sip:alice@192.0.2.7:5080")));
    }

    #[test]
    fn headers_of_a_contact_do_not_come_into_our_request_uri() {
        let mut dialog = dialog("");
        let contact = NameAddr::parse("<sip:a@192.0.2.8;method=BYE;x=1?Subject=hi>").unwrap();
        dialog.refresh_target(&crate::name_addr::Contacts::one(contact));
        assert_eq!(dialog.request(Method::Bye).uri.to_string(), "sip:a@192.0.2.8;x=1");
    }

    #[test]
    fn numbers_of_the_peer_must_rise() {
        let mut dialog = dialog("");
        assert_eq!(dialog.take(7), Order::OutOfOrder);
        assert_eq!(dialog.take(9), Order::InOrder);
        assert_eq!(dialog.take(8), Order::OutOfOrder);
    }

    #[test]
    fn requests_go_to_the_contact_unless_a_nat_stands_before_it() {
        let at = |source: &str| {
            let mut dialog = dialog("");
            dialog.heard_on(flow(source), &[via("192.0.2.7:5080")]);
            dialog.next_hop().remote.to_string()
        };
        assert_eq!(at("192.0.2.7:5080"), "192.0.2.7:5080");
        assert_eq!(at("192.0.2.7:40000"), "192.0.2.7:40000", "its NAT changed the port");
        assert_eq!(at("198.51.100.9:40000"), "198.51.100.9:40000");
        let mut proxied = dialog("");
        proxied.heard_on(flow("198.51.100.9:5060"), &[via("198.51.100.9"), via("192.0.2.7:5080")]);
        assert_eq!(proxied.next_hop().remote.to_string(), "192.0.2.7:5080");
    }

    fn dialog(record_route: &str) -> Dialog {
        let record_route = match record_route {
            "" => String::new(),
            some => format!("Record-Route: {some}\r\n"),
        };
        let text = format!(
            "INVITE sip:b@b.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5080;rport;branch=z9hG4bK1\r\n\
             From: <sip:a@a.test>;tag=1\r\nTo: <sip:b@b.test>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\n\
             Contact: <sip:alice@192.0.2.7:5080?Subject=hi>\r\n{record_route}\r\n"
        );
        let Ok(Message::Request(invite)) = Message::parse(text.as_bytes()) else { panic!() };
        Dialog::from_invite(&invite, Text::cleaned("ours"), flow("192.0.2.7:5080"))
    }

    fn via(sent_by: &str) -> Via {
        Via::parse(format!("SIP/2.0/UDP {sent_by};rport;branch=z9hG4bK1")).unwrap()
    }

    fn flow(remote: &str) -> Flow {
        Flow {
            id: FlowId(1),
            transport: Transport::Udp,
            local: "203.0.113.1:5060".parse().unwrap(),
            remote: remote.parse().unwrap(),
        }
    }
}
