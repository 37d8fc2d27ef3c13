//! Relays: the session by itself, and the verb in a call.

#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

mod story;

use call::recognition::{Share, Track};
use call::relay::{
    Interruptible, Making, RelayEvent, RelayLanguage, RelayPort, RelaySession, RelayTerms,
    SpeakOrder, SpeakSource,
};
use call::stream::{StreamOpening, StreamPort};
use call::*;
use serde_json::{Value, json};
use shared::media::TapTracks;
use shared::{AccountSid, CallSid, Code, FeedPart, StreamSid};
use story::Story;

/// What a session did.
#[derive(Default)]
struct Seen {
    sent: Vec<Value>,
    played: Vec<FeedPart>,
    orders: Vec<SpeakOrder>,
    events: Vec<RelayEvent>,
    warned: Vec<Code>,
}

impl StreamPort for Seen {
    fn send(&mut self, message: &str) {
        self.sent.push(serde_json::from_str(message).expect("JSON"));
    }

    fn has_feed_room(&self) -> bool {
        true
    }

    fn play(&mut self, part: FeedPart) -> bool {
        self.played.push(part);
        true
    }

    fn room(&self) -> usize {
        usize::MAX
    }

    fn warn(&mut self, code: Code, _sentence: String) {
        self.warned.push(code);
    }
}

impl RelayPort for Seen {
    fn speak(&mut self, order: SpeakOrder) {
        self.orders.push(order);
    }

    fn tell(&mut self, event: RelayEvent) {
        self.events.push(event);
    }
}

/// A session with a voice and a party: 20 ms of audio a character, and a clock of frames.
struct Talk {
    session: RelaySession,
    seen: Seen,
    passed: u32,
}

const QUIET: [u8; 160] = [0xFF; 160];
const LOUD: [u8; 160] = [0xA0; 160];

impl Talk {
    fn new(terms: RelayTerms) -> Self {
        let opening = StreamOpening {
            stream: StreamSid(7),
            account: AccountSid(1),
            call: CallSid(2),
            tracks: TapTracks::Inbound,
            is_two_way: true,
            parameters: vec![("order".to_owned(), "17".to_owned())],
            relay: None,
        };
        let mut talk =
            Self { session: RelaySession::new(opening, terms), seen: Seen::default(), passed: 0 };
        talk.session.begin(&mut talk.seen);
        talk
    }

    fn says(&mut self, message: &Value) {
        self.session.text(&message.to_string(), &mut self.seen);
    }

    fn token(&mut self, token: &str, last: bool) {
        self.says(&json!({ "type": "text", "token": token, "last": last }));
    }

    /// The voice makes every text that was ordered.
    fn voice(&mut self) {
        for order in std::mem::take(&mut self.seen.orders) {
            let SpeakSource::Text { text, .. } = order.source else { panic!("{order:?}") };
            let audio = vec![text.as_bytes()[0]; text.len() * 160];
            self.session.making(order.number, Making::Audio(audio), &mut self.seen);
            self.session.making(order.number, Making::Done(None), &mut self.seen);
        }
    }

    /// Frames of the party; what the core holds plays meanwhile.
    fn frames(&mut self, count: usize, frame: [u8; 160]) {
        for _ in 0..count {
            let written = self.seen.played.iter().filter(|it| matches!(it, FeedPart::Audio(_)));
            self.passed = (self.passed + 1).min(written.count() as u32);
            self.session.frame(Some(&frame), self.passed, &mut self.seen);
        }
    }

    fn ordered(&self) -> Vec<&str> {
        let text = |order| match order {
            &SpeakOrder { source: SpeakSource::Text { ref text, .. }, .. } => text.as_str(),
            _ => "file",
        };
        self.seen.orders.iter().map(text).collect()
    }

    fn of_type(&self, kind: &str) -> Vec<&Value> {
        self.seen.sent.iter().filter(|message| message["type"] == kind).collect()
    }
}

fn terms() -> RelayTerms {
    RelayTerms {
        session: "VX01".to_owned(),
        call: vec![("from", "sip:a@b".to_owned())],
        tts_language: "en-US".to_owned(),
        transcription_language: "en-US".to_owned(),
        ..RelayTerms::default()
    }
}

