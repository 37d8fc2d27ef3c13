//! Who is taken for the party: its media, its reports, and the numbers that it sends events under.

use std::net::SocketAddr;

use shared::MediaEvent;

use crate::meters::DropReason;
use crate::output::{Received, SocketId};
use crate::testing::World;

#[test]
fn the_phone_that_the_sdp_names_is_heard_although_a_stray_stream_came_first() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    let phone = world.party(a).address;
    let stray = SocketAddr::new(phone.ip(), phone.port() + 100);
    let mut stray_packet = world.next_packet(a, &[0x66; 160]);
    stray_packet[8..12].copy_from_slice(&[9; 4]);
    for _ in 0..10 {
        let _ = world.receive_at(a, SocketId::rtp(a), stray, &stray_packet);
        world.run(20);
    }
    assert_eq!(world.heard(a).last().unwrap().to, stray);
    for _ in 0..5 {
        let _ = world.speak(a, &[0x31; 160]);
        let refused = world.receive_at(a, SocketId::rtp(a), stray, &stray_packet);
        assert_eq!(refused, Received::Dropped(DropReason::Stranger));
        world.run(20);
    }
    let heard = world.heard(b);
    assert_eq!(heard.iter().filter(|sent| sent.payload()[0] == 0x31).count(), 5);
    world.heard(a);
    let _ = world.speak(b, &[0x32; 160]);
    assert!(world.heard(a).iter().all(|sent| sent.to == phone));
    let phones_leg = world.leg(a);
    let sources = world.events().into_iter().filter_map(|event| match event {
        MediaEvent::Latched { leg, source } if leg == phones_leg => Some(source),
        _ => None,
    });
    assert_eq!(sources.collect::<Vec<_>>(), [stray, phone]);
}
