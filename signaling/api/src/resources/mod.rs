//! The resources, one file each: its verbs, its parameters, its JSON. `routes.rs` leads to them.

pub(crate) mod accounts;
pub(crate) mod alerts;
pub(crate) mod billing;
pub(crate) mod call_commands;
pub(crate) mod calls;
pub(crate) mod credential_lists;
pub(crate) mod credentials;
pub(crate) mod domains;
pub(crate) mod events;
pub(crate) mod ip_access_control_lists;
pub(crate) mod ip_addresses;
pub(crate) mod keys;
pub(crate) mod mappings;
pub(crate) mod notifications;
pub(crate) mod recordings;
pub(crate) mod registrations;
pub(crate) mod timeline;
