//! The zone that `sidetone dns` prints: BIND checks it, Knot serves it, phones find the gateway by it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::gateway::{Gateway, binary};
use crate::phone::Baresip;
use crate::program::Program;
use crate::sipp;

/// The output of `sidetone dns` for the settings and the data of a gateway.
fn print_zone(gateway: &Gateway) -> PathBuf {
    let folder = gateway.folder.path();
    let mut command = Command::new(binary());
    command.args(["dns", "--config"]).arg(folder.join("sidetone.toml"));
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = folder.join("sidetone.test.zone");
    std::fs::write(&path, output.stdout).expect("writable");
    path
}

/// Knot with one zone.
struct Knot {
    address: SocketAddr,
    _program: Program,
}

impl Knot {
    fn start(folder: &Path, zone: &Path) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], sipp::free_port()));
        let storage = folder.join("knot");
        std::fs::create_dir(&storage).expect("writable");
        let text = format!(
            "server:\n  listen: 127.0.0.1@{}\n  rundir: {storage:?}\n\
             database:\n  storage: {storage:?}\n\
             template:\n  - id: default\n    storage: {storage:?}\n    journal-content: none\n    semantic-checks: on\n\
             zone:\n  - domain: sidetone.test\n    file: {zone:?}\n\
             log:\n  - target: stderr\n    any: info\n",
            address.port()
        );
        let file = storage.join("knot.conf");
        std::fs::write(&file, text).expect("writable");
        let mut command = Command::new("/usr/sbin/knotd");
        let mut program = Program::start_logging(command.arg("-c").arg(&file));
        program.wait_for("server started");
        Self { address, _program: program }
    }
}

#[test]
fn the_zone_is_loaded_by_name_servers_and_phones_find_the_gateway_by_srv_alone() {
    let (port, tls_port) = (sipp::free_port(), sipp::free_port());
    let (edge_port, edge_tls_port) = (sipp::free_port(), sipp::free_port());
    let edge = format!(
        "[edges.frankfurt]\nlisten = [\"127.0.0.2:{edge_port}\"]\ntls = [\"127.0.0.2:{edge_tls_port}\"]\n"
    );
    let gateway = Gateway::start_at(port, tls_port, &edge);
    let domain =
        gateway.domain_to_register("http://127.0.0.1:9/voice", &["bob", "carol", "dora", "erin"]);
    let zone = print_zone(&gateway);
    let checked = Command::new("named-checkzone").arg("sidetone.test").arg(&zone).output();
    let checked = checked.expect("BIND's zone checker is installed (make clients)");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.contains("OK"), "{said}");
    for word in ["warning", "ignoring", "error"] {
        assert!(!said.contains(word), "{said}");
    }

    let knot = Knot::start(gateway.folder.path(), &zone);
    let phones: Vec<Program> = [
        ("alice", "udp", "desk.sip.sidetone.test"),
        ("bob", "tcp", "desk.sip.sidetone.test"),
        ("carol", "tls", "desk.sip.sidetone.test"),
        ("dora", "tls", "desk.sip.de1.sidetone.test"),
        ("erin", "udp", "desk.sip.frankfurt.sidetone.test"),
    ]
    .into_iter()
    .map(|(user, transport, host)| baresip(&gateway, &knot, user, transport, host))
    .collect();
    let rows = gateway.wait_registered(&domain, phones.len());
    let mut ways: Vec<String> = rows
        .iter()
        .map(|row| {
            let of = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            [of("username"), of("transport"), of("edge")].join(" ")
        })
        .collect();
    ways.sort();
    let expected = [
        "alice udp ashburn",
        "bob tcp ashburn",
        "carol tls ashburn",
        "dora tls frankfurt",
        "erin udp frankfurt",
    ];
    assert_eq!(ways, expected);
}

/// baresip with that name server and nothing else to go by: no port, no proxy. A URI that names its
/// transport it looks up by SRV records alone.
fn baresip(gateway: &Gateway, knot: &Knot, user: &str, transport: &str, host: &str) -> Program {
    let folder = gateway.folder.path().join(user);
    std::fs::create_dir(&folder).expect("writable");
    let address = format!("sip:{user}@{host};transport={transport}");
    let baresip = Baresip::new(&folder, user, address).account(";regint=3600");
    baresip.trusting(gateway).config(format!("dns_server {}", knot.address)).start(20)
}
