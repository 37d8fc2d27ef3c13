//! `sidetone demo --call`: the gateway calls itself over real sockets and prints the result of each
//! check. Shell.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use phone::{Command, Event};
use serde_json::Value;
use shared::{Codec, Header};

use super::PhoneTransport;
use super::audio;
use super::handset::{Handset, HandsetSettings};
use crate::account::AccountVariables;
use crate::demo::{self, Demo};
use crate::inbox::Message;
use crate::serve::{self, Gateway};
use crate::settings::Settings;

/// The whole must be over within ten seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// The tone that the phone plays into the recording.
const SPOKEN_HZ: f32 = 440.0;
const SPOKEN_MS: u32 = 1_000;
/// The beep before a recording.
const BEEP_HZ: f32 = 1_000.0;

/// Runs `sidetone demo --call`.
pub fn demo_call(settings: &Settings) -> ExitCode {
    let mut report = Report { began: Instant::now(), failed: 0 };
    match go(settings, &mut report) {
        Ok(()) => {}
        Err(sentence) => report.check("the call went through", Err(sentence)),
    }
    let (seconds, failed) = (report.began.elapsed().as_secs_f64(), report.failed);
    if failed == 0 {
        println!("PASS  all of it, in {seconds:.1} s");
        ExitCode::SUCCESS
    } else {
        println!("FAIL  {failed} of the checks, in {seconds:.1} s");
        ExitCode::FAILURE
    }
}

/// Prints one line for each check.
struct Report {
    began: Instant,
    failed: u32,
}

impl Report {
    fn check(&mut self, what: &str, outcome: Result<String, String>) {
        match outcome {
            Ok(facts) => println!("PASS  {what}: {facts}"),
            Err(why) => {
                self.failed += 1;
                println!("FAIL  {what}: {why}");
            }
        }
    }
}

fn go(settings: &Settings, report: &mut Report) -> Result<(), String> {
    let gateway = serve::start(settings, &AccountVariables::from_environment())
        .map_err(|error| error.to_string())?;
    let demo = demo::set_up(&gateway, &settings.config.node.data_dir)
        .map_err(|error| error.to_string())?;
    report.check("gateway is up", Ok(gateway.addresses.ready_line()));
    let sip = *gateway.addresses.udp.first().ok_or("the gateway has no UDP listener")?;
    let mut call = SelfCall::place(&demo, sip)?;
    let story = call.live_through();
    call.judge(report, &story);
    story?;
    judge_records(&gateway, report);
    gateway.messages.send_patiently(Message::End);
    gateway.wait()
}

/// The phone in the call, and what it observed.
struct SelfCall {
    handset: Handset,
    end: Instant,
    challenged: bool,
    accepted: bool,
    speech_frames: u32,
    first_audio: Option<Duration>,
    placed: Instant,
    beep_heard: bool,
    codec: Option<Codec>,
    ended_by_us: bool,
}

impl SelfCall {
    fn place(demo: &Demo, sip: SocketAddr) -> Result<Self, String> {
        let settings = HandsetSettings {
            user: demo.username.to_owned(),
            password: demo.password.expose_secret().to_owned(),
            listen: (sip.ip(), 0).into(),
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            srtp: false,
            answers: false,
            transport: PhoneTransport::Udp,
            ca: None,
        };
        let mut handset =
            Handset::open(&settings).map_err(|error| format!("the phone cannot start: {error}"))?;
        let target = sip::Uri::parse(demo.sip_address.as_bytes())
            .map_err(|error| format!("{}: {error}", demo.sip_address))?;
        handset.call(target, sip, vec![Header::new("X-Demo", b"self-call")]);
        let placed = Instant::now();
        Ok(Self {
            handset,
            end: placed + PATIENCE,
            challenged: false,
            accepted: false,
            speech_frames: 0,
            first_audio: None,
            placed,
            beep_heard: false,
            codec: None,
            ended_by_us: false,
        })
    }

    /// Waits for the menu, presses 2, waits for the beep, plays the tone, presses #, waits for speech,
    /// hangs up.
    fn live_through(&mut self) -> Result<(), String> {
        self.hear_speech("the menu", 15)?;
        self.handset.command(Command::Press("2".into()));
        self.wait("the beep of the recording", |call| call.beep_heard)?;
        let speech = audio::prompt(&audio::tone(SPOKEN_HZ, SPOKEN_MS));
        self.handset.command(Command::Play(speech));
        self.wait_for_event("the end of what the phone says", |event| *event == Event::Spoken)?;
        self.handset.command(Command::Press("#".into()));
        self.hear_speech("what follows the recording", 15)?;
        self.ended_by_us = true;
        self.handset.command(Command::HangUp);
        self.wait_for_event("the end of the call", |event| matches!(event, Event::Ended { .. }))
    }

    fn hear_speech(&mut self, what: &str, frames: u32) -> Result<(), String> {
        let wanted = self.speech_frames + frames;
        self.wait(what, |call| call.speech_frames >= wanted)
    }

