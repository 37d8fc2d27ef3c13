//! A disk that stalls, and one that fills, while many calls record: calls and their audio go on, and whoever
//! gets a recording learns what it lacks.
//!
//! The disks are an ext4 file system in a file, which `fsfreeze` stalls, and a small tmpfs; both are mounted in
//! place of the data folder, so that the store stalls as well. The short form runs with every test. The long one,
//! in `make soak`, has 500 calls: `SIDETONE_SOAK=1 cargo nextest run --release -p gateway stalled_disk`.

use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::application::{Answer, Application, Asked};
use crate::crowd::Crowd;
use crate::gateway::Gateway;
use crate::mounts::{Mount, run};
use crate::rtp::Party;
use crate::sipp::{self, Sipp};
use crate::wait;

/// Calls at once, and the packets that a party may lose of those sent while the machine is busy.
struct Form {
    calls: u16,
    lost_max: u32,
    /// Seconds after which `<Dial>` ends a call: the first still talks when the last has begun and the test has seen
    /// what it wants.
    limit_s: f64,
    /// Seconds for which the disk stalls. A core keeps 204,800 frames for the recorder, and 500 calls make 25,000 a
    /// second.
    stall_s: u32,
    /// Whether the stall is longer than what a core keeps.
    stall_costs: bool,
    /// Of the disk that fills, a few seconds after the last call has begun.
    disk_mib: u32,
    dial: &'static str,
}

const SHORT: Form = Form {
    calls: 50,
    lost_max: 10,
    limit_s: 20.0,
    stall_s: 5,
    stall_costs: false,
    disk_mib: 21,
    dial: "timeLimit=\"20\" record=\"record-from-answer-dual\" recordingStatusCallback=\"/recording\"",
};
const LONG: Form = Form {
    calls: 500,
    lost_max: 50,
    limit_s: 34.0,
    stall_s: 12,
    stall_costs: true,
    disk_mib: 116,
    dial: "timeLimit=\"34\" record=\"record-from-answer-dual\" recordingStatusCallback=\"/recording\"",
};

fn form() -> Form {
    if std::env::var_os("SIDETONE_SOAK").is_some() { LONG } else { SHORT }
}

/// Packet times a second.
const SECOND: u32 = 50;

/// An ext4 file system in a file, in place of the data folder.
struct Disk(Mount);

impl Disk {
    fn ext4(folder: &TempDir) -> Self {
        let image = folder.path().join("image");
        let file = std::fs::File::create(&image).expect("a file");
        file.set_len(1 << 30).expect("a sparse file");
        run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image));
        Self(Mount::data_of(folder, &["-o", "loop"], &image))
    }

    fn freeze(&self) -> Frozen<'_> {
        run(Command::new("fsfreeze").arg("-f").arg(self.0.path()));
        Frozen(self)
    }
}

/// The disk takes nothing until this is dropped: whoever writes, waits.
struct Frozen<'a>(&'a Disk);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("-u").arg(self.0.0.path()).status();
    }
}

/// Calls that are bridged and recorded in two channels.
fn recorded_crowd(gateway: &Gateway, form: &Form) -> Crowd {
    let crowd = Crowd::start_with(gateway, form.calls, form.dial);
    wait::until("every call is recorded", || {
        gateway.metrics().value("recorder_recordings_open") == u64::from(form.calls)
    });
    crowd
}

fn start(folder: &Arc<TempDir>) -> Gateway {
    let ports = 2_400;
    Gateway::start_with_ports_in(
        Arc::clone(folder),
        ports,
        "[recordings]\nfree_disk_min = \"1 MiB\"\n",
    )
}

/// Somebody whose calls have nothing to do with recordings.
struct Bystander(Application);

