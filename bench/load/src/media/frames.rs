//! The program at the XDP hook on frames that no socket and no skb carries, as with a network card. Shell.

use std::net::Ipv4Addr;
use std::time::Duration;

use io::kernel::{FrameRun, FrameWay, drop_all};
use shared::Codec;

use super::site::{GATEWAY, PARTIES, Pair};
use crate::endpoint::Trouble;
use crate::report::{Section, whole};
use crate::rounds::Rounds;
use crate::scheduling::{self, Cpus};

/// Frames of a round: 0.4 to 0.9 s, so that the kernel's preparations do not count and real-time threads may run.
const FRAMES: u32 = 2_500_000;
const PAUSE: Duration = Duration::from_millis(200);
const LOCAL: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);

/// Runs all ways in turn on a veth pair of its own. `true` where a frame was not relayed, or the run failed for
/// another reason than that this machine does not allow it.
pub(super) fn measure(rounds: usize) -> (Section, bool) {
    let mut section = Section::new("Media: frames at the XDP hook, one core", COLUMNS);
    let is_broken = match Pair::new() {
        Err(trouble) => {
            section.note(format!("NOT MEASURED: {trouble}."));
            false
        }
        Ok(pair) => match run(&pair, rounds, &mut section) {
            Ok(()) => false,
            Err(trouble) => {
                section.note(format!("FAILED: {trouble}."));
                true
            }
        },
    };
    section.note(format!(
        "{FRAMES} frames a round, medians. The kernel makes the frames (BPF_PROG_TEST_RUN, live frames) and gives them to \
         programs in batches of 64. The party is a program in front of ours that writes the headers and the next sequence \
         number of a caller, because the kernel's frames never change. Ours relays with lease, compare-and-exchange and \
         statistics. The frame leaves by a redirect through a veth pair, whose other end drops it, and the page comes back: all \
         of that is in the figures. The leg's own count says that every frame was relayed.",
    ));
    (section, is_broken)
}

const COLUMNS: &[&str] =
    &["on the way", "ns/frame", "from–to", "million frames/s a core", "ns of our program"];

const WAYS: [(&str, FrameWay); 4] = [
    ("nothing: sent back at once", FrameWay::Bare),
    ("the party", FrameWay::Party),
    ("the party, relay of PCMU", FrameWay::Relay(Codec::Pcmu)),
    ("the party, PCMU to PCMA", FrameWay::Relay(Codec::Pcma)),
];

fn run(pair: &Pair, rounds: usize, section: &mut Section) -> Result<(), Trouble> {
    let _end = pair.parties.run(|| drop_all(PARTIES))??;
    let measured = pair.relay.run(|| relay(rounds))??;
    let without = measured[1].median();
    for ((name, way), ns) in WAYS.into_iter().zip(&measured) {
        let (median, range) = (ns.median(), ns.range());
        let is_relayed = matches!(way, FrameWay::Relay(_));
        let own = median.zip(without).filter(|_| is_relayed).map(|(with, without)| with - without);
        section.row([
            name.to_owned(),
            whole(median),
            range.map_or_else(|| "–".to_owned(), |(low, high)| format!("{low:.0}–{high:.0}")),
            median.map_or_else(|| "–".to_owned(), |ns| format!("{:.2}", 1_000.0 / ns)),
            whole(own),
        ]);
    }
    Ok(())
}

/// Nanoseconds of a frame on each way.
fn relay(rounds: usize) -> Result<[Rounds; WAYS.len()], Trouble> {
    let mut run = FrameRun::open(GATEWAY, LOCAL)?;
    scheduling::pin_self(Cpus::choose().relay)?;
    scheduling::make_fifo(scheduling::own_thread_id());
    let mut measured: [Rounds; WAYS.len()] = Default::default();
    for _ in 0..rounds {
        for ((name, way), ns) in WAYS.into_iter().zip(&mut measured) {
            std::thread::sleep(PAUSE);
            let ran = run.run(FRAMES, way)?;
            let expected = if matches!(way, FrameWay::Relay(_)) { FRAMES } else { 0 };
            if ran.figures.packets != expected {
                return Err(format!("{name}: of {FRAMES} frames {:?}", ran.figures).into());
            }
            ns.push(f64::from(ran.frame_ns));
        }
    }
    Ok(measured)
}
