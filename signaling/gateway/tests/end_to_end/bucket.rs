//! Recordings in a bucket: the S3 service of moto, as it is, and behind a link that breaks in several ways.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::application::{Answer, Application};
use crate::gateway::{ACCOUNT, Gateway, TOKEN};
use crate::program::Program;
use crate::rest::{Reply, request};
use crate::rtp::{Party, Stream, sound};
use crate::sdk;
use crate::sealed_recordings::KeyPair;
use crate::sipp::{self, Sipp};
use crate::wait;

/// The service, in a process of its own; everything is in its memory.
struct Moto {
    address: SocketAddr,
    _process: Program,
}

impl Moto {
    fn start() -> Self {
        Self::start_at(sipp::free_port())
    }

    fn start_at(port: u16) -> Self {
        let mut command = Command::new(sdk::program("python"));
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let mut process = Program::start_logging(&mut command);
        process.wait_for("Running on");
        Self { address: SocketAddr::from(([127, 0, 0, 1], port)), _process: process }
    }

    fn with_bucket() -> Self {
        let moto = Self::start();
        moto.make_bucket();
        moto
    }

    fn make_bucket(&self) {
        assert_eq!(self.ask("PUT", "/calls").0, 200);
    }

    /// Status and body.
    fn ask(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nContent-Length: 0\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=key/20300101/us-east-1/s3/aws4_request\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).expect("written");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let status = String::from_utf8_lossy(&answer[9..12]).parse().expect("a status");
        (status, answer.split_off(end + 4))
    }

    fn object(&self, recording: &str) -> Option<Vec<u8>> {
        let (status, body) = self.ask("GET", &format!("/calls/tenant/{ACCOUNT}/{recording}.wav"));
        (status == 200).then_some(body)
    }

    /// The object of a recording, as soon as it is there.
    fn wait_for(&self, recording: &str) -> Vec<u8> {
        wait::found("object", || self.object(recording).ok_or_else(|| "none".to_owned()))
    }
}

/// What a link does to one upload.
enum Fault {
    /// Closes in the middle of the body.
    Cut,
    /// Changes one byte of the body.
    Flip,
    /// Holds everything until the test lets go.
    Hold(Receiver<()>),
}

/// A link between gateway and service.
struct Link {
    address: SocketAddr,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    uploads: Receiver<()>,
}

impl Link {
    fn to(service: SocketAddr, faults: impl IntoIterator<Item = Fault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let faults = Arc::new(Mutex::new(faults.into_iter().collect::<VecDeque<_>>()));
        let (sender, uploads) = channel();
        let of_link = Arc::clone(&faults);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (faults, uploads) = (Arc::clone(&of_link), sender.clone());
                std::thread::spawn(move || carry(stream, service, &faults, &uploads));
            }
        });
        Self { address, faults, uploads }
    }

    /// An upload has begun.
    fn wait_for_upload(&self) {
        self.uploads.recv_timeout(std::time::Duration::from_secs(20)).expect("an upload");
    }
}

fn carry(
    mut near: TcpStream,
    service: SocketAddr,
    faults: &Mutex<VecDeque<Fault>>,
    uploads: &Sender<()>,
) -> Option<()> {
    let mut bytes = Vec::new();
    let end = loop {
        let mut part = [0; 4_096];
        let count = near.read(&mut part).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        // Some of the body, too.
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end.filter(|end| !bytes.starts_with(b"PUT") || bytes.len() > end + 8) {
            break end + 4;
        }
    };
    if bytes.starts_with(b"PUT") {
        let fault = faults.lock().expect("not poisoned").pop_front();
        let _ = uploads.send(());
        match fault {
            Some(Fault::Cut) => return None,
            Some(Fault::Flip) => bytes[end] ^= 1,
            Some(Fault::Hold(released)) => drop(released.recv()),
            None => {}
        }
    }
    let mut far = TcpStream::connect(service).ok()?;
    far.write_all(&bytes).ok()?;
    let (mut back_from, mut back_to) = (far.try_clone().ok()?, near.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back_from, &mut back_to);
        let _ = back_to.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut near, &mut far);
    let _ = far.shutdown(Shutdown::Both);
    Some(())
}

struct House {
    gateway: Gateway,
    application: Application,
    party: Party,
    recorded: usize,
}

/// `[recordings]` for a service.
fn settings(folder: &TempDir, service: SocketAddr, more: &str) -> String {
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "secret\n").expect("writable");
    format!(
        "[recordings]\ns3_bucket = \"calls\"\ns3_endpoint = \"http://{service}\"\ns3_prefix = \"tenant\"\n\
         s3_access_key = \"key\"\ns3_secret_file = {secret:?}\n{more}"
    )
}

impl House {
    fn new(service: SocketAddr, more: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let text = settings(&folder, service, more);
        let application = Application::start(|asked| match asked.path.as_str() {
            "/voice" => Answer::twiml(
                "<Start><Recording recordingStatusCallback=\"/recording\"/></Start><Gather timeout=\"1\"/>",
            ),
            _ => Answer::twiml(""),
        });
        let gateway = Gateway::start_in(folder, &text);
        let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        Self { gateway, application, party: Party::new(), recorded: 0 }
    }

