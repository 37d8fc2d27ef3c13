//! The protocol of media streams: what a WebSocket to an application says and hears (streams.md). Sans-IO.
//!
//! [`StreamSession`] is the machine of one open socket. It takes the frames of a tap, keys and the
//! application's messages, and acts through a [`StreamPort`]: messages to the application, audio to the
//! party. `message` writes and reads the JSON, `playout` holds the application's audio until the core has room.

mod message;
mod opening;
mod playout;
mod port;
mod session;
mod url;

pub use opening::StreamOpening;
pub(crate) use playout::{Full, Playout};
pub use port::StreamPort;
pub use session::StreamSession;
pub use url::StreamUrl;
