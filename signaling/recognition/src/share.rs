//! Gives the places of the engines that live utterances leave to the batch lane. Shell.

use call::RecognitionFault;
use call::recognition::{Answer, UtteranceId};
use plane::g711;
use shared::{Codec, Instant, limits};

use crate::engine::{self, Engine};
use crate::lane::{BatchLane, Overdue, Places, Seat};
use crate::port::Utterances;

/// Takes back the places that live utterances need, and fills those that they leave. Whether an engine got an order.
pub(crate) fn share(
    now: Instant,
    lane: &mut BatchLane,
    engines: &mut [Box<dyn Engine>],
    utterances: &mut Utterances,
) -> bool {
    let mut has_ordered = false;
    for index in 0..engines.len() {
        let Some(places) = places(engines, utterances, index) else { continue };
        while let Some(name) = lane.take_back(index, places) {
            engines[index].cancel(name);
            has_ordered = true;
        }
    }
    loop {
        let found = lane.next(|plan| {
            let index = engine::choose(engines, plan).ok()?;
            Some((index, places(engines, utterances, index)?))
        });
        let Some((utterance, index)) = found else { return has_ordered };
        let seat = Seat { engine: index, name: utterances.name() };
        begin(now, lane, &mut engines[index], utterance, seat);
        has_ordered = true;
    }
}

/// Gives an utterance to an engine as a whole.
fn begin(
    now: Instant,
    lane: &mut BatchLane,
    engine: &mut Box<dyn Engine>,
    utterance: UtteranceId,
    seat: Seat,
) {
    let Some((plan, audio)) = lane.begin(now, utterance, seat) else { return };
    let linear = g711::linear(Codec::Pcmu);
    engine.begin(seat.name, plan);
    for piece in audio.chunks(PIECE_SAMPLES) {
        let samples: Vec<i16> = piece.iter().map(|code| linear[usize::from(*code)]).collect();
        engine.audio(seat.name, &samples);
    }
    engine.end(seat.name);
}

/// Gives up the utterances that wait or run for too long; a failure for each.
pub(crate) fn overdue(
    now: Instant,
    lane: &mut BatchLane,
    engines: &mut [Box<dyn Engine>],
) -> Vec<(UtteranceId, Answer)> {
    let failures = lane.overdue(now).into_iter().map(|Overdue { utterance, plan, seat }| {
        let sentence = match (seat, engine::choose(engines, &plan)) {
            (Some(Seat { engine, name }), _) => {
                engines[engine].cancel(name);
                let most = limits::RECOGNITION_RESULT_S;
                format!("the engine `{}` gave no result within {most} s", engines[engine].name())
            }
            (None, Ok(engine)) => {
                let (name, most) = (engines[engine].name(), limits::RECOGNITION_BATCH_WAIT_S);
                format!("the engine `{name}` had no place for a recorded message within {most} s")
            }
            (None, Err((_, sentence))) => {
                format!("{sentence}, for {} s", limits::RECOGNITION_BATCH_WAIT_S)
            }
        };
        (utterance, Answer::Failed { fault: RecognitionFault::Engine, sentence })
    });
    failures.collect()
}

/// What an engine can take now; `None`: it is not there.
fn places(engines: &[Box<dyn Engine>], utterances: &Utterances, index: usize) -> Option<Places> {
    let engine = &engines[index];
    let offer = engine.offer()?;
    // The other half stays for live audio, which fails where it finds no room.
    let room = (limits::RECOGNITION_WAITING_BYTES_MAX / 2).saturating_sub(engine.waiting());
    Some(Places {
        slots: offer.slots as usize,
        live: utterances.live_at(index),
        stops: offer.stops,
        room: room / BYTES_A_SAMPLE,
    })
}