impl Bystander {
    fn new(gateway: &Gateway) -> Self {
        let application = Application::start(|_| Answer::twiml("<Gather timeout=\"1\"/>"));
        let domain = gateway.domain("other", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        Self(application)
    }

    /// A call is answered, heard and ended.
    fn call(&self, gateway: &Gateway) {
        let party = Party::new();
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
        let call = Sipp::caller(&scenario, party.port()).key("domain", "other.sip.sidetone.test");
        let call = call.start(gateway.sip_udp);
        party.receive().expect("the call is up");
        call.finish().expect_success();
        self.0.wait_for_path("/voice");
    }
}

/// The callbacks of all recordings, which end one after the other, as the calls began.
fn all_told(gateway: &Gateway, crowd: &Crowd, form: &Form) -> Vec<Asked> {
    let is_over = || gateway.metrics().value("recorder_recordings_open") == 0;
    let seconds = (0..form.limit_s as u32).take_while(|_| !is_over());
    seconds.for_each(|_| drop(crowd.pass(SECOND)));
    wait::until("the end of every recording", is_over);
    crowd.application().wait_for_count("/recording", usize::from(form.calls))
}

fn seconds(told: &Asked) -> f64 {
    told.parameter("RecordingDuration").and_then(|text| text.parse().ok()).expect("seconds")
}

#[test]
fn a_disk_that_stalls_costs_audio_of_recordings_and_nothing_else() {
    let form = form();
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    let disk = Disk::ext4(&folder);
    let gateway = start(&folder);
    let bystander = Bystander::new(&gateway);
    let crowd = recorded_crowd(&gateway, &form);
    let before = crowd.pass(SECOND);
    let frozen = disk.freeze();
    bystander.call(&gateway);
    let during = crowd.pass(form.stall_s * SECOND);
    let lost = during.expect_audio_since(&before, form.lost_max);
    drop(frozen);
    let after = crowd.pass(SECOND);
    after.expect_audio_since(&during, form.lost_max);

    let told = all_told(&gateway, &crowd, &form);
    let metrics = gateway.metrics();
    let missing_ms = metrics.value("recorder_missing_ms_total");
    eprintln!("{lost} packets of calls and {missing_ms} ms of recordings are missing");
    let frames_lost = metrics.sum("media_tap_frames_lost_total", "sink=\"recorder\"");
    assert_eq!((missing_ms > 0, frames_lost > 0), (form.stall_costs, form.stall_costs));
    let mut said_ms = 0;
    for recording in &told {
        // Silence in place of what is missing: both channels stay as long as the call.
        assert_eq!(recording.parameter("RecordingStatus"), Some("completed"));
        assert!((seconds(recording) - form.limit_s).abs() <= 2.0, "{recording:?}");
        let call = recording.parameter("CallSid").expect("a SID");
        said_ms += lacks(&gateway, call);
    }
    assert_eq!(said_ms, missing_ms, "each timeline says what its recording lacks");
}

/// Milliseconds that the timeline of a call says its recording lacks.
fn lacks(gateway: &Gateway, call: &str) -> u64 {
    let timeline = wait::found("timeline", || {
        let reply = gateway.fetch(&format!("Calls/{call}/Timeline.json"));
        if reply.status == 200 { Ok(reply) } else { Err(reply.status.to_string()) }
    });
    let text = String::from_utf8_lossy(&timeline.body).into_owned();
    let found = text.split(" lacks ").nth(1).and_then(|rest| rest.split(' ').next());
    found.map_or(0, |number| number.parse().expect("milliseconds"))
}

#[test]
fn a_disk_that_fills_ends_recordings_early_and_says_so() {
    let form = form();
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    // The store takes 12 MiB of it; each second of a call 16 kB.
    let _disk = Mount::tmpfs(&folder, form.disk_mib);
    let gateway = start(&folder);
    let bystander = Bystander::new(&gateway);
    let crowd = recorded_crowd(&gateway, &form);
    let before = crowd.pass(SECOND);
    gateway.wait_for_log("recording cannot be written");
    let during = crowd.pass(SECOND);
    during.expect_audio_since(&before, form.lost_max);
    bystander.call(&gateway);

    let told = all_told(&gateway, &crowd, &form);
    let cut: Vec<&Asked> =
        told.iter().filter(|told| told.parameter("ErrorCode") != Some("0")).collect();
    assert!(!cut.is_empty());
    for recording in &cut {
        assert_eq!(recording.parameter("ErrorCode"), Some("12400"));
        if recording.parameter("RecordingStatus") == Some("failed") {
            continue;
        }
        assert!(seconds(recording) < form.limit_s - 2.0, "{recording:?}");
        let sid = recording.parameter("RecordingSid").expect("a SID");
        let row = gateway.fetch(&format!("Recordings/{sid}.json")).json();
        assert_eq!(
            (row["status"].as_str(), row["error_code"].as_u64()),
            (Some("completed"), Some(12400))
        );
        let audio = gateway.fetch(&format!("Recordings/{sid}.wav?RequestedChannels=2"));
        let length = (audio.body.len() - 44) as f64 / 32_000.0;
        assert!((length - seconds(recording)).abs() <= 1.0, "{length} s of {recording:?}");
    }
    assert!(gateway.metrics().value("recorder_missing_ms_total") > 0);
}
