//! Reasons the gateway does not start. Shell.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::account;
use crate::data_dir::DataDir;
use crate::memory;

/// Reasons the gateway did not start. Each variant is a sentence with its remedy.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] crate::data_dir::DataDirError),
    /// The database cannot be opened.
    #[error("{0} (data folder {1})")]
    Database(store::StoreError, PathBuf),
    /// The folder had a store, which is missing or damaged.
    #[error("{problem} (data folder {}). {STORE_REMEDY}", .folder.display())]
    Store {
        /// A sentence: what is missing or damaged.
        problem: String,
        /// The data folder.
        folder: PathBuf,
    },
    /// The first account cannot be made.
    #[error(transparent)]
    Account(#[from] account::AccountError),
    /// All limits together take more memory than the machine has.
    #[error(transparent)]
    Memory(#[from] memory::DoesNotFit),
    /// A listener cannot be opened.
    #[error("cannot listen on {address} ({transport}, setting {key}): {source}. {}", listen_remedy(.source, .address))]
    Listen {
        /// The address of the setting.
        address: SocketAddr,
        /// The protocol, for people: "SIP over UDP", "HTTP".
        transport: &'static str,
        /// The name of the setting.
        key: &'static str,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The media cores cannot start.
    #[error(transparent)]
    Media(#[from] ::io::StartError),
    /// The folder of recordings cannot be written to.
    #[error("recordings cannot be kept in {1}: {0}. Check the folder's permissions.")]
    Recorder(std::io::Error, PathBuf),
    /// The folder of functions cannot be read.
    #[error("functions cannot be kept in {1}: {0}. Check the folder's permissions.")]
    Functions(std::io::Error, PathBuf),
    /// `functions.engine = "node"` without a Node that works.
    #[error(
        "functions cannot run in Node: {0}. Install Node or name its program in functions.node, or set functions.engine = \"quickjs\"."
    )]
    Node(String),
    /// The bucket of recordings cannot be used.
    #[error(transparent)]
    Bucket(#[from] storage::BucketError),
    /// The key that recordings are encrypted with cannot be used.
    #[error(transparent)]
    SealingKey(#[from] recorder::SealingKeyError),
    /// TLS cannot be set up from the settings.
    #[error(transparent)]
    Tls(#[from] transport::tls::TlsError),
    /// Anything else the system refuses at start.
    #[error("cannot start {what}: {source}")]
    System {
        /// The thing, in words that follow "cannot start".
        what: &'static str,
        /// The error of the system.
        source: std::io::Error,
    },
    /// TLS of webhooks cannot be set up.
    #[error("cannot set up TLS for webhooks: {0}")]
    Webhooks(#[from] webhook::WebhookSetupError),
}

const STORE_REMEDY: &str = "Restore the folder from a backup; or begin anew with `sidetone serve --new-store`, \
    which keeps the key and the recordings and puts what is left of the store aside";

fn listen_remedy(source: &std::io::Error, address: &SocketAddr) -> String {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "Another program holds port {}: find it with `ss -lnp | grep :{}` and stop it, or set another port.",
            address.port(),
            address.port()
        ),
        std::io::ErrorKind::AddrNotAvailable => {
            "This machine has no such address: use one of `ip address`, or 0.0.0.0 for all."
                .to_owned()
        }
        std::io::ErrorKind::PermissionDenied => {
            "Ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or set a higher port.".to_owned()
        }
        _ => "Check the setting.".to_owned(),
    }
}

pub(super) fn system<T>(what: &'static str, result: std::io::Result<T>) -> Result<T, ServeError> {
    result.map_err(|source| ServeError::System { what, source })
}

pub(super) fn database_error(error: store::StoreError, data: &DataDir) -> ServeError {
    ServeError::Database(error, data.path().to_owned())
}
