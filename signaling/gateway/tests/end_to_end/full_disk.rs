//! A disk that is full: a small tmpfs that the test mounts (as root, as CI runs) and fills.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::mounts::Mount;
use crate::rtp::Party;
use crate::sipp::{self, Running, Sipp};

/// A tmpfs in place of the data folder.
struct SmallDisk(Mount);

impl SmallDisk {
    fn mount(folder: &TempDir) -> Self {
        Self(Mount::tmpfs(folder, 32))
    }

    /// Takes every byte that is left.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).expect("a file");
        while file.write_all(&[1; 4_096]).is_ok() {}
    }

    /// Gives some bytes back.
    fn spare(&self, bytes: u64) {
        let file =
            std::fs::OpenOptions::new().write(true).open(self.filler()).expect("it was filled");
        let length = file.metadata().expect("readable").len();
        file.set_len(length - bytes).expect("shorter");
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).expect("it was filled");
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }
}

struct House {
    gateway: Gateway,
    application: Application,
    party: Party,
}

impl House {
    fn new(folder: &Arc<TempDir>) -> Self {
        let gateway = Gateway::start_in(Arc::clone(folder), "");
        let application = Application::start(|_| Answer::twiml("<Pause length=\"2\"/><Hangup/>"));
        let fields = [
            ("VoiceUrl", application.url("/voice")),
            ("VoiceStatusCallbackUrl", application.url("/status")),
        ];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let domain = gateway.domain("desk", &fields);
        gateway.allow_address(&domain, "127.0.0.1");
        Self { gateway, application, party: Party::new() }
    }

    fn call(&self) -> Running {
        Sipp::caller(&(sipp::invite("") + &sipp::answered() + &sipp::hung_up()), self.party.port())
            .start(self.gateway.sip_udp)
    }

    /// A call whose status callback came, other than `before`.
    fn ended(&self, before: Option<&str>) -> String {
        let sid = |asked: &Asked| asked.parameter("CallSid").expect("a SID").to_owned();
        let is_new = |asked: &Asked| asked.path == "/status" && Some(sid(asked).as_str()) != before;
        sid(&self.application.wait_for("the status callback", is_new))
    }
}

/// Status of a call, and whether it has an end.
fn status_of(gateway: &Gateway, sid: &str) -> (String, bool) {
    let call = gateway.fetch(&format!("Calls/{sid}.json"));
    (call.text("status"), call.json()["end_time"].is_string())
}

fn completed() -> (String, bool) {
    ("completed".to_owned(), true)
}

#[test]
fn calls_that_end_while_the_disk_is_full_have_ended_for_every_reader_and_after_a_kill() {
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    let disk = SmallDisk::mount(&folder);
    let house = House::new(&folder);
    let running = house.call();
    house.application.wait_for_path("/voice");
    disk.fill();
    let refused = house.gateway.post("SIP/CredentialLists.json", &[("FriendlyName", "x")]);
    assert_eq!(refused.status, 503, "the disk is full");

    running.finish().expect_success();
    let first = house.ended(None);
    assert_eq!(status_of(&house.gateway, &first), completed());
    // Made and ended while nothing can be written.
    house.call().finish().expect_success();
    let second = house.ended(Some(&first));
    assert_eq!(status_of(&house.gateway, &second), completed());
    let listed = house.gateway.fetch("Calls.json?Status=completed").json();
    assert_eq!(listed["calls"].as_array().map(Vec::len), Some(2), "{listed}");
    let events = house.gateway.fetch(&format!("Calls/{second}/Events.json")).json();
    assert!(!events["events"].as_array().expect("a list").is_empty(), "{events}");
    assert!(house.gateway.metrics().value("store_history_waiting_bytes") > 0);
    house.gateway.wait_for_log("the store cannot write");

    let House { gateway, .. } = house;
    let folder = gateway.kill();
    disk.free();
    let gateway = Gateway::start_in(folder, "");
    assert_eq!(status_of(&gateway, &first), completed());
    assert_eq!(status_of(&gateway, &second), completed());
    let notes = gateway.fetch("Notifications.json").json();
    assert_eq!(notes["notifications"], Value::Array(Vec::new()), "nothing was lost");
}

#[test]
fn history_is_written_when_space_returns() {
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    let disk = SmallDisk::mount(&folder);
    let house = House::new(&folder);
    disk.fill();
    house.call().finish().expect_success();
    let sid = house.ended(None);
    house.gateway.wait_for_log("the store cannot write");
    disk.free();
    house.gateway.wait_for_log("the store writes again");
    assert_eq!(status_of(&house.gateway, &sid), completed());
    house.gateway.create("SIP/CredentialLists.json", &[("FriendlyName", "x")]);
    assert_eq!(house.gateway.metrics().value("store_history_waiting_bytes"), 0);
    // On disk, in the main file alone: a clean exit leaves a copy of it whole.
    let House { gateway, .. } = house;
    let (status, _) = gateway.terminate();
    assert!(status.success(), "{status}");
    let copy = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    std::fs::create_dir(copy.path().join("data")).expect("a new folder");
    for name in ["sidetone.db", "key"] {
        let to = copy.path().join("data").join(name);
        std::fs::copy(disk.0.path().join(name), to).expect("copied");
    }
    let gateway = Gateway::start_in(copy, "");
    assert_eq!(status_of(&gateway, &sid), completed());
}

#[test]
fn a_first_start_on_a_full_disk_says_what_to_do_and_leaves_a_folder_for_the_next_start() {
    // Room for nothing, then for a few small files and not for the store.
    for spare in [0, 64 * 1024] {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let disk = SmallDisk::mount(&folder);
        disk.fill();
        disk.spare(spare);
        let said = Gateway::start_refused_in(&folder);
        let last = said.lines().last().unwrap_or_default();
        assert!(
            last.contains("The disk has no room") && last.contains("--data"),
            "{spare}: {said}"
        );
        assert!(last.contains(&disk.0.path().display().to_string()), "{spare}: {said}");
        disk.free();
        let gateway = Gateway::start_in(folder, "");
        gateway.create("SIP/CredentialLists.json", &[("FriendlyName", "x")]);
    }
}
