//! A gateway whose callers enter conferences, and parties that say a tone of their own there.
//!
//! The user part of the Request-URI names the party; the application answers each with its own document.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use plane::g711;
use shared::Codec;

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::rtp::{Party, Talker};
use crate::sipp::{self, Running, Sipp};
use crate::{tones, wait};

/// A gateway and the application of its domain.
pub struct Hall {
    pub gateway: Gateway,
    pub application: Application,
}

/// The calls that came so far, by the name that they called.
pub type Callers = BTreeMap<String, String>;

impl Hall {
    /// Answers `/voice` with the document for the name that was called, `/after` with a hang-up, and requests to the
    /// other paths by `serve`.
    pub fn open(
        gateway: Gateway,
        document: impl Fn(&str, &Callers) -> String + Send + Sync + 'static,
        serve: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let callers = Arc::new(Mutex::new(Callers::new()));
        let application = Application::start(move |asked| match asked.path.as_str() {
            "/voice" => {
                let mut callers = callers.lock().expect("not poisoned");
                let name = name(asked).to_owned();
                let sid = asked.parameter("CallSid").expect("a SID").to_owned();
                let answer = Answer::twiml(&document(&name, &callers));
                callers.insert(name, sid);
                answer
            }
            "/after" => Answer::twiml("<Hangup/>"),
            _ => serve(asked),
        });
        let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        Self { gateway, application }
    }

    /// The call to this name.
    pub fn sid(&self, called: &str) -> String {
        let voice = |asked: &Asked| asked.path == "/voice" && name(asked) == called;
        let asked = self.application.wait_for(called, voice);
        asked.parameter("CallSid").expect("a SID").to_owned()
    }

    /// Ends the call to this name.
    pub fn hang_up(&self, called: &str) {
        let path = format!("Calls/{}.json", self.sid(called));
        self.gateway.create(&path, &[("Status", "completed")]);
    }

    /// What the party with this name was told after its stay.
    pub fn after(&self, called: &str) -> Asked {
        let sid = self.sid(called);
        let is_its = |asked: &Asked| {
            asked.path == "/after" && asked.parameter("CallSid") == Some(sid.as_str())
        };
        self.application.wait_for("/after", is_its)
    }

    /// The conference's callbacks so far, oldest first, as event and the name of the call that it is about.
    pub fn events(&self) -> Vec<String> {
        let asked = self.application.asked();
        let names: BTreeMap<&str, &str> = asked
            .iter()
            .filter(|asked| asked.path == "/voice")
            .filter_map(|asked| Some((asked.parameter("CallSid")?, name(asked))))
            .collect();
        let events = asked.iter().filter(|asked| asked.path == "/events");
        events
            .map(|asked| {
                let event = asked.parameter("StatusCallbackEvent").expect("an event");
                match asked.parameter("CallSid") {
                    Some(sid) => format!("{event} {}", names.get(sid).unwrap_or(&"?")),
                    None => event.to_owned(),
                }
            })
            .collect()
    }

    /// The first callback with this event, of the call to this name where the event is about a call.
    pub fn event(&self, event: &str, called: Option<&str>) -> Asked {
        let sid = called.map(|called| self.sid(called));
        self.application.wait_for(event, |asked| {
            asked.path == "/events"
                && asked.parameter("StatusCallbackEvent") == Some(event)
                && sid.as_deref().is_none_or(|sid| asked.parameter("CallSid") == Some(sid))
        })
    }
}

/// A document for one stay in the room `ops`, of which everything but speech is reported to `/events`.
pub fn stay(attributes: &str) -> String {
    format!(
        "<Dial action=\"/after\"><Conference {attributes} statusCallback=\"/events\" \
         statusCallbackEvent=\"start end join leave mute hold modify announcement\">ops</Conference></Dial>"
    )
}

/// The user part of the called URI.
fn name(asked: &Asked) -> &str {
    let to = asked.parameter("To").unwrap_or_default();
    let user = to.trim_start_matches("sip:").split('@').next();
    user.unwrap_or_default()
}

/// SIPp with a voice: a party that says its tone and keeps what it hears.
pub struct Singer {
    pub call: Running,
    pub voice: Talker,
    codec: Codec,
}

