//! Digest credentials of our own requests: answers to 401 and 407 (RFC 3261 §22.2). Sans-IO.

use super::core::Core;
use crate::digest::ChallengeKind;
use crate::digest::client::{Authorization, Challenge, Credentials};
use crate::message::{Request, Response};
use crate::text::Text;

/// Our login at the peer of a confirmed dialog. The peer may challenge any of our requests, even if it accepted the INVITE without one.
#[derive(Debug, Default)]
pub(super) struct Login {
    credentials: Option<Credentials>,
    /// The challenge that was answered last; used again until the peer asks anew (§22.3).
    authorization: Option<Authorization>,
}

impl Login {
    pub const fn new(
        credentials: Option<Credentials>,
        authorization: Option<Authorization>,
    ) -> Self {
        Self { credentials, authorization }
    }

    /// For [`Core::authorize`].
    pub const fn authorization(&mut self) -> Option<&mut Authorization> {
        self.authorization.as_mut()
    }

    /// Takes the challenge in a response; `false`: it has none that can be answered. The caller counts the attempts.
    pub fn take_challenge(&mut self, response: &Response) -> bool {
        let credentials = self.credentials.as_ref();
        let answer = credentials.and_then(|credentials| answerable(response, credentials, None));
        let is_answerable = answer.is_some();
        self.authorization = answer.or(self.authorization.take());
        is_answerable
    }
}

impl Core {
    /// Adds the credentials header of a session, with the next nonce count.
    pub(super) fn authorize(
        &mut self,
        request: &mut Request,
        authorization: Option<&mut Authorization>,
    ) {
        let Some(authorization) = authorization else { return };
        let cnonce = self.tokens.cnonce();
        let (method, uri) = (request.method.as_str().to_owned(), request.uri.to_string());
        let header = authorization.header(method.as_bytes(), uri.as_bytes(), &cnonce);
        let _ = request.headers.set(&header.name, header.value); // a realm with control bytes was not parsed
    }
}

/// The answer to the challenge in a response. `None` without a usable challenge, or when the same
/// realm was answered before and does not call the nonce stale: the password is wrong.
pub(super) fn answerable(
    response: &Response,
    credentials: &Credentials,
    before: Option<&Authorization>,
) -> Option<Authorization> {
    let kind = ChallengeKind::from_status(response.status)?;
    let values = response.headers.all(kind.challenge_header()).map(Text::as_bytes);
    let challenge = Challenge::choose(values, credentials)?;
    let was_answered = before.is_some_and(|before| {
        before.kind() == kind && before.challenge().realm() == challenge.realm()
    });
    let may_answer = !was_answered || challenge.stale;
    may_answer.then(|| Authorization::new(kind, challenge, credentials.clone()))
}

/// The ACK of a 2xx has the credentials of its INVITE (§13.2.2.4).
pub(super) fn copy_credentials(invite: &Request, ack: &mut Request) {
    for name in [ChallengeKind::Www.answer_header(), ChallengeKind::Proxy.answer_header()] {
        if let Some(value) = invite.headers.get(name) {
            let _ = ack.headers.set(name, value.as_bytes()); // it stood in our INVITE
        }
    }
}

/// One 401, one 407 and one stale nonce.
pub(super) const CHALLENGES_MAX: u8 = 3;
