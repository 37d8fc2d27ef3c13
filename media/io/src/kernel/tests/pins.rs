//! What outlives a process: legs that were given go on, and the next process takes them over. Dropping a
//! [`FastPath`] closes its files, which is all that a kill leaves to the kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::super::error::KernelError;
use super::super::fast_path::{FastPath, FastPathConfig, Found, Hook};
use super::super::objects::Object;
use super::super::rule::Family;
use super::frame::Frame;
use super::namespace::Namespace;
use super::site::{A, Site, TC, XDP, start};
use super::{config, in_a_minute};

/// A BPF file system that only this namespace sees.
pub(super) fn mount_bpffs(namespace: &Namespace) -> PathBuf {
    namespace.run(|| {
        for arguments in [&["--make-rprivate", "/"][..], &["-t", "bpf", "bpf", "/sys/fs/bpf"]] {
            let output = Command::new("mount").args(arguments).output().expect("mount");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    });
    PathBuf::from("/sys/fs/bpf")
}

/// The names below a folder, as the namespace sees it.
pub(super) fn names(namespace: &Namespace, folder: &Path) -> Vec<String> {
    let folder = folder.to_owned();
    namespace.run(move || {
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("plain text");
        let mut names: Vec<String> = entries.map(|entry| name(entry.expect("readable"))).collect();
        names.sort();
        names
    })
}

/// A site whose fast path is pinned, in place of the one it was made with.
fn pinned_site(hooks: &[(&'static str, Hook)]) -> Option<(Site, PathBuf)> {
    let mut site = Site::with_hooks(Family::V4, hooks)?;
    // Its programs go first: a driver has room for one.
    site.path = start(&site.gateway, &site.at, None, Vec::new())?;
    let pins = mount_bpffs(&site.gateway).join("legs");
    site.path = start(&site.gateway, &site.at, Some(pins.clone()), hooks.to_vec())?;
    Some((site, pins))
}

#[test]
fn legs_go_on_without_their_process_and_the_next_one_takes_them_to_the_number() {
    expect_survival(&TC);
}

#[test]
fn legs_go_on_in_the_driver_without_their_process_and_the_next_one_takes_them_to_the_number() {
    expect_survival(&XDP);
}

fn expect_survival(hooks: &[(&'static str, Hook)]) {
    let Some((mut site, pins)) = pinned_site(hooks) else { return };
    assert_eq!(site.path.found(), Found::Nothing);
    let [party, to_party, _to_peer, peer] = site.sockets();
    let rule = site.rules[0];
    let send = |index: u16| {
        let frame = Frame {
            sequence: 500 + index,
            timestamp: 9_000 + u32::from(index) * 160,
            ssrc: rule.ssrc,
            ..Frame::rtp(rule.source, site.at[1])
        };
        party.send_to(&frame.rtp_bytes(), site.at[1]).expect("room");
    };
    site.give();
    send(0);
    peer.recv(&mut [0; 2_048]).expect("relayed");

    // The process ends: nobody holds a file of the fast path, and the socket is all that is left.
    let links = names(&site.gateway, &pins);
    assert_eq!(links.len(), 2 + hooks.len(), "{links:?}");
    let without_pins = start(&site.gateway, &site.at, None, Vec::new()).expect("as before");
    drop(std::mem::replace(&mut site.path, without_pins));
    for index in 1..100 {
        send(index);
        peer.recv(&mut [0; 2_048]).expect("relayed without a process");
    }

    // The next process finds the leg, and goes on with its exact number.
    let next = start(&site.gateway, &site.at, Some(pins.clone()), hooks.to_vec());
    let next = next.expect("as before");
    assert_eq!(next.found(), Found::Legs);
    send(100);
    peer.recv(&mut [0; 2_048]).expect("relayed by the new program");
    let leg = next.entry(A).expect("a port of the range");
    assert!(leg.is_given());
    assert_eq!(leg.take(), Some(0x1_0000 + 1_601));
    assert_eq!(leg.figures().packets, 101);
    let is_driven = hooks.len() == XDP.len();
    assert_eq!(leg.figures().by_driver, if is_driven { 101 } else { 0 });
    send(101);
    to_party.recv(&mut [0; 2_048]).expect("up, to the gateway");

    // A clean end leaves no pin, and so no link and no map.
    leg.give(&rule, &super::stream(&rule, 602, 9_000)).expect("settled");
    let objects = next.objects();
    let programs = if is_driven { 2 } else { 1 };
    assert_eq!(objects.len(), 3 + programs + hooks.len(), "three maps, programs, links");
    site.gateway.run(move || next.close().expect("every pin is removed"));
    assert_eq!(names(&site.gateway, &pins), [""; 0]);
    send(102);
    to_party.recv(&mut [0; 2_048]).expect("up, although the word is on");
    expect_freed(&objects);
}

/// Waits until the kernel, which frees links behind their last pin, has none of these.
fn expect_freed(objects: &[Object]) {
    let begun = Instant::now();
    while objects.iter().any(|object| object.is_loaded().expect("as root")) {
        assert!(begun.elapsed() < Duration::from_secs(5), "some are left: {objects:?}");
        std::thread::yield_now();
    }
}

#[test]
fn links_that_the_next_process_does_not_want_are_gone_when_it_begins() {
    let Some((mut site, pins)) = pinned_site(&XDP) else { return };
    let without_pins = start(&site.gateway, &site.at, None, Vec::new()).expect("as before");
    drop(std::mem::replace(&mut site.path, without_pins));
    let next = start(&site.gateway, &site.at, Some(pins.clone()), Vec::new()).expect("as before");
    let [gwa, gwb] = ["gwa", "gwb"].map(|name| site.gateway.index(name));
    let next = site.gateway.run(move || {
        next.keep_links(&[(gwa, Hook::Tc), (gwa, Hook::XdpGeneric)]);
        let mut next = next;
        // The driver's program has gone, so that the other mode finds room.
        next.attach("gwa", Hook::XdpGeneric).unwrap_or_else(|error| panic!("{error}"));
        next
    });
    let kept = names(&site.gateway, &pins);
    let expected = ["entries".to_owned(), format!("link-{gwa}"), "settings".to_owned()];
    assert_eq!(kept[..3], expected, "{kept:?}, without {gwb}");
    assert_eq!(kept[3..], [format!("xdpgeneric-{gwa}")]);
    let objects = next.objects();
    site.gateway.run(move || next.close().expect("every pin is removed"));
    expect_freed(&objects);
}

#[test]
fn pins_for_other_ports_are_removed_and_half_a_set_is_none() {
    let Some((mut site, pins)) = pinned_site(&TC) else { return };
    let [party, to_party, _to_peer, _peer] = site.sockets();
    site.give();
    let without_pins = start(&site.gateway, &site.at, None, Vec::new()).expect("as before");
    drop(std::mem::replace(&mut site.path, without_pins));

    let addresses = vec![site.at[1].ip(), site.at[2].ip()];
    let other = FastPathConfig { addresses, ports: 20_000..=20_099, pins: Some(pins.clone()) };
    let path = site.gateway.run(move || FastPath::open(&other)).expect("room for another");
    assert_eq!(path.found(), Found::Strange);
    assert_eq!(names(&site.gateway, &pins), ["entries", "settings"]);
    drop(path);

    // The links went with the pins: packets reach the socket again.
    let rule = &site.rules[0];
    let frame = Frame { sequence: 500, ssrc: rule.ssrc, ..Frame::rtp(rule.source, site.at[1]) };
    party.send_to(&frame.rtp_bytes(), site.at[1]).expect("room");
    to_party.recv(&mut [0; 2_048]).expect("up");

    let entries = pins.join("entries");
    site.gateway.run(move || fs::remove_file(entries)).expect("a pin");
    let half = start(&site.gateway, &site.at, Some(pins.clone()), Vec::new()).expect("as before");
    assert_eq!(half.found(), Found::Nothing);
}

#[test]
fn a_folder_outside_a_bpf_file_system_is_refused_before_anything_is_made() {
    let folder = std::env::temp_dir().join("sidetone-no-bpffs");
    let config =
        FastPathConfig { pins: Some(folder.clone()), ..config("192.0.2.1".parse().unwrap()) };
    let error = FastPath::open(&config).expect_err("no bpffs");
    assert!(matches!(error, KernelError::NoBpffs { .. }), "{error}");
    assert!(!folder.exists());
}

#[test]
fn the_lease_ends_what_a_dead_process_left() {
    expect_the_end_of_the_lease(&TC);
}

#[test]
fn the_lease_ends_what_a_dead_process_left_in_the_driver() {
    expect_the_end_of_the_lease(&XDP);
}

fn expect_the_end_of_the_lease(hooks: &[(&'static str, Hook)]) {
    let Some((mut site, pins)) = pinned_site(hooks) else { return };
    let [party, to_party, _to_peer, peer] = site.sockets();
    site.give();
    let without_pins = start(&site.gateway, &site.at, None, Vec::new()).expect("as before");
    let soon = crate::clock::now().as_nanos() + 300_000_000;
    site.path.renew(shared::Instant::from_nanos(soon));
    drop(std::mem::replace(&mut site.path, without_pins));
    let rule = site.rules[0];
    let send = |index: u16| {
        let frame = Frame {
            sequence: 500 + index,
            timestamp: 9_000 + u32::from(index) * 160,
            ssrc: rule.ssrc,
            ..Frame::rtp(rule.source, site.at[1])
        };
        party.send_to(&frame.rtp_bytes(), site.at[1]).expect("room");
    };
    send(0);
    peer.recv(&mut [0; 2_048]).expect("relayed within the lease");
    peer.set_read_timeout(Some(Duration::from_millis(350))).expect("a time-out");
    peer.recv(&mut [0; 2_048]).expect_err("nobody sends");
    send(1);
    to_party.recv(&mut [0; 2_048]).expect("up, past the lease");
    // A process that comes later finds the leg, and the word still says what was sent.
    let next = start(&site.gateway, &site.at, Some(pins), hooks.to_vec()).expect("as before");
    next.renew(in_a_minute());
    assert_eq!(next.entry(A).expect("a port").take(), Some(0x1_0000 + 1_501));
}