impl Singer {
    /// Calls this name; it says this tone.
    pub fn call(hall: &Hall, name: &str, hertz: u32) -> Self {
        Self::call_by(hall, name, hertz, Codec::Pcmu)
    }

    /// As [`Singer::call`], with this codec alone.
    pub fn call_by(hall: &Hall, name: &str, hertz: u32, codec: Codec) -> Self {
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
        Self::call_with(hall, name, hertz, codec, &scenario)
    }

    /// As [`Singer::call`]; the caller has that name, too.
    pub fn call_as(hall: &Hall, name: &str, hertz: u32) -> Self {
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
        let scenario = scenario.replace("sip:alice@", &format!("sip:{name}@"));
        Self::call_with(hall, name, hertz, Codec::Pcmu, &scenario)
    }

    /// As [`Singer::call`], by an INVITE without SDP: the offer is ours, and the answer comes with the ACK.
    pub fn call_without_offer(hall: &Hall, name: &str, hertz: u32) -> Self {
        let invite = sipp::without_offer(&sipp::invite(""));
        let scenario = invite + &sipp::answered_with_offer() + &sipp::hung_up();
        Self::call_with(hall, name, hertz, Codec::Pcmu, &scenario)
    }

    fn call_with(hall: &Hall, name: &str, hertz: u32, codec: Codec, scenario: &str) -> Self {
        let party = Party::new();
        let payload_type = if codec == Codec::Pcma { 8 } else { 0 };
        let call = Sipp::caller(scenario, party.port())
            .key("user", name)
            .key("formats", &format!("{payload_type} 101"))
            .start(hall.gateway.sip_udp);
        let codes = tones::second(hertz).into_iter().map(|sample| g711::encode(codec, sample));
        let voice = Talker::sounding(party, payload_type, codes.collect());
        Self { call, voice, codec }
    }

    /// A phone that answers one call and says this tone, and its URI.
    pub fn answering(hertz: u32) -> (String, Self) {
        Self::called(hertz, &sipp::callee("", "0 101"))
    }

    /// As [`Singer::answering`]; it says its tone from the 183 on and answers after this time.
    pub fn ringing(hertz: u32, milliseconds: u32) -> (String, Self) {
        Self::called(hertz, &sipp::callee_with_early_media(milliseconds, "0 101"))
    }

    fn called(hertz: u32, scenario: &str) -> (String, Self) {
        let (party, port) = (Party::new(), sipp::free_port());
        let call = Sipp::new(scenario)
            .key("media", &party.port().to_string())
            .with(&format!("-p {port} -m 1"))
            .spawn();
        let codec = Codec::Pcmu;
        let codes = tones::second(hertz).into_iter().map(|sample| g711::encode(codec, sample));
        let voice = Talker::sounding(party, 0, codes.collect());
        (format!("sip:bob@127.0.0.1:{port}"), Self { call, voice, codec })
    }

    /// Audio that it has heard so far.
    pub fn heard(&self) -> Vec<i16> {
        let packets = self.voice.packets();
        let audio = packets.iter().filter(|packet| packet.payload_type != 101);
        let codes = audio.flat_map(|packet| packet.payload.iter());
        codes.map(|code| g711::decode(self.codec, *code)).collect()
    }

    /// Waits until half a second holds these parties and no other, from now on.
    #[track_caller]
    pub fn wait_to_hear(&self, parties: &[u32]) {
        let before = self.heard().len();
        wait::found("the parties", || {
            let heard = tones::windows(&self.heard()[before..], 8_000);
            let last = &heard[heard.len().saturating_sub(5)..];
            match tones::count(last, parties) {
                5 => Ok(()),
                _ => Err(format!("{last:?} instead of {parties:?}")),
            }
        });
    }

    /// Waits until it hears something loud that is no party: music.
    #[track_caller]
    pub fn wait_to_hear_music(&self) {
        let before = self.heard().len();
        wait::until("music", || {
            let heard = &self.heard()[before..];
            heard.chunks_exact(800).any(|window| crate::wav::loud(window) > 200)
        });
    }
}