    /// A call of a second that is recorded; the SID of the recording, which can be fetched.
    fn record(&mut self) -> String {
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
        let call = Sipp::caller(&scenario, self.party.port()).start(self.gateway.sip_udp);
        let (_, to) = self.party.receive().expect("the call is up");
        Stream::new(7).say(&self.party, to, sound(40));
        call.finish().expect_success();
        self.recorded += 1;
        let told = self.application.wait_for_count("/recording", self.recorded);
        let told = told.last().expect("as many");
        assert_eq!(told.parameter("RecordingStatus"), Some("completed"));
        told.parameter("RecordingSid").expect("a SID").to_owned()
    }

    fn file(&self, recording: &str, ending: &str) -> PathBuf {
        file(&self.gateway, recording, ending)
    }

    fn audio(&self, recording: &str) -> Reply {
        audio(&self.gateway, recording)
    }
}

/// The audio in both channels, as the bucket keeps it.
fn audio(gateway: &Gateway, recording: &str) -> Reply {
    gateway.fetch(&format!("Recordings/{recording}.wav?RequestedChannels=2"))
}

fn file(gateway: &Gateway, recording: &str, ending: &str) -> PathBuf {
    let name = format!("data/recordings/{ACCOUNT}/{recording}.{ending}");
    gateway.folder.path().join(name)
}

fn delete(gateway: &Gateway, recording: &str) -> u16 {
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Recordings/{recording}.json");
    request(gateway, "DELETE", &path, &[]).status
}

#[test]
fn a_recording_moves_to_the_bucket_and_its_url_works_as_before_until_it_is_deleted() {
    let moto = Moto::with_bucket();
    let mut house = House::new(moto.address, "s3_keep_local = false\n");
    let recording = house.record();
    let object = moto.wait_for(&recording);
    wait::until("the file is gone", || !house.file(&recording, "wav").exists());
    assert!(crate::wav::loud(&crate::wav::samples(&object)) > 1_000, "what was said");

    let reply = house.audio(&recording);
    assert!(reply.status == 200 && reply.body == object, "{} as it is", reply.status);
    let mixed = house.gateway.fetch(&format!("Recordings/{recording}"));
    assert_eq!(mixed.body.len(), 44 + (object.len() - 44) / 2, "mixed into one channel");
    let body = format!(
        "import requests\n\
         base = 'http://{}/2010-04-01/Accounts/{ACCOUNT}/Recordings/{recording}'\n\
         assert client.recordings('{recording}').fetch().media_url == base\n\
         login = ('{ACCOUNT}', '{TOKEN}')\n\
         part = requests.get(base, auth=login, headers={{'Range': 'bytes=1000-1099'}})\n\
         assert part.status_code == 206, part.text\n\
         whole = requests.get(base, auth=login).content\n\
         assert part.content == whole[1000:1100]\n\
         mp3 = requests.get(base + '.mp3', auth=login)\n\
         assert (mp3.status_code, mp3.headers['Content-Type']) == (200, 'audio/mpeg'), mp3.text\n\
         assert client.recordings('{recording}').delete()\n\
         assert requests.get(base, auth=login).status_code == 404\n",
        house.gateway.http
    );
    sdk::python(&house.gateway, &body);
    wait::until("the object is gone", || moto.object(&recording).is_none());
    let left = std::fs::read_dir(house.file(&recording, "wav").parent().expect("a folder"));
    assert_eq!(left.expect("readable").count(), 0, "no file of it is left");
}

#[test]
fn the_bucket_gets_the_sealed_bytes_and_readers_get_them_from_there() {
    let (moto, pair) = (Moto::with_bucket(), KeyPair::new());
    let more = format!("s3_keep_local = false\n{}", pair.setting());
    let mut house = House::new(moto.address, &more);
    let recording = house.record();
    let object = moto.wait_for(&recording);
    wait::until("the file is gone", || !house.file(&recording, "sealed").exists());
    assert!(!house.file(&recording, "key").exists(), "nor what belongs to it");
    let reply = house.gateway.fetch(&format!("Recordings/{recording}"));
    assert!(reply.status == 200 && reply.body == object, "{} as it is", reply.status);
    let plain = pair.open(&house.gateway, &recording);
    assert_eq!(plain.len() + 16, object.len());
    assert!(crate::wav::loud(&crate::wav::samples(&plain)) > 1_000, "what was said");
}

