//! A worker as a process of its own: what functions get and give, and what they cannot do.

mod bounds;
mod modules;
mod party;
mod platform;
mod templates;