#[test]
fn setup_comes_first_and_then_the_greeting_is_said() {
    let mut talk = Talk::new(RelayTerms { greeting: "Hello. Who is it?".to_owned(), ..terms() });
    let setup = &talk.seen.sent[0];
    assert_eq!((&setup["type"], &setup["sessionId"]), (&json!("setup"), &json!("VX01")));
    assert_eq!(
        (&setup["from"], &setup["customParameters"]["order"]),
        (&json!("sip:a@b"), &json!("17"))
    );
    assert_eq!(talk.ordered(), ["Hello. "]);
    talk.voice();
    assert_eq!(talk.ordered(), ["Who is it?"], "one sentence at a time");
    assert_eq!(talk.seen.played.len(), 7, "and the first is on its way");
}

#[test]
fn an_answer_is_said_without_the_silence_before_it_and_a_sentence_behind_another_with_it() {
    let mut talk = Talk::new(terms());
    talk.token("One. Two.", true);
    let played = |talk: &Talk| talk.seen.played.len();
    let number = talk.seen.orders[0].number;
    let says = |talk: &mut Talk, number, audio: Vec<u8>| {
        talk.session.making(number, Making::Audio(audio), &mut talk.seen);
    };
    // The voice is silent for 50 ms, in pieces of any length.
    says(&mut talk, number, [QUIET; 2].concat());
    assert_eq!(played(&talk), 0);
    says(&mut talk, number, [&QUIET[..80], &LOUD, &QUIET, &LOUD[..80]].concat());
    assert_eq!(played(&talk), 3, "10 ms of silence stay, and a pause between words does");
    let FeedPart::Audio(first) = talk.seen.played[0] else { panic!("{:?}", talk.seen.played) };
    assert_eq!(
        (first[..80].to_vec(), first[80..].to_vec()),
        (QUIET[80..].to_vec(), LOUD[80..].to_vec())
    );
    talk.session.making(number, Making::Done(None), &mut talk.seen);
    let number = talk.seen.orders[1].number;
    says(&mut talk, number, QUIET.to_vec());
    assert_eq!(played(&talk), 4, "a pause between two sentences stays");
}

#[test]
fn a_sentence_is_said_as_soon_as_it_is_whole() {
    let mut talk = Talk::new(terms());
    for token in ["It", " is", " here.", " You"] {
        talk.token(token, false);
    }
    assert_eq!(talk.ordered(), ["It is here. "]);
    talk.voice();
    assert!(talk.ordered().is_empty(), "the next one is not whole");
    talk.token(" can go", true);
    assert_eq!(talk.ordered(), ["You can go"]);
    talk.token("", true);
    assert_eq!(talk.ordered().len(), 1, "an empty answer says nothing");
}

#[test]
fn speech_stops_the_audio_at_once_and_the_application_reads_what_was_heard() {
    let mut talk = Talk::new(terms());
    talk.token("One two. Three four five. Six.", true);
    talk.voice();
    talk.voice();
    talk.frames(15, QUIET);
    talk.seen.played.clear();
    (0..4).for_each(|_| {
        let passed = talk.passed;
        talk.session.frame(Some(&LOUD), passed, &mut talk.seen);
    });
    assert_eq!(talk.seen.played.first(), Some(&FeedPart::Clear), "with the frame that decides it");
    let interrupt = talk.of_type("interrupt");
    assert_eq!(interrupt.len(), 1);
    assert_eq!(interrupt[0]["utteranceUntilInterrupt"], "One two. Three");
    assert_eq!(interrupt[0]["durationUntilInterruptMs"], 300);
    // The audio of the sentence that was being made is not heard any more.
    talk.seen.played.clear();
    talk.voice();
    assert!(talk.seen.played.is_empty());
    talk.token("Sorry.", true);
    assert_eq!(talk.ordered(), ["Sorry."]);
}

