//! The two pipes to the gateway. Shell.

use std::io::{self, Read, Write};
use std::sync::Arc;

use functions::message::{self, Down, LENGTHS_BYTES, Up};
use parking_lot::Mutex;

/// Writes messages to the gateway, from every thread.
#[derive(Clone)]
pub(crate) struct Outbox {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl Outbox {
    pub(crate) fn new(out: impl Write + Send + 'static) -> Self {
        Self { out: Arc::new(Mutex::new(Box::new(out))) }
    }

    /// Sends a message. Blocks while the gateway does not read. Without a gateway there is nobody to work for.
    pub(crate) fn send(&self, message: &Up, body: &[u8]) {
        self.send_bytes(&message::frame(message, body));
    }

    /// Sends bytes that are no frame, once, at the start.
    pub(crate) fn send_bytes(&self, bytes: &[u8]) {
        let mut out = self.out.lock();
        if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    }
}

/// Reads a message; `None` at the end of the pipe: the gateway is gone or ends this worker.
///
/// # Errors
/// A frame that does not parse. The gateway is trusted, but its version might differ after an update.
pub(crate) fn read(input: &mut impl Read) -> io::Result<Option<(Down, Vec<u8>)>> {
    let mut lengths = [0; LENGTHS_BYTES];
    match input.read_exact(&mut lengths) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (head, body) = message::lengths(lengths, DOWN_BODY_BYTES_MAX).map_err(io::Error::other)?;
    let mut bytes = vec![0; head + body];
    input.read_exact(&mut bytes)?;
    let down = message::message(&bytes[..head]).map_err(io::Error::other)?;
    Ok(Some((down, bytes.split_off(head))))
}

/// The largest asset.
const DOWN_BODY_BYTES_MAX: usize = shared::limits::FUNCTION_UPLOAD_BYTES_MAX;
