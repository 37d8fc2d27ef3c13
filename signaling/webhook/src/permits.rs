//! A limit on requests at once for each key; further requests wait in order. Shell, on tokio.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A semaphore for each key with a request. A key without one takes no memory.
pub(crate) struct Permits<K> {
    at_once_max: usize,
    queues: Arc<Mutex<HashMap<K, Arc<Semaphore>>>>,
}

/// A permit. Dropping it admits the next waiting request of the key.
pub(crate) struct Permit<K: Hash + Eq> {
    key: K,
    queues: Arc<Mutex<HashMap<K, Arc<Semaphore>>>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Hash + Eq + Clone> Permits<K> {
    pub(crate) fn new(at_once_max: usize) -> Self {
        Self { at_once_max, queues: Arc::default() }
    }

    /// Waits for a turn, first come, first served. The caller's deadline bounds the wait.
    pub(crate) async fn enter(&self, key: K) -> Permit<K> {
        let semaphore = {
            let mut queues = self.queues.lock();
            let queue = queues.entry(key.clone());
            queue.or_insert_with(|| Arc::new(Semaphore::new(self.at_once_max))).clone()
        };
        // Made before the wait: a request that is cancelled while it waits is cleaned up, too.
        let mut place = Permit { key, queues: self.queues.clone(), permit: None };
        place.permit = semaphore.acquire_owned().await.ok();
        place
    }

    #[cfg(test)]
    pub(crate) fn keys(&self) -> usize {
        self.queues.lock().len()
    }
}

impl<K: Hash + Eq> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut queues = self.queues.lock();
        self.permit = None;
        // New users clone the handle under this lock, so a count of one means that the map has the last.
        if queues.get(&self.key).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            queues.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_third_waits_until_one_of_two_ends_and_no_key_stays_behind() {
        let permits = Arc::new(Permits::new(2));
        let first = permits.enter("host").await;
        let second = permits.enter("host").await;
        let waiting = tokio::spawn({
            let permits = permits.clone();
            async move { drop(permits.enter("host").await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        drop(second);
        assert_eq!(permits.keys(), 0);
    }

    #[tokio::test]
    async fn keys_do_not_wait_for_each_other_and_giving_up_leaves_nothing() {
        let permits = Permits::new(1);
        let held = permits.enter("slow").await;
        drop(permits.enter("quick").await);
        let wait = std::time::Duration::from_millis(1);
        assert!(tokio::time::timeout(wait, permits.enter("slow")).await.is_err());
        drop(held);
        drop(permits.enter("slow").await);
        assert_eq!(permits.keys(), 0);
    }
}
