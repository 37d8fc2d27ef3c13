//! A walker of flows: it looks for the inputs that take each transition, from the flow's own trigger.
//!
//! An execution is deterministic, so a walk is its trigger and the list of its moves. A walk that takes a transition for the first
//! time, or more often than any before, is kept. Later walks begin as a part of a kept one and go on by chance, so that what lies deep in a flow is found step by step.
//!
//! Chance picks among what the definition itself compares with: texts of conditions and templates, JSON with the keys that templates
//! look for, and parameters of the call that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shared::{ExecutionSid, FlowSid, Instant, Now};
use studio::{Answer, Data, Effect, Execution, Flow, Input, Order, Trigger};

const START: Now = Now { mono: Instant::from_millis(1), unix_ms: 1_796_072_709_000 };
const WALKS: usize = 30_000;
const MOVES: usize = 40;
/// Times that one transition in a walk makes it new.
const TIMES_MAX: usize = 5;
/// Items of the lists in answers of the web, at most.
const ITEMS: usize = 3;

/// The name of a transition in the walker's sets.
pub(crate) fn transition(from: &str, event: &str, to: &str) -> String {
    format!("{from} {event} {to}")
}

#[derive(Clone)]
enum Move {
    Input(Input),
    Timeout,
}

#[derive(Clone)]
struct Walk {
    trigger: Trigger,
    moves: Vec<Move>,
}

/// What was noted of a walk.
#[derive(Default)]
struct Noted {
    steps: usize,
    times: BTreeMap<String, usize>,
}

/// See the module.
pub(crate) struct Walker {
    flow: Arc<Flow>,
    guesses: Guesses,
    random: Random,
    kept: Vec<Walk>,
    /// Transitions, and how often one walk took them at most.
    taken: BTreeMap<String, usize>,
}

impl Walker {
    pub(crate) fn new(flow: Arc<Flow>, definition: &Value) -> Self {
        let guesses = Guesses::of(definition);
        Self { flow, guesses, random: Random(7), kept: Vec::new(), taken: BTreeMap::new() }
    }

    /// The transitions that walks took. It ends early once all that are wanted were taken.
    pub(crate) fn search(mut self, wanted: &BTreeSet<String>) -> BTreeSet<String> {
        for _ in 0..WALKS {
            if wanted.iter().all(|way| self.taken.contains_key(way)) {
                break;
            }
            self.walk();
        }
        self.taken.into_keys().collect()
    }

    fn walk(&mut self) {
        let mut walk = self.beginning();
        let flow = Arc::clone(&self.flow);
        let mut execution = Execution::new(ExecutionSid(1), FlowSid(2), flow, &walk.trigger);
        let (mut now, mut noted) = (START, Noted::default());
        execution.start(now, &walk.trigger);
        for turn in 0..MOVES {
            let effects: Vec<_> = std::iter::from_fn(|| execution.poll_effect()).collect();
            let is_new = self.note(&execution, &mut noted);
            if execution.is_over() {
                return;
            }
            if is_new {
                let moves = walk.moves[..turn].to_vec();
                self.kept.push(Walk { trigger: walk.trigger.clone(), moves });
            }
            if walk.moves.len() == turn {
                walk.moves.push(self.next_move(&execution, &effects));
            }
            match walk.moves[turn].clone() {
                Move::Input(input) => execution.handle(now, input),
                Move::Timeout => {
                    let due = execution.poll_timeout().expect("a deadline");
                    now = now.after(due.since(now.mono));
                    execution.handle_timeout(now);
                }
            }
            now = now.after(Duration::from_secs(1));
        }
    }

    fn beginning(&mut self) -> Walk {
        if !self.kept.is_empty() && self.random.below(8) > 0 {
            let mut walk = self.random.pick(&self.kept).clone();
            let length = self.random.below(walk.moves.len() + 1);
            walk.moves.truncate(length);
            return walk;
        }
        let texts = &self.guesses.texts;
        let mut given = Data::texts([("From", "+15550100"), ("To", "+15550101")]);
        for name in &self.guesses.given {
            given.put(name, Data::text(self.random.pick(texts).as_str()));
        }
        let trigger = if self.random.below(3) > 0 {
            given.put("CallSid", Data::text("CA1"));
            Trigger::Call(given)
        } else {
            let (to, from) = ("+15550100".to_owned(), "+15550101".to_owned());
            Trigger::Request { to, from, parameters: given }
        };
        Walk { trigger, moves: Vec::new() }
    }

