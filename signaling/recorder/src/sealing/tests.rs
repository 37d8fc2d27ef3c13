//! Sealing, kills in its middle, and what the private key opens.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::config::{Config, Layers, Recordings};

use super::*;
use crate::{Kept, Library, Rendition, recover, wav};

const OF: (AccountSid, RecordingSid) = (AccountSid(1), RecordingSid(7));

/// Both halves of a key, and the file of the public one.
pub(crate) struct Pair {
    private: OaepPrivateDecryptingKey,
    pub(crate) public: Arc<SealingKey>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), pem(&private).as_bytes(), "");
        let public = Arc::new(SealingKey::read(&settings).unwrap().unwrap());
        Self { private: OaepPrivateDecryptingKey::new(private).unwrap(), public }
    }

    /// What was sealed.
    pub(crate) fn open(&self, details: &EncryptionDetails, mut sealed: Vec<u8>) -> Vec<u8> {
        assert_eq!(details.public_key, self.public.sid());
        let wrapped = STANDARD.decode(&details.encrypted_cek).unwrap();
        let mut key = vec![0; self.private.min_output_size()];
        let key = self.private.decrypt(&OAEP_SHA256_MGF1SHA256, &wrapped, &mut key, None).unwrap();
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
        let iv = STANDARD.decode(&details.iv).unwrap();
        let nonce = Nonce::try_assume_unique_for_key(&iv).unwrap();
        key.open_in_place(nonce, Aad::empty(), &mut sealed).unwrap().to_vec()
    }
}

