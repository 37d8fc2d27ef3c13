//! A gateway that takes calls, until its end. Shell.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use http_server::ApiCall;
use shell::Sender;
use tokio::runtime::Runtime;
use transport::TransportHandle;
use transport::tls::TlsControl;

use super::addresses::Addresses;
use crate::account::MainAccount;
use crate::data_dir::DataDir;
use crate::inbox::Message;

/// Last stage: a gateway that runs. Dropping it does not stop it: see [`Gateway::wait`].
pub struct Gateway {
    /// The addresses that it listens on.
    pub addresses: Addresses,
    /// The main account.
    pub account: MainAccount,
    /// The resources as they were at start, for the demo, which adds its own.
    pub snapshot: store::Snapshot,
    /// Reads the store, lists included.
    pub reader: Box<dyn store::Reader + Send>,
    /// REST requests straight to Control, without HTTP.
    pub api: Sender<ApiCall>,
    /// Signals to the signaling thread.
    pub messages: Sender<Message>,
    /// Reloads certificates and TLS settings at SIGHUP.
    pub tls: Arc<TlsControl>,
    /// The threads of HTTP, webhooks, DNS and prompts.
    pub runtime: Runtime,
    pub(super) signaling: JoinHandle<std::io::Result<()>>,
    pub(super) transport: TransportHandle,
    /// Locks the data folder until the end.
    #[expect(dead_code, reason = "held, never read")]
    pub(super) data: DataDir,
}

impl Gateway {
    /// Blocks until the gateway has drained or a second signal ends it.
    ///
    /// # Errors
    /// When the signaling thread failed: a sentence for the log.
    pub fn wait(self) -> Result<(), String> {
        let ended = self.signaling.join();
        self.transport.stop();
        self.runtime.shutdown_timeout(HTTP_SHUTDOWN);
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                Err(format!("the signaling thread cannot wait for its sockets: {error}"))
            }
            Err(_) => {
                Err("the signaling thread panicked; its calls are lost. Please report it."
                    .to_owned())
            }
        }
    }
}

const HTTP_SHUTDOWN: Duration = Duration::from_millis(500);
