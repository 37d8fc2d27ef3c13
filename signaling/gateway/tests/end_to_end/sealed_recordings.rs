//! Recordings encrypted with a public key, opened by a library that we did not write: `cryptography` of PyPI.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::application::{Answer, Application};
use crate::gateway::{ACCOUNT, Gateway, TOKEN};
use crate::rtp::{Party, Stream, sound};
use crate::sdk;
use crate::sipp::{self, Sipp};
use crate::wav;

/// An RSA key of OpenSSL, in two files.
pub struct KeyPair {
    folder: TempDir,
}

impl KeyPair {
    pub fn new() -> Self {
        let pair = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let openssl = |words: &[&str]| {
            let mut command = Command::new("openssl");
            let status = command.args(words).current_dir(pair.folder.path()).output();
            assert!(status.expect("openssl is installed").status.success(), "{words:?}");
        };
        openssl(&["genrsa", "-out", "private_key.pem", "2048"]);
        openssl(&["rsa", "-in", "private_key.pem", "-pubout", "-out", "public_key.pem"]);
        pair
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A line of `[recordings]`.
    pub fn setting(&self) -> String {
        format!("encryption_key_file = {:?}\n", self.file("public_key.pem"))
    }

    /// The audio of a recording as its customer gets it: fetched, opened by the private key, checked as WAV.
    pub fn open(&self, gateway: &Gateway, recording: &str) -> Vec<u8> {
        let opened = self.file("opened.wav");
        let body = format!(
            "import base64, io, requests, wave\n\
             from cryptography.hazmat.primitives import hashes, serialization\n\
             from cryptography.hazmat.primitives.asymmetric import padding\n\
             from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes\n\
             row = client.recordings('{recording}').fetch()\n\
             details = row.encryption_details\n\
             assert sorted(details) == ['encrypted_cek', 'iv', 'public_key_sid', 'type'], details\n\
             assert details['type'] == 'rsa-aes' and details['public_key_sid'].startswith('CR'), details\n\
             sealed = requests.get(row.media_url, auth=('{ACCOUNT}', '{TOKEN}'))\n\
             assert sealed.headers['Content-Type'] == 'application/octet-stream', sealed.headers\n\
             part = requests.get(row.media_url, auth=('{ACCOUNT}', '{TOKEN}'), headers={{'Range': 'bytes=100-199'}})\n\
             assert part.status_code == 206 and part.content == sealed.content[100:200]\n\
             private = serialization.load_pem_private_key(open('{}', 'rb').read(), None)\n\
             oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)\n\
             key = private.decrypt(base64.b64decode(details['encrypted_cek']), oaep)\n\
             iv = base64.b64decode(details['iv'])\n\
             cipher = Cipher(algorithms.AES(key), modes.GCM(iv, sealed.content[-16:])).decryptor()\n\
             plain = cipher.update(sealed.content[:-16]) + cipher.finalize()\n\
             audio = wave.open(io.BytesIO(plain))\n\
             assert (audio.getframerate(), audio.getsampwidth()) == (8000, 2)\n\
             assert audio.getnchannels() == row.channels\n\
             assert len(audio.readframes(10 ** 9)) == len(plain) - 44\n\
             open('{}', 'wb').write(plain)\n\
             mp3 = requests.get(row.media_url + '.mp3', auth=('{ACCOUNT}', '{TOKEN}'))\n\
             assert mp3.status_code == 406 and 'encrypted with a public key' in mp3.text, mp3.text\n",
            self.file("private_key.pem").display(),
            opened.display()
        );
        sdk::python(gateway, &body);
        std::fs::read(opened).expect("written")
    }
}

struct House {
    gateway: Gateway,
    application: Application,
    party: Party,
}

impl House {
    fn new(settings: &str) -> Self {
        let application = Application::start(|asked| match asked.path.as_str() {
            "/voice" => Answer::twiml(
                "<Record maxLength=\"2\" trim=\"do-not-trim\" playBeep=\"false\" \
                 recordingStatusCallback=\"/recording\" action=\"/after\"/>",
            ),
            _ => Answer::twiml(""),
        });
        let gateway = Gateway::start(settings);
        let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        Self { gateway, application, party: Party::new() }
    }

