//! Lines of a recognition engine: read as recognition.md 3 says, and answered in the order of the utterances.
//!
//! Two readings are compared: ours, and one of a [`Value`] by the letter. What ours takes is then given to a session with
//! utterances 1 to 4 outstanding: each final leaves once, in the order of its utterance, and nothing follows the end.

use call::recognition::wire::Line;
use call::recognition::{
    Answer, Endpointing, Lane, RecognitionPort, RecognitionSession, Track, UtteranceId,
};
use call::{RecognitionEvent, RecognitionFault, RecognitionId, RecognitionPlan};
use serde_json::Value;
use shared::media::TapTracks;
use shared::{FRAME_SAMPLES, Instant};

/// No reading differs from the letter, and no answer confuses a session.
pub fn check(bytes: &[u8]) {
    let mut talk = Talk::begun();
    for line in bytes.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let value: Option<Value> = serde_json::from_slice(line).ok();
        match Line::read(line) {
            Ok(Line::Ready(offer)) => {
                let value = value.expect("what is taken is JSON");
                assert_eq!(value["ready"], true);
                assert!(matches!(offer.rate, 8_000 | 16_000) && value["rate"] == offer.rate);
                assert!(!offer.languages.is_empty() && (offer.has_grammar || offer.has_free));
            }
            Ok(Line::Answer(utterance, answer)) => {
                let value = value.expect("what is taken is JSON");
                assert_eq!(value["id"], utterance.0);
                assert_texts(&answer);
                talk.answer(utterance, answer);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    talk.end();
}

fn assert_texts(answer: &Answer) {
    let (text, share) = match answer {
        Answer::Partial { text, stability } => (text, Some(*stability)),
        Answer::Final { text, confidence } => (text, *confidence),
        Answer::Failed { sentence, .. } => (sentence, None),
    };
    assert!(text.chars().count() <= 8_192 && !text.contains(char::is_control), "{text:?}");
    assert!(share.is_none_or(|share| share.thousandths() <= 1_000));
}

/// A session whose four utterances wait for their results.
struct Talk {
    session: RecognitionSession,
    port: Port,
    /// Finals by utterance, as the first line of each says.
    finals: [Option<String>; UTTERANCES],
    has_failed: bool,
}

impl Talk {
    fn begun() -> Self {
        let session = RecognitionSession::new(RecognitionPlan {
            recognition: RecognitionId(1),
            tracks: TapTracks::Inbound,
            language: "en-US".to_owned(),
            hints: [].into(),
            is_grammar: false,
            wants_partials: true,
            is_single: false,
            endpointing: Endpointing { silence_ms: 200, longest_ms: 1_000 },
            lane: Lane::Live,
        });
        let (port, finals) = (Port::default(), [const { None }; UTTERANCES]);
        let mut talk = Self { session, port, finals, has_failed: false };
        for _ in 0..UTTERANCES {
            talk.hear(4_000, 15);
            talk.hear(0, 30);
        }
        assert_eq!(talk.port.begun as usize, UTTERANCES);
        talk
    }

    fn hear(&mut self, amplitude: i16, frames: u32) {
        let frame: [i16; FRAME_SAMPLES] =
            std::array::from_fn(|at| if at % 2 == 0 { amplitude } else { -amplitude });
        for _ in 0..frames {
            self.session.frame(Instant::ZERO, Track::Inbound, &frame, &mut self.port);
        }
    }

    fn answer(&mut self, utterance: UtteranceId, answer: Answer) {
        let place = (utterance.0 as usize).wrapping_sub(1);
        if let Some(first @ None) = self.finals.get_mut(place)
            && !self.has_failed
        {
            match &answer {
                Answer::Final { text, .. } => *first = Some(text.clone()),
                Answer::Failed { .. } => self.has_failed = true,
                Answer::Partial { .. } => {}
            }
        }
        self.session.answer(utterance, answer, &mut self.port);
        assert_eq!(self.session.is_over(), self.has_failed);
        self.assert_order();
    }

    /// What left is what the first utterances were, without a gap.
    fn assert_order(&self) {
        let ready = self.finals.iter().map_while(Option::as_ref);
        let left = &self.port.finals;
        assert!(ready.clone().zip(left).all(|(wanted, got)| wanted == got));
        assert!(left.len() <= ready.clone().count());
        assert!(self.has_failed || left.len() == ready.count());
    }

    fn end(mut self) {
        self.session.cancel(&mut self.port);
        let finals = self.port.finals.len();
        for utterance in 1..=UTTERANCES as u32 {
            let answer = Answer::Final { text: "late".to_owned(), confidence: None };
            self.session.answer(UtteranceId(utterance), answer, &mut self.port);
        }
        assert_eq!((self.port.ends, self.port.finals.len()), (1, finals));
    }
}

/// An engine that takes everything, and a call that notes.
#[derive(Default)]
struct Port {
    begun: u32,
    finals: Vec<String>,
    ends: u32,
}

impl RecognitionPort for Port {
    fn begin(&mut self, _: &RecognitionPlan) -> Result<UtteranceId, (RecognitionFault, String)> {
        self.begun += 1;
        Ok(UtteranceId(self.begun))
    }

    fn audio(&mut self, _: UtteranceId, _: &[i16]) {}

    fn end(&mut self, _: Instant, _: UtteranceId) {}

    fn cancel(&mut self, _: UtteranceId) {}

    fn report(&mut self, event: RecognitionEvent) {
        assert_eq!(self.ends, 0, "nothing follows the end: {event:?}");
        match event {
            RecognitionEvent::Final { text, .. } => self.finals.push(text),
            RecognitionEvent::Ended(_) => self.ends += 1,
            RecognitionEvent::SpeechStarted { .. } | RecognitionEvent::Partial { .. } => {}
        }
    }
}

const UTTERANCES: usize = 4;
const LINES_MAX: usize = 512;

/// Parts of lines.
pub const WORDS: &[&str] = &[
    "\n",
    "{",
    "}",
    ",",
    ":",
    "null",
    "true",
    "1",
    "2",
    "-1",
    "4294967296",
    "1e999",
    "0.93",
    "\"id\":",
    "\"final\":",
    "\"partial\":",
    "\"failed\":",
    "\"confidence\":",
    "\"stability\":",
    "\"ready\":true",
    "\"rate\":8000",
    "\"languages\":[\"en-US\"]",
    "\"free\":true",
    "\"yes\"",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "{\"id\":1,\"final\":\"one\",\"confidence\":0.9}\n",
    "{\"id\":2,\"final\":\"two\"}\n",
    "{\"id\":3,\"partial\":\"th\",\"stability\":0.5}\n",
    "{\"id\":4,\"failed\":\"no\"}\n",
];
