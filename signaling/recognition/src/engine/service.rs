//! An engine that is a service on the network. Shell, on the runtime of the webhooks.
//!
//! ```text
//!   thread ──pieces──> task of an utterance ──> service (http.rs, ws.rs)
//!     ^                        │
//!     └──bounded queue, doorbell
//! ```
//!
//! One task an utterance, which owns its connection. It ends with the answer, with the bound on its time, or when the thread
//! drops it, which is how an utterance is cancelled. The audio that all tasks of an engine hold is counted; an utterance
//! that would pass the bound fails alone. A service is offered whether it can be reached or not: only an utterance finds
//! out, and its failure names the cause.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use call::recognition::wire::{self, Offer};
use call::recognition::{Answer, Share, UtteranceId};
use call::{RecognitionFault, RecognitionPlan};
use shared::Instant;
use shared::config::{EngineKind, RecognitionEngine};
use shell::{Doorbell, Sender, bounded};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use webhook::WebhookClient;

use super::Engine;
use super::http::HttpService;
use super::utterance::{Piece, Room, Text, Utterance};
use super::ws::WsService;
use crate::meters::{EngineMeters, RecognitionMeters, add};

/// What engines on the network are reached with.
#[derive(Clone)]
pub struct Services {
    /// Where the tasks run.
    pub runtime: Handle,
    /// Connections, with the guard of webhooks.
    pub client: WebhookClient,
}

/// A service as an engine.
pub(crate) struct ServiceEngine {
    name: String,
    index: usize,
    meters: Arc<RecognitionMeters>,
    offer: Offer,
    runtime: Handle,
    service: Arc<Service>,
    waiting: Arc<AtomicUsize>,
    utterances: HashMap<UtteranceId, Open>,
    sender: Arc<Sender<(UtteranceId, Answer)>>,
    results: Receiver<(UtteranceId, Answer)>,
    answers: VecDeque<(UtteranceId, Answer)>,
    health: Health,
    rests: bool,
}

/// How a service has done of late. A dead one is found out by nothing but its failures.
#[derive(Debug, Default)]
struct Health {
    /// In a row.
    failures: u32,
    rests_until: Option<Instant>,
}

impl Health {
    fn note(&mut self, is_well: bool, now: Instant) {
        if is_well {
            *self = Self::default();
            return;
        }
        self.failures += 1;
        if self.failures >= FAILURES_MAX {
            self.rests_until = Some(now + REST);
        }
    }

    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }
}

/// An utterance without its last answer. Dropping it ends its task.
struct Open {
    pieces: mpsc::UnboundedSender<Piece>,
    task: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a service is spoken to.
pub(crate) enum Service {
    Http(HttpService),
    Ws(WsService),
}

impl ServiceEngine {
    /// # Errors
    /// A setting that cannot be used; the engine is then never offered.
    pub fn new(
        settings: &RecognitionEngine,
        index: usize,
        services: &Services,
        doorbell: &Doorbell,
        meters: Arc<RecognitionMeters>,
    ) -> Result<Self, String> {
        let (sender, results) = bounded(RESULTS_MAX, doorbell);
        let client = services.client.clone();
        let key = key(&settings.key_file)?;
        let places = Semaphore::new(settings.requests as usize);
        let service = match settings.kind {
            EngineKind::Ws => Service::Ws(WsService::new(settings, client, key, places)?),
            _ => Service::Http(HttpService::new(settings, client, key, places)?),
        };
        let offer = Offer {
            engine: settings.url.clone(),
            rate: 8_000,
            languages: settings.languages.clone(),
            has_grammar: false,
            has_free: true,
            slots: settings.requests,
            // The end of its task closes the connection.
            stops: true,
        };
        Ok(Self {
            name: settings.name.clone(),
            index,
            meters,
            offer,
            runtime: services.runtime.clone(),
            service: Arc::new(service),
            waiting: Arc::default(),
            utterances: HashMap::new(),
            sender: Arc::new(sender),
            results,
            answers: VecDeque::new(),
            health: Health::default(),
            rests: false,
        })
    }

    fn meters(&self) -> &EngineMeters {
        &self.meters.engines[self.index]
    }
}

impl Engine for ServiceEngine {
    fn name(&self) -> &str {
        &self.name
    }

    fn offer(&self) -> Option<&Offer> {
        Some(&self.offer)
    }

    fn is_starting(&self) -> bool {
        false
    }

    fn rests(&self) -> bool {
        self.rests
    }

    fn works_while_spoken(&self) -> bool {
        matches!(*self.service, Service::Ws(_))
    }

    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn begin(&mut self, utterance: UtteranceId, plan: &RecognitionPlan) {
        add(&self.meters().utterances, 1);
        let (pieces, receiver) = mpsc::unbounded_channel();
        let order = Utterance::new(utterance, plan, receiver, Arc::clone(&self.sender));
        let task =
            self.runtime.spawn(recognise(Arc::clone(&self.service), self.name.clone(), order));
        self.utterances.insert(utterance, Open { pieces, task });
    }

