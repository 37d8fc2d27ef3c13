//! What happened in a world, for a person who reads it, and what was wrong.

use shared::Instant;

/// Lines of a trace, where one is wanted, and the findings.
#[derive(Default)]
pub struct Journal {
    trace: Option<Vec<String>>,
    wrong: Vec<String>,
}

impl Journal {
    pub fn new(is_traced: bool) -> Self {
        Self { trace: is_traced.then(Vec::new), wrong: Vec::new() }
    }

    /// Adds a line to the trace; the text is made only where there is one.
    pub fn note(&mut self, now: Instant, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9} {}", now.as_millis(), text()));
        }
    }

    /// Adds a finding: something differs from the model.
    pub fn is_wrong(&mut self, now: Instant, text: &str) {
        self.note(now, || format!("WRONG {text}"));
        self.wrong.push(format!("at {} s: {text}", now.as_millis() / 1_000));
    }

    /// The trace, one line a step; empty where none was wanted.
    pub fn into_trace(self) -> Vec<String> {
        self.trace.unwrap_or_default()
    }

    pub fn into_wrong(self) -> Vec<String> {
        self.wrong
    }
}
