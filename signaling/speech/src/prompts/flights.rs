//! One load for all requests with one key at one time. Shell, on tokio.

use std::collections::HashMap;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

/// Loads in progress, by key. Each is a task of its own: it runs while a request waits for it, and is
/// cancelled when the last waiter is gone.
pub(super) struct Flights<K, T>(Arc<Mutex<Open<K, T>>>);

type Open<K, T> = HashMap<K, Arc<watch::Sender<Option<T>>>>;

impl<K, T> Flights<K, T>
where
    K: Hash + Eq + Clone + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// The result of the load in progress for this key; without one, starts `load`. `None`: the load
    /// panicked.
    pub(super) async fn join<F>(&self, key: K, load: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut landed = {
            let mut open = self.0.lock();
            match open.get(&key) {
                Some(flight) => flight.subscribe(),
                None => {
                    let (flight, landed) = watch::channel(None);
                    let flight = Arc::new(flight);
                    open.insert(key.clone(), Arc::clone(&flight));
                    let flight = Flight { key, open: Arc::clone(&self.0), flight };
                    tokio::spawn(flight.fly(load()));
                    landed
                }
            }
        };
        landed.wait_for(Option::is_some).await.ok()?.clone()
    }
}

struct Flight<K: Hash + Eq, T> {
    key: K,
    open: Arc<Mutex<Open<K, T>>>,
    flight: Arc<watch::Sender<Option<T>>>,
}

impl<K: Hash + Eq, T> Flight<K, T> {
    async fn fly(self, load: impl Future<Output = T>) {
        let mut load = pin!(load);
        loop {
            tokio::select! {
                loaded = &mut load => {
                    let flight = Arc::clone(&self.flight);
                    // A later request finds the value in the cache, or starts a new load.
                    drop(self);
                    flight.send_replace(Some(loaded));
                    return;
                }
                () = self.flight.closed() => {
                    let mut open = self.open.lock();
                    // A waiter may have come since the count was read.
                    if self.flight.receiver_count() == 0 {
                        open.remove(&self.key);
                        return;
                    }
                }
            }
        }
    }
}

/// Removes the load from the table, also after a panic. Waiters then find the sender gone.
impl<K: Hash + Eq, T> Drop for Flight<K, T> {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if open.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            open.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;

    use super::*;

    #[tokio::test]
    async fn requests_during_a_load_share_it_and_a_later_one_starts_another() {
        let flights = Flights::new();
        let gate = Arc::new(Semaphore::new(0));
        let loads = Arc::new(AtomicUsize::new(0));
        for round in 1..=2 {
            let waiting: Vec<_> = (0..5).map(|_| one(&flights, &gate, &loads)).collect();
            tokio::task::yield_now().await;
            gate.add_permits(1);
            for one in waiting {
                assert_eq!(one.await.unwrap(), Some(round));
            }
        }
        assert!(flights.0.lock().is_empty());
    }

    #[tokio::test]
    async fn a_load_without_waiters_is_cancelled() {
        let flights = Flights::new();
        let gate = Arc::new(Semaphore::new(0));
        let loads = Arc::new(AtomicUsize::new(0));
        let [first, second] = [0, 1].map(|_| one(&flights, &gate, &loads));
        tokio::task::yield_now().await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(flights.0.lock().len(), 1);
        second.abort();
        while !flights.0.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
        tokio::task::yield_now().await;
        assert_eq!(loads.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_load_that_panics_releases_its_waiters() {
        let flights: Flights<u8, u8> = Flights::new();
        let broken = async { panic!("as the test wants it") };
        assert_eq!(flights.join(1, || broken).await, None);
        assert_eq!(flights.join(1, || async { 2 }).await, Some(2));
    }

    /// Requests the file. The load ends when the gate opens, and returns the number of loads that have
    /// ended.
    fn one(
        flights: &Flights<&'static str, usize>,
        gate: &Arc<Semaphore>,
        loads: &Arc<AtomicUsize>,
    ) -> JoinHandle<Option<usize>> {
        let flights = Flights(Arc::clone(&flights.0));
        let (gate, loads) = (Arc::clone(gate), Arc::clone(loads));
        let load = async move {
            gate.acquire().await.unwrap().forget();
            loads.fetch_add(1, Ordering::Relaxed) + 1
        };
        tokio::spawn(async move { flights.join("file", || load).await })
    }
}
