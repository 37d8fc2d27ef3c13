//! The request of the handshake, and the bounds of the WebSocket that follows. Pure.

use call::stream::StreamUrl;
use tungstenite::handshake::client::generate_key;
use tungstenite::http::{Error as HttpError, Request, Uri, header};
use tungstenite::protocol::WebSocketConfig;

/// The request of the handshake (RFC 6455 §4.1).
pub(super) fn request(
    url: &StreamUrl,
    signature: &str,
    user_agent: &str,
) -> Result<Request<()>, HttpError> {
    let scheme = if url.is_secure() { "wss" } else { "ws" };
    let uri: Uri = format!("{scheme}://{}{}", url.authority(), url.path()).parse()?;
    Request::builder()
        .uri(uri)
        .header(header::HOST, url.authority())
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, generate_key())
        .header(header::USER_AGENT, user_agent)
        .header("X-Twilio-Signature", signature)
        .body(())
}

/// The bounds of a WebSocket.
pub(super) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES)
        .max_write_buffer_size(WRITE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

const READ_BYTES: usize = 1_024;
/// Messages of one frame leave in one write.
const WRITE_BYTES: usize = 4_096;
/// Three seconds of one track beside what the kernel holds. Past it messages are lost, 31930.
const WRITE_BYTES_MAX: usize = 65_536;
/// The longest message of a server.
pub(super) const MESSAGE_BYTES_MAX: usize = 1 << 20;