#[test]
fn what_cannot_be_interrupted_is_not_and_input_meanwhile_is_reported_only_on_demand() {
    for (report_input, prompts, keys) in
        [(Interruptible::None, 0, 0), (Interruptible::Any, 1, 1), (Interruptible::Speech, 1, 0)]
    {
        let mut talk = Talk::new(RelayTerms {
            interruptible: Interruptible::None,
            dtmf_detection: true,
            report_input,
            ..terms()
        });
        talk.token("A long sentence.", true);
        talk.voice();
        talk.frames(5, LOUD);
        talk.session.digit(b'5', &mut talk.seen);
        talk.session.understood("hello", true, &mut talk.seen);
        assert!(talk.of_type("interrupt").is_empty());
        let seen = (talk.of_type("prompt").len(), talk.of_type("dtmf").len());
        assert_eq!(seen, (prompts, keys), "{report_input:?}");
        talk.frames(30, QUIET);
        talk.session.understood("hello", true, &mut talk.seen);
        talk.session.digit(b'5', &mut talk.seen);
        let seen = (talk.of_type("prompt").len(), talk.of_type("dtmf").len());
        assert_eq!(seen, (prompts + 1, keys + 1), "it was heard to its end");
    }
}

#[test]
fn a_key_interrupts_and_is_reported_and_a_message_may_say_otherwise() {
    let by_key = RelayTerms { interruptible: Interruptible::Dtmf, dtmf_detection: true, ..terms() };
    let mut talk = Talk::new(by_key.clone());
    talk.token("A sentence.", true);
    talk.voice();
    talk.frames(8, LOUD);
    assert!(talk.of_type("interrupt").is_empty(), "speech does not");
    talk.session.digit(b'#', &mut talk.seen);
    let kinds: Vec<&str> = talk.seen.sent.iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["setup", "interrupt", "dtmf"]);
    let mut talk = Talk::new(by_key);
    let firm = json!({ "type": "text", "token": "No.", "last": true, "interruptible": false });
    talk.says(&firm);
    talk.session.digit(b'#', &mut talk.seen);
    assert!(talk.of_type("interrupt").is_empty());
}

#[test]
fn an_answer_ends_a_preemptible_one_and_waits_for_any_other() {
    for preemptible in [true, false] {
        let mut talk = Talk::new(RelayTerms { preemptible, ..terms() });
        talk.token("First answer.", true);
        talk.voice();
        talk.seen.played.clear();
        talk.token("Second answer.", true);
        assert_eq!(talk.seen.played.contains(&FeedPart::Clear), preemptible);
        assert!(talk.of_type("interrupt").is_empty());
        assert_eq!(talk.ordered(), ["Second answer."]);
    }
}

#[test]
fn guesses_are_reported_where_the_document_asks_for_them() {
    for partial_prompts in [true, false] {
        let mut talk = Talk::new(RelayTerms { partial_prompts, ..terms() });
        talk.session.understood("I want", false, &mut talk.seen);
        talk.session.understood("I want tea", true, &mut talk.seen);
        talk.session.understood("  ", true, &mut talk.seen);
        let prompts = talk.of_type("prompt");
        assert_eq!(prompts.len(), if partial_prompts { 2 } else { 1 });
        let last = prompts.last().unwrap();
        assert_eq!(last["voicePrompt"], "I want tea");
        assert_eq!((&last["last"], &last["lang"]), (&json!(true), &json!("en-US")));
    }
}

#[test]
fn languages_and_voices_change_with_a_message_and_with_a_token() {
    let languages = vec![RelayLanguage {
        code: "de-DE".to_owned(),
        voice: "Polly.Hans".to_owned(),
        ..Default::default()
    }];
    let mut talk = Talk::new(RelayTerms { voice: "Polly.Joey".to_owned(), languages, ..terms() });
    talk.token("Hi.", true);
    talk.says(&json!({ "type": "text", "token": "Guten Tag.", "last": true, "lang": "de-DE" }));
    talk.says(
        &json!({ "type": "language", "ttsLanguage": "fr-FR", "transcriptionLanguage": "fr-FR" }),
    );
    talk.token("Salut.", true);
    let mut spoken = Vec::new();
    while let Some(order) = talk.seen.orders.first().cloned() {
        let SpeakSource::Text { text, voice, language } = order.source else { panic!("text") };
        spoken.push((text, voice, language));
        talk.voice();
    }
    let expected = [
        ("Hi.", "Polly.Joey", "en-US"),
        ("Guten Tag.", "Polly.Hans", "de-DE"),
        ("Salut.", "", "fr-FR"),
    ];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(spoken, expected);
    assert_eq!(talk.seen.events, [RelayEvent::Language("fr-FR".to_owned())]);
}

