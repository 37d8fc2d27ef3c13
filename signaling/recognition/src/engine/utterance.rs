//! An utterance on its way to a service, as its task sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use call::RecognitionPlan;
use call::recognition::{Answer, Share, UtteranceId, wire};
use shared::limits;
use shell::Sender;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What an utterance is made of.
pub(crate) enum Piece {
    Audio(Vec<i16>, Room),
    End,
}

/// Bytes of audio that count as waiting until this is dropped.
pub(crate) struct Room(Arc<AtomicUsize>, usize);

impl Room {
    /// Counts bytes; `None` where they would pass the bound.
    pub fn take(waiting: &Arc<AtomicUsize>, bytes: usize) -> Option<Self> {
        // One writer adds, so the sum cannot pass the bound between the two steps.
        if waiting.load(Ordering::Relaxed) + bytes > limits::RECOGNITION_WAITING_BYTES_MAX {
            return None;
        }
        waiting.fetch_add(bytes, Ordering::Relaxed);
        Some(Self(Arc::clone(waiting), bytes))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// An utterance as its task sees it.
pub(crate) struct Utterance {
    id: UtteranceId,
    pub language: String,
    pub hints: Arc<[String]>,
    pub wants_partials: bool,
    pub pieces: mpsc::UnboundedReceiver<Piece>,
    sender: Arc<Sender<(UtteranceId, Answer)>>,
}

impl Utterance {
    pub fn new(
        id: UtteranceId,
        plan: &RecognitionPlan,
        pieces: mpsc::UnboundedReceiver<Piece>,
        sender: Arc<Sender<(UtteranceId, Answer)>>,
    ) -> Self {
        Self {
            id,
            language: plan.language.clone(),
            hints: Arc::clone(&plan.hints),
            wants_partials: plan.wants_partials,
            pieces,
            sender,
        }
    }

    /// Gives the last answer to the thread.
    ///
    /// # Errors
    /// Gives it back where the queue is full.
    pub fn answer(&self, answer: Answer) -> Result<(), Answer> {
        self.sender.send((self.id, answer)).map_err(|(_, answer)| answer)
    }

    /// Reports the words so far. They are dropped where the thread is behind: others follow.
    pub fn partial(&self, text: &str, stability: f64) {
        let answer = Answer::Partial { text: wire::cut(text), stability: Share::of(stability) };
        let _ = self.sender.send((self.id, answer));
    }
}

/// The text of an utterance, and how certain it is, 0 to 1, where the service says so.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Text {
    pub text: String,
    pub confidence: Option<f64>,
}

/// Bounds the time from the end of an utterance to its text, so that a failure comes by name before the recognition gives up.
pub(crate) async fn in_time<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = || Err(format!("no result within {} s", RESULT_WITHIN.as_secs()));
    timeout(RESULT_WITHIN, work).await.unwrap_or_else(|_| late())
}

const RESULT_WITHIN: Duration = Duration::from_secs(limits::RECOGNITION_RESULT_S as u64 - 2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_that_waits_is_bounded_and_freed_with_its_piece() {
        let waiting = Arc::default();
        let most = limits::RECOGNITION_WAITING_BYTES_MAX;
        let all = Room::take(&waiting, most).expect("it fits");
        assert!(Room::take(&waiting, 1).is_none());
        drop(all);
        assert!(Room::take(&waiting, most).is_some());
        assert_eq!(waiting.load(Ordering::Relaxed), 0);
    }
}
