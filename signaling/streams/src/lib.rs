//! Media streams: a WebSocket to an application for each stream of a call. Shell: one thread.
//!
//! ```text
//!   connected TCP ──> Handshake (TLS, then HTTP) ──101──> Open ──close──> Closing ──> gone
//! ```
//!
//! The webhook client resolves the name, checks the address and connects; the thread takes the connected socket and
//! does the rest: TLS, the handshake, the messages. The protocol itself is
//! [`call::stream::StreamSession`], or [`call::relay::RelaySession`] with text in place of audio. Audio of the party comes on the rings of the cores' taps, audio of the
//! application goes down on the cores' rings of feeds.
//!
//! Every stream that is opened is answered by exactly one [`call::StreamEvent::Ended`].

#![forbid(unsafe_code)]

mod connection;
mod fault;
mod meters;
mod order;
mod port;
mod session;
mod socket;
mod thread;

pub use meters::{StreamCounts, StreamMeters};
pub use order::{Attachment, OpenStream, Speaker, StreamReport};
pub use thread::{StreamOpener, StreamSettings, Streams, StreamsParts};
