//! Sans-IO product call: TwiML, verbs, webhooks as forms, status model, signature.
//!
//! One [`Call`] is one `CallSid`: one leg, maybe with a parent. It never touches a socket, a clock
//! or a dialog: it takes what happened as [`CallInput`] and returns what to do as [`CallEffect`].
//!
//! How Control drives it:
//!
//! 1. **Inbound**: after admission and 180, `Call::new(setup)`, then [`CallInput::Started`]. The
//!    call requests its document ([`CallEffect::Http`]) and later returns [`CallEffect::Answer`] or
//!    [`CallEffect::Reject`].
//! 2. **Outbound** (REST or a `<Dial>` child): `Call::new(setup)`, then [`CallInput::Started`]. The
//!    call returns [`CallEffect::Invite`]; it gets [`CallInput::SipProgress`], then
//!    [`CallInput::SipAnswered`], [`CallInput::SipRejected`] or [`CallInput::LegFailed`].
//! 3. **Children**: [`CallEffect::Dial`] carries whole [`CallSetup`]s. Control makes each `Call`,
//!    starts it, and carries [`CallEffect::ToParent`] to [`CallInput::Child`] of the parent and
//!    [`CallEffect::ToChild`] to [`CallInput::Parent`] of the child. Only the parent
//!    asks for bridging ([`CallEffect::Bridge`], [`CallEffect::EarlyMedia`], [`CallEffect::Unbridge`]).
//! 4. **End**: [`CallEffect::Ended`] is the call's final record. Its SIP leg is over by then; where we
//!    ended it, [`CallEffect::Hangup`] or [`CallEffect::Reject`] came first. Drop the value after
//!    [`CallEffect::Finished`], when the call waits for no callback or recording any more.
#![forbid(unsafe_code)]

mod call;
pub mod conference;
pub mod content;
pub mod date;
mod effect;
mod finding;
pub mod form;
mod ids;
mod input;
mod owed;
pub mod queue;
pub mod recognition;
pub mod relay;
mod setup;
pub mod signature;
pub mod sip_noun;
pub mod siprec;
pub mod speech;
pub mod status;
pub mod stream;
pub mod tone;
pub mod twiml;
pub mod webhook;

pub use call::Call;
pub use effect::*;
pub use finding::{Finding, Position, Severity};
pub use form::Form;
pub use ids::{HttpId, PromptId, RecognitionId};
pub use input::*;
pub use owed::owed_callback;
pub use recognition::{RecognitionEnd, RecognitionEvent, RecognitionFault, RecognitionPlan};
pub use setup::*;
pub use sip_noun::sip_target;
pub use speech::Speech;
pub use status::{CallDirection, CallStatus, ProgressEvent};
pub use store::HttpMethod;
pub use webhook::{HttpKind, HttpRequest, WebUrl, WireRequest};
