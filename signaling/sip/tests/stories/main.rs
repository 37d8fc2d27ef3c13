//! Stories of two user agents that talk over a virtual network.

mod world;

mod authentication;
mod basic;
mod endings;
mod extensions;
mod floods;
mod hostile;
mod media_changes;
mod outside_dialogs;
mod requests;
mod torture;
mod transfers;