fn pem(private: &PrivateDecryptingKey) -> String {
    let der: PublicKeyX509Der<'_> = private.public_key().as_der().unwrap();
    let text = STANDARD.encode(der.as_ref());
    let lines: Vec<&str> =
        (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

fn settings(folder: &Path, pem: &[u8], sid: &str) -> Recordings {
    let path = folder.join("public_key.pem");
    fs::write(&path, pem).unwrap();
    Recordings { encryption_key_file: path, encryption_key_sid: sid.to_owned(), ..defaults() }
}

/// A recording that a kill left behind, and the WAV file that its readers would get.
fn interrupted(root: &Path, bytes: usize) -> (PathBuf, Vec<u8>) {
    let unfinished = crate::path(root, OF.0, OF.1).with_extension("wav.part");
    fs::create_dir_all(unfinished.parent().unwrap()).unwrap();
    let codes: Vec<u8> = (0..bytes).map(|at| ((at * 7) >> 4) as u8).collect();
    let mut file = File::create(&unfinished).unwrap();
    file.write_all(&wav::mulaw_header(2, bytes as u64)).unwrap();
    file.write_all(&codes).unwrap();
    let audio = RecordedAudio::open(&unfinished, true).unwrap().unwrap();
    let wav = LinearWav::new(audio);
    let mut whole = Vec::new();
    while (whole.len() as u64) < wav.length() {
        whole.extend(wav.read(whole.len() as u64, wav.length()).unwrap());
    }
    (unfinished, whole)
}

fn files(root: &Path) -> Vec<String> {
    let folder = root.join(OF.0.to_string());
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_a_kill_interrupted_is_sealed_at_the_next_start_and_only_the_private_key_opens_it() {
    let pair = Pair::new();
    let root = tempfile::tempdir().unwrap();
    // Longer than a piece, and not a multiple of a block.
    let (unfinished, wav) = interrupted(root.path(), 300_006);
    // The kill came while it was being sealed.
    for ending in ["sealed.part", "key.part"] {
        fs::write(unfinished.with_file_name(format!("{}.{ending}", OF.1)), b"half").unwrap();
    }
    let recovered = recover(root.path(), Some(&pair.public)).unwrap();
    let facts = recovered[0].facts.clone().unwrap();
    assert_eq!(facts.bytes, wav.len() as u64 + 16);
    assert_eq!(facts.duration_ms, 300_006 / 16);
    assert_eq!(files(root.path()), [format!("{}.key", OF.1), format!("{}.sealed", OF.1)]);
    assert_eq!(crate::kept(root.path(), OF.0, OF.1).unwrap(), Some(facts.clone()));

    let library = Library::new(root.path().to_owned(), None);
    let rendition = library.rendition(OF.0, OF.1, false).unwrap();
    assert!(rendition.is_sealed());
    assert_eq!(rendition.length(), facts.bytes);
    let sealed = rendition.read(0, u64::MAX).unwrap();
    assert_eq!(rendition.read(facts.bytes, 9).unwrap(), b"");
    assert_eq!(pair.open(&facts.encryption.unwrap(), sealed), wav);
    let refused = library.audio(OF.0, OF.1, true).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "nobody here can hear it");

    crate::remove(root.path(), OF.0, OF.1).unwrap();
    assert_eq!(files(root.path()), Vec::<String>::new());
}

#[test]
fn a_kill_between_the_sealed_file_and_the_removal_of_the_plain_one_seals_it_anew() {
    let pair = Pair::new();
    let root = tempfile::tempdir().unwrap();
    let (unfinished, wav) = interrupted(root.path(), 3_200);
    let first = recover(root.path(), Some(&pair.public)).unwrap().remove(0).facts.unwrap();
    interrupted(root.path(), 3_200);
    let second = recover(root.path(), Some(&pair.public)).unwrap().remove(0).facts.unwrap();
    assert!(!unfinished.exists());
    let (first, second) = (first.encryption.unwrap(), second.encryption.unwrap());
    assert!(first.iv != second.iv && first.encrypted_cek != second.encrypted_cek);
    let Kept::Sealed(source) = Library::new(root.path().to_owned(), None).open(OF.0, OF.1).unwrap()
    else {
        panic!("in the clear");
    };
    let sealed = Rendition::of(Kept::Sealed(source), true).unwrap().read(0, u64::MAX).unwrap();
    assert_eq!(pair.open(&second, sealed), wav);
}

#[test]
fn facts_without_their_file_are_none_and_a_damaged_key_file_is_an_error() {
    let pair = Pair::new();
    let root = tempfile::tempdir().unwrap();
    interrupted(root.path(), 320);
    recover(root.path(), Some(&pair.public)).unwrap();
    let key = key_path(root.path(), OF.0, OF.1);
    let text = fs::read_to_string(&key).unwrap();
    fs::write(&key, text.replacen(' ', "", 1)).unwrap();
    let error = crate::kept(root.path(), OF.0, OF.1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(facts(root.path(), OF.0, RecordingSid(8)).unwrap(), None);
}

#[test]
fn a_file_that_is_no_public_key_is_refused_with_the_command_that_makes_one() {
    let folder = tempfile::tempdir().unwrap();
    let pair = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let good = pem(&pair);
    let read = |pem: &[u8], sid: &str| SealingKey::read(&settings(folder.path(), pem, sid));
    let sid = "CR0123456789abcdef0123456789abcdef";
    assert_eq!(read(good.as_bytes(), sid).unwrap().unwrap().sid().to_string(), sid);
    let derived = read(good.as_bytes(), "").unwrap().unwrap().sid();
    assert_eq!(read(good.as_bytes(), "").unwrap().unwrap().sid(), derived);

    let sentence = |pem: &[u8], sid: &str| read(pem, sid).unwrap_err().to_string();
    let other = good.replace("PUBLIC KEY", "CERTIFICATE");
    // P-256, from RFC 5480's form.
    let curve = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYD54V/vp+54P9DXarYqx4MPcm+HK\n\
        RIQzNasYSoRQHQ/6S6Ps8tpMcT+KvIIC8W/e9k0W7Cm72M1P9jU7SLf/vg==\n\
        -----END PUBLIC KEY-----\n";
    for pem in [
        b"".as_slice(),
        b"\xFFnot PEM",
        &good.as_bytes()[..200],
        other.as_bytes(),
        curve.as_bytes(),
    ] {
        let sentence = sentence(pem, "");
        assert!(sentence.contains("holds no RSA public key"), "{sentence}");
        assert!(sentence.contains("openssl rsa -in private_key.pem -pubout"), "{sentence}");
    }
    let private = good.replace("PUBLIC KEY", "PRIVATE KEY");
    assert!(sentence(private.as_bytes(), "").contains("Keep it away"));
    assert!(sentence(good.as_bytes(), "CR1").contains("32 hexadecimal digits"));
    let missing = Recordings { encryption_key_file: folder.path().join("none"), ..defaults() };
    assert!(SealingKey::read(&missing).unwrap_err().to_string().contains("cannot read"));
    let alone = Recordings { encryption_key_sid: sid.to_owned(), ..defaults() };
    assert!(SealingKey::read(&alone).unwrap_err().to_string().contains("as well"));
}

fn defaults() -> Recordings {
    Config::from_layers(&Layers::default()).unwrap().recordings
}
