//! Frames that the kernel makes: all of a run are relayed, in order.

use shared::Codec;

use super::super::entry::Figures;
use super::super::frames::{FrameRun, FrameWay, drop_all};
use super::namespace::Namespace;

#[test]
fn every_frame_of_a_run_is_relayed_and_the_next_run_goes_on() {
    let (Some(gateway), Some(end)) = (Namespace::new(), Namespace::new()) else { return };
    gateway.join("gw", "p", &end);
    let dropping = end.run(|| drop_all("p").expect("veth has XDP"));
    gateway.run(|| {
        let local = "10.78.0.1".parse().expect("an address");
        let mut run = FrameRun::open("gw", local).expect("veth has XDP");
        // More than sequence numbers have values, and not a multiple of the kernel's batch.
        for (frames, to) in [(70_001, Codec::Pcmu), (70_001, Codec::Pcma), (5, Codec::Pcmu)] {
            let ran = run.run(frames, FrameWay::Relay(to)).expect("live frames");
            let figures = ran.figures;
            assert_eq!((figures.packets, figures.octets), (frames, frames * 160), "{to:?}");
            assert_eq!((figures.gaps, figures.forged, figures.wrong_length), (0, 0, 0), "{to:?}");
            assert!(ran.frame_ns > 0);
        }
        for way in [FrameWay::Bare, FrameWay::Party] {
            let ran = run.run(1_000, way).expect("live frames");
            assert_eq!(ran.figures, Figures::default(), "{way:?} has no leg");
        }
        // What the party did alone is no gap of the leg's.
        let figures = run.run(10, FrameWay::Relay(Codec::Pcmu)).expect("live frames").figures;
        assert_eq!((figures.packets, figures.gaps), (10, 0));
    });
    drop(dropping);
}
