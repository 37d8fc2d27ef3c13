//! Connections that are no requests: a guarded TCP connection for a media stream.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use shared::Code;
use tokio::time::{Instant, timeout};

use crate::client::WebhookClient;
use crate::connector::Origin;
use crate::fault::Fault;

/// The reason why a server of a stream is not connected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence} ({code})")]
pub struct DialFailure {
    /// 31901, 31902, 31903 or 31904 (streams.md 6).
    pub code: Code,
    /// The cause, for the customer.
    pub sentence: String,
}

impl WebhookClient {
    /// Connects to a host as webhooks do: the addresses of the name, each checked right before the connect. The name's
    /// look-up and the connect take `at_most` together. The socket does not block.
    ///
    /// # Errors
    /// No address may be connected to, or none answers.
    pub async fn dial(
        &self,
        host: &str,
        port: u16,
        at_most: Duration,
    ) -> Result<TcpStream, DialFailure> {
        let origin =
            Origin { https: false, host: host.to_ascii_lowercase(), port, sni: true, edge: None };
        let deadline = Instant::now() + at_most;
        let connector = self.connector();
        let addresses = match timeout(at_most, connector.permitted(&origin)).await {
            Ok(addresses) => addresses.map_err(|fault| failure(&fault))?,
            Err(_) => return Err(failure(&Fault::ConnectTimeout(at_most))),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let stream = connector.open(&addresses, left).await.map_err(|fault| failure(&fault))?;
        let _ = stream.set_nodelay(true);
        stream.into_std().map_err(|error| failure(&Fault::Connect(error)))
    }

    /// TLS towards the servers of applications: the authorities that this client trusts.
    pub fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(self.connector().tls_config())
    }
}

fn failure(fault: &Fault) -> DialFailure {
    let code = match fault {
        Fault::ConnectTimeout(_) => Code::STREAM_TIMEOUT,
        Fault::ConnectRefused => Code::STREAM_REFUSED,
        Fault::Connect(error) if error.kind() == io::ErrorKind::ConnectionReset => {
            Code::STREAM_BROKEN
        }
        _ => Code::STREAM_UNREACHABLE,
    };
    DialFailure { code, sentence: fault.to_string() }
}