    fn audio(&mut self, utterance: UtteranceId, samples: &[i16]) {
        let Some(open) = self.utterances.get(&utterance) else { return };
        if let Some(room) = Room::take(&self.waiting, samples.len() * 2) {
            // A task that has failed takes no more; its answer is in the queue.
            let _ = open.pieces.send(Piece::Audio(samples.to_vec(), room));
            return;
        }
        self.utterances.remove(&utterance);
        add(&self.meters().overflows, 1);
        let sentence = format!("the engine `{}` takes its audio too slowly", self.name);
        let fault = RecognitionFault::Engine;
        self.answers.push_back((utterance, Answer::Failed { fault, sentence }));
    }

    fn end(&mut self, utterance: UtteranceId) {
        if let Some(open) = self.utterances.get(&utterance) {
            let _ = open.pieces.send(Piece::End);
        }
    }

    fn cancel(&mut self, utterance: UtteranceId) {
        self.utterances.remove(&utterance);
    }

    fn turn(&mut self, now: Instant) {
        while let Ok((utterance, answer)) = self.results.try_recv() {
            let is_known = match answer {
                Answer::Partial { .. } => self.utterances.contains_key(&utterance),
                _ => self.utterances.remove(&utterance).is_some(),
            };
            match answer {
                Answer::Partial { .. } => {}
                Answer::Final { .. } => self.health.note(true, now),
                Answer::Failed { .. } => {
                    add(&self.meters().failures, 1);
                    self.health.note(false, now);
                }
            }
            if is_known {
                self.answers.push_back((utterance, answer));
            }
        }
        self.meters().waiting.store(self.waiting() as u64, Ordering::Relaxed);
        let rested = std::mem::replace(&mut self.rests, self.health.rests(now));
        if self.rests && !rested {
            let (name, most) = (&self.name, REST.as_secs());
            tracing::warn!("the recognition engine `{name}` failed twice and rests for {most} s");
        }
        self.meters().up.store(u64::from(!self.rests), Ordering::Relaxed);
    }

    fn poll_answer(&mut self) -> Option<(UtteranceId, Answer)> {
        self.answers.pop_front()
    }
}

/// Failures in a row after which a service rests, and for how long.
const FAILURES_MAX: u32 = 2;
const REST: Duration = Duration::from_secs(10);

/// The task of one utterance.
async fn recognise(service: Arc<Service>, name: String, mut utterance: Utterance) {
    let result = match service.as_ref() {
        Service::Http(service) => service.recognise(&mut utterance).await,
        Service::Ws(service) => service.recognise(&mut utterance).await,
    };
    let answer = match result {
        Ok(Text { text, confidence }) => {
            Answer::Final { text: wire::cut(&text), confidence: confidence.map(Share::of) }
        }
        Err(reason) => {
            let fault = RecognitionFault::Engine;
            Answer::Failed { fault, sentence: format!("the engine `{name}` failed: {reason}") }
        }
    };
    // A queue full of partial results empties at the thread's next turn.
    let mut waiting = answer;
    while let Err(back) = utterance.answer(waiting) {
        waiting = back;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The first line of the file of a key; `None` where no file is named.
fn key(path: &Path) -> Result<Option<String>, String> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read its key_file {}: {error}", path.display()))?;
    match text.lines().next().map(str::trim).filter(|key| !key.is_empty()) {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(format!("{} holds no key in its first line", path.display())),
    }
}

/// Answers that wait for the thread. Past it partial results are dropped, and last ones wait in their tasks.
const RESULTS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_rests_after_two_failures_and_again_after_one_more() {
        let at = Instant::from_millis;
        let mut health = Health::default();
        health.note(false, at(1_000));
        health.note(true, at(2_000));
        health.note(false, at(3_000));
        assert!(!health.rests(at(3_000)), "not in a row");
        health.note(false, at(4_000));
        assert!(health.rests(at(13_999)) && !health.rests(at(14_000)));
        health.note(false, at(15_000));
        assert!(health.rests(at(24_000)));
        health.note(true, at(24_500));
        assert!(!health.rests(at(24_500)), "one that was asked all the same, and is well");
    }

    #[test]
    fn the_key_is_the_first_line_of_its_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("key");
        assert_eq!(key(Path::new("")), Ok(None));
        assert!(key(&file).unwrap_err().starts_with("cannot read its key_file"));
        std::fs::write(&file, " secret \nmore\n").expect("writable");
        assert_eq!(key(&file), Ok(Some("secret".to_owned())));
        std::fs::write(&file, "\n").expect("writable");
        assert!(key(&file).unwrap_err().ends_with("holds no key in its first line"));
    }
}