#[test]
fn an_upload_that_breaks_or_arrives_changed_is_done_again_and_the_file_stays() {
    let moto = Moto::with_bucket();
    let link = Link::to(moto.address, [Fault::Cut, Fault::Flip]);
    let mut house = House::new(link.address, "");
    let recording = house.record();
    let metrics = house.gateway.metrics_when("stored", |metrics| {
        metrics.value("storage_requests_total{result=\"stored\"}") == 1
    });
    for result in ["unanswered", "damaged"] {
        let name = format!("storage_requests_total{{result=\"{result}\"}}");
        assert_eq!(metrics.value(&name), 1, "{result}");
    }
    assert!(link.faults.lock().expect("not poisoned").is_empty());
    house.gateway.wait_for_log("the bucket takes recordings again");
    assert!(moto.wait_for(&recording) == house.audio(&recording).body, "every byte");
    assert!(house.file(&recording, "wav").exists(), "kept by default");
    let row = house.gateway.fetch(&format!("Recordings/{recording}.json"));
    assert!(row.json()["error_code"].is_null(), "{}", row.json());
}

#[test]
fn while_the_bucket_is_slow_calls_and_readers_go_on_and_a_deletion_takes_back_what_is_under_way() {
    let moto = Moto::with_bucket();
    let (release, held) = channel();
    let link = Link::to(moto.address, [Fault::Hold(held)]);
    let mut house = House::new(link.address, "s3_keep_local = false\n");
    let first = house.record();
    link.wait_for_upload();
    assert_eq!(house.audio(&first).status, 200, "from here");
    let second = house.record();
    moto.wait_for(&second);
    assert!(moto.object(&first).is_none(), "its upload is held");
    assert_eq!(delete(&house.gateway, &first), 204);
    assert_eq!(house.audio(&first).status, 404);
    release.send(()).expect("held");
    house.gateway.metrics_when("the object was deleted", |metrics| {
        metrics.value("storage_requests_total{result=\"deleted\"}") == 1
    });
    assert!(moto.object(&first).is_none());
    assert_eq!(house.audio(&second).status, 200);
}

#[test]
fn after_ten_tries_the_recording_and_the_account_are_told_and_the_next_try_takes_it_back() {
    let moto = Moto::start();
    // Ten tries in half a second, then one each 3.6 s.
    let mut house = House::new(moto.address, "s3_wait_ms = 1\n");
    let recording = house.record();
    let metrics = house
        .gateway
        .metrics_when("given up", |metrics| metrics.value("storage_uploads_given_up_total") == 1);
    assert!(metrics.value("storage_requests_total{result=\"refused\"}") >= 10);
    house.gateway.wait_for_log("its upload is tried once an hour now");
    let error_code = || {
        let row = house.gateway.fetch(&format!("Recordings/{recording}.json")).json();
        assert_eq!(row["status"], "completed", "the recording itself is whole");
        row["error_code"].clone()
    };
    wait::until("the code of the recording", || error_code().is_u64());
    let code = error_code().to_string();
    let alert = wait::found("alert", || {
        let notes = house.gateway.fetch("Notifications.json").json();
        let notes = notes["notifications"].as_array().expect("a list").clone();
        let about = |note: &&serde_json::Value| {
            note["error_code"].as_str() == Some(code.as_str())
                && note["message_text"].as_str().is_some_and(|text| text.contains(&recording))
        };
        notes.iter().find(about).cloned().ok_or_else(|| format!("{notes:?}"))
    });
    assert!(alert.to_string().contains("is not in the bucket"), "{alert}");
    assert_eq!(house.audio(&recording).status, 200, "from here");

    moto.make_bucket();
    assert!(moto.wait_for(&recording) == house.audio(&recording).body, "every byte");
    wait::until("the code is gone", || error_code().is_null());
    assert_eq!(house.gateway.metrics().value("storage_orders_waiting"), 0);
}

#[test]
fn a_bucket_that_refuses_or_is_down_gets_everything_after_a_restart() {
    let moto = Moto::start();
    let mut house = House::new(moto.address, "s3_keep_local = false\n");
    let refused = house.record();
    house.gateway.wait_for_log("the bucket refuses with 404 Not Found NoSuchBucket");
    assert_eq!(house.audio(&refused).status, 200, "from here");
    let address = moto.address;
    drop(moto);
    let waiting = house.record();
    house.gateway.metrics_when("no answer", |metrics| {
        metrics.value("storage_requests_total{result=\"unanswered\"}") >= 1
    });

    let folder = house.gateway.kill();
    // As after ten tries, which take minutes.
    let order =
        |ending: &str| folder.path().join(format!("data/uploads/{ACCOUNT}.{refused}.{ending}"));
    std::fs::rename(order("put"), order("failed")).expect("an order");
    let moto = Moto::start_at(address.port());
    moto.make_bucket();
    let text = settings(&folder, address, "s3_keep_local = false\n");
    let gateway = Gateway::start_in(folder, &text);
    for recording in [&refused, &waiting] {
        let object = moto.wait_for(recording);
        wait::until("the file is gone", || !file(&gateway, recording, "wav").exists());
        assert!(audio(&gateway, recording).body == object, "every byte");
    }
    let metrics =
        gateway.metrics_when("no order", |metrics| metrics.value("storage_orders_waiting") == 0);
    assert_eq!(metrics.value("storage_requests_total{result=\"stored\"}"), 2);
}