    /// True where the walk took a transition for the first time, or more often than any walk before. So walks come to counters of
    /// the flow, turn by turn.
    fn note(&mut self, execution: &Execution, noted: &mut Noted) -> bool {
        let mut is_new = false;
        for step in &execution.steps()[noted.steps..] {
            let way = transition(&step.from, &step.event, &step.to);
            let times = noted.times.entry(way.clone()).or_default();
            *times += 1;
            let most = self.taken.entry(way).or_default();
            if *times > *most && *times <= TIMES_MAX {
                (*most, is_new) = (*times, true);
            }
        }
        noted.steps = execution.steps().len();
        is_new
    }

    /// One of the moves that may follow.
    fn next_move(&mut self, execution: &Execution, effects: &[Effect]) -> Move {
        let document = effects.iter().find_map(|effect| match effect {
            Effect::Respond(document) => Some(document.as_str()),
            _ => None,
        });
        let order = effects.iter().find_map(|effect| match effect {
            Effect::Order(order) => Some(order),
            _ => None,
        });
        match order {
            Some(Order::Http(_)) => {
                let widget = &execution.steps().last().expect("a step").to;
                Move::Input(Input::Answer(self.http_answer(widget)))
            }
            Some(_) => {
                let resource = Data::texts([("CallSid", "CA1")]);
                Move::Input(Input::Answer(Answer::Done { resource }))
            }
            None if execution.poll_timeout().is_some() && self.random.below(3) == 0 => {
                Move::Timeout
            }
            None => Move::Input(self.request_after(document)),
        }
    }

    fn http_answer(&mut self, widget: &str) -> Answer {
        let (random, guesses) = (&mut self.random, &self.guesses);
        let status = *random.pick(&[200, 200, 500]);
        let body = match guesses.answers.get(widget) {
            Some(shape) if random.below(4) > 0 => shape.some(random, &guesses.texts).to_string(),
            _ => random.pick(&guesses.texts).clone(),
        };
        let is_json = body.starts_with('{');
        let content_type = if is_json { "application/json" } else { "text/plain" }.to_owned();
        Answer::Http { status, content_type, body }
    }

    /// The call's request after a document, or the callee's where there is none.
    fn request_after(&mut self, document: Option<&str>) -> Input {
        let random = &mut self.random;
        let text = random.pick(&self.guesses.texts).clone();
        let dialled = ["in-progress", "completed"];
        let left = ["bridged", "queue-full", "hangup"];
        let (event, pairs): (&str, Vec<(&str, &str)>) = match document {
            Some(document) if document.contains("<Gather") => match random.below(3) {
                0 => ("gathered", vec![("Digits", &text)]),
                1 => ("gathered", vec![("SpeechResult", &text)]),
                _ => ("timeout", Vec::new()),
            },
            Some(document) if document.contains("<Record") => match random.below(3) {
                0 => ("recorded", vec![("RecordingUrl", "https://x")]),
                1 => ("noAudio", Vec::new()),
                _ => ("recorded", vec![("RecordingUrl", "https://x"), ("Digits", "hangup")]),
            },
            Some(document) if document.contains("<Dial") => {
                let status = *random.pick(&dialled);
                ("connected", vec![("CallStatus", status), ("DialCallStatus", "busy")])
            }
            Some(document) if document.contains("<Enqueue") => {
                ("dequeued", vec![("QueueResult", *random.pick(&left))])
            }
            Some(_) => ("audioComplete", Vec::new()),
            None => match random.below(4) {
                0 => ("answered", Vec::new()),
                1 => ("status", vec![("CallStatus", "busy")]),
                2 => ("status", vec![("CallStatus", "no-answer")]),
                _ => ("status", vec![("CallStatus", "failed")]),
            },
        };
        let parameters = Data::texts(pairs.into_iter().chain([("CallSid", "CA1")]));
        Input::Request { event: event.to_owned(), step: None, parameters }
    }
}