#[test]
fn files_keys_and_the_end_are_carried_out_in_order() {
    let mut talk = Talk::new(terms());
    talk.token("First", false);
    talk.says(&json!({ "type": "play", "source": "http://a.example/b.wav", "loop": 2 }));
    assert_eq!(talk.ordered(), ["First"], "what was said before a file is said before it");
    talk.voice();
    for _ in 0..2 {
        let order = talk.seen.orders.pop().unwrap();
        assert!(
            matches!(&order.source, SpeakSource::File(url) if url.wire(None).ends_with("b.wav"))
        );
        talk.session.making(order.number, Making::Audio(vec![1; 160]), &mut talk.seen);
        talk.session.making(order.number, Making::Done(None), &mut talk.seen);
    }
    assert!(talk.seen.orders.is_empty(), "twice");
    talk.says(&json!({ "type": "sendDigits", "digits": "12#" }));
    talk.says(&json!({ "type": "end", "handoffData": "{}" }));
    talk.token("Too late.", true);
    let events = [RelayEvent::SendDigits("12#".to_owned()), RelayEvent::End(Some("{}".to_owned()))];
    assert_eq!(talk.seen.events, events);
    assert!(talk.seen.orders.is_empty());
}

#[test]
fn bad_messages_and_voices_that_fail_are_told_and_end_nothing() {
    let mut talk = Talk::new(terms());
    for _ in 0..3 {
        talk.session.text("rubbish", &mut talk.seen);
        talk.session.binary(&mut talk.seen);
    }
    assert_eq!(talk.of_type("error").len(), 6);
    assert_eq!(talk.seen.warned, [Code::RELAY_MESSAGE], "the account reads it once");
    talk.token("No voice. Next.", true);
    let order = talk.seen.orders.pop().unwrap();
    let failed = Making::Failed(Code::INTERNAL, "no engine".to_owned());
    talk.session.making(order.number, failed, &mut talk.seen);
    assert_eq!(talk.ordered(), ["Next."]);
    assert_eq!(talk.of_type("error").last().unwrap()["description"], "no engine");
}

#[test]
fn endless_text_is_bounded() {
    let long = "x".repeat(500_000);
    for message in [
        json!({ "type": "text", "token": "word ".repeat(100) }),
        json!({ "type": "text", "token": "a! ".repeat(20_000), "lang": long }),
        json!({ "type": "text", "token": "a! ".repeat(20_000), "lang": "de-DE" }),
        json!({ "type": "play", "source": format!("http://a.example/{long}") }),
        json!({ "type": "play", "source": format!("http://a.example/{}", &long[..4_000]) }),
        json!({ "type": "language", "ttsLanguage": long }),
        json!({ "type": "text", "token": 7, long.clone(): 1 }),
        json!({ "type": long }),
    ] {
        let mut talk = Talk::new(terms());
        for _ in 0..200 {
            let before = talk.of_type("error").len();
            talk.says(&message);
            assert!(talk.of_type("error").len() <= before + 1, "one complaint a message");
        }
        assert!(talk.session.held() < 200 * 1_024, "{}", talk.session.held());
        assert!(talk.seen.warned.contains(&Code::RELAY_MESSAGE));
        let told = talk.of_type("error")[0].to_string();
        assert!(told.len() < 400, "{told}");
    }
}

