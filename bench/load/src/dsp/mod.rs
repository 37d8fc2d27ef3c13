//! Cost of samples: the DTMF detector beside spandsp's on one material, G.711 beside a copy. Shell.

mod material;
mod spandsp;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use plane::dtmf::Detector;
use plane::g711;
use shared::Codec;

use crate::report::{Section, factor, whole};
use crate::rounds::Rounds;
use crate::schedstat::own_cpu_ns;

use material::Material;
use spandsp::{Detection, Spandsp};

/// Rounds of each measurement, and how long one is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub rounds: usize,
    pub round: Duration,
    pub may_install: bool,
}

/// Measures and writes the sections.
pub(crate) fn measure(effort: Effort) -> Vec<Section> {
    let recordings = recordings(effort.may_install);
    let peer = Spandsp::build(effort.may_install);
    vec![detectors(effort, &peer, &recordings), judged(&peer, &recordings), translation(effort)]
}

/// Cost of 160 samples of one channel.
fn detectors(effort: Effort, peer: &Result<Spandsp, String>, recordings: &Material) -> Section {
    let columns = ["material", "ns/160 samples", "spandsp", "spandsp / ours", "channels a core"];
    let mut section = Section::new("DTMF detector, cost of one channel", &columns);
    let silence = Material { samples: vec![0; 80_000], ..Material::default() };
    let materials = [
        ("keys and pauses", Material::keys(None)),
        ("one key held", held()),
        ("recorded speech", first_minutes(recordings)),
        ("noise", Material::noise(30)),
        ("silence", silence),
    ];
    for (name, material) in &materials {
        if material.samples.is_empty() {
            continue;
        }
        let ours = cost(effort, material);
        let theirs = peer.as_ref().ok().and_then(|peer| peer_cost(effort, peer, material));
        let (Some(ours), theirs) = (ours.median(), theirs.and_then(|rounds| rounds.median()))
        else {
            continue;
        };
        let ratio = theirs.map(|theirs| theirs / ours);
        section.row([
            (*name).to_owned(),
            format!("{ours:.1}"),
            theirs.map_or_else(|| "–".to_owned(), |theirs| format!("{theirs:.1}")),
            factor(ratio),
            whole(Some(20e6 / ours)),
        ]);
    }
    section.note(format!(
        "Form in use: {}. Ours includes decoding mu-law, spandsp gets linear samples. CPU time, medians of {} rounds, hot cache.",
        g711::form(),
        effort.rounds
    ));
    match peer {
        Ok(peer) => {
            section.note(format!("spandsp {} (Debian), dtmf_rx with its defaults.", peer.version))
        }
        Err(reason) => section.note(format!("No spandsp: {reason}.")),
    }
    section
}

/// Hits and false hits of both detectors on one material.
fn judged(peer: &Result<Spandsp, String>, recordings: &Material) -> Section {
    let columns = ["material", "keys", "ours: detected", "false", "spandsp: detected", "false"];
    let mut section = Section::new("DTMF detector, hits and false hits", &columns);
    let materials = [
        ("what Q.24 asks for", Material::keys(None)),
        ("the same, noise 15 dB below one tone", Material::keys(Some(15.0))),
        ("the same, noise 12 dB below one tone", Material::keys(Some(12.0))),
        ("recorded speech", recordings.clone()),
        ("white noise", Material::noise(600)),
    ];
    for (name, material) in &materials {
        if material.samples.is_empty() {
            continue;
        }
        let ours = score(material, &digits(material));
        let theirs = peer.as_ref().ok().and_then(|peer| peer.digits(&material.samples).ok());
        let theirs = theirs.map(|detected| score(material, &detected));
        let cell = |value: Option<usize>| value.map_or_else(|| "–".to_owned(), |n| n.to_string());
        section.row([
            format!("{name}, {:.0} min", material.minutes()),
            material.expected.len().to_string(),
            ours.0.to_string(),
            ours.1.to_string(),
            cell(theirs.map(|(hits, _)| hits)),
            cell(theirs.map(|(_, wrong)| wrong)),
        ]);
    }
    section.note(
        "Keys: 16 keys at -4, -10, -18 and -25 dBm0, twist 0, +4 and -8 dB, 40, 50 and 80 ms, frequencies 1.5 % low, right and 1.5 % high, pauses of 60 ms.",
    );
    if recordings.samples.is_empty() {
        section.note(format!("No recorded speech: install Debian's {RECORDINGS}."));
    } else {
        section.note(format!("Recorded speech: Debian's {RECORDINGS}, every file."));
    }
    section
}

/// PCMU to PCMA in place, beside a copy of the same bytes.
fn translation(effort: Effort) -> Section {
    let mut section =
        Section::new("G.711, 160 bytes, hot", &["what", "ns", "of a copy", "Gsamples/s"]);
    let mut from = [0u8; 160];
    from.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 7) as u8);
    let mut to = [0u8; 160];
    let copy = time(effort, || black_box(&mut to).copy_from_slice(black_box(&from)));
    let mut samples = from;
    let both = time(effort, || {
        g711::translate(Codec::Pcmu, Codec::Pcma, black_box(&mut samples));
    });
    let Some(base) = copy.median() else { return section };
    for (what, rounds) in [("copy", &copy), ("PCMU to PCMA in place", &both)] {
        let Some(ns) = rounds.median() else { continue };
        section.row([
            what.to_owned(),
            format!("{ns:.2}"),
            format!("{:.2}x", ns / base),
            format!("{:.1}", 160.0 / ns),
        ]);
    }
    section.note(format!("Form in use: {}.", g711::form()));
    section
}