/// What may decide the flow's splits.
#[derive(Default)]
struct Guesses {
    texts: Vec<String>,
    /// Parameters that templates name.
    given: BTreeSet<String>,
    /// JSON that templates look for, by the widget that asks for it.
    answers: BTreeMap<String, Shape>,
}

impl Guesses {
    fn of(definition: &Value) -> Self {
        let mut texts: BTreeSet<_> = ["zzz", "5", "", "true"].map(str::to_owned).into();
        for state in definition["states"].as_array().into_iter().flatten() {
            for way in state["transitions"].as_array().into_iter().flatten() {
                for condition in way["conditions"].as_array().into_iter().flatten() {
                    texts.extend(compared(condition["value"].as_str().unwrap_or_default()));
                }
            }
        }
        let mut guesses = Self::default();
        each_text(definition, &mut |text| {
            if text.contains("{%") {
                texts.extend(text.split('"').skip(1).step_by(2).map(str::to_owned));
            }
            for path in paths(text) {
                guesses.learn(&path);
            }
        });
        guesses.texts = texts.into_iter().collect();
        guesses
    }

    fn learn(&mut self, path: &[String]) {
        let keys: Vec<_> = path.iter().map(String::as_str).collect();
        match keys[..] {
            ["widgets", widget, "parsed", ref below @ ..] => {
                self.answers.entry(widget.to_owned()).or_default().learn(below);
            }
            ["trigger", "call", name]
            | ["trigger", "request", "parameters", name]
            | ["flow", "data", name] => {
                self.given.insert(name.to_owned());
            }
            _ => {}
        }
    }
}

/// Texts that a condition with this value may hold for: the value, its items, and its alternatives without signs of an expression.
fn compared(value: &str) -> Vec<String> {
    let parts = value.split([',', '|']);
    let parts = parts.map(|part| part.replace(['^', '$', '(', ')', '.', '*'], ""));
    parts.chain([value.to_owned()]).map(|part| part.trim().to_owned()).collect()
}

fn each_text(value: &Value, take: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => take(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, take)),
        Value::Object(fields) => fields.values().for_each(|field| each_text(field, take)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The paths of variables in a text: their keys, an index as `[]`. Blanks after a dot do not count.
fn paths(text: &str) -> Vec<Vec<String>> {
    let roots = ["widgets.", "trigger.", "flow."];
    let starts = roots.iter().flat_map(|root| text.match_indices(root).map(|(at, _)| at));
    starts.map(|at| path(&text[at..].replace(". ", "."))).collect()
}

fn path(text: &str) -> Vec<String> {
    let is_in_path = |c: char| c.is_alphanumeric() || "_-.[]".contains(c);
    let end = text.find(|c| !is_in_path(c)).unwrap_or(text.len());
    let mut keys = Vec::new();
    for key in text[..end].split('.').filter(|key| !key.is_empty()) {
        match key.split_once('[') {
            Some((name, _)) => keys.extend([name.to_owned(), "[]".to_owned()]),
            None => keys.push(key.to_owned()),
        }
    }
    keys
}

/// The keys of JSON: none of a leaf.
#[derive(Default)]
struct Shape {
    is_list: bool,
    fields: BTreeMap<String, Shape>,
}

impl Shape {
    fn learn(&mut self, path: &[&str]) {
        match path {
            [] => {}
            ["[]" | "size" | "first" | "last", below @ ..] => {
                self.is_list = true;
                self.learn(below);
            }
            [name, below @ ..] => self.fields.entry((*name).to_owned()).or_default().learn(below),
        }
    }

    fn some(&self, random: &mut Random, texts: &[String]) -> Value {
        if self.is_list {
            let count = random.below(ITEMS + 1);
            return (0..count).map(|_| self.one(random, texts)).collect();
        }
        self.one(random, texts)
    }

    fn one(&self, random: &mut Random, texts: &[String]) -> Value {
        if self.fields.is_empty() {
            return json!(random.pick(texts));
        }
        let fields = self.fields.iter();
        fields.map(|(name, field)| (name.clone(), field.some(random, texts))).collect()
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}