#[test]
fn keys_and_languages_are_asked_for_only_so_often_and_the_same_language_is_none() {
    let mut talk = Talk::new(terms());
    for _ in 0..100 {
        talk.says(&json!({ "type": "language", "transcriptionLanguage": "en-us" }));
    }
    assert!(talk.seen.events.is_empty());
    for at in 0..100 {
        let language = ["de-DE", "fr-FR"][at % 2];
        talk.says(&json!({ "type": "language", "transcriptionLanguage": language }));
        talk.says(&json!({ "type": "sendDigits", "digits": "1" }));
    }
    // 25 turns are taken. Of 75 more each key is refused, and each change: German is set, so it is none.
    assert_eq!((talk.seen.events.len(), talk.of_type("error").len()), (50, 75 + 38));
    let last = talk.seen.events.iter().rfind(|it| matches!(it, RelayEvent::Language(_))).cloned();
    assert_eq!(last, Some(RelayEvent::Language("de-DE".to_owned())));
    talk.frames(50, QUIET);
    // A change that was refused is one still.
    talk.says(&json!({ "type": "language", "transcriptionLanguage": "fr-FR" }));
    assert_eq!(talk.seen.events.last(), Some(&RelayEvent::Language("fr-FR".to_owned())));
    for _ in 0..10 {
        talk.says(&json!({ "type": "sendDigits", "digits": "2" }));
    }
    assert_eq!(talk.seen.events.len(), 55, "a second later five more");
}

fn event(story: &mut Story, event: StreamEvent) -> Vec<String> {
    let stream = story.streams.last().unwrap().opening.stream;
    story.tell('a', CallInput::Stream { stream, event })
}

/// An inbound call on a gateway with a recogniser.
fn listening() -> CallSetup {
    let mut setup = story::inbound();
    let mut settings = (*setup.settings).clone();
    settings.has_recognition = true;
    setup.settings = std::sync::Arc::new(settings);
    setup
}

#[test]
fn what_the_party_says_reaches_the_application_and_another_language_listens_anew() {
    let (mut story, _) = Story::with_setup(
        listening(),
        "<Connect><ConversationRelay url=\"wss://bot.example/ws\" hints=\"tea\" partialPrompts=\"true\">\
         <Language code=\"de-DE\" hints=\"Tee\" speechModel=\"numbers_and_commands\"/></ConversationRelay>\
         </Connect>",
    );
    let words = event(&mut story, StreamEvent::Opened);
    assert!(words[0].starts_with("a: listen"), "{words:?}");
    let plan = story.recognitions.last().unwrap().clone();
    assert_eq!(
        (plan.language.as_str(), plan.is_grammar, plan.wants_partials),
        ("en-US", false, true)
    );
    assert_eq!((&*plan.hints, plan.endpointing.silence_ms), (&["tea".to_owned()][..], 600));
    let (track, recognition) = (Track::Inbound, plan.recognition);
    let stability = Share::of(0.5);
    let heard = RecognitionEvent::Partial { track, text: "I want".to_owned(), stability };
    let words = story.tell('a', CallInput::Recognition { recognition, event: heard });
    assert_eq!(words, ["a: stream guess I want"]);
    let heard = RecognitionEvent::Final { track, text: "I want tea".to_owned(), confidence: None };
    let words = story.tell('a', CallInput::Recognition { recognition, event: heard });
    assert_eq!(words, ["a: stream final I want tea"]);
    let german = RelayEvent::Language("de-DE".to_owned());
    let words = event(&mut story, StreamEvent::Relay(german));
    assert!(words[0].starts_with("a: stop listening") && words[1].starts_with("a: listen"));
    let plan = story.recognitions.last().unwrap().clone();
    assert_eq!((plan.language.as_str(), plan.is_grammar), ("de-DE", true));
    let fails = |story: &mut Story| {
        let recognition = story.recognitions.last().unwrap().recognition;
        let sentence = "it died".to_owned();
        let end = RecognitionEnd::Failed { fault: RecognitionFault::Engine, sentence };
        let event = RecognitionEvent::Ended(end);
        story.tell('a', CallInput::Recognition { recognition, event })
    };
    let listens_on = ["a: notify 64114", "a: listen de-DE"];
    assert_eq!(fails(&mut story), listens_on, "one utterance is lost");
    let recognition = story.recognitions.last().unwrap().recognition;
    let heard = RecognitionEvent::Final { track, text: "Tee".to_owned(), confidence: None };
    story.tell('a', CallInput::Recognition { recognition, event: heard });
    assert_eq!(fails(&mut story), listens_on);
    assert_eq!(fails(&mut story), listens_on);
    assert_eq!(fails(&mut story), ["a: notify 64114"], "three in a row: the session goes on, deaf");
}