fn held() -> Material {
    let samples = Material::keys(None).samples[..300].repeat(200);
    Material { samples, ..Material::default() }
}

fn first_minutes(material: &Material) -> Material {
    let len = material.samples.len().min(8_000 * 180);
    Material { samples: material.samples[..len].to_vec(), expected: Vec::new() }
}

fn recordings(may_install: bool) -> Material {
    let folder = Path::new("/usr/share/asterisk/sounds");
    if !folder.exists() && may_install {
        spandsp::install(&[RECORDINGS]);
    }
    Material::recordings(folder)
}

fn cost(effort: Effort, material: &Material) -> Rounds {
    let codes = material.codes();
    let frames = codes.as_chunks::<160>().0;
    let mut detector = Detector::default();
    let mut heard = 0u64;
    let mut rounds = Rounds::default();
    for _ in 0..effort.rounds {
        let (start, cpu) = (Instant::now(), own_cpu_ns());
        let mut count = 0usize;
        while start.elapsed() < effort.round {
            for frame in frames {
                detector.hear(Codec::Pcmu, black_box(frame), |_, _| heard += 1);
            }
            count += frames.len();
        }
        rounds.push((own_cpu_ns() - cpu) as f64 / count.max(1) as f64);
    }
    black_box(heard);
    rounds
}

fn peer_cost(effort: Effort, peer: &Spandsp, material: &Material) -> Option<Rounds> {
    let frames = (material.samples.len() / 160).max(1);
    let passes = (effort.round.as_nanos() as usize / (frames * PEER_NS)).max(1);
    (0..effort.rounds).map(|_| peer.cost(&material.samples, passes).ok()).collect()
}

fn digits(material: &Material) -> Vec<Detection> {
    let mut detector = Detector::default();
    let mut detected = Vec::new();
    for (at, frame) in material.codes().chunks(160).enumerate() {
        let position = (at as u64 + 1) * 160;
        detector.hear(Codec::Pcmu, frame, |event, _| {
            detected.push((position, DIGITS[usize::from(event) % DIGITS.len()]));
        });
    }
    detected
}

/// Number of expected keys that were detected near their place, and number of false detections.
fn score(material: &Material, detected: &[Detection]) -> (usize, usize) {
    let mut taken = vec![false; detected.len()];
    let mut hits = 0;
    let mut first = 0;
    for key in &material.expected {
        while detected.get(first).is_some_and(|(position, _)| *position < key.begins) {
            first += 1;
        }
        let near = |(position, _): &Detection| *position <= key.ends + LATE_SAMPLES;
        let place = (first..detected.len())
            .take_while(|at| near(&detected[*at]))
            .find(|at| !taken[*at] && detected[*at].1 == key.digit);
        if let Some(place) = place {
            taken[place] = true;
            hits += 1;
        }
    }
    (hits, detected.len() - hits)
}

/// CPU nanoseconds of one `work`, a value a round.
fn time(effort: Effort, mut work: impl FnMut()) -> Rounds {
    let mut measured = Rounds::default();
    for _ in 0..effort.rounds {
        let (start, cpu) = (Instant::now(), own_cpu_ns());
        let mut count = 0u32;
        while start.elapsed() < effort.round {
            for _ in 0..BATCH {
                work();
            }
            count += BATCH;
        }
        measured.push((own_cpu_ns() - cpu) as f64 / f64::from(count));
    }
    measured
}

/// Calls between two readings of the clock.
const BATCH: u32 = 4_096;
/// About what spandsp takes for 160 samples.
const PEER_NS: usize = 600;
/// A key counts if it is detected at most this number of samples after its end.
const LATE_SAMPLES: u64 = 480;
/// RFC 4733 table 3.
const DIGITS: &[u8; 16] = b"0123456789*#ABCD";
const RECORDINGS: &str = "asterisk-core-sounds-en-wav";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_near_their_place_and_others_are_false() {
        let key = |digit, begins| material::Expected { digit, begins, ends: begins + 400 };
        let material =
            Material { samples: Vec::new(), expected: vec![key(b'1', 0), key(b'2', 900)] };
        assert_eq!(score(&material, &[(320, b'1'), (1_280, b'2')]), (2, 0));
        assert_eq!(score(&material, &[(320, b'1'), (480, b'1'), (1_280, b'3')]), (1, 2));
    }

    #[test]
    fn the_detector_hears_all_that_q24_asks_for() {
        let material = Material::keys(None);
        let (hits, wrong) = score(&material, &digits(&material));
        assert_eq!((hits, wrong), (material.expected.len(), 0));
    }
}
