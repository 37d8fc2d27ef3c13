//! The resources that no description in `store` says all about, one file each: its verbs, its parameters, its JSON.
//! `routes.rs` leads to them.

pub(crate) mod alerts;
pub(crate) mod billing;
pub(crate) mod call_commands;
pub(crate) mod calls;
pub(crate) mod conferences;
pub(crate) mod events;
pub(crate) mod live_transcriptions;
pub(crate) mod mappings;
pub(crate) mod members;
pub(crate) mod notifications;
pub(crate) mod participants;
pub(crate) mod recordings;
pub(crate) mod registrations;
pub(crate) mod sides;
pub(crate) mod siprec;
pub(crate) mod streams;
pub(crate) mod studio;
pub(crate) mod timeline;
pub(crate) mod transcriptions;
pub(crate) mod validation;