    fn wait(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<(), String> {
        while !done(self) {
            self.next(what)?;
        }
        Ok(())
    }

    fn wait_for_event(&mut self, what: &str, done: impl Fn(&Event) -> bool) -> Result<(), String> {
        while !done(&self.next(what)?) {}
        Ok(())
    }

    /// Takes the next event and notes what it shows.
    fn next(&mut self, what: &str) -> Result<Event, String> {
        let left = self.end.saturating_duration_since(Instant::now());
        let event = self.handset.next_event(left).map_err(|error| error.to_string())?;
        let event = event.ok_or_else(|| format!("{what} did not come within 10 s"))?;
        match &event {
            Event::Trace(line) if line.contains("407") => self.challenged = true,
            Event::Up { codec, .. } => {
                self.accepted = true;
                self.codec = Some(*codec);
            }
            Event::Heard { codec, frame } => self.notice(*codec, frame),
            Event::Refused { status, reason } => {
                return Err(format!("the call was refused: {status} {reason}"));
            }
            Event::Ended { .. } if !self.ended_by_us => {
                return Err(format!("the gateway hung up before {what}"));
            }
            _ => {}
        }
        Ok(event)
    }

    fn notice(&mut self, codec: Codec, frame: &[u8]) {
        let samples = audio::linear(codec, frame);
        if audio::level(&samples) < 100 {
            return;
        }
        if audio::tone_share(&samples, BEEP_HZ) > 0.8 {
            self.beep_heard = true;
        } else {
            self.speech_frames += 1;
            self.first_audio.get_or_insert(self.placed.elapsed());
        }
    }

    fn judge(&self, report: &mut Report, story: &Result<(), String>) {
        let fail = |sentence: &str| match story {
            Err(why) => format!("{sentence} ({why})"),
            Ok(()) => sentence.to_owned(),
        };
        let digest = match (self.challenged, self.accepted) {
            (true, true) => Ok("407, then 200 with the right password".to_owned()),
            (false, _) => Err(fail("no challenge came")),
            (true, false) => Err(fail("the password was not accepted")),
        };
        report.check("digest", digest);
        let webhook = match self.first_audio {
            Some(after) => Ok(format!(
                "the application took the signature; speech after {} ms",
                after.as_millis()
            )),
            None => Err(fail("nothing was heard, so no document was run")),
        };
        report.check("signed webhook and TwiML", webhook);
        let audio = match (self.speech_frames, self.codec) {
            (frames @ 1.., Some(codec)) => {
                Ok(format!("{} ms of speech in {}", frames * 20, codec.name()))
            }
            _ => Err(fail("no speech was heard")),
        };
        report.check("audio from the gateway", audio);
        let keys = if self.beep_heard {
            Ok("key 2 led to the recording".to_owned())
        } else {
            Err(fail("key 2 did not lead to the recording"))
        };
        report.check("DTMF", keys);
    }
}

/// Checks the records of the call by the REST API.
fn judge_records(gateway: &Gateway, report: &mut Report) {
    let api = Api { gateway };
    report.check("audio to the gateway, recorded", api.recording());
    report.check("call record", api.call_record());
}

/// The REST API over HTTP, as any client uses it.
struct Api<'a> {
    gateway: &'a Gateway,
}

impl Api<'_> {
    fn recording(&self) -> Result<String, String> {
        let recordings = self.json("Recordings.json")?;
        let newest = recordings["recordings"].get(0).ok_or("there is no recording")?;
        let (sid, status) = (text(newest, "sid")?, text(newest, "status")?);
        if status != "completed" {
            return Err(format!("recording {sid} is {status}"));
        }
        let wav = self.get(&format!("Recordings/{sid}.wav"))?;
        let data = wav.get(44..).filter(|_| wav.starts_with(b"RIFF")).ok_or("no WAV file came")?;
        let samples: Vec<i16> =
            data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let seconds = samples.len() as f64 / 8_000.0;
        let middle = samples.get(samples.len() / 2..samples.len() / 2 + 800).unwrap_or_default();
        if audio::tone_share(middle, SPOKEN_HZ) < 0.8 {
            return Err(format!("{seconds:.1} s were recorded, but not the tone that was spoken"));
        }
        if !(0.6..3.0).contains(&seconds) {
            return Err(format!("{seconds:.1} s were recorded of {SPOKEN_MS} ms"));
        }
        Ok(format!("{sid}, {seconds:.1} s, the tone that was spoken"))
    }

    fn call_record(&self) -> Result<String, String> {
        // The record is written after the call ends, so it may come a moment later.
        let end = Instant::now() + Duration::from_secs(2);
        loop {
            let calls = self.json("Calls.json")?;
            let newest = calls["calls"].get(0).ok_or("there is no call")?;
            let (sid, status) = (text(newest, "sid")?, text(newest, "status")?);
            if status == "completed" {
                return Ok(format!("{sid} completed"));
            }
            if Instant::now() > end {
                return Err(format!("{sid} is {status}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn json(&self, resource: &str) -> Result<Value, String> {
        serde_json::from_slice(&self.get(resource)?).map_err(|error| format!("{resource}: {error}"))
    }

    fn get(&self, resource: &str) -> Result<Vec<u8>, String> {
        let account = &self.gateway.account;
        let address = self.gateway.addresses.http.first().ok_or("there is no HTTP listener")?;
        let path = format!("/2010-04-01/Accounts/{}/{resource}", account.sid);
        crate::own_page::read(*address, (account.sid, &account.auth_token), &path)
    }
}

fn text(value: &Value, field: &str) -> Result<String, String> {
    let text = value[field].as_str().ok_or_else(|| format!("no {field} in {value}"))?;
    Ok(text.to_owned())
}
