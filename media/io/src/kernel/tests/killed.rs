//! SIGKILL in the middle of a call: this test's own binary is the process that dies.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use socket2::{Domain, Socket, Type};

use rustix::net::netdevice::name_to_index;

use super::super::fast_path::{FastPath, FastPathConfig, Found, Hook};
use super::super::rule::{Family, Rule};
use super::frame::Frame;
use super::namespace::THERE;
use super::pins::mount_bpffs;
use super::site::{A, B, Site, TC, XDP, addresses, attach, rules, start};
use super::{in_a_minute, stream};

/// The child runs the test below, by its name.
const CHILD: &str = "kernel::tests::killed::the_process_that_is_killed";
/// Set for the child alone: the folder of its pins, and the number of its hooks.
const PINS: &str = "SIDETONE_TEST_PINS";
const HOOKS: &str = "SIDETONE_TEST_HOOKS";

#[test]
fn audio_goes_on_after_sigkill_and_the_next_process_continues_its_numbers() {
    expect_survival(&TC);
}

#[test]
fn audio_goes_on_in_the_driver_after_sigkill_and_the_next_process_continues_its_numbers() {
    expect_survival(&XDP);
}

fn expect_survival(hooks: &[(&'static str, Hook)]) {
    let Some(mut site) = Site::with_hooks(Family::V4, hooks) else { return };
    let pins = mount_bpffs(&site.gateway).join("legs");
    // The site's own fast path would relay before the child's.
    site.path = start(&site.gateway, &site.at, None, Vec::new()).expect("as before");
    let [party, _to_party, _to_peer, peer] = site.sockets();
    let folder = pins.clone();
    let hooks_of_child = hooks.len().to_string();
    let mut child = site.gateway.run(move || {
        let binary = std::env::current_exe().expect("this binary");
        let mut command = Command::new(binary);
        command.args(["--exact", CHILD, "--ignored", "--nocapture"]).env(PINS, folder);
        command.env(HOOKS, hooks_of_child);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process")
    });
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let given = lines.map_while(Result::ok).any(|line| line.contains("legs are given"));
    assert!(given, "the child ended before it gave the legs");

    let rule = site.rules[0];
    let mut next = 0;
    let mut call = |count: u16| {
        for index in next..next + count {
            let frame = Frame {
                sequence: 500 + index,
                timestamp: 9_000 + u32::from(index) * 160,
                ssrc: rule.ssrc,
                ..Frame::rtp(rule.source, site.at[1])
            };
            party.send_to(&frame.rtp_bytes(), site.at[1]).expect("room");
            peer.recv(&mut [0; 2_048]).unwrap_or_else(|error| panic!("packet {index}: {error}"));
        }
        next += count;
    };
    call(100);
    // SIGKILL, and the kernel has closed all its files.
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
    call(400);

    let next = start(&site.gateway, &site.at, Some(pins), hooks.to_vec()).expect("as before");
    assert_eq!(next.found(), Found::Legs);
    call(100);
    let entry = next.entry(A).expect("a port of the range");
    assert_eq!((entry.take(), entry.figures().packets), (Some(0x1_0000 + 2_100), 600));
    let by_driver = if hooks.len() == XDP.len() { 600 } else { 0 };
    assert_eq!(entry.figures().by_driver, by_driver);
    site.gateway.run(move || next.close().expect("every pin is removed"));
}

/// Gives both legs of the site whose namespace it was started in, and waits for its end.
#[test]
#[ignore = "the process that the test above starts and kills"]
fn the_process_that_is_killed() {
    let pins = std::env::var_os(PINS).map(PathBuf::from).expect("started by the test above");
    let at = addresses(["10.77.1.2", "10.77.1.1", "10.77.2.1", "10.77.2.2"]);
    let config = FastPathConfig {
        addresses: vec![at[1].ip(), at[2].ip()],
        ports: 10_000..=10_099,
        pins: Some(pins),
    };
    let mut path = FastPath::open(&config).expect("the parent may");
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    let index = |name| name_to_index(&socket, name).expect("an interface of the site");
    let is_driven = std::env::var(HOOKS).is_ok_and(|count| count == XDP.len().to_string());
    attach(&mut path, if is_driven { &XDP[..] } else { &TC[..] });
    path.renew(in_a_minute());
    let legs = rules(&at, [index("gwb"), index("gwa")]);
    for (port, rule) in [A, B].into_iter().zip(legs) {
        let link_address = if is_driven { THERE } else { [0; 6] };
        let rule = Rule { link_address, ..rule };
        let entry = path.entry(port).expect("a port of the range");
        entry.give(&rule, &stream(&rule, 500, 9_000)).expect("an idle leg");
    }
    println!("legs are given");
    // Ends when the parent does, if it is not killed before.
    let _ = std::io::stdin().read_line(&mut String::new());
}
