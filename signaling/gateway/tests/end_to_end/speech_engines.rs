//! The reference engines of `make speech`, by their pipes: the gate of word errors, and the wire.
//!
//! What the engines hear is speech of the built-in voice and of people (Debian's `pocketsphinx-testdata`), as a
//! phone line delivers it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::sdk;
use crate::voice::{Voice, phone_band};
use crate::words;

/// Recordings of people, with their words.
const PEOPLE: &str = "/usr/share/pocketsphinx/test/data";

/// Where the programs of the engines are.
pub fn programs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../recognition/engines")
}

/// A program of an engine by the Python that the installer made for it.
pub fn command(engine: &str, program: &str) -> [PathBuf; 2] {
    let python = sdk::clients().join("engines").join(format!(".{engine}/bin/python"));
    [python, programs().join(program)]
}

pub const SPHINX: (&str, &str) = ("pocketsphinx", "sphinx_engine.py");
pub const WHISPER: (&str, &str) = ("faster-whisper", "whisper_engine.py");

/// A process of an engine.
struct Engine {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    utterances: u32,
}

impl Engine {
    fn start((engine, program): (&str, &str)) -> Self {
        let [python, program] = command(engine, program);
        let mut command = Command::new(&python);
        command.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
        let started = command.spawn();
        let mut process =
            started.unwrap_or_else(|error| panic!("{} (make clients): {error}", python.display()));
        let stdin = process.stdin.take().expect("piped");
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        let mut engine = Self { process, stdin, stdout, utterances: 0 };
        let ready = engine.line();
        assert_eq!((&ready["ready"], &ready["rate"]), (&json!(true), &json!(8_000)), "{ready}");
        engine
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the engine answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("`{line}`: {error}"))
    }

    fn frame(&mut self, kind: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("short").to_le_bytes();
        self.stdin.write_all(&[&[kind], &length[..], payload].concat()).expect("it reads");
    }

    /// Begins an utterance and speaks it in packets.
    fn speak(&mut self, samples: &[i16], start: &Value) -> u32 {
        self.utterances += 1;
        let id = self.utterances;
        let mut start = start.clone();
        start["id"] = json!(id);
        start["language"] = json!("en-US");
        self.frame(b'S', start.to_string().as_bytes());
        for packet in samples.chunks(160) {
            let bytes = packet.iter().flat_map(|sample| sample.to_le_bytes());
            let payload: Vec<u8> = id.to_le_bytes().into_iter().chain(bytes).collect();
            self.frame(b'A', &payload);
        }
        id
    }

    fn end(&mut self, id: u32) {
        self.frame(b'E', json!({ "id": id }).to_string().as_bytes());
    }

    /// The text of a whole utterance.
    fn recognise(&mut self, samples: &[i16], start: &Value) -> String {
        let id = self.speak(samples, start);
        self.end(id);
        let answer = self.line();
        assert_eq!(answer["id"], json!(id), "{answer}");
        let confidence = answer["confidence"].as_f64().expect("a confidence");
        assert!((0.0..=1.0).contains(&confidence), "{answer}");
        answer["final"].as_str().expect("a text").to_owned()
    }

    /// Words said and errors in a set; prints each sentence that has one.
    fn errors(&mut self, set: &[(String, Vec<i16>)], start: &Value) -> (usize, usize) {
        let mut sums = (0, 0);
        for (said, samples) in set {
            let recognised = self.recognise(samples, start);
            let (count, errors) = words::errors(said, &recognised);
            if errors > 0 {
                println!("{errors}: {said} / {recognised}");
            }
            sums = (sums.0 + count, sums.1 + errors);
        }
        println!("{} of {} words are wrong", sums.1, sums.0);
        sums
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spoken(texts: &[&str]) -> Vec<(String, Vec<i16>)> {
    let gateway = Gateway::start("");
    let mut voice = Voice::of(&gateway);
    texts.iter().map(|text| ((*text).to_owned(), voice.say(text))).collect()
}

/// Recordings of people, through the phone band.
fn people(folder: &str, names: &[(&str, &str)]) -> Vec<(String, Vec<i16>)> {
    let read = |(name, said): &(&str, &str)| {
        let path = Path::new(PEOPLE).join(folder).join(name).with_extension("wav");
        let bytes = std::fs::read(&path)
            .unwrap_or_else(|error| panic!("{} (make clients): {error}", path.display()));
        let wide = crate::wav::samples(&bytes);
        let narrow = audio::to_prompt_rate(&wide, 16_000);
        ((*said).to_owned(), phone_band(narrow.into_iter()))
    };
    names.iter().map(read).collect()
}

/// Recordings of people who name cards.
pub const CARDS: [(&str, &str); 5] = [
    ("001", "ten of clubs"),
    ("002", "four queen of clubs"),
    ("003", "seven of clubs"),
    ("004", "five five"),
    ("005", "eight of spades four of clubs seven of hearts"),
];

const NOVEL: [(&str, &str); 5] = [
    (
        "sense_and_sensibility_01_austen_64kb-0870",
        "and mister john dashwood had then leisure to consider how much there might be prudently in \
         his power to do for them",
    ),
    ("sense_and_sensibility_01_austen_64kb-0880", "he was not an ill disposed young man"),
    (
        "sense_and_sensibility_01_austen_64kb-0890",
        "unless to be rather cold hearted and rather selfish is to be ill disposed",
    ),
    (
        "sense_and_sensibility_01_austen_64kb-0920",
        "had he married a more amiable woman he might have been made still more respectable than he \
         was",
    ),
    ("sense_and_sensibility_01_austen_64kb-0930", "he might even have been made amiable himself"),
];

/// The start of a short answer with hints.
fn grammar(hints: &[&str]) -> Value {
    json!({"hints": hints, "grammar": true, "partial": false})
}

#[test]
fn digits_and_commands_are_recognised_without_an_error() {
    let set = spoken(&[
        "one two three",
        "four five six seven",
        "five five five zero one two three",
        "one eight hundred five five five one two one two",
        "five five",
        "seven",
        "twenty three",
        "thirty five",
        "six hundred forty one",
        "seventeen",
        "one thousand two hundred",
        "eight",
        "yes",
        "no",
        "help",
        "stop",
        "repeat",
        "agent",
        "operator",
        "cancel",
        "main menu",
        "goodbye",
    ]);
    let mut engine = Engine::start(SPHINX);
    let (said, errors) = engine.errors(&set, &grammar(&[]));
    assert_eq!((said, errors), (52, 0));
}

#[test]
fn people_who_name_cards_are_recognised_by_hints_without_an_error() {
    let hints = [
        "ace",
        "jack",
        "queen",
        "king",
        "of clubs",
        "of hearts",
        "of diamonds",
        "of spades",
        "ten",
    ];
    let mut engine = Engine::start(SPHINX);
    let (said, errors) = engine.errors(&people("cards", &CARDS), &grammar(&hints));
    assert_eq!((said, errors), (21, 0));
}

/// A grammar finds something in everything; the confidence says that nothing was understood.
#[test]
fn other_words_are_not_taken_for_short_answers() {
    let set = spoken(&[
        "The weather in Paris is lovely today.",
        "I would like to speak about my invoice from last month.",
        "Hello, my name is Peter Jones.",
        "Banana",
        "Could you tell me when the train leaves?",
    ]);
    let mut engine = Engine::start(SPHINX);
    for (said, samples) in set {
        assert_eq!(engine.recognise(&samples, &grammar(&[])), "", "{said}");
    }
}

/// The hint has a compound that the dictionary has in parts; its other word is not in the dictionary.
#[test]
fn a_hint_comes_back_as_the_application_spelled_it() {
    let set = spoken(&["voice mail"]);
    let mut engine = Engine::start(SPHINX);
    let hints = grammar(&["Voicemail", "Zyxelqua"]);
    assert_eq!(engine.recognise(&set[0].1, &hints), "Voicemail");
}

#[test]
fn free_text_has_at_most_15_per_cent_of_errors() {
    let mut set = spoken(&[
        "I would like to speak about my invoice from last month.",
        "Could you tell me when the train leaves?",
        "Please send the contract to my new address.",
        "The internet connection in my apartment is very slow today.",
        "I want to book a table for four people on Friday evening.",
        "My order has not arrived yet, and I need it this week.",
        "Can you help me change the password of my account?",
        "I am calling about the job that you advertised in the newspaper.",
    ]);
    set.extend(people("librivox", &NOVEL));
    let mut engine = Engine::start(WHISPER);
    let start = json!({"hints": [], "grammar": false, "partial": false});
    let (said, errors) = engine.errors(&set, &start);
    assert!(said > 120 && errors * 100 <= said * 15, "{errors} of {said}");
}

/// Two callers at once, and a third who hangs up.
#[test]
fn one_process_serves_several_utterances() {
    let set = spoken(&["yes", "twenty three"]);
    let mut engine = Engine::start(SPHINX);
    let both = [0, 1].map(|at| engine.speak(&set[at].1, &grammar(&[])));
    let third = engine.speak(&set[0].1, &grammar(&[]));
    engine.frame(b'X', json!({ "id": third }).to_string().as_bytes());
    engine.end(third);
    let answers = [both[1], both[0]].map(|id| {
        engine.end(id);
        engine.line()
    });
    let texts = answers.map(|answer| (answer["id"].clone(), answer["final"].clone()));
    assert_eq!(texts, [(json!(both[1]), json!("twenty three")), (json!(both[0]), json!("yes"))]);
}

/// The tests of the programs themselves.
#[test]
fn the_programs_pass_their_own_tests() {
    let [python, _] = command(SPHINX.0, SPHINX.1);
    let mut tests = Command::new(python);
    let tests = tests.args(["-m", "unittest"]).current_dir(programs()).output().expect("it runs");
    let printed = String::from_utf8_lossy(&tests.stderr);
    assert!(tests.status.success() && printed.contains("Ran "), "{printed}");
}
