//! The binary: event loops, listeners, HTTP, workers, recorder.
fn main() {}
