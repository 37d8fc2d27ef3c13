//! Keys that find the transaction of a message (RFC 3261 §17.1.3, §17.2.3). Sans-IO.

use sha2::{Digest, Sha256};

use crate::header::HeaderKind;
use crate::message::{Method, RawMessage, Request, StartLine};
use crate::scan::split_list;
use crate::uri::Host;
use crate::via::Via;

/// A server transaction: 128 bits of a keyed hash over what RFC 3261 §17.2.3 compares. The key is
/// secret, so an attacker cannot search for two requests that collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ServerKey([u64; 2]);

/// A request without the path it took, to find merged ones (RFC 3261 §8.2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MergeKey([u64; 2]);

/// A client transaction: the number in our branch, and whether it is the CANCEL of that branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClientKey {
    /// The number in the branch. Never 0, so that it can be a `SendToken`.
    pub branch: u64,
    /// A CANCEL has the branch of its INVITE (RFC 3261 §9.1).
    pub is_cancel: bool,
}

/// Computes server keys. Each purpose begins with one whole block of SHA-256, the secret and the
/// purpose, whose state is computed once: a key of an ordinary request then costs two blocks, not
/// three.
#[derive(Clone)]
pub(crate) struct ServerKeys {
    transaction: Sha256,
    merge: Sha256,
    tag: Sha256,
}

impl ServerKeys {
    pub fn new(secret: [u8; 32]) -> Self {
        Self {
            transaction: first_block(secret, b"transaction"),
            merge: first_block(secret, b"merge"),
            tag: first_block(secret, b"tag"),
        }
    }

    /// The transaction of this request; of an ACK that of its INVITE.
    pub fn of(&self, request: &Request) -> Option<ServerKey> {
        match request.method {
            Method::Ack => self.with_method(request, &Method::Invite),
            _ => self.with_method(request, &request.method),
        }
    }

    /// The key from a message of which only the lines are known, so that a copy costs little.
    /// `None` where the rules of RFC 2543 apply, which need the typed form.
    pub fn of_raw(&self, raw: &RawMessage<'_>) -> Option<ServerKey> {
        let StartLine::Request { method, .. } = raw.start else { return None };
        let first = raw.all(HeaderKind::Via).next()?;
        let via = Via::parse(split_list(&first).next()?).ok()?;
        let method = if method == b"ACK" { b"INVITE" } else { method };
        via.has_rfc3261_branch().then(|| ServerKey(cut(self.by_branch(method, &via))))
    }

    /// The INVITE that a CANCEL names (RFC 3261 §9.2).
    pub fn canceled_by(&self, cancel: &Request) -> Option<ServerKey> {
        self.with_method(cancel, &Method::Invite)
    }

    /// One request, whichever path it came by.
    pub fn merge(&self, request: &Request) -> MergeKey {
        let mut hash = self.merge.clone();
        part(&mut hash, request.call_id.as_str().as_bytes());
        part(&mut hash, tag(&request.from));
        part(&mut hash, &request.cseq.number.to_be_bytes());
        part(&mut hash, request.cseq.method.as_str().as_bytes());
        MergeKey(cut(hash))
    }

    /// 64 bits for the To tag of a stateless response: the same for every copy of the request.
    pub fn stateless_tag(&self, request: &Request) -> u64 {
        let mut hash = self.tag.clone();
        part(&mut hash, request.call_id.as_str().as_bytes());
        part(&mut hash, tag(&request.from));
        part(
            &mut hash,
            request
                .top_via()
                .and_then(|via| via.branch.as_ref())
                .map_or(b"", |branch| branch.as_bytes()),
        );
        cut(hash)[0]
    }

    /// 64 bits for the To tag of an answer to bytes that are not a message.
    pub fn stateless_tag_of_bytes(&self, bytes: &[u8]) -> u64 {
        let mut hash = self.tag.clone();
        part(&mut hash, bytes);
        cut(hash)[0]
    }

    fn with_method(&self, request: &Request, method: &Method) -> Option<ServerKey> {
        let via = request.top_via()?;
        let mut hash = self.by_branch(method.as_str().as_bytes(), via);
        if !via.has_rfc3261_branch() {
            // RFC 2543: the rest of the request distinguishes transactions.
            part(&mut hash, request.uri.to_string().as_bytes());
            part(&mut hash, request.call_id.as_str().as_bytes());
            part(&mut hash, tag(&request.from));
            part(&mut hash, request.cseq.number.to_string().as_bytes());
        }
        Some(ServerKey(cut(hash)))
    }

