//! Messages from other threads to the signaling thread. Shell.
//!
//! It stands below the signaling loop, which takes these values, and below the threads that send
//! them, so that none of them imports another. Three queues, because each has its own budget in a
//! turn and its own answer when it is full:
//!
//! | queue | holds | when full |
//! |---|---|---|
//! | [`Message`] | answers to what Control asked for, signals | has room for every answer that can be outstanding |
//! | [`Up`](transport::Up) | bytes and events of connections | the transport thread stops reading: TCP slows the peers down |
//! | [`ApiCall`] | REST requests | the HTTP server answers 503 |

use std::sync::mpsc::Receiver;

use control::Input;
use http_server::ApiCall;
use sip::SessionId;
use webhook::dns::{SipEndpoint, SipTargetError};

use transport::Up;

/// Into the signaling thread from all other threads; connections and REST have their own queues.
#[derive(Debug)]
pub enum Message {
    /// An input of Control, unchanged: answers of the store, of webhooks, prompts and recordings.
    Input(Input<'static>),
    /// A SIP target was resolved. The signaling thread adds the local address towards each endpoint.
    Resolved {
        /// The session whose request waits for the target.
        session: SessionId,
        /// Endpoints in the order to try them (RFC 3263 §4).
        result: Result<Vec<SipEndpoint>, SipTargetError>,
    },
    /// SIGHUP: settings that may change while calls are up.
    Settings(Box<control::ControlSettings>),
    /// First SIGTERM: no new calls.
    Drain,
    /// Second SIGTERM: end every call now.
    End,
}

/// The receiving ends of the queues into the signaling thread.
pub struct Inbox {
    /// Answers and signals.
    pub messages: Receiver<Message>,
    /// Events of TCP and TLS connections.
    pub connections: Receiver<Up>,
    /// REST requests that only Control can answer.
    pub api: Receiver<ApiCall>,
}

/// Answers on their way: one for each webhook, prompt, name and commit that can be outstanding.
pub const MESSAGES_MAX: usize = 65_536;
/// Events that the transport thread may be ahead by; past it, it stops reading.
pub const CONNECTION_EVENTS_MAX: usize = 4_096;
/// REST requests on their way. Past it: 503.
pub const API_CALLS_MAX: usize = 1_024;
