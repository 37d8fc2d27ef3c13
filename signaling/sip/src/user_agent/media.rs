//! Offer and answer of one session, with the last description of each side. Sans-IO.

use sha2::{Digest, Sha256};
use shared::{Direction, NegotiatedMedia};

use crate::offer_answer::{LocalMedia, MediaSession};
use crate::sdp::SdpRefusal;

/// The descriptions of one session.
#[derive(Clone)]
pub(super) struct SessionMedia {
    session: MediaSession,
    /// Our side, as the layer above last set it.
    local: Option<LocalMedia>,
    /// Our side as it was last agreed on: it stays when an offer is refused (RFC 3261 §14.1).
    agreed: Option<LocalMedia>,
    /// SHA-256 of the peer's last accepted description, to recognise a refresh. The description
    /// itself may have 32 KiB, which no call should hold for its whole life.
    remote: Option<[u8; 32]>,
}

impl std::fmt::Debug for SessionMedia {
    /// Never the description: it holds keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionMedia").field("session", &self.session).finish_non_exhaustive()
    }
}

impl SessionMedia {
    pub fn new(session_id: u32) -> Self {
        Self { session: MediaSession::new(session_id), local: None, agreed: None, remote: None }
    }

    pub fn offer(&mut self, local: &LocalMedia) -> Vec<u8> {
        self.local = Some(local.clone());
        self.session.offer(local)
    }

    /// What was agreed on, offered again without any change.
    pub fn repeat(&mut self) -> Option<Vec<u8>> {
        self.session.repeat()
    }

    /// Our side again, for a peer that asks for an offer.
    pub fn offer_again(&mut self) -> Option<Vec<u8>> {
        self.local.clone().map(|local| self.session.offer(&local))
    }

    /// Our side, as the layer above last set it.
    pub fn local(&self) -> Option<&LocalMedia> {
        self.local.as_ref()
    }

    pub fn withdraw_offer(&mut self) {
        if self.session.has_offered() {
            self.session.withdraw_offer();
            self.local = self.agreed.clone().or(self.local.take());
        }
    }

    /// The second stream of a recording session, as last negotiated.
    pub fn second_stream(&self) -> Option<NegotiatedMedia> {
        self.session.negotiated_second().copied()
    }

    pub fn has_offered(&self) -> bool {
        self.session.has_offered()
    }

    pub fn accept_answer(&mut self, answer: &[u8]) -> Result<NegotiatedMedia, SdpRefusal> {
        let media = self.session.accept_answer(answer)?;
        self.agreed = self.local.clone();
        self.remote = Some(sha256(answer));
        Ok(media)
    }

    pub fn answer(
        &mut self,
        offer: &[u8],
        local: &LocalMedia,
    ) -> Result<(Vec<u8>, NegotiatedMedia), SdpRefusal> {
        let answer = self.session.answer(offer, local)?;
        self.local = Some(local.clone());
        self.agreed = self.local.clone();
        self.remote = Some(sha256(offer));
        Ok(answer)
    }

    /// The answer to an offer that changes nothing: the same bytes as before.
    pub fn refresh(&mut self, offer: &[u8]) -> Option<Vec<u8>> {
        let local = self.local.clone().filter(|_| self.remote == Some(sha256(offer)))?;
        self.session.answer(offer, &local).ok().map(|(answer, _)| answer)
    }

    /// The direction that an offer leaves us, with nothing changed yet.
    pub fn offered_direction(&self, offer: &[u8]) -> Result<Direction, SdpRefusal> {
        let Some(mut local) = self.local.clone() else { return Ok(Direction::SendRecv) };
        local.direction = Direction::SendRecv;
        self.session.clone().answer(offer, &local).map(|(_, media)| media.direction)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
