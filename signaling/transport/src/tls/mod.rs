//! Certificates and trust, without connections; README.md lists the files. Shell.

mod api_names;
mod authority;
mod client;
mod control;
mod fault;
mod hello;
mod identity;
#[cfg(feature = "legacy-tls")]
pub(crate) mod legacy;
mod maker;
mod minter;
mod server;

pub use api_names::ApiNames;
pub use authority::{Authority, AuthorityError, CertifiedName, LEAF_DAYS};
pub use client::ClientTls;
pub use control::{HttpsSettings, TlsControl, TlsError, TlsNews, TlsParts, certified_addresses};
pub use fault::TlsFault;
pub use hello::server_name;
pub use identity::{Identity, IdentityError};
pub use maker::ServerMaker;
pub use minter::{Minted, Minter};
pub use server::{Choice, NAMES_MAX, ServerTls};
