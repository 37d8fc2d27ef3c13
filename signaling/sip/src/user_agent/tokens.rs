//! The names that peers send back to us (tags, branches, Call-IDs), and every random choice. Sans-IO.
//!
//! A [`Token`] is our origin (node and process generation) with 64 bits behind it. The bits are random
//! for state that we keep, so that an attacker cannot guess the name of a dialog, or a keyed hash of the
//! request where we keep nothing, so that each copy of it gets one tag. By the origin alone a message is
//! found to be ours before it is parsed.
//!
//! One generator serves all of the user agent: one seed and one sequence of inputs give one sequence of
//! messages.

use shared::{Extensions, Origin, Random};

use super::reliable::Reliable;
use crate::message::{CallId, Request};
use crate::text::Text;
use crate::token::{TOKEN_CHARACTERS, Token};
use crate::via::MAGIC_COOKIE;

/// Makes tokens and recognizes its own.
#[derive(Debug)]
pub(super) struct Tokens {
    origin: Origin,
    /// Host of our Call-IDs.
    host: String,
    random: Random,
}

impl Tokens {
    /// Tokens of this origin, from this generator.
    pub fn new(origin: Origin, host: &str, random: Random) -> Self {
        Self { origin, host: host.to_owned(), random }
    }

    /// An unguessable token, never with the value 0.
    pub fn fresh(&mut self) -> Token {
        let value = self.random.number().max(1);
        Token::new(self.origin, value)
    }

    /// The To tag of an answer that leaves no state behind; `hash` is a keyed hash of the request.
    pub fn stateless_tag(&self, hash: u64) -> Text {
        tag_text(Token::new(self.origin, hash))
    }

    /// A new Call-ID; `None` when our host name cannot stand in one.
    pub fn call_id(&mut self) -> Option<CallId> {
        let token = self.fresh();
        CallId::parse(format!("{token}@{}", self.host))
    }

    /// The `sess-id` of a new session description: 31 bits.
    pub fn media_id(&mut self) -> u32 {
        u32::try_from(self.random.number() >> 33).unwrap_or(1)
    }

    /// The client nonce of a digest.
    pub fn cnonce(&mut self) -> String {
        format!("{:016x}", self.random.number())
    }

    /// The state of reliable responses to an INVITE, with their random start.
    pub fn reliable(&mut self, extensions: Extensions, request: &Request) -> Option<Reliable> {
        Reliable::of(&mut self.random, extensions, request)
    }

    /// A number in `0..bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.random.below(bound)
    }

    /// Node and process generation of every token.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The value of a branch of this process, without the magic cookie; `None` for any other text.
    pub fn own_value(&self, text: &[u8]) -> Option<u64> {
        let token = Token::parse(text)?;
        (token.origin == self.origin).then_some(token.value)
    }

    /// Our branch in the beginning of one of our messages: Via is the first header that we write.
    pub fn own_branch(&self, message: &[u8]) -> Option<u64> {
        let (_, tail) = message.split_at_checked(memchr::memmem::find(message, MAGIC_COOKIE)?)?;
        self.own_value(tail.get(MAGIC_COOKIE.len()..)?.get(..TOKEN_CHARACTERS)?)
    }

    /// Whether one of our tags is anywhere in the message. The parser checks where.
    pub fn stand_in(&self, message: &[u8]) -> bool {
        let tag = format!("tag={}", Token::prefix(self.origin));
        memchr::memmem::find(message, tag.as_bytes()).is_some()
    }
}

/// A token as a tag.
pub(super) fn tag_text(token: Token) -> Text {
    Text::cleaned(token.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(node: u16) -> Tokens {
        Tokens::new(Origin { node, generation: 1 }, "gw.test", Random::new([1; 32]))
    }

    #[test]
    fn our_branch_and_our_tag_are_found_in_bytes_and_those_of_another_node_are_not() {
        let (mut ours, others) = (tokens(1), tokens(2));
        let token = ours.fresh();
        let message = format!("INVITE sip:b SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK{token}\r\n");
        assert_eq!(ours.own_branch(message.as_bytes()), Some(token.value));
        assert_eq!(others.own_branch(message.as_bytes()), None);
        assert_eq!(ours.own_branch(b"v: SIP/2.0/UDP a;branch=z9hG4bK0001"), None);
        let message = format!("f: <sip:a>;tag={token}\r\n");
        assert!(ours.stand_in(message.as_bytes()) && !others.stand_in(message.as_bytes()));
    }

    #[test]
    fn a_call_id_names_our_host_and_a_host_that_cannot_stand_there_makes_none() {
        let id = tokens(1).call_id().expect("a host name");
        assert!(id.as_str().ends_with("@gw.test"), "{id:?}");
        let mut odd = Tokens::new(Origin { node: 1, generation: 1 }, "a b", Random::new([1; 32]));
        assert!(odd.call_id().is_none());
    }
}
