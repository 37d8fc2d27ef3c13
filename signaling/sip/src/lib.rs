//! Sans-IO SIP: messages, framing, transactions, dialogs, offer/answer, digest.
#![forbid(unsafe_code)]

mod compact;
mod dialog;
pub mod digest;
pub mod dtmf_relay;
pub mod flow;
pub mod framing;
pub mod header;
mod ids;
pub mod message;
pub mod multipart;
pub mod name_addr;
mod objection;
pub mod offer_answer;
mod overload;
pub mod parameters;
pub mod refer_to;
pub mod registrar;
mod scan;
pub mod sdp;
pub mod sipfrag;
pub mod source_limits;
pub mod text;
mod token;
pub mod transaction;
pub mod uri;
pub mod user_agent;
pub mod via;

pub use flow::{CloseReason, Destination, Flow, FlowId, SendFailure, SendTo, SendToken};
pub use framing::{Frame, Framer};
pub use header::Headers;
pub use ids::{RequestId, SessionId};
pub use message::{CSeq, CallId, Message, Method, ParseError, Request, Response, StatelessAnswer};
pub use name_addr::{Contacts, DisplayName, NameAddr};
pub use objection::Objection;
pub use overload::Overload;
pub use parameters::Parameters;
pub use refer_to::{ReferTo, Replaces};
pub use text::{Escaped, Text};
pub use transaction::Timers;
pub use uri::{Host, HostName, SipUri, TelUri, Uri};
pub use user_agent::{
    Command, Effect, EndCause, Incoming, Input, Invite, OutgoingRequest, OwnContact, Responded,
    Sequence, Trace, TraceDirection, TraceOwner, UaConfig, UaEvent, UaMeters, UserAgent,
};
pub use via::{Rport, Via, ViaTransport};
