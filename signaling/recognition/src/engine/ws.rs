//! An engine by WebSocket: one connection an utterance, audio as it is spoken, results in JSON.
//!
//! ```text
//!   dial ──> upgrade ──> audio (binary) and results (JSON) side by side ──end──> `finish` ──> last result, or close
//! ```
//!
//! The connection opens when speech begins, so the text is there soon after its end. The audio waits in the task's queue until the
//! upgrade is done. What the messages mean is in `dialect.rs`. The address is checked as those of webhooks are.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use rustls::pki_types::ServerName;
use shared::config::{EngineDialect, RecognitionEngine};
use shared::limits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;
use webhook::WebhookClient;

use super::dialect::{Dialect, Heard};
use super::utterance::{Piece, Text, Utterance, in_time};

/// Such a service.
pub(crate) struct WsService {
    client: WebhookClient,
    url: Url,
    key: Option<HeaderValue>,
    dialect: EngineDialect,
    model: String,
    places: Semaphore,
}

/// A socket, with TLS or without.
trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

type Connection = WebSocketStream<Box<dyn Socket>>;

impl WsService {
    pub fn new(
        settings: &RecognitionEngine,
        client: WebhookClient,
        key: Option<String>,
        places: Semaphore,
    ) -> Result<Self, String> {
        let url = Url::parse(&settings.url).map_err(|error| format!("its url: {error}"))?;
        let key = key.map(|key| HeaderValue::try_from(format!("Token {key}")));
        let key = key.transpose();
        let key = key.map_err(|_| "its key has characters that no header takes".to_owned())?;
        let (dialect, model) = (settings.dialect, settings.model.clone());
        Ok(Self { client, url, key, dialect, model, places })
    }

    /// Streams the utterance; the text of all results.
    pub async fn recognise(&self, utterance: &mut Utterance) -> Result<Text, String> {
        let _place = self.places.acquire().await.map_err(|error| error.to_string())?;
        let mut dialect = Dialect::new(self.dialect);
        let url = dialect.url(&self.url, &self.model, utterance);
        let opened = timeout(OPEN_WITHIN, self.open(&url)).await;
        let mut connection =
            opened.map_err(|_| format!("no connection within {} s", OPEN_WITHIN.as_secs()))??;
        if let Some(text) = dialect.start() {
            send(&mut connection, Message::text(text)).await?;
        }
        // While the utterance lasts its own length bounds the time; then the result's does.
        if self.stream(&mut connection, &mut dialect, utterance).await? {
            send(&mut connection, Message::text(dialect.end())).await?;
            in_time(finish(&mut connection, &mut dialect)).await?;
        }
        Ok(dialect.into_text())
    }

    async fn open(&self, url: &Url) -> Result<Connection, String> {
        let host = url.host_str().ok_or("its url has no host")?;
        let port = url.port_or_known_default().ok_or("its url has no port")?;
        let socket = self.client.dial(host, port, OPEN_WITHIN).await;
        let socket = socket.map_err(|failure| failure.sentence)?;
        let socket = TcpStream::from_std(socket).map_err(|error| error.to_string())?;
        let socket: Box<dyn Socket> = match url.scheme() {
            "wss" => {
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
                let tls = TlsConnector::from(self.client.tls());
                Box::new(tls.connect(name, socket).await.map_err(|error| error.to_string())?)
            }
            _ => Box::new(socket),
        };
        let config = WebSocketConfig::default()
            .max_message_size(Some(limits::RECOGNITION_LINE_BYTES_MAX))
            .max_frame_size(Some(limits::RECOGNITION_LINE_BYTES_MAX));
        let opened = client_async_with_config(self.request(url)?, socket, Some(config)).await;
        let (connection, _) = opened.map_err(|error| refusal(&error))?;
        Ok(connection)
    }

    fn request(&self, url: &Url) -> Result<Request, String> {
        let mut request = url.as_str().into_client_request().map_err(|error| error.to_string())?;
        if let Some(key) = &self.key {
            request.headers_mut().insert(AUTHORIZATION, key.clone());
        }
        Ok(request)
    }

    /// Sends audio and reads results until the utterance ends. False: the service has said its last.
    async fn stream(
        &self,
        connection: &mut Connection,
        dialect: &mut Dialect,
        utterance: &mut Utterance,
    ) -> Result<bool, String> {
        loop {
            tokio::select! {
                piece = utterance.pieces.recv() => match piece {
                    Some(Piece::Audio(samples, room)) => {
                        let bytes: Vec<u8> =
                            samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                        send(connection, Message::binary(bytes)).await?;
                        drop(room);
                    }
                    Some(Piece::End) | None => return Ok(true),
                },
                message = connection.next() => match heard(dialect, message)? {
                    Heard::Nothing => {}
                    Heard::Partial(text, stability) => {
                        if utterance.wants_partials {
                            utterance.partial(&text, stability);
                        }
                    }
                    Heard::End => return Ok(false),
                },
            }
        }
    }
}

/// Reads on until the service has said its last.
async fn finish(connection: &mut Connection, dialect: &mut Dialect) -> Result<(), String> {
    dialect.finishing();
    while heard(dialect, connection.next().await)? != Heard::End {}
    // The service may be gone already.
    let _ = timeout(CLOSE_WITHIN, connection.close(None)).await;
    Ok(())
}

fn heard(dialect: &mut Dialect, message: Option<Result<Message, Error>>) -> Result<Heard, String> {
    match message {
        Some(Ok(Message::Text(text))) => dialect.read(text.as_str()),
        Some(Ok(Message::Close(_))) | None => dialect.closed(),
        Some(Ok(_)) => Ok(Heard::Nothing),
        Some(Err(error)) => Err(format!("its connection: {error}")),
    }
}

async fn send(connection: &mut Connection, message: Message) -> Result<(), String> {
    // A service that takes nothing holds the task's audio, which has a bound of its own.
    connection.send(message).await.map_err(|error| format!("its connection: {error}"))
}

fn refusal(error: &Error) -> String {
    match error {
        Error::Http(answer) => format!("the handshake got status {}", answer.status().as_u16()),
        other => format!("the handshake: {other}"),
    }
}

const OPEN_WITHIN: Duration = Duration::from_secs(10);
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