    fn by_branch(&self, method: &[u8], via: &Via) -> Sha256 {
        let mut hash = self.transaction.clone();
        part(&mut hash, method);
        sent_by(&mut hash, via);
        hash
    }
}

impl std::fmt::Debug for ServerKeys {
    /// Hides the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerKeys").finish_non_exhaustive()
    }
}

/// The state after the secret and the purpose, which is filled up with zeros to a whole block.
fn first_block<const PURPOSE: usize>(secret: [u8; 32], purpose: &[u8; PURPOSE]) -> Sha256 {
    const { assert!(PURPOSE <= 32) };
    let mut filled = [0; 32];
    for (place, &byte) in filled.iter_mut().zip(purpose) {
        *place = byte;
    }
    let mut hash = Sha256::new();
    hash.update(secret);
    hash.update(filled);
    hash
}

fn sent_by(hash: &mut Sha256, via: &Via) {
    part(hash, via.branch.as_ref().map_or(b"", |branch| branch.as_bytes()));
    match &via.host {
        Host::Name(name) => part(hash, name.as_str().as_bytes()),
        // A name holds no NUL, so that no address reads as a name.
        Host::V4(address) => {
            part(hash, &[0]);
            part(hash, &address.octets());
        }
        Host::V6(address) => {
            part(hash, &[0]);
            part(hash, &address.octets());
        }
    }
    part(hash, &via.port_or_default().to_be_bytes());
}

fn tag(address: &crate::name_addr::NameAddr) -> &[u8] {
    address.tag().map_or(b"", |tag| tag.as_bytes())
}

/// Hashes each part with its length, so that no two lists of parts read the same.
fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

/// The first 128 bits. Two numbers and not one, so that what holds them is not aligned to 16 bytes.
fn cut(hash: Sha256) -> [u64; 2] {
    let whole: [u8; 32] = hash.finalize().into();
    let mut numbers = whole
        .chunks_exact(8)
        .map(|eight| eight.iter().fold(0, |sum, &byte| (sum << 8) | u64::from(byte)));
    [numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()]
}

#[cfg(test)]
impl ServerKey {
    /// A key that no request has.
    pub fn test(number: u64) -> Self {
        Self([number, 0])
    }
}

#[cfg(test)]
impl MergeKey {
    /// A key that no request has.
    pub fn test(number: u64) -> Self {
        Self([number, 0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    #[test]
    fn branch_sent_by_and_method_tell_transactions_apart() {
        let keys = ServerKeys::new([1; 32]);
        let invite = key(&keys, "INVITE", "a.test;branch=z9hG4bK1", "c1");
        assert_eq!(invite, key(&keys, "INVITE", "A.test:5060;branch=z9hG4bK1", "c1"));
        assert_eq!(invite, key(&keys, "ACK", "a.test;branch=z9hG4bK1", "c1"));
        assert_ne!(invite, key(&keys, "INVITE", "a.test:5070;branch=z9hG4bK1", "c1"));
        assert_ne!(invite, key(&keys, "INVITE", "a.test;branch=z9hG4bK2", "c1"));
        assert_ne!(invite, key(&keys, "CANCEL", "a.test;branch=z9hG4bK1", "c1"));
        let cancel = request("CANCEL", "a.test;branch=z9hG4bK1", "c1");
        assert_eq!(Some(invite), keys.canceled_by(&cancel));
        assert_ne!(
            invite,
            key(&ServerKeys::new([2; 32]), "INVITE", "a.test;branch=z9hG4bK1", "c1")
        );
    }

    #[test]
    fn without_a_branch_of_rfc_3261_the_rest_of_the_request_counts() {
        let keys = ServerKeys::new([1; 32]);
        let one = key(&keys, "INVITE", "a.test", "c1");
        assert_eq!(one, key(&keys, "ACK", "a.test", "c1"));
        assert_ne!(one, key(&keys, "INVITE", "a.test", "c2"));
    }

    fn key(keys: &ServerKeys, method: &str, sent_by: &str, call_id: &str) -> ServerKey {
        keys.of(&request(method, sent_by, call_id)).unwrap()
    }

    fn request(method: &str, sent_by: &str, call_id: &str) -> Request {
        let text = format!(
            "{method} sip:b@b.test SIP/2.0\r\nVia: SIP/2.0/UDP {sent_by}\r\nFrom: <sip:a@a.test>;tag=1\r\n\
             To: <sip:b@b.test>\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n\r\n"
        );
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }
}
