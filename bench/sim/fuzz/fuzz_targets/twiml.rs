//! `cargo +nightly fuzz run twiml ../corpus/twiml`: see `sim::fuzz::twiml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::twiml::check(bytes));
