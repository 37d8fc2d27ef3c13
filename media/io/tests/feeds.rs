//! Feeds through real cores: a thread writes, a party hears, on each backend that works here.

mod common;

use common::{Site, backends, config, event_when, payload, when};
use io::{FeedWriter, IoConfig};
use shared::feed::FeedEnd;
use shared::{Codec, FeedId, FeedItem, FeedPart, LegId, LegQuality, MediaCommand, MediaEvent};

const FEED: FeedId = FeedId(8);

fn give(writer: &mut FeedWriter, leg: LegId, part: FeedPart) {
    assert!(writer.send(&FeedItem { leg, feed: FEED, part }), "the ring has room");
    writer.ring();
}

fn start(site: &mut Site, leg: LegId) {
    site.send(0, MediaCommand::StartFeed { leg, feed: FEED, codec: Codec::Pcmu });
}

#[test]
fn a_party_hears_every_frame_of_a_writer_that_stays_a_little_ahead() {
    const FRAMES: u32 = 60;
    for backend in backends() {
        let mut site = Site::open(&config(backend, 1));
        let mut writer = site.core(0).take_feed().expect("taken once");
        assert!(site.core(0).take_feed().is_none());
        let party = site.join(0, 0);
        // Items follow their command at once, as the other thread would send them.
        start(&mut site, party.leg);
        for number in 1..=FRAMES {
            give(&mut writer, party.leg, FeedPart::Audio(payload(number)));
            let is_near = |played: u64| played + 4 >= u64::from(number);
            when(&site.media.cores[0], |figures| is_near(figures.feed_frames_played));
        }
        for number in 1..=FRAMES {
            assert_eq!(party.hear(), payload(number), "frame {number}");
        }
        let figures = when(&site.media.cores[0], |figures| figures.feed_frames_waiting == 0);
        assert_eq!(figures.feed_frames_played, u64::from(FRAMES));
        let dropped = figures.feed_frames_full + figures.feed_frames_unknown;
        assert_eq!((figures.feed_frames, dropped), (u64::from(FRAMES), 0));
    }
}

#[test]
fn a_clear_drops_what_waits_and_a_stop_ends_the_feed() {
    for backend in backends() {
        let mut site = Site::open(&config(backend, 1));
        let mut writer = site.core(0).take_feed().expect("taken once");
        let leg = site.join(0, 0).leg;
        start(&mut site, leg);
        for number in 1..=10 {
            give(&mut writer, leg, FeedPart::Audio(payload(number)));
        }
        give(&mut writer, leg, FeedPart::Clear);
        let figures = when(&site.media.cores[0], |figures| {
            figures.feed_frames == 10 && figures.feed_frames_waiting == 0
        });
        // How many were played before the clear is up to the machine.
        assert_eq!(figures.feed_frames_played + figures.feed_frames_cleared, 10);
        site.send(0, MediaCommand::StopFeed { leg, feed: FEED });
        let ended = event_when(site.core(0), |event| matches!(event, MediaEvent::FeedEnded { .. }));
        let MediaEvent::FeedEnded { cause, .. } = ended else { panic!("{ended:?}") };
        assert_eq!(cause, FeedEnd::Stopped);
        give(&mut writer, leg, FeedPart::Audio(payload(1)));
        when(&site.media.cores[0], |figures| figures.feed_frames_unknown == 1);
    }
}

#[test]
fn a_ring_that_is_full_takes_no_item_and_the_core_takes_the_rest() {
    for backend in backends() {
        let mut site = Site::open(&config(backend, 1));
        let mut writer = site.core(0).take_feed().expect("taken once");
        let leg = LegId { core: site.core(0).id, slot: 0, generation: 0 };
        // Nothing is up, so the core sleeps, or is about to: then it takes the first items.
        when(&site.media.cores[0], |figures| figures.next_turn_ns == u64::MAX);
        let item = FeedItem { leg, feed: FEED, part: FeedPart::Audio([1; 160]) };
        let mut sent = 0;
        while writer.send(&item) {
            sent += 1;
        }
        assert!(sent >= shared::limits::FEED_SLOTS, "{sent}");
        writer.ring();
        when(&site.media.cores[0], |figures| figures.feed_frames_unknown == sent as u64);
    }
}

#[test]
fn a_core_without_feeds_has_no_ring_and_refuses_them() {
    for backend in backends() {
        let mut site = Site::open(&IoConfig { feeds_max: 0, ..config(backend, 1) });
        assert!(site.core(0).take_feed().is_none());
        let leg = site.join(0, 0).leg;
        start(&mut site, leg);
        let ended = event_when(site.core(0), |event| matches!(event, MediaEvent::FeedEnded { .. }));
        assert!(matches!(ended, MediaEvent::FeedEnded { cause: FeedEnd::Refused, .. }));
        let quality = Box::new(LegQuality::default());
        site.send(0, MediaCommand::StopLeg { leg, quality });
        when(&site.media.cores[0], |figures| figures.legs == 0);
    }
}

#[test]
fn a_writer_whose_core_is_gone_learns_it() {
    for backend in backends() {
        let mut site = Site::open(&config(backend, 1));
        let mut writer = site.core(0).take_feed().expect("taken once");
        let leg = site.join(0, 0).leg;
        drop(site);
        assert!(!writer.send(&FeedItem { leg, feed: FEED, part: FeedPart::Clear }));
    }
}
