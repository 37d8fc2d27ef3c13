//! Broken messages: the rule that they break, and a stateless answer. Sans-IO.

use std::borrow::Cow;
use std::net::SocketAddr;

use shared::Refusal;
use shared::refusal::generic_phrase;

use super::CSeq;
use crate::name_addr::NameAddr;
use crate::text::Text;
use crate::via::Via;

/// The reason why bytes are not a valid message. Always the sender's error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct ParseError {
    /// Name of the rule that fired, in snake case; also the label of the metric.
    pub rule: &'static str,
    /// The status of the answer, which is sent only with [`ParseError::answerable`].
    pub status: u16,
    /// A sentence for log and timeline.
    pub sentence: Cow<'static, str>,
    /// The data for an answer; `None` for responses, ACK, and requests without a readable Via,
    /// which are dropped.
    pub answerable: Option<Box<Answerable>>,
}

/// The parts of a broken request that a stateless answer copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answerable {
    /// The top Via, as far as it could be read.
    pub via: Via,
    /// All other Via values that could be read, as far as they could.
    pub more_vias: Vec<Via>,
    /// `From`, unfolded and not parsed.
    pub from: Option<Text>,
    /// `To`, unfolded and not parsed.
    pub to: Option<Text>,
    /// `Call-ID`.
    pub call_id: Option<Text>,
    /// `CSeq`, unfolded and not parsed.
    pub cseq: Option<Text>,
}

/// A stateless response to a broken request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatelessAnswer {
    /// The whole response.
    pub bytes: Vec<u8>,
    /// Destination of a datagram. Over TCP and TLS it goes back on the same connection.
    pub to: SocketAddr,
}

impl ParseError {
    pub(crate) fn new(
        rule: &'static str,
        status: u16,
        sentence: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { rule, status, sentence: sentence.into(), answerable: None }
    }

    /// The response to this broken request; `None` when that is to be dropped.
    ///
    /// `source` is the socket's peer. `tag` becomes the To tag where there is none; derive it from
    /// the request, so that a copy gets the same answer.
    pub fn answer(&self, source: SocketAddr, tag: &Text) -> Option<StatelessAnswer> {
        let parts = self.answerable.as_deref()?;
        let mut via = parts.via.clone();
        via.note_source(source);
        let mut out = Vec::with_capacity(512);
        let phrase = generic_phrase(self.status);
        out.extend_from_slice(format!("SIP/2.0 {} {phrase}\r\n", self.status).as_bytes());
        for via in std::iter::once(&via).chain(&parts.more_vias) {
            out.extend_from_slice(b"Via: ");
            via.write_to(&mut out);
            out.extend_from_slice(b"\r\n");
        }
        write_header(&mut out, b"From", parts.from.as_ref());
        write_header(&mut out, b"To", parts.to_with_tag(tag).as_ref());
        write_header(&mut out, b"Call-ID", parts.call_id.as_ref());
        write_header(&mut out, b"CSeq", parts.cseq.as_ref());
        out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        Some(StatelessAnswer { bytes: out, to: via.response_address().unwrap_or(source) })
    }

    /// The error as a refusal, for log, metric and alert.
    pub fn refusal(&self) -> Refusal {
        match &self.answerable {
            Some(_) => Refusal::new(self.rule, self.status, self.sentence.clone()),
            None => Refusal::silent(self.rule, self.sentence.clone()),
        }
    }
}

impl Answerable {
    /// The CSeq, when it can be read.
    pub fn cseq(&self) -> Option<CSeq> {
        CSeq::parse(self.cseq.as_ref()?.as_bytes())
    }

    /// Adds the tag to a readable To without one; an unreadable To goes back unchanged.
    fn to_with_tag(&self, tag: &Text) -> Option<Text> {
        let to = self.to.as_ref()?;
        match NameAddr::parse(to) {
            Ok(address) if address.tag().is_none() => {
                let mut out = Vec::new();
                address.with_tag(tag.clone()).write_to(&mut out);
                Some(Text::from_wire(&out))
            }
            Ok(_) | Err(_) => Some(to.clone()),
        }
    }
}

fn write_header(out: &mut Vec<u8>, name: &[u8], value: Option<&Text>) {
    if let Some(value) = value {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}