/// Samples in one order: a second.
const PIECE_SAMPLES: usize = 8_000;
/// Of an engine that takes 16-bit audio at 16,000 Hz.
const BYTES_A_SAMPLE: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use call::RecognitionPlan;
    use call::recognition::wire::Offer;

    use super::*;
    use crate::lane::plan;

    /// An engine that passes its orders on, and is there while it is up.
    struct Told {
        is_up: Arc<AtomicBool>,
        offer: Offer,
        orders: Sender<String>,
    }

    impl Told {
        fn tell(&self, order: String) {
            self.orders.send(order).expect("the test listens");
        }
    }

    impl Engine for Told {
        fn name(&self) -> &str {
            "test"
        }

        fn offer(&self) -> Option<&Offer> {
            self.is_up.load(Ordering::Relaxed).then_some(&self.offer)
        }

        fn is_starting(&self) -> bool {
            false
        }

        fn waiting(&self) -> usize {
            0
        }

        fn begin(&mut self, utterance: UtteranceId, plan: &RecognitionPlan) {
            self.tell(format!("begin {} {}", utterance.0, plan.language));
        }

        fn audio(&mut self, utterance: UtteranceId, samples: &[i16]) {
            self.tell(format!("audio {} {} {}", utterance.0, samples.len(), samples[0]));
        }

        fn end(&mut self, utterance: UtteranceId) {
            self.tell(format!("end {}", utterance.0));
        }

        fn cancel(&mut self, utterance: UtteranceId) {
            self.tell(format!("cancel {}", utterance.0));
        }

        fn turn(&mut self, _: Instant) {}

        fn poll_answer(&mut self) -> Option<(UtteranceId, Answer)> {
            None
        }
    }

    struct Rig {
        lane: BatchLane,
        engines: [Box<dyn Engine>; 1],
        utterances: Utterances,
        is_up: Arc<AtomicBool>,
        orders: Receiver<String>,
    }

    impl Rig {
        /// With an utterance of a second and a half that waits since the beginning of time.
        fn new() -> Self {
            let (sender, orders) = channel();
            let is_up = Arc::new(AtomicBool::new(false));
            let offer = Offer {
                engine: String::new(),
                rate: 8_000,
                languages: vec!["en-US".to_owned()],
                has_grammar: false,
                has_free: true,
                slots: 1,
                stops: true,
            };
            let engine = Told { is_up: Arc::clone(&is_up), offer, orders: sender };
            let (mut lane, mut utterances) = (BatchLane::default(), Utterances::default());
            let utterance = utterances.name();
            lane.open(utterance, &plan("en-US")).expect("room");
            lane.audio(utterance, &[-988; 12_000]).expect("room");
            lane.end(Instant::default(), utterance);
            Self { lane, engines: [Box::new(engine)], utterances, is_up, orders }
        }

        fn share(&mut self) -> Vec<String> {
            share(Instant::default(), &mut self.lane, &mut self.engines, &mut self.utterances);
            self.orders.try_iter().collect()
        }

        /// The sentences of the failures after a number of seconds.
        fn overdue(&mut self, seconds: u64) -> Vec<String> {
            let now = Instant::default() + Duration::from_secs(seconds);
            let failed = overdue(now, &mut self.lane, &mut self.engines).into_iter();
            let sentences = failed.map(|(_, answer)| match answer {
                Answer::Failed { sentence, .. } => sentence,
                other => panic!("{other:?}"),
            });
            sentences.collect()
        }
    }

    #[test]
    fn an_utterance_goes_as_a_whole_when_its_engine_is_up() {
        let mut rig = Rig::new();
        assert!(rig.share().is_empty());
        rig.is_up.store(true, Ordering::Relaxed);
        let orders = ["begin 2 en-US", "audio 2 8000 -988", "audio 2 4000 -988", "end 2"];
        assert_eq!(rig.share(), orders);
        assert!(rig.share().is_empty());
    }

    #[test]
    fn what_takes_too_long_fails_by_the_name_of_the_engine() {
        let mut rig = Rig::new();
        rig.is_up.store(true, Ordering::Relaxed);
        rig.share();
        assert_eq!(rig.overdue(30), ["the engine `test` gave no result within 30 s"]);
        assert_eq!(rig.orders.try_iter().last().as_deref(), Some("cancel 2"));

        let mut rig = Rig::new();
        let sentence = "no engine recognises free text in `en-US`; not running: test, for 600 s";
        assert_eq!(rig.overdue(600), [sentence]);

        let mut rig = Rig::new();
        rig.is_up.store(true, Ordering::Relaxed);
        let sentence = "the engine `test` had no place for a recorded message within 600 s";
        assert_eq!(rig.overdue(600), [sentence]);
    }
}
