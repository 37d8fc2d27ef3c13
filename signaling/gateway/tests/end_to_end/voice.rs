//! The built-in voice for tests, as a phone line delivers it: 8,000 Hz through mu-law.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use plane::g711;
use shared::Codec;

use crate::gateway::{self, Gateway};

/// What a worker says when it is ready.
const READY: &[u8; 16] = b"\0sidetone-speech";
/// American English is the first language of the worker; its answers are frames of samples and an end.
const ENGLISH: u8 = 0;
const SAMPLES: u8 = 0;
const END: u8 = 1;

/// The worker process of the voice.
pub struct Voice {
    worker: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl Voice {
    /// Takes the voices that a gateway's first start writes to its data folder.
    pub fn of(gateway: &Gateway) -> Self {
        let mut command = Command::new(gateway::binary());
        command.args(["worker", "speech"]).arg(gateway.folder.path().join("data/voices"));
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut worker = started.expect("the binary starts");
        let stdin = worker.stdin.take().expect("piped");
        let mut stdout = worker.stdout.take().expect("piped");
        let mut ready = [0; READY.len()];
        stdout.read_exact(&mut ready).expect("the worker gets ready");
        assert_eq!(&ready, READY);
        Self { worker, stdin, stdout }
    }

    pub fn say(&mut self, text: &str) -> Vec<i16> {
        let length = (text.len() + 1) as u32;
        self.stdin.write_all(&length.to_le_bytes()).expect("it reads");
        self.stdin.write_all(&[ENGLISH]).expect("it reads");
        self.stdin.write_all(text.as_bytes()).expect("it reads");
        let mut samples = Vec::new();
        loop {
            let mut length = [0; 4];
            self.stdout.read_exact(&mut length).expect("it answers");
            let mut answer = vec![0; u32::from_le_bytes(length) as usize];
            self.stdout.read_exact(&mut answer).expect("it answers");
            match answer[0] {
                SAMPLES => {
                    let pairs = answer[1..].chunks_exact(2);
                    samples.extend(pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
                }
                END => return phone_band(samples.into_iter()),
                _ => panic!("{text}: {}", String::from_utf8_lossy(&answer)),
            }
        }
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

/// Samples through mu-law.
pub fn phone_band(samples: impl Iterator<Item = i16>) -> Vec<i16> {
    let code = |sample| g711::encode(Codec::Pcmu, sample);
    samples.map(|sample| g711::decode(Codec::Pcmu, code(sample))).collect()
}
