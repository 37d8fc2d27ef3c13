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