    /// A message of two seconds; its SID and the details in its callback.
    fn record(&self) -> (String, Option<String>) {
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
        let call = Sipp::caller(&scenario, self.party.port()).start(self.gateway.sip_udp);
        let (_, to) = self.party.receive().expect("the call is up");
        Stream::new(7).say(&self.party, to, sound(110));
        call.finish().expect_success();
        let told = self.application.wait_for_path("/recording");
        assert_eq!(told.parameter("RecordingStatus"), Some("completed"));
        let sid = told.parameter("RecordingSid").expect("a SID").to_owned();
        (sid, told.parameter("EncryptionDetails").map(str::to_owned))
    }
}

/// Endings of the files of recordings.
fn endings(folder: &TempDir) -> Vec<String> {
    let folder = folder.path().join(format!("data/recordings/{ACCOUNT}"));
    let entries = std::fs::read_dir(folder).expect("a folder of recordings");
    let names = entries.map(|entry| entry.expect("readable").file_name().into_string());
    let names = names.map(|name| name.expect("UTF-8"));
    let mut endings: Vec<String> =
        names.map(|name| name.split_once('.').expect("an ending").1.to_owned()).collect();
    endings.sort();
    endings
}

#[test]
fn a_recording_opens_with_the_private_key_alone_and_has_the_length_of_its_twin_in_the_clear() {
    let pair = KeyPair::new();
    let sealed = House::new(&format!("[recordings]\n{}", pair.setting()));
    let (recording, told) = sealed.record();
    let plain = pair.open(&sealed.gateway, &recording);
    assert!(wav::loud(&wav::samples(&plain)) > 8_000, "what was said");
    assert_eq!(endings(&sealed.gateway.folder), ["key", "sealed"]);
    let row = sealed.gateway.fetch(&format!("Recordings/{recording}.json")).json();
    let told: serde_json::Value = serde_json::from_str(&told.expect("details")).expect("JSON");
    assert_eq!(row["encryption_details"], told, "the callback says what the resource says");

    let clear = House::new("");
    let (twin, told) = clear.record();
    assert_eq!(told, None);
    let row = clear.gateway.fetch(&format!("Recordings/{twin}.json")).json();
    assert!(row["encryption_details"].is_null(), "{row}");
    let twin = clear.gateway.fetch(&format!("Recordings/{twin}"));
    assert_eq!(twin.body.len(), plain.len(), "two seconds each");
    assert_eq!(twin.body[..44], plain[..44], "and one header");

    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Recordings/{recording}.json");
    assert_eq!(crate::rest::request(&sealed.gateway, "DELETE", &path, &[]).status, 204);
    assert_eq!(endings(&sealed.gateway.folder), Vec::<String>::new());
}

#[test]
fn a_kill_in_the_middle_of_a_recording_leaves_nothing_in_the_clear_after_the_next_start() {
    let pair = KeyPair::new();
    let settings = format!("[recordings]\n{}", pair.setting());
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml("<Start><Recording/></Start><Gather timeout=\"60\"/>"),
        _ => Answer::twiml(""),
    });
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    let gateway = Gateway::start_in(folder, &settings);
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let call = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
    let (_, to) = party.receive().expect("the call is up");
    Stream::new(7).say(&party, to, sound(120));
    let folder = gateway.kill();
    drop(call);
    assert_eq!(endings(&folder), ["wav.part"]);

    let gateway = Gateway::start_in(folder, &settings);
    assert_eq!(endings(&gateway.folder), ["key", "sealed"]);
    let rows = gateway.fetch("Recordings.json").json();
    let row = &rows["recordings"][0];
    assert_eq!(row["status"], "completed", "{row}");
    let plain = pair.open(&gateway, row["sid"].as_str().expect("a SID"));
    assert!(wav::loud(&wav::samples(&plain)) > 4_000, "what was said");
}
