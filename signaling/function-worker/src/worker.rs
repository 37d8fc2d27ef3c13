//! The main function of a worker: closes the sandbox, then hands messages to the queue. Shell.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use functions::message::{Down, READY, Up};
use parking_lot::Mutex;

use crate::common::{Shared, ToSlot};
use crate::library::Library;
use crate::pipe::{self, Outbox};
use crate::pool;
use crate::queue::Queue;
use crate::sandbox;

/// Reads messages from standard input and answers on standard output until the input ends. Call it before any
/// thread or runtime starts.
pub fn worker_main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("function worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    let library = Library::embedded();
    let mut input = io::stdin().lock();
    // Standard output itself would buffer by lines.
    let outbox = Outbox::new(io::stdout());
    let lacks = sandbox::confine()?;
    outbox.send_bytes(READY);
    outbox.send(&Up::Confined { lacks }, &[]);
    let Some((Down::Start(deployed), _)) = pipe::read(&mut input)? else {
        return Err(io::Error::other("the first message does not say what is deployed"));
    };
    let shared = Arc::new(Shared { library, deployed, outbox, contents: Mutex::default() });
    let queue = Arc::new(Queue::default());
    pool::start(&shared, &queue);
    while let Some((message, body)) = pipe::read(&mut input)? {
        match message {
            Down::Invoke(invoke) => queue.add(invoke),
            Down::Content { id, found } => queue.hand(id, ToSlot::Content(found.then_some(body))),
            Down::Fetched { id, fetch, result } => {
                queue.hand(id, ToSlot::Fetched { fetch, result, body });
            }
            Down::Start(_) => return Err(io::Error::other("it is deployed already")),
        }
    }
    Ok(())
}
