//! Connections to the store for reading, on threads that may block: the REST API and hosted handlers share them. Shell.

use std::sync::Arc;

use parking_lot::Mutex;
use store::StoreError;
use tokio::sync::Semaphore;

/// A connection to the store for reading.
pub type BoxedReader = Box<dyn store::Reader + Send>;

/// Opens a connection to the store, or says why it cannot, in a sentence for the log. Called on threads
/// that may block; [`READERS_MAX`] connections are open at most.
pub type OpenReader = Box<dyn Fn() -> Result<BoxedReader, StoreError> + Send + Sync>;

/// The connections. Cheap to clone.
#[derive(Clone)]
pub struct Readers {
    pool: Arc<Pool>,
}

struct Pool {
    open: OpenReader,
    /// Connections that are not in use. Each reader has its own and gives it back.
    idle: Mutex<Vec<BoxedReader>>,
    /// Reads at once: more would only fight for the same disk.
    turns: Semaphore,
}

/// The store gave no answer, for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unread(String);

impl Readers {
    /// No connection yet: each is opened when it is first wanted.
    pub fn new(open: OpenReader) -> Self {
        let turns = Semaphore::new(READERS_MAX);
        Self { pool: Arc::new(Pool { open, idle: Mutex::default(), turns }) }
    }

    /// Reads on a thread that may block, when it is this read's turn.
    ///
    /// # Errors
    /// The store cannot be opened, or the work panicked.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn store::Reader) -> T + Send + 'static,
    ) -> Result<T, Unread> {
        let failed = |error: &dyn std::fmt::Display| Unread(error.to_string());
        let _turn = self.pool.turns.acquire().await.map_err(|error| failed(&error))?;
        let pool = Arc::clone(&self.pool);
        let task = tokio::task::spawn_blocking(move || pool.read(work));
        task.await.map_err(|error| failed(&error))?
    }
}

impl Pool {
    fn read<T>(&self, work: impl FnOnce(&dyn store::Reader) -> T) -> Result<T, Unread> {
        let reader = self.idle.lock().pop();
        let reader = match reader {
            Some(reader) => reader,
            None => (self.open)().map_err(|error| Unread(error.to_string()))?,
        };
        // Should it panic, this connection is dropped with it and the task's error is answered.
        let done = work(&*reader);
        self.idle.lock().push(reader);
        Ok(done)
    }
}

/// Connections to the store for reading.
pub const READERS_MAX: usize = 8;