#[test]
fn keys_are_sent_behind_those_before_them() {
    let (mut story, _) = Story::with(CONNECT);
    event(&mut story, StreamEvent::Opened);
    let sends = |story: &mut Story, keys: &str| {
        event(story, StreamEvent::Relay(RelayEvent::SendDigits(keys.to_owned())))
    };
    assert_eq!(sends(&mut story, "12"), ["a: send 12"]);
    assert!(sends(&mut story, "3").is_empty() && sends(&mut story, "4#").is_empty());
    let many = "5".repeat(128);
    assert_eq!(sends(&mut story, &many), ["a: notify 64107"], "too many wait");
    assert!(sends(&mut story, &many).is_empty(), "once is enough");
    assert_eq!(story.played(), ["a: send 34#"]);
    assert!(story.played().is_empty());
    assert_eq!(sends(&mut story, "6"), ["a: send 6"]);
}

const CONNECT: &str = "<Connect action=\"/after\"><ConversationRelay url=\"wss://bot.example/ws\" \
                       welcomeGreeting=\"Hi.\"/></Connect><Say>x</Say>";

#[test]
fn the_application_ends_the_session_and_hands_its_data_to_the_action() {
    let (mut story, words) = Story::with(CONNECT);
    assert_eq!(words, ["a: answer", "a: stream wss://bot.example/ws"]);
    let opening = &story.streams[0].opening;
    let terms = opening.relay.as_ref().unwrap();
    assert_eq!(terms.greeting, "Hi.");
    assert_eq!(terms.session[2..], opening.stream.to_string()[2..]);
    let session = terms.session.clone();
    assert_eq!(event(&mut story, StreamEvent::Opened), ["a: notify 64114"], "there is no engine");
    story.wait(3);
    assert_eq!(story.digit('5'), ["a: stream digit 5"]);
    let digits = RelayEvent::SendDigits("9".to_owned());
    assert_eq!(event(&mut story, StreamEvent::Relay(digits)).len(), 1);
    let end = RelayEvent::End(Some("{\"to\":\"desk\"}".to_owned()));
    assert_eq!(event(&mut story, StreamEvent::Relay(end)), ["a: close stream"]);
    assert_eq!(event(&mut story, StreamEvent::Ended(StreamEnd::Stopped)), ["a: POST /after"]);
    for (name, value) in [
        ("SessionId", session.as_str()),
        ("SessionStatus", "ended"),
        ("SessionDuration", "3"),
        ("HandoffData", "{\"to\":\"desk\"}"),
    ] {
        assert_eq!(story.param(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn a_session_that_fails_has_its_own_codes() {
    let failed = |code| {
        StreamEvent::Ended(StreamEnd::Failed { code, sentence: "why".to_owned(), answer: None })
    };
    for (end, code) in [
        (failed(Code::STREAM_HANDSHAKE), "64102"),
        (failed(Code::STREAM_BROKEN), "64105"),
        (failed(Code::STREAM_INTERNAL), "64103"),
        (StreamEvent::Ended(StreamEnd::ClosedByPeer), "64105"),
    ] {
        let (mut story, _) = Story::with(CONNECT);
        let words = event(&mut story, end);
        assert_eq!(words, [format!("a: notify {code}"), "a: POST /after".to_owned()]);
        assert_eq!(story.param("SessionStatus").as_deref(), Some("failed"));
        assert_eq!(story.param("ErrorCode").as_deref(), Some(code));
    }
    let (mut story, words) =
        Story::with("<Connect action=\"/after\"><ConversationRelay/></Connect>");
    assert_eq!(words, ["a: answer", "a: notify 64101", "a: POST /after"]);
    assert_eq!(story.param("ErrorCode").as_deref(), Some("64101"));
    assert!(story.document("").iter().any(|word| word == "a: hangup"));
}

#[test]
fn a_caller_who_hangs_up_completes_the_session() {
    let (mut story, _) = Story::with(CONNECT);
    event(&mut story, StreamEvent::Opened);
    story.wait(2);
    let words = story.hangs_up('a');
    assert!(words.iter().any(|word| word == "a: close stream"), "{words:?}");
    assert!(words.iter().any(|word| word.contains("/after")), "{words:?}");
}
