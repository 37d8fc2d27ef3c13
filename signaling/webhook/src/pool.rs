//! Idle connections, kept for a short time: reused under load, closed when it is quiet.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::connector::{Connection, Origin};

/// How long a connection may be idle. Common servers close after 2 s (gunicorn) or 5 s (Node.js,
/// Apache); staying below all of them keeps requests from meeting a connection that is just closing.
pub(crate) const IDLE_MAX: Duration = Duration::from_millis(1_500);
/// Idle connections of one origin. Past it the new one is closed.
const IDLE_ORIGIN_MAX: usize = 64;
/// Idle connections of all origins. Past it the new one is closed.
pub const IDLE_TOTAL_MAX: usize = 1_024;
/// Time that a connection may take to become idle after its answer was read.
const SETTLE_MAX: Duration = Duration::from_millis(200);

/// The idle connections of all origins. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Pool(Arc<Mutex<Idle>>);

#[derive(Default)]
struct Idle {
    origins: HashMap<Origin, Vec<IdleConnection>>,
    total: usize,
    is_swept: bool,
}

struct IdleConnection {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// Takes the most recently used connection that is still open.
    pub(crate) fn take(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.0.lock();
        loop {
            let taken = idle.origins.get_mut(origin)?.pop()?;
            idle.total -= 1;
            if taken.since.elapsed() < IDLE_MAX && taken.connection.is_ready() {
                return Some(taken.connection);
            }
        }
    }

    /// Keeps a connection whose answer was read completely, once it reports that it is idle.
    pub(crate) fn give_back(&self, origin: Origin, mut connection: Connection) {
        let pool = self.clone();
        tokio::spawn(async move {
            if let Ok(Ok(())) = timeout(SETTLE_MAX, connection.ready()).await {
                pool.keep(origin, connection);
            }
        });
    }

    /// The number of idle connections.
    #[cfg(test)]
    pub(crate) fn idle(&self) -> usize {
        self.0.lock().total
    }

    fn keep(&self, origin: Origin, connection: Connection) {
        let mut idle = self.0.lock();
        if idle.total >= IDLE_TOTAL_MAX {
            return;
        }
        let kept = idle.origins.entry(origin).or_default();
        if kept.len() >= IDLE_ORIGIN_MAX {
            return;
        }
        kept.push(IdleConnection { connection, since: Instant::now() });
        idle.total += 1;
        if !idle.is_swept {
            idle.is_swept = true;
            tokio::spawn(self.clone().sweep());
        }
    }

    /// Closes connections that were idle too long. Ends when none are left.
    async fn sweep(self) {
        loop {
            sleep(IDLE_MAX).await;
            let mut idle = self.0.lock();
            idle.origins.retain(|_, kept| {
                kept.retain(|one| one.since.elapsed() < IDLE_MAX && !one.connection.is_closed());
                !kept.is_empty()
            });
            idle.total = idle.origins.values().map(Vec::len).sum();
            if idle.total == 0 {
                idle.is_swept = false;
                return;
            }
        }
    }
}
